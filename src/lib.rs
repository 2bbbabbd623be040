//! Runs waves of agents from plans kept in git, coordinated through Postgres.
//!
//! Definitions are YAML in `waves/`, changed by people through pull requests.
//! State is in Postgres, changed by this binary. What agents make is in both: a
//! row in Postgres and a commit in git, written once and never changed.
//!
//! ```text
//!  waves/*.yaml ──plan──▶ sync ──▶ Postgres ──▶ Snapshot ──decide──▶ Effects
//!                                     ▲                                 │
//!                                     │◀────────────── apply ───────────┘
//!                                     │                                 │
//!                                  feedback                          runner
//!                                     ▲                                 │
//!                                   people          row, then commit ◀──┘
//! ```
//!
//! # Map
//!
//! | module | what it is | may use |
//! |---|---|---|
//! | [`model`] | the words: names, statuses, definitions, artifacts, feedback | nothing |
//! | [`plan`] | YAML text → a checked plan, its digest, its difference from what is stored | `model` |
//! | [`engine`] | facts → what should happen next, and why nothing does | `model` |
//! | [`report`] | views → text and JSON for people | `model` |
//! | [`mail`] | what an issue on GitHub means, and what is written there | `model` |
//! | [`scaffold`] | the files that Wavemark writes into a repo | `model`, `plan`, `mail` |
//! | [`store`] | the Postgres half of the record | `model`, `plan`, `engine`, `mail` |
//! | [`archive`] | the git half of the record | `model` |
//! | [`github`] | issues, comments, permissions and dispatch, at GitHub | `model` |
//! | [`runner`] | one run of a program, from its first process to its last | `model` |
//! | [`webhook`] | work that is done by whoever is behind a URL, such as n8n | `model` |
//! | [`embedded`] | a private Postgres | nothing |
//! | [`releases`] | the checksums of a release of Wavemark | nothing |
//! | [`app`] | load, decide, apply: one file per use case | all of the above |
//! | [`cli`] | words and exit codes | all of the above |
//!
//! # Invariants
//!
//! - `model`, `plan`, `engine`, `report`, `mail` and `scaffold` do no IO and read
//!   no clock.
//! - SQL is written in `store`, git is spoken in `archive`, GitHub is asked in
//!   `github`, processes are started in `runner`, URLs of a plan are asked in
//!   `webhook`, printing is done in `cli`.
//!   They know the model and not each other; only `app` sees more than one.
//! - Only `engine` chooses. What carries its effects out has nothing left to
//!   choose, and what explains them prints the same decision.
//! - People, agents and other programs only ever add facts. A status follows
//!   from facts.
//! - At most one live run per agent, at most `cap` per pool; the write of a run
//!   that was overtaken changes nothing.
//! - What was acknowledged is stored. A crash anywhere is repaired by whoever
//!   comes next, and nothing takes effect twice.
//!
//! No seam is a trait of our own: the seams are addresses (a database URL, a
//! git remote, the base of an API), and tests pass real ones.

pub mod app;
pub mod archive;
pub mod cli;
pub mod embedded;
pub mod engine;
pub mod github;
pub mod mail;
pub mod model;
pub mod plan;
pub mod releases;
pub mod report;
pub mod runner;
pub mod scaffold;
pub mod store;
mod trust;
pub mod webhook;
