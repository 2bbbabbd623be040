//! What a process leaves that was killed with SIGKILL.

use std::{collections::BTreeSet, fs, time::Duration};

use crate::support::{Plan, Project, wait_until};

/// A chain of checkpoints, each made once: what was stored is not made again.
const STEPS: &str = "
for step in 1 2 3 4; do
    if [ -e \"$WAVEMARK_DIR/checkpoints/doc/step-$step.md\" ]; then continue; fi
    note \"step-$step\"
    sleep 0.1
    emit doc/step-$step.md \"$WAVEMARK_AGENT $step\"
done";

fn steps() -> Plan {
    let produces = "produces: [doc/step-1.md, doc/step-2.md, doc/step-3.md, doc/step-4.md]";
    Plan::new()
        .setting("lease: 1s")
        .setting("pools: { default: 3 }")
        .agent("a", produces, STEPS)
        .agent("b", produces, STEPS)
        .agent("c", produces, STEPS)
        .agent("d", &format!("needs: [a], {produces}"), STEPS)
        .agent("e", &format!("needs: [b, c], {produces}"), STEPS)
}

/// The ids of the processes that belong to one of these runs.
fn processes_of(runs: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path();
        // It may be gone by now.
        let Ok(environ) = fs::read(path.join("environ")) else { continue };
        let ours = environ.split(|byte| *byte == 0).any(|variable| {
            let variable = String::from_utf8_lossy(variable);
            variable.strip_prefix("WAVEMARK_RUN=").is_some_and(|run| runs.contains(run))
        });
        if ours {
            found.push(path.display().to_string());
        }
    }
    found
}

fn runs(project: &Project, which: &str) -> BTreeSet<String> {
    let ids = project.sql(&format!("select id from runs where {which}"));
    ids.lines().map(ToOwned::to_owned).collect()
}

#[test]
fn a_killed_run_is_finished_by_the_next_from_the_last_checkpoints() {
    // Different moments, from before anything was stored to the middle.
    for stored in [0, 1, 3, 6] {
        let project = Project::with(&steps());
        let run = project.start(&["run"]);
        wait_until("some checkpoints are stored", || {
            let now: usize = project.sql("select count(*) from artifacts").parse().unwrap();
            let live = project.sql("select count(*) from runs where finished_at is null");
            now >= stored && live != "0"
        });
        run.kill();
        let dead = runs(&project, "true");

        project.run(&["run"]).ok();

        assert_eq!(project.sql("select distinct status from agents"), "complete", "{stored}");
        let left = processes_of(&dead);
        assert!(left.is_empty(), "of the dead run: {left:?}");
        // Each step was stored once, and no two runs of an agent overlapped.
        assert_eq!(project.sql("select count(*), max(version) from artifacts"), "20|1");
        assert_eq!(
            project.sql(
                "select count(*) from runs r join runs o on o.agent_id = r.agent_id
                 and o.epoch > r.epoch and o.claimed_at < r.finished_at"
            ),
            "0"
        );
        let trace = project.trace();
        for line in &trace {
            let later = trace.iter().filter(|other| other.agent == line.agent);
            let epochs: Vec<i32> = later.map(|other| other.epoch).collect();
            assert!(epochs.is_sorted(), "{}: two runs at once: {trace:?}", line.agent);
        }
        project.agrees_with_git();
    }
}

