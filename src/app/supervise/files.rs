//! The files that an agent writes: a sign of life of one that says nothing.
//!
//! There can be many, on a disk that may not answer: whoever asks when one was
//! last written to gets the answer to an earlier question, and never waits.

use std::time::Duration;

use tokio::{
    sync::oneshot::{self, error::TryRecvError},
    task::spawn_blocking,
    time::Instant,
};

use crate::runner::RunDir;

/// How often they are looked at, at most.
const LOOK: Duration = Duration::from_secs(60);

/// What is known of the files of a run.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// When they were last looked at, and what was found, as long as nobody heard
    /// that.
    look: Option<(Instant, oneshot::Receiver<Option<Duration>>)>,
}

impl Files {
    /// When one was written to, if that is news. They are looked at again for the
    /// next time, if an agent that is silent for `stall` is one that stalled.
    pub(super) fn written(&mut self, dir: &RunDir, stall: Duration) -> Option<Instant> {
        let last = self.look.as_mut().map(|(began, found)| (*began, found.try_recv()));
        if let Some((_, Err(TryRecvError::Empty))) = last {
            return None;
        }
        if last.as_ref().is_none_or(|(began, _)| began.elapsed() >= LOOK.min(stall / 8)) {
            let (tell, found) = oneshot::channel();
            let dir = dir.clone();
            self.look = Some((Instant::now(), found));
            drop(spawn_blocking(move || tell.send(dir.written_ago())));
        }
        let (began, found) = last?;
        began.checked_sub(found.ok()??)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::SystemTime};

    use super::*;

    #[tokio::test]
    async fn what_was_written_is_told_once_and_late() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("work")).unwrap();
        let file = fs::File::create(folder.path().join("work/a")).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(7)).unwrap();
        let dir = RunDir::at(folder.path());

        let mut files = Files::default();
        let hour = Duration::from_secs(3600);
        assert_eq!(files.written(&dir, hour), None);
        let written = loop {
            if let Some(written) = files.written(&dir, hour) {
                break written;
            }
            tokio::task::yield_now().await;
        };
        assert!((7..9).contains(&written.elapsed().as_secs()), "{:?}", written.elapsed());
        // It is not looked again so soon.
        assert_eq!(files.written(&dir, hour), None);
        assert!(matches!(files.look.unwrap().1.try_recv(), Err(TryRecvError::Closed)));
    }
}
