//! Where the server lives: its data, its log and a record of whose it is.
//!
//! That is `.wavemark/postgres`, or, if the account that runs the server cannot
//! get there, a folder elsewhere that `.wavemark/postgres` is a link to.
//!
//! ```text
//! postgres/
//!   wavemark.json   the record: without it, nothing here is ours
//!   data/           the data directory, renamed into place once complete
//!   sockets/        unless its path would be too long
//!   server.log      of this start; `server.log.1` is of the one before
//! ```
//!
//! **Invariants:** a folder without a record that is not empty is never
//! touched. Two projects never share a server: the record names the folder that
//! it belongs to, and a copy of that folder is told from the original.

use std::{
    fs, io,
    io::{ErrorKind, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use super::{Error, account::Account, address::Address, folder::Folder, record::Record};

/// The home of a server.
#[derive(Clone, Debug)]
pub(super) struct Home {
    path: PathBuf,
    record: Record,
}

/// How a home and the folder that leads to it belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kinship {
    /// They do.
    Own,
    /// They did before the folder got a new name.
    Moved,
    /// The folder is a copy, and so is the home.
    Copy,
    /// The folder is a copy, and its link leads to the original's home.
    Borrowed,
}

impl Home {
    /// The home that `folder` leads to.
    pub(super) fn find(folder: &Folder) -> Result<Option<Self>, Error> {
        let path = folder.server();
        let path = match fs::canonicalize(&path) {
            Ok(path) => path,
            Err(err) if err.kind() == ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(Error::file("open", path)(err)),
        };
        match Self::at(&path)? {
            Some(home) => Ok(Some(home)),
            None if is_empty(&path)? => Ok(None),
            None => Err(Error::Foreign { path }),
        }
    }

    fn at(path: &Path) -> Result<Option<Self>, Error> {
        let record = Record::read(&record_in(path))?;
        Ok(record.map(|record| Self { path: path.to_owned(), record }))
    }

    /// How this home and `folder`, which leads to it, belong together.
    pub(super) fn kinship(&self, folder: &Folder) -> Kinship {
        let original = self.record.belongs_to();
        if original == folder.path() {
            return Kinship::Own;
        }
        let theirs = fs::canonicalize(original.join("postgres"));
        let theirs = theirs.ok().and_then(|path| Self::at(&path).ok().flatten());
        match theirs {
            Some(theirs) if theirs.record.instance() == self.record.instance() => {
                let linked = folder.server().is_symlink();
                match (same(&theirs.path, &self.path), linked) {
                    (false, _) => Kinship::Copy,
                    (true, true) => Kinship::Borrowed,
                    // One folder that is mounted in two places.
                    (true, false) => Kinship::Own,
                }
            }
            _ => Kinship::Moved,
        }
    }

    /// The home that `folder` leads to, unless `folder` is a copy and that is
    /// the original's.
    pub(super) fn find_own(folder: &Folder) -> Result<Option<Self>, Error> {
        let Some(mut home) = Self::find(folder)? else {
            return Ok(None);
        };
        Ok(match home.kinship(folder) {
            Kinship::Own | Kinship::Moved => Some(home),
            Kinship::Copy => {
                // What its record says is about the original's.
                home.record.set_sockets(None);
                Some(home)
            }
            Kinship::Borrowed => None,
        })
    }

    /// Makes a home for `folder`, which leads to none: in it, or else below one
    /// of `outside`.
    pub(super) async fn create(
        folder: &Folder,
        account: &Account,
        outside: &[PathBuf],
    ) -> Result<Self, Error> {
        let (path, record) = (folder.server(), Record::new(folder.path())?);
        if let Ok(target) = fs::read_link(&path)
            && !path.exists()
        {
            if !outside.iter().any(|parent| target.starts_with(parent)) {
                return Err(Error::Foreign { path });
            }
            tracing::warn!("the database in {} is gone: making a new one", target.display());
            unlink(folder)?;
        }
        if account.can_enter(folder.path()).await? && keeps_modes(folder.path()) {
            return Self::create_at(&path, record, account);
        }
        let parent = usable(outside, account).await?;
        let home = Self::create_at(&parent.join(record.instance()), record, account)?;
        // An empty folder, or a link to one.
        drop(fs::remove_dir(&path));
        unlink(folder)?;
        symlink(&home.path, &path).map_err(Error::file("create", &path))?;
        Ok(home)
    }

    /// The others below `outside` that belong to `folder`: it was deleted and
    /// made again, so nothing leads to them any more; or it was renamed, and
    /// nothing led to them yet.
    pub(super) fn forgotten(&self, folder: &Folder, outside: &[PathBuf]) -> Vec<Self> {
        let homes = outside.iter().filter(|parent| is_ours(parent)).flat_map(fs::read_dir);
        homes
            .flatten()
            .flatten()
            .filter_map(|entry| Self::at(&entry.path()).ok().flatten())
            .filter(|it| it.record.belongs_to() == folder.path() && !same(&it.path, &self.path))
            .collect()
    }

    fn create_at(path: &Path, record: Record, account: &Account) -> Result<Self, Error> {
        fs::create_dir_all(path).map_err(Error::file("create", path))?;
        let path = &fs::canonicalize(path).map_err(Error::file("open", path))?;
        // The account passes through; only its own folders in here are its own.
        let mode = if *account == Account::Current { 0o700 } else { 0o711 };
        chmod(path, mode)?;
        let home = Self { path: path.to_owned(), record };
        home.save()?;
        Ok(home)
    }

    /// Gives a copied or renamed home to `folder`.
    pub(super) fn adopt(&mut self, record: Record) -> Result<(), Error> {
        self.record = record;
        self.save()
    }

    /// Notes where the server is about to listen.
    pub(super) fn listen_in(&mut self, sockets: Option<PathBuf>) -> Result<(), Error> {
        if self.record.sockets() == sockets.as_deref() {
            return Ok(());
        }
        self.record.set_sockets(sockets);
        self.save()
    }

    /// Writes the record as a whole or not at all.
    fn save(&self) -> Result<(), Error> {
        let path = record_in(&self.path);
        let write = || -> io::Result<()> {
            // Beside the home, so that a crash leaves no stranger in it.
            let beside = self.path.parent().unwrap_or(&self.path);
            let mut file = tempfile::NamedTempFile::new_in(beside)?;
            file.write_all(self.record.to_json().as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(Error::file("write", &path))
    }

    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.path.join("server.log")
    }

    /// Where the server listens, or did when it last ran.
    pub(super) fn sockets(&self) -> PathBuf {
        match self.record.sockets() {
            Some(outside) => outside.to_owned(),
            None => super::sockets::beside_data(&self.path),
        }
    }

    /// How to reach the server while it runs.
    pub(super) fn address(&self) -> Address {
        Address::in_dir(self.sockets())
    }

    /// Removes everything, also what is outside.
    pub(super) fn remove(&self) -> Result<(), Error> {
        if let Some(outside) = self.record.sockets() {
            remove_dir(outside)?;
        }
        remove_dir(&self.path)?;
        if let Some(parent) = self.path.parent().filter(|it| *it != self.record.belongs_to()) {
            // The folder for all homes that are outside, if this was the last.
            drop(fs::remove_dir(parent));
        }
        Ok(())
    }
}

fn record_in(home: &Path) -> PathBuf {
    home.join("wavemark.json")
}

fn is_empty(dir: &Path) -> Result<bool, Error> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(err) if err.kind() == ErrorKind::NotADirectory => Ok(false),
        Err(err) => Err(Error::file("read", dir)(err)),
    }
}

