//! The processes of a run, wherever they went, and how to end them.
//!
//! Killing the process group is not enough: agent programs start their tools in
//! sessions of their own, and those outlive the group. So this process adopts
//! orphans (it is a *subreaper*), and a process is known as one of a run by its
//! group, by `WAVEMARK_RUN` in its environment, or as an orphan by its working
//! directory. One that leaves the group and the run directory, clears its
//! environment *and* is orphaned while its agent still runs cannot be told from
//! a stranger; whoever needs more runs agents in containers. On systems other
//! than Linux, only the group is known.
//!
//! **Invariant:** nothing is signalled that was not recognised first, through a
//! file descriptor that cannot come to mean another process; and no child is
//! reaped that somebody else in this process waits for.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, MutexGuard, Once, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

use super::environment;
use crate::model::RunId;

/// How long killed processes may take to be gone: one in the middle of a
/// disk access takes as long as the disk.
pub(super) const DYING: Duration = Duration::from_secs(5);

/// Agents' first processes, alive or not yet waited for: Tokio reaps these.
static LEADERS: LazyLock<Mutex<HashSet<Pid>>> = LazyLock::new(Mutex::default);

fn leaders() -> MutexGuard<'static, HashSet<Pid>> {
    LEADERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes orphans of our agents our own children.
pub(super) fn adopt_orphans() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        #[cfg(target_os = "linux")]
        if let Err(err) = rustix::process::set_child_subreaper(Some(rustix::process::getpid())) {
            tracing::warn!("cannot adopt orphans, agents may leave some behind: {err}");
        }
    });
}

/// The processes of one run, from its start until its leader was waited for.
#[derive(Debug)]
pub(super) struct Leader {
    pid: Pid,
    mark: String,
    dir: PathBuf,
}

impl Leader {
    /// Follows what descends from `pid`, which leads a group of its own; `dir` is
    /// the run directory.
    pub(super) fn new(pid: Pid, run: RunId, dir: &Path) -> Self {
        leaders().insert(pid);
        let dir = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
        Self { pid, mark: environment::mark(run), dir }
    }

    /// Signals the leader and everything that stayed in its group.
    pub(super) fn signal(&self, signal: Signal) {
        // Gone already is as good.
        let _ = kill_process_group(self.pid, signal);
    }

    /// The leader was waited for: what is left has no leader.
    pub(super) fn exited(self) -> Remains {
        let (mark, dir) = (self.mark.clone(), self.dir.clone());
        Remains { leader: self.pid, mark, dir, known: HashSet::new() }
    }

    /// What descends from the leader now, so that it is known again later.
    pub(super) fn descendants(&self) -> HashSet<Process> {
        proc::descendants(self.pid)
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        leaders().remove(&self.pid);
    }
}

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pid: Pid,
    /// When it started, in clock ticks since the machine did.
    started: u64,
}

/// Where to look for what a run left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Among our own children: orphans come to us. Costs three system calls.
    AtOrphans,
    /// At every process of this machine.
    Everywhere,
}

/// What a run left behind.
#[derive(Debug)]
pub(super) struct Remains {
    leader: Pid,
    mark: String,
    dir: PathBuf,
    known: HashSet<Process>,
}

impl Remains {
    /// Also recognises these.
    pub(super) fn know(&mut self, processes: HashSet<Process>) {
        self.known.extend(processes);
    }

