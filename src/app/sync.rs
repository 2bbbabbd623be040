//! Brings the plan in `waves/` into the database.

use std::fs;

use anyhow::Context as _;
use tracing::info;

use crate::{
    archive::{Edits, source_of},
    mail::{FORM_PATH, form},
    model::Digest,
    plan::{Plan, diff::Changes},
    store::{Retire, Store},
};

use super::Workspace;

/// What syncing came to.
#[derive(Clone, Debug)]
pub struct Synced {
    /// What it changed.
    pub changes: Changes,
    /// The commit that the definitions are from, if they are committed as they
    /// are.
    pub commit: Option<String>,
}

/// The definitions are not those that somebody looked at.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the plan has moved: `waves/` now has the hash {found}, and not {expected}")]
pub struct PlanMoved {
    found: Digest,
    expected: Digest,
}

/// Makes sure that `plan` is the one with the hash `expected`.
pub fn expect(plan: &Plan, expected: Digest) -> Result<(), PlanMoved> {
    match plan.digest() {
        found if found == expected => Ok(()),
        found => Err(PlanMoved { found, expected }),
    }
}

/// Keeps the list of agents in the issue form up to date, where there is one
/// that Wavemark wrote.
fn keep_form(workspace: &Workspace, plan: &Plan) -> anyhow::Result<()> {
    let path = workspace.root().join(FORM_PATH);
    let Ok(before) = fs::read_to_string(&path) else { return Ok(()) };
    let now = form(plan.agents.keys());
    if before.lines().next() != now.lines().next() || before == now {
        return Ok(());
    }
    fs::write(&path, now).with_context(|| format!("cannot write {}", path.display()))?;
    info!("brought {FORM_PATH} up to date: commit it");
    Ok(())
}

/// Brings `plan` into the database in one transaction.
pub async fn sync(
    store: &Store,
    workspace: &Workspace,
    plan: &Plan,
    retire: Retire,
) -> anyhow::Result<Synced> {
    let source = source_of(&workspace.root().join("waves")).ok().flatten();
    let commit = source.filter(|source| source.edits == Edits::None);
    let commit = commit.and_then(|source| source.commit);
    let changes = store.sync(plan, commit.as_deref(), retire).await?;
    keep_form(workspace, plan)?;
    Ok(Synced { changes, commit })
}
