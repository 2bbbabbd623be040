//! One throwaway Postgres for all test processes, and a database for each test.
//!
//! The server is a [`wavemark::embedded`](crate::embedded) one below
//! `target/tmp`: whoever comes first starts it, the last one out stops it, and a
//! file that all of them lock tells who is the last. It gives up all safety
//! against a crash for speed.
//!
//! Databases are kept and emptied for the next test: making one means hundreds
//! of files, and ext4 is slow to make files where it has just removed some. A
//! test that changes the schema takes an [`empty`](Database::empty) one, which
//! is its own and gone with it.
//!
//! **Invariant:** no test sees what another one does. Only the roles of a
//! Supabase project are shared, and those are there before the first migration.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, postgres::PgConnectOptions};
use uuid::Uuid;

use crate::{
    embedded::{Address, Embedded},
    model::Digest,
    store::{Store, migrate},
};

/// Where the server lives; `cargo clean` takes it away.
const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tmp/store");

const SETTINGS: [(&str, &str); 6] = [
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("max_connections", "300"),
    ("shared_buffers", "32MB"),
    ("log_min_messages", "fatal"),
];

/// Who makes the template holds this lock.
const LOCK: &str = "select pg_advisory_lock(4100279364612019)";
const UNLOCK: &str = "select pg_advisory_unlock(4100279364612019)";

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

/// Removes every row and starts every sequence anew, whatever triggers say.
const EMPTY: &str = "do $$
    declare name text;
    begin
        perform set_config('session_replication_role', 'replica', true);
        for name in select format('%I.%I', schemaname, tablename) from pg_tables
            where schemaname in ('public', 'wavemark')
        loop
            execute 'delete from ' || name;
        end loop;
        perform setval(format('%I.%I', schemaname, sequencename)::regclass, 1, false)
        from pg_sequences where schemaname in ('public', 'wavemark');
    end $$";

/// A database that one test has for itself.
#[derive(Debug)]
pub(crate) struct Database {
    name: String,
    /// Holds the lock on a database that is kept; absent for one that is not.
    lease: Option<PgConnection>,
    server: Server,
}

impl Database {
    /// One with the schema of today and nothing in it.
    pub(crate) async fn migrated() -> Self {
        let server = Server::join().await;
        let mut lease = connect(&server.address).await;
        let template = template(&server.address, &mut lease).await;
        let mut number = 0;
        while !ask_whether(&mut lease, &format!("pg_try_advisory_lock(1, {number})")).await {
            number += 1;
        }
        let name = format!("{template}_{number}");
        if exists(&mut lease, &name).await {
            empty(&server.address.for_database(&name), &mut lease, &name).await;
        } else {
            create(&mut lease, &name, &template).await;
        }
        Self { name, lease: Some(lease), server }
    }

    /// One without any schema.
    pub(crate) async fn empty() -> Self {
        let server = Server::join().await;
        let mut connection = connect(&server.address).await;
        // It makes the roles.
        template(&server.address, &mut connection).await;
        let name = format!("schema_{}", Uuid::new_v4().simple());
        create(&mut connection, &name, "template0").await;
        connection.close().await.unwrap();
        Self { name, lease: None, server }
    }

    /// How to reach it.
    pub(crate) fn options(&self) -> PgConnectOptions {
        self.server.address.for_database(&self.name).connect_options()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let address = self.server.address.clone();
        if self.lease.take().is_none() {
            let sql = format!("drop database {} with (force)", self.name);
            block_on(async move {
                let mut connection = connect(&address).await;
                execute(&mut connection, &sql).await;
                connection.close().await.unwrap();
            });
        }
    }
}

/// The server, kept running as long as anybody has this.
#[derive(Debug)]
struct Server {
    address: Address,
    inside: File,
}

impl Server {
    async fn join() -> Self {
        fs::create_dir_all(DIR).unwrap();
        let inside = File::create(PathBuf::from(DIR).join("inside.lock")).unwrap();
        flock(&inside, FlockOperation::LockShared).unwrap();
        let address = embedded().start().await.unwrap();
        Self { address, inside }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let is_last = flock(&self.inside, FlockOperation::NonBlockingLockExclusive).is_ok();
        if is_last {
            block_on(async {
                embedded().stop().await.unwrap();
            });
        }
    }
}

fn embedded() -> Embedded {
    Embedded::at(Path::new(DIR)).with_settings(&SETTINGS)
}

/// Waits for `work` where there may be no runtime any more.
fn block_on(work: impl Future<Output = ()> + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::spawn(move || runtime.block_on(work)).join().unwrap();
}

/// Makes a database as good as new, whatever its last user left running.
async fn empty(database: &Address, connection: &mut PgConnection, name: &str) {
    let stop =
        format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'");
    execute(connection, &stop).await;
    let mut inside = connect(database).await;
    execute(&mut inside, EMPTY).await;
    inside.close().await.unwrap();
}

async fn create(connection: &mut PgConnection, name: &str, template: &str) {
    // Copying files is quicker than logging them, as nothing is flushed.
    let sql = format!("create database {name} template {template} strategy file_copy");
    execute(connection, &sql).await;
}

/// The name of the database that has the schema of today, made if need be.
async fn template(server: &Address, connection: &mut PgConnection) -> String {
    let migrations: Vec<String> =
        migrate::migrator().iter().map(|one| hex::encode(&one.checksum)).collect();
    let name = format!("template_{}", Digest::of(migrations.concat()).short());
    if !exists(connection, &name).await {
        execute(connection, LOCK).await;
        if !exists(connection, &name).await {
            make_template(server, connection, &name).await;
        }
        execute(connection, UNLOCK).await;
    }
    name
}

async fn make_template(server: &Address, connection: &mut PgConnection, name: &str) {
    drop_what_is_old(connection).await;
    execute(connection, ROLES).await;
    execute(connection, "drop database if exists half_made with (force)").await;
    execute(connection, "create database half_made template template0").await;
    let half_made = server.for_database("half_made").connect_options();
    Store::open(half_made.clone()).await.unwrap().close().await;
    // Leaves a file of what every first connection would have to find out, and
    // that file is copied too.
    PgConnection::connect_with(&half_made).await.unwrap().close().await.unwrap();
    execute(connection, &format!("alter database half_made rename to {name}")).await;
}

/// Databases of other schemas, and of tests that were killed.
async fn drop_what_is_old(connection: &mut PgConnection) {
    let sql = "select datname::text from pg_database
        where datname ~ '^(schema|template)_'
            and not exists (select from pg_stat_activity a where a.datid = pg_database.oid)
            and (pg_stat_file('base/' || oid || '/PG_VERSION')).modification
                < now() - interval '1 hour'";
    let rows = sqlx::raw_sql(sql).fetch_all(&mut *connection).await.unwrap();
    for row in rows {
        let name: String = row.get(0);
        execute(connection, &format!("drop database if exists {name}")).await;
    }
}

async fn exists(connection: &mut PgConnection, database: &str) -> bool {
    let sql = format!("exists (select from pg_database where datname = '{database}')");
    ask_whether(connection, &sql).await
}

async fn ask_whether(connection: &mut PgConnection, condition: &str) -> bool {
    let sql = AssertSqlSafe(format!("select {condition}"));
    sqlx::raw_sql(sql).fetch_one(connection).await.unwrap().get(0)
}

async fn connect(address: &Address) -> PgConnection {
    PgConnection::connect_with(&address.connect_options()).await.unwrap()
}

async fn execute(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap();
}
