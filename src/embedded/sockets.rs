//! Where the socket goes.
//!
//! A socket's path may have 107 bytes on Linux and 103 on macOS, and the
//! connection strings of libpq split a host at commas. So the folder beside the
//! data is used if its path is short and plain, and else one with a short name
//! of its own in a temporary directory.
//!
//! **Invariant:** a socket directory that [`choose`] returns is absolute, plain
//! ASCII and short enough for every system.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{
    Error,
    account::Account,
    home::{Home, chmod},
};

/// The port is part of the socket's name and means nothing else: each server
/// has a directory to itself.
pub(super) const PORT: u16 = 5432;

/// What the shortest `sun_path` among our systems (macOS) takes, without the
/// final zero.
const LONGEST: usize = 103;

/// The socket that Postgres makes in `dir`.
pub(super) fn socket_in(dir: &Path) -> PathBuf {
    dir.join(format!(".s.PGSQL.{PORT}"))
}

/// The lock file that Postgres keeps beside it; its first line is a pid.
pub(super) fn lock_in(dir: &Path) -> PathBuf {
    dir.join(format!(".s.PGSQL.{PORT}.lock"))
}

/// Chooses and makes the directory for the sockets of the server in `home`.
pub(super) async fn prepare(
    home: &mut Home,
    account: &Account,
    elsewhere: &[PathBuf],
) -> Result<(), Error> {
    let mut refused = Error::file("put a socket into", home.path())(ErrorKind::NotFound.into());
    for dir in choose(home.path(), home.record().instance(), elsewhere) {
        match prepare_dir(&dir, account).await {
            Ok(()) => return home.listen_in(dir),
            Err(err) => refused = err,
        }
    }
    Err(refused)
}

/// The directories that will do for the server in `home`, best first.
///
/// `instance` makes the name unique, so a directory elsewhere is never one that
/// another server listens in.
fn choose(home: &Path, instance: &str, elsewhere: &[PathBuf]) -> Vec<PathBuf> {
    let name = format!("wavemark-{instance}");
    std::iter::once(beside_data(home))
        .chain(elsewhere.iter().map(|dir| dir.join(&name)))
        .filter(|dir| fits(dir))
        .collect()
}

/// Makes a directory that only `account` and root can enter.
async fn prepare_dir(dir: &Path, account: &Account) -> Result<(), Error> {
    let parent = dir.parent().unwrap_or(dir);
    if !account.can_enter(parent).await? {
        return Err(account.cannot_enter(parent));
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
    chmod(dir, 0o700)
}

/// The directory that is used unless its path is too long.
pub(super) fn beside_data(home: &Path) -> PathBuf {
    home.join("sockets")
}

/// Whether there is a socket in `dir` that clients can reach.
pub(super) fn is_open(dir: &Path) -> bool {
    fits(dir) && socket_in(dir).exists()
}

fn fits(dir: &Path) -> bool {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"/-_.+".contains(b);
    dir.is_absolute()
        && dir.as_os_str().as_encoded_bytes().iter().all(plain)
        && socket_in(dir).as_os_str().len() <= LONGEST
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(home: &str) -> Vec<String> {
        let outside = ["/tmp".into(), format!("/{}", "t".repeat(90)).into(), "/run/user/7".into()];
        let dirs = choose(Path::new(home), "1f2e", &outside);
        dirs.iter().map(|dir| dir.display().to_string()).collect()
    }

    #[test]
    fn a_short_plain_home_keeps_its_socket() {
        assert_eq!(
            chosen("/home/ann/waves/.wavemark/postgres")[0],
            "/home/ann/waves/.wavemark/postgres/sockets"
        );
    }

    #[test]
    fn a_long_or_odd_home_has_its_socket_elsewhere() {
        for home in [&format!("/{}", "a".repeat(90)), "/a b", "/a,b", "/a%b", "/käse", "relative"]
        {
            assert_eq!(chosen(home), ["/tmp/wavemark-1f2e", "/run/user/7/wavemark-1f2e"], "{home}");
        }
    }

    #[test]
    fn the_last_byte_that_fits_is_used() {
        let room = LONGEST - "/".len() - "/sockets/.s.PGSQL.5432".len();
        let fitting = format!("/{}", "a".repeat(room));
        let over = format!("/{}", "a".repeat(room + 1));
        assert_eq!(chosen(&fitting)[0], format!("{fitting}/sockets"));
        assert_eq!(chosen(&over)[0], "/tmp/wavemark-1f2e");
    }
}
