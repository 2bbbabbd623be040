//! What resolving means: the design's table, by command and by hand in SQL.

use crate::support::{Plan, Project};

/// The two ways of saying it.
#[derive(Clone, Copy, Debug)]
enum By {
    Command,
    Sql,
}

const BOTH: [By; 2] = [By::Command, By::Sql];

/// Resolves the newest open feedback.
fn resolve(project: &Project, by: By, dismiss: bool) {
    match by {
        By::Command => {
            let number = project.sql("select max(number) from feedback where not resolved");
            let mut args = vec!["feedback", "resolve", &number, "--comment", "A word."];
            if dismiss {
                args.push("--dismiss");
            }
            project.run(&args).ok();
        }
        By::Sql => {
            project.sql(
                "insert into feedback_comments (feedback_id, body)
                 select id, 'A word.' from feedback where not resolved",
            );
            let resolution = if dismiss { ", resolution = 'dismissed'" } else { "" };
            project.sql(&format!(
                "update feedback set resolved = true{resolution} where not resolved"
            ));
        }
    }
    project.run(&["run"]).ok();
}

/// How an agent stands: status, generation, and how its runs ended.
fn stands(project: &Project, agent: &str) -> String {
    let row = project.sql(&format!(
        "select status, generation, paused_at is not null from agents where name = '{agent}'"
    ));
    format!("{row} [{}]", project.outcomes(agent))
}

#[test]
fn a_comment_on_finished_work_builds_it_again_or_leaves_it() {
    for by in BOTH {
        for (dismiss, expected) in
            [(false, "complete|2|f [succeeded, succeeded]"), (true, "complete|1|f [succeeded]")]
        {
            let project = Project::with(&Plan::new().agent("vision", "", "true"));
            project.run(&["run"]).ok();
            project.run(&["feedback", "add", "vision", "Hm."]).ok();
            assert_eq!(stands(&project, "vision"), "feedback|1|f [succeeded]");

            resolve(&project, by, dismiss);

            assert_eq!(stands(&project, "vision"), expected, "{by:?}, dismiss: {dismiss}");
            if !dismiss {
                let thread = project.run_dir("vision", 2).join("feedback/1.md");
                let thread = std::fs::read_to_string(thread).unwrap();
                assert!(thread.contains("Hm.") && thread.contains("A word."), "{thread}");
            }
        }
    }
}

#[test]
fn a_comment_on_unfinished_work_lets_it_go_on_either_way() {
    for by in BOTH {
        for dismiss in [false, true] {
            let project = Project::with(&Plan::new().agent("vision", "", "true"));
            project.run(&["feedback", "add", "vision", "Hm."]).ok();

            resolve(&project, by, dismiss);

            assert_eq!(stands(&project, "vision"), "complete|1|f [succeeded]", "{by:?}");
        }
    }
}

#[test]
fn a_review_approves_or_sends_back() {
    for by in BOTH {
        for (dismiss, expected) in [
            (false, "complete|1|f [succeeded]"),
            // Built again, and to be looked at again.
            (true, "feedback|2|f [succeeded, succeeded]"),
        ] {
            let project = Project::with(&Plan::new().agent("vision", "review: required", "true"));
            project.run(&["run"]).ok();
            assert_eq!(stands(&project, "vision"), "feedback|1|f [succeeded]");

            resolve(&project, by, dismiss);

            assert_eq!(stands(&project, "vision"), expected, "{by:?}, dismiss: {dismiss}");
        }
    }
}

#[test]
fn a_question_resumes_with_an_answer_or_without() {
    for by in BOTH {
        for dismiss in [false, true] {
            let script = "[ -e \"$WAVEMARK_DIR/feedback/1.md\" ] || wavemark ask 'Which?'";
            let project = Project::with(&Plan::new().agent("echo", "", script));
            project.run(&["run"]).ok();
            assert_eq!(stands(&project, "echo"), "feedback|1|f [paused]");

            resolve(&project, by, dismiss);

            assert_eq!(stands(&project, "echo"), "complete|1|f [paused, succeeded]", "{by:?}");
            let thread = project.run_dir("echo", 2).join("feedback/1.md");
            let thread = std::fs::read_to_string(thread).unwrap();
            assert!(thread.contains("Which?") && thread.contains("A word."), "{thread}");
        }
    }
}

#[test]
fn a_failure_is_tried_again_or_given_up_until_retry() {
    for by in BOTH {
        for dismiss in [false, true] {
            let script = "[ -e \"$WAVEMARK_REPO/gates/well\" ] || exit 3";
            let plan = Plan::new().agent("reel", "retries: 0", script);
            let project = Project::with(&plan);
            project.run(&["run"]).ok();
            assert_eq!(stands(&project, "reel"), "feedback|1|f [failed]");
            project.open("well");

            resolve(&project, by, dismiss);

            if dismiss {
                assert_eq!(stands(&project, "reel"), "draft|1|t [failed]", "{by:?}");
                project.run(&["retry", "reel"]).ok();
                project.run(&["run"]).ok();
            }
            assert_eq!(stands(&project, "reel"), "complete|1|f [failed, succeeded]", "{by:?}");
            // All attempts are there again.
            assert_eq!(project.sql("select max(attempt) from runs"), "1", "{by:?}");
        }
    }
}

#[test]
fn resolving_twice_does_nothing_the_second_time() {
    let project = Project::with(&Plan::new().agent("vision", "", "true"));
    project.run(&["run"]).ok();
    project.run(&["feedback", "add", "vision", "Hm."]).ok();
    project.run(&["feedback", "resolve", "#1"]).ok();
    project.run(&["run"]).ok();

    let again = project.run(&["feedback", "resolve", "1"]).ok();
    assert!(again.stdout.contains("already"), "{again}");
    project.run(&["run"]).ok();

    assert_eq!(stands(&project, "vision"), "complete|2|f [succeeded, succeeded]");
    project.run(&["feedback", "resolve", "77"]).exits(1);
}
