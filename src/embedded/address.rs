//! How to reach the private Postgres: a socket directory and a database.

use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::sockets::PORT;

/// The superuser that `initdb` makes.
pub(super) const USER: &str = "wavemark";
/// The database that everything is in.
pub(super) const DATABASE: &str = "wavemark";

/// What may stand unescaped in the path of a URL.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// How to reach one database of the private Postgres.
///
/// There is no password: only who may enter the socket directory gets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Plain ASCII and absolute: [`super::sockets`] sees to it.
    sockets: PathBuf,
    database: String,
}

impl Address {
    pub(super) fn in_dir(sockets: PathBuf) -> Self {
        Self { sockets, database: DATABASE.to_owned() }
    }

    /// The address of another database of the same server.
    pub fn for_database(&self, name: &str) -> Self {
        Self { sockets: self.sockets.clone(), database: name.to_owned() }
    }

    /// As a URL that sqlx and libpq understand.
    ///
    /// Everything is spelled out, so that no `PG…` variable of the environment
    /// can change what it means. The host in front is there because sqlx
    /// insists on one; the directory overrides it.
    pub fn url(&self) -> String {
        format!(
            "postgres://{USER}@localhost:{PORT}/{}?host={}&sslmode=disable",
            utf8_percent_encode(&self.database, NAME),
            self.sockets.display()
        )
    }

    /// For connecting without a detour through a URL.
    pub fn connect_options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.sockets)
            .port(PORT)
            .username(USER)
            .database(&self.database)
            .ssl_mode(PgSslMode::Disable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_says_everything() {
        let address = Address::in_dir("/tmp/wavemark-1f".into());
        insta::assert_snapshot!(
            address.for_database("a test/1").url(),
            @"postgres://wavemark@localhost:5432/a%20test%2F1?host=/tmp/wavemark-1f&sslmode=disable"
        );
    }

    #[test]
    fn sqlx_reads_the_url_as_it_was_meant() {
        let address = Address::in_dir("/tmp/wavemark-1f".into());
        let read: PgConnectOptions = address.url().parse().unwrap();
        let meant = address.connect_options();
        assert_eq!(read.get_socket(), meant.get_socket());
        assert_eq!(read.get_database(), Some("wavemark"));
        assert_eq!(read.get_username(), "wavemark");
    }
}
