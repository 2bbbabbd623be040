//! Follows what an agent makes and asks, from its first file to the last sweep.
//!
//! Everything goes through this one task, in order: a file that was renamed
//! into place and the command that waits for it meet here.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot, watch};

use super::{
    clean::without_controls,
    client::Stored,
    control::{ANSWER, Answer, REQUEST, Request},
    dir::RunDir,
    files::{Folder, Unread},
    headway::Headway,
    launch::Limits,
    outbox::{New, Outbox, Sweep, Taken, Took},
    reading::LINE,
    redact::Redactor,
    report::{Rejection, Reply, Report},
    result,
    stop::Progress,
    watch::{Seen, Watch},
};
use crate::model::{ArtifactKey, ArtifactType, FeedbackNumber, Finish, Usage};

/// How often everything is looked at, in case an event was lost.
const OFTEN: Duration = Duration::from_secs(2);
/// The same where there are no events.
const VERY_OFTEN: Duration = Duration::from_millis(250);

/// How long what an agent leaves is offered again while it cannot be stored.
const OUTAGE: Duration = Duration::from_secs(5 * 60);
/// How long is waited before that is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// The largest request that is read, in bytes.
const REQUEST_BYTES: u64 = 1024 * 1024;

/// The longest summary that is kept, in bytes.
const SUMMARY: usize = 64 * 1024;

/// Follows one run.
pub(super) struct Collector {
    dir: RunDir,
    outbox: Outbox,
    redactor: Arc<Redactor>,
    watch: Option<Watch>,
    reports: mpsc::Sender<Report>,
    /// For whoever waits for the next checkpoint.
    progress: watch::Sender<Progress>,
    finish: Option<Finish>,
    summary: Option<String>,
    usage: Usage,
    /// What it asked last.
    asked: Option<FeedbackNumber>,
    /// Requests that were answered and could not be removed.
    answered: BTreeSet<String>,
    /// Since when what it left cannot be stored, if that is so.
    outage: Option<Instant>,
}

/// What is known when a run has ended.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) finish: Option<Finish>,
    pub(super) summary: Option<String>,
    /// What it says it used.
    pub(super) usage: Usage,
    pub(super) rejected: Vec<Rejection>,
}

impl Collector {
    /// Starts to watch, so that nothing that happens from now on is missed.
    pub(super) fn new(
        dir: &RunDir,
        limits: &Limits,
        redactor: Arc<Redactor>,
        reports: mpsc::Sender<Report>,
        progress: watch::Sender<Progress>,
    ) -> Self {
        Self {
            dir: dir.clone(),
            outbox: Outbox::new(dir, limits),
            redactor,
            watch: Watch::new(dir),
            reports,
            progress,
            finish: None,
            summary: None,
            usage: Usage::default(),
            asked: None,
            answered: BTreeSet::new(),
            outage: None,
        }
    }

    /// Follows the run until `ended`, and then takes everything that is left.
    ///
    /// What is there so far is taken in between, when somebody asks: none of the
    /// run's processes is alive then. The answer is how the agent says that it
    /// ended.
    pub(super) async fn follow(
        mut self,
        mut ended: oneshot::Receiver<()>,
        mut asked: mpsc::Receiver<oneshot::Sender<Option<Finish>>>,
    ) -> Collected {
        let period = if self.watch.is_some() { OFTEN } else { VERY_OFTEN };
        let mut look = Instant::now() + period;
        loop {
            let next = self.outbox.due().map_or(look, |due| due.min(look));
            tokio::select! {
                biased;
                _ = &mut ended => break,
                Some(reply) = asked.recv() => {
                    self.requests().await;
                    self.take_all().await;
                    let said = self.finish.or_else(|| result::read(&self.dir).finish);
                    // Whoever asked may have been told to stop meanwhile.
                    let _gone = reply.send(said);
                }
                seen = next_seen(&mut self.watch) => self.on(seen).await,
                () = tokio::time::sleep_until(next.into()) => {
                    self.requests().await;
                    // What cannot be stored now is due again.
                    self.sweep(Sweep::Quiet).await;
                    super::processes::reap_orphans();
                    look = Instant::now() + period;
                }
            }
        }
        self.watch = None;
        self.requests().await;
        self.take_all().await;
        self.said().await;
        self.tell_rejected().await;
        let rejected = self.outbox.rejected().into_iter();
        Collected {
            finish: self.finish,
            rejected: rejected.map(|one| self.without_secrets(one)).collect(),
            summary: self.summary,
            usage: self.usage,
        }
    }

