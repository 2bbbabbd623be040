//! A line to the server that is cut when it hurts most: once the server has
//! committed, and before the client is told.
//!
//! Every connection is cut at its second commit, so that whoever tries again
//! on a new one comes through.

use std::{
    io::{Read, Write as _},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tempfile::TempDir;
use wavemark::embedded::Address;

/// The commit of a connection that its client never hears of.
const FATAL: usize = 2;

/// The line, and how often it was cut.
pub(crate) struct Cutter {
    folder: TempDir,
    database: String,
    cuts: Arc<AtomicUsize>,
}

impl Cutter {
    /// Begins to pass on what clients say to the server of a database.
    pub(crate) fn in_front_of(address: &Address) -> Self {
        let folder = TempDir::new().unwrap();
        let options = address.connect_options();
        let server = options.get_socket().unwrap().join(".s.PGSQL.5432");
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let cuts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&cuts);
        // It ends with the test process.
        thread::spawn(move || {
            for client in listener.incoming() {
                connect(&client.unwrap(), &server, &counted);
            }
        });
        Self { folder, database: options.get_database().unwrap().to_owned(), cuts }
    }

    /// The URL of the database, over this line.
    pub(crate) fn url(&self) -> String {
        let (host, database) = (self.folder.path().display(), &self.database);
        format!("postgres://wavemark@localhost:5432/{database}?host={host}&sslmode=disable")
    }

    /// How many commits nobody was told of.
    pub(crate) fn cuts(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }
}

fn connect(client: &UnixStream, server: &Path, cuts: &Arc<AtomicUsize>) {
    let Ok(server) = UnixStream::connect(server) else { return };
    let commits = Arc::new(AtomicUsize::new(0));
    let copy = |stream: &UnixStream| stream.try_clone().unwrap();
    let (from, to, counted) = (copy(client), copy(&server), Arc::clone(&commits));
    thread::spawn(move || pass_requests(from, to, &counted));
    let (from, to, cuts) = (server, copy(client), Arc::clone(cuts));
    thread::spawn(move || pass_answers(from, to, &commits, &cuts));
}

/// Counts the commits before the server hears of them. An error is the end of
/// either side, and so of the connection.
fn pass_requests(mut from: UnixStream, mut to: UnixStream, commits: &AtomicUsize) {
    let mut pass = || -> std::io::Result<()> {
        // The first message has no kind in front of its length.
        let first = message(&mut from, 0)?;
        to.write_all(&first)?;
        loop {
            let request = message(&mut from, 1)?;
            if request.starts_with(b"Q") && request.ends_with(b"COMMIT\0") {
                commits.fetch_add(1, Ordering::SeqCst);
            }
            to.write_all(&request)?;
        }
    };
    drop(pass());
    drop(to.shutdown(Shutdown::Both));
}

/// Passes on what the server says, up to its answer to the fatal commit.
fn pass_answers(
    mut from: UnixStream,
    mut to: UnixStream,
    commits: &AtomicUsize,
    cuts: &AtomicUsize,
) {
    let mut pass = || -> std::io::Result<()> {
        loop {
            let answer = message(&mut from, 1)?;
            if commits.load(Ordering::SeqCst) == FATAL && answer.starts_with(b"C") {
                cuts.fetch_add(1, Ordering::SeqCst);
                return Ok(());
            }
            to.write_all(&answer)?;
        }
    };
    drop(pass());
    drop(to.shutdown(Shutdown::Both));
    drop(from.shutdown(Shutdown::Both));
}

/// The next message: some bytes that say what it is, its length, its content.
fn message(from: &mut impl Read, kind: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; kind + 4];
    from.read_exact(&mut bytes)?;
    let length: [u8; 4] = bytes[kind..].try_into().unwrap();
    // The length counts itself.
    bytes.resize(kind + usize::try_from(u32::from_be_bytes(length)).unwrap(), 0);
    from.read_exact(&mut bytes[kind + 4..])?;
    Ok(bytes)
}
