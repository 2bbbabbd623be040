//! One wave file: `waves/<anything>.yaml`.

use super::{
    agent::{DraftAgent, title},
    fields::{Fields, Reading, entries},
    place::Place,
    policy::Policy,
    values::{list, parsed},
    yaml::Node,
};
use crate::model::WaveName;

const FIELDS: [&str; 5] = ["wave", "title", "after", "defaults", "agents"];

/// A wave as far as its file could be read.
pub(super) struct DraftWave {
    /// `None` if it is missing or bad; its agents are known all the same.
    pub(super) name: Option<WaveName>,
    pub(super) place: Place,
    pub(super) title: Option<String>,
    pub(super) after: Vec<(WaveName, Place)>,
    pub(super) defaults: Policy,
    pub(super) default_pool: Option<Place>,
    pub(super) agents: Vec<DraftAgent>,
}

impl DraftWave {
    pub(super) fn read(root: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        let fields = Fields::open(root, "a wave", &FIELDS, cx)?;
        let node = fields.require("wave", "wave: my-wave", cx);
        let name = node.and_then(|node| own_name(node, cx));
        let place = cx.place(node.map_or(root.span, |node| node.span));
        let (defaults, default_pool) = Policy::read_defaults(&fields, cx);
        let default_pool = default_pool.map(|span| cx.place(span));
        Some(Self {
            place,
            title: fields.get("title").and_then(|node| title(node, cx)),
            after: after(&fields, name.as_ref(), cx),
            defaults,
            default_pool,
            agents: agents(&fields, name.as_ref(), cx),
            name,
        })
    }
}

fn own_name(node: &Node, cx: &mut Reading<'_>) -> Option<WaveName> {
    let name = parsed(node, "the name of the wave", cx)?;
    if name == WaveName::unplanned() {
        cx.error(node.span, format!("`{name}` is where agents live that are in no plan"))
            .hint("choose another name");
        return None;
    }
    Some(name)
}

fn after(
    fields: &Fields<'_>,
    own: Option<&WaveName>,
    cx: &mut Reading<'_>,
) -> Vec<(WaveName, Place)> {
    let mut after: Vec<(WaveName, Place)> = Vec::new();
    let Some(node) = fields.get("after") else {
        return after;
    };
    for item in list(node, "a list of wave names", cx) {
        let Some(name) = parsed::<WaveName>(item, "the name of a wave", cx) else {
            continue;
        };
        if Some(&name) == own {
            cx.error(item.span, format!("wave `{name}` cannot come after itself"));
        } else {
            after.push((name, cx.place(item.span)));
        }
    }
    after
}

fn agents(fields: &Fields<'_>, wave: Option<&WaveName>, cx: &mut Reading<'_>) -> Vec<DraftAgent> {
    let example = "agents: { my-agent: { run: { exec: [agents/program.sh] } } }";
    let Some(node) = fields.require("agents", example, cx) else {
        return Vec::new();
    };
    let Some(entries) = entries(node, "`agents`", cx) else {
        return Vec::new();
    };
    if entries.is_empty() {
        cx.error(node.span, "the wave has no agents").hint("add one, or remove the file");
    }
    entries.into_iter().filter_map(|entry| DraftAgent::read(entry, wave, cx)).collect()
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
