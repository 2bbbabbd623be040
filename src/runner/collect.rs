//! Follows what an agent makes and asks, from its first file to the last sweep.
//!
//! Everything goes through this one task, in order: a file that was renamed
//! into place and the command that waits for it meet here.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs, io,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Deserialize;
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    client::Stored,
    control::{Answer, Request},
    dir::RunDir,
    files::{Folder, Unread},
    launch::Limits,
    outbox::{New, Outbox, Sweep},
    redact::Redactor,
    report::{Finish, Rejection, Reply, Report},
    watch::{Seen, Watch},
};
use crate::model::{ArtifactKey, ArtifactType};

/// How often everything is looked at, in case an event was lost.
const OFTEN: Duration = Duration::from_secs(2);
/// The same where there are no events.
const VERY_OFTEN: Duration = Duration::from_millis(250);

/// The largest request, `result.json` or summary that is read, in bytes.
const TALK: u64 = 1024 * 1024;

/// The longest summary that is kept, in bytes.
const SUMMARY: usize = 64 * 1024;

/// Follows one run.
pub(super) struct Collector {
    dir: RunDir,
    outbox: Outbox,
    redactor: Arc<Redactor>,
    watch: Option<Watch>,
    reports: mpsc::Sender<Report>,
    /// Counts what was stored, for whoever waits for the next.
    stored: watch::Sender<usize>,
    finish: Option<Finish>,
    summary: Option<String>,
    /// Requests that were answered and could not be removed.
    answered: BTreeSet<String>,
    /// The versions that a request was told about. The watch may be faster than
    /// the request that belongs to a file, and that is then no repetition.
    told: BTreeSet<(ArtifactKey, i32)>,
}

/// What is known when a run has ended.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) finish: Option<Finish>,
    pub(super) summary: Option<String>,
    pub(super) rejected: Vec<Rejection>,
}

/// `result.json`, written by the agent.
#[derive(Deserialize)]
struct ResultFile {
    status: Option<String>,
    summary: Option<String>,
}

impl Collector {
    /// Starts to watch, so that nothing that happens from now on is missed.
    pub(super) fn new(
        dir: &RunDir,
        limits: &Limits,
        redactor: Arc<Redactor>,
        reports: mpsc::Sender<Report>,
        stored: watch::Sender<usize>,
    ) -> Self {
        Self {
            dir: dir.clone(),
            outbox: Outbox::new(dir, limits),
            redactor,
            watch: Watch::new(dir),
            reports,
            stored,
            finish: None,
            summary: None,
            answered: BTreeSet::new(),
            told: BTreeSet::new(),
        }
    }

    /// Follows the run until `ended`, and then takes everything that is left.
    pub(super) async fn follow(mut self, mut ended: oneshot::Receiver<()>) -> Collected {
        let period = if self.watch.is_some() { OFTEN } else { VERY_OFTEN };
        let mut look = Instant::now() + period;
        loop {
            let next = self.outbox.due().map_or(look, |due| due.min(look));
            tokio::select! {
                biased;
                _ = &mut ended => break,
                seen = next_seen(&mut self.watch) => self.on(seen).await,
                () = tokio::time::sleep_until(next.into()) => {
                    self.requests().await;
                    self.sweep(Sweep::Quiet).await;
                    super::processes::reap_orphans();
                    look = Instant::now() + period;
                }
            }
        }
        self.watch = None;
        self.requests().await;
        self.sweep(Sweep::Last).await;
        self.result().await;
        self.tell_rejected().await;
        Collected { finish: self.finish, summary: self.summary, rejected: self.outbox.rejected() }
    }

    async fn on(&mut self, seen: Seen) {
        match seen {
            Seen::Renamed(kind, name) => self.take(kind, &name).await,
            Seen::Written(kind, name) => self.outbox.written(kind, &name, Instant::now()),
            Seen::Request(name) => self.request(&name).await,
        }
    }

