//! Reads and writes where an agent can, without trusting what is there to be files.
//!
//! **Invariant:** no symlink is followed and nothing but a regular file is
//! opened for long: a pipe put where a file should be cannot hang us, and a link
//! cannot send us elsewhere. What is read is what the file held at one moment, or
//! an error; what is written is there whole, or not at all.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read as _, Write as _},
    os::{fd::OwnedFd, unix::ffi::OsStringExt as _},
    path::Path,
};

use rustix::{
    fs::{
        AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, mkdirat, open, openat, renameat, statat,
        unlinkat,
    },
    io::Errno,
    path::Arg,
};
use uuid::Uuid;

/// What is there, and whether it is still the same at another look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    /// Changes with every write, whatever a program does to `modified`.
    changed: (i64, i64),
    is_file: bool,
}

impl Stamp {
    #[allow(
        clippy::useless_conversion,
        clippy::cast_lossless,
        trivial_numeric_casts,
        clippy::cast_sign_loss,
        clippy::unnecessary_cast,
        reason = "the fields of `Stat` differ between platforms"
    )]
    fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: stat.st_size as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
            is_file: FileType::from_raw_mode(stat.st_mode).is_file(),
        }
    }
}

/// A folder of the run directory.
pub(super) struct Folder {
    descriptor: OwnedFd,
}

/// Why a file was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is not there, or no longer.
    Gone,
    /// It changed while it was being read.
    Changing,
    /// It cannot be taken: why, and what to do.
    Bad(String),
}

impl Folder {
    /// Opens a folder that must not be a symlink.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let descriptor = open(path, FOLDER, Mode::empty())?;
        Ok(Self { descriptor })
    }

    /// Opens a folder in this one, which must not be a symlink.
    pub(super) fn folder(&self, name: impl Arg) -> io::Result<Self> {
        let descriptor = openat(&self.descriptor, name, FOLDER, Mode::empty())?;
        Ok(Self { descriptor })
    }

    /// Opens a folder in this one, which must not be a symlink and is made if there is
    /// none.
    pub(super) fn make(&self, name: impl Arg + Copy) -> io::Result<Self> {
        match mkdirat(&self.descriptor, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => self.folder(name),
            Err(err) => Err(err.into()),
        }
    }

    /// Puts a file there, in place of whatever is there.
    pub(super) fn write(&self, name: impl Arg, bytes: &[u8]) -> io::Result<()> {
        let draft = format!(".{}", Uuid::new_v4());
        let file = openat(&self.descriptor, draft.as_str(), NEW, MODE)?;
        let written = File::from(file).write_all(bytes);
        let placed = written
            .and_then(|()| Ok(renameat(&self.descriptor, draft.as_str(), &self.descriptor, name)?));
        if placed.is_err() {
            self.remove(draft.as_str())?;
        }
        placed
    }

    /// Opens a file to add to it; if there is none, one is made.
    pub(super) fn append(&self, name: impl Arg) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE;
        self.regular(name, flags)
    }

    /// Opens a file for somebody else to read.
    pub(super) fn file(&self, name: impl Arg) -> io::Result<File> {
        self.regular(name, OFlags::RDONLY)
    }

    fn regular(&self, name: impl Arg, flags: OFlags) -> io::Result<File> {
        let file = openat(&self.descriptor, name, flags | CAREFUL, MODE)?;
        match Stamp::of(&fstat(&file)?).is_file {
            true => Ok(file.into()),
            false => Err(io::Error::other("something that is no file is in its place")),
        }
    }

    /// Gives a file of this folder another name, in place of whatever has that.
    pub(super) fn rename(&self, from: impl Arg, to: impl Arg) -> io::Result<()> {
        Ok(renameat(&self.descriptor, from, &self.descriptor, to)?)
    }

    /// Removes a file, or whatever is in its place but a folder.
    pub(super) fn remove(&self, name: impl Arg) -> io::Result<()> {
        Ok(unlinkat(&self.descriptor, name, AtFlags::empty())?)
    }

    /// What is in it, up to `limit` names.
    pub(super) fn names(&self, limit: usize) -> io::Result<Vec<OsString>> {
        let entries = Dir::read_from(&self.descriptor)?;
        let names =
            entries.filter_map(Result::ok).map(|entry| entry.file_name().to_bytes().to_vec());
        let names = names.filter(|name| name != b"." && name != b"..");
        Ok(names.map(OsString::from_vec).take(limit).collect())
    }

    /// What is there under this name.
    pub(super) fn stamp(&self, name: impl Arg) -> Option<Stamp> {
        let stat = statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(Stamp::of(&stat))
    }

    /// Reads a file of at most `limit` bytes, with what it was stamped.
    pub(super) fn read(
        &self,
        name: impl Arg + Copy,
        limit: u64,
    ) -> Result<(Vec<u8>, Stamp), Unread> {
        let before = statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW).map_err(unread)?;
        match FileType::from_raw_mode(before.st_mode) {
            FileType::RegularFile => {}
            FileType::Symlink => return Err(bad("is a symlink: put the file itself there")),
            FileType::Directory => {
                return Err(bad("is a folder: artifacts are files, without folders of their own"));
            }
            _ => return Err(bad("is not a file: artifacts are plain files")),
        }
        // It may be something else by now: then opening fails, or does not wait.
        let flags = OFlags::RDONLY | CAREFUL;
        let file = openat(&self.descriptor, name, flags, Mode::empty()).map_err(unread)?;
        let stamp = Stamp::of(&fstat(&file).map_err(unread)?);
        if !stamp.is_file {
            return Err(Unread::Changing);
        }
        if stamp.size > limit {
            return Err(Unread::Bad(format!(
                "has {} bytes, the limit is {limit}: make it smaller, or split it",
                stamp.size
            )));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(stamp.size).unwrap_or_default() + 1);
        let file = File::from(file);
        let read = (&file).take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|err| Unread::Bad(format!("cannot be read: {err}")))?;
        let after = Stamp::of(&fstat(&file).map_err(unread)?);
        if after != stamp || bytes.len() as u64 != stamp.size {
            return Err(Unread::Changing);
        }
        Ok((bytes, stamp))
    }

    /// Reads a text as [`read`](Self::read) does: UTF-8 without NUL, which is
    /// what Postgres can store.
    pub(super) fn read_text(
        &self,
        name: impl Arg + Copy,
        limit: u64,
    ) -> Result<(String, Stamp), Unread> {
        let (bytes, stamp) = self.read(name, limit)?;
        if let Some(at) = bytes.iter().position(|&byte| byte == 0) {
            return Err(Unread::Bad(format!("has a NUL at byte {at}: only text can be taken")));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok((text, stamp)),
            Err(err) => Err(Unread::Bad(format!(
                "is not UTF-8 from byte {} on: only UTF-8 text can be taken",
                err.utf8_error().valid_up_to()
            ))),
        }
    }
}

