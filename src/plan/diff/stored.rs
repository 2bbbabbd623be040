//! What the database has of a plan.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    model::{AgentName, Definition, Digest, Usd, WaveName},
    plan::{Plan, Project},
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

impl Stored {
    /// What the database has where `plan` was synced and all of it is built.
    pub fn built(plan: &Plan) -> Self {
        let waves = plan.waves.values().map(|wave| {
            let stored = StoredWave {
                title: wave.title.clone(),
                after: wave.after.clone(),
                position: wave.position,
                budget: wave.budget,
                retired: false,
            };
            (wave.name.clone(), stored)
        });
        let agents = plan.agents.values().map(|agent| {
            let stored = StoredAgent {
                wave: agent.wave.clone(),
                definition: Some(agent.definition.clone()),
                retired: false,
                building: Building::Finished(Some(agent.definition.work_digest())),
            };
            (agent.name.clone(), stored)
        });
        Self {
            project: Some(plan.project.clone()),
            waves: waves.collect(),
            agents: agents.collect(),
        }
    }
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
    /// What its agents may cost together.
    pub budget: Option<Usd>,
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
    /// How far it is.
    pub building: Building,
}

/// How far the database is with what an agent was last asked to build. The
/// digests are of the work; none where a row inserted by hand had none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Building {
    /// Nothing is built, and nothing runs.
    Waiting,
    /// A run of it is alive, which began with this work.
    Running(Option<Digest>),
    /// It finished this work.
    Finished(Option<Digest>),
}

impl StoredAgent {
    /// Whether a run of it is alive.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.building, Building::Running(_))
    }

    /// Whether what is made of it, or is being made, is something else than
    /// `work`.
    pub(super) fn makes_other_than(&self, work: Digest) -> bool {
        match self.building {
            Building::Waiting => false,
            Building::Running(made) | Building::Finished(made) => made != Some(work),
        }
    }
}
