//! Follows a run from its start to its last report.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::AsyncReadExt as _,
    net::unix::pipe,
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use super::{
    Error,
    collect::Collector,
    dir::RunDir,
    environment::environment,
    launch::{Launch, Limits},
    log::Log,
    processes::{self, Leader, Look, Remains},
    redact::Redactor,
    report::{Evidence, Exit, Rejection, Report},
    spawn::{self, CannotStart, Child},
    stop::{Orders, Progress, Stopper},
};

/// How long output is waited for after the run has ended. Never for the end of
/// the pipe: any process that was missed may hold it open.
const DRAIN: Duration = Duration::from_secs(2);

/// How often a line of output is reported.
const THROTTLE: Duration = Duration::from_millis(250);

/// How much of a line is reported, in bytes.
const LINE: usize = 1024;

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
    let directory = |source| Error::Directory {
        path: launch.dir.clone(),
        source,
    };
    launch.dir = std::path::absolute(&launch.dir).map_err(directory)?;
    let directory = |source| Error::Directory {
        path: launch.dir.clone(),
        source,
    };
    let dir = RunDir::at(&launch.dir);
    dir.create(&launch.input).map_err(directory)?;
    let bin = dir.bin(&launch.host.wavemark).map_err(directory)?;
    let followed = dir.follow().map_err(directory)?;

    let secrets = launch
        .secrets
        .iter()
        .map(|(name, value)| (format!("`{name}`"), value));
    let hidden = launch
        .hidden
        .iter()
        .map(|(what, value)| (what.clone(), value));
    let redactor = Arc::new(Redactor::new(secrets.chain(hidden)));

    let (reports, receiver) = mpsc::channel(16);
    let (progress, checkpoints) = watch::channel(Progress::default());
    let (stopper, orders) = super::stop::channel(&dir, checkpoints);
    // Watching starts before the program does.
    let collector = Collector::new(
        &dir,
        &launch.limits,
        Arc::clone(&redactor),
        reports.clone(),
        progress,
    );

    let pid = match spawn::spawn(&launch, &dir, environment(&launch, &bin)) {
        Ok((child, output)) => {
            let pid = child.pid;
            let run = Run {
                leader: Leader::new(pid, launch.input.run),
                child,
                log: Log::new(&dir, redactor, launch.limits.log_bytes),
                limits: launch.limits,
                reports,
                orders,
            };
            tokio::spawn(async move {
                run.follow(output, collector).await;
                drop(followed);
            });
            u32::try_from(pid.as_raw_nonzero().get()).ok()
        }
        Err(CannotStart::Program(why)) => {
            // The channel is new and has room.
            drop(reports.try_send(Report::Ended(Evidence::of(Exit::NotStarted(why)))));
            None
        }
        Err(CannotStart::Machine(source)) => return Err(Error::Spawn { source }),
    };
    Ok(Running {
        pid,
        reports: receiver,
        stopper,
    })
}

struct Run {
    leader: Leader,
    child: Child,
    log: Log,
    limits: Limits,
    reports: mpsc::Sender<Report>,
    orders: Orders,
}

