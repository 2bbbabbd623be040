//! What was spent on language models, and whether it is too much.
//!
//! An agent's own budget is a matter of its attempts: once it is used up, its
//! person decides as about any other failure, and trying again begins to count
//! anew. The budgets of a wave and of the project are shared, so one person is
//! asked for all: the first agent that they hold back asks. That of a day needs
//! nobody: time gives it back.
//!
//! **Invariant:** a budget holds back only what may cost something. What costs
//! nothing is built whatever was spent.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use super::{Agent, Snapshot};
use crate::model::{RunnerKind, Usd, WaveName};

/// What was spent in a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spending {
    /// By all agents.
    pub project: Spent,
    /// By the agents of each wave; those that cost nothing are left out.
    pub waves: BTreeMap<WaveName, Spent>,
    /// By all agents within the last 24 hours.
    pub day: Usd,
}

/// What was spent of a budget, and who was asked for more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// How much, since a person last allowed more.
    pub usd: Usd,
    /// How often a person was asked for more.
    pub asked: u32,
    /// The limit that was used up when a person was asked last, if they did not
    /// allow more, or not yet.
    pub refused_at: Option<Usd>,
}

/// Whose budget it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetScope {
    /// One agent's.
    Agent,
    /// All agents' of a wave.
    Wave(WaveName),
    /// All agents'.
    Project,
    /// All agents', within 24 hours.
    Day,
}

impl fmt::Display for BudgetScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent => f.write_str("its own budget"),
            Self::Wave(wave) => write!(f, "the budget of wave {wave}"),
            Self::Project => f.write_str("the budget of the project"),
            Self::Day => f.write_str("the budget of a day"),
        }
    }
}

impl Agent {
    /// Whether a run of it may cost something.
    fn may_cost(&self) -> bool {
        match self.runner {
            // A program of the user's own, wherever it is, until it says that it cost something.
            RunnerKind::Exec | RunnerKind::N8n | RunnerKind::Webhook => self.spent > Usd::default(),
            RunnerKind::Subagent => true,
            RunnerKind::Manual => false,
        }
    }

    /// Whether its own budget is used up.
    pub(super) fn is_over_budget(&self) -> bool {
        self.budget.is_some_and(|budget| self.spent >= budget)
    }
}

/// A shared budget that is used up, and that holds an agent back.
pub(super) struct Exhausted {
    pub(super) scope: BudgetScope,
    pub(super) limit: Usd,
    /// How often a person was asked for more before, if one is to be asked now.
    pub(super) ask: Option<u32>,
}

impl Snapshot {
    /// The shared budget that lets `agent` not go on, if one does.
    pub(super) fn exhausted(&self, agent: &Agent) -> Option<Exhausted> {
        if !agent.may_cost() {
            return None;
        }
        let used_up = |scope, limit: Option<Usd>, spent: Spent| {
            let limit = limit.filter(|&limit| spent.usd >= limit)?;
            let may_ask = spent.refused_at != Some(limit);
            Some(Exhausted { scope, limit, ask: may_ask.then_some(spent.asked) })
        };
        let Spending { project, waves, day } = &self.spending;
        let of_wave = || {
            let limit = self.wave_budgets.get(&agent.wave).copied();
            let spent = waves.get(&agent.wave).copied().unwrap_or_default();
            used_up(BudgetScope::Wave(agent.wave.clone()), limit, spent)
        };
        let of_day = || {
            let limit = self.settings.budget_per_day;
            used_up(BudgetScope::Day, limit, Spent { usd: *day, asked: 0, refused_at: limit })
        };
        used_up(BudgetScope::Project, self.settings.budget, *project)
            .or_else(of_wave)
            .or_else(of_day)
    }
}
