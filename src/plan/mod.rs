//! Reads a plan and says everything that is wrong with it.
//!
//! ```text
//! files ─ read ─> Draft ─ wanted ─> (the caller looks files up) ─> Facts
//!                   └──────────────── check ──────────────────────> Plan
//! ```
//!
//! Text comes in as bytes and facts about other files as data, so that all of
//! it is a plain function: the same files give the same plan, the same digest
//! and the same problems on every machine.
//!
//! Each field is declared once (`mapping`), with what may stand in it (`kind`):
//! reading goes by that, and so does the [`schema`] that editors get.
//!
//! **Invariants:** a held [`Plan`] has no unknown name and no circle, and every
//! default is filled in. Reading goes on after a problem, so [`Problems`] are
//! all of them. Whatever the bytes are, an answer comes in a bounded time.

mod agent;
mod check;
mod checked;
mod circles;
pub mod diff;
mod document;
mod draft;
mod fields;
mod files;
mod graph;
mod kind;
mod mapping;
mod names;
mod place;
mod policy;
mod problem;
mod profile;
mod project;
mod quote;
mod refer;
mod render;
mod runner;
pub mod schema;
mod secret;
mod subagent;
mod suggest;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod units;
mod values;
mod wave;
mod yaml;

pub use checked::{Agent, Plan, Wave};
pub use document::{BadDocument, Document, MAX_FILE};
pub use draft::{Draft, read};
pub use files::{Facts, Program, Source, Wanted};
pub use place::Place;
pub use problem::{Problem, Problems, Severity};
pub use project::Project;
