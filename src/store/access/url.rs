//! `DATABASE_URL`, taken apart.
//!
//! It is read here, and not by sqlx, because what is wrong with it has to be
//! told without showing any of it: where a character of a password is not
//! escaped, the rest of the password stands where a host, a port or a parameter
//! is looked for.
//!
//! **Invariant:** no error holds a piece of the text that was read.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr, time::Duration};

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

/// Where a Postgres is and who asks, as a URL says it.
#[derive(Clone, Debug)]
pub struct DatabaseUrl {
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: Option<SecretString>,
    pub(super) database: String,
    pub(super) tls: Option<TlsMode>,
    pub(super) root_cert: Option<PathBuf>,
    pub(super) connect_timeout: Option<Duration>,
    /// Parameters that are sqlx's business.
    pub(super) passed_on: Vec<(String, String)>,
    /// Parameters that other programs know.
    pub(super) ignored: Vec<&'static str>,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// A name or an address.
    Network(String),
    /// The directory of a unix socket.
    Socket(String),
}

/// How a server has to prove who it is: `sslmode`, in Postgres's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// Never encrypted.
    Disable,
    /// Encrypted only if the server insists.
    Allow,
    /// Encrypted if the server offers it.
    Prefer,
    /// Encrypted, whoever the server is.
    Require,
    /// The certificate is checked, the name in it is not.
    VerifyCa,
    /// The certificate is checked, and so is the name in it.
    VerifyFull,
}

/// What is wrong with a database URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It is for something else.
    #[error("it does not begin with `postgres://` or `postgresql://`")]
    Scheme,
    /// It was broken across lines, or a password has a space in it.
    #[error("it has a space or a line break in it")]
    Space,
    /// A character has to be escaped where it stands.
    #[error("it has a `{0}` where none can be, probably in the password")]
    Unescaped(char),
    /// What is escaped is not text.
    #[error("what is escaped in it with `%` is not text in UTF-8")]
    NotText,
    /// It does not say who asks.
    #[error("it names no user")]
    NoUser,
    /// It does not say where the server is.
    #[error("it names no host")]
    NoHost,
    /// It names more than one server, or one in a way that is not understood.
    #[error("its host is not one name, one address or one directory")]
    Host,
    /// The port is not one.
    #[error("its port is not a number from 1 to 65535")]
    Port,
    /// A parameter has a value that means nothing.
    #[error("its `{0}` must be {1}")]
    Value(&'static str, &'static str),
    /// A parameter is not known.
    #[error("its parameter number {0} is not one of Postgres's")]
    Parameter(usize),
}

impl BadUrl {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unescaped(_) | Self::Space | Self::Parameter(_) | Self::NotText => {
                "in a user, a password or a value, write `@` as %40, `:` %3A, `/` %2F, `?` %3F, `#` \
                 %23, `&` %26, `%` %25 and a space %20"
            }
            Self::Empty => {
                "unset it for a private Postgres; an empty one is often a secret that is not set"
            }
            Self::Scheme | Self::NoUser | Self::NoHost | Self::Port => {
                "write it as postgres://user:password@host:5432/database, with `/` in a password \
                 as %2F"
            }
            Self::Host => {
                "write an IPv6 address as [::1]; only one server can be named, and by `host` alone"
            }
            Self::Value(..) => "write it as Postgres does",
        }
    }
}

/// Known to others, and harmless to leave alone.
const IGNORED: [&str; 27] = [
    // libpq, where they say what is so here anyway, or concern what sqlx has not.
    "application_name",
    "channel_binding",
    "client_encoding",
    "fallback_application_name",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "passfile",
    "require_auth",
    "sslcompression",
    "sslcrl",
    "sslnegotiation",
    "sslsni",
    "ssl_min_protocol_version",
    "target_session_attrs",
    "tcp_user_timeout",
    // Prisma, and what Supabase and Vercel add for it.
    "connection_limit",
    "pgbouncer",
    "pool_timeout",
    "schema",
    "supa",
    // sqlx, which has nothing to cache here.
    "statement-cache-capacity",
    "uselibpqcompat",
];

impl DatabaseUrl {
    /// The password, as it is sent.
    pub fn password(&self) -> Option<&SecretString> {
        self.password.as_ref()
    }

