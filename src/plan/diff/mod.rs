//! What syncing a plan would change in the database.
//!
//! [`Changes`] is one list: what people are shown before is what is applied
//! after. It says *what* changes; the new values are in the plan.
//!
//! **Invariant:** equal inputs give equal changes, in one order; and there are
//! none exactly when the database has what the plan says.

mod field;
mod graph;
mod markdown;
mod proposal;
mod render;
mod stored;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use self::{
    field::{Edit, Field},
    graph::Graph,
    proposal::{MAX_CHAIN, Outlook, Proposal, Revision, steps},
    render::{Detail, Tense},
    stored::{Building, Stored, StoredAgent, StoredWave},
};
use super::{Agent, Plan};
use crate::model::{AgentName, WaveName, words};

words! {
    /// What happens to an agent or a wave.
    pub enum Action("action") {
        /// It is new.
        Create = "create",
        /// Some of it differs.
        Change = "change",
        /// It vanished from the plan: kept with its history, never started.
        Retire = "retire",
        /// It was retired and is back.
        Restore = "restore",
        /// It was inserted by hand and is now in the plan.
        Adopt = "adopt",
    }
}

/// Everything that syncing would change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// Settings of the project, as their file calls them (`pools.gpu`).
    pub project: BTreeMap<String, Edit>,
    /// Waves.
    pub waves: BTreeMap<WaveName, WaveChange>,
    /// Agents.
    pub agents: BTreeMap<AgentName, AgentChange>,
    /// The waves that are listed, in the order of the plan, retired ones last.
    pub order: Vec<WaveName>,
    /// How many agents of the plan stay as they are.
    pub unchanged: usize,
}

/// What changes about one wave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaveChange {
    /// What happens to it.
    pub action: Action,
    /// The fields that differ: `title`, `after`, `position`.
    pub fields: BTreeMap<String, Edit>,
}

/// What changes about one agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentChange {
    /// What happens to it.
    pub action: Action,
    /// The wave it will be in; for a retired one, the wave it was in.
    pub wave: WaveName,
    /// The wave it was in, if that is another one.
    pub moved_from: Option<WaveName>,
    /// The fields that differ.
    pub fields: BTreeMap<Field, Edit>,
    /// Whether it has finished, or a run of it is alive, with other work than it
    /// has now: then it is built again.
    pub rebuild: bool,
    /// Whether a run of it is alive: the change takes effect after it.
    pub after_run: bool,
}

impl AgentChange {
    /// The fields because of which it is built again; none if what it does had
    /// changed before it was retired, or if nobody knows what it did.
    pub fn rebuild_because(&self) -> BTreeSet<Field> {
        let work = self.fields.keys().copied().filter(|field| field.is_work());
        work.filter(|_| self.rebuild).collect()
    }
}

/// How many agents each thing happens to; one agent may count more than once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// New ones.
    pub created: usize,
    /// Those of which a field differs.
    pub changed: usize,
    /// Those built again.
    pub rebuilt: usize,
    /// Those that move to another wave.
    pub moved: usize,
    /// Those that vanished.
    pub retired: usize,
    /// Those that are back.
    pub restored: usize,
    /// Those inserted by hand that are now in the plan.
    pub adopted: usize,
}

impl Changes {
    /// What takes `stored` to `plan`.
    pub fn between(stored: &Stored, plan: &Plan) -> Self {
        let mut changes = Self {
            project: field::of_projects(stored.project.as_ref(), &plan.project),
            waves: waves(stored, plan),
            agents: BTreeMap::new(),
            order: Vec::new(),
            unchanged: 0,
        };
        for (name, agent) in &plan.agents {
            match planned(stored.agents.get(name), agent) {
                Some(change) => drop(changes.agents.insert(name.clone(), change)),
                None => changes.unchanged += 1,
            }
        }
        for (name, agent) in &stored.agents {
            let gone = !plan.agents.contains_key(name) && !agent.retired;
            if gone && agent.definition.is_some() {
                let retire = AgentChange {
                    action: Action::Retire,
                    wave: agent.wave.clone(),
                    moved_from: None,
                    fields: BTreeMap::new(),
                    rebuild: false,
                    after_run: agent.is_live(),
                };
                changes.agents.insert(name.clone(), retire);
            }
        }
        changes.order = changes.by_wave().into_keys().cloned().collect();
        changes
            .order
            .sort_by_cached_key(|name| plan.waves.get(name).map_or(u32::MAX, |wave| wave.position));
        changes
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.project.is_empty() && self.waves.is_empty() && self.agents.is_empty()
    }

