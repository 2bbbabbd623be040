//! Runs: one attempt of an agent each, and the words for how they end.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::{Digest, words};

words! {
    /// How a run ended.
    pub enum Outcome("outcome") {
        /// It finished and its declared outputs are stored.
        Succeeded = "succeeded",
        /// It failed by itself; counts against `retries`.
        Failed = "failed",
        /// It said that trying again is pointless (exit 78).
        Refused = "refused",
        /// It ran longer than its `timeout`; counts against `retries`.
        TimedOut = "timed_out",
        /// It showed no sign of life; counts against `retries`.
        Stalled = "stalled",
        /// It stopped for feedback; counts against nothing.
        Paused = "paused",
        /// Whoever ran it was told to stop; counts against nothing.
        Interrupted = "interrupted",
        /// It asked to be tried again later (exit 75); counts as lost does.
        Deferred = "deferred",
        /// Its machine fell silent. A late finish is still accepted while
        /// nobody took over.
        Lost = "lost",
    }
}

impl Outcome {
    /// Whether it counts against the agent's own `retries`.
    pub fn is_own_failure(self) -> bool {
        matches!(self, Self::Failed | Self::TimedOut | Self::Stalled)
    }

    /// Whether it counts against the budget for lost machines.
    pub fn is_infra_failure(self) -> bool {
        matches!(self, Self::Lost | Self::Deferred)
    }
}

words! {
    /// Why a live run is asked to stop.
    pub enum StopReason("reason to stop") {
        /// Blocking feedback arrived: stop at the next checkpoint, or when the
        /// grace period is over.
        Feedback = "feedback",
        /// An operator paused the agent: as for feedback.
        Paused = "paused",
        /// It cost as much as it may, or all did together: as for feedback.
        Budget = "budget",
        /// The run's deadline passed: stop now.
        Timeout = "timeout",
        /// No sign of life for too long: stop now.
        Stalled = "stalled",
        /// The process that runs it is asked to end: stop now, gracefully.
        Interrupted = "interrupted",
        /// Another run took over: stop now, nothing it writes counts.
        Superseded = "superseded",
    }
}

impl StopReason {
    /// Whether it lets a run go on to its next checkpoint, or to the end of its
    /// grace period.
    pub fn waits_for_checkpoint(self) -> bool {
        matches!(self, Self::Feedback | Self::Paused | Self::Budget)
    }
}

words! {
    /// How an agent says that it ended: with a command, in a file, or by a call.
    pub enum Finish("way to end") {
        /// Its work is done.
        Complete = "complete",
        /// It could not do its work.
        Failed = "failed",
        /// It could not, and trying again is pointless.
        Refused = "refused",
        /// It could not now: it is to be tried again later.
        Deferred = "deferred",
        /// It waits for people.
        Feedback = "feedback",
    }
}

/// The fencing token of an agent: one higher at every claim.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub i32);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// How often an agent was asked to be built: one higher for each "again".
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Generation(pub i32);

impl Generation {
    /// The generation of an agent that was just defined.
    pub const FIRST: Self = Self(1);

    /// The one after this.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The secret that proves that a write comes from the run it claims to be of.
///
/// The database holds only its [`digest`](Self::digest).
#[derive(Clone, Debug)]
pub struct RunToken(SecretString);

impl RunToken {
    /// How many hexadecimal digits a token has.
    pub const DIGITS: usize = 64;

    /// The token made of 32 random bytes.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(SecretString::from(hex::encode(bytes)))
    }

    /// The token as text, for the one that the run is given to.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What the database compares.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.expose_secret())
    }
}
