//! Where the socket goes.
//!
//! A socket's path may have 107 bytes on Linux and 103 on macOS, and the
//! connection strings of libpq split a host at commas. So the folder beside the
//! data is used if its path is short and plain, and else one with a short name
//! of its own in a temporary directory.
//!
//! **Invariant:** a socket directory that [`choose`] returns is absolute, plain
//! ASCII and short enough for every system.

use std::path::{Path, PathBuf};

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

/// The directories that will do for the server in `home`, best first.
///
/// `instance` makes the name unique, so a directory outside is never one that
/// another server listens in.
pub(super) fn choose<'a>(
    home: &Path,
    instance: &str,
    outside: impl IntoIterator<Item = &'a PathBuf>,
) -> Vec<PathBuf> {
    let name = format!("wavemark-{instance}");
    std::iter::once(beside_data(home))
        .chain(outside.into_iter().map(|dir| dir.join(&name)))
        .filter(|dir| fits(dir))
        .collect()
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
