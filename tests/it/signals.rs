//! Ctrl-C, and what a service manager sends.

use rustix::process::Signal;

use crate::support::{Plan, Project, wait_until};

/// Stores one thing, waits, and leaves when it is told to.
const POLITE: &str = "
if [ -e \"$WAVEMARK_DIR/checkpoints/doc/a.md\" ]; then
    note resumed
    emit doc/b.md two
    exit 0
fi
trap 'note told; exit 1' TERM INT
emit doc/a.md one
note waiting
while :; do sleep 0.05; done";

fn interrupt_with(signal: Signal) {
    let plan = Plan::new().agent("reel", "produces: [doc/a.md, doc/b.md]", POLITE).agent(
        "later",
        "needs: [reel]",
        "true",
    );
    let project = Project::with(&plan);
    let run = project.start(&["run"]);
    wait_until("the checkpoint is stored", || project.sql("select count(*) from artifacts") == "1");

    run.signal(signal);
    let run = run.wait().exits(1);

    assert!(run.stderr.contains("interrupted"), "{run}");
    assert!(project.has_noted("reel", "told"), "it was not ended gracefully");
    assert_eq!(project.statuses(), "later draft, reel ready");
    assert_eq!(project.outcomes("reel"), "interrupted");
    project.agrees_with_git();

    project.run(&["run"]).ok();

    assert!(project.has_noted("reel", "resumed"));
    assert_eq!(project.statuses(), "later complete, reel complete");
    // The interrupted one does not count as an attempt.
    assert_eq!(
        project.sql(
            "select string_agg(attempt::text, ',' order by epoch) from runs
        where agent_id = (select id from agents where name = 'reel')"
        ),
        "1,1"
    );
}

#[test]
fn ctrl_c_ends_agents_gracefully_and_counts_no_attempt() {
    interrupt_with(Signal::INT);
}

#[test]
fn sigterm_does_as_ctrl_c_does() {
    interrupt_with(Signal::TERM);
}

#[test]
fn a_watching_run_picks_up_what_comes_later_and_ends_when_told() {
    let plan = Plan::new().agent("vision", "review: required", "true").agent(
        "echo",
        "needs: [vision]",
        "true",
    );
    let project = Project::with(&plan);
    let run = project.start(&["run", "--watch", "--poll", "100ms"]);
    wait_until("the review is asked for", || project.status("vision") == "feedback");

    project.run(&["approve", "vision"]).ok();
    wait_until("what needs it is built", || project.status("echo") == "complete");

    run.signal(Signal::INT);
    run.wait().exits(1);
}

#[test]
fn an_agent_that_does_not_listen_is_killed_with_all_that_it_started() {
    // A child in a session of its own outlives a signal to the group.
    let plan = Plan::new().agent(
        "stubborn",
        "timeout: 1s, retries: 0",
        "trap '' TERM INT
         setsid sh -c 'trap \"\" TERM INT; while :; do sleep 0.05; done' &
         note begun
         while :; do sleep 0.05; done",
    );
    let project = Project::with(&plan);

    project.run(&["run"]).ok();

    assert_eq!(project.outcomes("stubborn"), "timed_out");
    let run = project.sql("select id from runs");
    let mark = format!("WAVEMARK_RUN={run}");
    let alive = std::fs::read_dir("/proc").unwrap().filter(|entry| {
        let environ = entry.as_ref().unwrap().path().join("environ");
        std::fs::read(environ).is_ok_and(|text| {
            text.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
        })
    });
    assert_eq!(alive.count(), 0);
}
