//! A `run:` script as a process, and how GitHub ends one that was cancelled.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{cancel::Cancel, command::Listener};

/// From the cancel to the second signal, and from there to the end.
const PATIENCE: [Duration; 2] = [Duration::from_millis(7_500), Duration::from_millis(2_500)];

/// What there is to run.
pub(super) struct Script<'a> {
    pub(super) text: &'a str,
    pub(super) env: BTreeMap<String, String>,
    pub(super) folder: &'a Path,
    /// Where the script itself is written to.
    pub(super) file: PathBuf,
}

/// What came of it.
pub(super) struct Said {
    pub(super) success: bool,
    pub(super) lines: Vec<String>,
    pub(super) listener: Listener,
}

impl Script<'_> {
    /// Runs it to its end, or to its cancelled end.
    pub(super) fn run(self, cancel: &Cancel) -> Said {
        fs::write(&self.file, self.text).unwrap();
        let mut bash = Command::new("bash");
        bash.args(["--noprofile", "--norc", "-eo", "pipefail"])
            .arg(&self.file)
            .current_dir(self.folder)
            .env_clear()
            .envs(&self.env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = bash.spawn().unwrap();
        let heard = Arc::new(Mutex::new((Vec::new(), Listener::default())));
        let (closed, both_closed) = mpsc::channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let (heard, closed) = (Arc::clone(&heard), closed.clone());
            thread::spawn(move || {
                for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                    let mut heard = heard.lock().unwrap();
                    heard.1.hear(&line);
                    heard.0.push(line);
                }
                // Whoever waited has given up, or hears it.
                closed.send(()).ok();
            });
        }
        let success = wait(&mut child, cancel);
        for _ in 0..2 {
            let closed = both_closed.recv_timeout(Duration::from_secs(10));
            assert!(closed.is_ok(), "something that the step started still holds its output");
        }
        let (lines, listener) = std::mem::take(&mut *heard.lock().unwrap());
        Said { success, lines, listener }
    }
}

fn wait(child: &mut Child, cancel: &Cancel) -> bool {
    let pause = Duration::from_millis(10);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.success();
        }
        if cancel.is_asked() {
            break;
        }
        thread::sleep(pause);
    }
    // Its first process is told, and no other.
    let first = Pid::from_child(child);
    for (signal, patience) in [Signal::INT, Signal::TERM].into_iter().zip(PATIENCE) {
        // It may have ended just now.
        kill_process(first, signal).ok();
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            thread::sleep(pause);
        }
    }
    for pid in tree(first) {
        kill_process(pid, Signal::KILL).ok();
    }
    child.wait().unwrap();
    false
}

/// A process and all that descend from it, as far as they still do.
fn tree(root: Pid) -> Vec<Pid> {
    let parents: Vec<(Pid, i32)> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            Some((Pid::from_raw(pid)?, parent))
        })
        .collect();
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(&parent) = tree.get(next) {
        let children = parents.iter().filter(|(_, of)| *of == parent.as_raw_nonzero().get());
        tree.extend(children.map(|(pid, _)| *pid));
        next += 1;
    }
    tree
}
