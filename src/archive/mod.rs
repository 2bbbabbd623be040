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
mod remote;
mod server;
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

pub use error::Error;
pub use history::Commit;
pub use message::Mark;
pub use remote::{Remote, remote_of};
pub use source::{Edits, Source, source_of};
pub use verify::{Claim, Fault};

use crate::model::{AgentName, ArtifactId, ArtifactKey, Digest, Epoch, Instant, RunId, WaveName};
use chain::Chain;
use local::Delivered;
use remote::Address;

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

    /// Commits each entry, in order, on the newest head, and pushes once.
    ///
    /// `known` is a commit up to which every artifact's row is stamped; it only
    /// saves time. An entry that is found after it gets no second commit. When
    /// this fails, no entry may be taken for published; try all of them again.
    ///
    /// A batch is held in memory twice, so give a thousand at a time.
    pub fn publish(&self, entries: &[Entry], known: Option<&str>) -> Result<Vec<Landed>, Error> {
        if let Some(bad) = entries.iter().find(|entry| Digest::of(&entry.content) != entry.sha256) {
            return Err(Error::WrongDigest { artifact: bad.id });
        }
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let known = known.and_then(|id| Oid::from_str(id).ok());
        let _turn = self.turn()?;
        let mut cured = false;
        for pause in PAUSES.iter().map(Some).chain([None]) {
            match self.attempt(entries, known) {
                Ok(Some(landed)) => return Ok(landed),
                Ok(None) => pause.into_iter().for_each(|pause| thread::sleep(*pause)),
                Err(Error::Other(err)) if self.address == Address::Server && !cured => {
                    tracing::warn!("the git cache may be damaged: {err}");
                    server::rebuild(&self.place.remote, &self.place.cache)?;
                    cured = true;
                }
                // A full or read-only disk: the remote is as good as away.
                Err(Error::Other(err)) => {
                    return Err(Error::of_connection(&self.place.remote, err));
                }
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
    fn attempt(&self, entries: &[Entry], known: Option<Oid>) -> Result<Option<Vec<Landed>>, Error> {
        let repo = self.repo()?;
        let head = self.newest(&repo)?;
        let mut landed = landed::find(&repo, head, known, entries)?;
        let missing: Vec<&Entry> =
            entries.iter().filter(|entry| !landed.contains_key(&entry.id)).collect();
        let chain = chain::build(&repo, head, &missing)?;
        if self.deliver(&repo, head, &chain)? == Delivered::Again {
            return Ok(None);
        }
        let mut new = chain.commits.into_iter();
        let place = |entry: &Entry| {
            let (commit, path, written) = match landed.remove(&entry.id) {
                Some((commit, path)) => (commit, path, Written::Same),
                None => (new.next()?, Mark::of(entry).path(), Written::New),
            };
            Some(Landed { id: entry.id, commit: commit.to_string(), path, written })
        };
        Ok(entries.iter().map(place).collect())
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
            Address::Server => match server::push(remote, repo, &self.refname, old, new) {
                // Servers have many words for "it moved", so look.
                Err(Error::Refused { .. }) if self.newest(repo)? != old => Ok(Delivered::Again),
                pushed => pushed,
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
