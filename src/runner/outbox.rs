//! Decides what in `out/` is taken, and when.
//!
//! A file that is renamed into place is whole: it is taken at once. One that is
//! written in place may be half there (when its folder was simply polled, 60 of
//! 60 such files came torn): it is taken when it was left alone for a while. At
//! the end everything is taken.
//!
//! **Invariant:** a file is taken or rejected, and never cut. What is taken
//! differs from what was last taken under its name.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::OsStrExt as _,
    time::Instant,
};

use super::{
    dir::RunDir,
    files::{Folder, Stamp, Unread},
    launch::Limits,
    report::{Rejection, Reply},
};
use crate::model::{ArtifactKey, ArtifactType, Digest};

/// So many rejections are told; an agent that goes wild is not followed
/// further.
const TOLD: usize = 100;

/// Names in `out/` that are no artifacts and belong there.
const OURS: [&str; 2] = [".tmp", "SUMMARY.md"];

/// A place in `out/`: in the folder of a type, or beside these.
type Place = (Option<ArtifactType>, OsString);

/// Everything known about one run's `out/`.
pub(super) struct Outbox {
    dir: RunDir,
    limits: Limits,
    places: BTreeMap<Place, Known>,
    taken: BTreeMap<ArtifactKey, Taken>,
    /// How many were taken, each version counted, and once however often it was offered.
    count: usize,
    rejected: BTreeSet<Rejection>,
    news: Vec<Rejection>,
}

/// What is known of a place.
#[derive(Clone, Copy, Debug)]
struct Known {
    stamp: Stamp,
    /// When it was first seen so.
    since: Instant,
    /// Whether it was taken or rejected so.
    dealt_with: bool,
}

/// What was last taken under a name, and what became of it.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    /// The SHA-256 of it.
    pub(super) sha256: Digest,
    /// Absent while it could not be stored.
    pub(super) reply: Option<Reply>,
}

/// What came of taking a file.
#[derive(Debug)]
pub(super) enum Took {
    /// It is new, and is to be stored.
    New(New),
    /// It was taken before, just so.
    Same,
    /// It cannot be taken.
    Rejected(String),
    /// It is not there, or somebody is writing to it.
    NotYet,
}

/// A file that is new.
#[derive(Debug)]
pub(super) struct New {
    /// What it is called.
    pub(super) key: ArtifactKey,
    /// What is in it.
    pub(super) content: String,
    /// The SHA-256 of it.
    pub(super) sha256: Digest,
}

/// Which files are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sweep {
    /// Those that were left alone for a while.
    Quiet,
    /// All: the run has ended, nobody writes any more.
    Last,
}

impl Outbox {
    /// Knows nothing yet.
    pub(super) fn new(dir: &RunDir, limits: &Limits) -> Self {
        Self {
            dir: dir.clone(),
            limits: limits.clone(),
            places: BTreeMap::new(),
            taken: BTreeMap::new(),
            count: 0,
            rejected: BTreeSet::new(),
            news: Vec::new(),
        }
    }

    /// When a file that is now left alone will have been for long enough.
    pub(super) fn due(&self) -> Option<Instant> {
        let waiting = self.places.values().filter(|known| !known.dealt_with);
        waiting.map(|known| known.since + self.limits.quiet).min()
    }

    /// Somebody finished writing to a file: its quiet starts now.
    pub(super) fn written(&mut self, kind: ArtifactType, name: &str, now: Instant) {
        if let Ok(folder) = self.folder(kind) {
            self.observe(&folder, (Some(kind), name.into()), now);
        }
    }

