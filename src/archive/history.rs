//! Reads the branch: what was committed, when, and where it is.

use std::collections::HashSet;

use chrono::DateTime;
use git2::{ErrorCode, Oid, Repository, Sort};

use crate::model::Instant;

use super::{Error, message::Mark};

/// A commit on the artifact branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its id, in full.
    pub id: String,
    /// The first line of its message.
    pub subject: String,
    /// Who wrote it: ours, or a person who pushed to the branch.
    pub author: String,
    /// When the artifact was stored.
    pub at: Instant,
    /// The artifact it holds; none in a person's commit.
    pub mark: Option<Mark>,
}

/// The newest `limit` commits, newest first.
pub(super) fn log(
    repo: &Repository,
    head: Option<Oid>,
    limit: usize,
) -> Result<Vec<Commit>, git2::Error> {
    walk(repo, head)?.take(limit).map(|id| describe(&repo.find_commit(id?)?)).collect()
}

/// The commits that changed what is at `path`, newest first.
pub(super) fn history(
    repo: &Repository,
    head: Option<Oid>,
    path: &str,
) -> Result<Vec<Commit>, git2::Error> {
    let at = |commit: &git2::Commit<'_>| match commit.tree()?.get_path(path.as_ref()) {
        Ok(entry) => Ok(Some(entry.id())),
        Err(err) if err.code() == ErrorCode::NotFound => Ok(None),
        Err(err) => Err(err),
    };
    let mut found = Vec::new();
    for id in walk(repo, head)? {
        let commit = repo.find_commit(id?)?;
        let now = at(&commit)?;
        let mut before =
            commit.parents().map(|parent| at(&parent)).collect::<Result<Vec<_>, _>>()?;
        if before.is_empty() {
            before.push(None);
        }
        let mark = mark(&commit);
        // A version with the same bytes as the one before is a version too.
        let is_version = mark.as_ref().is_some_and(|mark| mark.path() == path);
        if is_version || !before.contains(&now) {
            found.push(describe(&commit)?);
        }
    }
    Ok(found)
}

/// Every commit of the branch.
pub(super) fn all(repo: &Repository, head: Option<Oid>) -> Result<HashSet<Oid>, git2::Error> {
    walk(repo, head)?.collect()
}

/// The bytes at `path` in `commit`.
pub(super) fn read(repo: &Repository, commit: &str, path: &str) -> Result<Vec<u8>, Error> {
    let missing = || Error::Missing { commit: commit.to_owned(), path: path.to_owned() };
    let id = Oid::from_str(commit).map_err(|_| missing())?;
    let look = || {
        let tree = repo.find_commit(id)?.tree()?;
        tree.get_path(path.as_ref())?.to_object(repo)?.peel_to_blob()
    };
    match look() {
        Ok(blob) => Ok(blob.content().to_vec()),
        Err(err) => Err(match err.code() {
            ErrorCode::NotFound | ErrorCode::InvalidSpec | ErrorCode::Peel => missing(),
            _ => err.into(),
        }),
    }
}

/// Children before parents; commit times are those of rows, so no guide.
fn walk(repo: &Repository, head: Option<Oid>) -> Result<git2::Revwalk<'_>, git2::Error> {
    let mut walk = repo.revwalk()?;
    walk.set_sorting(Sort::TOPOLOGICAL)?;
    if let Some(head) = head {
        walk.push(head)?;
    }
    Ok(walk)
}

fn describe(commit: &git2::Commit<'_>) -> Result<Commit, git2::Error> {
    let author = commit.author();
    Ok(Commit {
        id: commit.id().to_string(),
        subject: String::from_utf8_lossy(commit.summary_bytes().unwrap_or_default()).into_owned(),
        author: String::from_utf8_lossy(author.name_bytes()).into_owned(),
        at: DateTime::from_timestamp(author.when().seconds(), 0).unwrap_or_default(),
        mark: mark(commit),
    })
}

fn mark(commit: &git2::Commit<'_>) -> Option<Mark> {
    Mark::parse(&String::from_utf8_lossy(commit.message_raw_bytes()))
}

#[cfg(test)]
mod tests {
    use crate::archive::{
        Archive, Error,
        testing::{Via, World, entry},
    };

    fn subjects(commits: &[super::Commit]) -> String {
        let line = |commit: &super::Commit| format!("{} | {}\n", commit.author, commit.subject);
        commits.iter().map(line).collect()
    }

    /// Two versions of one file, another file, and a person's edit of the first.
    fn archive(world: &World) -> Archive {
        let archive = world.archive(Via::Folder, "one");
        let batch = [
            entry(1, "doc/a.md", "one"),
            entry(2, "doc/b.md", "two"),
            entry(3, "doc/a.md", "three"),
        ];
        archive.publish_all(&batch, None).unwrap();
        world.somebody_commits("foundation/vision/doc/a.md", "edited");
        archive
    }

    #[test]
    fn the_log_is_newest_first_and_knows_what_people_wrote() {
        let world = World::new();
        let log = archive(&world).log(3).unwrap();

        insta::assert_snapshot!(subjects(&log), @"
        Somebody | Say hello
        wavemark | vision: doc/a.md (version 3)
        wavemark | vision: doc/b.md (version 2)
        ");
        assert_eq!(log[0].mark, None);
        assert_eq!(log[1].mark.as_ref().unwrap().path(), "foundation/vision/doc/a.md");
        assert_eq!(log[1].at.timestamp(), 1_790_000_003);
    }

    #[test]
    fn the_history_of_a_path_has_each_commit_that_changed_it() {
        let world = World::new();
        let history = archive(&world).history("foundation/vision/doc/a.md").unwrap();

        insta::assert_snapshot!(subjects(&history), @"
        Somebody | Say hello
        wavemark | vision: doc/a.md (version 3)
        wavemark | vision: doc/a.md (version 1)
        ");
    }

    #[test]
    fn a_branch_without_commits_reads_as_empty() {
        for via in Via::BOTH {
            let world = World::new();
            let archive = world.archive(via, "one");
            assert_eq!((archive.log(9).unwrap(), archive.history("a").unwrap()), (vec![], vec![]));
        }
    }

    #[test]
    fn what_is_not_there_is_missing() {
        let world = World::new();
        let archive = archive(&world);
        let head = archive.fetch().unwrap().unwrap();
        for (commit, path) in [
            (head.as_str(), "foundation/vision/doc/c.md"),
            (head.as_str(), "foundation"),
            (&"f".repeat(40), "foundation/vision/doc/a.md"),
            ("not a commit", "foundation/vision/doc/a.md"),
        ] {
            let err = archive.read(commit, path).unwrap_err();
            assert!(matches!(err, Error::Missing { .. }), "{commit} {path}: {err:?}");
        }
    }
}
