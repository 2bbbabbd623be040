//! `wavemark checkpoint`, `ask`, `progress` and `finish`, called from inside a run.

use std::{collections::BTreeSet, fs, path::PathBuf};

use tokio::task::JoinSet;

use crate::{
    model::{ArtifactKey, Digest, Finish, StopReason},
    runner::{
        Headway, Reply, Report, StopWhen,
        client::{Client, ClientError, Stored},
        testing::{Agent, Story, let_go, waiting},
    },
};

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
async fn commands_are_answered_when_what_they_ask_is_done() {
    let story = play(&waiting(), |agent| {
        let first = agent.checkpoint(&key("doc/a.md"), b"one").unwrap();
        assert_eq!((first.version, first.sha256), (1, Digest::of("one")));
        let second = agent.checkpoint(&key("doc/a.md"), b"two").unwrap();
        assert_eq!(second.version, 2);
        assert_eq!(agent.ask("Which region?").unwrap().to_string(), "#7");
        let headway = Headway { percent: Some(90.try_into().unwrap()), text: "writing".into() };
        agent.progress(&headway).unwrap();
        assert_eq!(agent.finish(Finish::Complete, Some("Did it.")).unwrap(), None);
    })
    .await;
    insta::assert_snapshot!(story.text(), @r#"
    stored doc/a.md: "one"
    stored doc/a.md: "two"
    asked "Which region?"
    said "90% writing"
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
        agent.checkpoint(&key("doc/a.md"), b"much too large").unwrap_err();
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
            agent.checkpoint(&key("doc/a.md"), b"12345678901").unwrap_err(),
            agent.checkpoint(&key("doc/b.md"), b"a\0b").unwrap_err(),
            agent.ask("  ").unwrap_err(),
            agent.progress(&Headway { percent: None, text: "\x1b[0m\n".into() }).unwrap_err(),
            agent.finish(Finish::Feedback, None).unwrap_err(),
        ];
        insta::assert_snapshot!(refusals.map(|err| err.to_string()).join("\n"), @"
        not taken: out/doc/a.md has 11 bytes, the limit is 10: make it smaller, or split it
        not taken: out/doc/b.md has a NUL at byte 1: only text can be taken
        not taken: the question is empty
        not taken: it says nothing: give a text, a percentage or both
        not taken: nothing was asked: give the question as the summary
        ");
    })
    .await;
    assert_eq!(story.lines.len(), 2, "{:?}", story.lines);
    assert_eq!(story.evidence().finish, None, "what was refused does not count");
}

#[tokio::test]
async fn a_refusal_of_the_supervisor_reaches_the_agent() {
    let agent = waiting();
    let mut running = agent.start();
    let client = Client::new(&agent.dir()).unwrap();
    let command = tokio::task::spawn_blocking(move || client.checkpoint(&key("doc/a.md"), b"x"));
    let Some(Report::Checkpoint { reply, .. }) = running.reports.recv().await else {
        panic!("no checkpoint");
    };
    reply.send(Reply::Refused { why: "another run took over".into() }).unwrap();
    match command.await.unwrap() {
        Err(ClientError::Refused(why)) => assert_eq!(why, "another run took over"),
        other => panic!("{other:?}"),
    }
    let_go(&agent);
    assert!(matches!(running.reports.recv().await, Some(Report::Ended(_))));
}

#[tokio::test]
async fn a_checkpoint_that_another_one_overwrote_is_not_called_stored() {
    let agent = waiting();
    let mut running = agent.start();
    let client = Client::new(&agent.dir()).unwrap();
    let command = tokio::task::spawn_blocking(move || client.checkpoint(&key("doc/a.md"), b"one"));
    let Some(Report::Checkpoint { reply, .. }) = running.reports.recv().await else {
        panic!("no checkpoint");
    };
    fs::write(agent.dir().join("out/.tmp/x"), "two").unwrap();
    fs::rename(agent.dir().join("out/.tmp/x"), agent.dir().join("out/doc/a.md")).unwrap();
    reply.send(Reply::Stored { version: 1 }).unwrap();
    let Some(Report::Checkpoint { content, reply, .. }) = running.reports.recv().await else {
        panic!("no second checkpoint");
    };
    assert_eq!(content, "two");
    reply.send(Reply::Stored { version: 2 }).unwrap();
    match command.await.unwrap() {
        Err(ClientError::Overwritten(which)) => assert_eq!(which, key("doc/a.md")),
        other => panic!("{other:?}"),
    }
    running.stopper.stop(StopReason::Interrupted, StopWhen::Kill);
}

