//! `wavemark tick`, `run` and `build`: one loop, and how far it goes.

use std::time::Duration;

use anyhow::bail;
use clap::Args;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use super::{
    Outcome, check::good_plan, explain::Hinted, next::NextArgs, output, progress::Watcher,
};
use crate::{
    app::{
        self, Budget, Context, Options, Progress, Session, Settings, Until, Where, Workspace,
        attend, open_store, preview, views,
    },
    engine::Wait,
    model::{AgentName, Outcome as RunOutcome},
    report::LateView,
    store::{self, Retire},
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

    /// Start no agent on this machine; print which can start on others
    ///
    /// As a JSON array of names for a job matrix, most important first, at most
    /// 256: each is for one `wavemark build NAME --if-ready`. Nothing is claimed
    /// for them, so one that never starts is named again by the next tick.
    /// Printed also when something else failed.
    #[arg(long, conflicts_with_all = ["dry_run", "json"])]
    elsewhere: bool,

    #[command(flatten)]
    budget: BudgetArgs,
}

/// Build everything that can be built without a person
///
/// Goes on until nothing more can move, or with `--watch` for ever. Any number
/// of these may run on one database: no agent is ever built twice at once.
/// Ctrl-C ends the agents gracefully; they go on from their last checkpoint
/// the next time. A plan that the database has never seen is brought into it
/// first.
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

    #[command(flatten)]
    budget: BudgetArgs,
}

/// Claim one agent and build it here
///
/// Does nothing, successfully, when the agent is complete or is being built
/// elsewhere.
///
/// Cancelled by a signal, it ends the agent gracefully and stores what it made:
/// within 10 seconds in a step of GitHub Actions, which is killed then. There,
/// start it with `exec`, or no signal reaches it.
///
/// Exits 0 when it was built, or its budget is used up; 1 when it was not
/// built.
#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// Which agent
    agent: AgentName,

    /// Do nothing, successfully, when the agent cannot be built now
    #[arg(long)]
    if_ready: bool,

    #[command(flatten)]
    budget: BudgetArgs,

    #[command(flatten)]
    next: NextArgs,
}

/// How long a command may take in all.
#[derive(Debug, Args)]
struct BudgetArgs {
    /// How long all of this may take, such as 335m
    ///
    /// Five minutes before its end, or a tenth of it, what runs is asked to
    /// stop: it goes on from its checkpoints later, and it counts as no failure.
    /// Nothing is started that would soon be stopped. `build` tries a failed
    /// agent again as long as its retries and the budget last.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    budget: Option<Duration>,
}

impl BudgetArgs {
    fn starting_now(&self) -> Option<Budget> {
        self.budget.map(Budget::starting_now)
    }
}

pub(super) async fn tick(settings: Settings, args: &TickArgs) -> anyhow::Result<Outcome> {
    let budget = args.budget.starting_now();
    let cx = Context::open(settings).await?;
    if args.dry_run {
        let decision = preview(&cx).await?;
        match args.json {
            true => output::say_json(&decision)?,
            false => output::say(&decision.to_string())?,
        }
        return Ok(if decision.effects.is_empty() { Outcome::Done } else { Outcome::Found });
    }
    let launches = if args.elsewhere { Where::Elsewhere } else { Where::Here };
    let options = Options { budget, launches, ..options(Until::Once) };
    let session = go(&cx, options, &mut |_| ()).await?;
    match (args.elsewhere, args.json) {
        (true, _) => say_startable(&session.startable)?,
        (false, true) => output::say_json(&session.first)?,
        (false, false) => output::say(&session.first.to_string())?,
    }
    verdict(session)
}

/// How many jobs a matrix of GitHub Actions may have.
const MATRIX: usize = 256;

/// Prints agents for a matrix: in one line, as a step's output has to be.
fn say_startable(agents: &[AgentName]) -> anyhow::Result<()> {
    let named = &agents[..agents.len().min(MATRIX)];
    if named.len() < agents.len() {
        let all = agents.len();
        output::complain(&format!("{all} agents can start; the first {MATRIX} are named\n"));
    }
    output::say(&(serde_json::to_string(named)? + "\n"))
}

pub(super) async fn run(settings: Settings, args: &RunArgs) -> anyhow::Result<Outcome> {
    let budget = args.budget.starting_now();
    let cx = match open_for_the_first_time(settings).await? {
        Ok(cx) => cx,
        Err(outcome) => return Ok(outcome),
    };
    let until = if args.watch { Until::Interrupted } else { Until::Quiet };
    let jobs = args.jobs.map_or(usize::MAX, |jobs| jobs as usize);
    let options = Options { jobs, poll: args.poll, budget, ..options(until) };
    let session = go(&cx, options, &mut |_| ()).await?;
    let summary = views::summary(&cx, &session).await?;
    output::show(args.json, &summary, |width| summary.render(width))?;
    verdict(session)
}

