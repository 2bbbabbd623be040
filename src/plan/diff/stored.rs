//! What the database has of a plan.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    model::{AgentName, Definition, WaveName},
    plan::Project,
};

/// What the database has of a plan, retired things included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The project as last synced, if it ever was.
    pub project: Option<Project>,
    /// Its waves.
    pub waves: BTreeMap<WaveName, StoredWave>,
    /// Its agents.
    pub agents: BTreeMap<AgentName, StoredAgent>,
}

/// A wave as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredWave {
    /// What people call it.
    pub title: Option<String>,
    /// The waves before it.
    pub after: BTreeSet<WaveName>,
    /// Where it comes among the waves.
    pub position: u32,
    /// Whether it vanished from the plan.
    pub retired: bool,
}

/// An agent as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAgent {
    /// The wave it is in.
    pub wave: WaveName,
    /// What it is; `None` for one that was inserted by hand and never was in a
    /// plan. Such an agent is not retired.
    pub definition: Option<Definition>,
    /// Whether it vanished from the plan.
    pub retired: bool,
    /// Whether it has finished at its current generation.
    pub built: bool,
    /// Whether a run of it is alive: a change takes effect after it.
    pub live: bool,
}
