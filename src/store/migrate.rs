//! Brings the schema up to date, through any pooler and beside any other tool.
//!
//! The migrations may also have been applied by the Supabase command line,
//! which keeps a history of its own. Both histories are kept in step: what the
//! other applied is recorded here without being run, and what is applied here
//! is recorded there. A Supabase project where it was never used gets that
//! history now, lest its first use applies everything again.
//!
//! **Invariant:** all pending migrations and both histories change in one
//! transaction. sqlx's own lock and its prepared statements do not survive a
//! transaction pooler, so the lock is the transaction's and statements that
//! others left on the server connection are dropped first.

use sqlx::migrate::Migrator;
use tracing::info;

use super::{
    Error, Result,
    sql::{Tx, query, query_as, query_scalar},
};

/// Who migrates holds this lock; the number was drawn at random.
const LOCK: &str = "set local lock_timeout = '30s';
    deallocate all;
    select pg_advisory_xact_lock(7036874417766401)";

/// The history of the Supabase command line, as it makes it itself.
const SUPABASE: &str = "create schema if not exists supabase_migrations;
    create table supabase_migrations.schema_migrations (
        version text not null primary key,
        statements text[],
        name text
    )";

/// The tables in `public`, each of which says in its comment whose it is.
const TABLES: [&str; 8] =
    ["projects", "waves", "agents", "runs", "artifacts", "feedback", "feedback_comments", "events"];

pub(super) fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("./migrations");
    migrator.set_locking(false);
    migrator.dangerous_set_table_name("wavemark_migrations._sqlx_migrations");
    migrator.create_schema("wavemark_migrations");
    migrator
}

/// Applies every migration that is pending, or none.
pub(super) async fn run(tx: &mut Tx) -> Result<()> {
    let migrator = migrator();
    if is_current(tx, &migrator).await? {
        return Ok(());
    }
    sqlx::raw_sql(LOCK).execute(tx.conn()).await?;
    refuse_namesakes(tx).await?;

    let mut theirs = supabase_versions(tx).await?;
    if theirs.is_none() && is_supabase(tx).await? {
        sqlx::raw_sql(SUPABASE).execute(tx.conn()).await?;
        theirs = Some(vec![]);
    }
    let last = migrator
        .iter()
        .map(|migration| migration.version)
        .take_while(|version| theirs.as_ref().is_some_and(|theirs| theirs.contains(version)))
        .last();
    if let Some(last) = last {
        migrator.skip(tx.conn(), Some(last)).await.map_err(explain)?;
    }
    migrator.run_direct(None, tx.conn(), false).await.map_err(explain)?;
    if theirs.is_some() {
        record_for_supabase(tx, &migrator).await?;
    }
    sqlx::raw_sql("deallocate all").execute(tx.conn()).await?;
    info!("the database schema is up to date");
    Ok(())
}

/// Whether Wavemark's tables are there, of whichever version.
pub(super) async fn is_there(tx: &mut Tx) -> Result<bool> {
    refuse_namesakes(tx).await?;
    Ok(query_scalar("select to_regclass('public.projects') is not null")
        .fetch_one(tx.conn())
        .await?)
}

/// Whether there is nothing to do: the usual case, and the only one without a
/// lock.
async fn is_current(tx: &mut Tx, migrator: &Migrator) -> Result<bool> {
    Ok(missing(tx, migrator).await? == Some(0))
}

/// How many migrations are to be applied, or to be recorded for the Supabase
/// command line.
pub(super) async fn pending(tx: &mut Tx) -> Result<usize> {
    let migrator = migrator();
    Ok(missing(tx, &migrator).await?.unwrap_or(migrator.iter().count()))
}

/// How many of ours one of the histories lacks; none if there is a history that
/// is yet to be made.
async fn missing(tx: &mut Tx, migrator: &Migrator) -> Result<Option<usize>> {
    let (known, theirs, supabase): (bool, bool, bool) = query_as(
        "select to_regclass('wavemark_migrations._sqlx_migrations') is not null,
             to_regclass('supabase_migrations.schema_migrations') is not null,
             exists (select from pg_roles where rolname = 'supabase_admin')",
    )
    .fetch_one(tx.conn())
    .await?;
    if !known || (supabase && !theirs) {
        return Ok(None);
    }
    let applied: Vec<i64> =
        query_scalar("select version from wavemark_migrations._sqlx_migrations where success")
            .fetch_all(tx.conn())
            .await?;
    let ours: Vec<i64> = migrator.iter().map(|migration| migration.version).collect();
    if let Some(newer) = applied.iter().find(|version| !ours.contains(version)) {
        return Err(Error::Newer(*newer));
    }
    let theirs = if theirs { supabase_versions(tx).await? } else { None };
    let is_known = |version: &i64| {
        applied.contains(version) && theirs.as_ref().is_none_or(|theirs| theirs.contains(version))
    };
    Ok(Some(ours.iter().filter(|version| !is_known(version)).count()))
}

/// A table of the same name that somebody else made must not be touched.
async fn refuse_namesakes(tx: &mut Tx) -> Result<()> {
    let foreign: Option<String> = query_scalar(
        "select relname::text from pg_class
         where relnamespace = 'public'::regnamespace and relname = any ($1)
             and coalesce(obj_description(oid, 'pg_class'), '') not like 'Wavemark:%'
         order by relname limit 1",
    )
    .bind(TABLES.map(str::to_owned).to_vec())
    .fetch_optional(tx.conn())
    .await?;
    foreign.map_or(Ok(()), |table| Err(Error::Foreign(table)))
}

/// What the Supabase command line applied; `None` where it was never used.
async fn supabase_versions(tx: &mut Tx) -> Result<Option<Vec<i64>>> {
    let used: bool =
        query_scalar("select to_regclass('supabase_migrations.schema_migrations') is not null")
            .fetch_one(tx.conn())
            .await?;
    if !used {
        return Ok(None);
    }
    let versions = query_scalar(
        "select version::bigint from supabase_migrations.schema_migrations
         where version ~ '^[0-9]{1,18}$'",
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(Some(versions))
}

/// Whether this is the database of a Supabase project.
async fn is_supabase(tx: &mut Tx) -> Result<bool> {
    Ok(query_scalar("select exists (select from pg_roles where rolname = 'supabase_admin')")
        .fetch_one(tx.conn())
        .await?)
}

async fn record_for_supabase(tx: &mut Tx, migrator: &Migrator) -> Result<()> {
    for migration in migrator.iter() {
        query(
            "insert into supabase_migrations.schema_migrations (version, name, statements)
             values ($1, $2, array[$3]) on conflict do nothing",
        )
        .bind(migration.version.to_string())
        .bind(migration.description.replace(' ', "_"))
        .bind(migration.sql.as_str().to_owned())
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

fn explain(err: sqlx::migrate::MigrateError) -> Error {
    use sqlx::migrate::MigrateError;
    match err {
        MigrateError::Execute(err) | MigrateError::ExecuteMigration(err, _) => Error::Migrate(err),
        MigrateError::VersionMissing(version) => Error::Newer(version),
        err => Error::Migrate(sqlx::Error::Migrate(Box::new(err))),
    }
}
