//! Follows a run from its start to its last report.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::process::Pid;

use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Error,
    collect::Collector,
    dir::RunDir,
    environment::environment,
    launch::{Launch, Limits, Program},
    log::Log,
    processes::{self, DYING, Leader, Look, Remains},
    reading::Reading,
    redact::Redactor,
    report::{Evidence, Exit, Rejection, Report},
    spawn::{self, CannotStart, Child, Printed, Start},
    stop::{Orders, Progress, Stopper},
    talk::{Call, Talk},
};
use crate::model::{Finish, RunId, StopReason};

/// A run that was started.
///
/// A run whose reports nobody receives any more is stopped: dropping this stops
/// it.
#[derive(Debug)]
pub struct Running {
    /// The process that leads the run, unless it could not be started.
    pub pid: Option<u32>,
    /// What it tells, in order; [`Report::Ended`] is the last.
    pub reports: mpsc::Receiver<Report>,
    /// Stops it.
    pub stopper: Stopper,
}

/// Starts a run and follows it.
///
/// A program that cannot be started is evidence, not an error: the run ends at
/// once with [`Exit::NotStarted`].
///
/// # Errors
///
/// If this machine cannot make the run directory or start a process: nothing
/// is known about the agent then.
///
/// # Panics
///
/// Outside of a Tokio runtime.
pub fn start(mut launch: Launch) -> Result<Running, Error> {
    processes::adopt_orphans();
    let directory = |source| Error::Directory { path: launch.dir.clone(), source };
    launch.dir = std::path::absolute(&launch.dir).map_err(directory)?;
    let directory = |source| Error::Directory { path: launch.dir.clone(), source };
    let dir = RunDir::at(&launch.dir);
    dir.create(&launch.input, &launch.repo).map_err(directory)?;
    let bin = dir.bin(&launch.host.wavemark).map_err(directory)?;
    let followed = dir.follow().map_err(directory)?;

    let secrets = launch.secrets.iter().map(|(name, value)| (format!("`{name}`"), value));
    let hidden = launch.hidden.iter().map(|(what, value)| (what.clone(), value));
    let redactor = Arc::new(Redactor::new(secrets.chain(hidden)));

    let (reports, receiver) = mpsc::channel(16);
    let (progress, checkpoints) = watch::channel(Progress::default());
    let (stopper, orders) = super::stop::channel(&dir, checkpoints);
    // Watching starts before the program does.
    let collector =
        Collector::new(&dir, &launch.limits, Arc::clone(&redactor), reports.clone(), progress);

    let talk = Talk::new(&launch, &dir, &redactor).map_err(directory)?;
    let (talk, first) = talk.unzip();
    let mut env = environment(&launch, &bin);
    if let Some(talk) = &talk {
        talk.complete(&mut env);
    }
    let first = first.unwrap_or_else(|| match &launch.program {
        Program::Command(command) => Call { command: command.clone(), stdin: None },
        Program::Subagent { .. } => Call { command: Vec::new(), stdin: None },
    });
    let run = Run {
        id: launch.input.run,
        repo: launch.repo,
        log: Log::new(&dir, Arc::clone(&redactor), launch.limits.log_bytes),
        raw: Log::of_events(&dir, redactor, launch.limits.log_bytes),
        dir,
        env,
        limits: launch.limits,
        reports,
        orders,
        talk,
    };
    let pid = match run.spawn(&first) {
        Ok(started) => {
            let pid = started.child.pid;
            tokio::spawn(async move {
                run.follow(started, collector).await;
                drop(followed);
            });
            u32::try_from(pid.as_raw_nonzero().get()).ok()
        }
        Err(why) => {
            if let Some(talk) = run.talk {
                talk.put_away();
            }
            let why = match why {
                CannotStart::Program(why) => why,
                CannotStart::Machine(source) => return Err(Error::Spawn { source }),
            };
            // The channel is new and has room.
            drop(run.reports.try_send(Report::Ended(Evidence::of(Exit::NotStarted(why)))));
            None
        }
    };
    Ok(Running { pid, reports: receiver, stopper })
}

