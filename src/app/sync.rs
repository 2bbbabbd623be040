//! Brings the plan in `waves/` into the database.

use crate::{
    archive::source_of,
    plan::{
        Plan,
        diff::{Changes, Stored},
    },
    store::Store,
};

use super::Workspace;

/// What syncing came to.
#[derive(Clone, Debug)]
pub struct Synced {
    /// What it changed, or with `dry_run` would change.
    pub changes: Changes,
    /// The commit that the definitions are from, if they are committed.
    pub commit: Option<String>,
}

/// Brings `plan` into the database in one transaction.
pub async fn sync(store: &Store, workspace: &Workspace, plan: &Plan) -> anyhow::Result<Synced> {
    let commit = source_of(&workspace.root().join("waves")).ok().flatten();
    let commit = commit.and_then(|source| source.commit);
    let summary = |stored: &Stored| {
        let changes = Changes::between(stored, plan);
        (!changes.is_empty()).then(|| changes.summary())
    };
    let stored = store.sync(plan, commit.as_deref(), summary).await?;
    Ok(Synced { changes: Changes::between(&stored, plan), commit })
}
