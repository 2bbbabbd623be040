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
const MOST_PACKS: usize = 200;

/// Opens the cache, or makes it anew if it is none, or another server's.
pub(super) fn open(remote: &Remote, cache: &Path) -> Result<Repository, Error> {
    if let Ok(repo) = Repository::open_bare(cache)
        && repo
            .config()?
            .get_string(OF)
            .is_ok_and(|url| url == remote.to_string())
        && fs::read_dir(repo.path().join("objects/pack"))
            .is_ok_and(|packs| packs.count() <= 2 * MOST_PACKS)
    {
        return Ok(repo);
    }
    rebuild(remote, cache)
}

/// Makes an empty cache.
pub(super) fn rebuild(remote: &Remote, cache: &Path) -> Result<Repository, Error> {
    let disk = |source| Error::Disk {
        path: cache.to_owned(),
        source,
    };
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
            match updates
                .iter()
                .all(|update| update.src() == old.unwrap_or(Oid::ZERO_SHA1))
            {
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
    options
        .remote_callbacks(callbacks)
        .proxy_options(proxy())
        .packbuilder_parallelism(0);
    let mut anonymous = repo.remote_anonymous(&remote.url)?;
    let mut connection = connect(remote, &mut anonymous, Direction::Push)?;
    let pushed = connection
        .remote()
        .push(&[format!("{new}:{refname}")], Some(&mut options));
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

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    use crate::archive::{
        Archive, Commit, Error, Remote,
        testing::{BRANCH, Via, World, archive, entries, git, ids},
    };

    /// An archive that shows `token` to a server that wants `open-sesame`.
    fn guarded(world: &World, token: Option<&str>) -> Archive {
        world.http.wants("open-sesame");
        let mut remote = world.remote(Via::Http);
        remote.token = token.map(Into::into);
        archive(remote, world.cache("one"))
    }

    #[test]
    fn a_server_that_asks_gets_the_token() {
        let world = World::new();

        guarded(&world, Some("open-sesame"))
            .publish(&entries(0..3), None)
            .unwrap();

        assert_eq!(world.artifacts(), ids(&entries(0..3)));
    }

    #[test]
    fn a_wrong_token_is_shown_once() {
        for token in [None, Some("wrong")] {
            let world = World::new();

            let err = guarded(&world, token)
                .publish(&entries(0..3), None)
                .unwrap_err();

            assert!(matches!(err, Error::Unauthorized { .. }), "{err:?}");
            assert!(world.http.requests() <= 2, "{}", world.http.requests());
        }
    }

    #[test]
    fn what_a_server_says_is_told_apart() {
        let world = World::new();
        let archive = world.archive(Via::Http, "one");
        let mut said = String::new();
        for status in [401, 403, 404, 429, 500, 503] {
            world.http.says(status);
            let err = archive.publish(&entries(0..1), None).unwrap_err();
            let kind = format!("{err:?}");
            let kind = kind.split([' ', '(']).next().unwrap_or_default();
            said += &format!("{status}: {kind}\n");
        }
        insta::assert_snapshot!(said, @"
            401: Unauthorized
            403: Unauthorized
            404: NotARepository
            429: Unreachable
            500: Unreachable
            503: Unreachable
            ");

        world.http.works();
        archive.publish(&entries(0..1), None).unwrap();
        assert_eq!(world.artifacts(), ids(&entries(0..1)));
    }

    #[test]
    fn a_server_that_is_not_there_is_unreachable() {
        let world = World::new();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let archive = archive(
            Remote::at(format!("http://{port}/r.git")),
            world.cache("one"),
        );

        let err = archive.publish(&entries(0..1), None).unwrap_err();

        assert!(matches!(err, Error::Unreachable { .. }), "{err:?}");
    }

    #[test]
    fn a_repository_that_is_not_there_is_told_apart() {
        let world = World::new();
        let archive = archive(Remote::at(world.http.url("none.git")), world.cache("one"));

        let err = archive.fetch().unwrap_err();

        assert!(matches!(err, Error::NotARepository { .. }), "{err:?}");
    }

    #[test]
    fn a_damaged_cache_is_made_anew() {
        let damages: [fn(&Path); 6] = [
            |cache| fs::remove_dir_all(cache).unwrap(),
            |cache| fs::remove_dir_all(cache.join("objects")).unwrap(),
            |cache| fs::write(cache.join("HEAD"), "").unwrap(),
            |cache| fs::write(cache.join(format!("refs/heads/{BRANCH}.lock")), "").unwrap(),
            |cache| fs::write(cache.join(format!("refs/heads/{BRANCH}")), "").unwrap(),
            |cache| {
                for file in objects(cache) {
                    fs::remove_file(&file).unwrap();
                    fs::write(&file, "").unwrap();
                }
            },
        ];
        for (n, damage) in damages.iter().enumerate() {
            let world = World::new();
            let archive = world.archive(Via::Http, "one");
            let landed = archive.publish(&entries(0..3), None).unwrap();
            damage(&world.cache("one"));
            let read = archive.read(&landed[0].commit, &landed[0].path).unwrap();
            assert_eq!(read, b"text 0\n", "damage {n}");
            let other = world.archive(Via::Http, "two");
            other.publish(&entries(3..4), None).unwrap();
            damage(&world.cache("one"));
            archive.publish(&entries(0..6), None).unwrap();

            assert_eq!(world.artifacts(), ids(&entries(0..6)), "damage {n}");
            world.fsck();
        }
    }

    /// The files that hold an object each.
    fn objects(cache: &Path) -> Vec<PathBuf> {
        let inside = |path: &Path| -> Vec<_> {
            fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect()
        };
        inside(&cache.join("objects"))
            .iter()
            .flat_map(|folder| inside(folder))
            .filter(|path| path.is_file())
            .collect()
    }

    #[test]
    fn a_cache_of_another_server_is_not_believed() {
        let (old, new) = (World::new(), World::new());
        let landed = old
            .archive(Via::Http, "one")
            .publish(&entries(0..3), None)
            .unwrap();
        let archive = archive(new.remote(Via::Http), old.cache("one"));

        let read = archive.read(&landed[0].commit, &landed[0].path);
        assert!(matches!(read, Err(Error::Missing { .. })), "{read:?}");
        archive.publish(&entries(0..3), None).unwrap();

        assert_eq!(new.artifacts(), ids(&entries(0..3)));
    }

    #[test]
    fn commits_that_were_taken_off_the_branch_do_not_come_back() {
        let world = World::new();
        let archive = world.archive(Via::Http, "one");
        let landed = archive.publish(&entries(0..3), None).unwrap();
        world.git(&[
            "update-ref",
            &format!("refs/heads/{BRANCH}"),
            &landed[0].commit,
        ]);

        archive
            .publish(&entries(3..4), Some(&landed[2].commit))
            .unwrap();
        assert_eq!(
            world.artifacts(),
            ids(&[entries(0..1), entries(3..4)].concat())
        );

        world.git(&["update-ref", "-d", &format!("refs/heads/{BRANCH}")]);
        assert_eq!(archive.fetch().unwrap(), None);
        assert_eq!(archive.log(9).unwrap(), []);
        archive.publish(&entries(5..6), None).unwrap();
        assert_eq!(world.artifacts(), ids(&entries(5..6)));
    }

    #[test]
    fn commits_that_are_taken_off_just_before_a_push_do_not_come_back() {
        let world = World::new();
        let archive = world.archive(Via::Http, "one");
        let landed = archive.publish(&entries(0..3), None).unwrap();
        let (folder, first) = (world.folder(), landed[0].commit.clone());
        world.http.before_push(move || {
            git(
                &folder,
                &["update-ref", &format!("refs/heads/{BRANCH}"), &first],
            );
        });

        archive.publish(&entries(3..4), None).unwrap();

        let left = [entries(0..1), entries(3..4)].concat();
        assert_eq!(world.artifacts(), ids(&left));
    }

    #[test]
    fn a_push_that_another_one_overtakes_is_built_upon_it() {
        let world = World::new();
        let archive = world.archive(Via::Http, "one");
        let other = world.archive(Via::Folder, "two");
        world
            .http
            .before_push(move || drop(other.publish(&entries(0..2), None).unwrap()));

        archive.publish(&entries(1..3), None).unwrap();

        assert_eq!(world.artifacts(), ids(&entries(0..3)));
        world.fsck();
    }

    #[test]
    fn what_another_machine_pushed_is_fetched_to_be_read() {
        let world = World::new();
        let here = world.archive(Via::Http, "one");
        here.publish(&entries(0..1), None).unwrap();
        let there = world
            .archive(Via::Http, "two")
            .publish(&entries(1..3), None)
            .unwrap();

        assert_eq!(here.log(9).unwrap().len(), 1);
        assert_eq!(
            here.read(&there[1].commit, &there[1].path).unwrap(),
            b"text 2\n"
        );
        let subjects: Vec<Commit> = here.log(2).unwrap();
        assert_eq!(subjects[0].id, there[1].commit);
    }

    #[test]
    fn a_cache_with_too_many_packs_is_made_anew() {
        let world = World::new();
        let archive = world.archive(Via::Http, "one");
        archive.publish(&entries(0..1), None).unwrap();
        let packs = world.cache("one").join("objects/pack");
        for n in 0..=2 * super::MOST_PACKS {
            fs::write(packs.join(format!("tmp_{n}")), "").unwrap();
        }

        archive.publish(&entries(1..2), None).unwrap();

        assert_eq!(world.artifacts(), ids(&entries(0..2)));
        assert!(fs::read_dir(packs).unwrap().count() <= 4);
    }
}