    /// Ends everything: SIGTERM, and SIGKILL after `patience`, until nothing is
    /// left. Returns what cannot be killed, which is normally nothing.
    pub(super) async fn end(&self, mut look: Look, patience: Duration) -> Vec<Pid> {
        if !cfg!(target_os = "linux") {
            return self.end_group(patience).await;
        }
        let begun = Instant::now();
        let mut asked = HashSet::new();
        let mut pause = Duration::from_millis(2);
        loop {
            for &pid in &asked {
                reap(pid);
            }
            let left = self.find(look);
            let waited = begun.elapsed();
            if left.is_empty() || waited > patience + DYING {
                return left;
            }
            // Whoever leaves one behind may have hidden others.
            look = Look::Everywhere;
            for pid in left {
                if waited >= patience {
                    self.signal(pid, Signal::KILL);
                } else if !asked.contains(&pid) {
                    self.signal(pid, Signal::TERM);
                }
                asked.insert(pid);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// The same for the group alone: its number is no other's while anybody is in it.
    async fn end_group(&self, patience: Duration) -> Vec<Pid> {
        let begun = Instant::now();
        let mut sent = None;
        while test_kill_process_group(self.leader).is_ok() {
            let waited = begun.elapsed();
            if waited > patience + DYING {
                return vec![self.leader];
            }
            let signal = if waited >= patience { Signal::KILL } else { Signal::TERM };
            if sent.replace(signal) != Some(signal) {
                // Gone already is as good.
                let _ = kill_process_group(self.leader, signal);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Vec::new()
    }

    fn find(&self, look: Look) -> Vec<Pid> {
        let pids = match look {
            Look::AtOrphans => proc::orphans(&leaders()),
            Look::Everywhere => proc::all(),
        };
        pids.into_iter().filter(|&pid| self.includes(pid)).collect()
    }

    /// Whether `pid` is of this run and alive. A dead child of ours is reaped.
    fn includes(&self, pid: Pid) -> bool {
        let Some(stat) = proc::stat(pid) else {
            return false;
        };
        let leader = self.leader.as_raw_nonzero().get();
        let in_group = stat.group == leader || stat.session == leader;
        if stat.is_dead {
            if in_group {
                reap(pid);
            }
            return false;
        }
        in_group
            || self.known.contains(&Process { pid, started: stat.started })
            || proc::has_in_environment(pid, &self.mark)
            // Somebody who looks around in there is no child of ours.
            || (stat.parent == rustix::process::getpid().as_raw_pid()
                && proc::works_in(pid, &self.dir))
    }

    fn signal(&self, pid: Pid, signal: Signal) {
        proc::signal_if(pid, signal, || self.includes(pid));
    }
}

/// Kills every process on this machine that belongs to `run`, and waits until
/// they are gone; returns how many there were.
///
/// For runs whose supervisor died. It looks at every process, and blocks.
pub fn kill_leftovers(run: RunId) -> usize {
    let mark = environment::mark(run);
    let ours = |pid: Pid| {
        proc::stat(pid).is_some_and(|stat| !stat.is_dead) && proc::has_in_environment(pid, &mark)
    };
    let begun = Instant::now();
    let mut killed = HashSet::new();
    loop {
        let left: Vec<Pid> = proc::all().into_iter().filter(|&pid| ours(pid)).collect();
        if left.is_empty() || begun.elapsed() > DYING {
            return killed.len();
        }
        for pid in left {
            proc::signal_if(pid, Signal::KILL, || ours(pid));
            killed.insert(pid);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Reaps orphans that died, so that a long run does not fill the process table.
///
/// An orphan's zombie is one that lies around: whoever else has children in
/// this process waits for them, so theirs are gone at the second look. For good
/// measure, children in our own group are never touched: adopted ones come from
/// an agent's group, or made one of their own.
pub(super) fn reap_orphans() {
    #[derive(Default)]
    struct Last {
        looked: Option<Instant>,
        dead: HashSet<Pid>,
    }
    static LAST: LazyLock<Mutex<Last>> = LazyLock::new(Mutex::default);

    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if last.looked.is_some_and(|at| at.elapsed() < Duration::from_secs(1)) {
        return;
    }
    let own = proc::stat(rustix::process::getpid()).map(|stat| stat.group);
    let orphans = proc::orphans(&leaders());
    let dead = orphans
        .into_iter()
        .filter(|&pid| proc::stat(pid).is_some_and(|stat| stat.is_dead && Some(stat.group) != own));
    let dead: HashSet<Pid> = dead.collect();
    for &pid in dead.intersection(&last.dead) {
        reap(pid);
    }
    *last = Last { looked: Some(Instant::now()), dead };
}

fn reap(pid: Pid) {
    // Not ours, or alive: then somebody else reaps it, or nobody has to yet.
    let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::NOHANG);
}

/// Whether a session began with this process.
#[cfg(test)]
pub(super) fn leads_session(pid: Pid) -> bool {
    // In a container, the session of a process from outside is 0, which `Pid`
    // has no value for.
    proc::stat(pid).is_some_and(|stat| stat.session == pid.as_raw_pid())
}

/// What Linux tells about processes.
#[cfg(target_os = "linux")]
mod proc {
    use std::{collections::HashSet, fs, path::Path};

    use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

    use super::Process;

    /// A line of `/proc/<pid>/stat`.
    pub(super) struct Stat {
        pub(super) is_dead: bool,
        pub(super) parent: i32,
        pub(super) group: i32,
        pub(super) session: i32,
        pub(super) started: u64,
    }

    pub(super) fn stat(pid: Pid) -> Option<Stat> {
        let line = fs::read(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the program's name, in parentheses, whatever it is.
        let name_ends = line.iter().rposition(|&byte| byte == b')')?;
        let rest = str::from_utf8(&line[name_ends + 2..]).ok()?;
        let fields: Vec<&str> = rest.split(' ').collect();
        Some(Stat {
            is_dead: matches!(*fields.first()?, "Z" | "X"),
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
        })
    }

    pub(super) fn has_in_environment(pid: Pid, entry: &str) -> bool {
        fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|env| env.split(|&byte| byte == 0).any(|one| one == entry.as_bytes()))
    }

    /// Whether its working directory is `dir`, or below.
    pub(super) fn works_in(pid: Pid, dir: &Path) -> bool {
        fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(dir))
    }

    /// Every process but this one.
    pub(super) fn all() -> Vec<Pid> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        numbers.filter_map(Pid::from_raw).filter(|&pid| pid != getpid()).collect()
    }

    /// Children that the kernel gave us: to the main thread, always. Those that
    /// we started and still wait for are not among them.
    pub(super) fn orphans(leaders: &HashSet<Pid>) -> Vec<Pid> {
        let pid = getpid();
        let mut children = children(&format!("/proc/{pid}/task/{pid}"));
        children.retain(|child| !leaders.contains(child));
        children
    }

    pub(super) fn descendants(root: Pid) -> HashSet<Process> {
        let mut found = HashSet::new();
        let mut to_visit = vec![root];
        while let Some(pid) = to_visit.pop() {
            let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            for thread in threads {
                for child in children(&thread.path().to_string_lossy()) {
                    let process =
                        stat(child).map(|stat| Process { pid: child, started: stat.started });
                    if process.is_some_and(|process| found.insert(process)) {
                        to_visit.push(child);
                    }
                }
            }
        }
        found
    }

    fn children(thread: &str) -> Vec<Pid> {
        let list = fs::read_to_string(format!("{thread}/children")).unwrap_or_default();
        list.split_ascii_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
    }

    /// Signals `pid` if it still is who it should be.
    pub(super) fn signal_if(pid: Pid, signal: Signal, is_right: impl Fn() -> bool) {
        // The descriptor is opened before the look: from here on, the number
        // cannot pass to another process unnoticed.
        let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) else {
            return;
        };
        if is_right() {
            let _ = pidfd_send_signal(descriptor, signal);
        }
    }
}

/// Elsewhere nothing is known beyond the group, which the stop ladder signals.
#[cfg(not(target_os = "linux"))]
mod proc {
    use std::{collections::HashSet, path::Path};

    use rustix::process::{Pid, Signal};

    use super::Process;

    pub(super) struct Stat {
        pub(super) is_dead: bool,
        pub(super) parent: i32,
        pub(super) group: i32,
        pub(super) session: i32,
        pub(super) started: u64,
    }

    pub(super) fn stat(_: Pid) -> Option<Stat> {
        None
    }

    pub(super) fn has_in_environment(_: Pid, _: &str) -> bool {
        false
    }

    pub(super) fn works_in(_: Pid, _: &Path) -> bool {
        false
    }

    pub(super) fn all() -> Vec<Pid> {
        Vec::new()
    }

    pub(super) fn orphans(_: &HashSet<Pid>) -> Vec<Pid> {
        Vec::new()
    }

    pub(super) fn descendants(_: Pid) -> HashSet<Process> {
        HashSet::new()
    }

    pub(super) fn signal_if(_: Pid, _: Signal, _: impl Fn() -> bool) {}
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{
        io::Read as _,
        os::unix::process::{CommandExt as _, ExitStatusExt as _},
        process::Command,
    };

    use super::*;
    use crate::runner::testing::eventually;

    #[test]
    fn what_a_dead_supervisor_left_is_killed_and_nothing_else() {
        let (run, other) = (RunId::random(), RunId::random());
        let start = |run: RunId| {
            let mut command = Command::new("sleep");
            command.arg("1000").env("WAVEMARK_RUN", run.to_string()).process_group(0);
            command.spawn().unwrap()
        };
        let (mut one, mut two, mut stranger) = (start(run), start(run), start(other));
        let reaper = std::thread::spawn(move || [one.wait().unwrap(), two.wait().unwrap()]);

        assert_eq!(kill_leftovers(run), 2);

        assert!(reaper.join().unwrap().iter().all(|status| status.code().is_none()));
        assert!(stranger.try_wait().unwrap().is_none());
        stranger.kill().unwrap();
        stranger.wait().unwrap();
        assert_eq!(kill_leftovers(run), 0);
    }

    #[tokio::test]
    async fn a_group_is_ended_where_only_that_is_known() {
        for (script, signal) in
            [("exec sleep 1000", 15), ("trap '' TERM; echo; exec sleep 1000", 9)]
        {
            let mut command = Command::new("sh");
            command.args(["-c", script]).process_group(0).stdout(std::process::Stdio::piped());
            let mut child = command.spawn().unwrap();
            if signal == 9 {
                // It is as stubborn as it will be.
                child.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
            }
            let leader = Pid::from_child(&child);
            let reaper = std::thread::spawn(move || child.wait().unwrap().signal());
            let (mark, dir, known) = (String::new(), PathBuf::new(), HashSet::new());
            let remains = Remains { leader, mark, dir, known };
            assert_eq!(remains.end_group(Duration::from_millis(50)).await, []);
            assert_eq!(reaper.join().unwrap(), Some(signal));
        }
    }

    #[tokio::test]
    async fn orphans_that_died_are_reaped_and_other_children_are_not() {
        adopt_orphans();
        // A grandchild in a session of its own, whose parent ends before it.
        let output =
            Command::new("sh").args(["-c", "setsid sleep 0.05 >/dev/null & echo $!"]).output();
        let pid: i32 = String::from_utf8(output.unwrap().stdout).unwrap().trim().parse().unwrap();
        let orphan = Pid::from_raw(pid).unwrap();
        let mut child = Command::new("true").spawn().unwrap();
        let own = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        eventually("the child's end", || proc::stat(own).is_some_and(|stat| stat.is_dead)).await;

        eventually("the orphan's end", || {
            reap_orphans();
            proc::stat(orphan).is_none()
        })
        .await;

        assert!(child.wait().unwrap().success());
    }
}
