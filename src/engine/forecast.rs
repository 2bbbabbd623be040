//! The facts as they will be once the effects so far are carried out.
//!
//! Most ticks find little to do, also in a plan of a hundred thousand agents,
//! so only the agents that change are copied.

use std::collections::BTreeMap;

use super::{Agent, Pool, Snapshot};
use crate::model::{AgentName, PoolName};

/// A [`Snapshot`], with what differs from it.
pub(super) struct Forecast<'a> {
    /// The facts as they were read.
    pub(super) facts: &'a Snapshot,
    changed: BTreeMap<&'a AgentName, Agent>,
    pools: BTreeMap<PoolName, Pool>,
}

impl<'a> Forecast<'a> {
    /// Before any effect: the facts themselves.
    pub(super) fn new(facts: &'a Snapshot) -> Self {
        Self { facts, changed: BTreeMap::new(), pools: facts.pools.clone() }
    }

    /// What an agent of the snapshot will be.
    pub(super) fn of(&self, name: &AgentName, read: &'a Agent) -> &Agent {
        self.changed.get(name).unwrap_or(read)
    }

    /// The agent of that name.
    pub(super) fn get(&self, name: &AgentName) -> Option<&Agent> {
        let read = self.facts.agents.get(name)?;
        Some(self.of(name, read))
    }

    /// Every agent that is in the plan.
    pub(super) fn in_plan(&self) -> impl Iterator<Item = (&'a AgentName, &Agent)> {
        self.facts
            .agents
            .iter()
            .map(|(name, read)| (name, self.of(name, read)))
            .filter(|(_, agent)| !agent.retired)
    }

    /// Lets an agent of the snapshot change.
    pub(super) fn change(&mut self, name: &'a AgentName, read: &'a Agent) -> &mut Agent {
        self.changed.entry(name).or_insert_with(|| read.clone())
    }

    /// How many agents may run in a pool, and how many will.
    ///
    /// A pool that nobody defined has no room.
    pub(super) fn pool(&mut self, name: &PoolName) -> Option<&mut Pool> {
        self.pools.get_mut(name)
    }
}