/// Opens the project, which on its first day nobody has brought into the database
/// yet. From then on, its plan changes by `wavemark sync` only.
async fn open_for_the_first_time(settings: Settings) -> anyhow::Result<Result<Context, Outcome>> {
    match Context::open(settings.clone()).await {
        Err(err) if matches!(err.downcast_ref(), Some(store::Error::NoProject(_))) => {}
        opened => return opened.map(Ok),
    }
    let workspace = Workspace::find(&settings.directory)?;
    let plan = match good_plan(&workspace)? {
        Ok(plan) => plan,
        Err(outcome) => return Ok(Err(outcome)),
    };
    let store = open_store(&settings, &workspace).await?;
    app::sync(&store, &workspace, &plan, Retire::AtMostHalf).await?;
    output::complain("the plan is new to the database: brought it in, as `wavemark sync` does\n");
    Context::open(settings).await.map(Ok)
}

pub(super) async fn build(settings: Settings, args: &BuildArgs) -> anyhow::Result<Outcome> {
    let budget = args.budget.starting_now();
    let agent = &args.agent;
    let cx = Context::open(settings).await?;
    if args.if_ready && cx.store.is_retired(cx.project.id, agent).await? {
        output::say(&format!("{agent} is not in the plan any more\n"))?;
        return Ok(Outcome::Done);
    }
    cx.store.agent(cx.project.id, agent).await?;
    let poll = Duration::from_secs(5);
    let options = Options { poll, budget, ..options(Until::Built(agent.clone())) };
    let session = go(&cx, options, &mut |_| ()).await?;
    // What others were told before this is known to them.
    let changed = !session.ended.is_empty() && !session.interrupted;
    let built = tell_built(session, args);
    if changed {
        args.next.dispatch(&cx).await;
    }
    built
}

/// Says what building one agent came to.
fn tell_built(session: Session, args: &BuildArgs) -> anyhow::Result<Outcome> {
    let agent = &args.agent;
    // Others may have ended elsewhere meanwhile.
    let Some(ended) = session.ended.iter().rfind(|ended| ended.agent == *agent) else {
        return tell_unbuilt(session, args);
    };
    output::say(&format!("{agent}: {}\n", ended.outcome))?;
    match ended.outcome {
        RunOutcome::Succeeded | RunOutcome::Paused => verdict(session),
        RunOutcome::Interrupted if session.out_of_time && !session.interrupted => verdict(session),
        outcome => bail!("{agent} was not built: {outcome}"),
    }
}

/// Says why an agent was not built here.
fn tell_unbuilt(session: Session, args: &BuildArgs) -> anyhow::Result<Outcome> {
    let agent = &args.agent;
    if session.failed.contains(agent) || session.interrupted {
        return verdict(session);
    }
    let could_start =
        session.decision.effects.iter().any(|effect| effect.is_launch() && effect.agent() == agent);
    let why = match session.decision.waiting.get(agent) {
        None if could_start && session.out_of_time => return verdict(session),
        None if could_start => "others were faster".to_owned(),
        None => {
            output::say(&format!("{agent} is complete\n"))?;
            return Ok(Outcome::Done);
        }
        Some(wait @ (Wait::Run | Wait::Stopping(_))) => {
            output::say(&format!("{agent} is being built elsewhere: {wait}\n"))?;
            return Ok(Outcome::Done);
        }
        Some(wait) => wait.to_string(),
    };
    let text = format!("{agent} cannot be built now: {why}");
    if !args.if_ready {
        bail!(text);
    }
    output::say(&(text + "\n"))?;
    Ok(Outcome::Done)
}

/// Going as far as `until` says, in the usual way.
pub(super) fn options(until: Until) -> Options {
    Options {
        until,
        jobs: usize::MAX,
        poll: Duration::from_secs(1),
        budget: None,
        launches: Where::Here,
    }
}

/// Goes on as far as `options` say, for somebody who watches, and tells `tell`
/// what happens.
pub(super) async fn go(
    cx: &Context,
    options: Options,
    tell: &mut dyn FnMut(&Progress),
) -> anyhow::Result<Session> {
    let (told, interrupt) = watch::channel(0);
    let signals = tokio::spawn(listen(told)?);
    let mut watcher = Watcher::new();
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
    if let Some(late) = session.before.as_ref().and_then(LateView::of) {
        let scheduled = cx.settings.environment.word("GITHUB_EVENT_NAME").is_some();
        let text = if scheduled { late.catching_up() } else { late.warning() };
        output::complain(&format!("{text}\n"));
    }
    if session.out_of_time {
        output::complain(
            "the budget is used up: what is left goes on from the last checkpoints with the next tick\n",
        );
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
