//! The graph of a plan, and how it is written for Mermaid, which GitHub draws.
//!
//! An arrow goes from what is needed to what needs it. A large plan is drawn by
//! its waves: nobody reads a hundred boxes, and GitHub draws no more than 500
//! arrows. The graph says nothing of what changes; that is told by the changes
//! that it is drawn with.
//!
//! **Invariant:** nothing but names and numbers is in it, so no text of a
//! stranger's is ever a word of Mermaid's.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use serde::{Deserialize, Serialize};

use super::{Action, AgentChange, Changes, Counts, Tense};
use crate::{
    model::{AgentName, Need, WaveName},
    plan::{Plan, Wave},
};

/// The most boxes.
const MAX_NODES: usize = 60;
/// The most arrows.
const MAX_EDGES: usize = 300;

const STYLES: &str = "  classDef new stroke:#1a7f37,stroke-width:3px
  classDef changed stroke:#bf8700,stroke-width:3px
";

/// What there is to draw of a plan: as much of it as somebody can read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Graph {
    /// Every agent, within its wave.
    Agents {
        /// The waves in their order, with their agents.
        waves: Vec<(WaveName, BTreeSet<AgentName>)>,
        /// What is needed, and what needs it.
        arrows: BTreeSet<(Need, Need)>,
    },
    /// Only the waves.
    Waves {
        /// The waves in their order, with how many agents they have.
        waves: Vec<(WaveName, usize)>,
        /// What is needed, and what needs it.
        arrows: BTreeSet<(WaveName, WaveName)>,
    },
}

impl Graph {
    /// The graph of `plan`; none if it is too large even by its waves.
    pub(super) fn of(plan: &Plan) -> Option<Self> {
        let by_agent = Self::by_agent(plan).filter(Self::is_readable);
        by_agent.or_else(|| Some(Self::by_wave(plan)).filter(Self::is_readable))
    }

    /// Every agent; none if there are far too many.
    fn by_agent(plan: &Plan) -> Option<Self> {
        let Plan { agents, waves, .. } = plan;
        if agents.len() + waves.len() > MAX_NODES {
            return None;
        }
        let needs = agents.iter().flat_map(|(name, agent)| {
            let needs = agent.definition.needs.iter().cloned();
            needs.map(|need| (need, Need::Agent(name.clone())))
        });
        let barriers =
            barriers(plan).map(|(from, to)| (Need::Wave(from.clone()), Need::Wave(to.clone())));
        Some(Self::Agents {
            arrows: needs.chain(barriers).collect(),
            waves: in_order(plan).map(|wave| (wave.name.clone(), wave.agents.clone())).collect(),
        })
    }

    fn by_wave(plan: &Plan) -> Self {
        let needs = plan.agents.values().flat_map(|agent| {
            let waves = agent.definition.needs.iter().filter_map(|need| match need {
                Need::Agent(need) => plan.agents.get(need).map(|need| &need.wave),
                Need::Wave(wave) => Some(wave),
            });
            waves.filter(|from| **from != agent.wave).map(|from| (from, &agent.wave))
        });
        let arrows: BTreeSet<_> = needs.chain(barriers(plan)).collect();
        Self::Waves {
            arrows: arrows.into_iter().map(|(from, to)| (from.clone(), to.clone())).collect(),
            waves: in_order(plan).map(|wave| (wave.name.clone(), wave.agents.len())).collect(),
        }
    }

    /// Whether somebody can read it, and GitHub draws it.
    fn is_readable(&self) -> bool {
        let (boxes, arrows) = match self {
            Self::Agents { waves, arrows } => {
                let agents = waves.iter().map(|(_, agents)| agents.len());
                (waves.len() + agents.sum::<usize>(), arrows.len())
            }
            Self::Waves { waves, arrows } => (waves.len(), arrows.len()),
        };
        boxes <= MAX_NODES && arrows <= MAX_EDGES
    }

    /// For Mermaid, with what changes standing out; none if it is too large.
    pub(super) fn to_mermaid(&self, changes: &Changes) -> Option<String> {
        self.is_readable().then(|| match self {
            Self::Agents { waves, arrows } => of_agents(waves, arrows, changes),
            Self::Waves { waves, arrows } => of_waves(waves, arrows, changes),
        })
    }
}

