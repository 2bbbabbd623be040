//! A remote behind a server, worked with through a bare cache on this machine.
//!
//! The cache holds nothing that the server does not have, or will be sent
//! again from the database. So it is never flushed to disk, and whatever is
//! wrong with it is cured by deleting it.
//!
//! **Invariant:** the branch in the cache is where the server's was when it was
//! last looked at, with everything that it points at.

use std::{fs, path::Path};

use git2::{Buf, Oid, Repository, RepositoryInitOptions};

use super::{
    Error, Remote,
    local::{self, Delivered},
    smart::{Pushed, Session, Update},
};

/// Which server a cache is of, in the cache's own configuration.
const OF: &str = "wavemark.remote";

/// Fetches come as packs. With more than so many, fetching anew is better.
pub(super) const MOST_PACKS: usize = 200;

/// Opens the cache, or makes it anew if it is none, or another server's.
pub(super) fn open(remote: &Remote, cache: &Path) -> Result<Repository, Error> {
    if let Ok(repo) = Repository::open_bare(cache)
        && repo.config()?.get_string(OF).is_ok_and(|url| url == remote.to_string())
        && fs::read_dir(repo.path().join("objects/pack"))
            .is_ok_and(|packs| packs.count() <= 2 * MOST_PACKS)
    {
        return Ok(repo);
    }
    rebuild(remote, cache)
}

/// Makes an empty cache.
pub(super) fn rebuild(remote: &Remote, cache: &Path) -> Result<Repository, Error> {
    let disk = |source| Error::Disk { path: cache.to_owned(), source };
    if cache.symlink_metadata().is_ok() {
        tracing::warn!("making the git cache {} anew", cache.display());
        match cache.is_dir() {
            true => fs::remove_dir_all(cache).map_err(disk)?,
            false => fs::remove_file(cache).map_err(disk)?,
        }
    }
    let mut options = RepositoryInitOptions::new();
    options.bare(true).mkpath(true).external_template(false);
    let repo = Repository::init_opts(cache, &options)?;
    repo.config()?.set_str(OF, &remote.to_string())?;
    Ok(repo)
}

/// Brings the cache up to date, and returns where the branch is.
pub(super) fn fetch(
    remote: &Remote,
    repo: &Repository,
    refname: &str,
) -> Result<Option<Oid>, Error> {
    let mut session = Session::open(remote, refname)?;
    let head = session.head()?;
    let here = local::head(repo, refname)?;
    match head {
        _ if head == here => (),
        None => repo.find_reference(refname)?.delete()?,
        Some(head) => {
            session.fetch(repo, head, here)?;
            repo.reference(refname, head, true, "wavemark fetch")?;
        }
    }
    Ok(head)
}

/// Asks the server to move the branch from `old` to `new`.
pub(super) fn push(
    remote: &Remote,
    repo: &Repository,
    refname: &str,
    old: Option<Oid>,
    new: Oid,
) -> Result<Delivered, Error> {
    let update = Update { old, new, pack: pack(repo, old, new)? };
    match Session::open(remote, refname)?.push(&update)? {
        Pushed::Yes => {
            repo.reference(refname, new, true, "wavemark publish")?;
            Ok(Delivered::Yes)
        }
        Pushed::Moved => Ok(Delivered::Again),
        Pushed::Refused(refusal) => Ok(Delivered::Refused(refusal)),
    }
}

/// Everything that `new` points at and `old` does not.
fn pack(repo: &Repository, old: Option<Oid>, new: Oid) -> Result<Vec<u8>, git2::Error> {
    let mut walk = repo.revwalk()?;
    walk.push(new)?;
    old.map_or(Ok(()), |old| walk.hide(old))?;
    let mut builder = repo.packbuilder()?;
    // As many threads as there are processors.
    builder.set_threads(0);
    builder.insert_walk(&mut walk)?;
    let mut pack = Buf::new();
    builder.write_buf(&mut pack)?;
    Ok(pack.to_vec())
}
