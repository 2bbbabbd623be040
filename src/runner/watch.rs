//! Notices at once when an agent renames a file into place.
//!
//! One inotify instance and one thread serve all runs: an instance of its own
//! for each would run into the kernel's limit (128 for a user) and take
//! milliseconds to close. Events are only hints, a lost one costs time and
//! nothing else: whoever listens also looks for himself now and then.

use std::path::Path;

use tokio::sync::mpsc;

use super::dir::RunDir;
use crate::model::ArtifactType;

/// What was noticed, in one of the folders of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// A file is there, whole: it was renamed into `out/<type>/`.
    Renamed(ArtifactType, String),
    /// Somebody finished writing to a file in `out/<type>/`, for now.
    Written(ArtifactType, String),
    /// An in-run command wants something.
    Request(String),
}

/// A folder of a run that is watched.
#[derive(Clone, Copy, Debug)]
enum Folder {
    Out(ArtifactType),
    Control,
}

/// The watches of one run. They end with it.
pub(super) struct Watch {
    seen: mpsc::Receiver<Seen>,
    /// Held so that they end with this.
    #[cfg(target_os = "linux")]
    _watches: linux::Watches,
}

impl Watch {
    /// Watches a run directory. `None` where that is not possible: then
    /// looking often is all there is.
    pub(super) fn new(dir: &RunDir) -> Option<Self> {
        // As many as may wait; what comes on top is found by looking.
        let (sender, seen) = mpsc::channel(256);
        let types = ArtifactType::ALL.iter();
        let folders = types.map(|&kind| (Folder::Out(kind), dir.out().join(kind.as_str())));
        let control = std::iter::once((Folder::Control, dir.control()));
        Self::start(sender, seen, folders.chain(control))
    }

    /// The next thing that happens.
    pub(super) async fn next(&mut self) -> Seen {
        match self.seen.recv().await {
            Some(seen) => seen,
            // Nobody watches any more.
            None => std::future::pending().await,
        }
    }

    #[cfg(target_os = "linux")]
    fn start(
        sender: mpsc::Sender<Seen>,
        seen: mpsc::Receiver<Seen>,
        folders: impl Iterator<Item = (Folder, impl AsRef<Path>)>,
    ) -> Option<Self> {
        let watches = linux::Watches::new(&sender, folders)?;
        Some(Self { seen, _watches: watches })
    }

    #[cfg(not(target_os = "linux"))]
    fn start(
        _: mpsc::Sender<Seen>,
        _: mpsc::Receiver<Seen>,
        _: impl Iterator<Item = (Folder, impl AsRef<Path>)>,
    ) -> Option<Self> {
        None
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        collections::HashMap,
        mem::MaybeUninit,
        os::fd::OwnedFd,
        path::Path,
        sync::{Mutex, MutexGuard, OnceLock, PoisonError},
        thread,
    };

    use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
    use tokio::sync::mpsc::Sender;

    use super::{Folder, Seen};

    /// The watches of ended runs are removed by so many: each removal is an
    /// event, and wakes the thread.
    const BULK: usize = 256;

    struct Shared {
        inotify: OwnedFd,
        routes: Mutex<Routes>,
    }

    #[derive(Default)]
    struct Routes {
        live: HashMap<i32, (Folder, Sender<Seen>)>,
        ended: Vec<i32>,
    }

    /// Watch descriptors, which the kernel never gives out twice.
    pub(super) struct Watches {
        shared: &'static Shared,
        descriptors: Vec<i32>,
    }

    impl Watches {
        pub(super) fn new(
            sender: &Sender<Seen>,
            folders: impl Iterator<Item = (Folder, impl AsRef<Path>)>,
        ) -> Option<Self> {
            let shared = Shared::get()?;
            let mut watches = Self { shared, descriptors: Vec::new() };
            for (folder, path) in folders {
                let flags = match folder {
                    Folder::Out(_) => WatchFlags::MOVED_TO | WatchFlags::CLOSE_WRITE,
                    Folder::Control => WatchFlags::MOVED_TO,
                };
                // Held over both, so that no event comes before its route.
                let mut routes = shared.routes();
                let flags = flags | WatchFlags::ONLYDIR;
                let descriptor = inotify::add_watch(&shared.inotify, path.as_ref(), flags)
                    .inspect_err(|err| {
                        tracing::warn!("cannot watch {}: {err}", path.as_ref().display())
                    })
                    .ok()?;
                routes.live.insert(descriptor, (folder, sender.clone()));
                watches.descriptors.push(descriptor);
            }
            Some(watches)
        }
    }

    impl Drop for Watches {
        fn drop(&mut self) {
            let mut routes = self.shared.routes();
            for descriptor in self.descriptors.drain(..) {
                routes.live.remove(&descriptor);
                routes.ended.push(descriptor);
            }
            if routes.ended.len() >= BULK {
                for descriptor in std::mem::take(&mut routes.ended) {
                    // Removed with its folder already is as good.
                    let _ = inotify::remove_watch(&self.shared.inotify, descriptor);
                }
            }
        }
    }

    impl Shared {
        fn get() -> Option<&'static Self> {
            static SHARED: OnceLock<Option<Shared>> = OnceLock::new();
            static THREAD: OnceLock<bool> = OnceLock::new();
            let shared = SHARED.get_or_init(|| {
                let inotify = inotify::init(CreateFlags::CLOEXEC)
                    .inspect_err(|err| tracing::warn!("cannot watch for files: {err}"))
                    .ok()?;
                Some(Self { inotify, routes: Mutex::default() })
            });
            let shared = shared.as_ref()?;
            let runs = THREAD.get_or_init(|| {
                let thread = thread::Builder::new().name("wavemark-watch".into());
                thread.spawn(|| shared.listen()).is_ok()
            });
            runs.then_some(shared)
        }

        fn routes(&self) -> MutexGuard<'_, Routes> {
            self.routes.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn listen(&self) {
            let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
            let mut events = inotify::Reader::new(&self.inotify, &mut buffer);
            loop {
                match events.next() {
                    Ok(event) => self.tell(&event),
                    Err(rustix::io::Errno::INTR) => {}
                    Err(err) => {
                        tracing::warn!("no longer watching for files: {err}");
                        return;
                    }
                }
            }
        }

        fn tell(&self, event: &inotify::Event<'_>) {
            // A name that is not UTF-8 is an odd one, found by looking.
            let Some(name) = event.file_name().and_then(|name| name.to_str().ok()) else {
                return;
            };
            let routes = self.routes();
            let Some((folder, sender)) = routes.live.get(&event.wd()) else {
                return;
            };
            let seen = match *folder {
                Folder::Control => Seen::Request(name.to_owned()),
                Folder::Out(kind) if event.events().contains(ReadFlags::MOVED_TO) => {
                    Seen::Renamed(kind, name.to_owned())
                }
                Folder::Out(kind) => Seen::Written(kind, name.to_owned()),
            };
            // Full: found by looking. Closed: the run just ended.
            drop(sender.try_send(seen));
        }
    }
}
