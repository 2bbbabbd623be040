//! Runs a program and measures it: the clock, the processor, the memory.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

/// How often memory is looked at; the kernel keeps the peak in between.
const LOOK: Duration = Duration::from_millis(3);

/// What a program cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    /// User and system time, of the program and of everything it waited for.
    pub(crate) cpu: Duration,
    /// The most memory the program itself held, in KiB.
    pub(crate) peak: u64,
}

/// Runs `command` to its end; that it fails is an error.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<Cost> {
    let cpu = children_cpu()?;
    let began = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
    let status = format!("/proc/{}/status", child.id());
    let watcher = thread::spawn(move || watch(&status));
    let exit = child.wait()?;
    let wall = began.elapsed();
    let peak = watcher.join().unwrap_or_default();
    ensure!(exit.success(), "{command:?} failed: {exit}");
    Ok(Cost { wall, cpu: children_cpu()?.saturating_sub(cpu), peak })
}

/// Like [`run`], for use beside tasks that have to go on.
pub(crate) fn run_aside(command: &mut Command) -> anyhow::Result<Cost> {
    tokio::task::block_in_place(|| run(command))
}

/// The shortest of `times` runs: what disturbs only ever adds.
pub(crate) fn best_of(
    times: u32,
    mut command: impl FnMut() -> anyhow::Result<Command>,
) -> anyhow::Result<Cost> {
    let costs: Vec<Cost> =
        (0..times).map(|_| run_aside(&mut command()?)).collect::<anyhow::Result<_>>()?;
    costs.into_iter().min_by_key(|cost| cost.wall).context("nothing was run")
}

fn watch(status: &str) -> u64 {
    let mut peak = 0;
    while let Some(now) = fs::read_to_string(status).ok().as_deref().and_then(high_water) {
        peak = now;
        thread::sleep(LOOK);
    }
    peak
}

/// The peak in `/proc/<pid>/status`; none once the process has ended.
fn high_water(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// The processor time of every child of ours that has ended, and of theirs.
fn children_cpu() -> anyhow::Result<Duration> {
    let times = Times::of("self").context("cannot read /proc/self/stat")?;
    Ok(times.children)
}

/// Processor times of a process.
pub(crate) struct Times {
    pub(crate) own: Duration,
    /// Of the children that it waited for.
    pub(crate) children: Duration,
}

impl Times {
    /// Those of the process `pid`, unless it is gone.
    pub(crate) fn of(pid: &str) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, fields) = stat.rsplit_once(") ")?;
        let fields: Vec<u64> =
            fields.split(' ').skip(11).take(4).filter_map(|field| field.parse().ok()).collect();
        let [user, system, children_user, children_system] = fields[..] else { return None };
        // Linux counts in hundredths of a second, wherever it runs.
        let time = |ticks: u64| Duration::from_millis(ticks * 10);
        Some(Self { own: time(user + system), children: time(children_user + children_system) })
    }
}
