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
    control::{ANSWER, Answer, REQUEST, Request},
    dir::RunDir,
    files::{Folder, Unread},
    launch::Limits,
    outbox::{New, Outbox, Sweep, Taken, Took},
    redact::Redactor,
    report::{Finish, Rejection, Reply, Report},
    stop::Progress,
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
    /// For whoever waits for the next checkpoint.
    progress: watch::Sender<Progress>,
    finish: Option<Finish>,
    summary: Option<String>,
    /// Requests that were answered and could not be removed.
    answered: BTreeSet<String>,
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
            answered: BTreeSet::new(),
        }
    }

    /// Follows the run until `ended`, and then takes everything that is left.
    pub(super) async fn follow(mut self, mut ended: oneshot::Receiver<()>) -> Collected {
        let period = if self.watch.is_some() {
            OFTEN
        } else {
            VERY_OFTEN
        };
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
        Collected {
            finish: self.finish,
            summary: self.summary,
            rejected: self.outbox.rejected(),
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
        let took = self
            .outbox
            .take(Some(kind), OsStr::new(name), Instant::now());
        self.tell_rejected().await;
        match took {
            Took::New(new) => self.offer(vec![new]).await,
            Took::Same => {}
            Took::Rejected(why) => return Err(why),
            Took::NotYet => return Err("is not there, or somebody is writing to it".into()),
        }
        Ok(())
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
        for New {
            key,
            content,
            sha256,
        } in new
        {
            let (reply, answer) = oneshot::channel();
            self.progress.send_modify(|progress| progress.offered += 1);
            let number = self.progress.borrow().offered;
            offered.push((number, key.clone(), sha256, answer));
            let secret = self.redactor.kind(&content);
            let report = Report::Checkpoint {
                key,
                content,
                sha256,
                secret,
                reply,
            };
            // Nobody listens: then the answer is missing, too.
            drop(self.reports.send(report).await);
        }
        for (number, key, sha256, answer) in offered {
            let reply = answer.await.ok();
            let is_stored = matches!(reply, Some(Reply::Stored { .. } | Reply::Same { .. }));
            self.outbox.settled(&key, sha256, reply, Instant::now());
            if is_stored {
                self.progress
                    .send_modify(|progress| progress.stored = number);
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
        let request = match folder.read_text(name, TALK) {
            Ok((text, _)) => {
                serde_json::from_str(&text).map_err(|err| format!("is no request: {err}"))
            }
            // Given up by who made it, or not renamed into place as it should be.
            Err(Unread::Gone | Unread::Changing) => return,
            Err(Unread::Bad(why)) => Err(why),
        };
        let removed = fs::remove_file(self.dir.control().join(name));
        if removed.is_err() {
            self.answered.insert(name.to_owned());
        }
        let answer = match request {
            Ok(request) => self.grant(request).await,
            Err(why) => {
                self.outbox
                    .reject(format!("control/{}", name.escape_default()), &why);
                self.tell_rejected().await;
                Answer::Refused {
                    why: format!("the request {why}"),
                }
            }
        };
        if let Err(err) = self.answer(id, &answer) {
            self.outbox.reject(
                "control/answers".into(),
                &format!("cannot be written: {err}"),
            );
        }
    }

    async fn grant(&mut self, request: Request) -> Answer {
        match request {
            Request::Checkpoint { key } => self.checkpoint(&key).await,
            Request::Ask { question } => self.ask(&question).await,
            Request::Finish { summary } => {
                self.finish = Some(Finish::Complete);
                self.summary = summary
                    .map(|text| self.summary(&text))
                    .or(self.summary.take());
                Answer::Noted {}
            }
        }
    }

    /// Takes `out/<key>` now, if the watch did not do that already.
    async fn checkpoint(&mut self, key: &ArtifactKey) -> Answer {
        if let Err(why) = self.take(key.kind, key.name.as_str()).await {
            return Answer::Refused {
                why: format!("out/{key} {why}"),
            };
        }
        match self.outbox.taken(key) {
            Some(Taken {
                sha256,
                reply: Some(Reply::Stored { version } | Reply::Same { version }),
            }) => Answer::Stored(Stored {
                version: *version,
                sha256: *sha256,
            }),
            Some(Taken {
                reply: Some(Reply::Refused { why }),
                ..
            }) => Answer::Refused { why: why.clone() },
            _ => Answer::Refused {
                why: "it could not be stored now; it is tried again".into(),
            },
        }
    }

    async fn ask(&mut self, question: &str) -> Answer {
        let question = self.redactor.redact(question.trim());
        if question.is_empty() {
            return Answer::Refused {
                why: "the question is empty".into(),
            };
        }
        let (reply, answer) = oneshot::channel();
        drop(self.reports.send(Report::Ask { question, reply }).await);
        match answer.await {
            Ok(Ok(number)) => Answer::Asked { number },
            Ok(Err(why)) => Answer::Refused { why },
            Err(_) => Answer::Refused {
                why: "it could not be stored now: try again".into(),
            },
        }
    }

    fn answer(&self, id: &str, answer: &Answer) -> io::Result<()> {
        let draft = self.dir.tmp().join(format!("{id}{ANSWER}"));
        fs::write(&draft, serde_json::to_vec(answer)?)?;
        fs::rename(draft, self.dir.control().join(format!("{id}{ANSWER}")))
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

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::symlink,
        path::{Path, PathBuf},
        time::Duration,
    };

    use crate::{
        model::{ArtifactKey, StopReason},
        runner::{
            Finish, Reply, Report, StopWhen,
            client::{Client, ClientError, Stored},
            testing::{Agent, Story},
        },
    };

    /// An agent that does nothing until the file `go` appears; the test plays it.
    fn waiting() -> Agent {
        Agent::new("until [ -e go ]; do sleep 0.01; done")
    }

    fn let_go(agent: &Agent) {
        fs::write(agent.dir().join("work/go"), "").unwrap();
    }

    fn put(dir: &Path, path: &str, content: impl AsRef<[u8]>) {
        fs::write(dir.join(path), content).unwrap();
    }

    /// Lets the agent go when the test is done with it, or has panicked.
    struct LetGo(PathBuf);

    impl Drop for LetGo {
        fn drop(&mut self) {
            fs::write(&self.0, "").unwrap();
        }
    }

    /// Plays an agent with commands that block, and follows it.
    async fn play(agent: &Agent, part: impl FnOnce(Client) + Send + 'static) -> Story {
        let mut running = agent.start();
        let client = Client::new(&agent.dir()).unwrap();
        let go = LetGo(agent.dir().join("work/go"));
        let actor = tokio::task::spawn_blocking(move || {
            let _go = go;
            part(client);
        });
        let mut story = Story::default();
        while story.next(&mut running).await {}
        actor.await.unwrap();
        story
    }

    fn key(text: &str) -> ArtifactKey {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_file_that_is_renamed_into_place_is_taken_at_once() {
        let mut agent = waiting();
        // Nothing is ever quiet for so long: only the event can bring it.
        agent.launch.limits.quiet = Duration::from_secs(3600);
        let mut running = agent.start();
        put(&agent.dir(), "out/.tmp/a", "whole");
        fs::rename(
            agent.dir().join("out/.tmp/a"),
            agent.dir().join("out/doc/a.md"),
        )
        .unwrap();

        let mut story = Story::default();
        story.until(&mut running, "stored doc/a.md").await;

        let_go(&agent);
        while story.next(&mut running).await {}
        assert_eq!(story.text(), "stored doc/a.md: \"whole\"");
    }

    #[tokio::test]
    async fn a_file_that_is_written_in_place_is_taken_while_the_run_goes_on() {
        let agent = waiting();
        let mut running = agent.start();
        put(&agent.dir(), "out/doc/a.md", "text");
        let mut story = Story::default();
        story.until(&mut running, "stored doc/a.md").await;
        let_go(&agent);
        while story.next(&mut running).await {}
        assert_eq!(story.text(), "stored doc/a.md: \"text\"");
    }

    #[tokio::test]
    async fn everything_is_taken_at_the_end_and_the_same_bytes_only_once() {
        let mut agent = Agent::new(
            "cd $WAVEMARK_OUT
             echo one >.tmp/a; mv .tmp/a doc/a.md
             until [ -e $WAVEMARK_DIR/work/go ]; do sleep 0.01; done
             echo one >doc/a.md; echo two >doc/b.md; printf '{' >schema/c.json; printf '}' >>schema/c.json",
        );
        agent.launch.limits.quiet = Duration::from_secs(3600);
        let mut running = agent.start();
        let mut story = Story::default();
        story.until(&mut running, "stored").await;
        let_go(&agent);
        while story.next(&mut running).await {}
        insta::assert_snapshot!(story.text(), @r#"
        stored doc/a.md: "one\n"
        stored schema/c.json: "{}"
        stored doc/b.md: "two\n"
        "#);
    }

    #[tokio::test]
    async fn what_cannot_be_taken_is_told_once_and_the_run_goes_on() {
        let mut agent = Agent::new("");
        agent.launch.limits.artifact_bytes = 10;
        agent.launch.command[2] = "
            cd $WAVEMARK_OUT
            ln -s /etc/passwd doc/link.md
            mkdir doc/folder
            mkfifo doc/pipe
            echo x >doc/.hidden
            echo x >'doc/two words.md'
            echo 12345678901 >doc/large.md
            printf 'a\\377' >doc/latin.md
            printf 'a\\0b' >doc/nul.md
            mkdir image; echo x >image/a.png
            echo x >stray
            echo fine >doc/fine.md
            echo 'What I did.' >SUMMARY.md"
            .into();
        let story = agent.run().await;
        insta::assert_snapshot!(story.text(), @r#"
        rejected out/image: is not expected there: put artifacts into `out/schema`, `out/prompt` or `out/doc`
        rejected out/stray: is not expected there: put artifacts into `out/schema`, `out/prompt` or `out/doc`
        rejected out/doc/.hidden: has an odd name: `.hidden` cannot name an artifact: use 1 to 100 of A-Z, a-z, 0-9, `.`, `_` and `-`, starting with a letter or a digit
        rejected out/doc/folder: is a folder: artifacts are files, without folders of their own
        rejected out/doc/large.md: has 12 bytes, the limit is 10: make it smaller, or split it
        rejected out/doc/latin.md: is not UTF-8 from byte 1 on: artifacts are UTF-8 text
        rejected out/doc/link.md: is a symlink: put the file itself there
        rejected out/doc/nul.md: has a NUL at byte 1: artifacts are text
        rejected out/doc/pipe: is not a file: artifacts are plain files
        rejected out/doc/two words.md: has an odd name: `two words.md` cannot name an artifact: use 1 to 100 of A-Z, a-z, 0-9, `.`, `_` and `-`, starting with a letter or a digit
        stored doc/fine.md: "fine\n"
        "#);
        assert_eq!(story.evidence().rejected.len(), 10);
        assert_eq!(story.evidence().summary.as_deref(), Some("What I did."));
    }

    #[tokio::test]
    async fn a_folder_that_became_a_symlink_is_not_followed() {
        let agent = Agent::new("cd $WAVEMARK_OUT; rmdir doc; ln -s /etc doc; exit 0");
        let story = agent.run().await;
        insta::assert_snapshot!(story.text(), @"rejected out/doc: is not a folder that can be read: Not a directory (os error 20)");
    }

    #[tokio::test]
    async fn too_many_checkpoints_are_told_and_the_first_are_kept() {
        let mut agent =
            Agent::new("cd $WAVEMARK_OUT/doc; for n in 1 2 3 4; do echo $n >$n.md; done");
        agent.launch.limits.checkpoints = 2;
        insta::assert_snapshot!(agent.run().await.text(), @r#"
        rejected out/doc/3.md: comes after 2 checkpoints, which is as many as one run may make
        rejected out/doc/4.md: comes after 2 checkpoints, which is as many as one run may make
        stored doc/1.md: "1\n"
        stored doc/2.md: "2\n"
        "#);
    }

    #[tokio::test]
    async fn a_wild_agent_is_not_followed_for_ever() {
        let agent = Agent::new("cd $WAVEMARK_OUT/doc; for n in $(seq 500); do : >.$n; done");
        let story = agent.run().await;
        assert_eq!(story.lines.len(), 101);
        assert_eq!(
            story.lines[100],
            "rejected out: holds more like these: no more are named"
        );
    }

    #[tokio::test]
    async fn an_artifact_with_a_secret_is_marked() {
        let mut agent = Agent::new("echo \"key: $TOKEN\" >$WAVEMARK_OUT/doc/a.md");
        agent
            .launch
            .secrets
            .insert("TOKEN".parse().unwrap(), "hunter22".into());
        assert_eq!(
            agent.run().await.text(),
            "stored doc/a.md with `TOKEN`: \"key: hunter22\\n\""
        );
    }

    #[tokio::test]
    async fn what_could_not_be_stored_is_offered_again() {
        let agent = waiting();
        let mut running = agent.start();
        put(&agent.dir(), "out/doc/a.md", "text");
        let Some(Report::Checkpoint { reply, .. }) = running.reports.recv().await else {
            panic!("no checkpoint");
        };
        drop(reply);
        let mut story = Story::default();
        story.until(&mut running, "stored doc/a.md").await;
        let_go(&agent);
        while story.next(&mut running).await {}
        assert_eq!(story.lines.len(), 1);
    }

    #[tokio::test]
    async fn commands_are_answered_when_what_they_ask_is_done() {
        let story = play(&waiting(), |agent| {
            let first = agent.checkpoint(&key("doc/a.md"), b"one").unwrap();
            assert_eq!(
                (first.version, first.sha256),
                (1, crate::model::Digest::of("one"))
            );
            let second = agent.checkpoint(&key("doc/a.md"), b"two").unwrap();
            assert_eq!(second.version, 2);
            assert_eq!(agent.ask("Which region?").unwrap().to_string(), "#7");
            agent.finish(Some("Did it.")).unwrap();
        })
        .await;
        insta::assert_snapshot!(story.text(), @r#"
        stored doc/a.md: "one"
        stored doc/a.md: "two"
        asked "Which region?"
        "#);
        assert_eq!(story.evidence().finish, Some(Finish::Complete));
        assert_eq!(story.evidence().summary.as_deref(), Some("Did it."));
    }

    #[tokio::test]
    async fn the_same_checkpoint_twice_is_stored_once() {
        let story = play(&waiting(), |agent| {
            let first = agent.checkpoint(&key("doc/a.md"), b"one").unwrap();
            assert_eq!(agent.checkpoint(&key("doc/a.md"), b"one").unwrap(), first);
        })
        .await;
        assert_eq!(story.text(), "stored doc/a.md: \"one\"");
    }

    #[tokio::test]
    async fn a_checkpoint_that_is_refused_is_not_mistaken_for_the_one_before() {
        let mut agent = waiting();
        agent.launch.limits.artifact_bytes = 10;
        play(&agent, |agent| {
            agent.checkpoint(&key("doc/a.md"), b"small").unwrap();
            agent
                .checkpoint(&key("doc/a.md"), b"much too large")
                .unwrap_err();
            agent.checkpoint(&key("doc/a.md"), b"small").unwrap();
        })
        .await;
    }

    #[tokio::test]
    async fn a_command_that_is_refused_says_why() {
        let mut agent = waiting();
        agent.launch.limits.artifact_bytes = 10;
        let story = play(&agent, |agent| {
            let refusals = [
                agent
                    .checkpoint(&key("doc/a.md"), b"12345678901")
                    .unwrap_err(),
                agent.checkpoint(&key("doc/b.md"), b"a\0b").unwrap_err(),
                agent.ask("  ").unwrap_err(),
            ];
            insta::assert_snapshot!(refusals.map(|err| err.to_string()).join("\n"), @"
            not taken: out/doc/a.md has 11 bytes, the limit is 10: make it smaller, or split it
            not taken: out/doc/b.md has a NUL at byte 1: artifacts are text
            not taken: the question is empty
            ");
        })
        .await;
        assert_eq!(story.lines.len(), 2, "{:?}", story.lines);
    }

    #[tokio::test]
    async fn a_refusal_of_the_supervisor_reaches_the_agent() {
        let agent = waiting();
        let mut running = agent.start();
        let client = Client::new(&agent.dir()).unwrap();
        let command =
            tokio::task::spawn_blocking(move || client.checkpoint(&key("doc/a.md"), b"x"));
        let Some(Report::Checkpoint { reply, .. }) = running.reports.recv().await else {
            panic!("no checkpoint");
        };
        reply
            .send(Reply::Refused {
                why: "another run took over".into(),
            })
            .unwrap();
        match command.await.unwrap() {
            Err(ClientError::Refused(why)) => assert_eq!(why, "another run took over"),
            other => panic!("{other:?}"),
        }
        let_go(&agent);
        assert!(matches!(
            running.reports.recv().await,
            Some(Report::Ended(_))
        ));
    }

    #[tokio::test]
    async fn bytes_that_were_stored_before_the_run_keep_their_version() {
        let agent = waiting();
        let mut running = agent.start();
        let client = Client::new(&agent.dir()).unwrap();
        let command =
            tokio::task::spawn_blocking(move || client.checkpoint(&key("doc/a.md"), b"x"));
        let Some(Report::Checkpoint { reply, sha256, .. }) = running.reports.recv().await else {
            panic!("no checkpoint");
        };
        reply.send(Reply::Same { version: 4 }).unwrap();
        let stored = Stored { version: 4, sha256 };
        assert_eq!(command.await.unwrap().unwrap(), stored);
        running
            .stopper
            .stop(StopReason::Interrupted, StopWhen::Kill);
    }

    #[tokio::test]
    async fn a_broken_request_is_answered_and_told() {
        let agent = Agent::new("echo '{\"destroy\":{}}' >../control/x.request; exit 0");
        let story = agent.run().await;
        insta::assert_snapshot!(story.text(), @"rejected control/x.request: is no request: unknown variant `destroy`, expected one of `checkpoint`, `ask`, `finish` at line 1 column 10");
        assert!(agent.dir().join("control/x.answer").exists());
    }

    #[tokio::test]
    async fn an_agent_can_say_how_it_ended_in_a_file() {
        let agent =
            Agent::new("echo '{\"status\":\"failed\",\"summary\":\"No sheet.\"}' >../result.json");
        let story = agent.run().await;
        assert_eq!(story.evidence().finish, Some(Finish::Failed));
        assert_eq!(story.evidence().summary.as_deref(), Some("No sheet."));
    }

    #[tokio::test]
    async fn an_agent_can_ask_in_a_file() {
        let agent = Agent::new(
            "echo '{\"status\":\"feedback\",\"summary\":\"Which one?\"}' >../result.json",
        );
        let story = agent.run().await;
        assert_eq!(story.text(), "asked \"Which one?\"");
        assert_eq!(story.evidence().finish, Some(Finish::Feedback));
    }

    #[tokio::test]
    async fn a_broken_result_is_told_and_breaks_nothing() {
        for (result, told) in [
            (
                "{",
                "rejected result.json: is not what it should be: EOF while parsing an object at line 1 column 1",
            ),
            (
                "{\"status\":\"ok\"}",
                "rejected result.json: has the status `ok`: use complete, failed or feedback",
            ),
            (
                "[1]",
                "rejected result.json: is not what it should be: invalid type: integer `1`, expected a string at line 1 column 2",
            ),
        ] {
            let agent = Agent::new(&format!("printf '%s' '{result}' >../result.json"));
            let story = agent.run().await;
            assert_eq!(story.text(), told);
            assert_eq!(story.evidence().finish, None);
        }
    }

    #[tokio::test]
    async fn summaries_and_questions_are_redacted() {
        let mut agent = waiting();
        agent
            .launch
            .secrets
            .insert("TOKEN".parse().unwrap(), "hunter22".into());
        let story = play(&agent, |agent| {
            agent.ask("Is hunter22 right?").unwrap();
            agent.finish(Some("I used hunter22.")).unwrap();
        })
        .await;
        assert_eq!(story.text(), "asked \"Is *** right?\"");
        assert_eq!(story.evidence().summary.as_deref(), Some("I used ***."));
    }

    #[test]
    fn a_link_to_a_result_is_not_followed() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let agent = waiting();
            let mut running = agent.start();
            symlink("/etc/hostname", agent.dir().join("result.json")).unwrap();
            let_go(&agent);
            let mut story = Story::default();
            while story.next(&mut running).await {}
            assert_eq!(
                story.text(),
                "rejected result.json: is a symlink: put the file itself there"
            );
        });
    }
}
