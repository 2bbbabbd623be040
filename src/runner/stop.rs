//! How a run is asked to stop, and when it then does.
//!
//! **Invariant:** an order is never taken back, and a later one can only make
//! the stop come sooner.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::{dir::RunDir, launch::Patience, report::Report};
use crate::model::StopReason;

/// When a run is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopWhen {
    /// When it has stored its next checkpoint, so that no work is lost.
    AtNextCheckpoint {
        /// How long that may take.
        at_latest: Duration,
    },
    /// Now, with time to end gracefully.
    Now,
    /// Now, with less time for that: whoever asked will not wait for long.
    Hurried,
    /// Now, without waiting for anything.
    Kill,
}

/// Stops a run. Cloning one is cheap.
#[derive(Clone, Debug)]
pub struct Stopper {
    order: watch::Sender<Option<Order>>,
    checkpoints: watch::Receiver<Progress>,
}

#[derive(Clone, Copy, Debug)]
struct Order {
    reason: StopReason,
    /// How many checkpoints there were when it was given.
    after: usize,
    urgency: Urgency,
}

/// How far a run came, in checkpoints counted from 1.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// The last one that was offered for storing.
    pub(super) offered: usize,
    /// The last one that was stored.
    pub(super) stored: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    AtNextCheckpoint { at_latest: Instant },
    Now,
    Hurried,
    Kill,
}

impl Stopper {
    /// Asks the run to stop. Of two orders the more urgent one counts, and of
    /// two that are as urgent the first. Being superseded beats every reason.
    pub fn stop(&self, reason: StopReason, when: StopWhen) {
        let urgency = match when {
            StopWhen::AtNextCheckpoint { at_latest } => {
                Urgency::AtNextCheckpoint { at_latest: Instant::now() + at_latest }
            }
            StopWhen::Now => Urgency::Now,
            StopWhen::Hurried => Urgency::Hurried,
            StopWhen::Kill => Urgency::Kill,
        };
        let after = self.checkpoints.borrow().offered;
        self.order.send_if_modified(|order| match order {
            None => {
                *order = Some(Order { reason, after, urgency });
                true
            }
            Some(given) => {
                let more = urgency.is_more_than(given.urgency);
                let superseded = reason == StopReason::Superseded && given.reason != reason;
                if superseded || (more && given.urgency < Urgency::Now) {
                    given.reason = reason;
                }
                if more {
                    given.urgency = urgency;
                }
                more || superseded
            }
        });
    }
}

impl Urgency {
    fn is_more_than(self, other: Self) -> bool {
        match (self, other) {
            // Both wait: the first order stands.
            (Self::AtNextCheckpoint { .. }, _) => false,
            _ => self > other,
        }
    }
}

/// What a run was ordered.
#[derive(Debug)]
pub(super) struct Orders {
    dir: RunDir,
    announced: Option<StopReason>,
    order: watch::Receiver<Option<Order>>,
    checkpoints: watch::Receiver<Progress>,
}

/// A stopper and the run's end of it.
pub(super) fn channel(dir: &RunDir, checkpoints: watch::Receiver<Progress>) -> (Stopper, Orders) {
    let (sender, order) = watch::channel(None);
    let dir = dir.clone();
    let orders = Orders { dir, announced: None, order, checkpoints: checkpoints.clone() };
    (Stopper { order: sender, checkpoints }, orders)
}

impl Orders {
    /// Why the run was asked to stop, if it was.
    pub(super) fn reason(&self) -> Option<StopReason> {
        self.order.borrow().map(|order| order.reason)
    }

