//! Doing it again: late, early, twice at once.

use crate::support::{Plan, Project};

/// Everything in the database but the times of the last tick and sync.
fn everything(project: &Project) -> String {
    let tables = [
        "projects",
        "waves",
        "agents",
        "runs",
        "artifacts",
        "feedback",
        "feedback_comments",
        "events",
    ];
    let mut all = String::new();
    for table in tables {
        let row = match table {
            "projects" => "to_jsonb(t) - 'last_tick_at' - 'synced_at'",
            _ => "to_jsonb(t)",
        };
        all += &project.sql(&format!("select {row} from public.{table} t order by ({row})::text"));
        all += "\n";
    }
    all + &project.sql("select to_jsonb(t) from wavemark.pools t order by 1")
}

/// One agent of each fate: done, in review, asking, failed, waiting, paused.
fn every_fate() -> Plan {
    Plan::new()
        .agent("done", "produces: [doc/a.md]", "emit doc/a.md done")
        .agent("judged", "review: required", "true")
        .agent("asking", "", "wavemark ask 'Which?'")
        .agent("broken", "", "exit 78")
        .agent("later", "needs: [judged]", "true")
        .agent("held", "", "true")
        .entry("person", "run: { manual: {} }, produces: [doc/b.md]")
}

#[test]
fn a_second_tick_with_no_news_changes_nothing() {
    let project = Project::with(&every_fate());
    project.run(&["pause", "held"]).ok();
    project.run(&["run"]).ok();
    assert_eq!(
        project.statuses(),
        "asking feedback, broken feedback, done complete, held draft, judged feedback, \
         later draft, person feedback"
    );
    let before = everything(&project);
    let head = project.git(&["rev-parse", "wavemark/artifacts"]);

    for args in [["tick"].as_slice(), &["run"], &["sync"], &["tick"], &["build", "done"]] {
        project.run(args).ok();
        let after = everything(&project);
        let changed: Vec<_> =
            after.lines().zip(before.lines()).filter(|(now, then)| now != then).collect();
        assert!(after == before, "{args:?}: {changed:#?}");
    }

    assert_eq!(project.git(&["rev-parse", "wavemark/artifacts"]), head);
    let dry = project.run(&["tick", "--dry-run", "--json"]).ok();
    assert_eq!(dry.json()["effects"], serde_json::json!([]), "{dry}");
}

#[test]
fn two_ticks_at_once_do_the_work_of_one() {
    let project = Project::with(&every_fate());

    let [one, other] = [(); 2].map(|()| project.start(&["tick"]));
    one.wait().ok();
    other.wait().ok();
    project.run(&["tick"]).ok();

    assert_eq!(project.sql("select count(*), max(epoch) from runs"), "5|1");
    assert_eq!(
        project.sql("select string_agg(kind, ' ' order by kind) from feedback"),
        "failure question question review"
    );
    project.agrees_with_git();
}

#[test]
fn an_artifact_that_was_pushed_and_not_stamped_gets_no_second_commit() {
    let project = Project::with(&every_fate());
    project.run(&["run"]).ok();
    let head = project.git(&["rev-parse", "wavemark/artifacts"]);
    let commit = project.sql("select git_commit from artifacts");
    // As a publisher leaves it that was killed after its push.
    project.sql(
        "alter table artifacts disable trigger keep_artifact;
         update artifacts set git_state = 'pending', git_commit = null, git_path = null;
         alter table artifacts enable trigger keep_artifact",
    );
    project.run(&["verify"]).exits(3);

    project.run(&["tick"]).ok();

    assert_eq!(project.git(&["rev-parse", "wavemark/artifacts"]), head);
    assert_eq!(
        project.sql("select git_state, git_commit from artifacts"),
        format!("committed|{commit}")
    );
    project.agrees_with_git();
}

#[test]
fn what_a_dead_publisher_did_not_push_is_pushed_by_the_next() {
    let project = Project::with(&every_fate());
    project.run(&["run"]).ok();
    // As a publisher leaves it that was killed before its push, with its lease.
    project.sql(
        "insert into artifacts (agent_id, artifact_type, name, content)
         select id, 'doc', 'late.md', 'late' from agents where name = 'done';
         update projects set publisher = gen_random_uuid(),
             publisher_until = now() + interval '3 seconds'",
    );

    project.run(&["tick"]).ok();

    project.agrees_with_git();
    assert_eq!(project.sql("select count(*) from artifacts where git_state = 'committed'"), "2");
}
