//! Says what syncing would do, and does nothing.
//!
//! **Invariant:** no row is written, no schema is migrated, and no private
//! Postgres is made for it. Where there is none, everything is new.

use super::{Settings, Workspace, database::look_into_store, outlook::outlook};
use crate::plan::{
    Plan,
    diff::{Changes, Proposal, Stored},
};

/// What syncing `plan` would do.
pub async fn propose(
    settings: &Settings,
    workspace: &Workspace,
    plan: &Plan,
) -> anyhow::Result<Proposal> {
    let (stored, facts) = match look_into_store(settings, workspace).await? {
        Some(store) => store.stored_plan(&plan.project.name).await?,
        None => (Stored::default(), None),
    };
    let changes = Changes::between(&stored, plan);
    let outlook = outlook(facts, plan, &changes);
    Ok(Proposal::new(plan, changes, outlook))
}
