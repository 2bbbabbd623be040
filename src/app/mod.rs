//! Load, decide, apply: one file per use case.
//!
//! Only here is more than one adapter seen at a time. Whatever is worth
//! testing without a database is decided in the pure modules.

mod apply;
mod attend;
mod context;
mod database;
mod equip;
mod mail;
mod outlook;
mod plan;
mod publish;
mod requests;
mod sessions;
mod supervise;
mod sync;
#[cfg(test)]
mod tests;
pub mod views;
mod workspace;

pub use attend::attend;
pub use context::{Context, Environment, Settings};
pub use database::{access, open_store};
pub use equip::runs_folder;
pub use mail::{Exchanged, Mail};
pub use plan::propose;
pub use publish::{Published, Publisher};
pub use supervise::{Ended, Options, Progress, Session, Until, nudge, preview};
pub use sync::{PlanMoved, Synced, expect, sync};
pub use workspace::{NoWorkspace, Workspace};