    async fn on(&mut self, seen: Seen) {
        match seen {
            Seen::Renamed(kind, name) => {
                // Rejections are told, and what is gone already is not missed.
                drop(self.take(kind, &name).await);
            }
            Seen::Written(kind, name) => self.outbox.written(kind, &name, Instant::now()),
            Seen::Request(name) => self.request(&name).await,
        }
    }

    /// Takes a file now, and returns why that cannot be done, if it cannot.
    async fn take(&mut self, kind: ArtifactType, name: &str) -> Result<(), String> {
        let took = self.outbox.take(Some(kind), OsStr::new(name), Instant::now());
        self.tell_rejected().await;
        match took {
            Took::New(new) => drop(self.offer(vec![new]).await),
            Took::Same => {}
            Took::Rejected(why) => return Err(why),
            Took::NotYet => return Err("is not there, or somebody is writing to it".into()),
        }
        Ok(())
    }

    async fn sweep(&mut self, sweep: Sweep) -> bool {
        let new = self.outbox.sweep(sweep, Instant::now());
        self.offer(new).await
    }

    /// Takes everything that is left by an agent that writes no more.
    async fn take_all(&mut self) {
        while !self.sweep(Sweep::Last).await && self.may_try_again().await {}
    }

    /// Whether what could not be stored is worth another try, after a while.
    async fn may_try_again(&mut self) -> bool {
        let since = *self.outage.get_or_insert_with(Instant::now);
        let goes_on = since.elapsed() < OUTAGE && !self.reports.is_closed();
        if goes_on {
            tokio::time::sleep(PAUSE).await;
        }
        goes_on
    }

    /// Offers what is new for storing, all of it, and then waits for the
    /// answers: a supervisor may store many in one go. False if there are not all
    /// of them.
    async fn offer(&mut self, new: Vec<New>) -> bool {
        self.tell_rejected().await;
        let mut offered = Vec::with_capacity(new.len());
        for New { key, content, sha256 } in new {
            let (reply, answer) = oneshot::channel();
            self.progress.send_modify(|progress| progress.offered += 1);
            let number = self.progress.borrow().offered;
            offered.push((number, key.clone(), sha256, answer));
            let secret = self.redactor.kind(&content);
            let report = Report::Checkpoint { key, content, sha256, secret, reply };
            // Nobody listens: then the answer is missing, too.
            drop(self.reports.send(report).await);
        }
        let mut are_all_there = true;
        for (number, key, sha256, answer) in offered {
            let reply = answer.await.ok();
            are_all_there &= reply.is_some();
            let is_stored = matches!(reply, Some(Reply::Stored { .. } | Reply::Same { .. }));
            self.outbox.settled(&key, sha256, reply, Instant::now());
            if is_stored {
                self.outage = None;
                self.progress.send_modify(|progress| progress.stored = number);
            }
        }
        are_all_there
    }

    async fn tell_rejected(&mut self) {
        for rejection in self.outbox.news() {
            let rejection = self.without_secrets(rejection);
            drop(self.reports.send(Report::Rejected(rejection)).await);
        }
    }

    /// An agent chooses the names of its files.
    fn without_secrets(&self, rejection: Rejection) -> Rejection {
        Rejection {
            path: self.redactor.redact(&rejection.path),
            why: self.redactor.redact(&rejection.why),
        }
    }

    /// Answers every request that is there.
    async fn requests(&mut self) {
        let names = Folder::open(&self.dir.control()).and_then(|folder| folder.names(1000));
        for name in names.unwrap_or_default() {
            if let Some(name) = name.to_str() {
                self.request(name).await;
            }
        }
    }

    async fn request(&mut self, name: &str) {
        let Some(id) = name.strip_suffix(REQUEST) else {
            return;
        };
        let Ok(folder) = Folder::open(&self.dir.control()) else {
            return;
        };
        if self.answered.contains(name) {
            return;
        }
        let request = match folder.read_text(name, REQUEST_BYTES) {
            Ok((text, _)) => {
                serde_json::from_str(&text).map_err(|err| format!("is no request: {err}"))
            }
            // Given up by who made it, or not renamed into place as it should be.
            Err(Unread::Gone | Unread::Changing) => return,
            Err(Unread::Bad(why)) => Err(why),
        };
        if folder.remove(name).is_err() {
            self.answered.insert(name.to_owned());
        }
        let answer = match request {
            Ok(request) => self.grant(request).await,
            Err(why) => {
                self.outbox.reject(format!("control/{}", name.escape_default()), &why);
                self.tell_rejected().await;
                Answer::Refused { why: format!("the request {why}") }
            }
        };
        if let Err(err) = self.answer(id, &answer) {
            self.outbox.reject("control/answers".into(), &format!("cannot be written: {err}"));
        }
    }

