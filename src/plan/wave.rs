//! One wave file: `waves/<anything>.yaml`.

use serde_json::{Value as Json, json};

use super::{
    agent::{AgentFields, DraftAgent, Title},
    fields::{Reading, entries},
    kind::{At, Kind, Set, Word as _},
    mapping::mapping,
    place::Place,
    policy::Policy,
    yaml::Node,
};
use crate::model::{AgentName, Usd, WaveName};

mapping! {
    /// A wave: a batch of agents with a name.
    pub(super) struct WaveFields, "a wave" {
        /// What the wave is called, once in a project.
        #[needed = "wave: my-wave"]
        wave: At<WaveName>,
        /// What people call it: one line.
        title: Title,
        /// The waves that must be complete before any agent of this one starts. Usually none: what
        /// an agent really waits for stands in its `needs`.
        #[default = []]
        after: Set<WaveName>,
        /// What all agents of the wave may cost together, in US dollars, before a person is asked.
        budget_usd: Usd,
        /// What holds for agents of this wave that say nothing else.
        defaults: Policy,
        /// The agents of the wave, by names that are unique in the whole project.
        #[needed = "agents: { my-agent: { run: { exec: [agents/program.sh] } } }"]
        agents: Agents,
    }
}

/// A wave as far as its file could be read.
pub(super) struct DraftWave {
    /// `None` if it is missing or bad; its agents are known all the same.
    pub(super) name: Option<WaveName>,
    pub(super) place: Place,
    pub(super) title: Option<String>,
    pub(super) after: Set<WaveName>,
    pub(super) budget: Option<Usd>,
    pub(super) defaults: Policy,
    pub(super) agents: Vec<DraftAgent>,
}

impl DraftWave {
    pub(super) fn read(root: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        let fields = WaveFields::read(root, cx)?;
        let place = fields.wave.as_ref().map(|name| name.place.clone());
        let name = fields.wave.and_then(|name| plannable(name, cx));
        let mut after = fields.after.unwrap_or_default();
        let mut agents = fields.agents.unwrap_or_default().0;
        if let Some(name) = &name {
            if let Some(place) = after.remove(name) {
                cx.findings.error(place, format!("wave `{name}` cannot come after itself"));
            }
            for agent in &mut agents {
                agent.leave_own_wave_out(name, cx);
            }
        }
        Some(Self {
            name,
            place: place.unwrap_or_else(|| cx.place(root.span)),
            title: fields.title.map(|title| title.0),
            after,
            budget: fields.budget_usd,
            defaults: fields.defaults.unwrap_or_default(),
            agents,
        })
    }
}

/// The name, unless it is the one of no plan.
fn plannable(name: At<WaveName>, cx: &mut Reading<'_>) -> Option<WaveName> {
    if name.value != WaveName::unplanned() {
        return Some(name.value);
    }
    let what = format!("`{}` is where agents live that are in no plan", name.value);
    cx.findings.error(name.place, what).hint("choose another name");
    None
}

/// The agents of a wave.
#[derive(Clone, Debug, Default)]
pub(super) struct Agents(Vec<DraftAgent>);

impl Kind for Agents {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        let entries = entries(node, "`agents`", cx)?;
        if entries.is_empty() {
            cx.error(node.span, "the wave has no agents").hint("add one, or remove the file");
        }
        Some(Self(entries.into_iter().filter_map(|entry| DraftAgent::read(entry, cx)).collect()))
    }

    fn schema() -> Json {
        json!({
            "type": "object",
            "minProperties": 1,
            "propertyNames": { "pattern": AgentName::pattern() },
            "additionalProperties": AgentFields::schema(),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::testing::wave;

    #[test]
    fn a_wave_has_a_name_and_agents() {
        insta::assert_snapshot!(wave(r#"
title: A
agnts: {}
"#), @"
        waves/w.yaml:1:1: error: a wave needs `agents` (write `agents: { my-agent: { run: { exec: [agents/program.sh] } } }`)
        waves/w.yaml:1:1: error: a wave needs `wave` (write `wave: my-wave`)
        waves/w.yaml:2:1: error: `agnts` is not a field of a wave (did you mean `agents`?)
        ");
    }

    #[test]
    fn a_wave_is_a_mapping() {
        insta::assert_snapshot!(wave(r#"
- wave: w
"#), @"waves/w.yaml:1:1: error: expected a wave, as `key: value` lines, found a list");
    }

    #[test]
    fn a_wave_with_no_agents_is_told() {
        insta::assert_snapshot!(wave(r#"
wave: w
agents: {}
"#), @"waves/w.yaml:2:9: error: the wave has no agents (add one, or remove the file)");
    }

    #[test]
    fn agents_are_not_a_list() {
        insta::assert_snapshot!(wave(r#"
wave: w
agents:
  - a
"#), @"waves/w.yaml:3:3: error: expected `agents`, as `key: value` lines, found a list");
    }

    #[test]
    fn a_key_that_comes_twice_is_told_with_both_places() {
        insta::assert_snapshot!(wave(r#"
wave: w
agents:
  a: { run: { manual: } }
  a: { run: { manual: } }
wave: v
"#), @"
        waves/w.yaml:4:3: error: `a` is here twice (first here: waves/w.yaml:3:3)
        waves/w.yaml:5:1: error: `wave` is here twice (first here: waves/w.yaml:1:1)
        ");
    }

    #[test]
    fn an_agent_has_a_good_name() {
        insta::assert_snapshot!(wave(r#"
wave: Phase 1
agents:
  Echo_2: { run: { manual: } }
  5: { run: { manual: } }
  true: { run: { manual: } }
  ok:
"#), @r#"
        waves/w.yaml:1:7: error: `Phase 1` cannot name a wave: use 1 to 63 of a-z, 0-9 and `-`, starting with a letter (did you mean `phase-1`?)
        waves/w.yaml:3:3: error: `Echo_2` cannot name an agent: use 1 to 63 of a-z, 0-9 and `-`, starting with a letter (did you mean `echo-2`?)
        waves/w.yaml:4:3: error: expected a key, found the number `5` (if it is meant as text, put it in quotes: "5")
        waves/w.yaml:5:3: error: expected a key, found `true`, which YAML reads as yes or no (if it is meant as text, put it in quotes: "true")
        waves/w.yaml:6:5: error: expected agent `ok`, as `key: value` lines, found nothing
        "#);
    }

    #[test]
    fn the_wave_of_what_is_in_no_plan_cannot_be_planned() {
        insta::assert_snapshot!(wave(r#"
wave: unplanned
agents: { a: { run: { manual: } } }
"#), @"waves/w.yaml:1:7: error: `unplanned` is where agents live that are in no plan (choose another name)");
    }

    #[test]
    fn a_wave_is_not_after_itself() {
        insta::assert_snapshot!(wave(r#"
wave: w
after: [w]
agents: { a: { run: { manual: } } }
"#), @"waves/w.yaml:2:9: error: wave `w` cannot come after itself");
    }
}
