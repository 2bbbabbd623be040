//! Every query against a real Postgres, one file per table.

mod access;
mod agents;
mod artifacts;
mod by_hand;
mod calls;
mod claims;
mod feedback;
mod matrix;
mod migrate;
mod outbox;
mod remote;
mod remote_rules;
mod runs;
mod schema;
mod snapshot;
mod sync;
mod ticks;
mod usage;
mod views;
