//! What the database server counts: transactions, its log, its processor time.

use std::{fs, ops::Sub, time::Duration};

use anyhow::Context as _;
use sqlx::{Connection as _, PgConnection, Row as _};
use wavemark::embedded::Address;

use crate::meter::Times;

/// The server's counters, or how far they moved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counters {
    pub(crate) commits: i64,
    pub(crate) wal_bytes: i64,
    pub(crate) wal_flushes: i64,
    pub(crate) cpu: Duration,
}

impl Sub for Counters {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            commits: self.commits - before.commits,
            wal_bytes: self.wal_bytes - before.wal_bytes,
            wal_flushes: self.wal_flushes - before.wal_flushes,
            cpu: self.cpu.saturating_sub(before.cpu),
        }
    }
}

/// Counts from here, on a server that has just written everything down: each
/// page that is touched costs its whole self once more.
pub(crate) async fn start_counting(address: &Address) -> anyhow::Result<Counters> {
    let mut connection = PgConnection::connect_with(&address.connect_options()).await?;
    for statement in ["vacuum analyze", "checkpoint"] {
        sqlx::raw_sql(statement).execute(&mut connection).await?;
    }
    connection.close().await?;
    counters(address).await
}

/// The counters, once everybody else has gone: only then are they complete.
pub(crate) async fn counters(address: &Address) -> anyhow::Result<Counters> {
    let mut connection = PgConnection::connect_with(&address.connect_options()).await?;
    let alone = "select count(*) = 0 as alone from pg_stat_activity
        where backend_type = 'client backend' and pid <> pg_backend_pid()";
    while !sqlx::raw_sql(alone).fetch_one(&mut connection).await?.get::<bool, _>("alone") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let row = sqlx::raw_sql(
        "select xact_commit as commits, wal_bytes::bigint as wal_bytes, wal_sync as wal_flushes,
             pg_backend_pid() as pid
         from pg_stat_wal, pg_stat_database where datname = current_database()",
    )
    .fetch_one(&mut connection)
    .await?;
    let cpu = cpu(row.get("pid")).context("cannot read the processor time of the server")?;
    connection.close().await?;
    Ok(Counters {
        commits: row.get("commits"),
        wal_bytes: row.get("wal_bytes"),
        wal_flushes: row.get("wal_flushes"),
        cpu,
    })
}

/// The processor time of the server that the process `backend` is part of:
/// dead processes of it are in their parent's account.
fn cpu(backend: i32) -> Option<Duration> {
    let status = fs::read_to_string(format!("/proc/{backend}/status")).ok()?;
    let server = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().to_owned();
    let all = Times::of(&server)?;
    let alive = fs::read_to_string(format!("/proc/{server}/task/{server}/children")).ok()?;
    let alive = alive.split_whitespace().filter_map(Times::of).map(|times| times.own);
    Some(all.own + all.children + alive.sum::<Duration>())
}
