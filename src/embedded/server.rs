//! Starts the server, waits for it, and stops it.
//!
//! The server is a grandchild in a session of its own: a Ctrl-C in our terminal
//! does not reach it, nobody has to reap it, and its standard streams are its
//! log, so that no pipe of ours stays open.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    time::Duration,
};

use process_wrap::tokio::{CommandWrap, ProcessSession};
use tokio::time::{Instant, sleep};

use super::{
    Error, Stopped,
    account::{Account, SHELL},
    address::Address,
    binaries::Binaries,
    connect::{connect, create_database},
    home::Home,
    kinship::same,
    log, sockets,
};

/// How long a server may take to become ready: recovery after a crash is in it.
const START_PATIENCE: Duration = Duration::from_secs(120);
/// How long a fast shutdown may take: a checkpoint is in it. A server whose data
/// and socket were deleted notices by itself within a minute.
const STOP_PATIENCE: Duration = Duration::from_secs(90);
/// With less room than this, a server may fail to start: its write-ahead log grows in
/// segments of this size.
const LEAST_ROOM: u64 = 16 * 1024 * 1024;
const PAUSE: Duration = Duration::from_millis(10);

/// A small server that loses nothing it has acknowledged.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", ""),
    ("unix_socket_permissions", "0700"),
    ("max_connections", "100"),
    ("shared_buffers", "48MB"),
    ("max_wal_size", "256MB"),
    ("wal_compression", "on"),
    ("jit", "off"),
    ("huge_pages", "off"),
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("autovacuum", "on"),
    // The superuser is called as a schema of Wavemark's is: without this, what
    // a person makes by hand would land there.
    ("search_path", "public"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("log_checkpoints", "off"),
    // The log is the proof of life: it has to stay on standard error.
    ("log_destination", "stderr"),
    ("logging_collector", "off"),
];

