//! `wavemark sync`: the plan, brought into the database.

use clap::{Args, builder::UnknownArgumentValueParser};

use super::{Outcome, check::good_plan, comment::is_commit, next::NextArgs, output};
use crate::{
    app::{self, Context, Reviewed, Settings, Workspace, open_store},
    model::Digest,
    plan::diff::{Detail, Tense},
    store::Retire,
};

/// Bring the plan in `waves/` into the database
///
/// In one transaction, and as often as you like; `wavemark plan` shows before
/// what it will do. Agents that vanished from the plan are retired, never
/// deleted, and come back with their history. An agent that is running goes on
/// as it began: what changed about it takes effect after its run. With a token
/// for GitHub, the labels of new agents are made there.
///
/// With `--reviewed`, what people agreed to when they merged a pull request is
/// what counts: a plan that differs from it, because something else was merged
/// before, is refused.
///
/// Exits 0 when done, 3 when the plan has problems, 1 when it was refused: then
/// nothing was changed.
#[derive(Debug, Args)]
pub(super) struct SyncArgs {
    /// Refuse any plan but the one with this hash, as `wavemark plan` showed it
    #[arg(long, value_name = "HASH")]
    expect: Option<Digest>,

    /// Refuse any plan but the one that our comment told on the pull request that became this commit
    ///
    /// Where no pull request did, or none of ours is on it, any plan is taken.
    #[arg(long, value_name = "COMMIT", conflicts_with = "expect")]
    reviewed: Option<String>,

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
    let expected = match &args.reviewed {
        Some(commit) => reviewed(settings, &workspace, commit).await?,
        None => args.expect,
    };
    if let Some(expected) = expected {
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
    app::keep_labels(settings, &workspace, &store, &plan).await;
    if args.next.is_wanted() {
        let project = store.project(&plan.project.name).await?;
        let settings = settings.clone();
        args.next.dispatch(&Context { settings, workspace, store, project }).await;
    }
    Ok(Outcome::Done)
}

/// The digest of the plan that people agreed to, if that can be told.
async fn reviewed(
    settings: &Settings,
    workspace: &Workspace,
    commit: &str,
) -> anyhow::Result<Option<Digest>> {
    let commit = match is_commit(commit) {
        true => commit.to_owned(),
        false => workspace.revision(commit)?.commit(),
    };
    let (said, hash) = match app::reviewed(settings, &commit).await? {
        Reviewed::Plan { number, hash } => {
            (format!("#{number} was merged with the plan {hash}"), Some(hash))
        }
        Reviewed::NoComment { number } => {
            (format!("#{number} has no comment of ours: syncing whatever the plan is"), None)
        }
        Reviewed::NoPullRequest => {
            (format!("no pull request was merged as {commit}: syncing whatever the plan is"), None)
        }
    };
    output::complain(&format!("{said}\n"));
    Ok(hash)
}
