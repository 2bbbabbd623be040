//! Trees of git, kept open while entries are added to them.
//!
//! A commit changes one path, so four small trees. Building them from what is
//! in memory, in place of reading back what was just written, halves the time
//! of a large batch.
//!
//! Git hosts ask for at most 3,000 entries in a folder. So a folder that is
//! almost full takes new names only in one of 256 folders of its own, `_00` to
//! `_ff`, by the digest of the name. No wave, agent, type or artifact can be
//! called that. What is at its plain place already stays there.
//!
//! **Invariant:** what a tree held before and is not on the path that is put
//! into it stays as it was, whoever wrote it.

use std::collections::BTreeMap;

use git2::{ObjectType, Oid, Repository};

use super::objects::{Base, Objects};
use crate::model::Digest;

/// With the 256 folders that may come, and a few of people's, below 3,000.
const FULL: usize = 2_700;

const FILE: i32 = 0o100_644;
const FOLDER: i32 = 0o040_000;

/// One tree, and the trees below it that were needed so far.
#[derive(Default)]
pub(super) struct Folder {
    entries: BTreeMap<Key, (i32, Oid)>,
    open: BTreeMap<Vec<u8>, Self>,
    stored: Option<(Oid, Vec<u8>)>,
}

/// A name as git sorts it: a folder's ends in `/`.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key(Vec<u8>);

impl Key {
    fn new(name: &[u8], mode: i32) -> Self {
        let mut name = name.to_vec();
        if mode == FOLDER {
            name.push(b'/');
        }
        Self(name)
    }
}

impl Folder {
    /// The tree with this id.
    pub(super) fn read(repo: &Repository, id: Oid) -> Result<Self, git2::Error> {
        let entries = repo
            .find_tree(id)?
            .iter()
            .map(|entry| {
                let mode = entry.filemode_raw();
                (Key::new(entry.name_bytes(), mode), (mode, entry.id()))
            })
            .collect();
        Ok(Self { entries, ..Self::default() })
    }

    /// Where the file that is meant for `path` is, or is to be.
    pub(super) fn locate(
        &mut self,
        repo: &Repository,
        path: &[&str],
    ) -> Result<Vec<String>, git2::Error> {
        let [name, rest @ ..] = path else {
            return Ok(Vec::new());
        };
        let mode = if rest.is_empty() { FILE } else { FOLDER };
        let key = Key::new(name.as_bytes(), mode);
        let overflow = format!("_{:.2}", Digest::of(name).to_string());
        let is_here = self.entries.contains_key(&key);
        let is_full = self.entries.len() >= FULL;
        let is_below = self.entries.contains_key(&Key::new(overflow.as_bytes(), FOLDER))
            && self.child(repo, &overflow)?.entries.contains_key(&key);
        if !is_here && (is_below || is_full) {
            let below = self.child(repo, &overflow)?;
            let mut found = vec![overflow, (*name).to_owned()];
            if !rest.is_empty() {
                found.extend(below.child(repo, name)?.locate(repo, rest)?);
            }
            return Ok(found);
        }
        let mut found = vec![(*name).to_owned()];
        if !rest.is_empty() {
            found.extend(self.child(repo, name)?.locate(repo, rest)?);
        }
        Ok(found)
    }

    /// Puts a file at `path`, and returns the id of the tree that results.
    ///
    /// A folder where the file should be, or a file where a folder should be,
    /// gives way.
    pub(super) fn put(
        &mut self,
        repo: &Repository,
        objects: &mut Objects<'_>,
        path: &[String],
        blob: Oid,
    ) -> Result<Oid, git2::Error> {
        match path {
            [] => (),
            [name] => self.set(name.as_bytes(), FILE, blob),
            [name, rest @ ..] => {
                let id = self.child(repo, name)?.put(repo, objects, rest, blob)?;
                self.set(name.as_bytes(), FOLDER, id);
            }
        }
        self.store(objects)
    }

