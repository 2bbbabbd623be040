//! The git half of the record: the artifact branch.
//!
//! A row in the database is an artifact; a commit on the branch is its second
//! home, where people see it, and from where the rows can be had back. The
//! branch is an orphan: it shares no history with the definitions, so neither
//! ever conflicts with the other. Each commit holds one artifact, at
//! `<wave>/<agent>/<type>/<name>`, and says in its trailers which (see
//! [`Mark`]). Whatever else people put on the branch stays there.
//!
//! All of this is synchronous and may take as long as a network does: call it
//! where blocking is allowed.
//!
//! **Invariant:** an artifact gets one commit, however often it is published,
//! from however many machines, and wherever a publisher dies. What is missing
//! is told from what the branch says, never from what was done.

mod chain;
mod error;
mod flush;
mod folder;
mod history;
mod hooks;
mod landed;
mod local;
mod message;
mod objects;
mod pack;
mod refusal;
mod remote;
mod revision;
mod server;
mod sift;
mod smart;
mod source;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod verify;
mod wording;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use git2::{Oid, Repository};
use secrecy::SecretString;

pub use error::{Error, Trouble};
pub use history::Commit;
pub use message::Mark;
pub use refusal::{About, Refusal};
pub use remote::{Remote, origin_of, remote_of};
pub use revision::{NoRevision, Past, Revision};
pub use source::{Edits, Source, source_of};
pub use verify::{Claim, Fault};

use crate::model::{AgentName, ArtifactId, ArtifactKey, Digest, Epoch, Instant, RunId, WaveName};
use chain::Chain;
use local::Delivered;
use remote::Address;
use sift::Tried;

/// GitHub warns from 50 MiB on and refuses at 100 MiB.
const LARGEST: usize = 50 * 1024 * 1024;

/// How long to wait before each further try when the branch keeps moving.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(20),
    Duration::from_millis(80),
    Duration::from_millis(320),
    Duration::from_millis(1_280),
];

/// Where the artifact branch is.
#[derive(Clone, Debug)]
pub struct Place {
    /// A bare clone of our own, made on demand; may be deleted at any time. A
    /// remote in a folder needs none. Beside it is a `.lock` file, through
    /// which the processes of one machine take turns.
    pub cache: PathBuf,
    /// Where to push to.
    pub remote: Remote,
    /// The branch's name, such as `wavemark/artifacts`.
    pub branch: String,
}

/// The artifact branch.
#[derive(Clone, Debug)]
pub struct Archive {
    place: Place,
    address: Address,
    refname: String,
}

/// An artifact that has a row and, as far as the row knows, no commit.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The row's id.
    pub id: ArtifactId,
    /// The wave of the agent.
    pub wave: WaveName,
    /// Who made it.
    pub agent: AgentName,
    /// Type and name.
    pub key: ArtifactKey,
    /// Counts from 1 for each agent and key.
    pub version: i32,
    /// Of the content.
    pub sha256: Digest,
    /// What was made, byte for byte.
    pub content: String,
    /// The run that made it; none if a person did.
    pub run: Option<RunId>,
    /// The epoch of that run.
    pub epoch: Epoch,
    /// When the row was written; the time of the commit.
    pub created_at: Instant,
}

/// Where an entry ended up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landed {
    /// The row's id.
    pub id: ArtifactId,
    /// The commit, in full.
    pub commit: String,
    /// Where in the commit.
    pub path: String,
    /// Whether it took a new commit.
    pub written: Written,
}

/// What publishing came to.
#[derive(Debug, Default)]
pub struct Delivery {
    /// What is on the branch.
    pub landed: Vec<Landed>,
    /// What the remote does not take for what it is, however often it is tried.
    pub refused: Vec<(ArtifactId, Refusal)>,
    /// Why the rest is neither.
    pub trouble: Option<Error>,
}

/// Whether publishing an entry took a new commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Yes, this one.
    New,
    /// No: someone pushed it and did not live to tell.
    Same,
}

impl Archive {
    /// An archive at `place`. Nothing is touched or connected to yet.
    pub fn open(place: Place) -> Result<Self, Error> {
        let address = place.remote.address()?;
        let refname = format!("refs/heads/{}", place.branch);
        if !git2::Reference::is_valid_name(&refname) {
            return Err(
                git2::Error::from_str(&format!("`{}` cannot name a branch", place.branch)).into()
            );
        }
        Ok(Self { place, address, refname })
    }

