//! A plan that can be used: what checking ends with.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter::once,
};

use serde::Serialize;

use super::{
    graph::{Graph, Step},
    place::Place,
    problem::Problems,
    project::Project,
};
use crate::model::{AgentName, Definition, Digest, Need, Usd, WaveName, canonical_json};

/// A checked plan: every name is known, nothing waits for itself, every
/// default is filled in, every prompt is read.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What holds for all of it.
    pub project: Project,
    /// The waves.
    pub waves: BTreeMap<WaveName, Wave>,
    /// The agents of all waves.
    pub agents: BTreeMap<AgentName, Agent>,
    /// What somebody should look at all the same.
    pub warnings: Problems,
}

/// A wave of a checked plan.
#[derive(Clone, Debug)]
pub struct Wave {
    /// What it is called, once in a project.
    pub name: WaveName,
    /// What people call it.
    pub title: Option<String>,
    /// What its agents may cost together, before a person is asked.
    pub budget: Option<Usd>,
    /// The waves that must be complete before any of its agents starts.
    pub after: BTreeSet<WaveName>,
    /// Where it comes among the waves: by the names of their files, from 0.
    pub position: u32,
    /// Its agents.
    pub agents: BTreeSet<AgentName>,
    /// Where its name stands.
    pub place: Place,
}

/// An agent of a checked plan.
#[derive(Clone, Debug)]
pub struct Agent {
    /// What it is called, once in a project.
    pub name: AgentName,
    /// The wave it is in.
    pub wave: WaveName,
    /// What it is.
    pub definition: Definition,
    /// Where its name stands.
    pub place: Place,
}

impl Plan {
    /// The digest of what the plan says: the SHA-256 of one line of JSON, keys
    /// sorted, every default filled in, every prompt as its text. How its files
    /// are written, what they are commented with and in which order their keys
    /// stand has no part in it; of their names, only the order that they give
    /// the waves.
    pub fn digest(&self) -> Digest {
        #[derive(Serialize)]
        struct CanonicalWave<'a> {
            title: &'a Option<String>,
            after: &'a BTreeSet<WaveName>,
            position: u32,
            #[serde(skip_serializing_if = "Option::is_none")]
            budget_usd: Option<Usd>,
        }
        #[derive(Serialize)]
        struct CanonicalAgent<'a> {
            wave: &'a WaveName,
            definition: &'a Definition,
        }
        let waves = self.waves.iter().map(|(name, Wave { title, after, position, budget, .. })| {
            let (position, budget_usd) = (*position, *budget);
            member(name, &CanonicalWave { title, after, position, budget_usd })
        });
        let agents = self.agents.iter().map(|(name, Agent { wave, definition, .. })| {
            member(name, &CanonicalAgent { wave, definition })
        });
        // Piece by piece: a large plan as one value takes half a gigabyte.
        let project = format!(",\"project\":{}", canonical_json(&self.project));
        Digest::of_all(
            once("{\"agents\":".to_owned())
                .chain(object(agents))
                .chain(once(project + ",\"waves\":"))
                .chain(object(waves))
                .chain(once("}".to_owned())),
        )
    }

    /// The agents that `agent` needs, those of needed waves included; barriers
    /// are not.
    pub fn needs_of(&self, agent: &Agent) -> BTreeSet<&AgentName> {
        let mut needs = BTreeSet::new();
        for need in &agent.definition.needs {
            match need {
                Need::Agent(name) => needs.extend(self.agents.get_key_value(name).map(|(n, _)| n)),
                Need::Wave(name) => {
                    needs.extend(self.waves.get(name).iter().flat_map(|w| &w.agents))
                }
            }
        }
        needs
    }

    /// The agents that need nothing and are behind no barrier: in a fresh
    /// project, they start at once.
    pub fn ready_first(&self) -> BTreeSet<&AgentName> {
        let free = |agent: &&Agent| {
            let barrier = self.waves.get(&agent.wave).is_some_and(|wave| !wave.after.is_empty());
            agent.definition.needs.is_empty() && !barrier
        };
        self.agents.values().filter(free).map(|agent| &agent.name).collect()
    }

    /// The longest chain of agents that wait for each other, the first first:
    /// however many machines there are, the plan takes this many steps.
    pub fn longest_chain(&self) -> Vec<AgentName> {
        let chain = Graph::of(&self.waves, &self.agents).longest_chain();
        let agents = chain.into_iter().filter_map(|step| match step {
            Step::Agent(name) => Some(name.clone()),
            _ => None,
        });
        agents.collect()
    }
}

/// A member of a canonical JSON object.
fn member(key: &impl Serialize, value: &impl Serialize) -> String {
    format!("{}:{}", canonical_json(key), canonical_json(value))
}