    /// How many agents each thing happens to.
    pub fn counts(&self) -> Counts {
        Counts::of(self.agents.values())
    }

    /// Whether these are the waves in which something changes.
    pub(super) fn are_of(&self, waves: &BTreeSet<&WaveName>) -> bool {
        self.by_wave().keys().eq(waves)
    }

    /// The agents that vanished from the plan.
    pub fn vanished(&self) -> impl Iterator<Item = &AgentName> {
        let retired = self.agents.iter().filter(|(_, change)| change.action == Action::Retire);
        retired.map(|(name, _)| name)
    }

    /// Whether more than half of the agents that the plan had would vanish at
    /// once, which is more likely a mistake than a wish.
    pub fn retires_most(&self) -> bool {
        let Counts { retired, .. } = self.counts();
        let stayed = self.agents.values().filter(|change| change.action == Action::Change);
        retired > self.unchanged + stayed.count()
    }
}

impl Counts {
    fn of<'a>(changes: impl Iterator<Item = &'a AgentChange>) -> Self {
        let mut counts = Self::default();
        for change in changes {
            match change.action {
                Action::Create => counts.created += 1,
                Action::Change => counts.changed += usize::from(!change.fields.is_empty()),
                Action::Retire => counts.retired += 1,
                Action::Restore => counts.restored += 1,
                Action::Adopt => counts.adopted += 1,
            }
            counts.rebuilt += usize::from(change.rebuild);
            counts.moved += usize::from(change.moved_from.is_some());
        }
        counts
    }
}

/// What happens to an agent that the plan has.
fn planned(stored: Option<&StoredAgent>, agent: &Agent) -> Option<AgentChange> {
    let mut change = AgentChange {
        action: Action::Create,
        wave: agent.wave.clone(),
        moved_from: None,
        fields: BTreeMap::new(),
        rebuild: false,
        after_run: false,
    };
    let Some(stored) = stored else {
        return Some(change);
    };
    change.moved_from = (stored.wave != agent.wave).then(|| stored.wave.clone());
    change.after_run = stored.is_live();
    let mut new_work = true;
    if let Some(before) = &stored.definition {
        change.fields = field::of_definitions(before, &agent.definition);
        // What changed while it was retired comes into force when it is back.
        new_work = stored.retired || change.fields.keys().any(|field| field.is_work());
        change.action = if stored.retired { Action::Restore } else { Action::Change };
    } else {
        change.action = Action::Adopt;
    }
    change.rebuild = new_work && stored.makes_other_than(agent.definition.work_digest());
    let same =
        change.action == Action::Change && change.fields.is_empty() && change.moved_from.is_none();
    (!same).then_some(change)
}

fn waves(stored: &Stored, plan: &Plan) -> BTreeMap<WaveName, WaveChange> {
    let mut changes = BTreeMap::new();
    for (name, wave) in &plan.waves {
        let (action, fields) = match stored.waves.get(name) {
            None => (Action::Create, BTreeMap::new()),
            Some(before) if before.retired => (Action::Restore, field::of_waves(before, wave)),
            Some(before) => (Action::Change, field::of_waves(before, wave)),
        };
        if action != Action::Change || !fields.is_empty() {
            changes.insert(name.clone(), WaveChange { action, fields });
        }
    }
    for (name, wave) in &stored.waves {
        // Where agents live that were inserted by hand.
        let unplanned = *name == WaveName::unplanned();
        if !plan.waves.contains_key(name) && !wave.retired && !unplanned {
            let retire = WaveChange { action: Action::Retire, fields: BTreeMap::new() };
            changes.insert(name.clone(), retire);
        }
    }
    changes
}
