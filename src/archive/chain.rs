//! Turns entries into a chain of commits.
//!
//! **Invariant:** a commit depends on its parent and its entry, and on nothing
//! else: no clock, no configuration, no machine. The same entries on the same
//! parent are the same commits, so that building them again after a crash, or
//! on another machine, cannot make a difference.

use std::path::PathBuf;

use git2::{ObjectType, Oid, Repository};

use super::{Entry, folder::Folder, message::Mark, objects::Objects};

const PERSON: &str = "wavemark <wavemark@users.noreply.github.com>";

/// Commits that are in the repository, and on no branch yet.
pub(super) struct Chain {
    /// One for each entry, in order.
    pub(super) commits: Vec<Oid>,
    /// Where in each commit its entry is.
    pub(super) paths: Vec<String>,
    /// What has to reach the disk before a branch may point at them.
    pub(super) files: Vec<PathBuf>,
}

/// Commits each entry on top of the one before it, the first on `parent`.
pub(super) fn build(
    repo: &Repository,
    parent: Option<Oid>,
    entries: &[&Entry],
) -> Result<Chain, git2::Error> {
    let mut objects = Objects::for_entries(repo, entries.len())?;
    let mut root = match parent {
        Some(parent) => Folder::read(repo, repo.find_commit(parent)?.tree_id())?,
        None => Folder::default(),
    };
    let mut parent = parent;
    let mut commits = Vec::with_capacity(entries.len());
    let mut paths = Vec::with_capacity(entries.len());
    for entry in entries {
        let plain = Mark::of(entry);
        let path = plain.path();
        let path = root.locate(repo, &path.split('/').collect::<Vec<_>>())?;
        let mark = plain.at(&path.join("/"));
        let blob = objects.put(ObjectType::Blob, entry.content.as_bytes(), None)?;
        let tree = root.put(repo, &mut objects, &path, blob)?;
        let commit = text(tree, parent, entry.created_at.timestamp(), &mark.message());
        let commit = objects.put(ObjectType::Commit, commit.as_bytes(), None)?;
        parent = Some(commit);
        commits.push(commit);
        paths.push(mark.path());
    }
    Ok(Chain { commits, paths, files: objects.finish()? })
}

fn text(tree: Oid, parent: Option<Oid>, seconds: i64, message: &str) -> String {
    let parent = parent.map_or(String::new(), |parent| format!("parent {parent}\n"));
    format!(
        "tree {tree}\n\
         {parent}\
         author {PERSON} {seconds} +0000\n\
         committer {PERSON} {seconds} +0000\n\
         \n\
         {message}"
    )
}
