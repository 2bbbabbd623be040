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
//! **Invariant:** a folder without a record that is not empty is never touched.

use std::{
    fs,
    io::{self, ErrorKind, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{
    Error, account::Account, address::Address, folder::Folder, kinship::Kinship, record::Record,
    sockets,
};

/// The home of a server.
#[derive(Clone, Debug)]
pub(super) struct Home {
    path: PathBuf,
    record: Record,
}

impl Home {
    /// The home that `folder` leads to, be it its own or that of an original.
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

    /// The home that `folder` leads to, if it is that of `folder`.
    pub(super) fn find_own(folder: &Folder) -> Result<Option<Self>, Error> {
        let Some(mut home) = Self::find(folder)? else {
            return Ok(None);
        };
        Ok(match Kinship::of(&home, folder) {
            Kinship::Own | Kinship::Moved => Some(home),
            Kinship::Copy => {
                // These are the original's.
                home.record.set_sockets(None);
                Some(home)
            }
            Kinship::Borrowed => None,
        })
    }

    /// The home at `path`, if there is one.
    pub(super) fn at(path: &Path) -> Result<Option<Self>, Error> {
        let record = Record::read(&record_in(path))?;
        let path = path.to_owned();
        Ok(record.map(|record| Self { path, record }))
    }

    /// Makes a home at `path`, which is empty or not there.
    pub(super) fn create(path: &Path, record: Record, account: &Account) -> Result<Self, Error> {
        fs::create_dir_all(path).map_err(Error::file("create", path))?;
        let path = fs::canonicalize(path).map_err(Error::file("open", path))?;
        // Another account passes through; only folders in here are its own.
        let mode = if *account == Account::Current { 0o700 } else { 0o711 };
        chmod(&path, mode)?;
        let home = Self { path, record };
        home.save()?;
        Ok(home)
    }

    /// Writes a new record about this home.
    pub(super) fn adopt(&mut self, record: Record) -> Result<(), Error> {
        self.record = record;
        self.save()
    }

    /// Notes where the server is about to listen.
    pub(super) fn listen_in(&mut self, dir: PathBuf) -> Result<(), Error> {
        // The usual place is not written down, so that it moves with the home.
        let dir = (dir != sockets::beside_data(&self.path)).then_some(dir);
        if self.record.sockets() == dir.as_deref() {
            return Ok(());
        }
        self.record.set_sockets(dir);
        self.save()
    }

    /// Writes the record as a whole or not at all.
    fn save(&self) -> Result<(), Error> {
        let path = record_in(&self.path);
        let write = || -> io::Result<()> {
            // Beside the home, so that a crash leaves no stranger in it.
            let beside = self.path.parent().unwrap_or(&self.path);
            let readable = fs::Permissions::from_mode(0o644);
            let mut file = tempfile::Builder::new().permissions(readable).tempfile_in(beside)?;
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
        let elsewhere = self.record.sockets().map(Path::to_owned);
        elsewhere.unwrap_or_else(|| sockets::beside_data(&self.path))
    }

    /// How to reach the server while it runs.
    pub(super) fn address(&self) -> Address {
        Address::in_dir(self.sockets())
    }

    /// Removes everything, also what is elsewhere. The record goes last, so that
    /// what an interrupted removal leaves is still known to be ours.
    pub(super) fn remove(&self) -> Result<(), Error> {
        if let Some(elsewhere) = self.record.sockets() {
            remove_dir(elsewhere)?;
        }
        let record = record_in(&self.path);
        for entry in fs::read_dir(&self.path).map_err(Error::file("read", &self.path))? {
            let entry = entry.map_err(Error::file("read", &self.path))?.path();
            if entry.is_dir() && !entry.is_symlink() {
                remove_dir(&entry)?;
            } else if entry != record {
                fs::remove_file(&entry).map_err(Error::file("remove", entry))?;
            }
        }
        fs::remove_file(&record).map_err(Error::file("remove", record))?;
        fs::remove_dir(&self.path).map_err(Error::file("remove", &self.path))
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
