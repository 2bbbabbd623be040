//! What people read, as they read it.

use std::fs;

use crate::support::{Plan, Project};

/// Two agents: one builds on the other.
fn duo() -> Plan {
    Plan::new()
        .wave("foundation", "title: Phase 1")
        .agent("vision", "title: The sheet, produces: [doc/a.md]", "emit doc/a.md hello")
        .agent("echo", "needs: [vision]", "exit 78")
}

#[test]
fn check_reports_everything_that_is_wrong_at_once() {
    let project = Project::unsynced(&Plan::new());
    fs::write(
        project.path("waves/one.yaml"),
        "wave: one\n\
         agents:\n\
        \x20 vision:\n\
        \x20   needs: [ecko]\n\
        \x20   tiemout: 5m\n\
        \x20   run: { exec: [/bin/true] }\n\
        \x20   produces: [doc/../../etc/passwd]\n\
        \x20 echo: { needs: [pixel], run: { exec: [/bin/true] } }\n\
        \x20 pixel: { needs: [echo], run: { exec: [sh/nowhere] } }\n",
    )
    .unwrap();

    insta::assert_snapshot!(project.run(&["check"]), @"
    exit 3
    error: there is no agent `ecko`
     --> waves/one.yaml:4:13
      |
    4 |     needs: [ecko]
      |             ^^^^
      |
      = hint: did you mean `echo`?

    error: `tiemout` is not a field of agent `vision`
     --> waves/one.yaml:5:5
      |
    5 |     tiemout: 5m
      |     ^^^^^^^
      |
      = hint: did you mean `timeout`?

    error: `doc/../../etc/passwd` is not an artifact: write `<type>/<name>`, such as `doc/summary.md`
     --> waves/one.yaml:7:16
      |
    7 |     produces: [doc/../../etc/passwd]
      |                ^^^^^^^^^^^^^^^^^^^^

    error: these can never start, each waits for the next: echo -> pixel -> echo
     --> waves/one.yaml:8:19
      |
    8 |   echo: { needs: [pixel], run: { exec: [/bin/true] } }
      |                   ^^^^^
      |
     ::: waves/one.yaml:9:20
      |
    9 |   pixel: { needs: [echo], run: { exec: [sh/nowhere] } }
      |                    ---- and this
      |
      = hint: drop one of these needs

    error: there is no program `sh/nowhere`
     --> waves/one.yaml:9:41
      |
    9 |   pixel: { needs: [echo], run: { exec: [sh/nowhere] } }
      |                                         ^^^^^^^^^^
      |
      = hint: a program with a slash is looked for from the repo's root

    5 errors
    ");
    insta::assert_snapshot!(project.run(&["check", "--format", "lines"]), @"
    exit 3
    waves/one.yaml:4:13: error: there is no agent `ecko` (did you mean `echo`?)
    waves/one.yaml:5:5: error: `tiemout` is not a field of agent `vision` (did you mean `timeout`?)
    waves/one.yaml:7:16: error: `doc/../../etc/passwd` is not an artifact: write `<type>/<name>`, such as `doc/summary.md`
    waves/one.yaml:8:19: error: these can never start, each waits for the next: echo -> pixel -> echo (drop one of these needs; and this: waves/one.yaml:9:20)
    waves/one.yaml:9:41: error: there is no program `sh/nowhere` (a program with a slash is looked for from the repo's root)
    ");
}

#[test]
fn a_plan_with_problems_is_not_brought_into_the_database() {
    let project = Project::with(&duo());
    fs::write(project.path("waves/two.yaml"), "wave: two\nagents: { echo: {} }\n").unwrap();

    insta::assert_snapshot!(project.run(&["sync"]), @"
    exit 3
    error: there is a second agent `echo`
     --> waves/two.yaml:2:11
      |
    2 | agents: { echo: {} }
      |           ^^^^
      |
     ::: waves/foundation.yaml:5:3
      |
    5 |   echo: { run: { exec: [sh/echo] }, needs: [vision] }
      |   ---- the first one
      |
      = hint: agent names are unique in the whole project: rename one

    error: agent `echo` needs `run`
     --> waves/two.yaml:2:17
      |
    2 | agents: { echo: {} }
      |                 ^
      |
      = hint: write `run: { exec: [agents/program.sh] }`

    2 errors
    ");

    assert_eq!(project.statuses(), "echo draft, vision draft");
}

#[test]
fn a_second_sync_finds_nothing_to_do() {
    let project = Project::unsynced(&duo());

    insta::assert_snapshot!(project.run(&["sync"]), @"
    exit 0
    2 created; 0 stay as they are

    project (new)

    wave foundation (new)
      + echo: created
      + vision: created
    ");
    insta::assert_snapshot!(project.run(&["sync"]), @"
    exit 0
    nothing to change; 2 agents as they should be
    ");
}

#[test]
fn a_dry_tick_tells_what_it_would_do_and_does_not() {
    let project = Project::with(&duo());

    insta::assert_snapshot!(project.run(&["tick", "--dry-run"]), @"
    exit 3
    vision: launch
    echo: waits for vision
    ");

    assert_eq!(project.statuses(), "echo draft, vision draft");
    assert_eq!(project.sql("select count(*) from runs"), "0");
}

#[test]
fn the_status_fits_on_a_terminal_and_says_who_waits_for_whom() {
    let project = Project::with(&duo());
    insta::assert_snapshot!(project.run(&["status"]), @"
    exit 0
    tested  no tick yet

      agent   status   since  stored  waits for, or says
    foundation  Phase 1
      echo    · draft     0s       0  vision
      vision  · draft     0s       0  the next tick

    2 agents: 2 draft
    1 agent can start: wavemark run
    ");

    project.run(&["run"]).ok();

    let status = project.run(&["status"]);
    insta::assert_snapshot!(status, @"
    exit 0
    tested  last tick 0s ago

      agent   status      since  run  stored  waits for, or says
    foundation  Phase 1
      echo    ! feedback     0s    1       0  failure #1
      vision  ✓ complete     0s    1       1

    2 agents: 1 complete, 1 feedback
    1 waits for you: wavemark feedback list
    ");
    assert!(status.stdout.lines().all(|line| line.chars().count() <= 80), "{status}");
    assert!(!status.stdout.contains('\u{1b}'), "colours where nobody sees them");
}

#[test]
fn why_says_what_would_help() {
    let project = Project::with(&duo());
    insta::assert_snapshot!(project.run(&["why", "echo"]), @"
    exit 0
    echo has been draft for 0s.
      - it needs vision, which is draft
        → see why: wavemark why vision

      generation 1, 0 checkpoints stored
    ");

    project.run(&["run"]).ok();

    insta::assert_snapshot!(project.run(&["why", "echo"]), @"
    exit 0
    echo has been in feedback for 0s.
      - failure #1 waits for a person
        → see why: wavemark log echo
        → try again: wavemark retry echo

      generation 1, 0 checkpoints stored
      run 1, try 1: refused after 0.1s
    ");
    insta::assert_snapshot!(project.run(&["feedback", "show", "1"]), @"
    exit 0
    #1 failure of echo, open, 1 message

    wavemark, 0s ago
        `echo` failed and will not be tried again by itself.

        Its last run: refused: exited 78: said that trying again is pointless

    → see why: wavemark log echo
    → try again: wavemark retry echo
    ");
}

#[test]
fn a_run_with_nothing_to_do_says_so() {
    let project = Project::with(&Plan::new().agent("vision", "", "true"));
    project.run(&["run"]).ok();

    insta::assert_snapshot!(project.run(&["run"]), @"
    exit 0
    No agent was completed.
    ");
}

#[test]
fn an_unreachable_database_says_so() {
    let project = Project::unsynced(&duo());
    let args = ["status", "--database-url", "postgres://ada:s3cret@127.0.0.1:1/none"];

    insta::assert_snapshot!(project.run(&args), @"
    exit 1
    error: cannot connect to Postgres at 127.0.0.1:1/none
      because nothing listens there
      because Connection refused (os error 111)
    hint: check the host and the port in DATABASE_URL, and that the server runs; without DATABASE_URL a private Postgres is started
    ");
}

#[test]
fn a_folder_without_a_plan_says_so() {
    let project = Project::unsynced(&Plan::new());
    fs::create_dir(project.path("elsewhere")).unwrap();
    fs::remove_dir_all(project.path("waves")).unwrap();

    insta::assert_snapshot!(project.run(&["-C", "elsewhere", "run"]), @"
    exit 1
    error: there is no `waves` folder in <folder>/elsewhere or above it
    hint: change to a project's folder, or begin one with `wavemark init`
    ");
}

#[test]
fn a_project_that_was_never_synced_says_so() {
    let project = Project::unsynced(&duo());

    insta::assert_snapshot!(project.run(&["status"]), @"
    exit 1
    error: the database has no project `tested`
    hint: run `wavemark sync` first
    ");
}

#[test]
fn an_unknown_agent_says_so() {
    let project = Project::with(&duo());

    insta::assert_snapshot!(project.run(&["why", "ecko"]), @"
    exit 1
    error: project has no agent `ecko`
    hint: `wavemark status` lists the agents
    ");
    insta::assert_snapshot!(project.run(&["feedback", "add", "ecko", "hm"]), @"
    exit 1
    error: project has no agent `ecko`
    hint: `wavemark status` lists the agents
    ");
}

#[test]
fn wrong_usage_exits_with_2() {
    let project = Project::unsynced(&Plan::new());

    insta::assert_snapshot!(project.run(&["build"]), @"
    exit 2
    error: the following required arguments were not provided:
      <AGENT>

    Usage: wavemark build --database-url <URL> <AGENT>

    For more information, try '--help'.
    ");
    project.run(&["frobnicate"]).exits(2);
    project.run(&["why", "No Such Name"]).exits(2);
}

#[test]
fn the_help_lists_every_command_and_each_has_help_of_its_own() {
    let project = Project::unsynced(&Plan::new());
    let help = project.run(&["--help"]).ok();

    for name in crate::tidy::commands() {
        let line = help.stdout.lines().find_map(|line| {
            line.trim_start().strip_prefix(name.as_str()).filter(|rest| rest.starts_with(' '))
        });
        let about = line.unwrap_or_else(|| panic!("`{name}` is missing: {help}")).trim();
        assert!(about.len() > 10 && !about.ends_with('.'), "{name}: {about}");
        let own = project.run(&[&name, "--help"]).ok();
        assert!(own.stdout.starts_with(about), "{own}");
    }
    for word in ["DATABASE_URL", "WAVEMARK_GIT_REMOTE", "Exit codes: 0 done, 1 failed, 2", " 3 "] {
        assert!(help.stdout.contains(word), "no word of {word}");
    }
}
