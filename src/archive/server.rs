//! A remote behind a server, worked with through a bare cache on this machine.
//!
//! The cache holds nothing that the server does not have, or will be sent
//! again from the database. So it is never flushed to disk, and whatever is
//! wrong with it is cured by deleting it.
//!
//! **Invariant:** the branch in the cache is where the server's was when it was
//! last looked at, with everything that it points at.

use std::{cell::RefCell, fs, path::Path, rc::Rc};

use git2::{
    AutotagOption, Cred, CredentialType, Direction, ErrorClass, ErrorCode, FetchOptions, Oid,
    ProxyOptions, PushOptions, RemoteCallbacks, RemoteConnection, Repository,
    RepositoryInitOptions,
};
use secrecy::ExposeSecret as _;

use super::{
    Error, Remote,
    local::{self, Delivered},
    wording,
};

/// Which server a cache is of, in the cache's own configuration.
const OF: &str = "wavemark.remote";

/// As much of what a server says as is kept.
const LONGEST: usize = 8_192;

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
    let mut anonymous = repo.remote_anonymous(&remote.url)?;
    let mut connection = connect(remote, &mut anonymous, Direction::Fetch)?;
    let failed = |err| Error::of_transfer(remote, err);
    let heads = connection.list().map_err(failed)?;
    let head = heads.iter().find(|head| head.name() == refname);
    let head = head.map(|head| head.oid());
    let here = local::head(repo, refname)?;
    if head == here {
        return Ok(head);
    }
    if head.is_none() {
        // A branch that is gone is not fetched, so the old one would stay.
        repo.find_reference(refname)?.delete()?;
        return Ok(None);
    }
    let mut options = FetchOptions::new();
    options
        .remote_callbacks(callbacks(remote))
        .proxy_options(proxy())
        .update_fetchhead(false)
        .download_tags(AutotagOption::None);
    connection
        .remote()
        .fetch(&[format!("+{refname}:{refname}")], Some(&mut options), None)
        .map_err(failed)?;
    Ok(head)
}

/// Asks the server to move the branch from `old` to `new`.
///
/// Without an error, it did or it did not: libgit2 reports a refusal to a
/// callback only.
pub(super) fn push(
    remote: &Remote,
    repo: &Repository,
    refname: &str,
    old: Option<Oid>,
    new: Oid,
) -> Result<Delivered, Error> {
    let refusal = RefCell::new(None);
    let said = Rc::new(RefCell::new(Vec::new()));
    let mut callbacks = callbacks(remote);
    callbacks
        .push_negotiation(|updates| {
            // Fast-forward is not enough: if someone took commits off the
            // branch, they are not to come back unasked.
            match updates.iter().all(|update| update.src() == old.unwrap_or(Oid::ZERO_SHA1)) {
                true => Ok(()),
                false => Err(git2::Error::new(
                    ErrorCode::NotFastForward,
                    ErrorClass::Callback,
                    "the branch moved",
                )),
            }
        })
        .push_update_reference(|_, message| {
            *refusal.borrow_mut() = message.map(str::to_owned);
            Ok(())
        });
    let heard = Rc::clone(&said);
    callbacks.sideband_progress(move |words| {
        let mut heard = heard.borrow_mut();
        let room = LONGEST.saturating_sub(heard.len()).min(words.len());
        heard.extend_from_slice(&words[..room]);
        true
    });

    let mut options = PushOptions::new();
    // As many threads as there are processors.
    options.remote_callbacks(callbacks).proxy_options(proxy()).packbuilder_parallelism(0);
    let mut anonymous = repo.remote_anonymous(&remote.url)?;
    let mut connection = connect(remote, &mut anonymous, Direction::Push)?;
    let pushed = connection.remote().push(&[format!("{new}:{refname}")], Some(&mut options));
    drop((connection, options));
    match (pushed, refusal.into_inner()) {
        (Ok(()), None) => {
            repo.reference(refname, new, true, "wavemark publish")?;
            Ok(Delivered::Yes)
        }
        (Ok(()), Some(message)) if is_passing(&message) => Ok(Delivered::Again),
        (Ok(()), Some(message)) => Err(Error::Refused {
            remote: remote.clone(),
            branch: refname.trim_start_matches("refs/heads/").to_owned(),
            reason: wording::reason(&message, &said.borrow()),
        }),
        (Err(err), _) if err.code() == ErrorCode::NotFastForward => Ok(Delivered::Again),
        (Err(err), _) => Err(Error::of_transfer(remote, err)),
    }
}

/// Connects, and does nothing else: from here on, an error of the operating
/// system is about the cache and not about the network.
fn connect<'a, 'repo, 'cb>(
    remote: &'cb Remote,
    anonymous: &'a mut git2::Remote<'repo>,
    direction: Direction,
) -> Result<RemoteConnection<'repo, 'a, 'cb>, Error> {
    anonymous
        .connect_auth(direction, Some(callbacks(remote)), Some(proxy()))
        .map_err(|err| Error::of_connection(remote, err))
}

/// Whether a refusal is about another push at the same time, as git words it.
fn is_passing(message: &str) -> bool {
    message.contains("failed to update ref") || message.contains("cannot lock ref")
}

/// Answers the server's question for credentials, once.
///
/// libgit2 asks for ever when they are wrong.
fn callbacks(remote: &Remote) -> RemoteCallbacks<'_> {
    let mut callbacks = RemoteCallbacks::new();
    let mut asked = false;
    callbacks.credentials(move |_, user, allowed| match &remote.token {
        Some(token) if !asked && allowed.contains(CredentialType::USER_PASS_PLAINTEXT) => {
            asked = true;
            Cred::userpass_plaintext(user.unwrap_or("x-access-token"), token.expose_secret())
        }
        _ => Err(git2::Error::new(
            ErrorCode::Auth,
            ErrorClass::Http,
            "the server wants other credentials",
        )),
    });
    callbacks
}

/// The proxy that git's configuration or the environment names.
fn proxy() -> ProxyOptions<'static> {
    let mut proxy = ProxyOptions::new();
    proxy.auto();
    proxy
}
