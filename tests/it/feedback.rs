//! Feedback on one agent, and everybody else.

use std::fs;

use crate::support::{Plan, Project, wait_until};

/// Works until it is let go, storing something whenever it is asked to.
const STEADY: &str = "
if [ -e \"$WAVEMARK_DIR/checkpoints/doc/first.md\" ]; then
    note \"resumed\"
else
    emit doc/first.md one
    note begun
    gate \"$WAVEMARK_AGENT-second\"
    emit doc/second.md two
    gate \"$WAVEMARK_AGENT-never\"
fi
emit doc/last.md three";

#[test]
fn feedback_pauses_one_agent_at_its_next_checkpoint_and_delays_no_other() {
    let plan = Plan::new()
        .setting("grace: 1h")
        .agent("vision", "produces: [doc/last.md]", STEADY)
        .agent("echo", "produces: [doc/last.md]", "note begun; gate echo; emit doc/last.md done")
        .agent("after-echo", "needs: [echo]", "note built")
        .agent("after-vision", "needs: [vision]", "note built");
    let project = Project::with(&plan);
    let run = project.start(&["run", "--poll", "100ms"]);
    wait_until("both build", || {
        project.has_noted("vision", "begun") && project.has_noted("echo", "begun")
    });

    let added = project.run(&["feedback", "add", "vision", "Use fewer columns.", "--json"]).ok();
    let number = added.json()["number"].as_i64().unwrap();
    let stop = project.run_dir("vision", 1).join("stop");
    wait_until("its run is asked to stop", || stop.exists());
    assert_eq!(fs::read_to_string(stop).unwrap(), "feedback\n");
    // It goes on to its next checkpoint...
    assert_eq!(project.status("vision"), "building");
    // ...and the other goes on, and so does what needs it.
    project.open("echo");
    wait_until("what needs the other is built", || project.has_noted("after-echo", "built"));
    assert_eq!(project.status("vision"), "building");

    project.open("vision-second");
    run.wait().ok();

    assert_eq!(
        project.statuses(),
        "after-echo complete, after-vision draft, echo complete, vision feedback"
    );
    assert_eq!(project.outcomes("vision"), "paused");
    let kept = "select string_agg(t.name, ' ' order by t.name) from artifacts t
        join agents a on a.id = agent_id where a.name = 'vision'";
    assert_eq!(project.sql(kept), "first.md second.md");

    let resolve = ["feedback", "resolve", &number.to_string(), "--comment", "Three are enough."];
    project.run(&resolve).ok();
    project.run(&["run"]).ok();

    assert_eq!(project.sql("select distinct status from agents"), "complete");
    assert!(project.has_noted("vision", "resumed"));
    // Being paused is no attempt.
    assert_eq!(project.sql("select max(attempt) from runs"), "1");
    let dir = project.run_dir("vision", 2);
    let thread = fs::read_to_string(dir.join(format!("feedback/{number}.md"))).unwrap();
    for said in ["Use fewer columns.", "Three are enough.", "ada"] {
        assert!(thread.contains(said), "{thread}");
    }
    let input: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.join("input.json")).unwrap()).unwrap();
    let thread = &input["feedback"][0];
    assert_eq!(thread["number"], number);
    assert_eq!(thread["resolution"], "completed");
    assert_eq!(thread["messages"][0]["body"], "Use fewer columns.");
    assert_eq!(thread["messages"][1]["body"], "Three are enough.");
    let prompt = fs::read_to_string(dir.join("prompt.md")).unwrap();
    assert!(prompt.contains("Three are enough."), "{prompt}");
}

#[test]
fn an_agent_that_stores_nothing_more_is_paused_when_the_grace_period_is_over() {
    let plan = Plan::new().setting("grace: 1s").agent(
        "vision",
        "",
        "note begun; [ \"$WAVEMARK_EPOCH\" = 2 ] || gate never",
    );
    let project = Project::with(&plan);
    let run = project.start(&["run", "--poll", "100ms"]);
    wait_until("it builds", || project.has_noted("vision", "begun"));

    project.run(&["feedback", "add", "vision", "Stop."]).ok();
    run.wait().ok();

    assert_eq!(project.status("vision"), "feedback");
    assert_eq!(project.outcomes("vision"), "paused");
}

