//! `wavemark plan`: what a sync would do.

use clap::Args;

use super::{Outcome, output};
use crate::{
    app::{self, Settings, Workspace},
    plan::diff::Detail,
};

/// Show what syncing the plan in `waves/` would change, and change nothing
///
/// Compares the plan with the database as it is: what would be created,
/// changed, moved, retired, and what would be built again and why. Then what
/// could start at once, and the plan's hash: `wavemark sync --expect HASH`
/// applies the plan only if it is still the one that was shown.
///
/// Writes nothing, and migrates nothing: in a database that Wavemark was never
/// used with, everything is new.
///
/// With `--against`, asks no database at all: compares with the plan at a
/// revision of the repo, as if all of that were synced and built.
///
/// Exits 0 when done, with `--exit-code` 3 when something would change; 1 when
/// nothing can be said, as when the plan has problems (`wavemark check` tells
/// those by 3).
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// Show every agent, and every name
    #[arg(long)]
    full: bool,

    /// Print it as JSON
    #[arg(long, conflicts_with_all = ["full", "markdown"])]
    json: bool,

    /// Print it as Markdown, for a comment on a pull request or a job summary
    #[arg(long, conflicts_with = "full")]
    markdown: bool,

    /// Exit 3 when something would change
    #[arg(long)]
    exit_code: bool,

    /// Compare with `waves/` at a git revision, such as `main`, and not with the database
    #[arg(long, value_name = "REV")]
    against: Option<String>,
}

pub(super) async fn plan(settings: &Settings, args: &PlanArgs) -> anyhow::Result<Outcome> {
    let workspace = Workspace::find(&settings.directory)?;
    let plan = match workspace.plan()? {
        Ok(plan) => plan,
        Err(problems) => {
            output::complain(&problems.to_text());
            return Ok(Outcome::Failed);
        }
    };
    let proposal = match &args.against {
        Some(revision) => app::propose_against(&workspace, &plan, revision)?,
        None => app::propose(settings, &workspace, &plan).await?,
    };
    if args.json {
        output::say_json(&proposal)?;
    } else if args.markdown {
        output::say(&proposal.to_markdown())?;
    } else {
        if !plan.warnings.is_empty() {
            output::complain(&plan.warnings.to_text());
        }
        let detail = if args.full { Detail::Full } else { Detail::Brief };
        output::say(&proposal.to_text(detail))?;
    }
    Ok(match args.exit_code && !proposal.changes.is_empty() {
        true => Outcome::Found,
        false => Outcome::Done,
    })
}
