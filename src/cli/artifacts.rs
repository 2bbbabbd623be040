//! `wavemark artifacts`, `show`, `history` and `verify`: what was made, and where it is.

use anyhow::Context as _;
use clap::Args;

use super::{Outcome, output};
use crate::{
    app::{Context, Settings, views},
    model::{AgentName, ArtifactKey, GitState},
};

/// List what agents made, and where the bytes are
#[derive(Debug, Args)]
pub(super) struct ArtifactsArgs {
    /// Only what this agent made
    agent: Option<AgentName>,

    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Print one artifact
///
/// The bytes go to stdout, where they come from to stderr.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Who made it
    agent: AgentName,

    /// What it is called: `<type>/<name>`
    artifact: ArtifactKey,

    /// Which version; the newest without it
    #[arg(long, value_name = "N")]
    version: Option<i32>,
}

/// List every version of one artifact
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// Who made it
    agent: AgentName,

    /// What it is called: `<type>/<name>`
    artifact: ArtifactKey,

    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Compare the bytes of every artifact in its row and in its commit
///
/// Exits 0 when all agree, 3 when some do not, or are not in git yet.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn artifacts(settings: Settings, args: &ArtifactsArgs) -> anyhow::Result<Outcome> {
    let cx = Context::open(settings).await?;
    let view = views::artifacts(&cx, args.agent.as_ref()).await?;
    output::show(args.json, &view, |width| view.render(width))?;
    Ok(Outcome::Done)
}

pub(super) async fn show(settings: Settings, args: &ShowArgs) -> anyhow::Result<Outcome> {
    let cx = Context::open(settings).await?;
    let agent = cx.store.agent(cx.project.id, &args.agent).await?;
    let versions = cx.store.versions(agent.id, &args.artifact).await?;
    let wanted = |version| args.version.is_none_or(|wanted| wanted == version);
    let found = versions.into_iter().find(|row| wanted(row.version));
    let row = found.with_context(|| match args.version {
        None => format!("{} has no {}: see `wavemark artifacts`", args.agent, args.artifact),
        Some(version) => format!("{} has no version {version} of {}", args.agent, args.artifact),
    })?;
    let content = cx.store.content(row.id).await?;
    let place = match (row.git_state, &row.git_commit) {
        (GitState::Committed, Some(commit)) => format!("row {} and commit {commit}", row.id),
        (GitState::Blocked, _) => {
            let reason = row.git_reason.unwrap_or_default();
            format!("row {}; kept out of git: {reason}", row.id)
        }
        _ => format!("row {}; its commit is pending", row.id),
    };
    output::complain(&format!(
        "{} {} version {}, sha-256 {}: {place}\n",
        args.agent, args.artifact, row.version, row.sha256
    ));
    output::say_raw(content.as_bytes())?;
    Ok(Outcome::Done)
}

pub(super) async fn history(settings: Settings, args: &HistoryArgs) -> anyhow::Result<Outcome> {
    let cx = Context::open(settings).await?;
    let view = views::history(&cx, &args.agent, &args.artifact).await?;
    output::show(args.json, &view, |width| view.render(width))?;
    Ok(Outcome::Done)
}

pub(super) async fn verify(settings: Settings, args: &VerifyArgs) -> anyhow::Result<Outcome> {
    let cx = Context::open(settings).await?;
    let view = views::comparison(&cx).await?;
    output::show(args.json, &view, |width| view.render(width))?;
    Ok(if view.agrees() { Outcome::Done } else { Outcome::Found })
}
