//! A remote that is a folder on this machine: opened, not spoken to.
//!
//! libgit2's own push to a folder would lose commits: it looks at the branch
//! first and moves it later, unconditionally, and it runs no hooks. So the
//! objects are written straight into the remote, and the branch is moved under
//! git's own lock, if it is still where it was.
//!
//! **Guarantee:** when [`deliver`] returns [`Delivered::Yes`], everything the
//! branch points at has been flushed to the disk before the branch was, and the
//! branch too. A power cut at any moment leaves the branch where it was or
//! where it was to go. (The one gap is libgit2's: the file of a branch is
//! renamed into place before it can be flushed. It is flushed right after.)

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use git2::{ErrorCode, Oid, Repository};

use super::{
    Error, Refusal, Remote,
    chain::Chain,
    error::Trouble,
    flush::{self, Flushed},
    hooks,
};

/// Nobody holds the lock of a branch for so long: whoever made it is dead.
const STALE: Duration = Duration::from_secs(600);

/// How a push ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Delivered {
    /// The remote has it.
    Yes,
    /// Something changed meanwhile, most likely the branch: look again.
    Again,
    /// The remote does not want it.
    Refused(Refusal),
}

pub(super) fn open(remote: &Remote, path: &Path) -> Result<Repository, Error> {
    Repository::open(path).map_err(|source| {
        let remote = remote.clone();
        match source.code() {
            ErrorCode::Owner => Error::Foreign { path: path.to_owned() },
            ErrorCode::NotFound if path.exists() => Error::NotARepository { remote },
            _ => Error::Unreachable { remote, source: Trouble::new(source.message().to_owned()) },
        }
    })
}

/// Makes sure that the repository at `path` is one, and that we may write there.
pub(super) fn may_write(remote: &Remote, path: &Path) -> Result<(), Error> {
    let repo = open(remote, path)?;
    for folder in ["objects", "refs"].map(|name| repo.commondir().join(name)) {
        rustix::fs::access(&folder, rustix::fs::Access::WRITE_OK)
            .map_err(|err| Error::Disk { path: folder.clone(), source: err.into() })?;
    }
    Ok(())
}

/// Where the branch is; `None` before the first commit.
pub(super) fn head(repo: &Repository, refname: &str) -> Result<Option<Oid>, git2::Error> {
    match repo.refname_to_id(refname) {
        Ok(id) => Ok(Some(id)),
        Err(err) if err.code() == ErrorCode::NotFound => Ok(None),
        Err(err) => Err(err),
    }
}

/// Moves the branch from `old` to the end of `chain`.
pub(super) fn deliver(
    remote: &Remote,
    repo: &Repository,
    refname: &str,
    old: Option<Oid>,
    chain: &Chain,
) -> Result<Delivered, Error> {
    let Some(&new) = chain.commits.last() else {
        return Ok(Delivered::Yes);
    };
    if is_checked_out(repo, refname) {
        return Ok(Delivered::Refused(Refusal::new("it is checked out there", b"")));
    }
    let disk = |source| Error::Disk { path: repo.path().to_owned(), source };
    if flush::files(&chain.files).map_err(disk)? == Flushed::Damaged {
        return Ok(Delivered::Again);
    }
    let update = hooks::Update { refname, old, new };
    if let Err(refusal) = hooks::ask(repo, &update) {
        return Ok(Delivered::Refused(refusal));
    }
    if swap(remote, repo, &update)? == Delivered::Again {
        return Ok(Delivered::Again);
    }
    let moved = flush::files(&[repo.commondir().join(refname)]).map_err(disk)?;
    debug_assert_eq!(moved, Flushed::Yes, "a branch is never empty");
    hooks::tell(repo, &update);
    Ok(Delivered::Yes)
}

/// Compares and sets, both while holding the branch's lock.
fn swap(
    remote: &Remote,
    repo: &Repository,
    update: &hooks::Update<'_>,
) -> Result<Delivered, Error> {
    let mut transaction = repo.transaction()?;
    match transaction.lock_ref(update.refname) {
        Ok(()) => (),
        Err(err) if err.code() == ErrorCode::Locked => {
            remove_stale(&repo.commondir().join(format!("{}.lock", update.refname)));
            return Ok(Delivered::Again);
        }
        Err(err) => return Err(Error::of_files(remote, err)),
    }
    if head(repo, update.refname)? != update.old {
        return Ok(Delivered::Again);
    }
    transaction.set_target(update.refname, update.new, None, "wavemark publish")?;
    transaction.commit()?;
    Ok(Delivered::Yes)
}

/// Removes a lock that a process left behind when it was killed.
fn remove_stale(lock: &PathBuf) {
    let age = fs::metadata(lock).and_then(|lock| lock.modified()).map(|then| then.elapsed());
    if let Ok(Ok(age)) = age
        && age > STALE
    {
        match fs::remove_file(lock) {
            Ok(()) => {
                tracing::warn!("removed {}, which a dead process left behind", lock.display())
            }
            Err(err) if err.kind() == io::ErrorKind::NotFound => (),
            Err(err) => tracing::warn!("left {} alone: {err}", lock.display()),
        }
    }
}

/// Whether a work tree, linked ones included, would be left behind.
fn is_checked_out(repo: &Repository, refname: &str) -> bool {
    let shows = |repo: &Repository| {
        let head = repo.find_reference("HEAD");
        head.is_ok_and(|head| matches!(head.symbolic_target(), Ok(Some(name)) if name == refname))
    };
    let linked = |name: &str| {
        let worktree = repo.find_worktree(name)?;
        Ok::<_, git2::Error>(shows(&Repository::open_from_worktree(&worktree)?))
    };
    let names = repo.worktrees();
    (!repo.is_bare() && shows(repo))
        || names.is_ok_and(|names| {
            let mut names = names.iter().filter_map(|name| name.ok().flatten());
            names.any(|name| linked(name).unwrap_or(false))
        })
}
