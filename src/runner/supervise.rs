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
pub(super) const LINE: usize = 1024;

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
    dir.create(&launch.input).map_err(directory)?;
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
    Ok(Running { pid, reports: receiver, stopper })
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
        let Self { leader, mut child, log, limits, reports, mut orders } = self;
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
            let look = if stopped.is_some() { Look::Everywhere } else { Look::AtOrphans };
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
        rejected.extend(log_error.map(|why| Rejection { path: "log/output.log".into(), why }));
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