struct Run {
    id: RunId,
    dir: RunDir,
    repo: PathBuf,
    env: BTreeMap<OsString, OsString>,
    log: Log,
    /// What an agent program printed, as it did.
    raw: Log,
    limits: Limits,
    reports: mpsc::Sender<Report>,
    orders: Orders,
    talk: Option<Talk>,
}

/// A process that is going on.
struct Started {
    child: Child,
    leader: Leader,
    printed: Printed,
}

/// How a process ended.
struct Round {
    exit: Exit,
    stopped: Option<StopReason>,
    /// What cannot be killed.
    left: Vec<Pid>,
    /// What went wrong with the log.
    log_error: Option<String>,
}

impl Run {
    fn spawn(&self, call: &Call) -> Result<Started, CannotStart> {
        let (child, printed) = spawn::spawn(&Start {
            command: &call.command,
            repo: &self.repo,
            dir: &self.dir,
            env: &self.env,
            stdin: call.stdin.as_deref(),
            has_events: self.talk.is_some(),
        })?;
        let leader = Leader::new(child.pid, self.id, self.dir.root());
        Ok(Started { child, leader, printed })
    }

    async fn follow(mut self, first: Started, collector: Collector) {
        let (end_collecting, collecting_ends) = oneshot::channel();
        let (sweeps, asked) = mpsc::channel(1);
        let lead = async {
            let mut round = self.round(first).await;
            while let Some(next) = self.next(&round, &sweeps).await {
                let before = round.left;
                round = match next {
                    Ok(started) => self.round(started).await,
                    Err(exit) => Round { exit, stopped: None, left: Vec::new(), log_error: None },
                };
                round.left.extend(before);
            }
            // Whoever could still write is gone.
            drop(end_collecting);
            round
        };
        // One task for all: most runs are short, and waking another thread costs
        // more than what it would do.
        let (round, collected) = tokio::join!(lead, collector.follow(collecting_ends, asked));

        let Round { exit, stopped, left, log_error } = round;
        let mut rejected = collected.rejected;
        rejected.extend(log_error.map(|why| Rejection { path: "log/output.log".into(), why }));
        rejected.extend(left.into_iter().map(|pid| Rejection {
            path: format!("process {pid}"),
            why: "cannot be killed: look at what it waits for".into(),
        }));
        let mut evidence = Evidence {
            stopped,
            finish: collected.finish,
            summary: collected.summary,
            usage: collected.usage,
            log_tail: self.log.tail().to_owned(),
            rejected,
            ..Evidence::of(exit)
        };
        if let Some(talk) = self.talk {
            talk.finish(&mut evidence);
        }
        drop(self.reports.send(Report::Ended(evidence)).await);
    }

    /// Follows a process until it has ended, with all that it started.
    async fn round(&mut self, started: Started) -> Round {
        let Self { log, raw, limits, reports, orders, talk, .. } = self;
        let Started { mut child, leader, printed } = started;
        let has_events = talk.is_some();
        let (give_up, given_up) = oneshot::channel();
        let mut reading = Reading::new(log, raw, talk.as_mut(), give_up);
        let (end_reading, reading_ends) = oneshot::channel();
        let lead = async {
            let (exit, stopped, given_up, remains) = tokio::select! {
                exit = child.exit() => (exit, orders.reason(), None, leader.exited()),
                reason = orders.due(reports) => {
                    orders.announce(reason);
                    let (exit, remains) = stop(limits, &mut child, leader, orders).await;
                    (exit, Some(orders.reason().unwrap_or(reason)), None, remains)
                }
                Ok(fault) = given_up => {
                    let (exit, remains) = stop(limits, &mut child, leader, orders).await;
                    (exit, orders.reason(), Some(fault), remains)
                }
            };
            // Agent programs start their tools in sessions of their own.
            let everywhere = stopped.is_some() || has_events;
            let look = if everywhere { Look::Everywhere } else { Look::AtOrphans };
            let left = remains.end(look, limits.leftovers).await;
            // Whoever could still print is gone.
            drop(end_reading);
            (exit, stopped, given_up, left)
        };
        let ((exit, stopped, given_up, left), ()) =
            tokio::join!(lead, reading.follow(printed, reports, reading_ends));
        let (events, log_error) = reading.end();
        if let (Some(talk), Some(events)) = (&mut self.talk, events) {
            talk.ended(events.transcript(), &exit, given_up);
        }
        Round { exit, stopped, left, log_error }
    }