/// Starts the server in `home` and returns as soon as it has taken over.
pub(super) async fn launch(
    home: &Home,
    account: &Account,
    binaries: &Binaries,
    settings: &[(String, String)],
) -> Result<(), Error> {
    if !account.can_enter(&home.data()).await? {
        return Err(account.cannot_enter(&home.data()));
    }
    forget_the_dead(home)?;
    let log = log::create(home, account)?;
    let second = log.try_clone().map_err(Error::file("open", home.log()))?;

    // The shell starts it and goes away; what it starts is named by arguments,
    // so nothing needs quoting.
    let mut command = account.command(SHELL, &home.data());
    command.args(["-c", r#""$0" "$@" &"#]).arg(binaries.program("postgres"));
    command.arg("-D").arg(home.data());
    let (sockets, port) = (home.sockets().display().to_string(), sockets::PORT.to_string());
    let place = [("unix_socket_directories", sockets.as_str()), ("port", port.as_str())];
    let chosen = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in SETTINGS.iter().copied().chain(place).chain(chosen) {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    command.stdout(log).stderr(second);

    let cannot_run = |err| account.cannot_run(SHELL, err);
    let mut shell = CommandWrap::from(command).wrap(ProcessSession).spawn().map_err(cannot_run)?;
    // The shell alone: where this process adopts orphans, the server is one, and
    // waiting for the whole session would be waiting for its end.
    shell.inner_mut().wait().await.map_err(cannot_run)?;
    Ok(())
}

/// Removes the lock files of a server of which no process lives: Postgres would
/// take a stranger that has the same pid by now for it.
fn forget_the_dead(home: &Home) -> Result<(), Error> {
    for path in lock_files(home) {
        match fs::remove_file(&path) {
            Err(err) if err.kind() != ErrorKind::NotFound => {
                return Err(Error::file("remove", path)(err));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The files whose first line is the server's pid.
fn lock_files(home: &Home) -> [PathBuf; 2] {
    [home.data().join("postmaster.pid"), sockets::lock_in(&home.sockets())]
}

/// Waits until the server in `home` answers. None: it is not running.
///
/// Whatever state a crash left behind becomes one of the two: a server that is
/// starting gets ready, one that is stopping ends, the orphans of a killed one
/// notice, and one that has lost its data or its socket is stopped.
pub(super) async fn settle(home: &Home) -> Result<Option<Address>, Error> {
    let address = home.address();
    let deadline = Instant::now() + START_PATIENCE;
    while log::is_alive(home)? {
        if !home.data().exists() {
            tracing::warn!("the data of a running server was deleted: stopping it");
            stop(home).await?;
            continue;
        }
        let source = match connect(&address).await {
            Ok(answer) => {
                create_database(home, answer).await?;
                return Ok(Some(address));
            }
            Err(source) => source,
        };
        if is_ready(home) && !sockets::is_open(&home.sockets()) {
            tracing::warn!("the socket of a running server was deleted: starting it again");
            stop(home).await?;
        } else if Instant::now() > deadline {
            let (home, log) = (home.path().to_owned(), log::tail(home));
            return Err(Error::NotReady { home, waited: START_PATIENCE, log, source });
        } else {
            sleep(PAUSE).await;
        }
    }
    Ok(None)
}

/// Explains a server in `home` that ended before it was ready.
pub(super) fn why_it_ended(home: &Home) -> Error {
    // On a full disk the log cannot tell.
    let room = rustix::fs::statvfs(home.path()).map(|disk| disk.f_bavail * disk.f_frsize);
    if room.is_ok_and(|room| room < LEAST_ROOM) {
        return Error::file("run a database in", home.path())(ErrorKind::StorageFull.into());
    }
    Error::EndedEarly { home: home.path().to_owned(), log: log::tail(home) }
}

/// Whether the server says so itself: the last line of its pid file.
pub(super) fn is_ready(home: &Home) -> bool {
    fs::read_to_string(home.data().join("postmaster.pid"))
        .is_ok_and(|file| file.lines().nth(7).is_some_and(|state| state.trim() == "ready"))
}

/// Stops the server in `home` and waits until the last of its processes is gone.
pub(super) async fn stop(home: &Home) -> Result<Stopped, Error> {
    let deadline = Instant::now() + STOP_PATIENCE;
    let mut told = false;
    let mut ran = Stopped::WasNotRunning;
    while log::is_alive(home)? {
        ran = Stopped::Now;
        if let Some(pid) = pid(home).filter(|_| !told) {
            told = signal(home, pid).await?;
        }
        if Instant::now() > deadline {
            return Err(Error::StillRunning {
                home: home.path().to_owned(),
                waited: STOP_PATIENCE,
            });
        }
        sleep(PAUSE).await;
    }
    Ok(ran)
}

/// The pid of the living server in `home`: from its data or, should that be
/// gone, from beside its socket.
fn pid(home: &Home) -> Option<String> {
    lock_files(home).into_iter().find_map(|file| {
        let text = fs::read_to_string(file).ok()?;
        let pid = text.lines().next()?;
        // Zero and below would mean a whole group.
        let one_process = pid.parse::<u32>().is_ok_and(|pid| pid > 1);
        (one_process && works_in(pid, &home.data())).then(|| pid.to_owned())
    })
}

/// Whether the process `pid` works in `data`, as a server does.
///
/// In another container that shares the folder with ours, the server has a pid
/// that here is somebody else's. Without a `/proc` there are no containers.
pub(super) fn works_in(pid: &str, data: &Path) -> bool {
    let cwd = format!("/proc/{pid}/cwd");
    match fs::read_link(&cwd) {
        // The system adds a remark to the name of what was deleted.
        Ok(path) if !data.exists() => path.to_string_lossy().starts_with(&*data.to_string_lossy()),
        Ok(_) => same(Path::new(&cwd), data),
        Err(_) => !Path::new("/proc/self").exists(),
    }
}

/// Asks the process `pid` for a fast shutdown, or for an immediate one if there
/// is no data left to save. Says whether that worked.
///
/// The account that owns the files does it: what it writes into them must not
/// make root signal anybody else.
async fn signal(home: &Home, pid: String) -> Result<bool, Error> {
    let data = home.data();
    let (signal, owned) = match data.exists() {
        true => ("INT", data),
        false => ("QUIT", home.sockets()),
    };
    let account = Account::owning(&owned)?;
    let mut command = account.command(SHELL, Path::new("/"));
    command.args(["-c", r#"kill -s "$0" "$1""#, signal, &pid]);
    let output = command.output().await.map_err(|err| account.cannot_run(SHELL, err))?;
    Ok(output.status.success())
}
