//! Connecting, and the one way to run a transaction.

use std::time::Duration;

use sqlx::{
    ConnectOptions as _, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tracing::debug;

use super::{
    Error, Result,
    access::{Obstacle, Target},
    migrate,
    sql::Tx,
};

/// The database of one or more projects.
///
/// Cloning shares the pool.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
}

/// A Supabase project's own libraries open as many.
const CONNECTIONS: u32 = 4;
/// How long the first connection may take before its cause is looked into.
const DOUBT: Duration = Duration::from_millis(200);
/// Begins a transaction as if nobody had been on the connection before: another
/// client of a pooler may have left other defaults. A process that is frozen in
/// the middle lets go of its locks after a while.
const BEGIN: &str = "begin isolation level read committed, read write;
    set local idle_in_transaction_session_timeout = '60s'";
/// All statements see one moment, and none may write.
const BEGIN_READ: &str = "begin isolation level repeatable read, read only;
    set local idle_in_transaction_session_timeout = '60s'";
/// How often a transaction that lost a race is tried.
const TRIES: u32 = 8;

impl Store {
    /// Connects, and brings the schema up to date.
    pub async fn open(target: impl Into<Target>) -> Result<Self> {
        let store = Self::connect(target).await?;
        store.tx(migrate::run).await?;
        Ok(store)
    }

    /// Connects, and leaves the schema as it is.
    pub async fn connect(target: impl Into<Target>) -> Result<Self> {
        let Target { options, patience } = target.into();
        let options = options
            .application_name("wavemark")
            // A pooler refuses what it was not told about; no float is ever read.
            .extra_float_digits(None)
            .log_statements(tracing::log::LevelFilter::Trace)
            .log_slow_statements(tracing::log::LevelFilter::Debug, Duration::from_secs(5));
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(patience)
            .test_before_acquire(false)
            .connect_lazy_with(options.clone());
        let unreachable = |cause| Error::Unreachable {
            place: place(&options),
            source: Obstacle::of(cause, &options, patience),
        };
        // A pool goes on trying for half a minute, and then hides the cause.
        let cause = async {
            tokio::time::sleep(DOUBT).await;
            match options.connect().await {
                Err(cause) => cause,
                Ok(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            connected = pool.acquire() => drop(connected.map_err(unreachable)?),
            cause = cause => return Err(unreachable(cause)),
        }
        Ok(Self { pool })
    }

    /// Whether anybody ever brought the schema here.
    ///
    /// # Errors
    ///
    /// [`Error::Foreign`] where a table of somebody else stands in its place.
    pub async fn has_schema(&self) -> Result<bool> {
        self.read(async |tx| migrate::is_there(tx).await).await
    }

    /// Runs `work` in a transaction, again from its beginning when it lost a
    /// race or its connection.
    ///
    /// # Errors
    ///
    /// Whatever `work` answers; nothing of it is kept then.
    pub async fn tx<T>(&self, work: impl AsyncFn(&mut Tx) -> Result<T>) -> Result<T> {
        self.begin(BEGIN, &work).await
    }

    /// Like [`tx`](Self::tx), but all statements see one moment, and none may
    /// write.
    pub async fn read<T>(&self, work: impl AsyncFn(&mut Tx) -> Result<T>) -> Result<T> {
        self.begin(BEGIN_READ, &work).await
    }

    async fn begin<T>(
        &self,
        begin: &'static str,
        work: &impl AsyncFn(&mut Tx) -> Result<T>,
    ) -> Result<T> {
        for attempt in 1.. {
            let result = self.once(begin, work).await;
            match result {
                Err(err) if err.is_transient() && attempt < TRIES => {
                    debug!(attempt, "transaction lost a race, once more: {err:?}");
                    tokio::time::sleep(Duration::from_millis(10) * attempt * attempt).await;
                }
                result => return result,
            }
        }
        unreachable!("the last attempt returns")
    }

    async fn once<T>(
        &self,
        begin: &'static str,
        work: &impl AsyncFn(&mut Tx) -> Result<T>,
    ) -> Result<T> {
        let mut tx = Tx::new(self.pool.begin_with(begin).await?);
        let answer = work(&mut tx).await?;
        tx.commit().await?;
        Ok(answer)
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Where the database is, without what must not be shown.
fn place(options: &PgConnectOptions) -> String {
    let host = options
        .get_socket()
        .map_or_else(|| options.get_host().to_owned(), |path| path.display().to_string());
    let database = options.get_database().unwrap_or(options.get_username());
    format!("{host}:{}/{database}", options.get_port())
}