    /// Looks at everything, and returns what is to be stored.
    pub(super) fn sweep(&mut self, sweep: Sweep, now: Instant) -> Vec<New> {
        let mut here = BTreeSet::new();
        self.list(None, Folder::open(&self.dir.out()), now, &mut here);
        for &kind in ArtifactType::ALL {
            self.list(Some(kind), self.folder(kind), now, &mut here);
        }
        self.places.retain(|place, _| here.contains(place));

        let is_due = |known: &Known| match sweep {
            Sweep::Last => true,
            Sweep::Quiet => !known.dealt_with && now >= known.since + self.limits.quiet,
        };
        let due: Vec<Place> = self
            .places
            .iter()
            .filter(|(_, known)| is_due(known))
            .map(|(place, _)| place.clone())
            .collect();
        due.into_iter()
            .filter_map(|(kind, name)| match self.take(kind, &name, now) {
                Took::New(new) => Some(new),
                Took::Same | Took::Rejected(_) | Took::NotYet => None,
            })
            .collect()
    }

    /// Takes what is there under this name now, whatever happened to it before.
    pub(super) fn take(&mut self, kind: Option<ArtifactType>, name: &OsStr, now: Instant) -> Took {
        let path = shown(kind, name);
        let Some(kind) = kind else {
            self.settle(None, name, None, now);
            let why =
                "is not expected there: put artifacts into `out/schema`, `out/prompt` or `out/doc`";
            return self.refuse(path, why);
        };
        let key: ArtifactKey = match format!("{kind}/{}", name.to_string_lossy()).parse() {
            Ok(key) => key,
            Err(err) => {
                self.settle(Some(kind), name, None, now);
                return self.refuse(path, &format!("has an odd name: {err}"));
            }
        };
        let Ok(folder) = self.folder(kind) else {
            return Took::NotYet;
        };
        match folder.read_text(name, self.limits.artifact_bytes) {
            Ok((content, stamp)) => {
                self.settle(Some(kind), name, Some(stamp), now);
                self.accept(key, content)
            }
            Err(Unread::Gone) => Took::NotYet,
            Err(Unread::Changing) => {
                self.observe(&folder, (Some(kind), name.to_owned()), now);
                Took::NotYet
            }
            Err(Unread::Bad(why)) => {
                self.settle(Some(kind), name, folder.stamp(name), now);
                self.refuse(path, &why)
            }
        }
    }

    /// What was last taken under `key`.
    pub(super) fn taken(&self, key: &ArtifactKey) -> Option<&Taken> {
        self.taken.get(key)
    }

    /// What became of what was taken. Without a reply it could not be stored
    /// now: it is taken once more later.
    pub(super) fn settled(
        &mut self,
        key: &ArtifactKey,
        sha256: Digest,
        reply: Option<Reply>,
        now: Instant,
    ) {
        if reply.is_none() {
            self.count = self.count.saturating_sub(1);
            let place = (Some(key.kind), key.name.as_str().into());
            if let Some(known) = self.places.get_mut(&place) {
                *known = Known { since: now, dealt_with: false, ..*known };
            }
        }
        self.taken.insert(key.clone(), Taken { sha256, reply });
    }

    /// Notes something that cannot be taken, once.
    pub(super) fn reject(&mut self, path: String, why: &str) {
        let rejection = match self.rejected.len() {
            0..TOLD => Some(Rejection { path, why: why.to_owned() }),
            TOLD => Some(Rejection {
                path: "out".into(),
                why: "holds more like these: no more are named".into(),
            }),
            _ => None,
        };
        if let Some(rejection) = rejection
            && self.rejected.insert(rejection.clone())
        {
            self.news.push(rejection);
        }
    }

    /// What was rejected since this was last asked.
    pub(super) fn news(&mut self) -> Vec<Rejection> {
        std::mem::take(&mut self.news)
    }

    /// Everything that was rejected.
    pub(super) fn rejected(&self) -> Vec<Rejection> {
        self.rejected.iter().cloned().collect()
    }

    fn folder(&self, kind: ArtifactType) -> io::Result<Folder> {
        Folder::open(&self.dir.out())?.folder(kind.as_str())
    }

