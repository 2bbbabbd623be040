//! The project's `.wavemark` folder, and the lock in it.
//!
//! Whoever makes, starts, stops or removes the server holds the lock. It is
//! gone with the process that held it, however that ended; the server itself
//! never inherits it.

use std::{
    fs::{self, File, TryLockError},
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::Error;

/// How long another process may take: making a database on a slow disk, and
/// recovering it after a crash, are within it.
const PATIENCE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(20);

/// An existing `.wavemark` folder.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    /// Canonical, so that the same folder has one name.
    path: PathBuf,
}

/// Proof that no other process makes, starts, stops or removes the server.
pub(super) struct Lock {
    _file: File,
    path: PathBuf,
}

impl Lock {
    /// Removes the lock file, too; whoever waits for it makes a new one.
    pub(super) fn remove(self) -> Result<(), Error> {
        fs::remove_file(&self.path).map_err(Error::file("remove", &self.path))
    }
}

impl Folder {
    /// The folder at `dir`, if there is one.
    pub(super) fn open(dir: &Path) -> Result<Option<Self>, Error> {
        match fs::canonicalize(dir) {
            Ok(path) if path.is_dir() => Ok(Some(Self { path })),
            Ok(path) => Err(Error::file("open", path)(ErrorKind::NotADirectory.into())),
            Err(err) if err.kind() == ErrorKind::NotFound => Ok(None),
            Err(err) => Err(Error::file("open", dir)(err)),
        }
    }

    /// The folder at `dir`, made if need be. Git is told to leave it alone.
    pub(super) fn create(dir: &Path) -> Result<Self, Error> {
        fs::create_dir_all(dir).map_err(Error::file("create", dir))?;
        let path = fs::canonicalize(dir).map_err(Error::file("open", dir))?;
        let ignore = path.join(".gitignore");
        match File::create_new(&ignore).and_then(|mut file| io::Write::write_all(&mut file, b"*\n"))
        {
            Err(err) if err.kind() != ErrorKind::AlreadyExists => {
                Err(Error::file("create", ignore)(err))
            }
            _ => Ok(Self { path }),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the server lives, or a link to where it does.
    pub(super) fn server(&self) -> PathBuf {
        self.path.join("postgres")
    }

    /// Waits until no other process holds the lock, and takes it.
    pub(super) async fn lock(&self) -> Result<Lock, Error> {
        let path = self.path.join("postgres.lock");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let file = open_or_create(&path).map_err(Error::file("open", &path))?;
            match file.try_lock() {
                Ok(()) if is_at(&file, &path) => return Ok(Lock { _file: file, path }),
                // Its last holder removed it: there is a new one, or none.
                Ok(()) => continue,
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => sleep(PAUSE).await,
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::Busy { lock: path, waited: PATIENCE });
                }
                Err(TryLockError::Error(err)) => return Err(Error::file("lock", path)(err)),
            }
        }
    }
}

/// Opens for reading, because that is enough for a lock and another user may
/// have made the file.
fn open_or_create(path: &Path) -> io::Result<File> {
    loop {
        match File::open(path) {
            Err(err) if err.kind() == ErrorKind::NotFound => {}
            opened => return opened,
        }
        match File::create_new(path) {
            Err(err) if err.kind() == ErrorKind::AlreadyExists => {}
            created => return created,
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(held), Ok(named)) => (held.dev(), held.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lock_that_was_removed_is_not_mistaken_for_held() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(&dir.path().join("p/.wavemark")).unwrap();
        let first = folder.lock().await.unwrap();
        let second = tokio::spawn({
            let folder = folder.clone();
            async move { folder.lock().await.unwrap() }
        });
        tokio::task::yield_now().await;
        first.remove().unwrap();

        let second = second.await.unwrap();

        assert!(is_at(&second._file, &second.path));
    }

    #[test]
    fn git_leaves_the_folder_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".wavemark");
        Folder::create(&path).unwrap();
        Folder::create(&path).unwrap();
        assert_eq!(fs::read_to_string(path.join(".gitignore")).unwrap(), "*\n");
    }
}
