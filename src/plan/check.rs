//! What can only be checked with all files at hand, and the plan at its end.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    agent::DraftAgent,
    checked::{Agent, Plan, Wave},
    circles::{self, Places},
    draft::Draft,
    files::Facts,
    kind::Whole,
    names::Names,
    policy::Policy,
    problem::{Findings, Problems},
    project::DraftProject,
    refer::Referred,
    wave::DraftWave,
};
use crate::model::{
    AgentName, Definition, ModelName, OnStale, PoolName, Price, Review, Runner, WaveName,
};

/// What holds when nobody says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2 * 60 * 60);
const DEFAULT_RETRIES: u32 = 2;

/// Turns a draft into a plan.
///
/// What could not be read gets a stand-in, so that everything around it is
/// checked all the same; it has been reported, so nobody sees that plan.
pub(super) fn check(draft: Draft, facts: &Facts) -> Result<Plan, Problems> {
    let Draft { project, waves: drafts, incomplete, mut findings, suggester, texts, .. } = draft;
    let pools = project.as_ref().map(|project| project.pools.keys().cloned().collect());
    let settings = project.as_ref().map(|project| &project.settings);
    let mut checker = Checker {
        prices: settings.map(|settings| settings.prices.clone()).unwrap_or_default(),
        shares_budget: settings.is_some_and(|it| it.budget.or(it.budget_per_day).is_some()),
        names: Names::of(&drafts, pools, incomplete, suggester, &mut findings),
        referred: Referred::of(facts),
        findings,
        places: Places::default(),
        waves: BTreeMap::new(),
        agents: BTreeMap::new(),
    };
    let mut defaults = Policy::default();
    if let Some(project) = &project {
        checker.names.pool(&project.defaults, &mut checker.findings);
        defaults = project.defaults.clone();
    }
    for (position, draft) in drafts.into_iter().enumerate() {
        checker.wave(draft, position, &defaults);
    }

    let Checker { mut findings, places, waves, agents, .. } = checker;
    circles::report(&waves, &agents, &places, &mut findings);
    let warnings = findings.finish(&texts);
    match project.and_then(DraftProject::finish) {
        Some(project) if warnings.errors() == 0 => Ok(Plan { project, waves, agents, warnings }),
        _ => Err(warnings),
    }
}

struct Checker<'f> {
    prices: BTreeMap<ModelName, Price>,
    /// Whether all agents share a budget.
    shares_budget: bool,
    names: Names,
    referred: Referred<'f>,
    findings: Findings,
    places: Places,
    waves: BTreeMap<WaveName, Wave>,
    agents: BTreeMap<AgentName, Agent>,
}

