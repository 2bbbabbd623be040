//! Whether a server's home belongs to the folder that leads to it.
//!
//! People rename and copy their projects, `.wavemark` and all.
//!
//! **Invariant:** two folders never share a server. A copy is told from its
//! original because the record in the home names the original, and the original
//! is still there.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use super::{folder::Folder, home::Home};

/// How a home and a folder that leads to it belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kinship {
    /// They do.
    Own,
    /// They do, but the folder has a new name.
    Moved,
    /// The folder is a copy, and the home in it is one, too.
    Copy,
    /// The folder is a copy, and its link leads to the original's home.
    Borrowed,
}

impl Kinship {
    /// Between `home` and `folder`, which leads to it.
    pub(super) fn of(home: &Home, folder: &Folder) -> Self {
        let original = home.record().belongs_to();
        if original == folder.path() {
            return Self::Own;
        }
        let theirs = fs::canonicalize(original.join("postgres"));
        let theirs = theirs.ok().and_then(|path| Home::at(&path).ok().flatten());
        match theirs {
            Some(theirs) if theirs.record().instance() == home.record().instance() => {
                match (same(theirs.path(), home.path()), folder.server().is_symlink()) {
                    (false, _) => Self::Copy,
                    (true, true) => Self::Borrowed,
                    // One folder, mounted in two places.
                    (true, false) => Self::Own,
                }
            }
            _ => Self::Moved,
        }
    }
}

/// Whether two paths lead to the same file.
pub(super) fn same(a: &Path, b: &Path) -> bool {
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}
