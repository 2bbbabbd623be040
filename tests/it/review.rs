//! Gates, and work that comes back.

use std::fs;

use crate::support::{Plan, Project};

#[test]
fn a_required_review_holds_dependents_and_a_parallel_one_does_not() {
    let plan = Plan::new()
        .agent("strict", "review: required", "true")
        .agent("easy", "review: parallel", "true")
        .agent("after-strict", "needs: [strict]", "true")
        .agent("after-easy", "needs: [easy]", "true")
        .wave("two", "after: [one]")
        .agent("last", "", "true");
    let project = Project::with(&plan);

    project.run(&["run"]).ok();
    assert_eq!(
        project.statuses(),
        "after-easy complete, after-strict draft, easy feedback, last draft, strict feedback"
    );

    project.run(&["approve", "strict"]).ok();
    project.run(&["run"]).ok();
    // A barrier waits for what is complete, not for what is only built.
    assert_eq!(
        project.statuses(),
        "after-easy complete, after-strict complete, easy feedback, last draft, strict complete"
    );

    project.run(&["approve", "easy", "--comment", "Nice."]).ok();
    project.run(&["run"]).ok();
    assert_eq!(project.sql("select distinct status from agents"), "complete");
    assert_eq!(project.sql("select count(*) from runs"), "5");
    project.run(&["approve", "easy"]).exits(1);
}

#[test]
fn what_is_sent_back_is_built_again_with_the_words_in_its_input() {
    let plan = Plan::new().agent(
        "vision",
        "review: required, produces: [doc/a.md]",
        "emit doc/a.md \"$(cat \"$WAVEMARK_DIR\"/feedback/*.md 2>&1 | grep -c shorter)\"",
    );
    let project = Project::with(&plan);
    project.run(&["run"]).ok();
    assert_eq!(project.run(&["show", "vision", "doc/a.md"]).ok().stdout, "0\n");

    project.run(&["send-back", "vision", "Make it shorter."]).ok();
    project.run(&["run"]).ok();

    assert_eq!(project.run(&["show", "vision", "doc/a.md"]).ok().stdout, "1\n");
    assert_eq!(project.run(&["show", "vision", "doc/a.md", "--version", "1"]).ok().stdout, "0\n");
    assert_eq!(project.status("vision"), "feedback");
    // What it made before is there to be improved.
    let before = project.run_dir("vision", 2).join("checkpoints/doc/a.md");
    assert_eq!(fs::read_to_string(before).unwrap(), "0\n");
    assert_eq!(
        project.sql("select count(*) from feedback where kind = 'review' and not resolved"),
        "1"
    );

    project.run(&["approve", "vision"]).ok();
    project.run(&["run"]).ok();
    assert_eq!(project.status("vision"), "complete");
    project.agrees_with_git();
}

#[test]
fn work_for_a_person_is_handed_in() {
    let plan = Plan::new()
        .entry("brief", "run: { manual: {} }, prompt: Write it., produces: [doc/brief.md]")
        .agent(
            "vision",
            "needs: [brief], produces: [doc/a.md]",
            "emit doc/a.md \"about $(cat \"$WAVEMARK_DIR/deps/brief/doc/brief.md\")\"",
        );
    let project = Project::with(&plan);
    project.run(&["run"]).ok();
    assert_eq!(project.statuses(), "brief feedback, vision draft");

    let early = project.run(&["finish", "--agent", "brief"]).exits(1);
    assert!(early.stderr.contains("still missing"), "{early}");
    fs::write(project.path("brief.md"), "sheets").unwrap();
    project.run(&["checkpoint", "--agent", "brief", "doc", "brief.md", "brief.md"]).ok();
    project.run(&["finish", "--agent", "brief"]).ok();
    assert_eq!(project.status("brief"), "complete");

    project.run(&["run"]).ok();
    assert_eq!(project.status("vision"), "complete");
    assert_eq!(project.run(&["show", "vision", "doc/a.md"]).ok().stdout, "about sheets\n");
    assert_eq!(project.sql("select count(*) from runs"), "1");
    project.agrees_with_git();
}

#[test]
fn an_agent_and_an_artifact_inserted_by_hand_work_as_well() {
    let project = Project::with(&Plan::new().agent("vision", "", "true"));
    // The columns of the seed, and no more.
    project.sql(
        "insert into agents (name, status, dependencies)
             select 'extra', 'draft', array[id] from agents;
         insert into artifacts (agent_id, artifact_type, content)
             select id, 'doc', 'by hand' from agents where name = 'extra'",
    );

    project.run(&["run"]).ok();
    project.run(&["sync"]).ok();

    assert_eq!(project.statuses(), "extra feedback, vision complete");
    project.run(&["finish", "--agent", "extra"]).ok();
    assert_eq!(project.status("extra"), "complete");
}