    async fn take(&mut self, kind: ArtifactType, name: &str) {
        let new = self.outbox.take(Some(kind), OsStr::new(name), Instant::now());
        self.offer(new.into_iter().collect()).await;
    }

    async fn sweep(&mut self, sweep: Sweep) {
        let new = self.outbox.sweep(sweep, Instant::now());
        self.offer(new).await;
    }

    /// Offers what is new for storing, all of it, and then waits for the
    /// answers: a supervisor may store many in one go.
    async fn offer(&mut self, new: Vec<New>) {
        self.tell_rejected().await;
        let mut offered = Vec::with_capacity(new.len());
        for New { key, content, sha256 } in new {
            let (reply, answer) = oneshot::channel();
            offered.push((key.clone(), sha256, answer));
            let secret = self.redactor.kind(&content);
            let report = Report::Checkpoint { key, content, sha256, secret, reply };
            // Nobody listens: then the answer is missing, too.
            drop(self.reports.send(report).await);
        }
        for (key, sha256, answer) in offered {
            let reply = answer.await.ok();
            let is_stored = matches!(reply, Some(Reply::Stored { .. } | Reply::Same { .. }));
            self.outbox.settled(&key, sha256, reply, Instant::now());
            if is_stored {
                self.stored.send_modify(|count| *count += 1);
            }
        }
    }

    async fn tell_rejected(&mut self) {
        for rejection in self.outbox.news() {
            drop(self.reports.send(Report::Rejected(rejection)).await);
        }
    }

    /// Answers every request that is there.
    async fn requests(&mut self) {
        let names = Folder::open(&self.dir.requests()).and_then(|folder| folder.names(1000));
        for name in names.unwrap_or_default() {
            if let Some(name) = name.to_str() {
                self.request(name).await;
            }
        }
    }

    async fn request(&mut self, name: &str) {
        let Ok(folder) = Folder::open(&self.dir.requests()) else {
            return;
        };
        if self.answered.contains(name) {
            return;
        }
        let request = match folder.read_text(name, TALK) {
            Ok((text, _)) => {
                serde_json::from_str(&text).map_err(|err| format!("is no request: {err}"))
            }
            // Given up by who made it, or not renamed into place as it should be.
            Err(Unread::Gone | Unread::Changing) => return,
            Err(Unread::Bad(why)) => Err(why),
        };
        let removed = fs::remove_file(self.dir.requests().join(name));
        if removed.is_err() {
            self.answered.insert(name.to_owned());
        }
        let answer = match request {
            Ok(request) => self.grant(request).await,
            Err(why) => {
                self.outbox.reject(format!("control/requests/{}", name.escape_default()), &why);
                self.tell_rejected().await;
                Answer::Refused { why: format!("the request {why}") }
            }
        };
        if let Err(err) = self.answer(name, &answer) {
            self.outbox.reject("control/answers".into(), &format!("cannot be written: {err}"));
        }
    }

    async fn grant(&mut self, request: Request) -> Answer {
        match request {
            Request::Checkpoint { key } => self.checkpoint(&key).await,
            Request::Ask { question } => self.ask(&question).await,
            Request::Finish { summary } => {
                self.finish = Some(Finish::Complete);
                self.summary = summary.map(|text| self.summary(&text)).or(self.summary.take());
                Answer::Noted {}
            }
        }
    }

    /// Takes `out/<key>` now, if the watch did not do that already.
    async fn checkpoint(&mut self, key: &ArtifactKey) -> Answer {
        self.take(key.kind, key.name.as_str()).await;
        let path = format!("out/{key}");
        let rejected = self.outbox.rejected().into_iter().filter(|one| one.path == path);
        let refused = |why: String| Answer::Refused { why };
        match self.outbox.taken(key).map(|taken| (taken.sha256, taken.reply.clone())) {
            Some((sha256, Some(Reply::Stored { version }))) => {
                let unchanged = !self.told.insert((key.clone(), version));
                Answer::Stored(Stored { version, sha256, unchanged })
            }
            Some((sha256, Some(Reply::Same { version }))) => {
                Answer::Stored(Stored { version, sha256, unchanged: true })
            }
            Some((_, Some(Reply::Refused { why }))) => refused(why),
            Some((_, None)) => refused("it could not be stored now; it is tried again".into()),
            None => refused(rejected.last().map_or("there is no such file".into(), |one| one.why)),
        }
    }

