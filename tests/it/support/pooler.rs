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
    path::PathBuf,
};

use tempfile::TempDir;
use wavemark::embedded::Address;

use super::{process::Running, tools, wait_until};

/// How many connections to a database there are.
const CONNECTIONS: usize = 3;
/// Part of the name of its socket.
const PORT: u16 = 6543;

/// A pooler in front of the server that some database is on.
pub(crate) struct Pooler {
    folder: TempDir,
    sockets: PathBuf,
    process: Running,
}

impl Pooler {
    /// Starts one in front of a database's server.
    pub(crate) fn in_front_of(address: &Address) -> Self {
        let folder = TempDir::new().unwrap();
        let sockets = address.connect_options().get_socket().unwrap().clone();
        let settings = format!(
            "[databases]
             * = host={} port=5432 user=wavemark
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
        Self { folder, sockets, process }
    }

    /// The URL of one of the server's databases, through the pooler.
    pub(crate) fn url(&self, database: &str) -> String {
        let host = self.folder.path().display();
        format!("postgres://anybody@localhost:{PORT}/{database}?host={host}&sslmode=disable")
    }

    /// Kills it, as a machine does that goes down, and starts it again.
    pub(crate) fn restart(self) -> Self {
        let Self { folder, sockets, process } = self;
        process.kill();
        let process = start(&folder, &sockets);
        Self { folder, sockets, process }
    }
}

/// Starts it as whoever may use the server's sockets; it refuses to run as root.
fn start(folder: &TempDir, sockets: &PathBuf) -> Running {
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
