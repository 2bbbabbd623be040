//! A transaction pooler: Debian's pgbouncer, with three connections to the
//! server for all of its clients.
//!
//! It is the worst that a pooler may do: no connection is anybody's own, and
//! what a client leaves on one stays there for the next.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt as _, chown},
        net::UnixStream,
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
};

use rustix::process::Signal;
use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};
use tempfile::TempDir;
use wavemark::embedded::Address;

use super::{process::Running, server::runtime, tools, wait_until};

/// How many connections to a database there are.
const CONNECTIONS: usize = 3;
/// Part of the name of its socket.
const PORT: u16 = 6543;

/// What a careless client leaves on a connection that is not its own: statements
/// under names that others use, temporary tables that hide the real ones, and
/// other defaults.
const MESS: &str = "
    create temp table agents (mess int);
    create temp table runs (mess int);
    create temp table feedback (mess int);
    create temp table _sqlx_migrations (mess int);
    prepare sqlx_s_1 as select 'somebody else''s';
    prepare sqlx_s_2 (int) as select $1, 'somebody else''s';
    prepare sqlx_s_3 as delete from agents;
    set session characteristics as transaction isolation level serializable, read only;
    set search_path = pg_temp";

/// A pooler in front of the server that some database is on.
pub(crate) struct Pooler {
    folder: TempDir,
    sockets: PathBuf,
    database: String,
    process: Running,
}

impl Pooler {
    /// Starts one in front of a database.
    pub(crate) fn in_front_of(address: &Address) -> Self {
        let folder = TempDir::new().unwrap();
        let options = address.connect_options();
        let sockets = options.get_socket().unwrap().clone();
        let database = options.get_database().unwrap().to_owned();
        let settings = format!(
            "[databases]
             {database} = host={} port=5432 user=wavemark
             [pgbouncer]
             pool_mode = transaction
             default_pool_size = {CONNECTIONS}
             auth_type = any
             listen_addr =
             listen_port = {PORT}
             unix_socket_dir = {}\n",
            sockets.display(),
            folder.path().display(),
        );
        let settings: Vec<&str> = settings.lines().map(str::trim).collect();
        fs::write(folder.path().join("pgbouncer.ini"), settings.join("\n")).unwrap();
        let process = start(&folder, &sockets);
        Self { folder, sockets, database, process }
    }

    /// The URL of the database, through the pooler.
    pub(crate) fn url(&self) -> String {
        let (host, database) = (self.folder.path().display(), &self.database);
        format!("postgres://anybody@localhost:{PORT}/{database}?host={host}&sslmode=disable")
    }

    /// Leaves a mess on every connection to the database.
    pub(crate) fn spoil(&self) {
        let url: PgConnectOptions = self.url().parse().unwrap();
        let options = url.extra_float_digits(None);
        runtime().block_on(async {
            let mut clients = Vec::new();
            for _ in 0..CONNECTIONS {
                let mut client = PgConnection::connect_with(&options).await.unwrap();
                // Whoever is in a transaction has a connection to itself.
                sqlx::raw_sql("begin").execute(&mut client).await.unwrap();
                clients.push(client);
            }
            for mut client in clients {
                sqlx::raw_sql(MESS).execute(&mut client).await.unwrap();
                sqlx::raw_sql("commit").execute(&mut client).await.unwrap();
                client.close().await.unwrap();
            }
        });
    }

    /// Kills it, as a machine does that goes down, and starts it again.
    pub(crate) fn restart(&mut self) {
        self.process.signal(Signal::KILL);
        wait_until("the pooler is gone", || self.process.is_over());
        self.process = start(&self.folder, &self.sockets);
    }
}

/// Starts it as whoever may use the server's sockets; it refuses to run as root.
fn start(folder: &TempDir, sockets: &Path) -> Running {
    let mut command = tools::debian_program("pgbouncer", "usr/sbin/pgbouncer");
    command.arg(folder.path().join("pgbouncer.ini"));
    let owner = fs::metadata(sockets).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(folder.path(), Some(owner.uid()), Some(owner.gid())).unwrap();
        command.uid(owner.uid()).gid(owner.gid());
    }
    let mut process = Running::start(&mut command);
    let socket = folder.path().join(format!(".s.PGSQL.{PORT}"));
    wait_until("the pooler listens", || {
        assert!(!process.is_over(), "the pooler ended:\n{}", process.stderr());
        UnixStream::connect(&socket).is_ok()
    });
    process
}
