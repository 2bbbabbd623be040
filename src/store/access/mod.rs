//! How a database of one's own is reached: `DATABASE_URL`, and whom to trust.
//!
//! | file | what it knows |
//! |---|---|
//! | `url` | the URL, taken apart |
//! | `authorities` | whose word on a server's certificate counts |
//! | `obstacle` | why nobody got through, and what to do about it |
//!
//! **Invariants:** a password crosses no network to a server whose certificate
//! was not checked against the name in the URL, unless the user asked for that
//! twice. Of the `PG…` variables only those count that hold a credential, and
//! only where the URL holds none: whatever else is in the environment cannot
//! send a night's work elsewhere. Nothing here prints a password.

mod authorities;
mod obstacle;
mod url;

use std::{path::Path, time::Duration};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret as _;
use sqlx::postgres::PgConnectOptions;

use self::url::Host;
pub use self::{
    authorities::{Authorities, BadAuthorities},
    obstacle::{Obstacle, Said},
    url::{BadUrl, DatabaseUrl, TlsMode},
};
use super::{Error, Result};

/// How long the first connection may take where the URL does not say.
const PATIENCE: Duration = Duration::from_secs(30);

/// What to do about a URL that asks for less than a checked certificate, on a
/// network that others are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insecure {
    /// Do not connect.
    Refuse,
    /// Do as it says.
    Accept,
}

/// A database, and how far its server is to be trusted.
#[derive(Clone, Debug)]
pub struct Access {
    url: DatabaseUrl,
    tls: TlsMode,
    authorities: Option<Authorities>,
}

/// What a connection is made with.
#[derive(Clone)]
pub struct Target {
    pub(super) options: PgConnectOptions,
    pub(super) patience: Duration,
}

impl Access {
    /// Checks that what the URL asks for is safe enough. `authorities` are those
    /// of `WAVEMARK_DATABASE_CA`; files in the URL are looked for from `base`.
    ///
    /// A unix socket and a loopback address, as written, may do without TLS:
    /// nobody else is in between. A name is not looked up for this, because who
    /// answers for names could then choose.
    pub fn new(
        mut url: DatabaseUrl,
        authorities: Option<Authorities>,
        insecure: Insecure,
        base: &Path,
    ) -> Result<Self> {
        let tls = match (&url.host, url.tls) {
            // Postgres speaks no TLS on a socket.
            (Host::Socket(_), _) => TlsMode::Disable,
            (host, None) if host.is_loopback() => TlsMode::Prefer,
            (_, None | Some(TlsMode::VerifyFull)) => TlsMode::VerifyFull,
            (host, Some(mode)) if host.is_loopback() => mode,
            (_, Some(mode)) if insecure == Insecure::Accept => {
                tracing::warn!("{}", mode.risk(&url.host.to_string()));
                mode
            }
            (host, Some(mode)) => return Err(Error::Insecure { host: host.to_string(), mode }),
        };
        for name in &url.ignored {
            tracing::warn!("`{name}` in DATABASE_URL means nothing to Wavemark, left it alone");
        }
        for (_, path) in url.passed_on.iter_mut().filter(|(name, _)| name.starts_with("ssl")) {
            *path = base.join(&*path).display().to_string();
        }
        let authorities = match (&url.root_cert, authorities) {
            (Some(_), Some(_)) => return Err(Error::TwoAuthorities),
            (Some(path), None) => {
                Some(Authorities::in_file(&base.join(path)).map_err(|source| {
                    Error::BadAuthorities { setting: "`sslrootcert` in DATABASE_URL", source }
                })?)
            }
            (None, authorities) => authorities,
        };
        Ok(Self { url, tls, authorities })
    }

