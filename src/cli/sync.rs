//! `wavemark sync`: the plan, brought into the database.

use clap::{Args, builder::UnknownArgumentValueParser};

use super::{Outcome, check::good_plan, next::NextArgs, output};
use crate::{
    app::{self, Context, Settings, Workspace, open_store},
    model::Digest,
    plan::diff::{Detail, Tense},
    store::Retire,
};

/// Bring the plan in `waves/` into the database
///
/// In one transaction, and as often as you like; `wavemark plan` shows before
/// what it will do. Agents that vanished from the plan are retired, never
/// deleted, and come back with their history. An agent that is running goes on
/// as it began: what changed about it takes effect after its run.
///
/// Exits 0 when done, 3 when the plan has problems, 1 when it was refused: then
/// nothing was changed.
#[derive(Debug, Args)]
pub(super) struct SyncArgs {
    /// Refuse any plan but the one with this hash, as `wavemark plan` showed it
    #[arg(long, value_name = "HASH")]
    expect: Option<Digest>,

    /// Let more than half of the agents be retired at once
    #[arg(long)]
    allow_retire: bool,

    #[command(flatten)]
    next: NextArgs,

    /// Print every field that changed
    #[arg(long)]
    full: bool,

    /// Print the changes as JSON
    #[arg(long)]
    json: bool,

    #[arg(
        long = "dry-run",
        hide = true,
        action = clap::ArgAction::SetTrue,
        value_parser = UnknownArgumentValueParser::suggest(
            "use `wavemark plan` to see what would change",
        ),
    )]
    _dry_run: String,
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
    if let Some(expected) = args.expect {
        app::expect(&plan, expected)?;
    }
    let retire = if args.allow_retire { Retire::Any } else { Retire::AtMostHalf };
    let store = open_store(settings, &workspace).await?;
    let changes = app::sync(&store, &workspace, &plan, retire).await?.changes;
    if args.json {
        output::say_json(&changes)?;
    } else {
        let detail = if args.full { Detail::Full } else { Detail::Brief };
        output::say(&changes.to_text(detail, Tense::Past))?;
    }
    if args.next.is_wanted() {
        let project = store.project(&plan.project.name).await?;
        let settings = settings.clone();
        args.next.dispatch(&Context { settings, workspace, store, project }).await;
    }
    Ok(Outcome::Done)
}
