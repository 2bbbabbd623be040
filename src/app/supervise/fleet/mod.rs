//! The runs that are going on in this process.

mod hear;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::TimeDelta;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tracing::{error, warn};

use super::{Budget, Ended, Progress, files::Files};
use crate::{
    app::{
        apply::Begun,
        context::Context,
        ending::{ending, missing},
        equip, sessions,
    },
    model::{
        AgentName, ArtifactKey, Outcome, RunId, RunToken, Runner, StopReason, Subagent, Usage,
    },
    runner::{self, Evidence, Exit, Report, RunDir, StopWhen, Stopper},
    store::{Beat, Ending},
};

/// What a report came to; the weightiest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum News {
    /// Nothing to act on.
    Nothing,
    /// Something was stored.
    Stored,
    /// A run ended.
    Ended,
}

/// Something that happened to the runs here.
pub(super) enum Received {
    /// A run told something.
    Report(RunId, Box<Report>),
    /// A run is past its deadline.
    Deadline,
    /// A run ended and is not yet written down.
    Over,
}

/// A run that is going on here.
struct Active {
    agent: AgentName,
    token: RunToken,
    stopper: Option<Stopper>,
    produces: BTreeSet<ArtifactKey>,
    began: Instant,
    deadline: Instant,
    sign_of_life: Instant,
    last_line: String,
    /// How far it says it is.
    said: Option<String>,
    asked: bool,
    checkpoints: u32,
    usage: Option<Usage>,
    dir: RunDir,
    files: Files,
    /// Whose conversation may go on in another run.
    resumes: Option<Box<Subagent>>,
}

/// A run that ended and is not yet written down.
struct Over {
    run: RunId,
    active: Active,
    evidence: Evidence,
    ended: Instant,
}

pub(super) struct Fleet<'a> {
    cx: &'a Context,
    budget: Option<Budget>,
    active: BTreeMap<RunId, Active>,
    over: Vec<Over>,
    reports: mpsc::Receiver<(RunId, Report)>,
    sender: mpsc::Sender<(RunId, Report)>,
    last_end: Option<Instant>,
    /// When the next heartbeat is due for what agents said, if they said anything.
    tells_at: Option<Instant>,
    /// Whether what cannot be stored now is given up.
    gives_up: bool,
}

impl<'a> Fleet<'a> {
    pub(super) fn new(cx: &'a Context, budget: Option<Budget>) -> Self {
        let (sender, reports) = mpsc::channel(256);
        Self {
            cx,
            budget,
            active: BTreeMap::new(),
            over: Vec::new(),
            reports,
            sender,
            last_end: None,
            tells_at: None,
            gives_up: false,
        }
    }

    /// How many runs are going on here.
    pub(super) fn len(&self) -> usize {
        self.active.len()
    }

    /// Whether nothing is going on, and nothing is left to write down.
    pub(super) fn is_idle(&self) -> bool {
        self.active.is_empty() && self.over.is_empty()
    }

    /// When the next heartbeat is due, if it should not wait for its turn.
    pub(super) fn tells_at(&self) -> Option<Instant> {
        self.tells_at
    }

    /// When the last run ended, if one did.
    pub(super) fn last_end(&self) -> Option<Instant> {
        self.last_end
    }