#[test]
fn feedback_before_the_first_run_holds_an_agent_back_until_it_is_resolved() {
    let plan = Plan::new().agent("vision", "", "true").agent("echo", "", "true");
    let project = Project::with(&plan);
    project.run(&["feedback", "add", "vision", "Not yet."]).ok();

    project.run(&["run"]).ok();
    assert_eq!(project.statuses(), "echo complete, vision feedback");
    assert_eq!(project.outcomes("vision"), "");

    project.run(&["feedback", "resolve", "1"]).ok();
    project.run(&["run"]).ok();
    assert_eq!(project.statuses(), "echo complete, vision complete");
}

#[test]
fn a_question_ends_its_run_and_the_answer_comes_with_the_next() {
    let plan = Plan::new()
        .agent(
            "echo",
            "produces: [doc/a.md]",
            "if [ -e \"$WAVEMARK_DIR/feedback/1.md\" ]; then
                 emit doc/a.md \"$(grep -c 'A plain one.' \"$WAVEMARK_DIR/feedback/1.md\")\"
             else
                 wavemark ask 'Which voice?'
             fi",
        )
        .agent("other", "", "true")
        .agent("after", "needs: [echo]", "true");
    let project = Project::with(&plan);

    project.run(&["run"]).ok();
    assert_eq!(project.statuses(), "after draft, echo feedback, other complete");
    assert_eq!(project.outcomes("echo"), "paused");
    let list = project.run(&["feedback", "list", "--json"]).ok().json();
    assert_eq!(list["feedback"][0]["kind"], "question");
    assert_eq!(list["feedback"][0]["text"], "Which voice?");

    project.run(&["feedback", "resolve", "1", "--comment", "A plain one."]).ok();
    project.run(&["run"]).ok();

    assert_eq!(project.statuses(), "after complete, echo complete, other complete");
    assert_eq!(project.run(&["show", "echo", "doc/a.md"]).ok().stdout, "1\n");
    assert_eq!(project.sql("select max(attempt) from runs"), "1");
}

#[test]
fn a_row_written_by_hand_does_what_the_command_does() {
    let plan = Plan::new()
        .agent("vision", "produces: [doc/a.md]", "emit doc/a.md \"$WAVEMARK_GENERATION\"")
        .agent("echo", "", "true");
    let project = Project::with(&plan);
    project.run(&["run"]).ok();

    // As in Supabase's table editor: the two columns of the seed, and no more.
    project.sql(
        "insert into feedback (agent_id, feedback_text)
         select id, 'Once more, please.' from agents where name = 'vision'",
    );
    project.run(&["tick"]).ok();
    assert_eq!(project.statuses(), "echo complete, vision feedback");

    project.sql("update feedback set resolved = true");
    project.run(&["run"]).ok();

    assert_eq!(project.statuses(), "echo complete, vision complete");
    assert_eq!(project.run(&["show", "vision", "doc/a.md"]).ok().stdout, "2\n");
    assert_eq!(project.outcomes("echo"), "succeeded");
    assert_eq!(project.sql("select resolution from feedback"), "completed");
}

#[test]
fn a_row_written_by_hand_pauses_a_run_too() {
    let plan = Plan::new().setting("grace: 1s").agent("vision", "produces: [doc/last.md]", STEADY);
    let project = Project::with(&plan);
    let run = project.start(&["run", "--poll", "100ms"]);
    wait_until("it builds", || project.has_noted("vision", "begun"));

    project.sql("insert into feedback (agent_id, feedback_text) select id, 'Hm.' from agents");
    run.wait().ok();
    assert_eq!(project.outcomes("vision"), "paused");

    project.sql("update feedback set resolved = true");
    project.run(&["run"]).ok();
    assert_eq!(project.status("vision"), "complete");
    let thread = fs::read_to_string(project.run_dir("vision", 2).join("feedback/1.md")).unwrap();
    assert!(thread.contains("Hm."), "{thread}");
}
