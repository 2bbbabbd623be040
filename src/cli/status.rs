//! `wavemark status`, `why` and `events`: where things stand.

use clap::Args;

use super::{Outcome, output};
use crate::{
    app::{Context, Settings, views},
    model::AgentName,
};

/// Show every agent, by wave, and what each waits for
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Say why one agent stands where it does, and what would help
///
/// The reasons are the very ones that the next tick will go by.
#[derive(Debug, Args)]
pub(super) struct WhyArgs {
    /// Which agent
    agent: AgentName,

    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Show what happened, the newest last
#[derive(Debug, Args)]
pub(super) struct EventsArgs {
    /// Only what happened to this agent
    agent: Option<AgentName>,

    /// How many events
    #[arg(short = 'n', long, default_value_t = 50, value_name = "N")]
    limit: u32,

    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn status(settings: Settings, args: &StatusArgs) -> anyhow::Result<Outcome> {
    let cx = Context::open(settings).await?;
    let view = views::status(&cx).await?;
    output::show(args.json, &view, |width| view.render(width))?;
    Ok(Outcome::Done)
}

pub(super) async fn why(settings: Settings, args: &WhyArgs) -> anyhow::Result<Outcome> {
    let cx = Context::open(settings).await?;
    let view = views::why(&cx, &args.agent).await?;
    output::show(args.json, &view, |width| view.render(width))?;
    Ok(Outcome::Done)
}

pub(super) async fn events(settings: Settings, args: &EventsArgs) -> anyhow::Result<Outcome> {
    let cx = Context::open(settings).await?;
    let view = views::events(&cx, args.agent.as_ref(), args.limit).await?;
    output::show(args.json, &view, |width| view.render(width))?;
    Ok(Outcome::Done)
}
