//! A Postgres as it is elsewhere: behind TCP, a certificate and a password.
//!
//! The server is a private one of the test that also listens on an address of
//! its own in 127.0.0.0/8, as Linux lets anybody. A forwarder makes it reachable
//! as `0.0.0.0`, which leads to this machine but is no loopback address as
//! written. Certificates are made for each test.

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    thread,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use tempfile::TempDir;
use uuid::Uuid;
use wavemark::embedded::{Address, Embedded};

use super::{
    server::{runtime, sql_at},
    wait_until,
};

/// Who may connect, and with what.
pub(crate) const USER: &str = "postgres.abc";
pub(crate) const PASSWORD: &str = "pa/ss#w0rd%&@qz7";
/// The password as it is written in a URL.
pub(crate) const ESCAPED: &str = "pa%2Fss%23w0rd%25%26%40qz7";

/// An authority that makes certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, as PEM.
pub(crate) struct Certificate {
    certificate: String,
    key: String,
}

/// A server of one test.
pub(crate) struct Elsewhere {
    embedded: Embedded,
    address: Address,
    port: u16,
    _folder: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Supabase has two of one name too.
        params.distinguished_name.push(DnType::CommonName, "Root 2021 CA");
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these hosts.
    pub(crate) fn certify(&self, hosts: &[&str]) -> Certificate {
        self.sign(&params(hosts))
    }

    /// One that was good until the end of the year 2020.
    pub(crate) fn certify_until_2020(&self, hosts: &[&str]) -> Certificate {
        let mut params = params(hosts);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2020, 12, 31);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let issuer: &Issuer<'_, KeyPair> = &self.0;
        let certificate = params.signed_by(&key, issuer).unwrap();
        Certificate { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

fn params(hosts: &[&str]) -> CertificateParams {
    CertificateParams::new(hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>()).unwrap()
}

impl Elsewhere {
    /// A server with this certificate and the database `waves`.
    pub(crate) fn start(certificate: &Certificate) -> Self {
        let folder = TempDir::new().unwrap();
        let [_, a, b, c, ..] = Uuid::new_v4().into_bytes();
        let listens = Ipv4Addr::new(127, a.max(1), b, c.clamp(1, 254));
        let embedded = Embedded::at(folder.path()).with_settings(&[
            ("listen_addresses", &listens.to_string()),
            ("fsync", "off"),
            ("full_page_writes", "off"),
        ]);
        let address = runtime().block_on(embedded.start()).unwrap();
        let port = forward(listens);
        let server = Self { embedded, address, port, _folder: folder };
        server.sql(&format!("create role \"{USER}\" login createrole password '{PASSWORD}'"));
        server.sql(&format!("create database waves owner \"{USER}\""));
        server.write("pg_hba.conf", "local all all trust\nhost all all all scram-sha-256\n");
        server.sql("alter system set ssl = on");
        server.show(certificate);
        server
    }

    /// Has the server show this certificate from here on.
    pub(crate) fn show(&self, certificate: &Certificate) {
        self.write("server.crt", &certificate.certificate);
        self.write("server.key", &certificate.key);
        let loaded = || self.sql("select pg_conf_load_time()");
        let before = loaded();
        self.sql("select pg_reload_conf()");
        wait_until("the server has read its settings", || loaded() != before);
        assert_eq!(self.sql("show ssl"), "on");
    }

    /// The URL of its database, with the host as given.
    pub(crate) fn url(&self, host: &str) -> String {
        format!("postgres://{USER}:{ESCAPED}@{host}:{}/waves", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL as its superuser.
    pub(crate) fn sql(&self, sql: &str) -> String {
        sql_at(&self.address.connect_options(), sql)
    }

    /// Writes a file beside the data, as the server's own account, which is not
    /// ours when we are root.
    fn write(&self, name: &str, text: &str) {
        let text = BASE64_STANDARD.encode(text);
        self.sql(&format!(
            "copy (select '{text}') to program 'umask 077 && base64 -d >{name}.new \
             && mv {name}.new {name}'"
        ));
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        if let Err(err) = runtime().block_on(self.embedded.destroy()) {
            eprintln!("a server is left behind: {err}");
        }
    }
}

/// Forwards a port on every address to Postgres's on this one, until the test
/// ends.
fn forward(to: Ipv4Addr) -> u16 {
    answer(move |client| {
        let server = TcpStream::connect((to, 5432)).unwrap();
        let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let there = thread::spawn(move || pass_on(client, server));
        pass_on(back.0, back.1);
        there.join().unwrap();
    })
}

fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    // Either side may go away at any time.
    drop(io::copy(&mut from, &mut to).and_then(|_| to.flush()));
    drop(to.shutdown(Shutdown::Write));
}

/// Listens on every address of this machine and answers each connection like
/// this; returns the port.
pub(crate) fn answer(with: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind(("0.0.0.0", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let with = with.clone();
            thread::spawn(move || with(client.unwrap()));
        }
    });
    port
}
