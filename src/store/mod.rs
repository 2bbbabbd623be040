//! The Postgres half of the record: one file per table, one function per query.
//!
//! A transaction pooler may stand in front of the database. It may hand every
//! statement outside a transaction to another server connection, where a
//! different client's statement of the same name is waiting. Therefore:
//!
//! **Invariant:** every statement runs inside [`Store::tx`] and is unnamed. The
//! functions of `sql` are the only ones that make statements, and a tidy test
//! keeps it so.

mod access;
pub(crate) mod agents;
pub(crate) mod artifacts;
mod codec;
mod connect;
mod error;
pub(crate) mod events;
pub(crate) mod feedback;
mod health;
mod known;
mod mail;
mod migrate;
mod outbox;
mod plan;
mod projects;
pub(crate) mod runs;
pub(crate) mod sessions;
mod snapshot;
mod sql;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod ticks;
mod views;

pub use access::{
    Access, Authorities, BadAuthorities, BadUrl, DatabaseUrl, Insecure, Obstacle, Said, Target,
    TlsMode,
};
pub use agents::{Handle, Operator};
pub use artifacts::{ArtifactRow, Kept, Maker, Stored as StoredArtifact};
pub use connect::Store;
pub use error::Error;
pub use events::Event;
pub use feedback::NewFeedback;
pub use health::{Connection, Excess, Schema, Server, connection};
pub use known::Known;
pub use mail::{
    Desk, Holder, Mailbox, Marked, NewState, News, Obstacles, Saying, ToOpen, ToPost, Visited,
};
pub use outbox::{Block, Exposed, Pending, Stamp};
pub use plan::Retire;
pub use projects::Project;
pub use runs::{Beat, Claim, Claimed, Ending, Pulse, RemoteRun, Reported};
pub use sessions::{LARGEST as SESSION_BYTES, StoredSession};
pub use sql::Tx;
pub use ticks::Tick;
pub use views::{AgentRow, FeedbackRow, FeedbackSpan, RunSpan};

/// What a query gives: a row or rows, or why not.
pub type Result<T, E = Error> = std::result::Result<T, E>;