/// The folder of a file, and its name there.
pub(super) fn place(path: &Path) -> io::Result<(Folder, &OsStr)> {
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => Ok((Folder::open(folder)?, name)),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Writes a file as [`Folder::write`] does.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (folder, name) = place(path)?;
    folder.write(name, bytes)
}

const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Follows no link, and waits for nobody at the other end of a pipe.
const CAREFUL: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// Makes a file, and opens none that is there.
const NEW: OFlags = OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::CLOEXEC);

/// Of a file that is made: it can hold a secret.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);

fn bad(why: &str) -> Unread {
    Unread::Bad(why.into())
}

fn unread(err: rustix::io::Errno) -> Unread {
    match err {
        rustix::io::Errno::NOENT => Unread::Gone,
        // A symlink or a socket since the look.
        rustix::io::Errno::LOOP | rustix::io::Errno::NXIO => Unread::Changing,
        err => Unread::Bad(format!("cannot be read: {err}")),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn what_is_written_takes_the_place_of_a_link_and_a_failure_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::write(path("elsewhere"), "untouched").unwrap();
        symlink(path("elsewhere"), path("link")).unwrap();
        write(&path("link"), b"new").unwrap();
        assert_eq!(fs::read(path("link")).unwrap(), b"new");
        assert_eq!(fs::read(path("elsewhere")).unwrap(), b"untouched");

        fs::create_dir(path("folder")).unwrap();
        write(&path("folder"), b"new").unwrap_err();
        let mut left = Folder::open(root.path()).unwrap().names(10).unwrap();
        left.sort();
        assert_eq!(left, ["elsewhere", "folder", "link"]);

        symlink(root.path(), path("folder/link")).unwrap();
        write(&path("folder/link/new"), b"new").unwrap_err();
        assert!(!path("new").exists());
    }
}