    /// Starts a run that was claimed. That it cannot be started is evidence
    /// too.
    pub(super) fn start(&mut self, mut begun: Begun, observe: &mut dyn FnMut(Progress)) {
        let now = Instant::now();
        let run = begun.claimed.id;
        let agent = begun.claimed.agent.clone();
        observe(Progress::Started(agent.clone(), begun.claimed.attempt));
        if let Some(lost) = begun.claimed.lost_before {
            // Its supervisor died, perhaps here, and perhaps before it did.
            let killed = runner::kill_leftovers(lost);
            if killed > 0 {
                warn!(agent.name = %agent, "killed what was left of a lost run of `{agent}`: {killed}");
            }
        }
        let runs = equip::runs_of(self.cx, &agent);
        // Old ones are in nobody's way, and may take their time.
        drop(tokio::task::spawn_blocking(move || equip::prune(&runs)));
        let allowed = begun.claimed.deadline_at - begun.claimed.claimed_at;
        if let Some(left) = self.budget.and_then(|it| TimeDelta::from_std(it.left()).ok()) {
            let deadline = &mut begun.claimed.deadline_at;
            *deadline = (*deadline).min(begun.claimed.claimed_at + left);
        }
        let definition = begun.claimed.definition.as_ref().map(|definition| &definition.0);
        let mut active = Active {
            agent,
            stopper: None,
            produces: definition.map(|definition| definition.produces.clone()).unwrap_or_default(),
            began: now,
            deadline: now + allowed.to_std().unwrap_or_default(),
            sign_of_life: now,
            last_line: String::new(),
            said: None,
            asked: false,
            checkpoints: 0,
            usage: None,
            token: begun.token.clone(),
            dir: RunDir::at(equip::directory(self.cx, &begun)),
            files: Files::default(),
            resumes: definition.and_then(|definition| match &definition.run {
                Runner::Subagent(subagent) if definition.run.resumes() => Some(subagent.clone()),
                _ => None,
            }),
        };
        let started = equip::launch(self.cx, &begun).map_err(Exit::NotStarted).and_then(|launch| {
            // This machine's trouble, and none of the agent's.
            let cannot = |err| Exit::Unseen(format!("{:#}", anyhow::Error::from(err)));
            runner::start(launch).map_err(cannot)
        });
        match started {
            Ok(running) => {
                active.stopper = Some(running.stopper);
                tokio::spawn(forward(run, running.reports, self.sender.clone()));
                self.active.insert(run, active);
            }
            Err(exit) => {
                let evidence = Evidence::of(exit);
                self.over.push(Over { run, active, evidence, ended: now });
            }
        }
    }

    /// Asks a run to stop, if it is one of those here.
    pub(super) fn stop(&self, run: RunId, reason: StopReason) {
        let Some(active) = self.active.get(&run) else { return };
        let Some(stopper) = &active.stopper else { return };
        let when = match reason.waits_for_checkpoint() {
            true => StopWhen::AtNextCheckpoint { at_latest: self.cx.project.settings.grace },
            false => StopWhen::Now,
        };
        stopper.stop(reason, when);
    }

    /// Asks every run here to stop because this process is to end.
    pub(super) fn interrupt_all(&self, when: StopWhen) {
        for stopper in self.active.values().filter_map(|active| active.stopper.as_ref()) {
            stopper.stop(StopReason::Interrupted, when);
        }
    }

    /// Kills every run here, and gives up what it left and cannot be stored now.
    pub(super) fn kill_all(&mut self) {
        self.gives_up = true;
        self.interrupt_all(StopWhen::Kill);
    }

    /// Waits for the next thing that happens to the runs here; dropping this
    /// loses nothing.
    pub(super) async fn receive(&mut self, in_trouble: bool) -> Received {
        // What cannot be written down now is no news.
        if !in_trouble && !self.over.is_empty() {
            return Received::Over;
        }
        let far = Instant::now() + Duration::from_secs(3600);
        let deadline = self.active.values().map(|active| active.deadline).min().unwrap_or(far);
        tokio::select! {
            Some((run, report)) = self.reports.recv() => Received::Report(run, Box::new(report)),
            () = sleep_until(deadline) => Received::Deadline,
        }
    }

    /// Sees to what was received, and to all that came with it.
    pub(super) async fn take(
        &mut self,
        received: Received,
        observe: &mut dyn FnMut(Progress),
    ) -> News {
        let mut news = match received {
            Received::Over => News::Ended,
            Received::Deadline => {
                self.stop_late_ones();
                News::Nothing
            }
            Received::Report(run, report) => self.hear(run, *report, observe).await,
        };
        // What comes meanwhile has its turn after what is more urgent.
        for _ in 0..self.reports.len() {
            let Ok((run, report)) = self.reports.try_recv() else { break };
            news = news.max(self.hear(run, report, observe).await);
        }
        news
    }

    fn stop_late_ones(&mut self) {
        let now = Instant::now();
        for active in self.active.values_mut().filter(|active| active.deadline <= now) {
            if let Some(stopper) = &active.stopper {
                stopper.stop(StopReason::Timeout, StopWhen::Now);
            }
            active.deadline = now + Duration::from_secs(3600);
        }
    }

