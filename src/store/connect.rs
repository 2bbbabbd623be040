//! Connecting, and the one way to run a transaction.

use std::time::Duration;

use sqlx::{
    ConnectOptions as _, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tracing::debug;

use super::{Error, Result, migrate, sql::Tx};

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
/// A process that is frozen in the middle of a transaction lets go of its locks
/// after this long. It goes with the `begin`: a pooler keeps no session.
const BEGIN: &str = "begin; set local idle_in_transaction_session_timeout = '60s'";
/// All statements see one moment, and none may write.
const BEGIN_READ: &str = "begin isolation level repeatable read, read only;
    set local idle_in_transaction_session_timeout = '60s'";
/// How often a transaction that lost a race is tried.
const TRIES: u32 = 8;

impl Store {
    /// Connects, and brings the schema up to date.
    pub async fn open(options: PgConnectOptions) -> Result<Self> {
        let store = Self::connect(options).await?;
        migrate::run(&store.pool).await?;
        Ok(store)
    }

    /// Connects, and leaves the schema as it is.
    pub async fn connect(options: PgConnectOptions) -> Result<Self> {
        let options = options
            .application_name("wavemark")
            .log_statements(tracing::log::LevelFilter::Trace)
            .log_slow_statements(tracing::log::LevelFilter::Debug, Duration::from_secs(5));
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(Duration::from_secs(30))
            .test_before_acquire(false)
            .connect_lazy_with(options.clone());
        let unreachable = |source| Error::Unreachable { place: place(&options), source };
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
