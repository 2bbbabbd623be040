//! `wavemark mcp`: what a sub-agent's command line starts inside a run.

use anyhow::Context as _;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::{Outcome, run_directory};
use crate::{
    app::Settings,
    runner::{client::Client, mcp},
};

/// Offer this run to a model, as a server of the Model Context Protocol
///
/// Works inside a run, without any credential, on stdin and stdout; the command
/// line of a sub-agent starts it. Tools: `inputs`, `checkpoint`, `ask`,
/// `progress` and `finish`. Resources: the prompt, what the agent builds on,
/// what it stored in earlier runs, and what people said.
///
/// Ends with stdin, or on SIGTERM.
#[derive(Debug, Args)]
pub(super) struct McpArgs {}

pub(super) async fn mcp(settings: &Settings, _: &McpArgs) -> anyhow::Result<Outcome> {
    let directory = run_directory(settings);
    let directory = directory.context("`wavemark mcp` works inside a run of an agent")?;
    let client = Client::new(directory)?;
    let mut terminate = signal(SignalKind::terminate())?;
    // A run that is to stop gets it as a whole. Its program may still want to
    // store something: what ends with the program is the pipe.
    let _ignored = signal(SignalKind::interrupt())?;
    let told = async {
        terminate.recv().await;
    };
    mcp::serve(client, tokio::io::stdin(), tokio::io::stdout(), told).await?;
    Ok(Outcome::Done)
}
