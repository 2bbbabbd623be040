//! Agents that put something else where we write: a pipe that nobody reads, or a
//! link to a file of somebody else.

use std::fs;

use crate::{
    model::StopReason,
    runner::{
        End, Evidence, StopWhen,
        testing::{Agent, Story},
    },
};

/// Puts a trap under every name that is written or read once a program runs.
/// `elsewhere` is what links lead to.
const TRAPS: &str = r#"
    cd "$WAVEMARK_DIR"
    set_traps() {
        for name in prompt.md prompt-2.md session.json stop control/stop control/x.answer \
            out/.tmp/x.answer log/output.log log/events.log; do
            rm -f $name
            case $kind in
                pipe) mkfifo $name;;
                link) ln -s "$WAVEMARK_REPO/elsewhere" $name;;
            esac
        done
    }
    begin() { echo '{"type":"system","subtype":"init","session_id":"it"}'; }
    end() { echo '{"type":"result","subtype":"success","is_error":false,"result":"Done."}'; }
    is_written() { [ -f $1 ] && [ ! -L $1 ]; }
"#;

/// Runs a script that has these traps, with each kind of them.
async fn trapped(script: &str) -> Vec<Story> {
    let mut stories = Vec::new();
    for kind in ["pipe", "link"] {
        let mut agent = Agent::subagent(&format!("kind={kind}\n{TRAPS}\n{script}"));
        agent.launch.input.produces = vec!["doc/b.md".parse().unwrap()];
        let elsewhere = agent.launch.repo.join("elsewhere");
        fs::write(&elsewhere, "untouched").unwrap();

        let mut running = agent.start();
        let declared = agent.launch.input.produces.clone();
        let mut story = Story { declared, ..Story::default() };
        let stopper = running.stopper.clone();
        while story.next(&mut running).await {
            if story.lines.last().is_some_and(|line| line == "printed \"up\"") {
                stopper.stop(StopReason::Timeout, StopWhen::Now);
            }
        }

        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "untouched", "{kind}");
        let log = story.evidence().rejected.iter().find(|one| one.path == "log/output.log");
        assert!(log.is_some_and(|log| log.why.starts_with("cannot be written")), "{kind}: {log:?}");
        stories.push(story);
    }
    stories
}

#[tokio::test]
async fn one_that_sets_traps_is_answered_and_stopped() {
    let script = r#"
        set_traps
        begin; echo fine >out/doc/a.md
        echo '{"checkpoint":{"key":"doc/a.md"}}' >control/new; mv control/new control/x.request
        until is_written control/x.answer && is_written session.json; do sleep 0.01; done
        echo up >&2
        until is_written stop; do sleep 0.01; done
        sleep 1000"#;
    for story in trapped(script).await {
        assert!(story.text().contains("stored doc/a.md: \"fine\\n\""), "{}", story.text());
        let Evidence { stopped, log_tail, .. } = story.evidence();
        assert_eq!((*stopped, log_tail.as_str()), (Some(StopReason::Timeout), "up\n"));
    }
}

#[tokio::test]
async fn one_that_sets_traps_is_sent_round() {
    let script = r#"
        case $1 in
            again) cat >out/doc/b.md; begin; end;;
            *) set_traps; begin; end;;
        esac"#;
    for story in trapped(script).await {
        assert!(story.text().contains("stored doc/b.md: \"You ended,"), "{}", story.text());
        assert_eq!(story.evidence().end, Some(End::Good));
    }
}
