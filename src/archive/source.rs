//! What the git repository around a project says about the definitions in it.
//!
//! It is only read. Hooks are never run, and `GIT_DIR` and its like are not
//! looked at: a repository is found by where it is.

use std::path::{Path, PathBuf};

use git2::{ErrorCode, Repository, StatusOptions, StatusShow};

use super::Error;

/// Whether files differ from the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edits {
    /// Everything is as committed.
    None,
    /// Something is changed, added or deleted.
    Some,
}

/// Where definitions come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The top of the work tree.
    pub root: PathBuf,
    /// The commit that is checked out; none before the first.
    pub commit: Option<String>,
    /// Whether anything in the folder that was asked about differs from it.
    pub edits: Edits,
}

/// Describes the folder `path` as git sees it; `None` outside a work tree.
pub fn source_of(path: &Path) -> Result<Option<Source>, Error> {
    let Some(repo) = open(path)? else {
        return Ok(None);
    };
    let Some(root) = repo.workdir().map(Path::to_owned) else {
        return Ok(None);
    };
    let commit = match repo.head() {
        Ok(head) => Some(head.peel_to_commit()?.id().to_string()),
        Err(err) if matches!(err.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => None,
        Err(err) => return Err(err.into()),
    };
    let edits = edits(&repo, &root, path)?;
    Ok(Some(Source { root, commit, edits }))
}

fn edits(repo: &Repository, root: &Path, path: &Path) -> Result<Edits, Error> {
    let mut options = StatusOptions::new();
    options
        .show(StatusShow::IndexAndWorkdir)
        .include_untracked(true)
        .include_ignored(false)
        .exclude_submodules(true)
        .disable_pathspec_match(true)
        .update_index(false);
    // Both resolved, because either may be reached through a symlink.
    let disk = |source| Error::Disk { path: path.to_owned(), source };
    let path_in_full = path.canonicalize().map_err(disk)?;
    let root_in_full = root.canonicalize().map_err(disk)?;
    if let Ok(within) = path_in_full.strip_prefix(&root_in_full)
        && within != Path::new("")
    {
        options.pathspec(within);
    }
    Ok(match repo.statuses(Some(&mut options))?.is_empty() {
        true => Edits::None,
        false => Edits::Some,
    })
}

/// Opens the repository that contains `path`, if any does.
pub(super) fn open(path: &Path) -> Result<Option<Repository>, Error> {
    match Repository::discover(path) {
        Ok(repo) => Ok(Some(repo)),
        Err(err) if err.code() == ErrorCode::NotFound => Ok(None),
        Err(err) if err.code() == ErrorCode::Owner => Err(Error::Foreign { path: path.to_owned() }),
        Err(err) => Err(err.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::archive::testing::git;

    /// A repository with one commit that has `waves/a.yaml`.
    fn project() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "--quiet"]);
        fs::create_dir(dir.path().join("waves")).unwrap();
        fs::write(dir.path().join("waves/a.yaml"), "wave: a\n").unwrap();
        git(dir.path(), &["add", "."]);
        git(dir.path(), &["commit", "--quiet", "--message", "Begin"]);
        dir
    }

    #[test]
    fn a_source_is_its_top_and_its_commit() {
        let dir = project();

        let source = source_of(&dir.path().join("waves")).unwrap().unwrap();

        assert_eq!(source.root.canonicalize().unwrap(), dir.path().canonicalize().unwrap());
        assert_eq!(source.commit.unwrap(), git(dir.path(), &["rev-parse", "HEAD"]).trim());
        assert_eq!(source.edits, Edits::None);
    }

    #[test]
    fn only_edits_in_the_folder_asked_about_count() {
        let dir = project();
        let edits = |path: &Path| source_of(path).unwrap().unwrap().edits;

        fs::write(dir.path().join("notes.txt"), "").unwrap();
        assert_eq!(edits(&dir.path().join("waves")), Edits::None);
        assert_eq!(edits(dir.path()), Edits::Some);
        fs::write(dir.path().join("waves/b.yaml"), "").unwrap();
        assert_eq!(edits(&dir.path().join("waves")), Edits::Some);
        git(dir.path(), &["add", "."]);
        assert_eq!(edits(&dir.path().join("waves")), Edits::Some);
        git(dir.path(), &["commit", "--quiet", "--message", "More"]);
        assert_eq!(edits(&dir.path().join("waves")), Edits::None);
        fs::write(dir.path().join("waves/a.yaml"), "wave: b\n").unwrap();
        assert_eq!(edits(&dir.path().join("waves")), Edits::Some);
    }

    #[test]
    fn a_repository_before_its_first_commit_has_none() {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "--quiet"]);
        let source = source_of(dir.path()).unwrap().unwrap();
        assert_eq!((source.commit, source.edits), (None, Edits::None));
    }

    #[test]
    fn a_folder_outside_of_git_has_no_source() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(source_of(dir.path()).unwrap(), None);
    }

    #[test]
    fn a_detached_head_and_a_linked_work_tree_are_sources_too() {
        let dir = project();
        git(dir.path(), &["checkout", "--quiet", "--detach"]);
        git(dir.path(), &["worktree", "add", "--quiet", "linked"]);
        let linked = dir.path().join("linked");
        let commit = |path: &Path| source_of(path).unwrap().unwrap().commit;
        assert_eq!(commit(&linked), commit(dir.path()));
        assert_eq!(source_of(&linked).unwrap().unwrap().root.file_name().unwrap(), "linked");
    }
}
