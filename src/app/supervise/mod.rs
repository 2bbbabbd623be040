//! Keeps a project going: ticks, starts what can start, follows it to its end.
//!
//! `tick`, `run` and `build` are the same loop and differ in what they start
//! and when they are done ([`Until`]). Every round writes down what ended,
//! reads the facts, decides, carries the decision out, and then waits for news:
//! of a run, of the clock, or from outside, which only the next reading shows.
//!
//! **Invariants:** nothing is decided here, only obeyed. A run that ended is
//! written down before anything is decided again, so what `run` and `tick` say
//! at their end is stored. A database that does not answer for a while stops
//! nothing that is running.

mod aside;
mod budget;
mod files;
mod fleet;
mod launching;
mod pusher;
mod session;

use std::{collections::HashMap, time::Duration};

use anyhow::Context as _;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, sleep_until},
};
use tracing::{error, info, warn};

pub use self::{
    aside::{nudge, preview},
    budget::Budget,
    launching::Where,
    session::{Ended, Options, Progress, Session, Until},
};
use self::{
    budget::Stage,
    fleet::{Fleet, News},
    pusher::Pusher,
};
use super::{
    apply::{Applied, Executor},
    context::Context,
    remote::{Judged, Remote},
};
use crate::{
    engine::{Effect, Snapshot, Wait, decide},
    model::{AgentId, AgentName, Instant as DbInstant, RunnerKind},
    runner::StopWhen,
    store::Known,
};

/// How long the database may fail before the runs here are stopped.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// The wait before a failed round is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the one launch of a session is tried when others are faster.
const RACES: u32 = 5;

/// Goes on with the project of `cx` as far as `options` say, or until
/// `interrupt` says how urgently to stop: 1 for gracefully, more for at once.
///
/// # Errors
///
/// When the database fails for longer than five minutes. Runs that were going
/// on here are stopped gracefully then, and continue from their checkpoints
/// when somebody claims them again.
pub(super) async fn supervise(
    cx: &Context,
    options: Options,
    observe: &mut dyn FnMut(Progress),
    interrupt: watch::Receiver<u32>,
) -> anyhow::Result<Session> {
    let supervisor = Supervisor {
        cx,
        began: Instant::now(),
        first_start: None,
        last_end: None,
        known: Known::default(),
        fleet: Fleet::new(cx, options.budget),
        remote: Remote::new(cx, options.until.is_tick()),
        pusher: Pusher::new(cx.publisher()?),
        launched: false,
        told: 0,
        races: 0,
        stage: Stage::default(),
        session: Session::default(),
        options,
        interrupt,
    };
    supervisor.run(observe).await
}

struct Supervisor<'a> {
    cx: &'a Context,
    /// When this began, when the first run did that it followed, and when the last
    /// one elsewhere ended.
    began: Instant,
    first_start: Option<Instant>,
    last_end: Option<Instant>,
    /// What the last look at the agents showed.
    known: Known,
    options: Options,
    interrupt: watch::Receiver<u32>,
    /// How often it was told to stop, as far as that was acted on: it may be
    /// told at any moment, also while it decides.
    told: u32,
    fleet: Fleet<'a>,
    remote: Remote<'a>,
    pusher: Pusher,
    /// Whether the one decision of [`Until::Once`] and [`Until::Built`] was
    /// made.
    launched: bool,
    /// How often [`Until::Built`] was overtaken when it made it.
    races: u32,
    /// How far the budget is used up.
    stage: Stage,
    session: Session,
}

/// What a round came to.
struct Round {
    /// When the facts were read.
    taken_at: DbInstant,
    /// Whether anything changed.
    changed: bool,
    /// Whether something could be started and was not: for want of room here,
    /// or because another process was just at it.
    held_back: bool,
}

