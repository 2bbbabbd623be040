//! Makes what was written survive a power cut.
//!
//! libgit2 flushes nothing unless told, and what it can be told is either a
//! setting of the repository (which may be somebody else's) or of the whole
//! process (by an unsafe call), and then for each object. Here it is done for
//! the files of one push together, between writing them and moving the branch:
//! one flush for a pack, its index and their folder, or one for each loose
//! object, of which there are never more than about a hundred.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// Whether everything is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flushed {
    /// Yes.
    Yes,
    /// One object was damaged before we came, and is now removed. Writing it
    /// again is all it takes.
    Damaged,
}

/// Flushes each file, and the folders that name them.
///
/// An empty file is what a power cut leaves of an object that was never
/// flushed; libgit2 takes it for the object and does not write it again.
pub(super) fn files(files: &[PathBuf]) -> io::Result<Flushed> {
    let mut folders = BTreeSet::new();
    for path in files {
        let file = File::open(path)?;
        if file.metadata()?.len() == 0 {
            fs::remove_file(path)?;
            return Ok(Flushed::Damaged);
        }
        file.sync_all()?;
        // The folder of a loose object may itself be new.
        folders.extend(path.ancestors().skip(1).take(2).map(Path::to_owned));
    }
    for folder in folders {
        File::open(folder)?.sync_all()?;
    }
    Ok(Flushed::Yes)
}