    async fn grant(&mut self, request: Request) -> Answer {
        match request {
            Request::Checkpoint { key } => self.checkpoint(&key).await,
            Request::Ask { question } => self.ask(&question).await,
            Request::Progress(headway) => self.progress(&headway).await,
            Request::Finish { status, summary } => {
                let answer = match (status, self.asked) {
                    (Finish::Feedback, None) => match summary.as_deref().map(str::trim) {
                        None | Some("") => Answer::Refused {
                            why: "nothing was asked: give the question as the summary".into(),
                        },
                        Some(question) => self.ask(question).await,
                    },
                    _ => Answer::Noted {},
                };
                if !matches!(answer, Answer::Refused { .. }) {
                    self.finish = Some(status);
                    self.summary = summary.map(|text| self.summary(&text)).or(self.summary.take());
                }
                answer
            }
        }
    }

    async fn progress(&self, headway: &Headway) -> Answer {
        let mut line = self.redactor.redact(&without_controls(&headway.to_string()));
        if line.is_empty() {
            return Answer::Refused {
                why: "it says nothing: give a text, a percentage or both".into(),
            };
        }
        line.truncate(line.floor_char_boundary(LINE));
        drop(self.reports.send(Report::Progress { line }).await);
        Answer::Noted {}
    }

    /// Takes `out/<key>` now, if the watch did not do that already.
    async fn checkpoint(&mut self, key: &ArtifactKey) -> Answer {
        if let Err(why) = self.take(key.kind, key.name.as_str()).await {
            return Answer::Refused { why: format!("out/{key} {why}") };
        }
        match self.outbox.taken(key) {
            Some(Taken {
                sha256,
                reply: Some(Reply::Stored { version } | Reply::Same { version }),
            }) => Answer::Stored(Stored { version: *version, sha256: *sha256 }),
            Some(Taken { reply: Some(Reply::Refused { why }), .. }) => {
                Answer::Refused { why: why.clone() }
            }
            _ => Answer::Refused { why: "it could not be stored now; it is tried again".into() },
        }
    }

    async fn ask(&mut self, question: &str) -> Answer {
        let why = "it could not be stored now: try again";
        self.try_to_ask(question).await.unwrap_or_else(|| Answer::Refused { why: why.into() })
    }

    /// Asks people, unless that cannot be stored now.
    async fn try_to_ask(&mut self, question: &str) -> Option<Answer> {
        let question = self.redactor.redact(question.trim());
        if question.is_empty() {
            return Some(Answer::Refused { why: "the question is empty".into() });
        }
        let (reply, answer) = oneshot::channel();
        drop(self.reports.send(Report::Ask { question, reply }).await);
        Some(match answer.await.ok()? {
            Ok(number) => {
                self.asked = Some(number);
                Answer::Asked { number }
            }
            Err(why) => Answer::Refused { why },
        })
    }

    fn answer(&self, id: &str, answer: &Answer) -> io::Result<()> {
        let control = Folder::open(&self.dir.control())?;
        control.write(format!("{id}{ANSWER}"), &serde_json::to_vec(answer)?)
    }

    /// What the agent left about its end. What a command said goes first.
    async fn said(&mut self) {
        let said = result::read(&self.dir);
        for rejection in said.rejected {
            self.outbox.reject(rejection.path, &rejection.why);
        }
        if self.finish.is_none() && said.finish == Some(Finish::Feedback) && self.asked.is_none() {
            // A program without `wavemark` at hand can ask, too.
            let question = said.summary.as_deref().unwrap_or_default();
            while self.try_to_ask(question).await.is_none() && self.may_try_again().await {}
        }
        self.finish = self.finish.or(said.finish);
        self.usage = said.usage.unwrap_or_default();
        if self.summary.is_none() {
            self.summary = said.summary.map(|text| self.summary(&text));
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
