//! The run directory: everything an agent reads and writes, one per run.
//!
//! ```text
//! input.json                   what the agent is told, as data
//! prompt.md                    the same for a model to read
//! deps/<agent>/<type>/<name>   what the agents it needs have made
//! checkpoints/<type>/<name>    what it stored in earlier runs
//! feedback/<number>.md         what people said
//! work/                        the working directory
//! out/<type>/<name>            what it makes; watched
//! out/.tmp/                    for files that are then renamed; ignored
//! out/SUMMARY.md               what it says it did, if it does
//! result.json                  how it says it ended, if it does
//! stop                         appears, with the reason, when it is to stop
//! control/                     how `wavemark checkpoint|ask|progress|finish` talk to us
//! log/                         what it printed
//! bin/wavemark                 only if the binary has another name
//! home/, session.json          of an agent program: its own, and which conversation it is
//! prompt-<n>.md                of an agent program: what it was told in its n-th call
//! ```
//!
//! A trivial agent should cost little more than its process, so nothing is
//! flushed to disk: what counts is stored elsewhere, and a run does not outlive
//! its machine.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, symlink},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};

use super::{contract::Input, files, prompt};
use crate::model::{ArtifactType, Session, StopReason};

/// The largest note of a conversation that is read, in bytes.
const SESSION_BYTES: u64 = 64 * 1024;

/// How many files are looked at for signs of life.
const MOST_FILES: usize = 50_000;

/// Paths in one run directory.
#[derive(Clone, Debug)]
pub struct RunDir {
    root: PathBuf,
}

impl RunDir {
    /// The run directory at `root`, wherever it came from.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `input.json`.
    pub fn input(&self) -> PathBuf {
        self.root.join("input.json")
    }

    /// `prompt.md`.
    pub(super) fn prompt(&self) -> PathBuf {
        self.root.join("prompt.md")
    }

    /// The private folder of an agent program.
    pub fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// The note of an agent program's conversation.
    pub(super) fn session(&self) -> PathBuf {
        self.root.join("session.json")
    }

    /// What `session.json` says, unless that is missing or no such note.
    pub fn left_session(&self) -> Option<Session> {
        let path = self.session();
        let (folder, name) = files::place(&path).ok()?;
        let (text, _) = folder.read_text(name, SESSION_BYTES).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// The events of an agent program as it printed them, redacted; as
    /// [`logs`](Self::logs).
    pub(super) fn events(&self) -> [PathBuf; 2] {
        [self.root.join("log/events.1.log"), self.root.join("log/events.log")]
    }

    /// The agent's working directory.
    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// Where the agent puts what it makes.
    pub fn out(&self) -> PathBuf {
        self.root.join("out")
    }

    /// Where files wait to be renamed.
    pub fn tmp(&self) -> PathBuf {
        self.root.join("out/.tmp")
    }

    /// Where the agent may say how it ended.
    pub fn result(&self) -> PathBuf {
        self.root.join("result.json")
    }

    /// Where in-run commands and the supervisor talk.
    pub fn control(&self) -> PathBuf {
        self.root.join("control")
    }

    /// What the agent printed: the older part, if there was more than one
    /// file's worth, and the newest part. Either may be missing.
    pub fn logs(&self) -> [PathBuf; 2] {
        [self.root.join("log/output.1.log"), self.root.join("log/output.log")]
    }

    /// Makes the directory and puts the input into it.
    pub(super) fn create(&self, input: &Input, repo: &Path) -> io::Result<()> {
        // Only its owner may look in, so nothing below needs a mode of its own.
        let mut private = fs::DirBuilder::new();
        private.mode(0o700);
        match (private.create(&self.root), self.root.parent()) {
            (Err(err), Some(parent)) if err.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(parent)?;
                private.create(&self.root)?;
            }
            (created, _) => created?,
        }
        // All that the contract names is there, empty or not: a program that lists
        // a folder should not have to ask first.
        for folder in
            ["deps", "checkpoints", "feedback", "log", "work", "control", "out", "out/.tmp"]
        {
            fs::create_dir(self.root.join(folder))?;
        }
        for kind in ArtifactType::ALL {
            fs::create_dir(self.out().join(kind.as_str()))?;
        }

        self.add("input.json", &serde_json::to_vec_pretty(input)?)?;
        self.add("prompt.md", prompt::prompt(input, &self.root, repo).as_bytes())?;
        for dep in &input.deps {
            self.add_below(&dep.path(), dep.artifact.content.as_bytes())?;
        }
        for own in &input.checkpoints {
            self.add_below(&own.path(), own.content.as_bytes())?;
        }
        for thread in &input.feedback {
            let path = format!("feedback/{}.md", thread.number.0);
            self.add_below(&path, prompt::thread(thread).as_bytes())?;
        }
        Ok(())
    }

    /// The folder to put on `PATH` so that `wavemark` is found there.
    pub(super) fn bin(&self, wavemark: &Path) -> io::Result<PathBuf> {
        match wavemark.parent() {
            Some(folder) if wavemark.file_name().is_some_and(|name| name == "wavemark") => {
                Ok(folder.to_owned())
            }
            _ => {
                let bin = self.root.join("bin");
                fs::create_dir(&bin)?;
                symlink(wavemark, bin.join("wavemark"))?;
                Ok(bin)
            }
        }
    }

    /// Marks the run as followed until what is returned is dropped, or this
    /// process dies of whatever it may.
    pub(super) fn follow(&self) -> io::Result<File> {
        let folder = File::open(&self.root)?;
        flock(&folder, FlockOperation::NonBlockingLockExclusive)?;
        Ok(folder)
    }