    fn list(
        &mut self,
        kind: Option<ArtifactType>,
        folder: io::Result<Folder>,
        now: Instant,
        here: &mut BTreeSet<Place>,
    ) {
        // More names than there may be checkpoints are too many anyway.
        let limit = self.limits.checkpoints + 2 * TOLD;
        let names = folder.and_then(|folder| Ok((folder.names(limit)?, folder)));
        let (names, folder) = match names {
            Ok(listed) => listed,
            Err(err) => {
                let path = kind.map_or("out".to_owned(), |kind| format!("out/{kind}"));
                self.reject(path, &format!("is not a folder that can be read: {err}"));
                return;
            }
        };
        if names.len() == limit {
            let path = kind.map_or("out".to_owned(), |kind| format!("out/{kind}"));
            self.reject(path, &format!("holds {limit} files or more: only so many are looked at"));
        }
        for name in names {
            let known =
                OURS.iter().copied().chain(ArtifactType::ALL.iter().map(|kind| kind.as_str()));
            if kind.is_none() && known.into_iter().any(|known| name == known) {
                continue;
            }
            let place = (kind, name);
            self.observe(&folder, place.clone(), now);
            here.insert(place);
        }
    }

    fn observe(&mut self, folder: &Folder, place: Place, now: Instant) {
        let Some(stamp) = folder.stamp(place.1.as_os_str()) else {
            return;
        };
        match self.places.get(&place) {
            Some(known) if known.stamp == stamp => {}
            _ => {
                self.places.insert(place, Known { stamp, since: now, dealt_with: false });
            }
        }
    }

    /// Remembers that a place was dealt with as it is.
    fn settle(
        &mut self,
        kind: Option<ArtifactType>,
        name: &OsStr,
        stamp: Option<Stamp>,
        now: Instant,
    ) {
        let place = (kind, name.to_owned());
        match (self.places.get_mut(&place), stamp) {
            (Some(known), stamp) => {
                let stamp = stamp.unwrap_or(known.stamp);
                *known = Known { stamp, dealt_with: true, ..*known };
            }
            (None, Some(stamp)) => {
                self.places.insert(place, Known { stamp, since: now, dealt_with: true });
            }
            (None, None) => {}
        }
    }

    fn refuse(&mut self, path: String, why: &str) -> Took {
        self.reject(path, why);
        Took::Rejected(why.to_owned())
    }

    fn accept(&mut self, key: ArtifactKey, content: String) -> Took {
        let sha256 = Digest::of(&content);
        let last = self.taken.get(&key);
        if last.is_some_and(|last| last.sha256 == sha256 && last.reply.is_some()) {
            return Took::Same;
        }
        if self.count >= self.limits.checkpoints {
            let most = self.limits.checkpoints;
            let why =
                format!("comes after {most} checkpoints, which is as many as one run may make");
            return self.refuse(format!("out/{key}"), &why);
        }
        self.count += 1;
        Took::New(New { key, content, sha256 })
    }
}