    async fn ask(&mut self, question: &str) -> Answer {
        let question = self.redactor.redact(question.trim());
        if question.is_empty() {
            return Answer::Refused { why: "the question is empty".into() };
        }
        let (reply, answer) = oneshot::channel();
        drop(self.reports.send(Report::Ask { question, reply }).await);
        match answer.await {
            Ok(Ok(number)) => Answer::Asked { number },
            Ok(Err(why)) => Answer::Refused { why },
            Err(_) => Answer::Refused { why: "it could not be stored now: try again".into() },
        }
    }

    fn answer(&self, name: &str, answer: &Answer) -> io::Result<()> {
        let draft = self.dir.tmp().join(format!("answer-{name}"));
        fs::write(&draft, serde_json::to_vec(answer)?)?;
        fs::rename(draft, self.dir.answers().join(name))
    }

    /// What the agent left about its end. What a command said goes first.
    async fn result(&mut self) {
        let said = self.talk("result.json");
        let said = said.and_then(|text| {
            let parsed = serde_json::from_str::<ResultFile>(&text);
            parsed.map_err(|err| Some(format!("is not what it should be: {err}")))
        });
        let (status, summary) = match said {
            Ok(file) => (file.status, file.summary),
            Err(why) => {
                if let Some(why) = why {
                    self.outbox.reject("result.json".into(), &why);
                }
                (None, None)
            }
        };
        let finish = match status.as_deref() {
            None => None,
            Some("complete") => Some(Finish::Complete),
            Some("failed") => Some(Finish::Failed),
            Some("feedback") => Some(Finish::Feedback),
            Some(other) => {
                let why = format!("has the status `{other}`: use complete, failed or feedback");
                self.outbox.reject("result.json".into(), &why);
                None
            }
        };
        if self.finish.is_none() && finish == Some(Finish::Feedback) {
            // A program without `wavemark` at hand can ask, too.
            self.ask(summary.as_deref().unwrap_or_default()).await;
        }
        self.finish = self.finish.or(finish);
        if self.summary.is_none() {
            let file = || match self.talk("out/SUMMARY.md") {
                Ok(text) => Ok(Some(text)),
                Err(None) => Ok(None),
                Err(Some(why)) => Err(why),
            };
            match summary.map_or_else(file, |text| Ok(Some(text))) {
                Ok(text) => self.summary = text.map(|text| self.summary(&text)),
                Err(why) => self.outbox.reject("out/SUMMARY.md".into(), &why),
            }
        }
    }

    /// A text beside the artifacts, or why it cannot be read, if it is there.
    fn talk(&self, path: &str) -> Result<String, Option<String>> {
        let path = self.dir.root().join(path);
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(None);
        };
        let folder = Folder::open(folder).map_err(|_| None)?;
        match folder.read_text(name, TALK) {
            Ok((text, _)) => Ok(text),
            Err(Unread::Gone | Unread::Changing) => Err(None),
            Err(Unread::Bad(why)) => Err(Some(why)),
        }
    }

    fn summary(&self, text: &str) -> String {
        let mut text = self.redactor.redact(text.trim());
        if text.len() > SUMMARY {
            text.truncate(text.floor_char_boundary(SUMMARY));
            text += "\n\n(cut here: a summary has at most 64 KiB)";
        }
        text
    }
}

async fn next_seen(watch: &mut Option<Watch>) -> Seen {
    match watch {
        Some(watch) => watch.next().await,
        None => std::future::pending().await,
    }
}
