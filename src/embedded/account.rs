//! Who runs the server.
//!
//! Postgres refuses to run as root. So root starts it as `postgres` or
//! `nobody`, and that account can reach less than root: it cannot enter a
//! folder such as `/root`. Whether it can is found out by trying.

use std::{
    ffi::OsStr,
    fmt,
    fs::{self, File},
    io::{self, ErrorKind},
    os::unix::fs::{MetadataExt as _, chown, fchown},
    path::Path,
    process::Stdio,
};

use tokio::process::Command;

use super::Error;

/// On every Unix, and the only program that we need besides Postgres.
pub(super) const SHELL: &str = "/bin/sh";

/// The user that owns the data and runs the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Account {
    /// Whoever we are.
    Current,
    /// Another one, because we are root.
    Other { uid: u32, gid: u32 },
}

impl Account {
    /// The account that new data is to belong to.
    pub(super) fn for_new_data() -> Result<Self, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Current);
        }
        let path = Path::new("/etc/passwd");
        let passwd = fs::read(path).map_err(Error::file("read", path))?;
        let passwd = String::from_utf8_lossy(&passwd);
        find(&passwd, "postgres").or_else(|| find(&passwd, "nobody")).ok_or(Error::NoAccount)
    }

    /// The account that `data` belongs to. Root runs the server of whoever that
    /// is, so that a command with `sudo` leaves everything as it was.
    pub(super) fn owning(data: &Path) -> Result<Self, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Current);
        }
        let meta = fs::symlink_metadata(data).map_err(Error::file("read", data))?;
        match (meta.uid(), meta.gid()) {
            (0, _) => Self::for_new_data(),
            (uid, gid) => Ok(Self::Other { uid, gid }),
        }
    }

    /// A command that this account will run.
    ///
    /// Its environment is built from nothing: the server outlives us, and the
    /// account that it runs as could read our secrets from it.
    pub(super) fn command(&self, program: impl AsRef<OsStr>, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(dir)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Self::Other { uid, gid } = self {
            // This drops root's supplementary groups, too.
            command.uid(*uid).gid(*gid);
        }
        command
    }

    /// Whether this account can get into `dir`.
    pub(super) async fn can_enter(&self, dir: &Path) -> Result<bool, Error> {
        let status = self.command(SHELL, dir).args(["-c", ":"]).status().await;
        match status {
            Ok(status) => Ok(status.success()),
            Err(err) if err.raw_os_error() == Some(rustix::io::Errno::ACCESS.raw_os_error()) => {
                Ok(false)
            }
            Err(source) => Err(self.cannot_run(SHELL, source)),
        }
    }

    /// For where [`can_enter`](Self::can_enter) says no.
    pub(super) fn cannot_enter(&self, dir: &Path) -> Error {
        let source = io::Error::new(ErrorKind::PermissionDenied, format!("it is closed to {self}"));
        Error::file("enter", dir)(source)
    }

    /// Hands `path` over to this account.
    pub(super) fn give(&self, path: &Path) -> Result<(), Error> {
        match self {
            Self::Current => Ok(()),
            Self::Other { uid, gid } => chown(path, Some(*uid), Some(*gid))
                .map_err(Error::file("change the owner of", path)),
        }
    }

    /// Hands an open file over to this account.
    pub(super) fn give_file(&self, file: &File) -> io::Result<()> {
        match self {
            Self::Current => Ok(()),
            Self::Other { uid, gid } => fchown(file, Some(*uid), Some(*gid)),
        }
    }

    pub(super) fn owns(&self, meta: &fs::Metadata) -> bool {
        match self {
            Self::Current => meta.uid() == rustix::process::geteuid().as_raw(),
            Self::Other { uid, .. } => meta.uid() == *uid,
        }
    }

    pub(super) fn cannot_run(&self, program: &str, source: io::Error) -> Error {
        Error::Run { program: program.to_owned(), whom: self.to_string(), source }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current => f.write_str("this user"),
            Self::Other { uid, .. } => write!(f, "the user with id {uid}"),
        }
    }
}

/// The account called `name` in a file like `/etc/passwd`.
fn find(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let named = fields.next() == Some(name);
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        named.then_some(Account::Other { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let passwd = "root:x:0:0::/root:/bin/sh\n\npostgresql:x:7:7::/:/bin/sh\npostgres:x:101:104:a,b:/:/bin/sh\n";
        assert_eq!(find(passwd, "postgres"), Some(Account::Other { uid: 101, gid: 104 }));
        assert_eq!(find(passwd, "nobody"), None);
    }

    #[tokio::test]
    async fn a_closed_folder_is_noticed() {
        let open = tempfile::tempdir().unwrap();
        let account = Account::for_new_data().unwrap();
        account.give(open.path()).unwrap();
        assert!(account.can_enter(open.path()).await.unwrap());

        fs::set_permissions(open.path(), std::os::unix::fs::PermissionsExt::from_mode(0o000))
            .unwrap();
        assert!(!account.can_enter(open.path()).await.unwrap());
    }
}
