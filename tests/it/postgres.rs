//! The versions of Postgres that we say we run on.

use super::support::{Plan, Project};

#[test]
fn wavemark_runs_on_postgres_15() {
    a_whole_story_on(15);
}

#[test]
fn wavemark_runs_on_postgres_17() {
    a_whole_story_on(17);
}

fn a_whole_story_on(major: u32) {
    let plan = Plan::new().agent("echo", "", "emit doc/report.md Hello");
    let project = Project::on_postgres(major, &plan);
    assert_eq!(
        project.sql("select current_setting('server_version_num')::int / 10000"),
        major.to_string()
    );
    project.run(&["run"]).ok();
}
