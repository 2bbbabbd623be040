//! Bringing the schema up to date: alone, together, and beside the Supabase
//! command line.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::store::{
    Error, Store, migrate,
    testing::{Database, try_sql, value},
};

const MIGRATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");

/// The history of the Supabase command line, as it makes it.
const SUPABASE: &str = "create schema supabase_migrations;
    create table supabase_migrations.schema_migrations (
        version text not null primary key, statements text[], name text
    )";

const OUR_HISTORY: &str = "select coalesce(string_agg(version::text, ' ' order by version), '')
    from wavemark_migrations._sqlx_migrations";
const THEIR_HISTORY: &str = "select coalesce(string_agg(version, ' ' order by version), '')
    from supabase_migrations.schema_migrations";

/// The migrations in the folder, by version, with what is in them.
fn files() -> BTreeMap<i64, String> {
    let content = |path: PathBuf| fs::read_to_string(path).unwrap();
    paths().into_iter().map(|(version, (_, path))| (version, content(path))).collect()
}

/// The migrations in the folder, by version: what each is called, and its file.
fn paths() -> BTreeMap<i64, (String, PathBuf)> {
    let entries = fs::read_dir(MIGRATIONS).unwrap();
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_str().unwrap();
            let (version, name) = file.split_once('_').unwrap();
            let name = name.strip_suffix(".sql").filter(|_| version.len() == 14);
            let name = name.unwrap_or_else(|| panic!("{file} is named otherwise"));
            (version.parse().unwrap(), (name.to_owned(), path.clone()))
        })
        .collect()
}

/// The versions of all migrations, as both histories write them.
fn all_versions() -> String {
    let versions: Vec<String> = files().keys().map(ToString::to_string).collect();
    versions.join(" ")
}

async fn connect(database: &Database) -> Store {
    Store::connect(database.options()).await.unwrap()
}

async fn sql(store: &Store, sql: &str) {
    try_sql(store, sql).await.unwrap();
}

async fn text(store: &Store, query: &str) -> String {
    value(store, query).await
}

/// Lets the Supabase command line apply the first `count` migrations.
async fn push_with_supabase(store: &Store, count: usize) {
    sql(store, SUPABASE).await;
    for (version, content) in files().iter().take(count) {
        sql(store, content).await;
        let record = format!(
            "insert into supabase_migrations.schema_migrations (version) values ('{version}')"
        );
        sql(store, &record).await;
    }
}

#[test]
fn the_binary_has_the_migrations_that_the_folder_has() {
    let compiled: BTreeMap<i64, String> = migrate::migrator()
        .iter()
        .map(|migration| (migration.version, migration.sql.as_str().to_owned()))
        .collect();

    assert!(compiled == files(), "run `touch src/store/migrate.rs` and build again");
}

#[test]
fn supabase_finds_the_same_folder() {
    let theirs = Path::new(env!("CARGO_MANIFEST_DIR")).join("supabase/migrations");

    let (theirs, ours) = (fs::canonicalize(theirs), fs::canonicalize(MIGRATIONS));

    assert_eq!(theirs.unwrap(), ours.unwrap());
}

#[tokio::test]
async fn four_that_open_an_empty_database_at_once_migrate_it_once() {
    let database = Database::empty().await;

    let open = || Store::open(database.options());
    let (one, two, three, four) = tokio::join!(open(), open(), open(), open());

    for store in [one, two, three, four] {
        assert_eq!(text(&store.unwrap(), OUR_HISTORY).await, all_versions());
    }
}

#[tokio::test]
async fn opening_a_database_again_changes_nothing() {
    let database = Database::empty().await;
    let when = "select string_agg(installed_on::text, ' ' order by version)
        from wavemark_migrations._sqlx_migrations";

    let first = text(&Store::open(database.options()).await.unwrap(), when).await;
    let second = text(&Store::open(database.options()).await.unwrap(), when).await;

    assert_eq!(first, second);
}

