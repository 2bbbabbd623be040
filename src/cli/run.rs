//! `wavemark tick`, `run` and `build`: one loop, and how far it goes.

use std::time::Duration;

use anyhow::bail;
use clap::Args;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use super::{Outcome, explain::Hinted, output, progress::Watcher};
use crate::{
    app::{Context, Options, Progress, Session, Settings, Until, attend, preview, views},
    engine::Wait,
    model::{AgentName, Outcome as RunOutcome},
};

/// Advance every agent that can move, and follow what that starts
///
/// Reads the database once, decides, carries the decision out, follows the runs
/// it started to their end, and publishes what they made. What those unlock is
/// for the next tick. Safe to run at any time and as often as you like.
///
/// Exits 0 when done, 1 when something could not be advanced or published, 3
/// with `--dry-run` when something would change.
#[derive(Debug, Args)]
pub(super) struct TickArgs {
    /// Print the decision without carrying it out
    #[arg(long)]
    dry_run: bool,

    /// Print the decision as JSON
    #[arg(long)]
    json: bool,
}

/// Build everything that can be built without a person
///
/// Goes on until nothing more can move, or with `--watch` for ever. Any number
/// of these may run on one database: no agent is ever built twice at once.
/// Ctrl-C ends the agents gracefully; they go on from their last checkpoint
/// the next time.
///
/// Exits 0 when nothing more can move, 1 when something failed on the way or
/// it was interrupted. An agent that failed for good is not a failure of `run`:
/// it waits for you, as `wavemark status` shows.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Keep waiting for something to do
    #[arg(long)]
    watch: bool,

    /// How many agents at once on this machine, whatever the pools allow
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,

    /// How often to look for news in the database
    #[arg(long, default_value = "1s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    poll: Duration,

    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// Claim one agent and build it here
///
/// Does nothing, successfully, when the agent is complete or is being built
/// elsewhere.
///
/// Exits 0 when it was built, 1 when it was not.
#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// Which agent
    agent: AgentName,
}

pub(super) async fn tick(settings: Settings, args: &TickArgs) -> anyhow::Result<Outcome> {
    let cx = Context::open(settings).await?;
    if args.dry_run {
        let decision = preview(&cx).await?;
        match args.json {
            true => output::say_json(&decision)?,
            false => output::say(&decision.to_string())?,
        }
        return Ok(if decision.effects.is_empty() { Outcome::Done } else { Outcome::Found });
    }
    let session = go(&cx, Until::Once, usize::MAX, Duration::from_secs(1), &mut |_| ()).await?;
    match args.json {
        true => output::say_json(&session.first)?,
        false => output::say(&session.first.to_string())?,
    }
    verdict(session)
}

pub(super) async fn run(settings: Settings, args: &RunArgs) -> anyhow::Result<Outcome> {
    let cx = Context::open(settings).await?;
    let until = if args.watch { Until::Interrupted } else { Until::Quiet };
    let jobs = args.jobs.map_or(usize::MAX, |jobs| jobs as usize);
    let session = go(&cx, until, jobs, args.poll, &mut |_| ()).await?;
    let summary = views::summary(&cx, &session).await?;
    output::show(args.json, &summary, |width| summary.render(width))?;
    verdict(session)
}

pub(super) async fn build(settings: Settings, args: &BuildArgs) -> anyhow::Result<Outcome> {
    let cx = Context::open(settings).await?;
    cx.store.agent(cx.project.id, &args.agent).await?;
    let until = Until::Built(args.agent.clone());
    let session = go(&cx, until, usize::MAX, Duration::from_secs(5), &mut |_| ()).await?;
    let Some(ended) = session.ended.last() else {
        return match session.decision.waiting.get(&args.agent) {
            None => {
                output::say(&format!("{} is complete\n", args.agent))?;
                Ok(Outcome::Done)
            }
            Some(wait @ (Wait::Run | Wait::Stopping(_))) => {
                output::say(&format!("{} is being built elsewhere: {wait}\n", args.agent))?;
                Ok(Outcome::Done)
            }
            Some(wait) => bail!("{} cannot be built now: it {wait}", args.agent),
        };
    };
    output::say(&format!("{}: {}\n", args.agent, ended.outcome))?;
    match ended.outcome {
        RunOutcome::Succeeded | RunOutcome::Paused => verdict(session),
        outcome => bail!("{} was not built: {outcome}", args.agent),
    }
}

/// Goes on as far as `until` says, for somebody who watches, and tells `tell`
/// what happens.
pub(super) async fn go(
    cx: &Context,
    until: Until,
    jobs: usize,
    poll: Duration,
    tell: &mut dyn FnMut(&Progress),
) -> anyhow::Result<Session> {
    let (told, interrupt) = watch::channel(0);
    let signals = tokio::spawn(listen(told)?);
    let mut watcher = Watcher::new();
    let options = Options { until, jobs, poll };
    let mut observe = |progress: Progress| {
        tell(&progress);
        watcher.see(progress);
    };
    let session = attend(cx, options, &mut observe, interrupt).await;
    watcher.close();
    signals.abort();
    let session = session?;
    if let Some(summary) = session.github.summary() {
        output::complain(&format!("{summary}\n"));
    }
    if let Some(until) = session.github.paused_until {
        output::complain(&format!(
            "GitHub wants to be left alone until {}; nothing is lost, the next tick after that goes on\n",
            until.format("%Y-%m-%d %H:%M:%S UTC")
        ));
    }
    Ok(session)
}

/// Counts the times that this process is told to stop.
fn listen(told: watch::Sender<u32>) -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = match ignores_hangup() {
        true => None,
        false => Some(signal(SignalKind::hangup())?),
    };
    Ok(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                Some(_) = async { hangup.as_mut()?.recv().await } => {}
            }
            told.send_modify(|times| *times += 1);
        }
    })
}

/// Whether this was started by `nohup`, which is not to be undone.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

/// Whether everything that was to be done could be done.
fn verdict(session: Session) -> anyhow::Result<Outcome> {
    if !session.failed.is_empty() {
        let names: Vec<&str> = session.failed.iter().map(AgentName::as_str).collect();
        bail!("could not advance {}", names.join(", "));
    }
    if let Some(why) = session.unpublished {
        return Err(why.context("some artifacts are stored, but not in git yet"));
    }
    if let Some(trouble) = &session.github.trouble {
        let what = trouble.clone();
        let err = anyhow::Error::new(Hinted { what, hint: session.github.hint });
        return Err(
            err.context("could not do all that is due on GitHub; the next tick tries again")
        );
    }
    if session.interrupted {
        bail!("interrupted; `wavemark run` goes on from the last checkpoints");
    }
    Ok(Outcome::Done)
}