#[test]
fn what_was_stored_before_the_kill_lies_in_the_next_runs_checkpoints() {
    let plan = Plan::new().setting("lease: 1s").agent(
        "reel",
        "produces: [doc/a.md, doc/b.md]",
        "emit doc/a.md \"by run $WAVEMARK_EPOCH\"
         [ \"$WAVEMARK_EPOCH\" = 2 ] || gate never
         note \"found: $(cat \"$WAVEMARK_DIR/checkpoints/doc/a.md\")\"
         emit doc/b.md two",
    );
    let project = Project::with(&plan);
    let run = project.start(&["run"]);
    wait_until("the checkpoint is stored", || project.sql("select count(*) from artifacts") == "1");
    let agents = runs(&project, "true");
    run.kill();
    assert!(!processes_of(&agents).is_empty(), "the agent outlives its supervisor");

    project.run(&["run"]).ok();

    assert!(project.has_noted("reel", "found: by run 1"), "{:?}", project.trace());
    assert_eq!(project.outcomes("reel"), "lost, succeeded");
    assert_eq!(
        project.sql("select string_agg(attempt::text, ',' order by epoch) from runs"),
        "1,2"
    );
    assert!(processes_of(&agents).is_empty());
    let input = project.run_dir("reel", 2).join("input.json");
    let input: serde_json::Value = serde_json::from_slice(&fs::read(input).unwrap()).unwrap();
    assert_eq!(input["checkpoints"][0]["key"], "doc/a.md");
    project.agrees_with_git();
}

#[test]
fn killed_again_and_again_it_gets_there() {
    let project = Project::with(&steps().setting("infra_retries: 100").setting("backoff_cap: 1s"));
    let mut rounds: u64 = 0;
    loop {
        let mut run = project.start(&["run"]);
        // A different moment each time; where it falls does not matter.
        std::thread::sleep(Duration::from_millis(150 + 170 * rounds));
        let over = run.is_over();
        if over {
            run.wait().ok();
            break;
        }
        run.kill();
        rounds += 1;
        assert!(rounds < 40, "it makes no progress: {}", project.statuses());
    }

    assert!(rounds > 0);
    assert_eq!(project.sql("select distinct status from agents"), "complete");
    assert_eq!(project.sql("select count(*) from runs where finished_at is null"), "0");
    assert_eq!(project.sql("select count(*), max(version) from artifacts"), "20|1");
    assert!(processes_of(&runs(&project, "true")).is_empty());
    project.agrees_with_git();
}

#[test]
fn what_run_acknowledged_survives_a_kill_of_postgres() {
    let plan = (0..12).fold(Plan::new(), |plan, place| {
        plan.agent(&format!("a{place}"), "produces: [doc/a.md]", "emit doc/a.md $WAVEMARK_AGENT")
    });
    let project = Project::on_its_own(&plan);

    project.run(&["run"]).ok();
    let pid = fs::read_to_string(project.path(".wavemark/postgres/data/postmaster.pid")).unwrap();
    let pid: i32 = pid.lines().next().unwrap().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();

    let status = project.run(&["status", "--json"]).ok().json();
    let agents = status["waves"][0]["agents"].as_array().unwrap();
    assert_eq!(agents.len(), 12);
    assert!(agents.iter().all(|agent| agent["status"] == "complete"), "{status}");
    project.agrees_with_git();
    assert_eq!(project.sql("select count(*) from runs where outcome = 'succeeded'"), "12");
}

#[test]
fn a_private_postgres_is_left_running_and_stopped_when_asked() {
    let project = Project::on_its_own(&Plan::new().agent("vision", "", "true"));
    let url = project.run(&["db", "url"]).ok().stdout;
    assert!(url.starts_with("postgres://") && url.contains("host=/"), "{url}");
    project.run(&["run"]).ok();
    let ignored = project.read(".wavemark/.gitignore");
    assert_eq!(ignored.trim(), "*");
    let psql = project.run(&["db", "psql", "-Atc", "select name from agents"]).ok();
    assert_eq!(psql.stdout.trim(), "vision");

    assert_eq!(project.run(&["db", "stop"]).ok().stdout, "stopped\n");
    assert_eq!(project.run(&["db", "stop"]).ok().stdout, "was not running\n");

    let status = project.run(&["status"]).ok();
    assert!(status.stdout.contains("complete"), "{status}");
}

#[test]
fn a_run_whose_machine_vanished_is_taken_over_and_its_late_end_does_not_count() {
    let plan = Plan::new().setting("lease: 1h").agent(
        "reel",
        "produces: [doc/a.md]",
        "note begun
         gate \"go-$WAVEMARK_EPOCH\"
         emit doc/a.md \"by run $WAVEMARK_EPOCH\"",
    );
    let project = Project::with(&plan);
    let slow = project.start(&["run"]);
    wait_until("it is being built", || project.has_noted("reel", "begun"));
    // As everybody else sees it when its machine cannot be reached.
    // Not amid a transaction: the others would wait for it, as they would for
    // a machine that is slow.
    wait_until("it is frozen between two transactions", || {
        slow.signal(rustix::process::Signal::STOP);
        let between = project.sql(
            "select count(*) = 0 from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'",
        ) == "t";
        if !between {
            slow.signal(rustix::process::Signal::CONT);
        }
        between
    });
    project.sql("update runs set lease_until = now() - interval '1 second'");
    project.open("go-2");
    project.run(&["run"]).ok();
    assert_eq!(project.outcomes("reel"), "lost, succeeded");

    slow.signal(rustix::process::Signal::CONT);
    project.open("go-1");
    slow.wait();

    assert_eq!(project.outcomes("reel"), "lost, succeeded");
    assert_eq!(project.sql("select content from artifacts"), "by run 2\n");
    project.agrees_with_git();
}