    fn empty() -> Self {
        Self {
            host: Host::Network(String::new()),
            port: 5432,
            user: String::new(),
            password: None,
            database: String::new(),
            tls: None,
            root_cert: None,
            connect_timeout: None,
            passed_on: Vec::new(),
            ignored: Vec::new(),
        }
    }

    fn read_authority(&mut self, authority: &str) -> Result<(), BadUrl> {
        let (who, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) =
            who.split_once(':').map_or((who, None), |(user, word)| (user, Some(word)));
        self.user = unescaped(user)?;
        self.set_password(password.unwrap_or_default())?;

        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or(BadUrl::Host)?;
                (host, if port.is_empty() { None } else { port.strip_prefix(':') })
            }
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        self.set_host(&unescaped(host)?)?;
        if port.is_some_and(|port| port.contains(':')) {
            return Err(BadUrl::Host);
        }
        port.filter(|port| !port.is_empty()).map_or(Ok(()), |port| self.set_port(port))
    }

    fn read_parameter(&mut self, number: usize, name: &str, value: &str) -> Result<(), BadUrl> {
        let value = unescaped(value)?;
        let known = IGNORED.into_iter().find(|known| *known == name);
        match name {
            "host" => self.set_host(&value)?,
            "port" => self.set_port(&value)?,
            "user" => self.user = value,
            "password" => self.password = Some(value.into()),
            "dbname" => self.database = value,
            "sslmode" | "ssl-mode" => self.tls = Some(value.parse()?),
            // libpq's word for the system's authorities, which always count.
            "sslrootcert" | "ssl-root-cert" | "ssl-ca" if value == "system" => {}
            "sslrootcert" | "ssl-root-cert" | "ssl-ca" => self.root_cert = Some(value.into()),
            "sslcert" | "ssl-cert" => self.passed_on.push(("sslcert".into(), value)),
            "sslkey" | "ssl-key" => self.passed_on.push(("sslkey".into(), value)),
            "connect_timeout" => {
                let seconds = value.parse().ok().filter(|seconds| *seconds > 0);
                let seconds = seconds.ok_or(BadUrl::Value(
                    "connect_timeout",
                    "a whole number of seconds, 1 or more",
                ))?;
                self.connect_timeout = Some(Duration::from_secs(seconds));
            }
            "options" => self.passed_on.push((name.to_owned(), value)),
            _ if name.starts_with("options[") => self.passed_on.push((name.to_owned(), value)),
            _ => self.ignored.push(known.ok_or(BadUrl::Parameter(number))?),
        }
        Ok(())
    }

    fn set_password(&mut self, text: &str) -> Result<(), BadUrl> {
        if !text.is_empty() {
            self.password = Some(unescaped(text)?.into());
        }
        Ok(())
    }

    fn set_host(&mut self, host: &str) -> Result<(), BadUrl> {
        let is_address = host.parse::<IpAddr>().is_ok();
        self.host = match host {
            _ if host.starts_with('/') => Host::Socket(host.to_owned()),
            _ if is_address || !host.contains([',', ':', '@']) => Host::Network(host.to_owned()),
            _ => return Err(BadUrl::Host),
        };
        Ok(())
    }

    fn set_port(&mut self, port: &str) -> Result<(), BadUrl> {
        self.port = port.parse().ok().filter(|port| *port > 0).ok_or(BadUrl::Port)?;
        Ok(())
    }
}

impl FromStr for DatabaseUrl {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        // A secret set from a file ends with a line break.
        let text = text.trim();
        if text.is_empty() {
            return Err(BadUrl::Empty);
        }
        let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
        let rest = rest.ok_or(BadUrl::Scheme)?;
        if rest.contains(char::is_whitespace) {
            return Err(BadUrl::Space);
        }
        // Postgres knows no fragments.
        if rest.contains('#') {
            return Err(BadUrl::Unescaped('#'));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        // The `@` before the host is behind what was taken for the host.
        if path.contains('@') {
            return Err(BadUrl::Unescaped('/'));
        }
        if query.split('=').next().is_some_and(|name| name.contains('@')) {
            return Err(BadUrl::Unescaped('?'));
        }

        let mut url = Self::empty();
        url.read_authority(authority)?;
        url.database = unescaped(path)?;
        for (number, pair) in (1..).zip(query.split('&').filter(|pair| !pair.is_empty())) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            url.read_parameter(number, &unescaped(name)?, value)?;
        }

