//! Finds what a publisher that crashed had already pushed.
//!
//! Looking whether a path holds the bytes already would not do: the versions of
//! an artifact may go A, B and back to A, which is three commits.

use std::collections::{HashMap, HashSet};

use git2::{Commit, ErrorCode, Oid, Repository};

use crate::model::{ArtifactId, Digest};

use super::{Entry, message::Mark};

/// The commits, among those after `known`, that hold one of `entries`, and
/// where in them it is.
///
/// An agent may have moved to another wave since, so the path is the commit's
/// own. Of two commits for one entry, which only foreign hands can make, the
/// older counts.
pub(super) fn find(
    repo: &Repository,
    head: Option<Oid>,
    known: Option<Oid>,
    entries: &[&Entry],
) -> Result<HashMap<ArtifactId, (Oid, String)>, git2::Error> {
    let wanted: HashMap<ArtifactId, Digest> =
        entries.iter().map(|entry| (entry.id, entry.sha256)).collect();
    let mut found = HashMap::new();
    let mut seen: HashSet<Oid> = known.into_iter().collect();
    let mut next: Vec<Oid> = head.into_iter().collect();
    while let Some(id) = next.pop() {
        if !seen.insert(id) {
            continue;
        }
        let commit = repo.find_commit(id)?;
        next.extend(commit.parent_ids());
        let mark = Mark::parse(&String::from_utf8_lossy(commit.message_raw_bytes()));
        if let Some(mark) = mark
            && wanted.get(&mark.id) == Some(&mark.sha256)
            && digest_at(repo, &commit, &mark.path())? == Some(mark.sha256)
        {
            found.insert(mark.id, (id, mark.path()));
        }
    }
    Ok(found)
}

/// The digest of the file at `path`, if there is one.
pub(super) fn digest_at(
    repo: &Repository,
    commit: &Commit<'_>,
    path: &str,
) -> Result<Option<Digest>, git2::Error> {
    let entry = match commit.tree()?.get_path(path.as_ref()) {
        Ok(entry) => entry,
        Err(err) if err.code() == ErrorCode::NotFound => return Ok(None),
        Err(err) => return Err(err),
    };
    Ok(entry.to_object(repo)?.as_blob().map(|blob| Digest::of(blob.content())))
}
