//! Agents that fail, and what comes next.

use crate::support::{Plan, Project};

#[test]
fn a_failed_agent_is_tried_again_later_and_later_and_goes_on_from_its_checkpoints() {
    let plan = Plan::new().agent(
        "reel",
        "retries: 2, produces: [doc/a.md, doc/b.md]",
        "note \"attempt $WAVEMARK_ATTEMPT\"
         if [ \"$WAVEMARK_ATTEMPT\" = 1 ]; then emit doc/a.md one; exit 3; fi
         [ -e \"$WAVEMARK_DIR/checkpoints/doc/a.md\" ]
         [ \"$WAVEMARK_ATTEMPT\" = 3 ] || exit 4
         emit doc/b.md two",
    );
    let project = Project::with(&plan);

    project.run(&["run"]).ok();

    assert_eq!(project.status("reel"), "complete");
    assert_eq!(project.outcomes("reel"), "failed, failed, succeeded");
    let words: Vec<String> = project.trace().into_iter().map(|line| line.word).collect();
    assert_eq!(words, ["attempt 1", "attempt 2", "attempt 3"]);
    // The wait is 1 s, then 2 s, less up to a fifth.
    let waits = project.sql(
        "select bool_and(case epoch when 2 then wait > 0.7 else wait > 1.5 end) from (
             select epoch, extract(epoch from claimed_at
                 - lag(finished_at) over (order by epoch)) as wait from runs
         ) w where epoch > 1",
    );
    assert_eq!(waits, "t");
    assert_eq!(
        project.sql("select string_agg(exit_code::text, ' ' order by epoch) from runs"),
        "3 4 0"
    );
    project.agrees_with_git();
}

#[test]
fn an_agent_that_used_up_its_attempts_asks_for_a_person_and_retry_goes_on() {
    let plan = Plan::new()
        .agent(
            "reel",
            "retries: 1, produces: [doc/a.md, doc/b.md]",
            "echo this is why
             if [ -e \"$WAVEMARK_DIR/checkpoints/doc/a.md\" ]; then note resumed; else emit doc/a.md one; fi
             [ -e \"$WAVEMARK_REPO/gates/well\" ] || exit 3
             emit doc/b.md two",
        )
        .agent("other", "", "true")
        .agent("after", "needs: [reel]", "true");
    let project = Project::with(&plan);

    project.run(&["run"]).ok();
    assert_eq!(project.statuses(), "after draft, other complete, reel feedback");
    assert_eq!(project.outcomes("reel"), "failed, failed");
    let text = project.run(&["feedback", "show", "1"]).ok().stdout;
    assert!(text.contains("exited 3") && text.contains("this is why"), "{text}");

    project.open("well");
    project.run(&["retry", "reel"]).ok();
    project.run(&["run"]).ok();

    assert_eq!(project.sql("select distinct status from agents"), "complete");
    assert_eq!(project.outcomes("reel"), "failed, failed, succeeded");
    // The first one is still there: it was stored, so it was not made again.
    assert_eq!(project.sql("select count(*), max(version) from artifacts"), "2|1");
}

#[test]
fn exit_75_asks_to_be_tried_again_and_exit_78_not_to() {
    let plan = Plan::new()
        .agent("later", "retries: 5", "[ \"$WAVEMARK_ATTEMPT\" = 2 ] || exit 75")
        .agent("never", "retries: 5", "exit 78");
    let project = Project::with(&plan);

    project.run(&["run"]).ok();

    assert_eq!(project.outcomes("later"), "deferred, succeeded");
    assert_eq!(project.outcomes("never"), "refused");
    assert_eq!(project.statuses(), "later complete, never feedback");
}

#[test]
fn exit_0_without_what_was_declared_is_a_failure() {
    let plan = Plan::new().agent(
        "liar",
        "retries: 0, produces: [doc/a.md, schema/b.json]",
        "emit doc/a.md one; echo 'All done!'",
    );
    let project = Project::with(&plan);

    project.run(&["run"]).ok();

    assert_eq!(project.status("liar"), "feedback");
    assert_eq!(project.outcomes("liar"), "failed");
    let detail = project.sql("select detail from runs");
    assert!(detail.contains("schema/b.json") && !detail.contains("doc/a.md"), "{detail}");
}

#[test]
fn a_program_that_cannot_be_started_says_so() {
    let plan =
        Plan::new().entry("ghost", "run: { exec: [no-such-program] }").agent("torn", "", "true");
    let project = Project::with(&plan);
    std::fs::write(project.path("sh/torn"), "#!/no/such/interpreter\n").unwrap();

    project.run(&["run"]).ok();

    assert_eq!(project.statuses(), "ghost feedback, torn feedback");
    let details = project.sql("select string_agg(detail, ' / ') from runs");
    assert!(details.contains("no-such-program"), "{details}");
    // Trying again would not help.
    assert_eq!(project.sql("select count(*) from runs"), "2");
}

#[test]
fn a_run_past_its_timeout_is_stopped_and_counted() {
    let plan = Plan::new().agent(
        "slow",
        "retries: 1, timeout: 1s, produces: [doc/a.md, doc/b.md]",
        "if [ -e \"$WAVEMARK_DIR/checkpoints/doc/a.md\" ]; then emit doc/b.md two; exit 0; fi
         emit doc/a.md one; gate never",
    );
    let project = Project::with(&plan);

    project.run(&["run"]).ok();

    assert_eq!(project.outcomes("slow"), "timed_out, succeeded");
    assert_eq!(project.status("slow"), "complete");
}

#[test]
fn a_lost_machine_costs_no_attempt_of_the_agents_own() {
    let plan = Plan::new().setting("lease: 1s").agent(
        "reel",
        "retries: 0",
        "note begun; [ \"$WAVEMARK_EPOCH\" = 2 ] || gate never",
    );
    let project = Project::with(&plan);
    let run = project.start(&["run"]);
    crate::support::wait_until("it builds", || project.has_noted("reel", "begun"));
    run.kill();

    project.run(&["run"]).ok();

    assert_eq!(project.outcomes("reel"), "lost, succeeded");
    assert_eq!(project.status("reel"), "complete");
}

#[test]
fn lost_machines_are_put_up_with_only_so_often() {
    let plan = Plan::new().setting("lease: 1s").setting("infra_retries: 0").agent(
        "reel",
        "",
        "note begun; gate never",
    );
    let project = Project::with(&plan);
    let run = project.start(&["run"]);
    crate::support::wait_until("it builds", || project.has_noted("reel", "begun"));
    run.kill();
    crate::support::wait_until("its lease is over", || {
        project.sql("select lease_until < now() from runs") == "t"
    });

    project.run(&["run"]).ok();

    assert_eq!(project.status("reel"), "feedback");
    assert_eq!(project.outcomes("reel"), "lost");
}