    /// The folder of this name, which is empty if there is none.
    fn child(&mut self, repo: &Repository, name: &str) -> Result<&mut Self, git2::Error> {
        let name = name.as_bytes();
        let read = match (self.open.contains_key(name), self.entries.get(&Key::new(name, FOLDER))) {
            (false, Some((_, id))) => Self::read(repo, *id)?,
            _ => Self::default(),
        };
        Ok(self.open.entry(name.to_vec()).or_insert(read))
    }

    fn set(&mut self, name: &[u8], mode: i32, id: Oid) {
        let other = if mode == FOLDER { FILE } else { FOLDER };
        self.entries.remove(&Key::new(name, other));
        if mode != FOLDER {
            self.open.remove(name);
        }
        self.entries.insert(Key::new(name, mode), (mode, id));
    }

    fn store(&mut self, objects: &mut Objects<'_>) -> Result<Oid, git2::Error> {
        let bytes = self.bytes();
        let base = self.stored.as_ref().map(|(id, bytes)| Base { id: *id, bytes });
        let id = objects.put(ObjectType::Tree, &bytes, base)?;
        self.stored = Some((id, bytes));
        Ok(id)
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.entries.len() * 50);
        for (Key(name), (mode, id)) in &self.entries {
            bytes.extend_from_slice(format!("{mode:o} ").as_bytes());
            bytes.extend_from_slice(name.strip_suffix(b"/").unwrap_or(name));
            bytes.push(0);
            bytes.extend_from_slice(id.as_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::FULL;
    use crate::archive::testing::{BRANCH, Via, World, entry};

    #[test]
    fn a_folder_that_is_almost_full_gets_folders_of_its_own() {
        let world = World::new();
        // What people did, at once: two files of an agent, and many more.
        let mut files = String::new();
        for n in 0..FULL {
            files += &format!("M 100644 inline foundation/vision/doc/old-{n}.md\ndata 0\n");
        }
        world.import(&files);
        let archive = world.archive(Via::Folder, "one");

        let batch = [
            entry(1, "doc/old-7.md", "changed"),
            entry(2, "doc/new.md", "one"),
            entry(3, "doc/new.md", "two"),
            entry(4, "schema/new.json", "{}"),
        ];
        let landed = archive.publish_all(&batch, None).unwrap();
        let again = archive.publish_all(&batch, None).unwrap();

        let paths: Vec<&str> = landed.iter().map(|landed| landed.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "foundation/vision/doc/old-7.md",
                "foundation/vision/doc/_ea/new.md",
                "foundation/vision/doc/_ea/new.md",
                "foundation/vision/schema/new.json",
            ]
        );
        let places = |landed: &[crate::archive::Landed]| -> Vec<_> {
            landed.iter().map(|it| (it.commit.clone(), it.path.clone())).collect()
        };
        assert_eq!(places(&again), places(&landed));
        assert_eq!(world.count(), 5);
        assert_eq!(archive.history(paths[1]).unwrap().len(), 2);
        assert_eq!(archive.read(&landed[2].commit, paths[2]).unwrap(), b"two");
        world.fsck();

        // Room again changes nothing for what is there.
        world.import("D foundation/vision/doc/old-1.md\nD foundation/vision/doc/old-2.md\n");
        let later = [entry(5, "doc/new.md", "three"), entry(6, "doc/newer.md", "four")];
        let landed = archive.publish_all(&later, None).unwrap();
        let paths: BTreeSet<&str> = landed.iter().map(|landed| landed.path.as_str()).collect();
        let expected = ["foundation/vision/doc/_ea/new.md", "foundation/vision/doc/newer.md"];
        assert_eq!(paths, expected.into());
        let listed =
            world.git(&["ls-tree", "--name-only", &format!("{BRANCH}:foundation/vision/doc")]);
        assert_eq!(listed.lines().count(), FULL);
    }
}