        if url.host == Host::Network(String::new()) {
            return Err(BadUrl::NoHost);
        }
        if url.user.is_empty() {
            return Err(BadUrl::NoUser);
        }
        if url.database.is_empty() {
            url.database.clone_from(&url.user);
        }
        Ok(url)
    }
}

/// What a part of a URL stands for.
fn unescaped(text: &str) -> Result<String, BadUrl> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('%') {
        let code = after.as_bytes().get(..2);
        if !code.is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit)) {
            return Err(BadUrl::Unescaped('%'));
        }
        rest = after;
    }
    let plain = percent_decode_str(text).decode_utf8().map_err(|_| BadUrl::NotText)?;
    // Neither Postgres nor an environment can hold one.
    if plain.contains('\0') { Err(BadUrl::NotText) } else { Ok(plain.into_owned()) }
}

impl Host {
    /// Whether this is this machine, and says so itself.
    pub(super) fn is_loopback(&self) -> bool {
        match self {
            Self::Network(host) => {
                host.eq_ignore_ascii_case("localhost")
                    || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
            Self::Socket(_) => true,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Network(host) | Self::Socket(host)) = self;
        f.write_str(host)
    }
}

impl TlsMode {
    const ALL: [Self; 6] =
        [Self::Disable, Self::Allow, Self::Prefer, Self::Require, Self::VerifyCa, Self::VerifyFull];

    /// As Postgres writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }

    /// Whether the server has to show a certificate that somebody vouches for.
    pub(super) fn is_checked(self) -> bool {
        matches!(self, Self::VerifyCa | Self::VerifyFull)
    }

    /// What can happen on the way to a host.
    pub(super) fn risk(self, host: &str) -> String {
        let risk = match self {
            Self::Disable | Self::Allow => "everybody on the way can read and change what is sent",
            Self::Prefer | Self::Require => "whoever gets in between can pose as the server",
            Self::VerifyCa => {
                "every server with a certificate of the same authority can pose as it"
            }
            Self::VerifyFull => "nobody can pose as the server",
        };
        format!("sslmode={} on the way to {host}: {risk}", self.as_str())
    }
}

impl FromStr for TlsMode {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let mode = Self::ALL.into_iter().find(|mode| mode.as_str().eq_ignore_ascii_case(text));
        mode.ok_or(BadUrl::Value(
            "sslmode",
            "disable, allow, prefer, require, verify-ca or verify-full",
        ))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read(text: &str) -> String {
        match text.parse::<DatabaseUrl>() {
            Ok(url) => {
                let password = url.password().map_or("-", |word| word.expose_secret());
                let DatabaseUrl { host, port, user, database, tls, .. } = &url;
                let tls = tls.map_or("-", TlsMode::as_str);
                format!("{user} {password} {host} {port} {database} {tls}")
            }
            Err(err) => format!("{err}"),
        }
    }

