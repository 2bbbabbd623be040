//! What an agent calls from inside its run, and a person for a manual agent.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use clap::Args;

use super::{Outcome, output, run_directory};
use crate::{
    app::{Context, Settings, nudge},
    model::{
        AgentName, ArtifactKey, ArtifactType, FeedbackKind, FileName, Finish, Resolution,
        credential,
    },
    runner::{Headway, Percent, client::Client},
    store::{Kept, Maker},
};

/// Store an artifact now, while the run goes on
///
/// Inside a run it needs no credential and returns when the artifact is
/// stored. With `--agent`, a person hands something in for a manual agent.
#[derive(Debug, Args)]
pub(super) struct CheckpointArgs {
    /// Hand it in for this agent, from outside a run
    #[arg(long)]
    agent: Option<AgentName>,

    /// What it is: schema, prompt or doc
    #[arg(value_name = "TYPE")]
    kind: ArtifactType,

    /// What it is called
    name: FileName,

    /// Where it is; stdin without it, or for `-`
    file: Option<PathBuf>,
}

/// Ask people a question, from inside a run
///
/// The agent should then end. It is started again, with the answer among its
/// inputs, when somebody answered. No other agent waits for that.
#[derive(Debug, Args)]
pub(super) struct AskArgs {
    /// The question
    question: String,
}

/// Tell people how far the work is, from inside a run
///
/// `wavemark status` shows it instead of what the agent printed last, and it is
/// a sign of life.
#[derive(Debug, Args)]
pub(super) struct ProgressArgs {
    /// How much is done, in whole percent
    #[arg(long, value_name = "0-100")]
    percent: Option<Percent>,

    /// What is being done; one line
    #[arg(required_unless_present = "percent", default_value = "", hide_default_value = true)]
    text: String,
}

/// Say that the work is done, or how else it ended
///
/// Inside a run, the agent should then exit. With `--agent`, a person says that
/// a manual agent's work is done.
#[derive(Debug, Args)]
pub(super) struct FinishArgs {
    /// Say it for this agent, from outside a run
    #[arg(long)]
    agent: Option<AgentName>,

    /// How it ended: complete, failed, or feedback to wait for people
    ///
    /// Who waits for people and has not asked them anything asks them the summary.
    #[arg(long, default_value = "complete", conflicts_with = "agent")]
    status: Finish,

    /// A file with a summary in Markdown; stdin for `-`
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
}

pub(super) async fn checkpoint(
    settings: Settings,
    args: &CheckpointArgs,
) -> anyhow::Result<Outcome> {
    let key = ArtifactKey { kind: args.kind, name: args.name.clone() };
    let content = read(args.file.as_deref())?;
    let Some(agent) = &args.agent else {
        let stored = client(&settings)?.checkpoint(&key, &content)?;
        output::say(&format!("{key} {stored}\n"))?;
        return Ok(Outcome::Done);
    };
    let cx = Context::open(settings).await?;
    let limit = cx.project.settings.max_artifact_bytes;
    ensure!(
        content.len() as u64 <= limit,
        "{key} has {} bytes, and {limit} are allowed: split it",
        content.len()
    );
    let content = String::from_utf8(content).context("artifacts are UTF-8 text")?;
    ensure!(!content.contains('\0'), "artifacts are text, without NUL bytes");
    let handle = cx.store.agent(cx.project.id, agent).await?;
    let secret = credential::kind(&content);
    let maker = Maker::Person(handle.id);
    let kept = cx.store.keep(cx.project.id, maker, &key, &content, secret).await?;
    nudge(&cx).await?;
    match kept {
        Kept::New { version } => output::say(&format!("{key} version {version} stored\n"))?,
        Kept::Same { version } => {
            output::say(&format!("{key} version {version} stored, as before\n"))?
        }
        Kept::Stale => bail!("{agent} is being built by a run"),
    }
    Ok(Outcome::Done)
}

pub(super) fn ask(settings: &Settings, args: &AskArgs) -> anyhow::Result<Outcome> {
    let directory = run_directory(settings);
    let directory = directory.context("`wavemark ask` works inside a run of an agent")?;
    let number = Client::new(directory)?.ask(&args.question)?;
    output::say(&format!("asked as {number}: end now, the answer comes with the next run\n"))?;
    Ok(Outcome::Done)
}

pub(super) fn progress(settings: &Settings, args: &ProgressArgs) -> anyhow::Result<Outcome> {
    let directory = run_directory(settings);
    let directory = directory.context("`wavemark progress` works inside a run of an agent")?;
    let headway = Headway { percent: args.percent, text: args.text.clone() };
    Client::new(directory)?.progress(&headway)?;
    Ok(Outcome::Done)
}

pub(super) async fn finish(settings: Settings, args: &FinishArgs) -> anyhow::Result<Outcome> {
    let summary = match &args.summary {
        Some(file) => Some(String::from_utf8_lossy(&read(Some(file))?).into_owned()),
        None => None,
    };
    let Some(agent) = &args.agent else {
        match client(&settings)?.finish(args.status, summary.as_deref())? {
            None => output::say("noted: exit now\n")?,
            Some(number) => output::say(&format!("asked as {number}: exit now\n"))?,
        }
        return Ok(Outcome::Done);
    };
    let cx = Context::open(settings).await?;
    let handle = cx.store.agent(cx.project.id, agent).await?;
    nudge(&cx).await?;
    let question = cx.store.open_of_kind(handle.id, FeedbackKind::Question).await?;
    let question = question.with_context(|| {
        format!("nobody waits for {agent} to be handed in: see `wavemark why {agent}`")
    })?;
    cx.store
        .resolve(cx.project.id, question, Resolution::Completed, summary.as_deref(), cx.user())
        .await?;
    nudge(&cx).await?;
    match cx.store.open_of_kind(handle.id, FeedbackKind::Question).await? {
        None => output::say(&format!("{agent} is handed in\n"))?,
        Some(number) => bail!(
            "{agent} is not complete, something is still missing: see `wavemark feedback show {}`",
            number.0
        ),
    }
    Ok(Outcome::Done)
}

fn client(settings: &Settings) -> anyhow::Result<Client> {
    let directory = run_directory(settings)
        .context("this works inside a run of an agent, or with `--agent` for a manual one")?;
    Ok(Client::new(directory)?)
}

fn read(file: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    match file {
        Some(path) if path != Path::new("-") => {
            fs::read(path).with_context(|| format!("cannot read {}", path.display()))
        }
        _ => {
            let mut bytes = Vec::new();
            io::stdin().read_to_end(&mut bytes).context("cannot read stdin")?;
            Ok(bytes)
        }
    }
}
