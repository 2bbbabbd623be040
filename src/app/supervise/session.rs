//! What a session is asked for, what happens in it, and what it comes to.

use std::{collections::BTreeSet, time::Duration};

use super::{Budget, Where};
use crate::{
    app::mail::Exchanged,
    engine::Decision,
    model::{AgentName, ArtifactKey, FeedbackNumber, LastTick, Outcome, TickEnd, Usage},
};

/// How far to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until nothing more can move without a person.
    Quiet,
    /// For ever.
    Interrupted,
    /// Decide once, and follow to its end what that started.
    Once,
    /// Build this one agent.
    Built(AgentName),
}

impl Until {
    /// Whether it looks after the whole project, and not after one agent, on a
    /// machine that may have no more than that one needs.
    pub(in crate::app) fn is_tick(&self) -> bool {
        !matches!(self, Self::Built(_))
    }
}

/// How to go about it.
#[derive(Clone, Debug)]
pub struct Options {
    /// How far to go.
    pub until: Until,
    /// How many runs at once on this machine, whatever the pools allow.
    pub jobs: usize,
    /// How often to look for news from outside.
    pub poll: Duration,
    /// How long all of it may take.
    pub budget: Option<Budget>,
    /// Where what can start is started.
    pub launches: Where,
}

/// One thing that happened, for whoever watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A run began: the how-manieth attempt.
    Started(AgentName, i32),
    /// It printed something.
    Printed(AgentName, String),
    /// It says how far it is.
    Said(AgentName, String),
    /// It made something, which is stored as this version.
    Stored(AgentName, ArtifactKey, i32),
    /// It made something that cannot be taken: what, and why.
    Rejected(AgentName, String, String),
    /// It asks people something.
    Asked(AgentName, FeedbackNumber),
    /// It ended, after so long.
    Ended(AgentName, Outcome, String, Duration),
    /// Nothing was heard of its run any more.
    Lost(AgentName),
    /// So many artifacts are in git now.
    Published(usize),
}

/// A run that ended here.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Whose it was.
    pub agent: AgentName,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
    /// How many checkpoints it stored.
    pub checkpoints: u32,
    /// What it used of a language model, if it is known to have used one.
    pub usage: Option<Usage>,
}

/// What a session came to.
#[derive(Debug, Default)]
pub struct Session {
    /// The first decision, and the only one that [`Until::Once`] starts from.
    pub first: Decision,
    /// The last decision.
    pub decision: Decision,
    /// Every run that ended here, in that order.
    pub ended: Vec<Ended>,
    /// From the first start to the last end.
    pub makespan: Duration,
    /// The agents that could not be advanced.
    pub failed: BTreeSet<AgentName>,
    /// Why artifacts are not in git yet, if they are not.
    pub unpublished: Option<anyhow::Error>,
    /// The agents that can start on other machines, most important first:
    /// those that [`Where::Elsewhere`] left to them.
    pub startable: Vec<AgentName>,
    /// Whether it ended because it was told to.
    pub interrupted: bool,
    /// Whether it would have gone on with a larger budget.
    pub out_of_time: bool,
    /// What was read from GitHub and written there.
    pub github: Exchanged,
    /// The last tick in GitHub Actions before this one.
    pub before: Option<LastTick>,
}

impl Session {
    /// What of it did not end as it should, for the record.
    pub(in crate::app) fn shortfall(&self) -> Option<(TickEnd, String)> {
        let mut all = Vec::new();
        if !self.failed.is_empty() {
            let names: Vec<&str> = self.failed.iter().map(AgentName::as_str).collect();
            all.push(format!("could not advance {}", names.join(", ")));
        }
        all.extend(self.unpublished.as_ref().map(|why| format!("{why:#}")));
        all.extend(self.github.trouble.clone());
        match all.is_empty() {
            true if self.interrupted => Some((TickEnd::Interrupted, "told to stop".to_owned())),
            true => None,
            false => Some((TickEnd::Failed, all.join("; "))),
        }
    }
}