/// Whether files in `dir` have an owner and permissions: Postgres insists, and
/// some shared folders of virtual machines do not.
fn keeps_modes(dir: &Path) -> bool {
    let probe = only_for_owner("probe-").tempdir_in(dir);
    let mode = probe.and_then(|probe| Ok(fs::metadata(probe.path())?.permissions().mode()));
    // What goes wrong here does again, with a message, when the home is made.
    mode.is_ok_and(|mode| mode & 0o777 == 0o700)
}

/// For making a folder that nobody else can enter, whatever the umask.
pub(super) fn only_for_owner(prefix: &str) -> tempfile::Builder<'_, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).permissions(fs::Permissions::from_mode(0o700));
    builder
}

fn same(a: &Path, b: &Path) -> bool {
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

/// The first of `parents` that we can use and that `account` can enter.
async fn usable(parents: &[PathBuf], account: &Account) -> Result<PathBuf, Error> {
    let mut refused = None;
    for parent in parents {
        let made = fs::create_dir_all(parent).and_then(|()| match is_ours(parent) {
            true => fs::set_permissions(parent, fs::Permissions::from_mode(0o755)),
            false => {
                Err(io::Error::new(ErrorKind::PermissionDenied, "it belongs to somebody else"))
            }
        });
        match made {
            Ok(()) if account.can_enter(parent).await? => return Ok(parent.clone()),
            Ok(()) => {}
            Err(err) => refused = Some(Error::file("use", parent)(err)),
        }
    }
    Err(refused.unwrap_or(Error::NoAccount))
}

/// In a folder such as `/tmp`, somebody else could have been here first.
fn is_ours(dir: &Path) -> bool {
    fs::symlink_metadata(dir).is_ok_and(|meta| meta.is_dir() && Account::Current.owns(&meta))
}

pub(super) fn chmod(path: &Path, mode: u32) -> Result<(), Error> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(Error::file("change the permissions of", path))
}

/// Removes a directory with everything in it, if it is there.
pub(super) fn remove_dir(dir: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(dir) {
        Err(err) if err.kind() != ErrorKind::NotFound => Err(Error::file("remove", dir)(err)),
        _ => Ok(()),
    }
}

/// Removes the link from `folder` to a home, if there is one.
pub(super) fn unlink(folder: &Folder) -> Result<(), Error> {
    let link = folder.server();
    match link.is_symlink() {
        true => fs::remove_file(&link).map_err(Error::file("remove", link)),
        false => Ok(()),
    }
}