impl Supervisor<'_> {
    async fn run(mut self, observe: &mut dyn FnMut(Progress)) -> anyhow::Result<Session> {
        let settings = &self.cx.project.settings;
        // Signs of life are to be known before they are missed.
        let mut beat = tokio::time::interval((settings.lease / 6).min(settings.stall_timeout / 4));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing: Option<Instant> = None;
        loop {
            let pause = match self.round(observe).await {
                Ok(round) if self.is_done(&round) => break,
                Ok(round) => {
                    failing = None;
                    self.pause(&round)
                }
                Err(err) => {
                    let since = *failing.get_or_insert_with(Instant::now);
                    if since.elapsed() > PATIENCE || (self.fleet.is_idle() && !self.keeps_going()) {
                        self.fleet.interrupt_all(StopWhen::Now);
                        self.fleet.drain(observe).await;
                        return Err(err);
                    }
                    warn!("could not go on, trying again: {err:#}");
                    PAUSE
                }
            };
            let wake = Instant::now() + pause;
            self.wait_for_news(wake, failing.is_some(), &mut beat, observe).await;
        }
        self.finish(observe).await
    }

    /// Writes down what ended, decides, and obeys.
    async fn round(&mut self, observe: &mut dyn FnMut(Progress)) -> anyhow::Result<Round> {
        self.session.ended.extend(self.fleet.settle(observe).await?);
        let mut look = self.look().await?;
        if self.known.any_elsewhere() && self.settle_elsewhere(observe).await? {
            look = self.look().await?;
        }
        let (mut snapshot, ids) = look;
        // What n8n is just being asked about is not lost before it answers.
        snapshot.take_as_alive(|run| self.remote.is_looking_at(run));
        let taken_at = snapshot.taken_at;
        for run in snapshot.agents.values().filter_map(|agent| agent.run) {
            // Somebody else may have asked: a person's command, another tick.
            if let Some(reason) = run.stop {
                self.fleet.stop(run.id, reason);
            }
        }
        let decision = decide(&snapshot);
        let looks_first = self.looks_first();
        let launching::Allowed { effects, held_back, elsewhere } =
            self.allowed(&decision, &snapshot);
        let executor = Executor {
            store: &self.cx.store,
            project: &self.cx.project,
            ids: &ids,
            host: &self.cx.settings.environment.host,
        };
        let applied = executor.apply(&effects).await;
        let mut changed = applied.changes > 0;
        let overtaken = launching::lost_a_race(&effects, &applied);
        let stops = effects.iter().any(|effect| matches!(effect, Effect::Stop { .. }));
        if stops && self.known.any_elsewhere() {
            // What nobody supervises is over once it is to stop at once.
            changed |= self.settle_elsewhere(observe).await?;
        }
        if !self.launched {
            self.session.first.clone_from(&decision);
            self.session.startable =
                elsewhere.into_iter().filter(|agent| !applied.failed.contains(agent)).collect();
        }
        self.races += u32::from(overtaken);
        self.launched |= !looks_first && (!overtaken || self.options.until == Until::Once);
        let held_back = held_back || overtaken;
        self.obey(applied, &effects, observe).await;
        self.session.decision = decision;
        Ok(Round { taken_at, changed, held_back })
    }

    async fn look(&mut self) -> anyhow::Result<(Snapshot, HashMap<AgentName, AgentId>)> {
        let look = self.cx.store.look_again(&self.cx.project, &mut self.known);
        look.await.context("cannot read the facts")
    }

    /// Judges the runs that are over elsewhere; says whether there were any.
    async fn settle_elsewhere(
        &mut self,
        observe: &mut dyn FnMut(Progress),
    ) -> anyhow::Result<bool> {
        // A session with one decision to make ends when nothing goes on here any more.
        let again = !self.decides_once() || !self.fleet.is_idle();
        let judged = self.remote.settle(again).await?;
        Ok(self.note(judged, observe))
    }

    /// Whether there is one decision about what to launch.
    fn decides_once(&self) -> bool {
        matches!(self.options.until, Until::Once | Until::Built(_))
    }

    /// Whether the one decision waits for what n8n says of the runs that go on there.
    fn looks_first(&self) -> bool {
        self.decides_once() && !self.launched && self.remote.is_looking()
    }

    /// Tells of runs that ended elsewhere; says whether there were any.
    fn note(&mut self, judged: Vec<Judged>, observe: &mut dyn FnMut(Progress)) -> bool {
        let any = !judged.is_empty();
        if any {
            // What an earlier session launched went on all the time.
            self.first_start.get_or_insert(self.began);
            self.last_end = Some(Instant::now());
        }
        for Judged { ended, detail } in judged {
            observe(Progress::Ended(ended.agent.clone(), ended.outcome, detail, ended.took));
            self.session.ended.push(ended);
        }
        any
    }

    async fn obey(
        &mut self,
        applied: Applied,
        effects: &[Effect],
        observe: &mut dyn FnMut(Progress),
    ) {
        for effect in effects.iter().filter(|effect| !applied.failed.contains(effect.agent())) {
            match effect {
                Effect::Stop { run, reason, .. } => self.fleet.stop(*run, *reason),
                Effect::Expire { agent, run } if applied.lost.contains(run) => {
                    observe(Progress::Lost(agent.clone()));
                }
                _ => {}
            }
        }
        if matches!(self.options.until, Until::Quiet | Until::Interrupted) {
            // Whatever was tried again went well this time, or fails again below.
            self.session.failed.retain(|agent| !effects.iter().any(|it| it.agent() == agent));
        }
        self.session.failed.extend(applied.failed);
        if !applied.begun.is_empty() {
            self.first_start.get_or_insert(Instant::now());
        }
        for begun in applied.begun {
            let run = begun.claimed.definition.as_ref().map(|definition| definition.0.run.kind());
            if run.is_some_and(RunnerKind::is_remote) {
                let agent = &begun.claimed.agent;
                observe(Progress::Started(agent.clone(), begun.claimed.attempt));
                // Nobody was asked: it is lost when its lease runs out, and tried again.
                if let Err(err) = self.remote.start(&begun).await {
                    error!(agent.name = %agent, "could not launch `{agent}`: {err:#}");
                    self.session.failed.insert(agent.clone());
                }
            } else {
                self.fleet.start(begun, observe);
            }
        }
    }

    fn is_interrupted(&self) -> bool {
        *self.interrupt.borrow() > 0
    }

    /// Whether a failing database is a reason to wait, and not to give up.
    fn keeps_going(&self) -> bool {
        self.options.until == Until::Interrupted && !self.is_interrupted()
    }

    fn is_done(&self, round: &Round) -> bool {
        if !self.fleet.is_idle() {
            return false;
        }
        if self.is_interrupted() || !self.has_time() {
            // An answer to a launch that is not here yet is as good as lost:
            // whoever was asked claims the run, or its lease runs out.
            return true;
        }
        if !self.remote.is_idle() {
            return false;
        }
        match &self.options.until {
            Until::Interrupted => false,
            Until::Once => true,
            Until::Built(agent) => !self.tries_again(agent, round),
            Until::Quiet => !round.changed && !round.held_back && !self.time_helps(),
        }
    }

    /// Whether something goes on by itself after a while.
    fn time_helps(&self) -> bool {
        self.session.decision.waiting.values().any(Wait::passes)
    }

    /// Whether the budget allows that something is started.
    fn has_time(&self) -> bool {
        self.options.budget.is_none_or(|budget| budget.has_room(Duration::ZERO))
    }

    /// Whether [`Until::Built`] is to wait for another try: the last one was
    /// overtaken, or it failed and the next one is due within the budget.
    fn tries_again(&self, agent: &AgentName, round: &Round) -> bool {
        if round.held_back {
            return self.races < RACES;
        }
        let Some(budget) = self.options.budget.filter(|_| !self.session.ended.is_empty()) else {
            return false;
        };
        match self.session.decision.waiting.get(agent) {
            Some(Wait::Backoff(at)) => {
                budget.has_room((*at - round.taken_at).to_std().unwrap_or_default())
            }
            _ => false,
        }
    }

    /// How long to wait for news: a retry may be due before the next look.
    fn pause(&self, round: &Round) -> Duration {
        if round.changed && self.fleet.is_idle() {
            return Duration::ZERO;
        }
        if round.held_back && self.fleet.is_idle() {
            return PAUSE.min(self.options.poll);
        }
        let due = self.session.decision.waiting.values().filter_map(|wait| match wait {
            Wait::Backoff(at) => (*at - round.taken_at).to_std().ok(),
            _ => None,
        });
        due.min().unwrap_or(self.options.poll).min(self.options.poll)
    }

    /// Returns when there may be something to decide: after trouble, not because of
    /// what could not be written down.
    async fn wait_for_news(
        &mut self,
        wake: Instant,
        in_trouble: bool,
        beat: &mut tokio::time::Interval,
        observe: &mut dyn FnMut(Progress),
    ) {
        loop {
            let tell = self.fleet.tells_at();
            let told = self.told;
            // Whatever is dropped half-way here has not taken anything yet.
            tokio::select! {
                received = self.fleet.receive(in_trouble) => {
                    match self.fleet.take(received, observe).await {
                        News::Ended => return,
                        News::Stored => self.pusher.push_soon(),
                        News::Nothing => {}
                    }
                }
                () = sleep_until(wake) => return,
                _ = beat.tick() => self.fleet.heartbeat().await,
                () = sleep_until(tell.unwrap_or(wake)), if tell.is_some() => self.fleet.heartbeat().await,
                pushed = self.pusher.next() => observe_push(pushed, observe),
                answered = self.remote.answered() => {
                    let ended = match self.remote.take(answered).await {
                        Ok(judged) => self.note(judged, observe),
                        Err(err) => {
                            // Its lease runs out, and it is launched once more.
                            warn!("could not write down an answer: {err:#}");
                            false
                        }
                    };
                    if ended || self.remote.saw_an_end() || self.remote.is_idle() {
                        return;
                    }
                }
                () = self.stage.over(self.options.budget) => {
                    self.cut_short();
                    return;
                }
                () = told_again(&mut self.interrupt, told) => {
                    self.told = *self.interrupt.borrow();
                    if told == 0 {
                        info!("told to stop: ending the runs here gracefully");
                        self.fleet.interrupt_all(match self.cx.settings.environment.in_actions() {
                            // The platform kills this process 10 s later.
                            true => StopWhen::Hurried,
                            false => StopWhen::Now,
                        });
                    } else {
                        info!("told to stop at once: killing the runs here");
                        self.fleet.kill_all();
                    }
                    return;
                }
            }
        }
    }

    /// The budget is used up, or nearly: the runs here end.
    fn cut_short(&mut self) {
        self.stage = self.stage.next();
        if self.stage == Stage::Stopping {
            info!("the budget is used up: ending the runs here gracefully");
            self.fleet.interrupt_all(StopWhen::Now);
        } else {
            info!("the budget is used up: killing the runs here");
            self.fleet.kill_all();
        }
    }

    /// The statuses as they are now, and everything in git.
    async fn finish(mut self, observe: &mut dyn FnMut(Progress)) -> anyhow::Result<Session> {
        self.session.interrupted = self.is_interrupted();
        self.launched = true;
        let ended_by_itself = self.options.until == Until::Quiet && !self.session.interrupted;
        // A second decision right after a first finds nothing left to do.
        let nothing_ran = self.session.ended.is_empty();
        if !ended_by_itself && !nothing_ran {
            self.options.jobs = 0;
            self.round(observe).await?;
        }
        let left_out = self.session.decision.effects.iter().any(Effect::is_launch);
        if !self.session.interrupted {
            let (budget, told) = (self.options.budget, self.told);
            tokio::select! {
                () = self.remote.told() => {}
                () = Budget::end(budget) => {}
                () = told_again(&mut self.interrupt, told) => {}
            }
        }
        self.session.out_of_time =
            !self.has_time() && (self.stage != Stage::Going || left_out || self.time_helps());
        let push = Budget::within(self.options.budget, self.pusher.push_everything());
        match push.await {
            Ok(0) => {}
            Ok(count) => observe(Progress::Published(count)),
            Err(err) => self.session.unpublished = Some(err),
        }
        self.session.makespan = match (self.first_start, self.last_end.max(self.fleet.last_end())) {
            (Some(first), Some(last)) => last - first,
            _ => Duration::ZERO,
        };
        Ok(self.session)
    }
}

/// Returns when it is more urgent to stop than it was.
async fn told_again(interrupt: &mut watch::Receiver<u32>, before: u32) {
    if interrupt.wait_for(|&told| told > before).await.is_err() {
        // Nobody is left who could tell.
        std::future::pending::<()>().await;
    }
}

fn observe_push(pushed: anyhow::Result<usize>, observe: &mut dyn FnMut(Progress)) {
    match pushed {
        Ok(0) => {}
        Ok(count) => observe(Progress::Published(count)),
        Err(err) => warn!("artifacts stay in the database for now: {err:#}"),
    }
}
