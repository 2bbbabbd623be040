//! The versions of Postgres that we say we run on, whatever this machine has.

use std::thread;

use crate::{
    story,
    support::{Plan, Project},
};

/// The oldest that we support, and the one that Supabase runs.
const VERSIONS: [u32; 2] = [15, 17];

/// A row as people insert one, with the columns that the table is known by.
const BY_HAND: &str = "
    insert into agents (name, status, output_summary, dependencies)
        values ('by-hand', 'draft', null, null);
    insert into artifacts (agent_id, artifact_type, content)
        select id, 'doc', 'Made by hand.' from agents where name = 'by-hand';
    insert into feedback (agent_id, feedback_text, resolved)
        select id, 'Is it good?', false from agents where name = 'by-hand'";

/// Does this on each of them at once, in a project of its own.
fn on_each<T: Send>(plan: &Plan, test: impl Fn(u32, &Project) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let test = &test;
        let all = VERSIONS.map(|major| {
            scope.spawn(move || {
                let project = Project::on_postgres(major, plan);
                let answer = test(major, &project);
                let version = "select current_setting('server_version_num')::int / 10000";
                assert_eq!(project.sql(version), major.to_string());
                answer
            })
        });
        all.map(|one| one.join().unwrap()).into()
    })
}

#[test]
fn a_story_is_the_same_on_every_version() {
    let told = on_each(&story::plan(), |_, project| {
        let record = story::tell(project);
        for command in [
            ["status", "--json"].as_slice(),
            &["why", "echo"],
            &["events"],
            &["artifacts"],
            &["history", "echo", "doc/a.md"],
            &["log", "vision"],
            &["feedback", "list", "--all"],
            &["plan", "--exit-code"],
        ] {
            project.run(command).ok();
        }
        record
    });

    assert_eq!(told[0], told[1]);
}

#[test]
fn rows_inserted_by_hand_are_taken_up_on_every_version() {
    let plan = Plan::new().agent("echo", "", "emit doc/a.md Hello");
    on_each(&plan, |major, project| {
        project.run(&["sync"]).ok();
        project.sql(BY_HAND);

        project.run(&["run"]).ok();

        assert_eq!(project.statuses(), "by-hand feedback, echo complete", "on {major}");
        let shown = project.run(&["feedback", "list"]).ok();
        assert!(shown.stdout.contains("Is it good?"), "{shown}");
        project.agrees_with_git();
    });
}
