//! The one Postgres that all tests share, each with a database of its own.
//!
//! nextest runs every test in a process, so the server is shared through a
//! folder: whoever comes first starts it, and the last one out turns off the
//! light. A lock file counts those inside; a crash leaves nothing but a server
//! that the next test run uses.

use std::{fs::File, path::Path};

use rustix::fs::{FlockOperation, flock};
use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, Row as _,
    postgres::{PgConnectOptions, PgRow},
};
use tokio::runtime::Runtime;
use wavemark::embedded::{Address, Embedded};

pub(super) struct Server {
    runtime: Runtime,
    embedded: Embedded,
    address: Address,
    inside: File,
}

impl Server {
    /// The server of this test run, started if need be.
    pub(super) fn join() -> Self {
        Self::enter("it", |folder, runtime| {
            // What is in it is worth nothing, and many processes use it at once.
            let embedded = Embedded::at(folder).with_settings(&[
                ("fsync", "off"),
                ("synchronous_commit", "off"),
                ("full_page_writes", "off"),
                ("max_connections", "200"),
            ]);
            let address = runtime.block_on(embedded.start()).unwrap();
            (embedded, address)
        })
    }

    /// The server that lives in a folder below `target/tmp`, and that `start`
    /// starts if need be.
    pub(super) fn enter(
        folder: &str,
        start: impl FnOnce(&Path, &Runtime) -> (Embedded, Address),
    ) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let inside = File::create(folder.join("inside.lock")).unwrap();
        flock(&inside, FlockOperation::LockShared).unwrap();
        let runtime = runtime();
        let (embedded, address) = start(&folder, &runtime);
        Self { runtime, embedded, address, inside }
    }

    /// Runs SQL in the database that every server has.
    pub(super) fn sql_anywhere(&self, sql: &str) -> String {
        self.sql(&self.address, sql)
    }

    pub(super) fn create_database(&self, name: &str) -> Address {
        self.sql_anywhere(&format!("create database {name}"));
        self.address.for_database(name)
    }

    pub(super) fn drop_database(&self, name: &str) {
        self.sql_anywhere(&format!("drop database if exists {name} with (force)"));
    }

    /// Runs SQL as psql would: rows as lines, columns parted by `|`.
    pub(super) fn sql(&self, address: &Address, sql: &str) -> String {
        self.runtime.block_on(answer(&address.connect_options(), sql))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let last = flock(&self.inside, FlockOperation::NonBlockingLockExclusive).is_ok();
        if last && let Err(err) = self.runtime.block_on(self.embedded.stop()) {
            eprintln!("the server of the tests runs on: {err}");
        }
    }
}

/// Runs SQL somewhere, as psql would.
pub(super) fn sql_at(options: &PgConnectOptions, sql: &str) -> String {
    runtime().block_on(answer(options, sql))
}

pub(super) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn answer(options: &PgConnectOptions, sql: &str) -> String {
    // Whoever holds what it needs for so long will not let go of it.
    let options = options.clone().options([("lock_timeout", "60s"), ("statement_timeout", "60s")]);
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut connection).await;
    let rows = rows.unwrap_or_else(|err| panic!("{sql}: {err}"));
    connection.close().await.unwrap();
    let lines: Vec<String> = rows.iter().map(line).collect();
    lines.join("\n")
}

fn line(row: &PgRow) -> String {
    let columns: Vec<String> = (0..row.len())
        .map(|index| row.try_get_raw(index).unwrap().as_str().unwrap_or_default().to_owned())
        .collect();
    columns.join("|")
}
