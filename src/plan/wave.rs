//! One wave file: `waves/<anything>.yaml`.

use super::{
    agent::{DraftAgent, title},
    fields::{Fields, Reading, entries, list, parsed},
    place::Place,
    policy::Policy,
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
        let name = node.and_then(|node| parsed::<WaveName>(node, "the name of the wave", cx));
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
        cx.error(node.span, "the wave has no agents")
            .hint("add one, or remove the file");
    }
    entries
        .into_iter()
        .filter_map(|entry| DraftAgent::read(entry, wave, cx))
        .collect()
}
