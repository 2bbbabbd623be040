//! The agent's side of `wavemark checkpoint`, `wavemark ask`,
//! `wavemark progress` and `wavemark finish`, whichever door they come through.
//!
//! It needs nothing but the run directory. What it acknowledges was stored by
//! the run's supervisor, not just written to a file.

use std::{
    fmt,
    fs::{self, File, TryLockError},
    io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    control::{ANSWER, Answer, REQUEST, Request},
    dir::RunDir,
    headway::Headway,
};
use crate::model::{ArtifactKey, Digest, FeedbackNumber, Finish};

/// How long a command may take: the database may be far away, or away for a
/// moment.
const PATIENCE: Duration = Duration::from_secs(60);

/// What became of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// The version it is stored as, from 1. The same bytes again make no new one.
    pub version: i32,
    /// The SHA-256 of what is stored.
    pub sha256: Digest,
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {} stored, sha-256 {}", self.version, self.sha256)
    }
}

/// Why an in-run command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no run at that place.
    #[error(
        "{0} is not the directory of a run: this command works inside a run, where WAVEMARK_DIR is set"
    )]
    NotARun(String),
    /// Whoever ran this is gone.
    #[error("nobody follows this run any more: end, and it will be started again")]
    SupervisorGone,
    /// The answer takes too long.
    #[error("no answer within {} s: the database may be away, try again", .0.as_secs())]
    NoAnswer(Duration),
    /// Other commands have this name all the time.
    #[error(
        "other commands are storing out/{0}, and this one did not have its turn: store it again"
    )]
    Busy(ArtifactKey),
    /// It was not taken.
    #[error("not taken: {0}")]
    Refused(String),
    /// Somebody put something else under the same name, and did not ask.
    #[error(
        "something else was put at out/{0} meanwhile, and that is stored now: store this again"
    )]
    Overwritten(ArtifactKey),
    /// The run directory cannot be written.
    #[error("cannot write to the run directory")]
    Io(#[from] io::Error),
}

/// Talks to the supervisor of a run, from inside.
#[derive(Clone, Debug)]
pub struct Client {
    dir: RunDir,
    patience: Duration,
}

impl Client {
    /// For the run whose directory is `dir`: `WAVEMARK_DIR`.
    ///
    /// # Errors
    ///
    /// If that is not the directory of a run.
    pub fn new(dir: &Path) -> Result<Self, ClientError> {
        let run = RunDir::at(dir);
        if run.control().is_dir() && run.tmp().is_dir() {
            Ok(Self { dir: run, patience: PATIENCE })
        } else {
            Err(ClientError::NotARun(dir.display().to_string()))
        }
    }

    /// The directory of the run.
    pub(super) fn dir(&self) -> &RunDir {
        &self.dir
    }

    /// Stores `content` as `key`, and returns when that is done.
    ///
    /// # Errors
    ///
    /// [`ClientError`] says what to do. Unless it was refused or never was its
    /// turn, the file stays in `out/` and is taken at the end of the run at the
    /// latest.
    pub fn checkpoint(&self, key: &ArtifactKey, content: &[u8]) -> Result<Stored, ClientError> {
        let begun = Instant::now();
        let _turn = self.turn(key, begun)?;
        let draft = self.dir.tmp().join(Uuid::new_v4().to_string());
        fs::write(&draft, content)?;
        fs::rename(draft, self.dir.out().join(key.to_string()))?;
        match self.request_since(begun, &Request::Checkpoint { key: key.clone() })? {
            Answer::Stored(stored) if stored.sha256 == Digest::of(content) => Ok(stored),
            Answer::Stored(_) => Err(ClientError::Overwritten(key.clone())),
            other => Err(unexpected(&other)),
        }
    }

    /// Keeps other commands off this name until it is dropped: each of them is
    /// to have its own content stored.
    fn turn(&self, key: &ArtifactKey, begun: Instant) -> Result<File, ClientError> {
        let name = format!("{}-{}.turn", key.kind, key.name);
        let file = File::create(self.dir.tmp().join(name))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(err)) => return Err(err.into()),
                Err(TryLockError::WouldBlock) if !self.dir.is_followed() => {
                    return Err(ClientError::SupervisorGone);
                }
                Err(TryLockError::WouldBlock) if begun.elapsed() >= self.patience => {
                    return Err(ClientError::Busy(key.clone()));
                }
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Asks people, and returns the number they see the question under. The
    /// answer comes with the next run: the agent should now end.
    ///
    /// # Errors
    ///
    /// [`ClientError`] says what to do.
    pub fn ask(&self, question: &str) -> Result<FeedbackNumber, ClientError> {
        match self.request(&Request::Ask { question: question.to_owned() })? {
            Answer::Asked { number } => Ok(number),
            other => Err(unexpected(&other)),
        }
    }

