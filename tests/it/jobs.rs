//! Agents on machines that come and go: a tick that starts nothing itself, a
//! build with a budget, a job that is cancelled, and the tick that comes next.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::support::{
    Plan, Project, Running,
    github::{Fault, GitHub, Hit},
    wait_until,
};

/// Stores one thing and then works on for longer than anybody waits; the next
/// run finds it and is done.
const SLOW: &str = "
if [ -e \"$WAVEMARK_DIR/checkpoints/doc/a.md\" ]; then
    emit doc/b.md two
    exit 0
fi
trap 'note told; exit 1' TERM INT
emit doc/a.md one
note waiting
while :; do sleep 0.05; done";

/// The same, and deaf to every signal that can be ignored.
const DEAF: &str = "
if [ -e \"$WAVEMARK_DIR/checkpoints/doc/a.md\" ]; then
    emit doc/b.md two
    exit 0
fi
trap 'note heard' INT
trap '' TERM
setsid sh -c 'trap \"\" TERM INT; while :; do sleep 0.05; done' &
emit doc/a.md one
note waiting
while :; do sleep 0.05 || :; done";

fn slow(script: &str) -> Plan {
    Plan::new().agent("reel", "produces: [doc/a.md, doc/b.md], retries: 0", script)
}

/// A project whose repo on GitHub has the workflow `tick.yml`.
fn on_github(plan: &Plan, github: &GitHub) -> Project {
    let mut project = Project::unsynced(plan);
    project.env("GITHUB_API_URL", &github.url());
    project.env("GITHUB_REPOSITORY", GitHub::REPO);
    project.env("GITHUB_TOKEN", &github.actions_token());
    project.env("WAVEMARK_GITHUB_PAUSE", "0s");
    github.add_workflow("tick.yml", Some(&[]));
    project.run(&["sync"]).ok();
    project
}

fn dispatched(github: &GitHub) -> Vec<String> {
    github.dispatches().into_iter().map(|dispatch| dispatch.what).collect()
}

#[test]
fn a_tick_for_elsewhere_names_what_can_start_and_starts_nothing() {
    let plan = Plan::new()
        .setting("pools: { default: 2, few: 1 }")
        .agent("low", "priority: -1", "true")
        .agent("high", "priority: 5", "true")
        .agent("mid", "", "true")
        .agent("few-a", "pool: few", "true")
        .agent("few-b", "pool: few", "true")
        .agent("later", "needs: [mid]", "true")
        .entry("person", "run: { manual: {} }, produces: [doc/b.md]");
    let project = Project::with(&plan);

    let tick = project.run(&["tick", "--elsewhere"]).ok();

    assert_eq!(tick.stdout, "[\"high\",\"few-a\",\"mid\"]\n");
    assert_eq!(
        project.statuses(),
        "few-a ready, few-b ready, high ready, later draft, low ready, mid ready, person feedback"
    );
    assert_eq!(project.sql("select count(*) from runs"), "0");
    // Nobody came: nothing is stuck.
    assert_eq!(project.run(&["tick", "--elsewhere"]).ok().stdout, tick.stdout);

    for agent in ["high", "few-a", "mid"] {
        project.run(&["build", agent, "--if-ready"]).ok();
    }
    let tick = project.run(&["tick", "--elsewhere"]).ok();
    assert_eq!(tick.stdout, "[\"few-b\",\"later\",\"low\"]\n");
}

#[test]
fn a_matrix_has_at_most_256_jobs() {
    let mut plan = Plan::new().setting("pools: { default: 290 }").program("work", "true");
    for number in 0..300 {
        plan = plan.entry(&format!("a{number:03}"), "run: { exec: [sh/work] }");
    }
    let project = Project::with(&plan);

    let tick = project.run(&["tick", "--elsewhere"]).ok();

    let named: Vec<String> = serde_json::from_str(&tick.stdout).unwrap();
    assert_eq!(named.len(), 256);
    assert_eq!((named[0].as_str(), named[255].as_str()), ("a000", "a255"));
    assert!(tick.stderr.contains("290 agents can start"), "{tick}");
    assert_eq!(project.sql("select count(*) from agents where status = 'ready'"), "300");
}

#[test]
fn what_can_start_is_named_whatever_else_went_wrong() {
    let github = GitHub::start();
    let project = on_github(&Plan::new().agent("echo", "", "true"), &github);
    github.disturb("*", Hit::From(1), Fault::Dropped);

    let tick = project.run(&["tick", "--elsewhere"]).exits(1);

    assert_eq!(tick.stdout, "[\"echo\"]\n");
    assert!(tick.stderr.contains("GitHub"), "{tick}");
}

#[test]
fn what_is_wrong_with_github_stops_nothing_else() {
    let plan = Plan::new().agent("echo", "produces: [doc/a.md]", "emit doc/a.md done");
    for (name, value) in [
        ("GITHUB_API_URL", "nonsense"),
        ("GITHUB_REPOSITORY", "no/such/thing"),
        ("WAVEMARK_GITHUB_WRITES", "many"),
        ("WAVEMARK_APP_KEY", "no key"),
    ] {
        let mut project = Project::with(&plan);
        project.env("GITHUB_REPOSITORY", GitHub::REPO);
        project.env("GITHUB_TOKEN", "ghs_any");
        project.env("WAVEMARK_APP_ID", if name == "WAVEMARK_APP_KEY" { "7" } else { "" });
        project.env(name, value);

        let tick = project.run(&["tick"]).exits(1);

        assert!(tick.stderr.contains(name), "{tick}");
        assert_eq!(project.statuses(), "echo complete");
        project.agrees_with_git();
    }
}

#[test]
fn a_budget_interrupts_what_goes_on_from_its_checkpoints() {
    let project = Project::with(&slow(SLOW));

    let began = Instant::now();
    let build = project.run(&["build", "reel", "--budget", "20s"]).ok();

    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(build.stdout, "reel: interrupted\n");
    assert!(build.stderr.contains("the budget is used up"), "{build}");
    assert!(project.has_noted("reel", "told"), "it was not ended gracefully");
    assert_eq!(project.statuses(), "reel ready");
    project.agrees_with_git();

    // It had no retries, and needs none.
    project.run(&["build", "reel", "--budget", "60s"]).ok();
    assert_eq!(project.statuses(), "reel complete");
    assert_eq!(project.outcomes("reel"), "interrupted, succeeded");
}

#[test]
fn an_agent_knows_when_its_budget_ends() {
    let plan = Plan::new().agent("echo", "timeout: 1h", "note \"$WAVEMARK_DEADLINE\"");
    for (budget, most) in [("10m", "interval '9 min 1 s'"), ("30h", "interval '1 h 1 s'")] {
        let project = Project::with(&plan);
        project.run(&["build", "echo", "--budget", budget]).ok();
        let deadline = &project.trace()[0].word;
        let close = format!(
            "select '{deadline}'::timestamptz between claimed_at + {most} - interval '1 min'
                 and claimed_at + {most} from runs"
        );
        assert_eq!(project.sql(&close), "t", "{deadline}");
    }
}

#[test]
fn a_budget_that_is_too_small_starts_nothing() {
    let project = Project::with(&slow(SLOW));

    let build = project.run(&["build", "reel", "--budget", "1ms"]).ok();

    assert!(build.stderr.contains("the budget is used up"), "{build}");
    assert_eq!(project.sql("select count(*) from runs"), "0");
    project.run(&["tick", "--budget", "1ms"]).ok();
    project.run(&["run", "--budget", "1ms"]).ok();
    assert_eq!(project.sql("select count(*) from runs"), "0");
    assert_eq!(project.statuses(), "reel ready");
}

#[test]
fn run_and_tick_end_with_their_budget() {
    for command in [["run"].as_slice(), &["run", "--watch"], &["tick"]] {
        let project = Project::with(&slow(SLOW));
        let args = [command, &["--budget", "20s"]].concat();

        let output = project.run(&args).ok();

        assert!(output.stderr.contains("the budget is used up"), "{output}");
        assert_eq!(project.outcomes("reel"), "interrupted", "{command:?}");
        assert_eq!(project.statuses(), "reel ready");
    }
}

#[test]
fn a_build_tries_again_within_its_budget() {
    let script = "[ \"$WAVEMARK_ATTEMPT\" = 3 ] || exit 1";
    let plan = Plan::new().agent("flaky", "retries: 5", script);
    let project = Project::with(&plan);

    project.run(&["build", "flaky"]).exits(1);
    assert_eq!(project.outcomes("flaky"), "failed");

    project.run(&["build", "flaky", "--budget", "10m", "--if-ready"]).ok();
    // The first retry may not have been due yet.
    wait_until("the retry is due", || {
        project.run(&["build", "flaky", "--budget", "10m", "--if-ready"]).ok();
        project.status("flaky") == "complete"
    });
    assert_eq!(project.outcomes("flaky"), "failed, failed, succeeded");
}

#[test]
fn a_budget_does_not_wait_for_people() {
    let plan = Plan::new().agent("wrong", "retries: 1", "exit 1");
    let project = Project::with(&plan);

    let build = project.run(&["build", "wrong", "--budget", "10m"]).exits(1);

    assert!(build.stderr.contains("was not built: failed"), "{build}");
    assert_eq!(project.outcomes("wrong"), "failed, failed");
    assert_eq!(project.statuses(), "wrong feedback");
}

#[test]
fn an_agent_that_cannot_be_built_now_is_left_alone_if_that_is_asked() {
    let plan = Plan::new()
        .setting("pools: { default: 1, other: 8 }")
        .agent("a", "pool: other", "gate never")
        .agent("b", "priority: 1", "gate never")
        .agent("c", "", "true")
        .agent("needs-a", "needs: [a]", "true")
        .agent("asks", "pool: other", "wavemark ask 'Which?'")
        .agent("held", "pool: other", "true")
        .agent("done", "pool: other", "true")
        .agent("gone", "pool: other", "true");
    let project = Project::with(&plan);
    project.run(&["pause", "held"]).ok();
    project.run(&["build", "asks"]).ok();
    project.run(&["build", "done"]).ok();
    project.sql("update agents set retired_at = now() where name = 'gone'");
    let _builds: Vec<Running> = ["a", "b"].map(|agent| project.start(&["build", agent])).into();
    wait_until("both are built", || {
        project.sql("select count(*) from runs where finished_at is null") == "2"
    });

    let mut said = String::new();
    for agent in ["a", "c", "needs-a", "asks", "held", "done", "gone"] {
        said += &project.run(&["build", agent, "--if-ready", "--budget", "10m"]).ok().stdout;
    }
    insta::assert_snapshot!(said, @"
    a is being built elsewhere: running
    c cannot be built now: waits for room in pool default (cap 1)
    needs-a cannot be built now: waits for a
    asks cannot be built now: waits for a person: question #1
    held cannot be built now: paused by an operator
    done is complete
    gone is not in the plan any more
    ");
    assert_eq!(project.sql("select count(*) from runs"), "4");
    for agent in ["c", "needs-a", "asks", "held", "gone"] {
        project.run(&["build", agent]).exits(1);
    }
    project.run(&["build", "no-such-agent", "--if-ready"]).exits(1);
}

/// What GitHub does to a step that is cancelled: SIGINT to its first process,
/// 7.5 s, SIGTERM, 2.5 s, SIGKILL.
fn cancel(mut build: Running) -> Running {
    let began = Instant::now();
    let steps = [(0, Signal::INT), (7_500, Signal::TERM), (10_000, Signal::KILL)];
    for (at, signal) in steps {
        // GitHub goes by the clock, too.
        while began.elapsed() < Duration::from_millis(at) {
            if build.is_over() {
                return build;
            }
            sleep(Duration::from_millis(10));
        }
        build.signal(signal);
    }
    build
}

fn cancelled(in_actions: bool) {
    let mut project = Project::with(&slow(DEAF));
    if in_actions {
        project.env("GITHUB_ACTIONS", "true");
    }
    let build = project.start(&["build", "reel", "--if-ready", "--budget", "335m"]);
    wait_until("the checkpoint is stored", || project.sql("select count(*) from artifacts") == "1");

    let build = cancel(build).wait().exits(1);

    assert!(build.stderr.contains("interrupted"), "{build}");
    assert!(project.has_noted("reel", "heard"), "it was not asked first");
    assert_eq!(project.outcomes("reel"), "interrupted");
    assert_eq!(project.statuses(), "reel ready");
    assert_eq!(project.alive(), 0);
    project.agrees_with_git();

    project.run(&["build", "reel", "--if-ready"]).ok();
    assert_eq!(project.statuses(), "reel complete");
    assert_eq!(project.outcomes("reel"), "interrupted, succeeded");
}

#[test]
fn a_cancelled_job_stores_what_it_has_before_it_is_killed() {
    cancelled(true);
}

#[test]
fn so_does_a_program_that_is_told_a_second_time() {
    cancelled(false);
}

#[test]
fn the_next_tick_is_dispatched_when_a_build_lets_others_start() {
    let github = GitHub::start();
    let plan = Plan::new()
        .agent("first", "", "true")
        .agent("second", "needs: [first]", "true")
        .agent("third", "needs: [second]", "true");
    let project = on_github(&plan, &github);

    for (agent, count) in [("third", 0), ("first", 1), ("first", 1), ("second", 2), ("third", 2)] {
        project.run(&["build", agent, "--if-ready", "--next", "tick.yml"]).ok();
        assert_eq!(dispatched(&github).len(), count, "{agent}");
    }
    assert_eq!(dispatched(&github), ["tick.yml", "tick.yml"]);
}

#[test]
fn the_next_tick_is_dispatched_for_what_people_are_to_be_told() {
    let github = GitHub::start();
    let project = on_github(&Plan::new().agent("asks", "", "wavemark ask 'Which?'"), &github);

    let build = project.run(&["build", "asks", "--next", ".github/workflows/tick.yml"]).ok();

    assert!(build.stderr.contains("started tick.yml: something is to be told"), "{build}");
    assert_eq!(dispatched(&github), ["tick.yml"]);
    project.run(&["tick"]).ok();
    assert_eq!(github.issues().len(), 1);
    project.run(&["sync", "--next", "tick.yml"]).ok();
    assert_eq!(dispatched(&github).len(), 1);
}

#[test]
fn a_sync_that_lets_something_start_dispatches_the_next_tick() {
    let github = GitHub::start();
    let project = on_github(&Plan::new().agent("echo", "", "true"), &github);

    project.run(&["sync", "--next", "tick.yml"]).ok();
    assert_eq!(dispatched(&github).len(), 1);

    project.run(&["run"]).ok();
    project.run(&["sync", "--next", "tick.yml"]).ok();
    assert_eq!(dispatched(&github).len(), 1);
}

#[test]
fn an_interrupted_build_goes_on_with_the_next_tick_and_a_cancelled_one_asks_for_none() {
    let github = GitHub::start();
    let project = on_github(&slow(SLOW), &github);
    project.run(&["build", "reel", "--budget", "10s", "--next", "tick.yml"]).ok();
    assert_eq!(dispatched(&github).len(), 1);

    let project = on_github(&slow(SLOW), &github);
    let build = project.start(&["build", "reel", "--next", "tick.yml"]);
    wait_until("it works", || project.has_noted("reel", "waiting"));
    build.signal(Signal::INT);
    build.wait().exits(1);
    assert_eq!(dispatched(&github).len(), 1);
}

#[test]
fn a_tick_that_cannot_be_dispatched_is_said_and_fails_nothing() {
    let github = GitHub::start();
    let plan = Plan::new().agent("first", "", "true").agent("second", "needs: [first]", "true");
    let mut project = on_github(&plan, &github);

    let build = project.run(&["build", "first", "--next", "other.yml"]).ok();
    assert!(build.stderr.contains("warning: cannot start other.yml"), "{build}");
    assert!(build.stderr.contains("there is no workflow other.yml in acme/waves"), "{build}");

    project.env("GITHUB_TOKEN", "");
    let sync = project.run(&["sync", "--next", "tick.yml"]).ok();
    assert!(sync.stderr.contains("GITHUB_TOKEN"), "{sync}");
    assert_eq!(dispatched(&github).len(), 0);
}

/// How the last tick in Actions is dated back by so much.
fn pass(project: &Project, time: &str) {
    project.sql(&format!(
        "update wavemark.ticks set began_at = began_at - interval '{time}',
             ended_at = ended_at - interval '{time}' where event <> 'terminal'"
    ));
}

#[test]
fn a_clock_that_forgets_a_tick_is_found_out() {
    let plan = Plan::new().setting("tick_every: 4h").agent("echo", "", "true");
    let mut project = Project::with(&plan);
    project.run(&["tick"]).ok();
    let quiet = |output: &str| !output.contains("late");
    assert!(quiet(&project.run(&["status"]).ok().stdout));
    assert_eq!(project.sql("select event, outcome from wavemark.ticks"), "terminal|done");

    for (name, value) in [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_EVENT_NAME", "schedule"),
        ("GITHUB_SERVER_URL", "https://github.example"),
        ("GITHUB_REPOSITORY", GitHub::REPO),
        ("GITHUB_RUN_ID", "7"),
    ] {
        project.env(name, value);
    }
    project.run(&["tick"]).ok();
    // What builds one agent is no tick.
    project.run(&["build", "echo"]).ok();
    assert_eq!(
        project.sql("select place, outcome from wavemark.ticks where event = 'schedule'"),
        "https://github.example/acme/waves/actions/runs/7|done"
    );
    assert!(quiet(&project.run(&["status"]).ok().stdout));

    pass(&project, "13 hours");
    let late = "the last tick in GitHub Actions was 13h ago: 9h late";
    let status = project.run(&["status"]).ok();
    assert!(status.stdout.replace('\n', " ").contains(late), "{status}");
    assert_eq!(
        project.run(&["status", "--json"]).ok().json()["late"]["late_seconds"].as_f64().unwrap()
            as u64
            / 3600,
        9
    );
    project.env("GITHUB_EVENT_NAME", "");
    let run = project.run(&["run"]).ok();
    assert!(run.stdout.replace('\n', " ").contains(late), "{run}");
    let tick = project.run(&["tick"]).ok();
    assert!(
        tick.stderr.contains(&format!("{late}; see whether the workflow is enabled")),
        "{tick}"
    );
    project.env("GITHUB_EVENT_NAME", "issues");
    let tick = project.run(&["tick"]).ok();
    assert!(tick.stderr.contains(&format!("{late}; this one catches up")), "{tick}");
    assert!(quiet(&project.run(&["tick"]).ok().stderr));
    assert!(quiet(&project.run(&["status"]).ok().stdout));
}

#[test]
fn a_tick_that_could_not_do_all_says_so_in_the_record() {
    let github = GitHub::start();
    let mut project = on_github(&Plan::new().agent("echo", "", "true"), &github);
    project.env("GITHUB_REPOSITORY", "acme/elsewhere");

    project.run(&["tick"]).exits(1);

    assert_eq!(project.sql("select event, outcome from wavemark.ticks"), "terminal|failed");
    assert!(project.sql("select detail from wavemark.ticks").contains("acme/elsewhere"));
}

#[test]
fn an_agent_of_a_cancelled_step_has_less_time_than_others() {
    let mut project = Project::with(&slow(DEAF));
    project.env("GITHUB_ACTIONS", "true");
    let build = project.start(&["build", "reel"]);
    wait_until("it works", || project.has_noted("reel", "waiting"));

    let began = Instant::now();
    build.signal(Signal::INT);
    build.wait().exits(1);

    // 4 s and 3 s; elsewhere it would be 10 s and 10 s.
    let took = began.elapsed();
    assert!((7..17).contains(&took.as_secs()), "{took:?}");
    assert_eq!(project.outcomes("reel"), "interrupted");
}
