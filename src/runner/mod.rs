//! Starts an agent's program on this machine and follows it to its end.
//!
//! [`start()`] takes a [`Launch`], which holds everything, and returns a
//! [`Running`], which tells everything: checkpoints, questions, signs of life,
//! and at last the [`Evidence`] that [`verdict()`] judges. The database, git and
//! the definitions are somebody else's.
//!
//! | file | what it is |
//! |---|---|
//! | `launch`, `contract`, `environment`, `prompt`, `dir` | what an agent gets |
//! | `spawn`, `processes`, `stop`, `reading`, `supervise` | its processes, from the first to the last |
//! | `talk`, `events`, `home` | what is special about agent programs such as Claude Code |
//! | `watch`, `outbox`, `files`, `collect`, `result` | what it makes |
//! | `control`, `client`, `headway` | what it asks and says, and how |
//! | `mcp` | the same for a model |
//! | `log`, `clean`, `redact`, `key_block` | what it prints |
//! | `report`, `verdict` | what is known, and what that means |
//!
//! # Invariants
//!
//! - An agent's environment is built from nothing, and what it prints is never a
//!   command.
//! - When a run has ended, none of its processes is left.
//! - Secrets are taken out of what is printed before it touches a disk.

mod clean;
pub mod client;
mod collect;
mod contract;
mod control;
mod dir;
mod environment;
mod events;
mod files;
mod headway;
pub mod home;
mod key_block;
mod launch;
mod log;
pub mod mcp;
mod outbox;
mod processes;
mod prompt;
mod reading;
mod redact;
mod report;
mod result;
mod spawn;
mod stop;
mod supervise;
mod talk;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod verdict;
mod watch;

use std::{io, path::PathBuf};

pub use contract::{Artifact, Contract, Dep, Input};
pub use dir::RunDir;
pub use events::{End, Fault};
pub use headway::{BadPercent, Headway, Percent};
pub use launch::{Carried, Host, Launch, Limits, Patience, Program};
pub use processes::kill_leftovers;
pub(crate) use redact::Redactor;
pub use report::{Evidence, Exit, Rejection, Reply, Report};
pub use stop::{StopWhen, Stopper};
pub use supervise::{Running, start};
pub use verdict::{Verdict, verdict};

/// Why this machine could not start a run. Nothing is known about the agent
/// then: it counts as lost, not as failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The run directory cannot be made.
    #[error("cannot make the run directory {}", path.display())]
    Directory {
        /// Where it should be.
        path: PathBuf,
        /// Why it cannot.
        source: io::Error,
    },
    /// No process can be started.
    #[error("cannot start a process")]
    Spawn {
        /// Why not.
        source: io::Error,
    },
}