#[tokio::test]
async fn all_that_store_something_under_one_name_at_once_have_it_stored() {
    let agent = waiting();
    let mut running = agent.start();
    let client = Client::new(&agent.dir()).unwrap();
    let mut commands: JoinSet<_> = (0..8)
        .map(|n: usize| {
            let client = client.clone();
            let store = move || client.checkpoint(&key("doc/a.md"), n.to_string().as_bytes());
            async move { tokio::task::spawn_blocking(store).await.unwrap().unwrap() }
        })
        .collect();
    let mut versions = BTreeSet::new();
    let mut last = 0;
    while versions.len() < 8 {
        tokio::select! {
            Some(report) = running.reports.recv() => {
                let Report::Checkpoint { reply, .. } = report else { panic!("no checkpoint") };
                last += 1;
                reply.send(Reply::Stored { version: last }).unwrap();
            }
            Some(stored) = commands.join_next() => drop(versions.insert(stored.unwrap().version)),
        }
    }
    assert_eq!(versions, (1..=8).collect());
    let_go(&agent);
    assert!(matches!(running.reports.recv().await, Some(Report::Ended(_))));
}

#[tokio::test]
async fn bytes_that_were_stored_before_the_run_keep_their_version() {
    let agent = waiting();
    let mut running = agent.start();
    let client = Client::new(&agent.dir()).unwrap();
    let command = tokio::task::spawn_blocking(move || client.checkpoint(&key("doc/a.md"), b"x"));
    let Some(Report::Checkpoint { reply, sha256, .. }) = running.reports.recv().await else {
        panic!("no checkpoint");
    };
    reply.send(Reply::Same { version: 4 }).unwrap();
    let stored = Stored { version: 4, sha256 };
    assert_eq!(command.await.unwrap().unwrap(), stored);
    running.stopper.stop(StopReason::Interrupted, StopWhen::Kill);
}

#[tokio::test]
async fn a_broken_request_is_answered_and_told() {
    let agent = Agent::new("echo '{\"destroy\":{}}' >../control/x.request; exit 0");
    let story = agent.run().await;
    insta::assert_snapshot!(story.text(), @"rejected control/x.request: is no request: unknown variant `destroy`, expected one of `checkpoint`, `ask`, `progress`, `finish` at line 1 column 10");
    assert!(agent.dir().join("control/x.answer").exists());
}

#[tokio::test]
async fn an_agent_can_ask_in_a_file() {
    let agent =
        Agent::new("echo '{\"status\":\"feedback\",\"summary\":\"Which one?\"}' >../result.json");
    let story = agent.run().await;
    assert_eq!(story.text(), "asked \"Which one?\"");
    assert_eq!(story.evidence().finish, Some(Finish::Feedback));
}

#[tokio::test]
async fn who_waits_for_people_has_asked_them_something_and_asks_only_once() {
    let agent = waiting();
    let dir = agent.dir();
    let story = play(&agent, move |agent| {
        assert!(agent.finish(Finish::Feedback, Some("Which one?")).unwrap().is_some());
        assert_eq!(agent.finish(Finish::Feedback, Some("Waiting.")).unwrap(), None);
        fs::write(dir.join("result.json"), r#"{"status": "feedback", "summary": "Hm?"}"#).unwrap();
    })
    .await;
    assert_eq!(story.text(), "asked \"Which one?\"");
    assert_eq!(story.evidence().finish, Some(Finish::Feedback));
    assert_eq!(story.evidence().summary.as_deref(), Some("Waiting."));
}

#[tokio::test]
async fn what_is_told_is_redacted() {
    let mut agent = waiting();
    agent.launch.secrets.insert("TOKEN".parse().unwrap(), "hunter22".into());
    let story = play(&agent, |agent| {
        agent.ask("Is hunter22 right?").unwrap();
        let text = "trying hunt\x1b[0mer22 ".repeat(100);
        agent.progress(&Headway { percent: None, text }).unwrap();
        agent.finish(Finish::Complete, Some("I used hunter22.")).unwrap();
    })
    .await;
    let (asked, said) =
        story.text().split_once('\n').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert_eq!(asked, "asked \"Is *** right?\"");
    assert!(said.starts_with("said \"trying *** trying") && said.len() < 1100, "{said}");
    assert!(!said.contains("hunt"), "{said}");
    assert_eq!(story.evidence().summary.as_deref(), Some("I used ***."));
}
