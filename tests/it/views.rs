//! What scripts read, and what people look things up with.

use crate::support::{Plan, Project, wait_until};

fn story() -> Plan {
    Plan::new()
        .agent(
            "vision",
            "review: required, produces: [doc/a.md]",
            "echo begun
             gate broken
             for word in one two; do
                 echo $word | wavemark checkpoint doc a.md >/dev/null
             done
             echo done",
        )
        .agent("echo", "needs: [vision]", "true")
        .agent("broken", "retries: 0", "touch \"$WAVEMARK_REPO/gates/broken\"; exit 3")
}

#[test]
fn every_json_answer_parses_and_holds_what_the_text_says() {
    let project = Project::with(&story());
    let dry = project.run(&["tick", "--dry-run", "--json"]).exits(3).json();
    assert_eq!(dry["effects"].as_array().unwrap().len(), 2, "{dry}");
    let summary = project.run(&["run", "--json"]).ok().json();
    assert_eq!(summary["open_feedback"].as_array().unwrap().len(), 2, "{summary}");

    let status = project.run(&["status", "--json"]).ok().json();
    assert_eq!(status["project"], "tested");
    assert_eq!(status["waves"][0]["agents"].as_array().unwrap().len(), 3);
    let why = project.run(&["why", "echo", "--json"]).ok().json();
    assert_eq!(why["agent"]["waits_for"][0]["agent"], "vision", "{why}");
    let events = project.run(&["events", "vision", "--json"]).ok().json();
    assert!(events["events"].as_array().unwrap().len() >= 4, "{events}");
    let artifacts = project.run(&["artifacts", "--json"]).ok().json();
    assert_eq!(artifacts["artifacts"][0]["version"], 2, "{artifacts}");
    let history = project.run(&["history", "vision", "doc/a.md", "--json"]).ok().json();
    assert_eq!(history["versions"].as_array().unwrap().len(), 2, "{history}");
    let feedback = project.run(&["feedback", "list", "--json"]).ok().json();
    assert_eq!(feedback["feedback"].as_array().unwrap().len(), 2, "{feedback}");
    project.run(&["feedback", "show", "1", "--json"]).ok().json();
    project.run(&["verify", "--json"]).ok().json();
    project.run(&["sync", "--json"]).ok().json();
    project.run(&["check", "--format", "json"]).ok().json();
    project.run(&["tick", "--json"]).ok().json();
}

#[test]
fn every_version_can_be_shown_and_says_where_it_is() {
    let project = Project::with(&story());
    project.run(&["run"]).ok();

    let newest = project.run(&["show", "vision", "doc/a.md"]).ok();
    assert_eq!(newest.stdout, "two\n");
    let commit = project.sql("select git_commit from artifacts where version = 2");
    assert!(newest.stderr.contains(&commit), "{}", newest.stderr);
    let first = project.run(&["show", "vision", "doc/a.md", "--version", "1"]).ok();
    assert_eq!(first.stdout, "one\n");
    project.run(&["show", "vision", "doc/a.md", "--version", "9"]).exits(1);
    project.run(&["show", "vision", "doc/none.md"]).exits(1);

    insta::assert_snapshot!(project.run(&["history", "vision", "doc/a.md"]), @"
    exit 0
    doc/a.md of vision, 2 versions

        age  run  size  sha-256   bytes are in
    v2   0s    1   4 B  <digest>  row, commit <digest>
    v1   0s    1   4 B  <digest>  row, commit <digest>
    ");
    insta::assert_snapshot!(project.run(&["artifacts", "vision"]), @"
    exit 0
    agent   artifact      size  sha-256   bytes are in
    vision  doc/a.md  v2   4 B  <digest>  row, commit <digest>

    1 artifact, all in a row and in a commit.
    ");
    insta::assert_snapshot!(project.run(&["verify"]), @"
    exit 0
    agent   artifact  row       commit
    vision  doc/a.md  <digest>  <digest>  ✓ same
    vision  doc/a.md  <digest>  <digest>  ✓ same

    2 artifacts, every SHA-256 the same in row and commit.
    ");
    insta::assert_snapshot!(project.run(&["feedback", "list"]), @r#"
    exit 0
    #1 failure of broken, 0s ago
        `broken` failed and will not be tried again by itself. Its last run: failed:
        exited 3
        → see why: wavemark log broken
        → try again: wavemark retry broken
    #2 review of vision, 0s ago
        `vision` is built and waits for your review.
        → approve: wavemark approve vision
        → send back: wavemark send-back vision "…"

    2 wait for you. The whole thread: wavemark feedback show NUMBER
    "#);
}

#[test]
fn verify_notices_a_branch_that_somebody_rewrote() {
    let project = Project::with(&story());
    project.run(&["run"]).ok();
    project.run(&["verify"]).ok();

    // The last commit is thrown away on the remote.
    project.git(&["update-ref", "refs/heads/wavemark/artifacts", "wavemark/artifacts~1"]);

    let verify = project.run(&["verify"]).exits(3);
    assert!(verify.stdout.contains("doc/a.md"), "{verify}");
}

#[test]
fn a_log_can_be_followed_while_its_agent_runs() {
    let plan = Plan::new().agent("vision", "", "echo first; gate go; echo second");
    let project = Project::with(&plan);
    let run = project.start(&["run"]);
    wait_until("it printed something", || {
        let log = project.run(&["log", "vision"]);
        log.code == 0 && log.stdout.contains("first")
    });

    let mut follower = project.start(&["log", "-f", "vision"]);
    wait_until("the follower shows it", || follower.stdout().contains("first"));
    assert!(!follower.is_over());
    project.open("go");
    run.wait().ok();
    let followed = follower.wait().ok();

    assert_eq!(followed.stdout, "first\nsecond\n");
    assert_eq!(project.run(&["log", "vision"]).ok().stdout, "first\nsecond\n");
}

#[test]
fn the_end_of_a_log_is_in_the_database_for_other_machines() {
    let project = Project::with(&story());
    project.run(&["run"]).ok();
    std::fs::remove_dir_all(project.path(".wavemark/runs")).unwrap();

    assert_eq!(project.run(&["log", "vision"]).ok().stdout, "begun\ndone\n");
    project.run(&["log", "echo"]).exits(1);
}

#[test]
fn events_tell_the_story_of_an_agent() {
    let project = Project::with(&story());
    project.run(&["run"]).ok();
    project.run(&["approve", "vision"]).ok();

    insta::assert_snapshot!(project.run(&["events", "vision"]), @"
    exit 0
    <today> UTC
    hh:mm:ss  vision  started     attempt 1 on <host>
    hh:mm:ss  vision  checkpoint  doc/a.md version 1
    hh:mm:ss  vision  checkpoint  doc/a.md version 2
    hh:mm:ss  vision  succeeded   everything declared is stored
    hh:mm:ss  vision  review      #2 by wavemark
    hh:mm:ss  vision  feedback    was building
    hh:mm:ss  vision  resolved    #2 completed by ada
    hh:mm:ss  vision  approved    by #2
    hh:mm:ss  vision  complete    was feedback
    ");
}
