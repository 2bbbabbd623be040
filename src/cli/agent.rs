//! `wavemark retry`, `pause`, `resume` and `rebuild`: what an operator says to one agent.

use clap::Args;

use super::{Outcome, output};
use crate::{
    app::{Context, Settings, nudge},
    model::AgentName,
    store::Operator,
};

/// Try an agent again that failed for good, or let a paused one go on
///
/// It goes on from its last checkpoint, with all its attempts.
#[derive(Debug, Args)]
pub(super) struct RetryArgs {
    /// Which agent
    agent: AgentName,
}

/// Hold an agent until it is resumed
///
/// A run of it stops at its next checkpoint, or when the grace period is over.
#[derive(Debug, Args)]
pub(super) struct PauseArgs {
    /// Which agent
    agent: AgentName,
}

/// Let a paused agent go on
#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    /// Which agent
    agent: AgentName,
}

/// Build a finished agent again
///
/// What was built from it before is shown as stale; it is built again only
/// where its definition says `on_stale: rebuild`.
#[derive(Debug, Args)]
pub(super) struct RebuildArgs {
    /// Which agent
    agent: AgentName,
}

pub(super) async fn retry(settings: Settings, args: &RetryArgs) -> anyhow::Result<Outcome> {
    let done = ("is tried again by the next tick", "has nothing to be tried again");
    operate(settings, &args.agent, Operator::Retry, done).await
}

pub(super) async fn pause(settings: Settings, args: &PauseArgs) -> anyhow::Result<Outcome> {
    let done = ("is paused; `wavemark resume` lets it go on", "was paused already");
    operate(settings, &args.agent, Operator::Pause, done).await
}

pub(super) async fn resume(settings: Settings, args: &ResumeArgs) -> anyhow::Result<Outcome> {
    let done = ("goes on with the next tick", "was not paused");
    operate(settings, &args.agent, Operator::Resume, done).await
}

pub(super) async fn rebuild(settings: Settings, args: &RebuildArgs) -> anyhow::Result<Outcome> {
    let done = ("is built again by the next tick", "is not finished: it will be built anyway");
    operate(settings, &args.agent, Operator::Rebuild, done).await
}

async fn operate(
    settings: Settings,
    agent: &AgentName,
    what: Operator,
    (changed, unchanged): (&str, &str),
) -> anyhow::Result<Outcome> {
    let cx = Context::open(settings).await?;
    let done = cx.store.operate(cx.project.id, agent, what, cx.user()).await?;
    nudge(&cx).await?;
    let text = if done { changed } else { unchanged };
    output::say(&format!("{agent} {text}\n"))?;
    Ok(Outcome::Done)
}
