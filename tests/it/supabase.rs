//! On a Supabase project: its roles, its command line, its linters.
//!
//! Everything is done as the role `postgres` that one gets there, which is no
//! superuser, both where new tables are open to everybody and where they are
//! closed.

use std::{collections::BTreeMap, fs};

use crate::support::{Grants, Plan, Project};

const MIGRATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");

/// What both histories say, and that they agree.
const HISTORIES: &str = "select ours = theirs, ours from
    (select string_agg(version::text, ' ' order by version) from
        wavemark_migrations._sqlx_migrations) a (ours),
    (select string_agg(version, ' ' order by version) from
        supabase_migrations.schema_migrations) b (theirs)";

fn plan() -> Plan {
    Plan::new()
        .agent("vision", "produces: [doc/a.md]", "emit doc/a.md \"$WAVEMARK_GENERATION\"")
        .agent("echo", "needs: [vision], produces: [doc/b.md]", "emit doc/b.md two")
}

/// Our migrations: what is in each file.
fn migrations() -> BTreeMap<String, String> {
    let files = fs::read_dir(MIGRATIONS).unwrap().map(|entry| entry.unwrap());
    files
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            (name, fs::read_to_string(file.path()).unwrap())
        })
        .collect()
}

/// Both histories name every migration there is, and Supabase adds nothing.
#[track_caller]
fn histories_are_in_step(project: &Project) {
    let names = migrations();
    let versions: Vec<&str> = names.keys().map(|name| &name[..14]).collect();
    assert_eq!(project.sql(HISTORIES), format!("t|{}", versions.join(" ")));
    let push = project.supabase(&["db", "push"]).wait().ok();
    assert_eq!(push.stdout, "Remote database is up to date.\n", "{push}");
}

/// Supabase lists every migration as one that is here and there.
#[track_caller]
fn supabase_lists_them_side_by_side(project: &Project) {
    let list = project.supabase(&["migration", "list"]).wait().ok();
    for name in migrations().keys() {
        let version = &name[..14];
        assert!(list.stdout.contains(&format!("`{version}` | `{version}`")), "{list}");
    }
}