    /// Whether some process follows the run.
    pub fn is_followed(&self) -> bool {
        // Nothing that an agent puts in its place is waited for.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(folder) = open(&self.root, flags, Mode::empty()) else {
            return false;
        };
        flock(&folder, FlockOperation::NonBlockingLockShared).is_err()
    }

    /// How long ago the agent wrote to a file in `work/` or `out/`, or added one;
    /// none if it never did. Of more files than are looked at, one is taken as just
    /// written: nobody who works is to be taken for stalled. It blocks.
    pub fn written_ago(&self) -> Option<Duration> {
        let mut folders = vec![self.work(), self.out()];
        let mut newest: Option<Duration> = None;
        let mut looked = 0;
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                looked += 1;
                if looked > MOST_FILES {
                    return Some(Duration::ZERO);
                }
                let Ok(found) = entry.metadata() else { continue };
                if found.is_dir() {
                    folders.push(entry.path());
                } else if let Ok(Ok(ago)) = found.modified().map(|at| at.elapsed()) {
                    newest = Some(newest.map_or(ago, |newest| newest.min(ago)));
                }
            }
        }
        newest
    }

    /// Tells the agent that it is to stop, and why. The file appears whole.
    pub(super) fn announce_stop(&self, reason: StopReason) -> io::Result<()> {
        files::write(&self.root.join("stop"), format!("{reason}\n").as_bytes())
    }

    fn add_below(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        if let Some(folder) = self.root.join(path).parent() {
            fs::create_dir_all(folder)?;
        }
        self.add(path, bytes)
    }

    /// Adds a file that is only to be read.
    fn add(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o444);
        options.open(self.root.join(path))?.write_all(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::testing;

    #[test]
    fn a_run_directory_holds_what_the_agent_is_told() {
        let parent = tempfile::tempdir().unwrap();
        let dir = RunDir::at(parent.path().join("runs/1"));
        dir.create(&testing::input(), parent.path()).unwrap();

        insta::assert_snapshot!(testing::tree(dir.root()), @"
        checkpoints/
        checkpoints/schema/
        checkpoints/schema/sheet.json
        control/
        deps/
        deps/brief/
        deps/brief/doc/
        deps/brief/doc/brief.md
        feedback/
        feedback/7.md
        input.json
        log/
        out/
        out/.tmp/
        out/doc/
        out/prompt/
        out/schema/
        prompt.md
        work/
        ");
        let dep = dir.root().join("deps/brief/doc/brief.md");
        assert_eq!(fs::read_to_string(dep).unwrap(), "Sheets for everyone.\n");
    }

    #[test]
    fn what_is_written_is_a_sign_of_life_and_what_was_given_is_none() {
        let parent = tempfile::tempdir().unwrap();
        let dir = RunDir::at(parent.path().join("runs/1"));
        dir.create(&testing::input(), parent.path()).unwrap();
        assert_eq!(dir.written_ago(), None);

        let hour = Duration::from_secs(3600);
        let write = |path: &str, ago: Duration| {
            fs::create_dir_all(dir.root().join(path).parent().unwrap()).unwrap();
            let file = File::create(dir.root().join(path)).unwrap();
            file.set_modified(std::time::SystemTime::now() - ago).unwrap();
        };
        write("work/deep/in/a", 3 * hour);
        write("out/doc/b", 2 * hour);
        let ago = dir.written_ago().unwrap();
        assert!((2 * hour..3 * hour).contains(&ago), "{ago:?}");
        write("work/deep/in/c", Duration::ZERO);
        assert!(dir.written_ago().unwrap() < hour);
    }

    #[test]
    fn only_a_note_of_a_conversation_is_read_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RunDir::at(folder.path());
        let note = |id: &str| serde_json::json!({ "id": id, "counted": {} }).to_string();
        let put = |text: &str| {
            fs::write(dir.session(), text).unwrap();
            let left = dir.left_session().map(|session| session.id.to_string());
            fs::remove_file(dir.session()).unwrap();
            left
        };
        assert_eq!(dir.left_session(), None);
        assert_eq!(put(&note("ses_1")).as_deref(), Some("ses_1"));
        assert_eq!(put(&note("--settings=x")), None);
        assert_eq!(put(&(note("ses_1") + &" ".repeat(64 * 1024))), None);

        fs::write(folder.path().join("elsewhere"), note("ses_1")).unwrap();
        symlink(folder.path().join("elsewhere"), dir.session()).unwrap();
        assert_eq!(dir.left_session(), None, "a link");
        fs::remove_file(dir.session()).unwrap();
        let made = std::process::Command::new("mkfifo").arg(dir.session()).status().unwrap();
        assert!(made.success());
        assert_eq!(dir.left_session(), None, "a pipe");
    }

    #[test]
    fn a_pipe_in_place_of_a_run_is_followed_by_nobody_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        assert!(!RunDir::at(pipe).is_followed());
    }

    #[test]
    fn the_binary_is_linked_only_if_it_has_another_name() {
        let parent = tempfile::tempdir().unwrap();
        let dir = RunDir::at(parent.path());

        assert_eq!(dir.bin(Path::new("/opt/wavemark")).unwrap(), Path::new("/opt"));

        let bin = dir.bin(Path::new("/opt/it-0123")).unwrap();
        assert_eq!(fs::read_link(bin.join("wavemark")).unwrap(), Path::new("/opt/it-0123"));
    }
}
