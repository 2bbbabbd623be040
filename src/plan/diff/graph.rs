//! The graph of a plan for Mermaid, which GitHub draws.
//!
//! An arrow goes from what is needed to what needs it. A large plan is drawn by
//! its waves: nobody reads a hundred boxes, and GitHub draws no more than 500
//! arrows.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

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

/// The graph of `plan`, in which what changes stands out; none if it is too
/// large even by its waves.
pub(super) fn of(plan: &Plan, changes: &Changes) -> Option<String> {
    let graph = Graph { plan, changes, waves: in_order(plan) };
    graph.by_agent().or_else(|| graph.by_wave())
}

struct Graph<'a> {
    plan: &'a Plan,
    changes: &'a Changes,
    /// Numbered, because any word may be one of Mermaid's own.
    waves: BTreeMap<&'a WaveName, usize>,
}

fn in_order(plan: &Plan) -> BTreeMap<&WaveName, usize> {
    let mut waves: Vec<&Wave> = plan.waves.values().collect();
    waves.sort_by_key(|wave| wave.position);
    waves.into_iter().enumerate().map(|(number, wave)| (&wave.name, number)).collect()
}

impl<'a> Graph<'a> {
    /// Every agent, within its wave.
    fn by_agent(&self) -> Option<String> {
        let Plan { agents, waves, .. } = self.plan;
        if agents.len() + waves.len() > MAX_NODES {
            return None;
        }
        let numbers: BTreeMap<&AgentName, usize> =
            agents.keys().enumerate().map(|(number, name)| (name, number)).collect();
        let mut arrows = BTreeSet::new();
        for (name, agent) in agents {
            let to = format!("a{}", numbers[name]);
            for need in &agent.definition.needs {
                let from = match need {
                    Need::Agent(need) => numbers.get(need).map(|number| format!("a{number}")),
                    Need::Wave(wave) => self.waves.get(wave).map(|number| format!("w{number}")),
                };
                arrows.extend(from.map(|from| (from, to.clone())));
            }
        }
        arrows.extend(self.barriers());
        let mut text = String::new();
        for (name, number) in self.sorted_waves() {
            let wave = &waves[name];
            if wave.agents.is_empty() {
                let _ = writeln!(text, "  w{number}[\"{name}\"]");
                continue;
            }
            let _ = writeln!(text, "  subgraph w{number}[\"{name}\"]");
            for agent in &wave.agents {
                let change = self.changes.agents.get(agent);
                let sign = change.map_or(String::new(), |change| format!("{} ", change.sign()));
                let class = class(change);
                let _ = writeln!(text, "    a{}[\"{sign}{agent}\"]{class}", numbers[agent]);
            }
            text += "  end\n";
        }
        drawn(text, &arrows)
    }

    /// A box for every wave, which says what happens in it.
    fn by_wave(&self) -> Option<String> {
        if self.waves.len() > MAX_NODES {
            return None;
        }
        let mut arrows: BTreeSet<(String, String)> = self.barriers().collect();
        for agent in self.plan.agents.values() {
            for need in &agent.definition.needs {
                let from = match need {
                    Need::Agent(need) => self.plan.agents.get(need).map(|need| &need.wave),
                    Need::Wave(wave) => Some(wave),
                };
                let from = from.filter(|from| **from != agent.wave);
                arrows.extend(from.and_then(|from| self.arrow(from, &agent.wave)));
            }
        }
        let mut happens: BTreeMap<&WaveName, Vec<&AgentChange>> = BTreeMap::new();
        for change in self.changes.agents.values() {
            happens.entry(&change.wave).or_default().push(change);
        }
        let mut text = String::new();
        for (name, number) in self.sorted_waves() {
            let agents = self.plan.waves[name].agents.len();
            let s = if agents == 1 { "" } else { "s" };
            let changes = happens.get(name).into_iter().flatten().copied();
            let words = Counts::of(changes).words(Tense::Future);
            let class = if words.is_empty() { "" } else { ":::changed" };
            let label = [vec![format!("{name}: {agents} agent{s}")], words].concat().join("<br>");
            let _ = writeln!(text, "  w{number}[\"{label}\"]{class}");
        }
        drawn(text, &arrows)
    }

    fn sorted_waves(&self) -> impl Iterator<Item = (&'a WaveName, usize)> {
        let by_number: BTreeMap<usize, &'a WaveName> =
            self.waves.iter().map(|(name, number)| (*number, *name)).collect();
        by_number.into_iter().map(|(number, name)| (name, number))
    }

    fn barriers(&self) -> impl Iterator<Item = (String, String)> {
        self.plan.waves.values().flat_map(|wave| {
            wave.after.iter().filter_map(|earlier| self.arrow(earlier, &wave.name))
        })
    }

    fn arrow(&self, from: &WaveName, to: &WaveName) -> Option<(String, String)> {
        Some((format!("w{}", self.waves.get(from)?), format!("w{}", self.waves.get(to)?)))
    }
}

fn class(change: Option<&AgentChange>) -> &'static str {
    match change.map(|change| change.action) {
        None => "",
        Some(Action::Create | Action::Restore) => ":::new",
        Some(_) => ":::changed",
    }
}

fn drawn(boxes: String, arrows: &BTreeSet<(String, String)>) -> Option<String> {
    if arrows.len() > MAX_EDGES {
        return None;
    }
    let arrows: String = arrows.iter().map(|(from, to)| format!("  {from} --> {to}\n")).collect();
    Some(format!("flowchart LR\n{STYLES}{boxes}{arrows}"))
}