/// A project whose database Supabase gave all migrations but the last.
fn all_but_the_last() -> Project {
    let project = Project::on_supabase(&plan(), Grants::Nothing);
    let folder = project.path("supabase/migrations");
    let whole = fs::read_link(&folder).unwrap();
    fs::remove_file(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    let mut files = migrations();
    files.pop_last();
    for (name, text) in &files {
        fs::write(folder.join(name), text).unwrap();
    }
    project.supabase(&["db", "push"]).wait().ok();
    fs::remove_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink(whole, folder).unwrap();
    project
}

#[test]
fn what_supabase_applied_is_not_applied_again() {
    for grants in [Grants::Everything, Grants::Nothing] {
        let project = Project::on_supabase(&plan(), grants);
        project.supabase(&["db", "push"]).wait().ok();

        project.run(&["sync"]).ok();

        histories_are_in_step(&project);
        supabase_lists_them_side_by_side(&project);
    }
}

#[test]
fn what_is_applied_here_is_not_applied_again_by_supabase() {
    for grants in [Grants::Everything, Grants::Nothing] {
        let project = Project::on_supabase(&plan(), grants);

        project.run(&["sync"]).ok();

        histories_are_in_step(&project);
        supabase_lists_them_side_by_side(&project);
    }
}

#[test]
fn a_migration_that_came_later_is_applied_here() {
    let project = all_but_the_last();

    project.run(&["sync"]).ok();

    histories_are_in_step(&project);
}

#[test]
fn a_migration_that_came_later_is_applied_by_supabase() {
    let project = all_but_the_last();
    // As an older Wavemark left it.
    project.sql(
        "set role postgres;
         create schema wavemark_migrations;
         create table wavemark_migrations._sqlx_migrations (
             version bigint primary key, description text not null,
             installed_on timestamptz not null default now(), success boolean not null,
             checksum bytea not null, execution_time bigint not null
         )",
    );
    let mut files = migrations();
    files.pop_last();
    for (name, text) in files {
        project.sql(&format!(
            "insert into wavemark_migrations._sqlx_migrations
             values ({}, 'old', now(), true, sha384(convert_to($file${text}$file$, 'UTF8')), 0)",
            &name[..14]
        ));
    }

    project.supabase(&["db", "push"]).wait().ok();
    project.run(&["sync"]).ok();

    histories_are_in_step(&project);
}

#[test]
fn a_plan_runs_as_the_role_that_supabase_gives() {
    for grants in [Grants::Everything, Grants::Nothing] {
        let project = Project::on_supabase(&plan(), grants);
        project.run(&["sync"]).ok();

        project.run(&["run"]).ok();
        assert_eq!(project.statuses(), "echo complete, vision complete");
        project.run(&["feedback", "add", "vision", "Once more."]).ok();
        project.run(&["tick"]).ok();
        assert_eq!(project.statuses(), "echo complete, vision feedback");
        project.run(&["feedback", "resolve", "1"]).ok();
        project.run(&["run"]).ok();

        assert_eq!(project.run(&["show", "vision", "doc/a.md"]).ok().stdout, "2\n");
        project.agrees_with_git();
        let owner = "select distinct tableowner, rolsuper from pg_tables, pg_roles
            where schemaname in ('public', 'wavemark') and rolname = tableowner";
        assert_eq!(project.sql(owner), "postgres|f");
        let heard =
            "select string_agg(tablename, ' ' order by tablename) from pg_publication_tables
            where pubname = 'supabase_realtime'";
        assert_eq!(project.sql(heard), "agents feedback");
    }
}

#[test]
fn the_advisors_of_supabase_have_nothing_to_say() {
    const ADVISORS: [&str; 6] = ["db", "advisors", "--fail-on", "warn", "--level", "warn"];
    for grants in [Grants::Everything, Grants::Nothing] {
        let project = Project::on_supabase(&plan(), grants);
        project.run(&["sync"]).ok();

        let advisors = project.supabase(&ADVISORS).wait().ok();
        assert!(advisors.stderr.contains("No issues found"), "{advisors}");

        project.sql("set role postgres; create table public.open (); grant all on open to anon");
        let advisors = project.supabase(&ADVISORS).wait().exits(1);
        assert!(advisors.stdout.contains("rls_disabled_in_public"), "{advisors}");
    }
}

#[test]
fn the_linter_of_supabase_has_nothing_to_say() {
    const LINT: [&str; 6] = ["db", "lint", "--schema", "public,wavemark", "--fail-on", "warning"];
    // The linter leaves out all functions of triggers.
    const TRIGGERS: &str = "select proname, message
        from pg_trigger join pg_proc p on p.oid = tgfoid,
            extensions.plpgsql_check_function_tb(tgfoid, tgrelid)
        where not tgisinternal and pronamespace = 'wavemark'::regnamespace";
    let project = Project::on_supabase(&plan(), Grants::Nothing);
    project.run(&["sync"]).ok();

    let lint = project.supabase(&LINT).wait().ok();
    assert!(lint.stderr.contains("No schema errors found"), "{lint}");
    assert_eq!(project.sql(TRIGGERS), "");

    project.sql(
        "create or replace function wavemark.only_project() returns uuid language plpgsql
         set search_path = '' as $$ begin return nothing; end $$;
         create or replace function wavemark.complete_agent() returns trigger language plpgsql
         set search_path = '' as $$ begin new.nothing := 1; return new; end $$",
    );
    let lint = project.supabase(&LINT).wait().exits(1);
    assert!(lint.stdout.contains("only_project"), "{lint}");
    assert!(project.sql(TRIGGERS).contains("complete_agent|"));
}
