//! What starts when.

use std::collections::BTreeMap;

use crate::support::{Plan, Project, Traced};

/// Says when it begins and when it ends, and takes a moment between.
const WORK: &str = "note start; sleep 0.1; note end";

/// Where in the trace an agent noted this.
#[track_caller]
fn at(trace: &[Traced], agent: &str, word: &str) -> usize {
    let found = trace.iter().position(|line| line.agent == agent && line.word == word);
    found.unwrap_or_else(|| panic!("{agent} never noted {word}: {trace:?}"))
}

/// The most agents among `these` that were between start and end at once.
pub(crate) fn most_at_once(trace: &[Traced], these: impl Fn(&str) -> bool) -> usize {
    let mut now: usize = 0;
    let mut most = 0;
    for line in trace.iter().filter(|line| these(&line.agent)) {
        match line.word.as_str() {
            "start" => now += 1,
            "end" => now -= 1,
            _ => {}
        }
        most = most.max(now);
    }
    most
}

#[test]
fn needs_wave_needs_and_barriers_hold_back_exactly_who_they_are_for() {
    let plan = Plan::new()
        .wave("research", "")
        // A wave holds nothing back by itself: this one needs the next to go on.
        .agent("brief", "", "note start; gate free; note end")
        .agent("market", "", WORK)
        .wave("build", "")
        .agent("draft", "needs: [brief]", WORK)
        .agent("all", "needs: ['wave:research', draft]", WORK)
        .agent("free", "", "note start; touch \"$WAVEMARK_REPO/gates/free\"; note end")
        .wave("ship", "after: [build]")
        .agent("post", "", WORK);
    let project = Project::with(&plan);

    project.run(&["run"]).ok();

    let trace = project.trace();
    for (before, after) in [
        ("brief", "draft"),
        ("brief", "all"),
        ("market", "all"),
        ("draft", "all"),
        ("all", "post"),
        ("free", "post"),
    ] {
        assert!(at(&trace, before, "end") < at(&trace, after, "start"), "{before} {after}");
    }
    assert_eq!(project.sql("select count(*) from runs"), "6");
    assert_eq!(project.sql("select distinct status from agents"), "complete");
}

#[test]
fn a_pool_never_holds_more_than_its_cap_and_the_most_urgent_go_first() {
    let mut plan = Plan::new().setting("pools: { default: 8, gpu: 2 }");
    // Each waits for its neighbour, so two must run at once; and for the other
    // pool, so that one must not wait for this.
    for place in 0..6 {
        let script = format!(
            "note start; touch \"$WAVEMARK_REPO/gates/$WAVEMARK_AGENT\"
             for name in gpu-{} cpu-0 cpu-1 cpu-2 cpu-3; do gate $name; done
             note end",
            place ^ 1
        );
        // The names are in the order that the priorities are not.
        let fields = format!("pool: gpu, priority: {place}");
        plan = plan.agent(&format!("gpu-{place}"), &fields, &script);
    }
    for place in 0..4 {
        let script = "touch \"$WAVEMARK_REPO/gates/$WAVEMARK_AGENT\"";
        plan = plan.agent(&format!("cpu-{place}"), "", script);
    }
    let project = Project::with(&plan);

    project.run(&["run"]).ok();

    let trace = project.trace();
    assert_eq!(most_at_once(&trace, |agent| agent.starts_with("gpu")), 2);
    let claimed = project.sql(
        "select string_agg(name, ' ' order by claimed_at, priority desc)
         from runs r join agents a on a.id = agent_id where r.pool = 'gpu'",
    );
    assert_eq!(claimed, "gpu-5 gpu-4 gpu-3 gpu-2 gpu-1 gpu-0");
    assert_eq!(project.sql("select distinct status from agents"), "complete");
}

#[test]
fn jobs_limits_this_machine_and_no_other() {
    let plan = (0..4).fold(Plan::new(), |plan, place| plan.agent(&format!("a{place}"), "", WORK));
    let project = Project::with(&plan);

    project.run(&["run", "--jobs", "1"]).ok();

    assert_eq!(most_at_once(&project.trace(), |_| true), 1);
    assert_eq!(project.sql("select count(*) from agents where status = 'complete'"), "4");
}

#[test]
fn a_build_builds_its_agent_and_no_other() {
    let plan = Plan::new()
        .agent("vision", "", "note built")
        .agent("echo", "needs: [vision]", "note built")
        .agent("pixel", "", "note built");
    let project = Project::with(&plan);

    let early = project.run(&["build", "echo"]).exits(1);
    assert!(early.stderr.contains("vision"), "{early}");
    project.run(&["build", "vision"]).ok();

    let counts = project.trace().into_iter().fold(BTreeMap::new(), |mut counts, line| {
        *counts.entry(line.agent).or_insert(0) += 1;
        counts
    });
    assert_eq!(counts, BTreeMap::from([("vision".to_owned(), 1)]));
    assert_eq!(project.status("vision"), "complete");
}

#[test]
fn a_tick_starts_what_can_start_now_and_the_next_one_the_rest() {
    let plan = Plan::new().agent("vision", "", "true").agent("echo", "needs: [vision]", "true");
    let project = Project::with(&plan);

    project.run(&["tick"]).ok();
    assert_eq!(project.status("vision"), "complete");
    assert_eq!(project.outcomes("echo"), "");

    project.run(&["tick"]).ok();
    assert_eq!(project.statuses(), "echo complete, vision complete");
}