    /// What is started next, if an agent program is called again; or why that
    /// cannot be.
    async fn next(
        &mut self,
        round: &Round,
        sweeps: &mpsc::Sender<oneshot::Sender<Option<Finish>>>,
    ) -> Option<Result<Started, Exit>> {
        if round.stopped.is_some() || self.orders.reason().is_some() {
            return None;
        }
        let talk = self.talk.as_mut()?;
        let call = match talk.anew().transpose() {
            Some(call) => {
                self.log.say("the conversation cannot be gone on with: beginning a fresh one");
                call
            }
            None if talk.claims_to_be_done() => {
                let (reply, said) = oneshot::channel();
                sweeps.send(reply).await.ok()?;
                if !matches!(said.await.ok()?, None | Some(Finish::Complete)) {
                    return None;
                }
                let (reply, missing) = oneshot::channel();
                self.reports.send(Report::Claims { reply }).await.ok()?;
                let missing = missing.await.ok().filter(|missing| !missing.is_empty())?;
                // All this can have taken a while.
                if self.orders.reason().is_some() {
                    return None;
                }
                let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
                self.log.say(&format!("sent round once: {} is missing", names.join(", ")));
                talk.send_round(&missing)
            }
            None => return None,
        };
        let started = call.map_err(CannotStart::Machine).and_then(|call| self.spawn(&call));
        Some(started.map_err(|err| match err {
            CannotStart::Program(why) => Exit::NotStarted(why),
            CannotStart::Machine(err) => {
                Exit::NotYet(format!("{err}, when it was to be called again"))
            }
        }))
    }
}

/// Climbs down the ladder: SIGINT, SIGTERM, SIGKILL.
///
/// SIGINT first, because agent programs clean up and tell their cost then and
/// on no other signal.
async fn stop(
    limits: &Limits,
    child: &mut Child,
    leader: Leader,
    orders: &mut Orders,
) -> (Exit, Remains) {
    use rustix::process::Signal;

    let mut descendants = leader.descendants();
    let rungs = [(Signal::INT, limits.after_interrupt), (Signal::TERM, limits.after_terminate)];
    let mut exit = None;
    for (signal, patience) in rungs {
        leader.signal(signal);
        let sent = Instant::now();
        exit = tokio::select! {
            exit = child.exit() => Some(exit),
            () = orders.impatience(sent, patience) => None,
        };
        if exit.is_some() {
            break;
        }
        descendants.extend(leader.descendants());
    }
    let exit = match exit {
        Some(exit) => exit,
        None => {
            leader.signal(Signal::KILL);
            dead(child.exit(), DYING).await
        }
    };
    let mut remains = leader.exited();
    remains.know(descendants);
    (exit, remains)
}

/// How a killed process ended. One that waits for a disk or a network may not: it is
/// then among [what cannot be killed](Round::left).
async fn dead(exit: impl Future<Output = Exit>, patience: Duration) -> Exit {
    let seen = tokio::time::timeout(patience, exit).await;
    seen.unwrap_or_else(|_| {
        Exit::Unseen("SIGKILL did not end it: look at what it waits for".into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_that_does_not_die_is_not_waited_for() {
        let undead = dead(std::future::pending(), Duration::from_millis(1)).await;
        assert!(matches!(undead, Exit::Unseen(_)), "{undead:?}");
        let exit = dead(std::future::ready(Exit::Signal(9)), Duration::ZERO).await;
        assert_eq!(exit, Exit::Signal(9));
    }
}