#[tokio::test]
async fn a_table_that_is_not_ours_is_refused_and_nothing_is_touched() {
    let database = Database::empty().await;
    let store = connect(&database).await;
    sql(&store, "create table public.agents (id int, name text)").await;

    let opened = Store::open(database.options()).await;

    assert!(matches!(opened, Err(Error::Foreign(table)) if table == "agents"));
    let schemas = "select string_agg(nspname, ' ' order by nspname) from pg_namespace
        where nspname !~ '^pg_' and nspname <> 'information_schema'";
    assert_eq!(text(&store, schemas).await, "public");
}

#[tokio::test]
async fn a_database_that_supabase_migrated_is_recognised() {
    let database = Database::empty().await;
    let store = connect(&database).await;
    push_with_supabase(&store, usize::MAX).await;

    Store::open(database.options()).await.unwrap();

    let histories = (text(&store, OUR_HISTORY).await, text(&store, THEIR_HISTORY).await);
    assert_eq!(histories, (all_versions(), all_versions()));
}

#[tokio::test]
async fn a_database_that_supabase_migrated_in_part_is_completed() {
    let database = Database::empty().await;
    let store = connect(&database).await;
    push_with_supabase(&store, 1).await;

    Store::open(database.options()).await.unwrap();

    let histories = (text(&store, OUR_HISTORY).await, text(&store, THEIR_HISTORY).await);
    assert_eq!(histories, (all_versions(), all_versions()));
}

#[tokio::test]
async fn what_is_applied_here_is_told_to_supabase() {
    let database = Database::empty().await;
    let store = connect(&database).await;
    sql(&store, SUPABASE).await;

    Store::open(database.options()).await.unwrap();

    assert_eq!(text(&store, THEIR_HISTORY).await, all_versions());
    let names = "select string_agg(name, ' ' order by version)
        from supabase_migrations.schema_migrations
        where statements[1] is not null";
    let all: Vec<String> = paths().into_values().map(|(name, _)| name).collect();
    assert_eq!(text(&store, names).await, all.join(" "));
}

#[tokio::test]
async fn supabase_is_told_later_if_it_comes_later() {
    let database = Database::empty().await;
    let store = Store::open(database.options()).await.unwrap();
    sql(&store, SUPABASE).await;

    Store::open(database.options()).await.unwrap();

    assert_eq!(text(&store, THEIR_HISTORY).await, all_versions());
}

#[tokio::test]
async fn migrations_of_others_in_the_history_of_supabase_are_left_alone() {
    let database = Database::empty().await;
    let store = connect(&database).await;
    sql(&store, SUPABASE).await;
    let other = "insert into supabase_migrations.schema_migrations (version)
        values ('20200101000000'), ('20990101000000'), ('remote')";
    sql(&store, other).await;

    Store::open(database.options()).await.unwrap();

    let all = format!("20200101000000 {} 20990101000000 remote", all_versions());
    assert_eq!(text(&store, THEIR_HISTORY).await, all);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let database = Database::empty().await;
    let store = Store::open(database.options()).await.unwrap();
    let newer = "insert into wavemark_migrations._sqlx_migrations
        select 20990101000000, 'from the future', now(), true, checksum, 0
        from wavemark_migrations._sqlx_migrations limit 1";
    sql(&store, newer).await;

    let opened = Store::open(database.options()).await;

    assert!(matches!(opened, Err(Error::Newer(20_990_101_000_000))), "{opened:?}");
}

#[tokio::test]
async fn a_database_that_is_not_there_says_where_it_was_looked_for() {
    let database = Database::empty().await;

    let opened = Store::open(database.options().database("nowhere")).await;

    let place = match opened {
        Err(Error::Unreachable { place, .. }) => place,
        opened => panic!("{opened:?}"),
    };
    assert!(place.ends_with("/nowhere"), "{place}");
}
