//! What a run tells whoever supervises it.
//!
//! Reports are evidence, never a verdict: that an agent exited 0 says nothing
//! about whether it did its work. [`verdict`](super::verdict()) judges.

use std::collections::BTreeSet;

use tokio::sync::oneshot;

use super::events::End;
use crate::model::{ArtifactKey, Digest, FeedbackNumber, Finish, StopReason, Usage};

/// One thing a run tells, in the order it happened.
#[derive(Debug)]
pub enum Report {
    /// It made something that is to be stored.
    Checkpoint {
        /// What it is called.
        key: ArtifactKey,
        /// The text, without a NUL.
        content: String,
        /// The SHA-256 of the text.
        sha256: Digest,
        /// What kind of secret is in it, if one is: then it must never be
        /// committed.
        secret: Option<String>,
        /// Where the answer goes. Dropping it means that it could not be stored
        /// now; it is then offered again.
        reply: oneshot::Sender<Reply>,
    },
    /// It asks people something.
    Ask {
        /// The question, redacted.
        question: String,
        /// Where the answer goes: the number people will call it by, or why it
        /// was not taken.
        reply: oneshot::Sender<Result<FeedbackNumber, String>>,
    },
    /// It made something that cannot be taken. The run goes on.
    Rejected(Rejection),
    /// It printed something: a sign of life, a few times a second at most.
    Output {
        /// The last line, redacted.
        line: String,
    },
    /// It used more of a language model: a sign of life, too.
    Used {
        /// What this run used so far, all of it.
        usage: Usage,
    },
    /// It says how far it is: a sign of life, and more telling than what it
    /// prints.
    Progress {
        /// What people are to read, on one line, redacted.
        line: String,
    },
    /// An agent program says that it is done: is it? It is sent round once with
    /// what is missing.
    Claims {
        /// Where the answer goes: what is declared and not stored.
        reply: oneshot::Sender<Vec<ArtifactKey>>,
    },
    /// It ended, with all of its processes. Always the last report.
    Ended(Evidence),
}

/// What became of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It is stored.
    Stored {
        /// As this version, from 1.
        version: i32,
    },
    /// The newest version has the same bytes already.
    Same {
        /// Which version that is.
        version: i32,
    },
    /// It will not be stored.
    Refused {
        /// Why, for the agent to read.
        why: String,
    },
}

/// Something an agent made that cannot be taken, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rejection {
    /// The path in the run directory, made printable.
    pub path: String,
    /// Why, and what to do.
    pub why: String,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself.
    Code(i32),
    /// Of a signal.
    Signal(i32),
    /// It never started: why, and what to do.
    NotStarted(String),
    /// It did not start this time: why.
    NotYet(String),
    /// Nobody saw it end: why.
    Unseen(String),
    /// It ended elsewhere: what is known of that.
    Elsewhere(String),
}

/// All that is known about a run that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// How its process ended.
    pub exit: Exit,
    /// Why it was asked to stop, if it was.
    pub stopped: Option<StopReason>,
    /// What it said about its end, if it said anything.
    pub finish: Option<Finish>,
    /// What it says it did: at most 64 KiB of Markdown, redacted.
    pub summary: Option<String>,
    /// The last 16 KiB that it printed, redacted.
    pub log_tail: String,
    /// What could not be taken.
    pub rejected: Vec<Rejection>,
    /// How an agent program says that it ended; of any other program, nothing.
    pub end: Option<End>,
    /// The tools that it was denied.
    pub denied: BTreeSet<String>,
    /// What it used in this run.
    pub usage: Usage,
    /// That it spent what a run may cost, and what to do, if it did.
    pub spent: Option<String>,
}

impl Evidence {
    /// The evidence of a run about which nothing is known but its exit.
    pub fn of(exit: Exit) -> Self {
        Self {
            exit,
            stopped: None,
            finish: None,
            summary: None,
            log_tail: String::new(),
            rejected: Vec::new(),
            end: None,
            denied: BTreeSet::new(),
            usage: Usage::default(),
            spent: None,
        }
    }
}
