//! Writes git objects so that they are cheap to make and cheap to keep.
//!
//! Few objects become loose files, many become one pack, with git's own limit
//! between the two (`receive.unpackLimit`): a pack for every little push would
//! pile up packs, and a thousand checkpoints as loose files cost six files each.
//!
//! Nothing is looked up in the repository while writing: [`Objects::put`]
//! returns ids, and the objects can be read once [`Objects::finish`] returns.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use git2::{Indexer, ObjectType, Odb, Oid, Repository};

use super::pack::Pack;

/// From so many entries on, a pack is written. An entry makes about six objects.
const PACK_FROM: usize = 17;

/// A place for new objects.
pub(super) struct Objects<'repo> {
    folder: PathBuf,
    odb: Odb<'repo>,
    kind: Kind,
}

enum Kind {
    Loose(Vec<Oid>),
    Packed(Box<Pack>),
}

/// An object that a new one may be stored as a difference from.
pub(super) struct Base<'a> {
    pub(super) id: Oid,
    pub(super) bytes: &'a [u8],
}

impl<'repo> Objects<'repo> {
    /// For the objects of about so many entries.
    pub(super) fn for_entries(repo: &'repo Repository, count: usize) -> Result<Self, git2::Error> {
        Ok(Self {
            folder: repo.commondir().join("objects"),
            odb: repo.odb()?,
            kind: match count < PACK_FROM {
                true => Kind::Loose(Vec::new()),
                false => Kind::Packed(Box::default()),
            },
        })
    }

    /// Adds an object, and returns its id.
    pub(super) fn put(
        &mut self,
        kind: ObjectType,
        bytes: &[u8],
        base: Option<Base<'_>>,
    ) -> Result<Oid, git2::Error> {
        match &mut self.kind {
            Kind::Loose(written) => {
                let id = self.odb.write(kind, bytes)?;
                written.push(id);
                Ok(id)
            }
            Kind::Packed(pack) => {
                let id = Oid::hash_object(kind, bytes)?;
                pack.put(id, kind, bytes, base);
                Ok(id)
            }
        }
    }

    /// Makes the objects readable, and returns the files that hold them.
    ///
    /// An object that was there before has a file too, unless it is in a pack.
    pub(super) fn finish(self) -> Result<Vec<PathBuf>, git2::Error> {
        match self.kind {
            Kind::Loose(written) => Ok(written
                .iter()
                .map(|id| loose(&self.folder, *id))
                .filter(|file| file.exists())
                .collect()),
            Kind::Packed(pack) => {
                let folder = self.folder.join("pack");
                let mut indexer = Indexer::new(Some(&self.odb), &folder, 0, false)?;
                indexer.write_all(&pack.finish()).map_err(unwrapped)?;
                let name = indexer.commit()?;
                self.odb.refresh()?;
                Ok(["pack", "idx"].map(|kind| folder.join(format!("pack-{name}.{kind}"))).into())
            }
        }
    }
}

/// The error of libgit2's that came through [`std::io::Write`].
pub(super) fn unwrapped(err: io::Error) -> git2::Error {
    let text = err.to_string();
    let inner = err.into_inner().and_then(|inner| inner.downcast().ok());
    inner.map_or_else(|| git2::Error::from_str(&text), |inner| *inner)
}

fn loose(folder: &Path, id: Oid) -> PathBuf {
    let hex = id.to_string();
    folder.join(&hex[..2]).join(&hex[2..])
}
