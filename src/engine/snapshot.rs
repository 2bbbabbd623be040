//! The facts that a decision is made from.

use std::collections::{BTreeMap, BTreeSet};

use super::Spending;
use crate::model::{
    AgentName, ArtifactKey, Digest, Epoch, FeedbackKind, FeedbackNumber, Generation, Instant,
    OnStale, PoolName, ProjectSettings, Resolution, Review, RunId, RunnerKind, Status, StopReason,
    Usd, WaveName,
};

/// Everything that is so in one project, read at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// When it was read, by the database's clock.
    pub taken_at: Instant,
    /// What holds for the whole project.
    pub settings: ProjectSettings,
    /// Every wave, with the waves that must be complete before it.
    pub waves: BTreeMap<WaveName, BTreeSet<WaveName>>,
    /// What all agents of a wave may cost together, where that is limited.
    pub wave_budgets: BTreeMap<WaveName, Usd>,
    /// Every pool.
    pub pools: BTreeMap<PoolName, Pool>,
    /// What was spent on language models.
    pub spending: Spending,
    /// Every agent that is in the plan, and those that left it while they run.
    pub agents: BTreeMap<AgentName, Agent>,
}

impl Snapshot {
    /// Takes these runs as alive, though nothing was heard of them for too long: whether
    /// they are is yet to be found out.
    pub fn take_as_alive(&mut self, is_alive: impl Fn(RunId) -> bool) {
        for run in self.agents.values_mut().filter_map(|agent| agent.run.as_mut()) {
            if is_alive(run.id) {
                run.lease_until = run.lease_until.max(self.taken_at);
                run.progress_at = run.progress_at.max(self.taken_at);
            }
        }
    }
}

/// What caps how many agents run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The most that may run.
    pub cap: u32,
    /// How many do, in this project or, where pools are shared, in all.
    pub live: u32,
}

/// The facts about one agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    /// The wave it is in.
    pub wave: WaveName,
    /// The status last written for it.
    pub status: Status,
    /// Every agent that must be complete first, those of wave needs included.
    pub needs: BTreeSet<AgentName>,
    /// How many of its needs are not agents of this project, or not any more.
    pub unknown_needs: u32,
    /// What does the work.
    pub runner: RunnerKind,
    /// Whether people look at the result.
    pub review: Review,
    /// What happens when its inputs change after it finished.
    pub on_stale: OnStale,
    /// What caps how many run at once.
    pub pool: PoolName,
    /// Who goes first when a pool is short: the higher.
    pub priority: i32,
    /// How many times it is tried again after a failure of its own.
    pub retries: u32,
    /// The digest of what it does now.
    pub work: Option<Digest>,
    /// How often it was asked to be built.
    pub generation: Generation,
    /// The last time it finished.
    pub built: Option<Build>,
    /// How often it was claimed.
    pub epoch: Epoch,
    /// Whether an operator, or giving up on a failure, holds it.
    pub paused: bool,
    /// Whether it left the plan.
    pub retired: bool,
    /// Its run that has not ended.
    pub run: Option<LiveRun>,
    /// Its failures since it was last asked to be built or tried again.
    pub attempts: Attempts,
    /// What its runs may cost together, before a person is asked.
    pub budget: Option<Usd>,
    /// What they cost since it was last asked to be built or tried again.
    pub spent: Usd,
    /// Its feedback that is open or not yet acted on, and its reviews of this
    /// generation.
    pub feedback: Vec<Feedback>,
    /// For a manual agent: what is to be handed in for each generation.
    pub produces: Vec<ArtifactKey>,
    /// For a manual agent: what of it is still to be handed in for this one.
    pub missing: Vec<ArtifactKey>,
    /// For a manual agent: the newest artifact that was handed in for it; 0 for
    /// none.
    pub handed_in: i64,
    /// For a manual agent: how often its person was asked in this generation.
    pub asked: u32,
}

/// What an agent finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Build {
    /// The generation that it finished.
    pub generation: Generation,
    /// The digest of what it did.
    pub work: Option<Digest>,
    /// The newest artifact that it is made of; 0 for none. Artifacts are
    /// numbered in the order they are stored, across agents.
    pub outputs: i64,
    /// The newest artifact of its needs that it was made from.
    pub inputs: i64,
}

/// A run that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveRun {
    /// Which one.
    pub id: RunId,
    /// Its fencing token.
    pub epoch: Epoch,
    /// When its supervisor must have been heard of again.
    pub lease_until: Instant,
    /// When it must have ended.
    pub deadline: Instant,
    /// The last sign of life of the agent itself.
    pub progress_at: Instant,
    /// Why it was asked to stop, if it was.
    pub stop: Option<StopReason>,
}

/// How often an agent failed in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// Failures of its own.
    pub own: u32,
    /// Runs lost with their machines.
    pub infra: u32,
    /// Whether it said that trying again is pointless.
    pub refused: bool,
    /// When the last of them ended.
    pub last_ended: Option<Instant>,
}

/// Something that waits, or waited, for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// The number people call it by.
    pub number: FeedbackNumber,
    /// What kind it is.
    pub kind: FeedbackKind,
    /// Whether it holds its agent back while it is open.
    pub blocking: bool,
    /// The generation it is about.
    pub generation: Generation,
    /// The run that raised it, if one did.
    pub run: Option<RunId>,
    /// How it ended; absent while it is open.
    pub resolution: Option<Resolution>,
    /// Whether its ending was acted on.
    pub applied: bool,
}
