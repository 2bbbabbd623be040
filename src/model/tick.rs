//! What is written down about a tick, and when the next one is late.

use std::time::Duration;

use super::{Instant, words};

words! {
    /// How a tick ended.
    pub enum TickEnd("end of a tick") {
        /// It did all there was to do.
        Done = "done",
        /// It could not do all.
        Failed = "failed",
        /// It was told to stop.
        Interrupted = "interrupted",
    }
}

/// The newest tick that a job of GitHub Actions made: the clock that nobody
/// watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastTick {
    /// When it ended.
    pub at: Instant,
    /// How long ago that was when it was looked up, by the database's clock.
    pub age: Duration,
    /// How often there is to be one.
    pub every: Duration,
    /// The event that started it, such as `schedule`.
    pub event: String,
    /// Where people see it.
    pub place: String,
    /// How it ended.
    pub end: TickEnd,
    /// Why it did not do all, if so.
    pub detail: Option<String>,
}

impl LastTick {
    /// How long the next one has been due, if it is late.
    ///
    /// A twelfth of the interval is no news: starting a job takes its time.
    pub fn late(&self) -> Option<Duration> {
        let late = self.age.checked_sub(self.every)?;
        (late > self.every / 12).then_some(late)
    }
}