    /// Tells people how far the work is.
    ///
    /// # Errors
    ///
    /// [`ClientError`] says what to do.
    pub fn progress(&self, headway: &Headway) -> Result<(), ClientError> {
        match self.request(&Request::Progress(headway.clone()))? {
            Answer::Noted {} => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Says how the work ended; the agent should now exit. Waiting for people
    /// without having asked them anything asks them the summary, and returns
    /// the number they see it under.
    ///
    /// # Errors
    ///
    /// [`ClientError`] says what to do.
    pub fn finish(
        &self,
        status: Finish,
        summary: Option<&str>,
    ) -> Result<Option<FeedbackNumber>, ClientError> {
        let summary = summary.map(ToOwned::to_owned);
        match self.request(&Request::Finish { status, summary })? {
            Answer::Noted {} => Ok(None),
            Answer::Asked { number } => Ok(Some(number)),
            other => Err(unexpected(&other)),
        }
    }

    fn request(&self, request: &Request) -> Result<Answer, ClientError> {
        self.request_since(Instant::now(), request)
    }

    /// Asks, and waits for as long as a command may take that began then.
    fn request_since(&self, begun: Instant, request: &Request) -> Result<Answer, ClientError> {
        let id = Uuid::new_v4().to_string();
        let draft = self.dir.tmp().join(&id);
        let sent = self.dir.control().join(format!("{id}{REQUEST}"));
        fs::write(&draft, serde_json::to_vec(request).map_err(io::Error::from)?)?;
        fs::rename(draft, &sent)?;

        let answer = self.wait(begun, &self.dir.control().join(format!("{id}{ANSWER}")));
        if answer.is_err() {
            // Nobody should take it after this command has said that it failed.
            drop(fs::remove_file(sent));
        }
        match answer? {
            Answer::Refused { why } => Err(ClientError::Refused(why)),
            answer => Ok(answer),
        }
    }

    fn wait(&self, begun: Instant, path: &Path) -> Result<Answer, ClientError> {
        let mut pause = Duration::from_millis(2);
        loop {
            // Asked before the look: an answer given last is not missed.
            let gone = !self.dir.is_followed();
            match fs::read(path) {
                Ok(answer) => {
                    drop(fs::remove_file(path));
                    return Ok(serde_json::from_slice(&answer).map_err(io::Error::from)?);
                }
                Err(err) if err.kind() == io::ErrorKind::NotFound => {}
                Err(err) => return Err(err.into()),
            }
            if gone {
                return Err(ClientError::SupervisorGone);
            }
            if begun.elapsed() >= self.patience {
                return Err(ClientError::NoAnswer(self.patience));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

fn unexpected(answer: &Answer) -> ClientError {
    ClientError::Refused(format!("the answer is for another request: {answer:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(folder: &Path) -> Client {
        fs::create_dir_all(folder.join("control")).unwrap();
        fs::create_dir_all(folder.join("out/.tmp")).unwrap();
        Client::new(folder).unwrap()
    }

    #[test]
    fn a_command_outside_of_a_run_says_so() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Client::new(folder.path()), Err(ClientError::NotARun(_))));
    }

    #[test]
    fn a_supervisor_that_is_gone_is_noticed_at_once_and_nothing_is_left_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let client = client(folder.path());
        assert!(matches!(client.ask("Anyone?"), Err(ClientError::SupervisorGone)));
        assert_eq!(fs::read_dir(folder.path().join("control")).unwrap().count(), 0);
    }

    #[test]
    fn a_supervisor_that_does_not_answer_is_not_waited_for_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let patience = Duration::from_millis(20);
        let client = Client { patience, ..client(folder.path()) };
        let _followed = RunDir::at(folder.path()).follow().unwrap();
        assert!(matches!(client.finish(Finish::Complete, None), Err(ClientError::NoAnswer(_))));
    }

    #[test]
    fn a_command_whose_turn_never_comes_stores_nothing_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let patience = Duration::from_millis(20);
        let client = Client { patience, ..client(folder.path()) };
        let _followed = RunDir::at(folder.path()).follow().unwrap();
        let key: ArtifactKey = "doc/a.md".parse().unwrap();
        let _turn = client.turn(&key, Instant::now()).unwrap();
        assert!(matches!(client.checkpoint(&key, b"Hi."), Err(ClientError::Busy(_))));
        assert!(!folder.path().join("out/doc/a.md").exists());
    }
}
