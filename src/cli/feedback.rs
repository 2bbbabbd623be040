//! `wavemark feedback`, `approve` and `send-back`: what people say.

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::{Outcome, output};
use crate::{
    app::{Context, Settings, nudge, views},
    model::{AgentName, FeedbackKind, FeedbackNumber, Resolution},
};

/// Add, list, show and resolve what waits for a person
///
/// Feedback on one agent pauses that agent and no other.
#[derive(Debug, Args)]
pub(super) struct FeedbackArgs {
    #[command(subcommand)]
    command: FeedbackCommand,
}

#[derive(Debug, Subcommand)]
enum FeedbackCommand {
    /// Say something about an agent: it pauses until that is resolved
    Add {
        /// Which agent
        agent: AgentName,
        /// What to say
        text: String,
        /// Print the number as JSON
        #[arg(long)]
        json: bool,
    },
    /// List what is open
    List {
        /// Only this agent's
        agent: Option<AgentName>,
        /// What is resolved too
        #[arg(long)]
        all: bool,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one feedback with everything that was said about it
    Show {
        /// Its number
        #[arg(value_parser = number)]
        id: FeedbackNumber,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Resolve feedback: the agent goes on, with the whole thread
    ///
    /// A comment is acted on, a question answered, a review approved, a failure
    /// tried again. With `--dismiss` a comment is ignored, a question not
    /// answered, a review sent back, a failure given up.
    Resolve {
        /// Its number
        #[arg(value_parser = number)]
        id: FeedbackNumber,
        /// Do not act on it
        #[arg(long)]
        dismiss: bool,
        /// Say something with it, such as the answer
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
    },
}

/// Approve what an agent built
#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    /// Which agent
    agent: AgentName,
    /// Say something with it
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
}

/// Send back what an agent built: it is built again with your words
#[derive(Debug, Args)]
pub(super) struct SendBackArgs {
    /// Which agent
    agent: AgentName,
    /// What to change
    text: String,
}

/// A number as people write it, with or without the `#`.
fn number(text: &str) -> Result<FeedbackNumber, std::num::ParseIntError> {
    text.strip_prefix('#').unwrap_or(text).parse().map(FeedbackNumber)
}

pub(super) async fn feedback(settings: Settings, args: FeedbackArgs) -> anyhow::Result<Outcome> {
    let cx = Context::open(settings).await?;
    match args.command {
        FeedbackCommand::Add { agent, text, json } => {
            let number = cx.store.remark(cx.project.id, &agent, &text, cx.user()).await?;
            nudge(&cx).await?;
            match json {
                true => output::say_json(&serde_json::json!({ "number": number }))?,
                false => {
                    output::say(&format!("{number} waits: {agent} pauses until it is resolved\n"))?
                }
            }
        }
        FeedbackCommand::List { agent, all, json } => {
            let view = views::feedback(&cx, agent.as_ref(), all).await?;
            output::show(json, &view, |width| view.render(width))?;
        }
        FeedbackCommand::Show { id, json } => {
            let view = views::thread(&cx, id).await?;
            output::show(json, &view, |width| view.render(width))?;
        }
        FeedbackCommand::Resolve { id, dismiss, comment } => {
            let resolution = if dismiss { Resolution::Dismissed } else { Resolution::Completed };
            resolve(&cx, id, resolution, comment.as_deref()).await?;
        }
    }
    Ok(Outcome::Done)
}

pub(super) async fn approve(settings: Settings, args: &ApproveArgs) -> anyhow::Result<Outcome> {
    let cx = Context::open(settings).await?;
    let review = open_review(&cx, &args.agent).await?;
    resolve(&cx, review, Resolution::Completed, args.comment.as_deref()).await
}

pub(super) async fn send_back(settings: Settings, args: &SendBackArgs) -> anyhow::Result<Outcome> {
    let cx = Context::open(settings).await?;
    let review = open_review(&cx, &args.agent).await?;
    resolve(&cx, review, Resolution::Dismissed, Some(&args.text)).await
}

async fn open_review(cx: &Context, agent: &AgentName) -> anyhow::Result<FeedbackNumber> {
    let handle = cx.store.agent(cx.project.id, agent).await?;
    // It may have been built a moment ago, and not asked for its review yet.
    nudge(cx).await?;
    let review = cx.store.open_of_kind(handle.id, FeedbackKind::Review).await?;
    review.with_context(|| format!("{agent} has no open review: see `wavemark why {agent}`"))
}

async fn resolve(
    cx: &Context,
    number: FeedbackNumber,
    resolution: Resolution,
    comment: Option<&str>,
) -> anyhow::Result<Outcome> {
    let was_open = cx.store.resolve(cx.project.id, number, resolution, comment, cx.user()).await?;
    nudge(cx).await?;
    output::say(&match was_open {
        true => format!("{number} is resolved: {resolution}\n"),
        false => format!("{number} was resolved already\n"),
    })?;
    Ok(Outcome::Done)
}
