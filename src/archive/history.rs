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
    walk(repo, head)?
        .take(limit)
        .map(|id| describe(&repo.find_commit(id?)?))
        .collect()
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
        let mut before = commit
            .parents()
            .map(|parent| at(&parent))
            .collect::<Result<Vec<_>, _>>()?;
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
    let look = || {
        let tree = repo.find_commit(Oid::from_str(commit)?)?.tree()?;
        tree.get_path(path.as_ref())?
            .to_object(repo)?
            .peel_to_blob()
    };
    match look() {
        Ok(blob) => Ok(blob.content().to_vec()),
        Err(err)
            if matches!(
                err.code(),
                ErrorCode::NotFound | ErrorCode::InvalidSpec | ErrorCode::Peel
            ) =>
        {
            Err(Error::Missing {
                commit: commit.to_owned(),
                path: path.to_owned(),
            })
        }
        Err(err) => Err(err.into()),
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
