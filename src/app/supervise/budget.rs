//! How long a session may take in all, and what follows for its end.
//!
//! A job that is cut off by its platform loses what its agents did since their
//! last checkpoints, and leaves leases that others have to wait for. So what
//! runs is stopped in good time, and nothing is started that would be stopped
//! at once.

use std::time::Duration;

use anyhow::bail;
use tokio::time::{Instant, sleep_until, timeout_at};

/// What is kept for stopping and writing down, at most.
const RESERVE: Duration = Duration::from_secs(5 * 60);
/// The least that starting a run is worth, at most.
const SLICE: Duration = Duration::from_secs(15 * 60);

/// The least that is left for the last writes, however late it is.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The moments that a budget has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// From here on, nothing is started.
    launch_until: Instant,
    /// What runs is asked to stop.
    stop_at: Instant,
    /// What still runs is killed.
    kill_at: Instant,
    /// The last word is said.
    ends_at: Instant,
}

/// How much of a budget is not for running: the reserve and the least slice.
fn shares(total: Duration) -> (Duration, Duration) {
    (RESERVE.min(total / 10), SLICE.min(total / 20))
}

impl Budget {
    /// A budget of which nothing is used up yet.
    pub fn starting_now(total: Duration) -> Self {
        let (reserve, slice) = shares(total);
        let began = Instant::now();
        // Longer than a year is for ever.
        let total = total.min(Duration::from_secs(366 * 24 * 3600));
        let stop_at = began + total - reserve;
        Self {
            launch_until: stop_at - slice,
            stop_at,
            kill_at: stop_at + reserve / 2,
            ends_at: began + total,
        }
    }

    /// Whether something may still be started after a wait.
    pub(super) fn has_room(&self, after: Duration) -> bool {
        Instant::now().checked_add(after).is_some_and(|start| start < self.launch_until)
    }

    /// How long a run that starts now may go on.
    pub(super) fn left(&self) -> Duration {
        self.stop_at.saturating_duration_since(Instant::now())
    }

    /// Does something, and gives it up when the budget ends.
    pub(super) async fn within<T>(
        budget: Option<Self>,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let Some(budget) = budget else { return work.await };
        match timeout_at(budget.ends_at.max(Instant::now() + LAST_WORDS), work).await {
            Ok(done) => done,
            Err(_) => bail!("the budget is used up: the next tick sees to it"),
        }
    }

    /// Returns when it is used up.
    pub(in crate::app) async fn end(budget: Option<Self>) {
        match budget {
            Some(budget) => sleep_until(budget.ends_at).await,
            None => std::future::pending().await,
        }
    }
}

/// How far a budget is used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// What runs goes on.
    #[default]
    Going,
    /// What runs was asked to stop.
    Stopping,
    /// What runs was killed.
    Killing,
}

impl Stage {
    /// What comes after it.
    pub(super) fn next(self) -> Self {
        match self {
            Self::Going => Self::Stopping,
            Self::Stopping | Self::Killing => Self::Killing,
        }
    }

    /// Returns when it is over.
    pub(super) async fn over(self, budget: Option<Budget>) {
        match (self, budget) {
            (Self::Going, Some(budget)) => sleep_until(budget.stop_at).await,
            (Self::Stopping, Some(budget)) => sleep_until(budget.kill_at).await,
            (Self::Killing, _) | (_, None) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_budget_keeps_less_for_its_end() {
        let mut table = String::new();
        for total in ["335m", "6h", "1h", "10m", "1m", "10s"] {
            let parsed = humantime::parse_duration(total).unwrap();
            let (reserve, slice) = shares(parsed);
            table += &format!(
                "{total}: stops {reserve:?} before, starts nothing {slice:?} before that\n"
            );
        }
        insta::assert_snapshot!(table, @"
        335m: stops 300s before, starts nothing 900s before that
        6h: stops 300s before, starts nothing 900s before that
        1h: stops 300s before, starts nothing 180s before that
        10m: stops 60s before, starts nothing 30s before that
        1m: stops 6s before, starts nothing 3s before that
        10s: stops 1s before, starts nothing 500ms before that
        ");
    }
}