    /// The same one, opened with this token from now on.
    #[must_use]
    pub fn with_token(mut self, token: Option<SecretString>) -> Self {
        self.place.remote.token = token;
        self
    }

    /// Commits each entry, in order, on the newest head, and pushes once.
    ///
    /// More often only if the remote does not take all of them: then those that
    /// it refuses are found and left out (see [`Delivery`]).
    ///
    /// `known` is a commit up to which every artifact's row is stamped; it only
    /// saves time. An entry that is found after it gets no second commit. What
    /// has neither landed nor been refused is to be tried again.
    ///
    /// A batch is held in memory twice, so give a thousand at a time.
    pub fn publish(&self, entries: &[Entry], known: Option<&str>) -> Result<Delivery, Error> {
        let (large, fit): (Vec<&Entry>, Vec<&Entry>) =
            entries.iter().partition(|entry| entry.content.len() > LARGEST);
        let too_large =
            |entry: &&Entry| (entry.id, Refusal::too_large(entry.content.len(), LARGEST));
        let mut delivery =
            Delivery { refused: large.iter().map(too_large).collect(), ..Delivery::default() };
        if let Some(bad) = fit.iter().find(|entry| Digest::of(&entry.content) != entry.sha256) {
            return Err(Error::WrongDigest { artifact: bad.id });
        }
        if fit.is_empty() {
            return Ok(delivery);
        }
        let known = known.and_then(|id| Oid::from_str(id).ok());
        let _turn = self.turn()?;
        let sifted = sift::sift(&fit, |batch| self.push(batch, known));
        delivery.landed = sifted.taken;
        delivery.refused.extend(sifted.refused.into_iter().map(|(entry, why)| (entry.id, why)));
        let remote = self.place.remote.clone();
        delivery.trouble = sifted.halt.map(|halt| match halt {
            sift::Halt::Failed(err) => err,
            sift::Halt::Enough(left) => Error::Picky { remote, left },
            sift::Halt::Everything(refusal) => Error::Refused {
                remote,
                branch: self.place.branch.clone(),
                refusal: Box::new(refusal),
            },
        });
        Ok(delivery)
    }

    /// Pushes all of `entries` or none, trying again while the branch moves.
    fn push(&self, entries: &[&Entry], known: Option<Oid>) -> Result<Tried<Landed>, Error> {
        let mut cured = false;
        for pause in PAUSES.iter().map(Some).chain([None]) {
            match self.attempt(entries, known) {
                Ok(Some(tried)) => return Ok(tried),
                Ok(None) => pause.into_iter().for_each(|pause| thread::sleep(*pause)),
                Err(Error::Other(err)) if self.address == Address::Server && !cured => {
                    tracing::warn!("the git cache may be damaged: {err}");
                    server::rebuild(&self.place.remote, &self.place.cache)?;
                    cured = true;
                }
                // A full or read-only disk: the remote is as good as away.
                Err(Error::Other(err)) => return Err(Error::of_files(&self.place.remote, err)),
                Err(err) => return Err(err),
            }
        }
        Err(Error::Contended {
            remote: self.place.remote.clone(),
            branch: self.place.branch.clone(),
            tries: PAUSES.len() + 1,
        })
    }

    /// One try; `None` if the branch moved meanwhile.
    fn attempt(
        &self,
        entries: &[&Entry],
        known: Option<Oid>,
    ) -> Result<Option<Tried<Landed>>, Error> {
        let repo = self.repo()?;
        let head = self.newest(&repo)?;
        let mut landed = landed::find(&repo, head, known, entries)?;
        let missing: Vec<&Entry> =
            entries.iter().copied().filter(|entry| !landed.contains_key(&entry.id)).collect();
        let chain = chain::build(&repo, head, &missing)?;
        match self.deliver(&repo, head, &chain)? {
            Delivered::Again => return Ok(None),
            Delivered::Refused(refusal) => {
                let of = |commit| chain.commits.iter().position(|it| it == commit);
                let ids: Vec<ArtifactId> =
                    refusal.commits().iter().filter_map(of).map(|at| missing[at].id).collect();
                let named = (0..entries.len()).filter(|at| ids.contains(&entries[*at].id));
                return Ok(Some(Tried::Refused { named: named.collect(), refusal }));
            }
            Delivered::Yes => (),
        }
        let mut new = chain.commits.into_iter().zip(chain.paths);
        let place = |entry: &&Entry| {
            let ((commit, path), written) = match landed.remove(&entry.id) {
                Some(found) => (found, Written::Same),
                None => (new.next()?, Written::New),
            };
            Some(Landed { id: entry.id, commit: commit.to_string(), path, written })
        };
        Ok(Some(Tried::Taken(entries.iter().filter_map(place).collect())))
    }

