//! Brings the plan in `waves/` into the database.

use std::fs;

use anyhow::Context as _;
use tracing::info;

use crate::{
    archive::{Edits, source_of},
    model::Digest,
    plan::{Plan, diff::Changes},
    scaffold::{self, Named},
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

/// Keeps those parts of the files in the repo up to date that follow from the
/// plan: where there is such a file, and it has such a part.
fn keep_parts(workspace: &Workspace, plan: &Plan) -> anyhow::Result<()> {
    let named = named(plan);
    for path in scaffold::WITH_PARTS {
        let full = workspace.root().join(path);
        let Ok(before) = fs::read_to_string(&full) else { continue };
        let now = scaffold::renew(path, &before, &named);
        if now != before {
            fs::write(&full, now).with_context(|| format!("cannot write {}", full.display()))?;
            info!("brought {path} up to date: commit it");
        }
    }
    Ok(())
}

/// Where those who are asked for work report it, on Supabase.
const API: [&str; 2] = ["SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY"];

/// What of a plan shows in the files of its repo.
pub(super) fn named(plan: &Plan) -> Named {
    let definitions = || plan.agents.values().map(|agent| &agent.definition);
    let webhooks = definitions().filter_map(|definition| definition.run.webhook());
    let variables = webhooks.flat_map(|webhook| webhook.variables().chain(API));
    Named {
        agents: plan.agents.keys().cloned().collect(),
        secrets: definitions().flat_map(|definition| definition.secrets.clone()).collect(),
        // What is never an agent's is no part of a URL's business, either.
        webhooks: variables.filter_map(|name| name.parse().ok()).collect(),
    }
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
    keep_parts(workspace, plan)?;
    Ok(Synced { changes, commit })
}