    /// Waits until the run is to stop, and says why.
    pub(super) async fn due(&mut self, reports: &mpsc::Sender<Report>) -> StopReason {
        loop {
            let order = *self.order.borrow_and_update();
            let waiting = match order {
                Some(Order { reason, after, urgency: Urgency::AtNextCheckpoint { at_latest } }) => {
                    self.announce(reason);
                    if self.checkpoints.borrow_and_update().stored > after {
                        return reason;
                    }
                    Some((reason, at_latest))
                }
                Some(order) => return order.reason,
                None => None,
            };
            let at_latest = async {
                match waiting {
                    Some((reason, at_latest)) => {
                        tokio::time::sleep_until(at_latest.into()).await;
                        reason
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                reason = at_latest => return reason,
                // Nobody listens any more: nothing the run makes would be stored.
                () = reports.closed() => return StopReason::Interrupted,
                () = changed(&mut self.order) => {}
                () = changed(&mut self.checkpoints) => {}
            }
        }
    }

    /// Lets the file `stop` appear: an agent may end by itself.
    pub(super) fn announce(&mut self, reason: StopReason) {
        if self.announced == Some(reason) {
            return;
        }
        self.announced = Some(reason);
        if let Err(err) = self.dir.announce_stop(reason) {
            let agent = self.dir.root().display();
            tracing::warn!("cannot tell the agent in {agent} to stop: {err}");
        }
    }

    /// Waits until a signal sent at `sent` has been given its time.
    pub(super) async fn impatience(&mut self, sent: Instant, patience: Patience) {
        loop {
            let urgency = self.order.borrow_and_update().map(|order| order.urgency);
            let until = match urgency {
                Some(Urgency::Kill) => return,
                Some(Urgency::Hurried) => sent + patience.hurried,
                _ => sent + patience.usual,
            };
            tokio::select! {
                () = tokio::time::sleep_until(until.into()) => return,
                () = changed(&mut self.order) => {}
            }
        }
    }
}

/// Waits for the next change; for ever if nobody is left to make one.
async fn changed<T>(receiver: &mut watch::Receiver<T>) {
    if receiver.changed().await.is_err() {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: StopWhen = StopWhen::AtNextCheckpoint { at_latest: Duration::from_secs(9) };

    /// What a run is told after these orders.
    fn after(orders: &[(StopReason, StopWhen)]) -> (StopReason, &'static str) {
        let (_progress, checkpoints) = watch::channel(Progress::default());
        let (stopper, given) = channel(&RunDir::at("/nowhere"), checkpoints);
        for &(reason, when) in orders {
            stopper.stop(reason, when);
        }
        let order = given.order.borrow().unwrap();
        let urgency = match order.urgency {
            Urgency::AtNextCheckpoint { .. } => "soon",
            Urgency::Now => "now",
            Urgency::Hurried => "hurried",
            Urgency::Kill => "kill",
        };
        (order.reason, urgency)
    }

    #[test]
    fn the_more_urgent_order_counts_and_then_the_first() {
        use StopReason::{Feedback, Interrupted, Paused, Superseded, Timeout};
        use StopWhen::{Hurried, Kill, Now};

        assert_eq!(after(&[(Feedback, SOON), (Paused, SOON)]), (Feedback, "soon"));
        assert_eq!(after(&[(Feedback, SOON), (Timeout, Now)]), (Timeout, "now"));
        assert_eq!(after(&[(Timeout, Now), (Feedback, SOON)]), (Timeout, "now"));
        assert_eq!(after(&[(Interrupted, Now), (Timeout, Now)]), (Interrupted, "now"));
        assert_eq!(after(&[(Interrupted, Now), (Interrupted, Kill)]), (Interrupted, "kill"));
        assert_eq!(after(&[(Timeout, Now), (Interrupted, Hurried)]), (Timeout, "hurried"));
        assert_eq!(after(&[(Interrupted, Hurried), (Timeout, Now)]), (Interrupted, "hurried"));
        assert_eq!(after(&[(Timeout, Now), (Superseded, Now)]), (Superseded, "now"));
        assert_eq!(after(&[(Superseded, Now), (Timeout, Kill)]), (Superseded, "kill"));
    }
}
