//! Publishes in the background while runs go on: one push at a time, and not
//! more often than a git host likes.

use std::{pin::Pin, time::Duration};

use tokio::time::Instant;

use crate::app::publish::{Published, Publisher};

/// GitHub asks for at most six pushes a minute: five of these, and the one at the
/// end of a session.
const SPACING: Duration = Duration::from_secs(12);
/// Twice that after the first push that fails, and so on, up to this.
const LONGEST_SPACING: Duration = Duration::from_secs(10 * 60);
/// How long somebody else's push is waited for at the end.
const HANDOVER: Duration = Duration::from_secs(30);

type Push = Pin<Box<dyn Future<Output = anyhow::Result<Published>>>>;

pub(super) struct Pusher {
    publisher: Publisher,
    wanted: bool,
    spacing: Duration,
    /// Before this, no other push begins.
    not_before: Instant,
    push: Option<Push>,
}

impl Pusher {
    pub(super) fn new(publisher: Publisher) -> Self {
        // What an earlier session left behind is published with the first.
        let not_before = Instant::now() + SPACING;
        Self { publisher, wanted: true, spacing: SPACING, not_before, push: None }
    }

    /// There is something to publish.
    pub(super) fn push_soon(&mut self) {
        self.wanted = true;
    }

    /// How many artifacts the next push published. Pending for ever while
    /// there is none to wait for; may be dropped and called again.
    pub(super) async fn next(&mut self) -> anyhow::Result<usize> {
        if self.push.is_none() {
            if !self.wanted {
                return std::future::pending().await;
            }
            tokio::time::sleep_until(self.not_before).await;
            self.begin();
        }
        let Some(push) = &mut self.push else { return std::future::pending().await };
        let published = push.await;
        self.push = None;
        match published {
            Ok(Published::All(count)) => {
                self.spacing = SPACING;
                Ok(count)
            }
            Ok(Published::SomebodyElse) => {
                self.wanted = true;
                Ok(0)
            }
            Err(err) => {
                self.wanted = true;
                self.spacing = LONGEST_SPACING.min(self.spacing * 2);
                self.not_before = Instant::now() + self.spacing;
                Err(err)
            }
        }
    }

    fn begin(&mut self) {
        self.wanted = false;
        self.not_before = Instant::now() + SPACING;
        let publisher = self.publisher.clone();
        self.push = Some(Box::pin(async move { publisher.publish().await }));
    }

    /// Publishes all there is; somebody else who is at it is waited for.
    pub(super) async fn push_everything(mut self) -> anyhow::Result<usize> {
        let mut count = 0;
        if self.push.is_some() {
            count += self.next().await.unwrap_or(0);
        }
        let give_up = Instant::now() + HANDOVER;
        loop {
            match self.publisher.publish().await? {
                Published::All(more) => return Ok(count + more),
                Published::SomebodyElse => {
                    anyhow::ensure!(
                        Instant::now() < give_up,
                        "another process has been publishing for long: the next tick sees to it"
                    );
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }
}