/// The pieces of a canonical JSON object, given its members in order.
fn object(members: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    let members = members.enumerate().map(|(place, member)| match place {
        0 => member,
        _ => format!(",{member}"),
    });
    once("{".to_owned()).chain(members).chain(once("}".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::check;

    const TWO_WAVES: &str = "
--- waves/1.yaml
wave: words
agents:
  plan: { run: { manual: } }
  write: { run: { manual: }, needs: [plan] }
--- waves/2.yaml
wave: pictures
agents:
  sketch: { run: { manual: } }
  draw: { run: { manual: }, needs: ['wave:words', sketch] }
--- waves/3.yaml
wave: film
after: [pictures]
agents:
  cut: { run: { manual: } }
";

    fn names<'a>(names: impl IntoIterator<Item = &'a AgentName>) -> String {
        let names: Vec<&str> = names.into_iter().map(AgentName::as_str).collect();
        names.join(" ")
    }

    #[test]
    fn what_needs_nothing_and_is_behind_no_barrier_starts_at_once() {
        assert_eq!(names(check(TWO_WAVES).unwrap().ready_first()), "plan sketch");
    }

    #[test]
    fn a_need_of_a_wave_is_one_of_each_of_its_agents() {
        let plan = check(TWO_WAVES).unwrap();
        assert_eq!(names(plan.needs_of(&plan.agents["draw"])), "plan sketch write");
    }

    /// A plan that is written as untidily as can be, and its canonical form as
    /// anybody can write it down. `printf %s '{"agents":…}' | sha256sum` gives
    /// the same digest.
    #[test]
    fn the_digest_is_the_sha_256_of_sorted_json() {
        let plan = check(
            r#"
--- waves/w.yaml
# A comment.
agents:
  'a': {title: "\u00c4", prompt: p.md,   produces: [ doc/a.md, schema/z.json ],
    env: {"B": 1.10}, run: {exec: ['true', -q]}, review: ~}
wave:   w
--- waves/p.md
Do "it".
Now.
"#,
        );
        let canonical = r#"{"agents":{"a":{"definition":{"env":{"B":"1.10"},"needs":[],"on_stale":"keep","pool":"default","priority":0,"produces":["schema/z.json","doc/a.md"],"prompt":"Do \"it\".\nNow.\n","retries":2,"review":"none","run":{"exec":["true","-q"]},"secrets":[],"timeout":7200,"title":"Ä"},"wave":"w"}},"project":{"artifact_branch":"wavemark/artifacts","name":"demo","pools":{"default":8},"settings":{"backoff":10,"backoff_cap":1800,"grace":120,"infra_retries":10,"lease":120,"max_artifact_bytes":5242880,"stall_timeout":1800},"trusted_role":"triage"},"waves":{"w":{"after":[],"position":0,"title":null}}}"#;
        let plan = plan.unwrap();
        assert_eq!(plan.digest(), Digest::of(canonical));
        let sha256sum = "5680c07b06ff031540459dfa74e61e4f7c25f8d1b33401fb66035a32d0e00276";
        assert_eq!(plan.digest().to_string(), sha256sum);
    }

    /// Test vectors: these texts may only change together with a reason why
    /// every stored plan is to count as changed.
    #[test]
    fn the_digests_stay_what_they_are() {
        let plan = check(TWO_WAVES).unwrap();
        let draw = &plan.agents["draw"].definition;
        insta::assert_snapshot!(serde_json::to_value(draw).unwrap(), @r#"{"env":{},"needs":["sketch","wave:words"],"on_stale":"keep","pool":"default","priority":0,"produces":[],"prompt":null,"retries":2,"review":"none","run":{"manual":{}},"secrets":[],"timeout":7200,"title":null}"#);
        insta::assert_snapshot!(draw.digest(), @"ca94f159a8daa5cfcc34d1daeb02ca01646297c129d184cdd4c0c94ece12b742");
        insta::assert_snapshot!(draw.work_digest(), @"c12df9e544f10082d13143955642f67cc76cdc013d4d53d450dc8d726d66d312");
        insta::assert_snapshot!(plan.digest(), @"6a7ab4396881ce5ddddb183dabed988cbb646d6dda424d0bd3f538153a7e0af7");
    }

    #[test]
    fn a_digest_changes_with_what_a_plan_says() {
        let digest = |text: &str| check(text).unwrap().digest();
        let before = digest(TWO_WAVES);
        for (from, to) in [
            ("needs: [plan]", "needs: []"),
            ("wave: film", "wave: movie"),
            ("after: [pictures]", "after: [words]"),
            ("wave: words", "wave: words\ntitle: Words"),
            ("wave: words", "wave: words\ndefaults: { timeout: 3h }"),
            ("cut: {", "trim: {"),
        ] {
            let after = digest(&TWO_WAVES.replace(from, to).replace("wave:movie", "wave:film"));
            assert_ne!(before, after, "{from} -> {to}");
        }
    }
}