    /// For sqlx, with everything said, as it would take what is not from `PG…`
    /// variables. Only a missing password is left to it: `PGPASSWORD` or the
    /// password file.
    pub fn target(&self) -> Target {
        let url = &self.url;
        let (port, host) = (url.port.to_string(), url.host.to_string());
        let mut said = vec![
            // What the password file calls a socket; `host` overrides it.
            ("host", "localhost"),
            ("host", &host),
            ("port", &port),
            ("user", &url.user),
            ("dbname", &url.database),
            ("sslmode", self.tls.as_str()),
        ];
        said.extend(url.password.as_ref().map(|word| ("password", word.expose_secret())));
        said.extend(url.passed_on.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let said: Vec<String> = said
            .into_iter()
            .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)))
            .collect();
        let options: PgConnectOptions = format!("postgres:///?{}", said.join("&"))
            .parse()
            .expect("a URL of known parameters with checked values");
        let pem = self.authorities.as_ref().map(|authorities| authorities.pem().to_vec());
        Target {
            // With nothing in it, beside the system's, where there are none.
            options: options.ssl_root_cert_from_pem(pem.unwrap_or_default()),
            patience: url.connect_timeout.unwrap_or(PATIENCE),
        }
    }

    /// The variables that make `psql` connect in the same way. They do what its
    /// arguments would do, which everybody on a machine can see.
    ///
    /// `authorities_file` is where the certificates of [`authorities`](Self::authorities)
    /// have been put.
    pub fn psql_variables(&self, authorities_file: Option<&Path>) -> Vec<(&'static str, String)> {
        let url = &self.url;
        let root =
            authorities_file.map_or_else(|| "system".to_owned(), |path| path.display().to_string());
        let mut variables = vec![
            ("PGHOST", url.host.to_string()),
            ("PGPORT", url.port.to_string()),
            ("PGUSER", url.user.clone()),
            ("PGDATABASE", url.database.clone()),
            ("PGSSLMODE", self.tls.as_str().to_owned()),
            ("PGAPPNAME", "wavemark db psql".to_owned()),
        ];
        if self.tls.is_checked() {
            variables.push(("PGSSLROOTCERT", root));
        }
        if let Some(password) = &url.password {
            variables.push(("PGPASSWORD", password.expose_secret().to_owned()));
        }
        for (name, value) in &url.passed_on {
            match name.as_str() {
                "sslcert" => variables.push(("PGSSLCERT", value.clone())),
                "sslkey" => variables.push(("PGSSLKEY", value.clone())),
                "options" => variables.push(("PGOPTIONS", value.clone())),
                _ => {}
            }
        }
        variables
    }

    /// How the server has to prove who it is, and what can happen on the way to it;
    /// nothing where nobody is in between.
    pub fn risk(&self) -> (TlsMode, Option<String>) {
        let host = self.url.host.to_string();
        let is_safe = self.url.host.is_loopback() || self.tls == TlsMode::VerifyFull;
        (self.tls, (!is_safe).then(|| self.tls.risk(&host)))
    }

    /// Whether the server is on this machine, by its address.
    pub fn is_local(&self) -> bool {
        self.url.host.is_loopback()
    }

    /// Whose certificates are trusted beside the system's.
    pub fn authorities(&self) -> Option<&Authorities> {
        self.authorities.as_ref()
    }
}

impl From<PgConnectOptions> for Target {
    fn from(options: PgConnectOptions) -> Self {
        Self { options, patience: PATIENCE }
    }
}

/// For a query of a URL.
fn escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use sqlx::postgres::PgSslMode;

    use super::*;

    fn access(url: &str, insecure: Insecure) -> Result<Access> {
        Access::new(url.parse().unwrap(), None, insecure, Path::new("/"))
    }

    #[test]
    fn a_server_elsewhere_is_checked_and_one_here_need_not_be() {
        let modes = ["", "?sslmode=disable", "?sslmode=require", "?sslmode=verify-full"];
        let mut table = String::new();
        for host in ["%2Frun", "localhost", "db.example"] {
            for mode in modes {
                let url = format!("postgres://ada:hunter2@{host}/waves{mode}");
                let told = |insecure| match access(&url, insecure) {
                    Ok(access) => access.tls.as_str().to_owned(),
                    Err(_) => "refused".to_owned(),
                };
                let (refuse, accept) = (told(Insecure::Refuse), told(Insecure::Accept));
                table += &format!("{host:<11} {mode:<20} {refuse:<12} {accept}\n");
            }
        }
        insta::assert_snapshot!(table, @"
        %2Frun                           disable      disable
        %2Frun      ?sslmode=disable     disable      disable
        %2Frun      ?sslmode=require     disable      disable
        %2Frun      ?sslmode=verify-full disable      disable
        localhost                        prefer       prefer
        localhost   ?sslmode=disable     disable      disable
        localhost   ?sslmode=require     require      require
        localhost   ?sslmode=verify-full verify-full  verify-full
        db.example                       verify-full  verify-full
        db.example  ?sslmode=disable     refused      disable
        db.example  ?sslmode=require     refused      require
        db.example  ?sslmode=verify-full verify-full  verify-full
        ");
    }

    #[test]
    fn sqlx_gets_everything_as_it_was_meant() {
        let url = "postgres://a%40da:hunter2%2B+%26@[::1]:6543/a%20b?options=-c%20a%3Db";
        let options = access(url, Insecure::Refuse).unwrap().target().options;
        assert_eq!(
            (options.get_username(), options.get_host(), options.get_port()),
            ("a@da", "::1", 6543)
        );
        assert_eq!((options.get_database(), options.get_socket()), (Some("a b"), None));
        assert_eq!(options.get_options(), Some("-c a=b"));
        assert!(matches!(options.get_ssl_mode(), PgSslMode::Prefer));

        let options = access("postgres://ada@%2Frun/", Insecure::Refuse).unwrap().target().options;
        assert_eq!(options.get_socket(), Some(&"/run".into()));
        assert_eq!((options.get_host(), options.get_database()), ("localhost", Some("ada")));
    }

    #[test]
    fn nothing_that_is_logged_holds_the_password() {
        let access = access("postgres://ada:hunter2@db.example/waves", Insecure::Refuse).unwrap();
        let text = format!("{access:?} {:?}", access.url);
        assert!(text.contains("db.example") && !text.contains("hunter2"), "{text}");
    }
}
