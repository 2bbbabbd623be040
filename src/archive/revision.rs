//! Files as they were at a revision of the repository around a project.
//!
//! Nothing is checked out: they are read from git's objects. A link is followed
//! as far as it stays in the repository, as the file system would do it.

use std::{collections::VecDeque, path::Path};

use git2::{ErrorCode, FileMode, ObjectType, Oid, Repository, Tree};

use super::{Error, source::open};

/// More links than any file is behind.
const MAX_LINKS: usize = 20;
/// What is larger than this is not read.
const MAX_FILE: usize = 64 * 1024 * 1024;

/// A folder as it was at a revision.
pub struct Revision {
    repo: Repository,
    commit: Oid,
    /// The folder, from the top of the repository.
    within: Vec<String>,
}

/// What became of reading a file at a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Past {
    /// There was none.
    Missing,
    /// There was something that cannot be read: why.
    Unreadable(String),
    /// What was in it.
    Bytes(Vec<u8>),
}

/// Why there is no such revision.
#[derive(Debug, thiserror::Error)]
pub enum NoRevision {
    /// There is no repository to look into.
    #[error("{0} is not in a git repository")]
    NoRepository(String),
    /// Nothing is called so.
    #[error("git knows no revision `{name}`")]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// Nothing is called so here, and this is not all of the repository.
    #[error("git knows no revision `{name}` in this shallow clone")]
    Shallow {
        /// What was asked for.
        name: String,
    },
    /// Git cannot tell.
    #[error(transparent)]
    Git(#[from] Error),
}

impl From<git2::Error> for NoRevision {
    fn from(err: git2::Error) -> Self {
        Self::Git(err.into())
    }
}

impl Revision {
    /// The folder at `path` as it was at the revision called `name`, such as
    /// `main`, `HEAD^1` or a commit.
    pub fn find(path: &Path, name: &str) -> Result<Self, NoRevision> {
        let none = || NoRevision::NoRepository(path.display().to_string());
        let repo = open(path)?.ok_or_else(none)?;
        let commit = match commit(&repo, name) {
            Ok(commit) => commit,
            Err(err) if err.code() == ErrorCode::GenericError => return Err(err.into()),
            Err(_) if repo.is_shallow() => {
                return Err(NoRevision::Shallow { name: name.to_owned() });
            }
            Err(_) => return Err(NoRevision::Unknown { name: name.to_owned() }),
        };
        let disk = |source| Error::Disk { path: path.to_owned(), source };
        let top = repo.workdir().ok_or_else(none)?.canonicalize().map_err(disk)?;
        let path = path.canonicalize().map_err(disk)?;
        let within = path.strip_prefix(&top).map_err(|_| none())?;
        let within = within.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        Ok(Self { repo, commit, within })
    }

    /// The commit, in full.
    pub fn commit(&self) -> String {
        self.commit.to_string()
    }

