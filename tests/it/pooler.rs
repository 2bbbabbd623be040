//! Through a transaction pooler, where no connection is anybody's own.

use super::support::{Plan, Project};

#[test]
fn a_plan_runs_through_a_transaction_pooler() {
    let plan = Plan::new().agent("echo", "", "emit doc/report.md Hello");
    let mut project = Project::unsynced(&plan);
    let pooler = project.through_pooler();
    project.run(&["sync"]).ok();
    let _pooler = pooler.restart();
    project.run(&["run"]).ok();
    assert_eq!(project.statuses(), "echo complete");
}
