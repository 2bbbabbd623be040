//! One throwaway Postgres for all test processes, and a database for each test.
//!
//! The server is a [`wavemark::embedded`](crate::embedded) one in
//! `target/tmp/postgres`, started by whoever comes first and left running; it
//! gives up all safety against a crash for speed. A template database holds the
//! migrated schema, so a database of one's own costs a copy of some files.
//!
//! **Invariant:** no test sees what another one does. Only the roles of a
//! Supabase project are shared, and those are there before the first migration.

use std::path::Path;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, postgres::PgConnectOptions};
use uuid::Uuid;

use crate::{
    embedded::{Address, Embedded},
    model::Digest,
    store::{Store, migrate},
};

/// Where the server lives; `cargo clean` takes it away.
const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tmp/postgres");

const SETTINGS: [(&str, &str); 7] = [
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("autovacuum", "off"),
    ("max_connections", "300"),
    ("shared_buffers", "32MB"),
    ("log_min_messages", "fatal"),
];

/// Who makes the template holds this lock.
const LOCK: &str = "select pg_advisory_lock(4100279364612019)";

/// The roles of a Supabase project, which all databases share: never dropped,
/// because the schemas of other tests are granted to them.
const ROLES: &str = "do $$
    declare name text;
    begin
        foreach name in array array['anon', 'authenticated', 'service_role'] loop
            if not exists (select from pg_roles where rolname = name) then
                execute format('create role %I', name);
            end if;
        end loop;
        alter role service_role bypassrls;
    end $$";

/// A database of one test, gone with it.
#[derive(Debug)]
pub(crate) struct Database {
    server: Address,
    name: String,
}

impl Database {
    /// One with the schema of today and nothing in it.
    pub(crate) async fn migrated() -> Self {
        Self::copy_of(None).await
    }

    /// One without any schema.
    pub(crate) async fn empty() -> Self {
        Self::copy_of(Some("template0")).await
    }

    async fn copy_of(other: Option<&str>) -> Self {
        let server = server().await;
        let mut connection = connect(&server).await;
        let migrated = template(&server, &mut connection).await;
        let template = other.unwrap_or(&migrated);
        let name = format!("test_{}", Uuid::new_v4().simple());
        // Copying files is quicker than logging them, as nothing is flushed.
        let sql = format!("create database {name} template {template} strategy file_copy");
        execute(&mut connection, &sql).await;
        connection.close().await.unwrap();
        Self { server, name }
    }

    /// How to reach it.
    pub(crate) fn options(&self) -> PgConnectOptions {
        self.server.for_database(&self.name).connect_options()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let server = self.server.clone();
        let sql = format!("drop database {} with (force)", self.name);
        // The runtime of the test may be on its way out.
        let drop = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(tell(&server, &sql));
        });
        drop.join().unwrap();
    }
}

async fn server() -> Address {
    Embedded::at(Path::new(DIR)).with_settings(&SETTINGS).start().await.unwrap()
}

/// The name of the database that has the schema of today, made if need be.
async fn template(server: &Address, connection: &mut PgConnection) -> String {
    let migrations: Vec<String> =
        migrate::migrator().iter().map(|one| hex::encode(&one.checksum)).collect();
    let name = format!("template_{}", Digest::of(migrations.concat()).short());
    if !exists(connection, &name).await {
        // Held until the connection closes.
        execute(connection, LOCK).await;
        if !exists(connection, &name).await {
            make_template(server, connection, &name).await;
        }
    }
    name
}

async fn make_template(server: &Address, connection: &mut PgConnection, name: &str) {
    drop_what_is_old(connection).await;
    execute(connection, ROLES).await;
    execute(connection, "drop database if exists half_made with (force)").await;
    execute(connection, "create database half_made template template0").await;
    let half_made = server.for_database("half_made").connect_options();
    Store::open(half_made).await.unwrap().close().await;
    execute(connection, &format!("alter database half_made rename to {name}")).await;
}

/// Databases of other schemas, and of tests that were killed.
async fn drop_what_is_old(connection: &mut PgConnection) {
    let old: Vec<String> = ask(
        connection,
        "select datname::text from pg_database
         where (datname like 'test\\_%' or datname like 'template\\_%')
             and not exists (select from pg_stat_activity a where a.datid = pg_database.oid)
             and (pg_stat_file('base/' || oid || '/PG_VERSION')).modification
                 < now() - interval '1 hour'",
    )
    .await;
    for name in old {
        execute(connection, &format!("drop database if exists {name}")).await;
    }
}

async fn exists(connection: &mut PgConnection, database: &str) -> bool {
    let sql = format!("select datname::text from pg_database where datname = '{database}'");
    !ask(connection, &sql).await.is_empty()
}

async fn ask(connection: &mut PgConnection, sql: &str) -> Vec<String> {
    use sqlx::Row as _;
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn tell(server: &Address, sql: &str) {
    let mut connection = connect(server).await;
    execute(&mut connection, sql).await;
    connection.close().await.unwrap();
}

async fn connect(server: &Address) -> PgConnection {
    PgConnection::connect_with(&server.connect_options()).await.unwrap()
}

async fn execute(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap();
}
