//! Why a server could not be reached, and what to do about it.
//!
//! sqlx tells most of these apart only in its words, or in an error within an
//! error. Here each that asks for something else to be done is a variant.

use std::{io, time::Duration};

use chrono::DateTime;
use rustls::{CertificateError, pki_types::UnixTime};
use sqlx::postgres::PgConnectOptions;

/// What stands between us and a database.
#[derive(Debug, thiserror::Error)]
pub enum Obstacle {
    /// Nobody knows the host's address.
    #[error("the host's name could not be looked up")]
    UnknownHost(#[source] io::Error),
    /// Nothing listens on that port, or at that socket.
    #[error("nothing listens there")]
    Refused(#[source] io::Error),
    /// The network knows no way to the host.
    #[error("there is no way to that host from here")]
    NoRoute(#[source] io::Error),
    /// No answer came, or not all of it.
    #[error("it did not answer within {} s", .0.as_secs_f32())]
    Silent(Duration),
    /// The other side broke the connection off.
    #[error("it ended the connection without a word")]
    HungUp(#[source] io::Error),
    /// What answers is something else.
    #[error("what answers there does not speak Postgres's protocol")]
    NotPostgres,
    /// The server does not encrypt.
    #[error("the server does not speak TLS")]
    NoTls,
    /// The certificate is for another name.
    #[error("the server's certificate is for {presented}, and not for {expected}")]
    WrongName {
        /// The host in the URL.
        expected: String,
        /// The names in the certificate.
        presented: String,
    },
    /// Nobody that we trust vouches for the certificate.
    #[error("the server's certificate is from an authority that is not known here")]
    UnknownAuthority,
    /// The certificate is too old.
    #[error("the server's certificate expired: it was good until {0}")]
    Expired(String),
    /// The certificate is for later.
    #[error("the server's certificate is not valid before {0}")]
    NotYetValid(String),
    /// Something else is wrong with the certificate.
    #[error("the server's certificate is no good")]
    BadCertificate(#[source] rustls::Error),
    /// The two sides did not come to terms.
    #[error("the server and Wavemark could not agree on how to encrypt")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The password is missing or wrong.
    #[error("the server did not accept the password of `{user}`")]
    Password {
        /// Who asked.
        user: String,
    },
    /// The server does not want this user, from here, in this way.
    #[error("the server does not let `{user}` in")]
    NotAllowed {
        /// Who asked.
        user: String,
        /// What it said.
        source: Said,
    },
    /// The server has no such database.
    #[error("the server has no database `{database}`")]
    NoDatabase {
        /// Which one was asked for.
        database: String,
    },
    /// A pooler for many servers does not know which one is meant.
    #[error("the pooler does not know whose database `{user}` means")]
    NoTenant {
        /// Who asked.
        user: String,
        /// What it said.
        source: Said,
    },
    /// There is no connection to spare.
    #[error("all connections are taken")]
    Full(#[source] Said),
    /// Anything else.
    #[error("the attempt failed")]
    Other(#[source] sqlx::Error),
}

/// A server's own words.
#[derive(Debug, thiserror::Error)]
#[error("it said: {0}")]
pub struct Said(String);

impl Obstacle {
    /// What `err`, which connecting with `options` ended in, comes from.
    pub(in crate::store) fn of(
        err: sqlx::Error,
        options: &PgConnectOptions,
        patience: Duration,
    ) -> Self {
        match err {
            sqlx::Error::Io(err) => of_io(err),
            sqlx::Error::PoolTimedOut => Self::Silent(patience),
            sqlx::Error::Protocol(_) => Self::NotPostgres,
            sqlx::Error::Tls(err) if err.to_string() == "server does not support TLS" => {
                Self::NoTls
            }
            sqlx::Error::Tls(err) => Self::Tls(err),
            sqlx::Error::Database(said) => {
                let code = said.code().unwrap_or_default().into_owned();
                of_server(&code, said.message(), options)
                    .unwrap_or(Self::Other(sqlx::Error::Database(said)))
            }
            err => Self::Other(err),
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::UnknownHost(_) => {
                "check the host in DATABASE_URL; for Supabase, copy the session pooler's URL from \
                 the dashboard (Connect)"
            }
            Self::Refused(_) => {
                "check the host and the port in DATABASE_URL, and that the server runs; without \
                 DATABASE_URL a private Postgres is started"
            }
            Self::NoRoute(_) => {
                "a Supabase project's own host has IPv6 addresses only: take the session pooler's \
                 URL from the dashboard (Connect)"
            }
            Self::Silent(_) => {
                "check the host, the port and the firewalls in between; `?connect_timeout=60` in \
                 DATABASE_URL waits longer"
            }
            Self::HungUp(_) | Self::NotPostgres => {
                "check the host and the port in DATABASE_URL: 5432 is the usual one; Supabase's \
                 transaction pooler has 6543"
            }
            Self::NoTls => {
                "switch TLS on there, or tunnel to it and connect to localhost; \
                 --database-insecure with `?sslmode=disable` in DATABASE_URL goes without"
            }
            Self::WrongName { .. } => {
                "write the host in DATABASE_URL as the certificate has it; if that is right, this \
                 is another server"
            }
            Self::UnknownAuthority => {
                "give its authority's certificate in WAVEMARK_DATABASE_CA; Supabase's is in the \
                 dashboard (Database, Settings, SSL)"
            }
            Self::Expired(_) | Self::NotYetValid(_) => {
                "renew it on the server, or set this machine's clock right"
            }
            Self::BadCertificate(_) => {
                "the server needs a certificate of its own, made by an authority, with its host \
                 name as a subject alternative name"
            }
            Self::Tls(_) => "the server has to offer TLS 1.2 or 1.3",
            Self::Password { .. } => {
                "check the user and the password in DATABASE_URL, where `@` is written %40, `#` \
                 %23, `/` %2F and `%` %25; without one there, PGPASSWORD and ~/.pgpass count"
            }
            Self::NotAllowed { .. } => {
                "check the user in DATABASE_URL, and whether the server takes connections from here"
            }
            Self::NoDatabase { .. } => {
                "create it, or name another at the end of DATABASE_URL; Supabase's is `postgres`"
            }
            Self::NoTenant { .. } => {
                "on Supabase's poolers the user is postgres.PROJECT-REF and the host is of the \
                 project's region: copy the URL from the dashboard (Connect)"
            }
            Self::Full(_) => {
                "run fewer `wavemark` at once (each takes up to 4), raise the pool size in \
                 Supabase's dashboard, or use its transaction pooler, port 6543"
            }
            Self::Other(_) => return None,
        })
    }
}

fn of_io(err: io::Error) -> Obstacle {
    use io::ErrorKind;

    if err.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
        return match err.downcast::<rustls::Error>() {
            Ok(err) => of_tls(err),
            Err(err) => Obstacle::Other(sqlx::Error::Io(err)),
        };
    }
    match err.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::NotFound => Obstacle::Refused(err),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => Obstacle::NoRoute(err),
        ErrorKind::UnexpectedEof
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe => Obstacle::HungUp(err),
        // The resolver's errors have no kind of their own.
        _ if err.to_string().starts_with("failed to lookup address") => Obstacle::UnknownHost(err),
        _ => Obstacle::Other(sqlx::Error::Io(err)),
    }
}

fn of_tls(err: rustls::Error) -> Obstacle {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForNameContext, NotValidYetContext,
        UnknownIssuer,
    };

    let problem = match &err {
        rustls::Error::InvalidCertificate(problem) => problem,
        rustls::Error::InvalidMessage(_) => return Obstacle::NotPostgres,
        _ => return Obstacle::Tls(Box::new(err)),
    };
    match problem {
        // The latter if the authority has the name of one that is known.
        UnknownIssuer | BadSignature => Obstacle::UnknownAuthority,
        Expired => Obstacle::Expired("an unknown day".to_owned()),
        ExpiredContext { not_after, .. } => Obstacle::Expired(day(*not_after)),
        NotValidYetContext { not_before, .. } => Obstacle::NotYetValid(day(*not_before)),
        NotValidForNameContext { expected, presented } => Obstacle::WrongName {
            expected: expected.to_str().into_owned(),
            presented: names(presented),
        },
        _ => Obstacle::BadCertificate(err),
    }
}

fn day(moment: UnixTime) -> String {
    let seconds = i64::try_from(moment.as_secs()).unwrap_or(i64::MAX);
    let moment = DateTime::from_timestamp(seconds, 0);
    moment.map_or_else(|| "a day far away".to_owned(), |moment| moment.format("%F").to_string())
}

/// The names in a certificate, each of which comes as `DnsName("db.example")`.
fn names(presented: &[String]) -> String {
    let plain: Vec<&str> = presented
        .iter()
        .map(|name| name.split(['(', ')']).nth(1).unwrap_or(name).trim_matches('"'))
        .collect();
    if plain.is_empty() { "no host at all".to_owned() } else { plain.join(", ") }
}

fn of_server(code: &str, message: &str, options: &PgConnectOptions) -> Option<Obstacle> {
    let user = options.get_username().to_owned();
    let said = || Said(message.to_owned());
    let low = message.to_lowercase();
    Some(match code {
        "28P01" => Obstacle::Password { user },
        "28000" => Obstacle::NotAllowed { user, source: said() },
        "3D000" => {
            Obstacle::NoDatabase { database: options.get_database().unwrap_or(&user).to_owned() }
        }
        "53300" => Obstacle::Full(said()),
        // Poolers have no codes of their own: Supavisor, and then pgbouncer.
        _ if low.contains("tenant or user not found") || low.contains("(enotfound)") => {
            Obstacle::NoTenant { user, source: said() }
        }
        _ if low.contains("max clients reached")
            || low.contains("max client connections reached")
            || low.contains("no more connections allowed") =>
        {
            Obstacle::Full(said())
        }
        _ if low.starts_with("no such database") => {
            Obstacle::NoDatabase { database: options.get_database().unwrap_or(&user).to_owned() }
        }
        _ if low.starts_with("no such user") => Obstacle::NotAllowed { user, source: said() },
        _ => return None,
    })
}