    #[test]
    fn a_url_is_read_as_postgres_reads_it() {
        let urls = [
            "postgres://ada:s3%40cret@db.example:6543/waves?sslmode=verify-full",
            "postgresql://postgres.abc:word@aws-0-eu.pooler.supabase.com:5432/postgres\n",
            "postgres://ada@localhost",
            "postgres://ada@[::1]:5433/waves",
            "postgres:///waves?host=/run/postgresql&user=ada&port=1",
            "postgres://ada@%2Frun%2Fpostgresql/waves",
            "postgres://ada:a%2Fb%23c%25d@localhost/waves?sslmode=PREFER",
            // The last `@` is the one before the host.
            "postgres://ada:p@ss@localhost/waves",
        ];
        insta::assert_snapshot!(urls.map(read).join("\n"), @"
        ada s3@cret db.example 6543 waves verify-full
        postgres.abc word aws-0-eu.pooler.supabase.com 5432 postgres -
        ada - localhost 5432 ada -
        ada - ::1 5433 waves -
        ada - /run/postgresql 1 waves -
        ada - /run/postgresql 5432 waves -
        ada a/b#c%d localhost 5432 waves prefer
        ada p@ss localhost 5432 waves -
        ");
    }

    #[test]
    fn what_is_wrong_with_a_url_is_told_without_a_word_of_it() {
        let urls = [
            "",
            "hunter2",
            "mysql://ada:hunter2@localhost/waves",
            "postgres://ada:hun/ter2@localhost/waves",
            "postgres://ada:12/ter2@localhost/waves",
            "postgres://ada:12#ter2@localhost/waves",
            "postgres://ada:12?ter2@localhost/waves",
            "postgres://ada:a@b?ter2@localhost/waves",
            "postgres://ada:hun%ter2@localhost/waves",
            "postgres://ada:hun%ffter2@localhost/waves",
            "postgres://ada:hun ter2@localhost/waves",
            "postgres://localhost/waves",
            "postgres://ada:hunter2@/waves",
            "postgres://ada:hunter2@localhost:hunter2/waves",
            "postgres://ada:hunter2@localhost:0/waves",
            "postgres://ada:hunter2@::1/waves",
            "postgres://ada:hunter2@one,two/waves",
            "postgres://ada:hunter2@localhost/waves?sslmode=hunter2",
            "postgres://ada:hunter2@localhost/waves?connect_timeout=hunter2",
            "postgres://ada@localhost/waves?password=hun&ter2",
            "postgres://ada@localhost/waves?hostaddr=10.0.0.1",
        ];
        let read = urls.map(read).join("\n");
        assert!(!read.contains("ter2"), "{read}");
        insta::assert_snapshot!(read, @"
        it is empty
        it does not begin with `postgres://` or `postgresql://`
        it does not begin with `postgres://` or `postgresql://`
        it has a `/` where none can be, probably in the password
        it has a `/` where none can be, probably in the password
        it has a `#` where none can be, probably in the password
        it has a `?` where none can be, probably in the password
        it has a `?` where none can be, probably in the password
        it has a `%` where none can be, probably in the password
        what is escaped in it with `%` is not text in UTF-8
        it has a space or a line break in it
        it names no user
        it names no host
        its port is not a number from 1 to 65535
        its port is not a number from 1 to 65535
        its host is not one name, one address or one directory
        its host is not one name, one address or one directory
        its `sslmode` must be disable, allow, prefer, require, verify-ca or verify-full
        its `connect_timeout` must be a whole number of seconds, 1 or more
        its parameter number 2 is not one of Postgres's
        its parameter number 1 is not one of Postgres's
        ");
    }

    #[test]
    fn only_what_is_written_as_this_machine_is_this_machine() {
        let is_loopback = |host: &str| {
            let url: DatabaseUrl = format!("postgres://ada@{host}/waves").parse().unwrap();
            url.host.is_loopback()
        };
        for host in ["localhost", "LocalHost", "127.0.0.1", "127.9.8.7", "[::1]", "%2Frun"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "0.0.0.0",
            "localhost.example",
            "127.0.0.1.example",
            "127.1",
            "[::]",
            "[::ffff:127.0.0.1]",
            "128.0.0.1",
            "db.localhost",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            failure_persistence: None, ..Default::default()
        })]

        #[test]
        fn a_password_that_is_escaped_comes_out_as_it_went_in(password in "[^\0]{1,40}") {
            let written = percent_encoding::utf8_percent_encode(
                &password,
                percent_encoding::NON_ALPHANUMERIC,
            );
            let url: DatabaseUrl =
                format!("postgres://ada:{written}@localhost/waves").parse().unwrap();
            proptest::prop_assert_eq!(url.password().unwrap().expose_secret(), &password);
        }

        #[test]
        fn a_password_that_is_not_escaped_is_in_no_error(password in "[a-z0-9/#?%@:&= ]{6,40}") {
            let url = format!("postgres://ada:{password}@db.example/waves?sslmode=require");
            if let Err(err) = url.parse::<DatabaseUrl>() {
                let told = format!("{err} {err:?} {}", err.hint());
                proptest::prop_assert!(!told.contains(&password), "{}", told);
            }
        }
    }
}
