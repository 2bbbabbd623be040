//! One use of the binary: what went in, what came out, and signals in between.

use std::{
    fmt,
    fs::{self, File},
    os::unix::process::ExitStatusExt as _,
    process::{Child, Command, Stdio},
    sync::LazyLock,
    thread::sleep,
    time::{Duration, Instant},
};

use regex::Regex;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::DEADLINE;

/// How a process ended, and what it said.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    /// As a shell shows it: 128 and the signal when it was killed.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// That it did what it was asked to.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.exits(0)
    }

    /// That it ended with this code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Its answer as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|err| panic!("{err}: {self}"))
    }
}

/// As people saw it, without what differs from time to time.
impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("exit {}\n{}{}", self.code, self.stdout, self.stderr);
        let plain =
            FILTERS.iter().fold(text, |text, (from, to)| from.replace_all(&text, *to).into_owned());
        let lines: Vec<&str> = plain.lines().map(str::trim_end).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// What differs from time to time. Widths stay, so that columns still line up.
static FILTERS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<id>"),
        (r"\b[0-9a-f]{64}\b", "<sha-256>"),
        (r"\b[0-9a-f]{40}\b", "<commit>"),
        (r"\b[0-9a-f]{8}\b", "<digest>"),
        (r"\b\d{4}-\d\d-\d\dT[0-9:.]+Z", "<time>"),
        (r"\b\d\d:\d\d:\d\d\b", "hh:mm:ss"),
        (r"\b\d+\.\d+ ?s\b", "0.1s"),
        (r"( *)\b\d{1,2}s ago\b", "${1}0s ago"),
        (r"(feedback|complete|ready|building|draft)( +)\d\ds\b", "${1}${2} 0s"),
        (r"(feedback|complete|ready|building|draft)( +)\ds\b", "${1}${2}0s"),
        (r"(?m)^(\S+ has been .* for) \d{1,2}s\.", "${1} 0s."),
        // The age of a version, first in its line.
        (r"(?m)^(v\d+ +)\d{2}s  ", "${1} 0s  "),
        (r"(?m)^(v\d+ +)\ds  ", "${1}0s  "),
        (r"/[^ ]*/\.tmp[A-Za-z0-9]+", "<folder>"),
        (r"(?m) on \S+$", " on <host>"),
        (r"(?m)^\d{4}-\d\d-\d\d UTC$", "<today> UTC"),
    ]
    .map(|(from, to)| (Regex::new(from).unwrap(), to))
    .into()
});

/// A process that is going on. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    said: TempDir,
}

impl Running {
    pub(super) fn start(command: &mut Command) -> Self {
        // Files, not pipes: what it started may outlive it and hold them open.
        let said = TempDir::new().unwrap();
        let file = |name| File::create(said.path().join(name)).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap();
        Self { child, said }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// What it said on stderr so far.
    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(self.said.path().join("stderr")).unwrap()
    }

    /// What it said on stdout so far.
    pub(crate) fn stdout(&self) -> String {
        fs::read_to_string(self.said.path().join("stdout")).unwrap()
    }

    /// Whether it ended.
    pub(crate) fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Output {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < DEADLINE, "it goes on and on:\n{}", self.stderr());
            sleep(Duration::from_millis(5));
        };
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap());
        Output { code, stdout: self.stdout(), stderr: self.stderr() }
    }

    /// Kills it with SIGKILL, and what it started lives on.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended, or have been waited for.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