    fn deliver(
        &self,
        repo: &Repository,
        old: Option<Oid>,
        chain: &Chain,
    ) -> Result<Delivered, Error> {
        let Place { remote, .. } = &self.place;
        let Some(&new) = chain.commits.last() else {
            return Ok(Delivered::Yes);
        };
        match self.address {
            Address::Folder(_) => local::deliver(remote, repo, &self.refname, old, chain),
            Address::Server => match server::push(remote, repo, &self.refname, old, new)? {
                // Servers have many words for "it moved", so look.
                Delivered::Refused(_) if self.newest(repo)? != old => Ok(Delivered::Again),
                delivered => Ok(delivered),
            },
        }
    }

    /// Looks where the branch of the remote is now, and returns the commit.
    ///
    /// For a remote behind a server, [`log`](Self::log) and
    /// [`history`](Self::history) show what was there at the last such look.
    pub fn fetch(&self) -> Result<Option<String>, Error> {
        let _turn = self.turn_at_cache()?;
        let head = match self.newest(&self.repo()?) {
            Err(Error::Other(_)) if self.address == Address::Server => {
                self.newest(&server::rebuild(&self.place.remote, &self.place.cache)?)?
            }
            head => head?,
        };
        Ok(head.map(|head| head.to_string()))
    }

    /// The newest `limit` commits of the branch, newest first.
    pub fn log(&self, limit: usize) -> Result<Vec<Commit>, Error> {
        self.reading(|repo, head| Ok(history::log(repo, head, limit)?))
    }

    /// The commits that are about the file at `path`, newest first.
    pub fn history(&self, path: &str) -> Result<Vec<Commit>, Error> {
        self.reading(|repo, head| Ok(history::history(repo, head, path)?))
    }

    /// The bytes at `path` in `commit`.
    pub fn read(&self, commit: &str, path: &str) -> Result<Vec<u8>, Error> {
        self.reading(|repo, _| history::read(repo, commit, path))
    }

    /// The claims that do not hold on the remote's branch as it is now.
    pub fn verify(&self, claims: &[Claim]) -> Result<Vec<(ArtifactId, Fault)>, Error> {
        self.fetch()?;
        self.reading(|repo, head| verify::verify(repo, head, claims))
    }

    /// Reads from what is here; fetches if that is not enough, or is damaged.
    fn reading<T>(
        &self,
        read: impl Fn(&Repository, Option<Oid>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let look = || {
            let _turn = self.turn_at_cache()?;
            let repo = self.repo()?;
            let head = local::head(&repo, &self.refname)?;
            read(&repo, head)
        };
        match (look(), &self.address) {
            (Err(Error::Missing { .. }), Address::Server) => (),
            (Err(Error::Other(_)), Address::Server) => {
                let _turn = self.turn()?;
                drop(server::rebuild(&self.place.remote, &self.place.cache)?);
            }
            (done, _) => return done,
        }
        self.fetch()?;
        look()
    }

    /// The repository that objects are read from and written to.
    fn repo(&self) -> Result<Repository, Error> {
        match &self.address {
            Address::Folder(path) => local::open(&self.place.remote, path),
            Address::Server => server::open(&self.place.remote, &self.place.cache),
        }
    }

    /// Where the remote's branch is, with all it points at in `repo`.
    fn newest(&self, repo: &Repository) -> Result<Option<Oid>, Error> {
        match self.address {
            Address::Folder(_) => Ok(local::head(repo, &self.refname)?),
            Address::Server => server::fetch(&self.place.remote, repo, &self.refname),
        }
    }

    /// A turn, if there is a cache: reading a folder disturbs nobody.
    fn turn_at_cache(&self) -> Result<Option<File>, Error> {
        match self.address {
            Address::Folder(_) => Ok(None),
            Address::Server => self.turn().map(Some),
        }
    }

    /// Waits until no other process of this machine publishes from this place,
    /// or reads its cache. Dropping the file, or dying, lets the next one in.
    fn turn(&self) -> Result<File, Error> {
        let mut path = self.place.cache.clone().into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        let lock = || {
            fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
            let file = File::options().create(true).append(true).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        lock().map_err(|source| Error::Disk { path: path.clone(), source })
    }
}
