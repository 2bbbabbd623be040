//! Load, decide, apply: one file per use case.
//!
//! Only here is more than one adapter seen at a time. Whatever is worth
//! testing without a database is decided in the pure modules.

mod apply;
mod attend;
mod context;
mod database;
mod dispatch;
mod doctor;
mod ending;
mod equip;
mod init;
mod labels;
mod mail;
mod outlook;
mod outside;
mod pass;
mod plan;
mod publish;
mod remote;
mod requests;
mod review;
mod sessions;
mod supervise;
mod sync;
#[cfg(test)]
mod tests;
pub mod views;
mod workspace;

pub use attend::attend;
pub use context::{Api, Context, Environment, Settings};
pub use database::{access, open_store};
pub use dispatch::{Due, WorkflowFile, dispatch_next};
pub use doctor::{Hint, examine};
pub use equip::runs_folder;
pub use init::{Beginning, Mode, N8n, init};
pub use labels::keep_labels;
pub use mail::{Exchanged, Mail};
pub use plan::{BadPast, propose, propose_against};
pub use publish::{Published, Publisher};
pub use remote::{Call, Called, call};
pub use review::{
    Commented, NoGithub, NothingReviewed, Reviewed, SeveralPulls, Target, comment, reviewed,
};
pub use supervise::{Budget, Ended, Options, Progress, Session, Until, Where, nudge, preview};
pub use sync::{PlanMoved, Synced, expect, sync};
pub use workspace::{NoWorkspace, Workspace};
