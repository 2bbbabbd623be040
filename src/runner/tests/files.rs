//! What an agent puts into `out/`: taken whole, or told why not.

use std::{fs, path::Path, time::Duration};

use crate::runner::{
    Report,
    testing::{Agent, Story, let_go, waiting},
};

fn put(dir: &Path, path: &str, content: &str) {
    fs::write(dir.join(path), content).unwrap();
}

#[tokio::test]
async fn a_file_that_is_renamed_into_place_is_taken_at_once() {
    let mut agent = waiting();
    // Nothing is ever quiet for so long: only the event can bring it.
    agent.launch.limits.quiet = Duration::from_secs(3600);
    let mut running = agent.start();
    put(&agent.dir(), "out/.tmp/a", "whole");
    fs::rename(agent.dir().join("out/.tmp/a"), agent.dir().join("out/doc/a.md")).unwrap();

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
    let mut agent = Agent::new(
        "
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
        echo 'What I did.' >SUMMARY.md",
    );
    agent.launch.limits.artifact_bytes = 10;
    let story = agent.run().await;
    insta::assert_snapshot!(story.text(), @r#"
    rejected out/image: is not expected there: put artifacts into `out/schema`, `out/prompt` or `out/doc`
    rejected out/stray: is not expected there: put artifacts into `out/schema`, `out/prompt` or `out/doc`
    rejected out/doc/.hidden: has an odd name: `.hidden` cannot name an artifact: use 1 to 100 of A-Z, a-z, 0-9, `.`, `_` and `-`, starting with a letter or a digit
    rejected out/doc/folder: is a folder: artifacts are files, without folders of their own
    rejected out/doc/large.md: has 12 bytes, the limit is 10: make it smaller, or split it
    rejected out/doc/latin.md: is not UTF-8 from byte 1 on: only UTF-8 text can be taken
    rejected out/doc/link.md: is a symlink: put the file itself there
    rejected out/doc/nul.md: has a NUL at byte 1: only text can be taken
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
    let mut agent = Agent::new("cd $WAVEMARK_OUT/doc; for n in 1 2 3 4; do echo $n >$n.md; done");
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
    assert_eq!(story.lines[100], "rejected out: holds more like these: no more are named");
}

#[tokio::test]
async fn an_artifact_with_a_secret_is_marked() {
    let mut agent = Agent::new("echo \"key: $TOKEN\" >$WAVEMARK_OUT/doc/a.md");
    agent.launch.secrets.insert("TOKEN".parse().unwrap(), "hunter22".into());
    assert_eq!(agent.run().await.text(), "stored doc/a.md with `TOKEN`: \"key: hunter22\\n\"");
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
async fn what_is_left_while_the_database_is_away_is_stored_when_it_is_back() {
    for (script, told) in [
        ("echo 'It is.' >../out/doc/a.md", r#"stored doc/a.md: "It is.\n""#),
        (
            r#"echo '{"status": "feedback", "summary": "Which?"}' >../result.json"#,
            r#"asked "Which?""#,
        ),
    ] {
        let agent = Agent::new(script);
        let mut running = agent.start();
        let mut story = Story { outage: 2, ..Story::default() };
        while story.next(&mut running).await {}
        assert_eq!((story.text().as_str(), story.outage), (told, 0));
        assert_eq!(story.evidence().rejected, []);
    }
}
