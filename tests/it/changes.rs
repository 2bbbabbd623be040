//! Plans that change under finished work.

use crate::support::{Plan, Project};

fn duo(title: &str, word: &str, on_stale: &str) -> Plan {
    Plan::new()
        .agent(
            "vision",
            &format!("title: {title}, env: {{ WORD: {word} }}, produces: [doc/a.md]"),
            "emit doc/a.md \"$WORD\"",
        )
        .agent(
            "echo",
            &format!("needs: [vision], on_stale: {on_stale}, produces: [doc/b.md]"),
            "emit doc/b.md \"after $(cat \"$WAVEMARK_DIR/deps/vision/doc/a.md\")\"",
        )
}

#[test]
fn a_changed_definition_is_built_again_and_a_changed_title_is_not() {
    let project = Project::with(&duo("One", "one", "keep"));
    project.run(&["run"]).ok();

    project.replan(&duo("Two", "one", "keep"));
    project.run(&["sync"]).ok();
    project.run(&["run"]).ok();
    assert_eq!(project.sql("select count(*) from runs"), "2");
    assert_eq!(project.sql("select title from agents where name = 'vision'"), "Two");

    project.replan(&duo("Two", "two", "keep"));
    project.run(&["sync"]).ok();
    project.run(&["run"]).ok();
    assert_eq!(project.outcomes("vision"), "succeeded, succeeded");
    assert_eq!(project.run(&["show", "vision", "doc/a.md"]).ok().stdout, "two\n");
    project.agrees_with_git();
}

#[test]
fn stale_inputs_are_shown_and_kept() {
    let project = Project::with(&duo("One", "one", "keep"));
    project.run(&["run"]).ok();
    project.replan(&duo("One", "two", "keep"));
    project.run(&["sync"]).ok();
    project.run(&["run"]).ok();

    assert_eq!(project.outcomes("echo"), "succeeded");
    assert_eq!(project.run(&["show", "echo", "doc/b.md"]).ok().stdout, "after one\n");
    let status = project.run(&["status"]).ok();
    assert!(status.stdout.contains("stale"), "{status}");

    project.run(&["rebuild", "echo"]).ok();
    project.run(&["run"]).ok();
    assert_eq!(project.run(&["show", "echo", "doc/b.md"]).ok().stdout, "after two\n");
    let status = project.run(&["status"]).ok();
    assert!(!status.stdout.contains("stale"), "{status}");
}

#[test]
fn stale_inputs_are_built_again_where_the_plan_says_so() {
    let project = Project::with(&duo("One", "one", "rebuild"));
    project.run(&["run"]).ok();
    project.replan(&duo("One", "two", "rebuild"));
    project.run(&["sync"]).ok();
    project.run(&["run"]).ok();

    assert_eq!(project.outcomes("echo"), "succeeded, succeeded");
    assert_eq!(project.run(&["show", "echo", "doc/b.md"]).ok().stdout, "after two\n");
}

#[test]
fn a_need_that_made_the_same_again_leaves_nothing_stale() {
    let project = Project::with(&duo("One", "one", "rebuild"));
    project.run(&["run"]).ok();

    project.run(&["rebuild", "vision"]).ok();
    project.run(&["run"]).ok();

    assert_eq!(project.outcomes("vision"), "succeeded, succeeded");
    assert_eq!(project.outcomes("echo"), "succeeded");
    assert_eq!(project.sql("select count(*) from artifacts"), "2");
}

#[test]
fn an_agent_that_vanished_is_retired_and_comes_back_with_its_history() {
    let project = Project::with(&duo("One", "one", "keep"));
    project.run(&["run"]).ok();
    let without = Plan::new().agent("other", "", "true");

    project.replan(&without);
    project.run(&["sync", "--allow-retire"]).ok();
    assert_eq!(
        project.sql(
            "select string_agg(name, ' ' order by name) from agents where retired_at is not null"
        ),
        "echo vision"
    );
    project.run(&["run"]).ok();
    assert_eq!(project.sql("select count(*) from artifacts"), "2");
    project.agrees_with_git();

    project.replan(&duo("One", "one", "keep"));
    project.run(&["sync", "--allow-retire"]).ok();
    project.run(&["run"]).ok();
    assert_eq!(project.outcomes("vision"), "succeeded");
    assert_eq!(project.status("vision"), "complete");
}

#[test]
fn a_paused_agent_stays_until_it_is_resumed() {
    let project = Project::with(&duo("One", "one", "keep"));
    project.run(&["pause", "vision"]).ok();
    project.run(&["run"]).ok();
    assert_eq!(project.statuses(), "echo draft, vision draft");
    let why = project.run(&["why", "vision"]).ok();
    assert!(why.stdout.contains("paused") && why.stdout.contains("wavemark resume"), "{why}");

    project.run(&["resume", "vision"]).ok();
    project.run(&["run"]).ok();
    assert_eq!(project.statuses(), "echo complete, vision complete");
}

#[test]
fn somebody_elses_table_is_left_alone() {
    let project = Project::unsynced(&duo("One", "one", "keep"));
    project.sql("create table agents (id int primary key, codename text)");

    let sync = project.run(&["sync"]).exits(1);

    assert!(sync.stderr.contains("database of its own"), "{sync}");
    let tables = "select string_agg(table_schema || '.' || table_name, ' ')
        from information_schema.tables
        where table_schema not in ('pg_catalog', 'information_schema')";
    assert_eq!(project.sql(tables), "public.agents");
}
