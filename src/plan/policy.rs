//! How agents are run: the seven fields that an agent, its wave and the project
//! may all set. The nearest one wins.

use std::time::Duration;

use super::{
    kind::{At, Whole},
    mapping::mapping,
};
use crate::model::{OnStale, PoolName, Review, Usd};

mapping! {
    /// What holds for all agents that say nothing else.
    pub(super) struct Policy, "`defaults`" {
        /// How long one run may take.
        #[default = "2h"]
        timeout: Duration,
        /// How many times an agent is tried again after a failure of its own.
        #[default = 2]
        retries: Whole<0, 100>,
        /// The pool that caps how many agents run at once.
        #[default = "default"]
        pool: At<PoolName>,
        /// Who goes first when a pool is short: the higher.
        #[default = 0]
        priority: Whole<{ -1_000_000 }, 1_000_000>,
        /// Whether people look at what was built before others may use it.
        #[default = "none"]
        review: Review,
        /// What happens to a finished agent when what it was built from is built again.
        #[default = "keep"]
        on_stale: OnStale,
        /// What the runs of one agent may cost together, in US dollars, before a person is asked.
        budget_usd: Usd,
    }
}

impl Policy {
    /// This, with `outer` where this sets nothing.
    pub(super) fn or(self, outer: &Self) -> Self {
        Self {
            timeout: self.timeout.or(outer.timeout),
            retries: self.retries.or(outer.retries),
            pool: self.pool.or_else(|| outer.pool.clone()),
            priority: self.priority.or(outer.priority),
            review: self.review.or(outer.review),
            on_stale: self.on_stale.or(outer.on_stale),
            budget_usd: self.budget_usd.or(outer.budget_usd),
        }
    }
}