impl Run {
    async fn follow(self, output: pipe::Receiver, collector: Collector) {
        let Self {
            leader,
            mut child,
            log,
            limits,
            reports,
            mut orders,
        } = self;
        let (end_reading, reading_ends) = oneshot::channel();
        let (end_collecting, collecting_ends) = oneshot::channel();
        let lead = async {
            let (exit, stopped, remains) = tokio::select! {
                exit = child.exit() => (exit, orders.reason(), leader.exited()),
                reason = orders.due(&reports) => {
                    orders.announce(reason);
                    let (exit, remains) = stop(&limits, &mut child, leader, &mut orders).await;
                    (exit, Some(orders.reason().unwrap_or(reason)), remains)
                }
            };
            let look = if stopped.is_some() {
                Look::Everywhere
            } else {
                Look::AtOrphans
            };
            let left = remains.end(look, limits.leftovers).await;
            // Whoever could still print or write is gone.
            drop((end_reading, end_collecting));
            (exit, stopped, left)
        };
        // One task for all three: most runs are short, and waking another
        // thread costs more than what it would do.
        let ((exit, stopped, left), (log_tail, log_error), collected) = tokio::join!(
            lead,
            read(output, log, reports.clone(), reading_ends),
            collector.follow(collecting_ends),
        );

        let mut rejected = collected.rejected;
        rejected.extend(log_error.map(|why| Rejection {
            path: "log/output.log".into(),
            why,
        }));
        rejected.extend(left.into_iter().map(|pid| Rejection {
            path: format!("process {pid}"),
            why: "cannot be killed: look at what it waits for".into(),
        }));
        let evidence = Evidence {
            exit,
            stopped,
            finish: collected.finish,
            summary: collected.summary,
            log_tail,
            rejected,
        };
        drop(reports.send(Report::Ended(evidence)).await);
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
    let rungs = [
        (Signal::INT, limits.after_interrupt),
        (Signal::TERM, limits.after_terminate),
    ];
    let mut exit = None;
    for (signal, wait) in rungs {
        leader.signal(signal);
        let ended = async {
            tokio::select! {
                exit = child.exit() => Some(exit),
                () = orders.no_mercy() => None,
            }
        };
        exit = timeout(wait, ended).await.ok().flatten();
        if exit.is_some() {
            break;
        }
        descendants.extend(leader.descendants());
    }
    let exit = match exit {
        Some(exit) => exit,
        None => {
            leader.signal(Signal::KILL);
            child.exit().await
        }
    };
    let mut remains = leader.exited();
    remains.know(descendants);
    (exit, remains)
}

/// Reads what a run prints, until the pipe ends, or shortly after the run has.
/// Returns the end of it, and what went wrong with the file.
async fn read(
    mut output: pipe::Receiver,
    mut log: Log,
    reports: mpsc::Sender<Report>,
    ended: oneshot::Receiver<()>,
) -> (String, Option<String>) {
    let mut error = None;
    let mut note = |result: io::Result<()>| {
        if let Err(err) = result {
            error.get_or_insert(format!("cannot be written, output was lost: {err}"));
        }
    };
    let mut buffer = Vec::with_capacity(16 * 1024);
    let deadline = async {
        let _ = ended.await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::pin!(deadline);
    let mut news = false;
    let mut next_report = Instant::now();
    loop {
        tokio::select! {
            biased;
            () = &mut deadline => break,
            () = tokio::time::sleep_until(next_report.into()), if news => {
                news = false;
                next_report = Instant::now() + THROTTLE;
                let line = log.last_line();
                let line = line[..line.floor_char_boundary(LINE)].to_owned();
                // A full channel has other signs of life in it.
                drop(reports.try_send(Report::Output { line }));
            }
            read = output.read_buf(&mut buffer) => match read {
                Ok(0) | Err(_) => break,
                Ok(_) => {
                    note(log.push(&buffer));
                    buffer.clear();
                    news = true;
                }
            }
        }
    }
    note(log.finish());
    (log.tail().to_owned(), error)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        model::{Outcome, StopReason},
        runner::{
            StopWhen,
            testing::{Agent, Story, eventually, processes_of},
            verdict,
        },
    };

    /// Ends by nothing but SIGKILL, and has a child in another session, one
    /// that also cleared its environment, and one in the background.
    const STUBBORN: &str = "
        trap '' INT TERM
        setsid sh -c 'trap \"\" INT TERM; while :; do sleep 1000; done' &
        env -i setsid sleep 1001 &
        sleep 1002 &
        echo up
        while :; do sleep 1003; done";

    /// With rungs that are climbed down fast.
    fn hasty(script: &str) -> Agent {
        let mut agent = Agent::new(script);
        agent.launch.limits.after_interrupt = Duration::from_millis(100);
        agent.launch.limits.after_terminate = Duration::from_millis(100);
        agent.launch.limits.leftovers = Duration::from_millis(100);
        agent
    }

    /// Starts an agent, waits for a line, stops it, and follows it to its end.
    async fn stopped_at(agent: &Agent, line: &str, when: StopWhen) -> (Story, u32) {
        let mut running = agent.start();
        let leader = running.pid.unwrap();
        let mut story = Story::default();
        story.until(&mut running, line).await;
        running.stopper.stop(StopReason::Timeout, when);
        while story.next(&mut running).await {}
        (story, leader)
    }

    #[tokio::test]
    async fn what_a_program_prints_and_makes_and_how_it_ends_is_evidence() {
        let agent =
            Agent::new("echo out; echo err >&2; echo '{}' >$WAVEMARK_OUT/schema/a.json; exit 3");
        let story = agent.run().await;
        assert_eq!(
            story.lines.last().unwrap(),
            "stored schema/a.json: \"{}\\n\""
        );
        assert_eq!(story.evidence().exit, Exit::Code(3));
        assert_eq!(story.evidence().log_tail, "out\nerr\n");
        let log = fs::read_to_string(agent.dir().join("log/output.log")).unwrap();
        assert_eq!(log, "out\nerr\n");
    }

    #[tokio::test]
    async fn nothing_survives_the_stop_ladder() {
        let agent = hasty(STUBBORN);
        let (story, leader) = stopped_at(&agent, "printed \"up\"", StopWhen::Now).await;
        assert_eq!(story.evidence().exit, Exit::Signal(9));
        assert_eq!(story.evidence().stopped, Some(StopReason::Timeout));
        assert_eq!(story.evidence().rejected, []);
        assert_eq!(processes_of(&agent, leader), 0);
        // The one without a trace in its environment is gone, too.
        let all = fs::read_dir("/proc").unwrap().flatten();
        let command =
            |entry: fs::DirEntry| fs::read(entry.path().join("cmdline")).unwrap_or_default();
        assert!(!all.map(command).any(|line| line == b"sleep\x001001\0"));
    }

    #[tokio::test]
    async fn killing_does_not_wait_for_the_rungs() {
        let mut agent = Agent::new(STUBBORN);
        agent.launch.limits.leftovers = Duration::from_millis(10);
        agent.launch.limits.after_interrupt = Duration::from_secs(3600);
        let (story, leader) = stopped_at(&agent, "printed \"up\"", StopWhen::Kill).await;
        assert_eq!(story.evidence().exit, Exit::Signal(9));
        assert_eq!(processes_of(&agent, leader), 0);
    }

    #[tokio::test]
    async fn an_agent_that_is_interrupted_may_end_gracefully() {
        let agent = Agent::new(
            "trap 'cat ../stop; echo saved >../out/doc/a.md; exit 0' INT
             echo up; while :; do sleep 0.01; done",
        );
        let (story, _) = stopped_at(&agent, "printed \"up\"", StopWhen::Now).await;
        assert_eq!(story.lines.last().unwrap(), "stored doc/a.md: \"saved\\n\"");
        assert_eq!(story.evidence().exit, Exit::Code(0));
        assert_eq!(story.evidence().log_tail, "up\ntimeout\n");
        let missing = ["doc/b.md".parse().unwrap()];
        assert_eq!(
            verdict(story.evidence(), &missing, false).outcome,
            Outcome::TimedOut
        );
        assert_eq!(
            verdict(story.evidence(), &[], false).outcome,
            Outcome::Succeeded
        );
    }

    #[tokio::test]
    async fn an_agent_that_only_knows_sigterm_gets_it() {
        let mut agent =
            hasty("trap '' INT; trap 'exit 5' TERM; echo up; while :; do sleep 0.01; done");
        agent.launch.limits.after_terminate = Duration::from_secs(20);
        let (story, _) = stopped_at(&agent, "printed \"up\"", StopWhen::Now).await;
        assert_eq!(story.evidence().exit, Exit::Code(5));
    }

    #[tokio::test]
    async fn a_run_is_stopped_at_its_next_checkpoint() {
        let agent = Agent::new(
            "echo old >../out/.tmp/a; mv ../out/.tmp/a ../out/doc/a.md
             until [ -e ../stop ]; do sleep 0.01; done
             echo new >../out/.tmp/b; mv ../out/.tmp/b ../out/doc/b.md
             while :; do sleep 0.01; done",
        );
        let when = StopWhen::AtNextCheckpoint {
            at_latest: Duration::from_secs(3600),
        };
        let (story, _) = stopped_at(&agent, "stored doc/a.md", when).await;
        assert_eq!(story.lines.last().unwrap(), "stored doc/b.md: \"new\\n\"");
        assert_eq!(story.evidence().exit, Exit::Signal(2));
    }

    #[tokio::test]
    async fn a_run_without_checkpoints_is_stopped_when_its_grace_is_over() {
        let agent = hasty("echo up; while :; do sleep 0.01; done");
        let when = StopWhen::AtNextCheckpoint {
            at_latest: Duration::from_millis(50),
        };
        let (story, _) = stopped_at(&agent, "printed \"up\"", when).await;
        assert_eq!(story.evidence().exit, Exit::Signal(2));
        assert_eq!(story.evidence().stopped, Some(StopReason::Timeout));
    }

    #[tokio::test]
    async fn an_agent_that_ends_by_itself_in_its_grace_was_still_asked_to_stop() {
        let agent = Agent::new("echo up; until [ -e ../stop ]; do sleep 0.01; done");
        let when = StopWhen::AtNextCheckpoint {
            at_latest: Duration::from_secs(3600),
        };
        let (story, _) = stopped_at(&agent, "printed \"up\"", when).await;
        assert_eq!(story.evidence().exit, Exit::Code(0));
        assert_eq!(story.evidence().stopped, Some(StopReason::Timeout));
    }

    #[tokio::test]
    async fn what_a_finished_agent_leaves_behind_ends_with_it() {
        let agent = hasty(
            "setsid sh -c 'trap \"\" TERM; echo hidden >up; while :; do sleep 1000; done' &
             sleep 1001 &
             until [ -e up ]; do sleep 0.01; done; echo done",
        );
        let begun = Instant::now();
        let mut running = agent.start();
        let leader = running.pid.unwrap();
        let mut story = Story::default();
        while story.next(&mut running).await {}
        // It had the pipe open, and would have had for a quarter of an hour.
        assert!(begun.elapsed() < Duration::from_secs(20));
        assert_eq!(story.evidence().exit, Exit::Code(0));
        assert_eq!(story.evidence().log_tail, "done\n");
        assert_eq!(processes_of(&agent, leader), 0);
    }

    #[tokio::test]
    async fn one_runs_end_spares_the_processes_of_another() {
        let busy = Agent::new("sleep 1000 & sleep 1000 & (setsid sleep 1000 &); echo up; wait");
        let mut running = busy.start();
        let mut story = Story::default();
        story.until(&mut running, "printed \"up\"").await;
        let leader = running.pid.unwrap();
        eventually("three sleeps", || processes_of(&busy, leader) == 4).await;

        hasty("setsid sleep 1001 & exit 0").run().await;
        stopped_at(
            &hasty("echo up; sleep 1002"),
            "printed \"up\"",
            StopWhen::Now,
        )
        .await;
        assert_eq!(processes_of(&busy, leader), 4);

        running.stopper.stop(StopReason::Interrupted, StopWhen::Now);
        while story.next(&mut running).await {}
        assert_eq!(processes_of(&busy, leader), 0);
    }

    #[tokio::test]
    async fn a_run_that_nobody_follows_is_stopped() {
        let agent = hasty(STUBBORN);
        let mut running = agent.start();
        let leader = running.pid.unwrap();
        Story::default().until(&mut running, "printed \"up\"").await;
        drop(running);
        eventually("the end of all", || processes_of(&agent, leader) == 0).await;
        eventually("the end of the run", || {
            !RunDir::at(agent.dir()).is_followed()
        })
        .await;
    }

    #[tokio::test]
    async fn output_is_told_a_few_times_a_second_at_most() {
        let begun = Instant::now();
        let story = Agent::new("for n in $(seq 300); do echo $n; sleep 0.001; done")
            .run()
            .await;
        let most = begun.elapsed().as_millis() / THROTTLE.as_millis() + 1;
        let told = story.lines.len();
        assert!(
            (1..=usize::try_from(most).unwrap()).contains(&told),
            "{told} lines, {most} at most"
        );
        assert!(story.evidence().log_tail.ends_with("299\n300\n"));
    }

    #[tokio::test]
    async fn no_secret_reaches_the_disk() {
        let secret = "p\"ss/wörd+1 and more";
        let mut agent = Agent::new(
            "echo $TOKEN; echo \"$TOKEN\" >&2; printf '%s' \"$TOKEN\" | base64
             printf 'ada:%s' \"$TOKEN\" | base64; printf '%s' \"$TOKEN\" | base64 | tr '+/' '-_'
             echo 'p%22ss%2Fw%C3%B6rd%2B1%20and%20more p%22ss%2Fw%C3%B6rd%2B1+and+more'
             echo '{\"token\": \"p\\\"ss/wörd+1 and more\"}'
             printf 'p\"ss/w'; sleep 0.05; echo 'örd+1 and more'
             cat $WAVEMARK_REPO/long",
        );
        agent
            .launch
            .secrets
            .insert("TOKEN".parse().unwrap(), secret.into());
        agent
            .launch
            .hidden
            .insert("the database password".into(), "hunter22".into());
        let long = format!(
            "{}{secret}{}hunter22\n",
            "x".repeat(70_000),
            "y".repeat(70_000)
        );
        fs::write(agent.launch.repo.join("long"), long).unwrap();

        let story = agent.run().await;

        let log = fs::read_to_string(agent.dir().join("log/output.log")).unwrap();
        for part in [
            "p\"ss",
            "p\\\"ss",
            "p%22",
            "wörd",
            "w%C3",
            "and more",
            "and%20more",
            "hunter22",
            "cCJz",
            "AicNz",
            "w7Zy",
        ] {
            assert!(!log.contains(part), "{part} is in the log");
            assert!(!story.text().contains(part), "{part} was told");
            assert!(
                !story.evidence().log_tail.contains(part),
                "{part} is in the tail"
            );
        }
        assert_eq!(
            log.lines()
                .take_while(|line| !line.starts_with('x'))
                .count(),
            8,
            "{log}"
        );
    }

    #[tokio::test]
    async fn the_log_is_bounded() {
        let mut agent = Agent::new("seq 100000");
        agent.launch.limits.log_bytes = 20_000;
        let story = agent.run().await;
        let [older, newest] = RunDir::at(agent.dir())
            .logs()
            .map(|log| fs::read_to_string(log).unwrap());
        assert!(newest.ends_with("99999\n100000\n"));
        assert!(older.len() + newest.len() <= 20_000);
        assert_eq!(story.evidence().log_tail.len(), 16 * 1024);
    }

    #[tokio::test]
    async fn a_directory_that_cannot_be_made_is_the_machines_fault() {
        let agent = Agent::new("exit 0");
        agent.run().await;
        let again = start(agent.launch.clone());
        assert!(matches!(again, Err(Error::Directory { .. })), "{again:?}");
    }
}