/// A path in the run directory, made printable.
fn shown(kind: Option<ArtifactType>, name: &OsStr) -> String {
    let folder = kind.map_or("out".to_owned(), |kind| format!("out/{kind}"));
    format!("{folder}/{}", name.as_bytes().escape_ascii())
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::{Path, PathBuf},
        time::Duration,
    };

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// An outbox, and a clock that the test turns.
    struct Fixture {
        folder: tempfile::TempDir,
        outbox: Outbox,
        now: Instant,
    }

    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        for kind in ArtifactType::ALL {
            fs::create_dir_all(folder.path().join("out").join(kind.as_str())).unwrap();
        }
        let outbox = Outbox::new(&RunDir::at(folder.path()), &Limits::default());
        Fixture { folder, outbox, now: Instant::now() }
    }

    impl Fixture {
        fn path(&self) -> PathBuf {
            self.folder.path().join("out/doc/a.md")
        }

        /// What a look after so many seconds takes.
        fn after(&mut self, seconds: u32) -> Vec<String> {
            self.now += SECOND * seconds;
            self.taken(Sweep::Quiet)
        }

        fn taken(&mut self, sweep: Sweep) -> Vec<String> {
            let new = self.outbox.sweep(sweep, self.now);
            for one in &new {
                let reply = Some(Reply::Stored { version: 1 });
                self.outbox.settled(&one.key, one.sha256, reply, self.now);
            }
            new.into_iter().map(|one| one.content).collect()
        }
    }

    #[test]
    fn a_file_that_is_still_written_to_is_not_taken() {
        let mut it = fixture();
        fs::write(it.path(), "ha").unwrap();
        assert!(it.after(0).is_empty());
        assert!(it.after(1).is_empty());
        fs::write(it.path(), "half").unwrap();
        assert!(it.after(1).is_empty(), "quiet since the first look, but not since the last write");
        assert!(it.after(1).is_empty());
        assert_eq!(it.after(1), ["half"]);
        assert!(it.after(9).is_empty());
    }

    #[test]
    fn a_writer_that_turns_back_the_clock_of_a_file_is_noticed() {
        let mut it = fixture();
        let old = std::time::SystemTime::UNIX_EPOCH;
        let write = |path: &Path, text: &str| {
            fs::write(path, text).unwrap();
            fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
        };
        write(&it.path(), "one");
        assert!(it.after(0).is_empty());
        write(&it.path(), "two");
        assert!(it.after(2).is_empty());
        assert_eq!(it.after(2), ["two"]);
    }

    #[test]
    fn the_next_look_is_due_when_the_first_file_was_quiet_for_long_enough() {
        let mut it = fixture();
        assert_eq!(it.outbox.due(), None);
        fs::write(it.path(), "text").unwrap();
        it.after(0);
        assert_eq!(it.outbox.due(), Some(it.now + 2 * SECOND));
        it.after(1);
        it.outbox.written(ArtifactType::Doc, "a.md", it.now);
        assert_eq!(it.outbox.due(), Some(it.now + SECOND), "the same file, as it was");
        it.after(1);
        assert_eq!(it.outbox.due(), None);
    }

    #[test]
    fn a_file_that_changes_and_changes_back_is_taken_each_time() {
        let mut it = fixture();
        for text in ["one", "two", "one"] {
            fs::write(it.path(), text).unwrap();
            it.after(0);
            assert_eq!(it.after(2), [text]);
        }
    }

    #[test]
    fn a_file_that_was_rejected_can_be_put_right() {
        let mut it = fixture();
        fs::write(it.path(), "a\0b").unwrap();
        it.after(0);
        assert!(it.after(2).is_empty());
        assert_eq!(it.outbox.news().len(), 1);
        assert!(it.after(2).is_empty());
        assert_eq!(it.outbox.news().len(), 0);
        fs::write(it.path(), "ab").unwrap();
        it.after(0);
        assert_eq!(it.after(2), ["ab"]);
    }

    #[test]
    fn the_last_sweep_waits_for_nothing_and_finds_what_no_stamp_shows() {
        let mut it = fixture();
        fs::write(it.path(), "one").unwrap();
        assert_eq!(it.taken(Sweep::Last), ["one"]);
        fs::write(it.path(), "two").unwrap();
        assert_eq!(it.taken(Sweep::Last), ["two"]);
        assert!(it.taken(Sweep::Last).is_empty());
    }

    #[test]
    fn what_could_not_be_stored_does_not_count_until_it_is() {
        let mut it = fixture();
        it.outbox.limits.checkpoints = 1;
        fs::write(it.path(), "text").unwrap();
        for _ in 0..3 {
            let new = it.outbox.sweep(Sweep::Last, it.now);
            assert_eq!(new.len(), 1);
            it.outbox.settled(&new[0].key, new[0].sha256, None, it.now);
        }
        assert_eq!(it.taken(Sweep::Last), ["text"]);
        fs::write(it.path(), "one too many").unwrap();
        assert!(it.taken(Sweep::Last).is_empty());
        assert_eq!(it.outbox.rejected().len(), 1);
    }

    #[test]
    fn a_file_that_is_gone_is_forgotten() {
        let mut it = fixture();
        fs::write(it.path(), "text").unwrap();
        it.after(0);
        fs::remove_file(it.path()).unwrap();
        assert!(it.after(2).is_empty());
        assert!(it.outbox.places.is_empty());
    }
}
