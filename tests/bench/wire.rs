//! Stands between a client and the server, and counts what goes over the wire.
//!
//! What a distant database costs is round trips, and no clock shows them where
//! the database is near.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// The name that clients look for in the folder of a socket.
const SOCKET: &str = ".s.PGSQL.5432";

/// A place to connect to instead of the server.
pub(crate) struct Wire {
    folder: TempDir,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    connections: AtomicU64,
    statements: AtomicU64,
    round_trips: AtomicU64,
}

/// What went over the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    pub(crate) connections: u64,
    /// Those that open and end transactions included.
    pub(crate) statements: u64,
    /// How often the client waited for an answer, connecting included.
    pub(crate) round_trips: u64,
}

impl Wire {
    /// A wire to the server whose socket is in the folder `server`.
    pub(crate) fn to(server: &Path) -> anyhow::Result<Self> {
        // A socket's path must be short.
        let folder = tempfile::Builder::new().prefix("wire-").tempdir_in("/tmp")?;
        let listener = UnixListener::bind(folder.path().join(SOCKET))?;
        let counts = Arc::new(Counts::default());
        let (server, shared) = (server.join(SOCKET), Arc::clone(&counts));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(upstream) = UnixStream::connect(&server).await else { return };
                shared.connections.fetch_add(1, Relaxed);
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = upstream.into_split();
                let answered = Arc::new(AtomicBool::new(true));
                let asked = Arc::clone(&answered);
                tokio::spawn(forth(from_client, to_server, Arc::clone(&shared), asked));
                tokio::spawn(back(from_server, to_client, answered));
            }
        });
        Ok(Self { folder, counts })
    }

    /// What to connect to.
    pub(crate) fn url(&self) -> String {
        let folder = self.folder.path().display();
        format!("postgres://wavemark@localhost/wavemark?host={folder}&sslmode=disable")
    }

    /// What went over it since this was last asked.
    pub(crate) fn take(&self) -> Traffic {
        Traffic {
            connections: self.counts.connections.swap(0, Relaxed),
            statements: self.counts.statements.swap(0, Relaxed),
            round_trips: self.counts.round_trips.swap(0, Relaxed),
        }
    }
}

async fn forth(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    counts: Arc<Counts>,
    answered: Arc<AtomicBool>,
) {
    let mut buffer = vec![0; 64 * 1024];
    let mut messages = Messages::default();
    while let Ok(size @ 1..) = from.read(&mut buffer).await {
        let kinds = messages.kinds(&buffer[..size]);
        // A goodbye is not answered.
        if kinds != [b'X'] && answered.swap(false, Relaxed) {
            counts.round_trips.fetch_add(1, Relaxed);
        }
        let statements = kinds.iter().filter(|kind| matches!(kind, b'Q' | b'E')).count();
        counts.statements.fetch_add(statements as u64, Relaxed);
        if to.write_all(&buffer[..size]).await.is_err() {
            return;
        }
    }
}

async fn back(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, answered: Arc<AtomicBool>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(size @ 1..) = from.read(&mut buffer).await {
        answered.store(true, Relaxed);
        if to.write_all(&buffer[..size]).await.is_err() {
            return;
        }
    }
}

/// Finds where messages begin: a kind, then a length that includes itself. Only
/// the first has no kind.
#[derive(Default)]
struct Messages {
    started: bool,
    pending: Vec<u8>,
}

impl Messages {
    /// The kinds of the messages that are complete with `bytes`.
    fn kinds(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.pending.extend_from_slice(bytes);
        let mut kinds = Vec::new();
        loop {
            let head = usize::from(self.started);
            let Some(length) = self.pending.get(head..head + 4) else { return kinds };
            let length = length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte));
            if self.pending.len() < head + length {
                return kinds;
            }
            if self.started {
                kinds.push(self.pending[0]);
            }
            self.pending.drain(..head + length);
            self.started = true;
        }
    }
}