impl Checker<'_> {
    fn wave(&mut self, draft: DraftWave, position: usize, defaults: &Policy) {
        let name = draft.name.unwrap_or_else(WaveName::unplanned);
        self.names.pool(&draft.defaults, &mut self.findings);
        for (earlier, place) in &draft.after {
            self.names.wave(earlier, place, &mut self.findings);
            self.places.after.insert((name.clone(), earlier.clone()), place.clone());
        }
        let defaults = draft.defaults.or(defaults);
        let mut members = BTreeSet::new();
        for agent in draft.agents {
            members.insert(agent.name.clone());
            let name = self.agent(agent, &name, &defaults);
            self.cost(&name, draft.budget.is_some());
        }
        let wave = Wave {
            name: name.clone(),
            title: draft.title,
            budget: draft.budget,
            after: draft.after.into_keys().collect(),
            position: u32::try_from(position).unwrap_or(u32::MAX),
            agents: members,
            place: draft.place,
        };
        self.waves.entry(name).or_insert(wave);
    }

    /// Warns of a budget that limits nothing, as nobody knows what is spent.
    fn cost(&mut self, name: &AgentName, shares_budget: bool) {
        let Some(Agent { definition, place, .. }) = self.agents.get(name) else { return };
        let Runner::Subagent(subagent) = &definition.run else { return };
        let limited = definition.budget.is_some() || shares_budget || self.shares_budget;
        let priced = subagent.model.as_deref().is_some_and(|it| self.prices.contains_key(it));
        if limited && !priced && subagent.profile.tells_no_money() {
            let what = format!(
                "no budget limits `{name}`: `{}` does not say what it costs, and its model has no price",
                subagent.name
            );
            let model = subagent.model.as_deref().unwrap_or("name-of-it");
            self.findings.warning(place.clone(), what).hint(format!(
                "say `model: {model}` here, and in waves/project.yaml what a million tokens cost: \
                 `prices: {{ {model}: {{ input: 1.25, output: 10 }} }}`"
            ));
        }
    }

    /// Takes in an agent, with every default filled in; returns its name.
    fn agent(&mut self, draft: DraftAgent, wave: &WaveName, defaults: &Policy) -> AgentName {
        let DraftAgent { name, place, fields } = draft;
        let findings = &mut self.findings;
        let needs = fields.needs.unwrap_or_default();
        for (need, place) in &needs {
            self.names.need(need, place, findings);
            self.places.needs.insert((name.clone(), need.clone()), place.clone());
        }
        self.names.pool(&fields.policy, findings);
        if let Some(run) = &fields.run {
            self.referred.program(run, findings);
        }
        let policy = fields.policy.or(defaults);
        let timeout = fields.run.as_ref().and_then(|run| run.timeout).or(policy.timeout);
        let env = fields.env.unwrap_or_default().0.into_iter();
        let definition = Definition {
            title: fields.title.map(|title| title.0),
            needs: needs.into_keys().collect(),
            timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
            run: fields.run.map_or(Runner::Manual {}, |run| run.runner),
            prompt: fields.prompt.and_then(|prompt| self.referred.prompt(prompt, findings)),
            env: env.filter_map(|(name, value)| Some((name, value?.0))).collect(),
            secrets: fields.secrets.unwrap_or_default().into_keys().collect(),
            produces: fields.produces.unwrap_or_default().0.into_keys().collect(),
            review: policy.review.unwrap_or(Review::None),
            on_stale: policy.on_stale.unwrap_or(OnStale::Keep),
            pool: policy.pool.map_or_else(PoolName::default_pool, |pool| pool.value),
            priority: policy.priority.map_or(0, Whole::get),
            retries: policy.retries.map_or(DEFAULT_RETRIES, Whole::unsigned),
            budget: policy.budget_usd,
        };
        let agent = Agent { name: name.clone(), wave: wave.clone(), definition, place };
        self.agents.entry(name.clone()).or_insert(agent);
        name
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::testing::{agent, problems, shown};

    #[test]
    fn a_budget_that_limits_nothing_is_a_warning() {
        insta::assert_snapshot!(problems(r#"
--- waves/project.yaml
project: p
prices: { gpt-5: { input: 1.25, output: 10 } }
--- waves/w.yaml
wave: w
agents:
  a: { run: { codex: { model: gpt-5 } }, budget_usd: 1 }
  b: { run: { codex: { model: gpt-6 } }, budget_usd: 1 }
  c: { run: { gemini: } }
  d: { run: { claude: }, budget_usd: 1 }
--- waves/x.yaml
wave: x
budget_usd: 2
agents:
  e: { run: { gemini: } }
"#), @"
        waves/w.yaml:4:3: warning: no budget limits `b`: `codex` does not say what it costs, and its model has no price (say `model: gpt-6` here, and in waves/project.yaml what a million tokens cost: `prices: { gpt-6: { input: 1.25, output: 10 } }`)
        waves/x.yaml:4:3: warning: no budget limits `e`: `gemini` does not say what it costs, and its model has no price (say `model: name-of-it` here, and in waves/project.yaml what a million tokens cost: `prices: { name-of-it: { input: 1.25, output: 10 } }`)
        ");
    }

    #[test]
    fn names_are_unique_across_files() {
        insta::assert_snapshot!(problems(r#"
--- waves/1.yaml
wave: a
agents: { x: { run: { manual: } } }
--- waves/2.yaml
wave: a
agents: { x: { run: { manual: } } }
"#), @"
        waves/2.yaml:1:7: error: there is a second wave `a` (a wave is one file: rename one of them, or move its agents; the first one: waves/1.yaml:1:7)
        waves/2.yaml:2:11: error: there is a second agent `x` (agent names are unique in the whole project: rename one; the first one: waves/1.yaml:2:11)
        ");
    }

    #[test]
    fn unknown_names_are_told_with_the_nearest() {
        insta::assert_snapshot!(problems(r#"
--- waves/1.yaml
wave: words
after: [pictures]
defaults: { pool: gpu }
agents:
  writer: { run: { manual: }, needs: [editr, words, "wave:wrods", nobody] }
  editor: { run: { manual: }, pool: defualt }
"#), @"
        waves/1.yaml:2:9: error: there is no wave `pictures` (there is `words`)
        waves/1.yaml:3:19: error: there is no pool `gpu` (declare it in waves/project.yaml: `pools: { gpu: 4 }`)
        waves/1.yaml:5:39: error: there is no agent `editr` (did you mean `editor`?)
        waves/1.yaml:5:46: error: there is no agent `words` (it is a wave: write `wave:words` to need all of its agents)
        waves/1.yaml:5:53: error: there is no wave `wrods` (did you mean `words`?)
        waves/1.yaml:5:67: error: there is no agent `nobody` (there is `editor` and `writer`)
        waves/1.yaml:6:37: error: there is no pool `defualt` (did you mean `default`?)
        ");
    }

    #[test]
    fn a_name_is_not_unknown_while_a_file_cannot_be_read() {
        insta::assert_snapshot!(problems(r#"
--- waves/1.yaml
wave: a
agents: { x: { run: { manual: }, needs: [y] } }
--- waves/2.yaml
wave: [
"#), @"waves/2.yaml:1:7: error: not YAML: unclosed bracket '['");
    }

    #[test]
    fn programs_are_looked_for() {
        insta::assert_snapshot!(problems(r#"
--- waves/1.yaml
wave: a
agents:
  a: { run: { exec: [agents/a.sh] } }
  b: { run: { exec: [agents/b.sh] } }
  c: { run: { exec: [agents/c.sh] } }
  d: { run: { exec: [../d.sh] } }
  e: { run: { exec: [on-the-path] } }
--- agents/a.sh +x
--- agents/b.sh -x
"#), @"
        waves/1.yaml:4:22: error: `agents/b.sh` is not executable (run `chmod +x agents/b.sh` and commit that)
        waves/1.yaml:5:22: error: there is no program `agents/c.sh` (a program with a slash is looked for from the repo's root)
        waves/1.yaml:6:22: error: `../d.sh` leads out of the repo (give a path that starts at the repo's root)
        ");
    }

    #[test]
    fn a_program_of_another_machine_is_only_a_warning() {
        insta::assert_snapshot!(agent(r#"
run: { exec: [/opt/tool/bin/build] }
"#), @"waves/w.yaml:4:19: warning: this machine has no program `/opt/tool/bin/build`");
    }

    #[test]
    fn a_credential_is_told_and_never_shown() {
        insta::assert_snapshot!(shown(r#"
--- waves/1.yaml
wave: a # ghp_0123456789abcdefghijklmnopqrstuvwxyz
agents:
  ghp_0123456789abcdefghijklmnopqrstuvwxyz:
    run: { exec: [env, AKIAIOSFODNN7EXAMPLE] }
  b: { run: { manual: }, prompt: p.md }
--- waves/p.md
Use
sk-ant-api03-0123456789abcdefghijklmnop
please.
"#), @"
        error: this looks like a credential, and a plan is not secret
         --> waves/1.yaml:1:11
          |
        1 | wave: a # ****************************************
          |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
          = hint: take it out, revoke it, and name its environment variable under `secrets`

        error: `****************************************` cannot name an agent: use 1 to 63 of a-z, 0-9 and `-`, starting with a letter
         --> waves/1.yaml:3:3
          |
        3 |   ****************************************:
          |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

        error: this looks like a credential, and a plan is not secret
         --> waves/1.yaml:3:3
          |
        3 |   ****************************************:
          |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
          = hint: take it out, revoke it, and name its environment variable under `secrets`

        error: this looks like a credential, and a plan is not secret
         --> waves/1.yaml:4:24
          |
        4 |     run: { exec: [env, ********************] }
          |                        ^^^^^^^^^^^^^^^^^^^^
          |
          = hint: take it out, revoke it, and name its environment variable under `secrets`

        error: the prompt waves/p.md holds what looks like a credential
         --> waves/1.yaml:5:34
          |
        5 |   b: { run: { manual: }, prompt: p.md }
          |                                  ^^^^
         ::: waves/p.md:2:1
          = hint: take it out, revoke it, and name its environment variable under `secrets`

        5 errors
        ");
    }
}
