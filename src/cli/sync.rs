//! `wavemark sync`: the plan, brought into the database.

use clap::Args;

use super::{Outcome, check::good_plan, output};
use crate::{
    app::{self, Settings, Workspace, open_store},
    plan::diff::{Changes, Detail},
};

/// Bring the plan in `waves/` into the database
///
/// In one transaction, and as often as you like. Agents that vanished from the
/// plan are retired, never deleted, and come back with their history.
///
/// Exits 0 when done, 3 when the plan has problems, or with `--dry-run` when
/// something would change.
#[derive(Debug, Args)]
pub(super) struct SyncArgs {
    /// Print what would change without changing it
    #[arg(long)]
    dry_run: bool,

    /// Print every field that changes
    #[arg(long)]
    full: bool,

    /// Print the changes as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn sync(settings: &Settings, args: &SyncArgs) -> anyhow::Result<Outcome> {
    let workspace = Workspace::find(&settings.directory)?;
    let plan = match good_plan(&workspace)? {
        Ok(plan) => plan,
        Err(outcome) => return Ok(outcome),
    };
    if !plan.warnings.is_empty() {
        output::complain(&plan.warnings.to_text());
    }
    let store = open_store(settings, &workspace).await?;
    let (changes, outcome) = if args.dry_run {
        let changes = Changes::between(&store.stored_plan(&plan.project.name).await?, &plan);
        let outcome = if changes.is_empty() { Outcome::Done } else { Outcome::Found };
        (changes, outcome)
    } else {
        (app::sync(&store, &workspace, &plan).await?.changes, Outcome::Done)
    };
    if args.json {
        output::say_json(&changes)?;
    } else {
        let detail = if args.full { Detail::Full } else { Detail::Brief };
        output::say(&changes.to_text(detail))?;
    }
    Ok(outcome)
}
