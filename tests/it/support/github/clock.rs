//! GitHub's clock: whole seconds, and not ours.

use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, TimeDelta, Timelike as _, Utc};

/// An instant of GitHub's clock.
pub(crate) type Instant = DateTime<Utc>;

/// Runs beside ours, by default at the same time of day.
#[derive(Debug, Default)]
pub(super) struct Clock {
    ahead: TimeDelta,
    stopped: Option<Instant>,
}

impl Clock {
    pub(super) fn now(&self) -> Instant {
        let now = self.stopped.unwrap_or_else(|| DateTime::from(SystemTime::now()));
        (now + self.ahead).with_nanosecond(0).unwrap()
    }

    /// From now on, time passes only by [`Clock::pass`].
    pub(super) fn stop(&mut self) {
        self.stopped = Some(self.stopped.unwrap_or_else(|| DateTime::from(SystemTime::now())));
    }

    /// Puts the clock forward, or back.
    pub(super) fn pass(&mut self, time: TimeDelta) {
        self.ahead += time;
    }
}

/// As GitHub writes it: `2026-11-22T17:00:00Z`.
pub(super) fn text(instant: Instant) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// As HTTP writes it: `Sun, 22 Nov 2026 17:00:00 GMT`.
pub(super) fn http_date(instant: Instant) -> String {
    instant.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
