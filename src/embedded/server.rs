//! Starts the server, waits for it, and stops it.
//!
//! The server is a grandchild in a session of its own: a Ctrl-C in our terminal
//! does not reach it, nobody has to reap it, and its standard streams are its
//! log, so that no pipe of ours stays open.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use process_wrap::tokio::{CommandWrap, ProcessSession};
use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, sleep, timeout};

use super::{
    Error, Stopped,
    account::{Account, SHELL},
    address::Address,
    binaries::Binaries,
    home::Home,
    log, sockets,
};

/// How long a server may take to become ready: recovery after a crash is in it.
const START_PATIENCE: Duration = Duration::from_secs(120);
/// How long a fast shutdown may take: a checkpoint is in it. A server whose data
/// and socket were deleted notices by itself within a minute.
const STOP_PATIENCE: Duration = Duration::from_secs(90);
/// How long one attempt to connect may take.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);
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
        return Err(Error::file("enter", home.data())(ErrorKind::PermissionDenied.into()));
    }
    forget_the_dead(home)?;
    let log = log::create(home)?;
    let second = log.try_clone().map_err(Error::file("open", home.log()))?;

    // The shell starts it and goes away; what it starts is named by arguments,
    // so nothing needs quoting.
    let mut command = account.command(SHELL, &home.data());
    command.args(["-c", r#""$0" "$@" &"#]).arg(binaries.program("postgres"));
    command.arg("-D").arg(home.data());
    let place = format!("unix_socket_directories={}", home.sockets().display());
    let port = format!("port={}", sockets::PORT);
    let fixed = SETTINGS.iter().map(|(name, value)| format!("{name}={value}"));
    let chosen = settings.iter().map(|(name, value)| format!("{name}={value}"));
    for setting in [place, port].into_iter().chain(fixed).chain(chosen) {
        command.arg("-c").arg(setting);
    }
    command.stdout(log).stderr(second);

    let shell = CommandWrap::from(command).wrap(ProcessSession).spawn();
    let mut shell = shell.map_err(|err| account.cannot_run(SHELL, err))?;
    shell.wait().await.map_err(|err| account.cannot_run(SHELL, err))?;
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

/// Chooses and makes the directory for the sockets of the server in `home`.
pub(super) async fn prepare_sockets(
    home: &mut Home,
    account: &Account,
    outside: &[PathBuf],
) -> Result<(), Error> {
    let mut refused = Error::Foreign { path: home.sockets() };
    for dir in sockets::choose(home.path(), home.record().instance(), outside) {
        match prepare_dir(&dir, account).await {
            Ok(()) => {
                let beside = dir == sockets::beside_data(home.path());
                return home.listen_in((!beside).then_some(dir));
            }
            Err(err) => refused = err,
        }
    }
    Err(refused)
}

/// A directory that only `account` and root can enter.
async fn prepare_dir(dir: &Path, account: &Account) -> Result<(), Error> {
    let parent = dir.parent().unwrap_or(dir);
    if !account.can_enter(parent).await? {
        return Err(Error::file("enter", parent)(ErrorKind::PermissionDenied.into()));
    }
    match fs::create_dir(dir) {
        Ok(()) => account.give(dir)?,
        Err(err) if err.kind() == ErrorKind::AlreadyExists => {}
        Err(err) => return Err(Error::file("create", dir)(err)),
    }
    let meta = fs::symlink_metadata(dir).map_err(Error::file("read", dir))?;
    if !meta.is_dir() || !account.owns(&meta) {
        return Err(Error::Foreign { path: dir.to_owned() });
    }
    if meta.permissions().mode() & 0o777 != 0o700 {
        super::home::chmod(dir, 0o700)?;
    }
    Ok(())
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
                create_database(home, &address, answer).await?;
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

/// What an attempt to connect met.
enum Answer {
    Open(PgConnection),
    /// It is up, and our database is not there.
    NoDatabase,
    /// It is up, and has no connection to spare.
    Full,
}

async fn connect(address: &Address) -> Result<Answer, Option<sqlx::Error>> {
    let options = address.connect_options();
    let err = match timeout(ANSWER_PATIENCE, PgConnection::connect_with(&options)).await {
        Ok(Ok(connection)) => return Ok(Answer::Open(connection)),
        Ok(Err(err)) => err,
        Err(_) => return Err(None),
    };
    match err.as_database_error().and_then(|err| err.code()).as_deref() {
        Some("3D000") => Ok(Answer::NoDatabase),
        Some("53300") => Ok(Answer::Full),
        _ => Err(Some(err)),
    }
}

/// Whether the server at `address` takes connections right now.
pub(super) async fn answers(address: &Address) -> bool {
    match connect(address).await {
        Ok(Answer::Open(connection)) => connection.close().await.is_ok(),
        Ok(Answer::Full) => true,
        Ok(Answer::NoDatabase) | Err(_) => false,
    }
}

async fn create_database(home: &Home, address: &Address, answer: Answer) -> Result<(), Error> {
    let create = async {
        match answer {
            Answer::Open(connection) => connection.close().await,
            Answer::Full => Ok(()),
            Answer::NoDatabase => {
                let other = address.for_database("postgres").connect_options();
                let mut other = PgConnection::connect_with(&other).await?;
                sqlx::raw_sql("create database wavemark").execute(&mut other).await?;
                other.close().await
            }
        }
    };
    create.await.map_err(|source| Error::CreateDatabase { home: home.path().to_owned(), source })
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
        pid.parse::<u32>().is_ok_and(|pid| pid > 1).then(|| pid.to_owned())
    })
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
