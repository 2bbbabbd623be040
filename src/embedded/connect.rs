//! Finds out whether a server answers, by really connecting.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use tokio::time::timeout;

use super::{Error, address::Address, home::Home};

/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a server that is up says.
pub(super) enum Answer {
    /// Welcome.
    Open(PgConnection),
    /// Our database is not there.
    NoDatabase,
    /// There is no connection to spare.
    Full,
}

/// Connects. The error is none if there was no answer in time.
pub(super) async fn connect(address: &Address) -> Result<Answer, Option<sqlx::Error>> {
    let options = address.connect_options();
    let err = match timeout(PATIENCE, PgConnection::connect_with(&options)).await {
        Ok(Ok(connection)) => return Ok(Answer::Open(connection)),
        Ok(Err(err)) => err,
        Err(_) => return Err(None),
    };
    let code = err.as_database_error().and_then(|err| err.code());
    match code.as_deref() {
        Some("3D000") => Ok(Answer::NoDatabase),
        Some("53300") => Ok(Answer::Full),
        _ => Err(Some(err)),
    }
}

/// Whether the database at `address` can be used right now.
pub(super) async fn is_usable(address: &Address) -> bool {
    match connect(address).await {
        Ok(Answer::Open(connection)) => connection.close().await.is_ok(),
        Ok(Answer::Full) => true,
        Ok(Answer::NoDatabase) | Err(_) => false,
    }
}

/// Makes our database on the server in `home`, if its answer was that there is
/// none.
pub(super) async fn create_database(home: &Home, answer: Answer) -> Result<(), Error> {
    let create = async {
        match answer {
            Answer::Open(connection) => connection.close().await,
            Answer::Full => Ok(()),
            Answer::NoDatabase => {
                let maintenance = home.address().for_database("postgres").connect_options();
                let mut connection = PgConnection::connect_with(&maintenance).await?;
                sqlx::raw_sql("create database wavemark").execute(&mut connection).await?;
                connection.close().await
            }
        }
    };
    let home = home.path().to_owned();
    create.await.map_err(|source| Error::CreateDatabase { home, source })
}