    /// The names of what was in the folder at `path`, in order; none if there
    /// was no such folder.
    pub fn list(&self, path: &str) -> Result<Vec<String>, Error> {
        match self.walk(path)? {
            Ok((oid, FileMode::Tree)) => {
                let tree = self.repo.find_tree(oid)?;
                let names = tree
                    .iter()
                    .map(|entry| String::from_utf8_lossy(entry.name_bytes()).into_owned());
                Ok(names.collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The file at `path`, from the folder.
    pub fn read(&self, path: &str) -> Result<Past, Error> {
        let refused = |why: &str| Ok(Past::Unreadable(why.to_owned()));
        let (oid, mode) = match self.walk(path)? {
            Ok(found) => found,
            Err(past) => return Ok(past),
        };
        match mode {
            FileMode::Blob | FileMode::BlobExecutable | FileMode::BlobGroupWritable => {}
            FileMode::Tree => return refused("it is a folder"),
            _ => return refused("it is in another repository"),
        }
        let (size, _) = self.repo.odb()?.read_header(oid)?;
        if size > MAX_FILE {
            return refused(&format!("it has {size} bytes"));
        }
        Ok(Past::Bytes(self.repo.find_blob(oid)?.content().to_owned()))
    }

    /// What `path` leads to, links followed.
    fn walk(&self, path: &str) -> Result<Result<(Oid, FileMode), Past>, Error> {
        let root = self.repo.find_commit(self.commit)?.tree_id();
        // The way that was gone so far, and what is ahead.
        let mut way: Vec<Oid> = vec![root];
        let mut ahead: VecDeque<String> = self.within.iter().cloned().collect();
        ahead.extend(path.split('/').map(str::to_owned));
        let mut links = 0;
        while let Some(part) = ahead.pop_front() {
            let tree: Tree<'_> = match way.last() {
                Some(oid) => self.repo.find_tree(*oid)?,
                None => return Ok(Err(leads_out())),
            };
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    way.pop();
                    continue;
                }
                _ => {}
            }
            let Some(entry) = tree.get_name(&part) else { return Ok(Err(Past::Missing)) };
            let mode = mode(entry.filemode());
            match mode {
                FileMode::Tree => way.push(entry.id()),
                FileMode::Link => {
                    links += 1;
                    let blob = self.repo.find_blob(entry.id())?;
                    let target = String::from_utf8_lossy(blob.content()).into_owned();
                    if links > MAX_LINKS || target.starts_with('/') {
                        return Ok(Err(leads_out()));
                    }
                    for part in target.rsplit('/') {
                        ahead.push_front(part.to_owned());
                    }
                }
                mode if ahead.iter().all(|part| part.is_empty()) => {
                    return Ok(Ok((entry.id(), mode)));
                }
                _ => return Ok(Err(Past::Missing)),
            }
        }
        Ok(way.last().map(|oid| (*oid, FileMode::Tree)).ok_or_else(leads_out))
    }
}

fn leads_out() -> Past {
    Past::Unreadable("it is a link that leads out of the repo".to_owned())
}

fn commit(repo: &Repository, name: &str) -> Result<Oid, git2::Error> {
    Ok(repo.revparse_single(name)?.peel(ObjectType::Commit)?.id())
}

fn mode(bits: i32) -> FileMode {
    match bits {
        0o040_000 => FileMode::Tree,
        0o120_000 => FileMode::Link,
        0o160_000 => FileMode::Commit,
        0o100_755 => FileMode::BlobExecutable,
        _ => FileMode::Blob,
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;
    use crate::archive::testing::git;

    /// A repository whose folder `project` held two files, and now holds another.
    fn repository() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        git(root, &["init", "--quiet", "--initial-branch=main"]);
        fs::create_dir_all(root.join("project/waves")).unwrap();
        fs::write(root.join("project/waves/a.yaml"), "wave: a\n").unwrap();
        fs::write(root.join("shared.md"), "Draw.\n").unwrap();
        symlink("../../shared.md", root.join("project/waves/link.md")).unwrap();
        symlink("../../../etc/passwd", root.join("project/waves/out.md")).unwrap();
        symlink("loop.md", root.join("project/waves/loop.md")).unwrap();
        git(root, &["add", "."]);
        git(root, &["commit", "--quiet", "--message", "Begin"]);
        git(root, &["rm", "--quiet", "-r", "."]);
        fs::create_dir_all(root.join("project")).unwrap();
        fs::write(root.join("project/README"), "").unwrap();
        git(root, &["add", "."]);
        git(root, &["commit", "--quiet", "--message", "Begin again"]);
        dir
    }

    #[test]
    fn files_are_read_as_they_were() {
        let dir = repository();
        let before = Revision::find(&dir.path().join("project"), "main~1").unwrap();

        assert_eq!(before.list("waves").unwrap(), ["a.yaml", "link.md", "loop.md", "out.md"]);
        assert_eq!(before.read("waves/a.yaml").unwrap(), Past::Bytes(b"wave: a\n".to_vec()));
        assert_eq!(before.read("waves/b.yaml").unwrap(), Past::Missing);
        assert_eq!(before.read("waves/a.yaml/b").unwrap(), Past::Missing);
        assert_eq!(before.read("waves").unwrap(), Past::Unreadable("it is a folder".to_owned()));
        assert_eq!(before.commit(), git(dir.path(), &["rev-parse", "main~1"]).trim());

        let now = Revision::find(&dir.path().join("project"), "HEAD").unwrap();
        assert_eq!(now.list("waves").unwrap(), [""; 0]);
    }

    #[test]
    fn links_are_followed_within_the_repository() {
        let dir = repository();
        let before = Revision::find(&dir.path().join("project"), "main~1").unwrap();

        assert_eq!(before.read("waves/link.md").unwrap(), Past::Bytes(b"Draw.\n".to_vec()));
        assert_eq!(before.read("waves/out.md").unwrap(), leads_out());
        assert_eq!(before.read("waves/loop.md").unwrap(), leads_out());
    }

    #[test]
    fn a_revision_that_is_not_there_is_told_from_one_that_was_not_fetched() {
        let dir = repository();
        let shallow = tempfile::tempdir().unwrap();
        let url = format!("file://{}", dir.path().display());
        git(shallow.path(), &["clone", "--quiet", "--depth=1", &url, "here"]);
        let find = |path: &Path, name: &str| {
            Revision::find(path, name).map(|found| found.commit()).map_err(|err| err.to_string())
        };

        assert!(find(dir.path(), "main^{tree}").is_err());
        assert_eq!(find(dir.path(), "no/such").unwrap_err(), "git knows no revision `no/such`");
        let here = shallow.path().join("here");
        assert!(find(&here, "HEAD").is_ok());
        for name in ["HEAD~1", "main~1", "0123456789012345678901234567890123456789"] {
            let err = find(&here, name).unwrap_err();
            assert_eq!(err, format!("git knows no revision `{name}` in this shallow clone"));
        }
    }

    #[test]
    fn outside_of_git_there_is_none() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Revision::find(dir.path(), "HEAD"), Err(NoRevision::NoRepository(_))));
    }
}