    /// Prolongs the leases of the runs here, and hears what is asked of them.
    pub(super) async fn heartbeat(&mut self) {
        self.tells_at = None;
        if self.active.is_empty() {
            return;
        }
        let stall = self.cx.project.settings.stall_timeout;
        for active in self.active.values_mut() {
            if active.sign_of_life.elapsed() >= stall / 4
                && let Some(written) = active.files.written(&active.dir, stall)
            {
                active.sign_of_life = active.sign_of_life.max(written);
            }
        }
        let beats: Vec<Beat> = self
            .active
            .iter()
            .map(|(&run, active)| Beat {
                run,
                token: active.token.digest(),
                idle: active.sign_of_life.elapsed(),
                usage: active.usage,
                progress: active.said.as_ref().unwrap_or(&active.last_line).clone(),
            })
            .collect();
        match self.cx.store.heartbeat(&self.cx.project, &beats).await {
            Ok(pulses) => {
                for pulse in pulses {
                    if !pulse.live {
                        self.stop(pulse.run, StopReason::Superseded);
                    } else if let Some(reason) = pulse.stop {
                        self.stop(pulse.run, reason);
                    }
                }
            }
            Err(err) => warn!("could not prolong the leases, trying again: {err}"),
        }
    }

    /// Judges the runs that ended, and writes the verdicts down.
    pub(super) async fn settle(
        &mut self,
        observe: &mut dyn FnMut(Progress),
    ) -> anyhow::Result<Vec<Ended>> {
        if self.over.is_empty() {
            return Ok(Vec::new());
        }
        let asks: Vec<RunId> = self
            .over
            .iter()
            .filter(|over| !over.active.produces.is_empty())
            .map(|over| over.run)
            .collect();
        let stored = match asks.is_empty() {
            true => Vec::new(),
            false => self.cx.store.stored_outputs(&asks).await?,
        };
        let endings: Vec<Ending> = self.over.iter().map(|over| over.ending(&stored)).collect();
        let counted = self.cx.store.finish(self.cx.project.id, &endings).await?;

        let mut ended = Vec::new();
        for (over, ending) in std::mem::take(&mut self.over).into_iter().zip(endings) {
            let agent = over.active.agent;
            if !counted.contains(&over.run) {
                error!(agent.name = %agent, "another run of `{agent}` took over, this one does not count");
                continue;
            }
            if let Some(subagent) = &over.active.resumes {
                match ending.outcome {
                    Outcome::Succeeded => sessions::forget(self.cx, &agent),
                    _ => {
                        let run = (over.run, over.active.token.digest());
                        let dir = &over.active.dir;
                        sessions::keep(self.cx, &agent, run, dir, subagent).await;
                    }
                }
            }
            let took = over.ended - over.active.began;
            observe(Progress::Ended(agent.clone(), ending.outcome, ending.detail, took));
            let (outcome, usage) = (ending.outcome, ending.usage);
            let checkpoints = over.active.checkpoints;
            ended.push(Ended { agent, outcome, took, checkpoints, usage });
        }
        Ok(ended)
    }

    /// Waits until no process is left, whatever the database says.
    pub(super) async fn drain(&mut self, observe: &mut dyn FnMut(Progress)) {
        self.gives_up = true;
        while !self.active.is_empty() {
            if let Some((run, report)) = self.reports.recv().await {
                self.hear(run, report, observe).await;
            }
        }
        if let Err(err) = self.settle(observe).await {
            warn!("could not write down how the last runs ended: {err:#}");
        }
    }
}

impl Over {
    fn ending(&self, stored: &[(RunId, ArtifactKey)]) -> Ending {
        let missing = missing(&self.active.produces, self.run, stored);
        let whose = (self.run, self.active.token.digest());
        let used = Some(self.evidence.usage).filter(|usage| !usage.is_none());
        let usage = used.or(self.active.usage);
        Ending { usage, ..ending(whose, &self.evidence, &missing, self.active.asked) }
    }
}

/// Brings the reports of one run to where those of all are read.
async fn forward(run: RunId, mut from: mpsc::Receiver<Report>, to: mpsc::Sender<(RunId, Report)>) {
    while let Some(report) = from.recv().await {
        if to.send((run, report)).await.is_err() {
            return;
        }
    }
}