fn in_order(plan: &Plan) -> impl Iterator<Item = &Wave> {
    let mut waves: Vec<&Wave> = plan.waves.values().collect();
    waves.sort_by_key(|wave| wave.position);
    waves.into_iter()
}

fn barriers(plan: &Plan) -> impl Iterator<Item = (&WaveName, &WaveName)> {
    plan.waves.values().flat_map(|wave| wave.after.iter().map(|earlier| (earlier, &wave.name)))
}

/// By number, because any word may be one of Mermaid's own.
fn numbered<'a, T: Ord>(names: impl Iterator<Item = &'a T>) -> BTreeMap<&'a T, usize> {
    names.enumerate().map(|(number, name)| (name, number)).collect()
}

fn of_agents(
    waves: &[(WaveName, BTreeSet<AgentName>)],
    arrows: &BTreeSet<(Need, Need)>,
    changes: &Changes,
) -> String {
    let all: BTreeSet<&AgentName> = waves.iter().flat_map(|(_, agents)| agents).collect();
    let agents = numbered(all.into_iter());
    let by_wave = numbered(waves.iter().map(|(name, _)| name));
    let mut boxes = String::new();
    for (number, (name, within)) in waves.iter().enumerate() {
        if within.is_empty() {
            let _ = writeln!(boxes, "  w{number}[\"{name}\"]");
            continue;
        }
        let _ = writeln!(boxes, "  subgraph w{number}[\"{name}\"]");
        for agent in within {
            let change = changes.agents.get(agent);
            let sign = change.map_or(String::new(), |change| format!("{} ", change.sign()));
            let class = class(change);
            let _ = writeln!(boxes, "    a{}[\"{sign}{agent}\"]{class}", agents[agent]);
        }
        boxes += "  end\n";
    }
    let end = |end: &Need| match end {
        Need::Agent(agent) => agents.get(agent).map(|number| format!("a{number}")),
        Need::Wave(wave) => by_wave.get(wave).map(|number| format!("w{number}")),
    };
    drawn(&boxes, arrows.iter().filter_map(|(from, to)| Some((end(from)?, end(to)?))))
}

/// A box for every wave, which says what happens in it.
fn of_waves(
    waves: &[(WaveName, usize)],
    arrows: &BTreeSet<(WaveName, WaveName)>,
    changes: &Changes,
) -> String {
    let numbers = numbered(waves.iter().map(|(name, _)| name));
    let mut happens: BTreeMap<&WaveName, Vec<&AgentChange>> = BTreeMap::new();
    for change in changes.agents.values() {
        happens.entry(&change.wave).or_default().push(change);
    }
    let mut boxes = String::new();
    for (number, (name, agents)) in waves.iter().enumerate() {
        let s = if *agents == 1 { "" } else { "s" };
        let changes = happens.get(name).into_iter().flatten().copied();
        let words = Counts::of(changes).words(Tense::Future);
        let class = if words.is_empty() { "" } else { ":::changed" };
        let label = [vec![format!("{name}: {agents} agent{s}")], words].concat().join("<br>");
        let _ = writeln!(boxes, "  w{number}[\"{label}\"]{class}");
    }
    let end = |end: &WaveName| numbers.get(end).map(|number| format!("w{number}"));
    drawn(&boxes, arrows.iter().filter_map(|(from, to)| Some((end(from)?, end(to)?))))
}

fn class(change: Option<&AgentChange>) -> &'static str {
    match change.map(|change| change.action) {
        None => "",
        Some(Action::Create | Action::Restore) => ":::new",
        Some(_) => ":::changed",
    }
}

fn drawn(boxes: &str, arrows: impl Iterator<Item = (String, String)>) -> String {
    let arrows: BTreeSet<(String, String)> = arrows.collect();
    let arrows: String = arrows.iter().map(|(from, to)| format!("  {from} --> {to}\n")).collect();
    format!("flowchart LR\n{STYLES}{boxes}{arrows}")
}
