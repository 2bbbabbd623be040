//! Brings artifacts from their rows to git: the outbox, emptied.
//!
//! A row is stored first and committed to git afterwards; whoever holds the
//! project's publisher lease pushes everything that is pending, once for all,
//! and then stamps the rows. Where a crash leaves it, the next publisher goes
//! on: what was pushed and not stamped is found on the branch, and gets no
//! second commit. An artifact that the git host refuses is set aside, a person
//! is told, and the others go on.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tracing::{info, warn};
use uuid::Uuid;

use super::pass::Pass;
use crate::{
    archive::{self, Archive, Delivery, Entry, Written},
    model::{ArtifactKey, ProjectId, credential},
    store::{Block, Exposed, Pending, Stamp, Store},
};

/// How long a publisher may be silent. A push that takes longer is not lost:
/// two publishers get in each other's way at the remote, and one comes second.
const LEASE: Duration = Duration::from_secs(120);
/// How many artifacts are pushed at once.
const BATCH: u32 = 1_000;
/// Git hosts ask for files of at most so many bytes.
const COMFORTABLE: usize = 1024 * 1024;
/// How long a push may take: git itself would wait for a silent server for ever.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// What brings artifacts to git.
#[derive(Clone, Debug)]
pub struct Publisher {
    store: Store,
    project: ProjectId,
    archive: Archive,
    pass: Pass,
    me: Uuid,
}

/// What publishing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// So many artifacts have commits now that had none before.
    All(usize),
    /// Somebody else is publishing, and will see to the rest.
    SomebodyElse,
}

impl Publisher {
    /// A publisher of `project`, to an archive that `pass` opens.
    pub(super) fn new(store: Store, project: ProjectId, archive: Archive, pass: Pass) -> Self {
        Self { store, project, archive, pass, me: Uuid::new_v4() }
    }

    /// Publishes everything that is pending.
    pub async fn publish(&self) -> anyhow::Result<Published> {
        self.store.unblock(self.project).await?;
        if self.store.pending_count(self.project).await? == 0 {
            return Ok(Published::All(0));
        }
        if !self.store.lead_publishing(self.project, self.me, LEASE).await? {
            return Ok(Published::SomebodyElse);
        }
        let published = self.publish_pending().await;
        let stepped_down = self.store.stop_publishing(self.project, self.me).await;
        let count = published?;
        stepped_down?;
        Ok(Published::All(count))
    }

    async fn publish_pending(&self) -> anyhow::Result<usize> {
        let mut count = 0;
        loop {
            let pending = self.store.pending(self.project, BATCH).await?;
            if pending.is_empty() {
                return Ok(count);
            }
            count += self.publish_batch(pending).await?;
            // Still ours, and for a while longer.
            if !self.store.lead_publishing(self.project, self.me, LEASE).await? {
                return Ok(count);
            }
        }
    }

    /// Pushes once; and once more where the token was turned away and there is
    /// another to be had.
    async fn push(&self, entries: Vec<Entry>, known: Option<String>) -> anyhow::Result<Delivery> {
        let entries = Arc::new(entries);
        let mut was_renewed = false;
        loop {
            let archive = self.archive.clone().with_token(self.pass.token().await?);
            let (entries, known) = (Arc::clone(&entries), known.clone());
            let push =
                tokio::task::spawn_blocking(move || archive.publish(&entries, known.as_deref()));
            // A push that lands later does no harm: the next one finds it.
            let delivery = tokio::time::timeout(PATIENCE, push)
                .await
                .context("the git remote gave no answer for ten minutes")?
                .context("publishing was broken off")?;
            let trouble = delivery.as_ref().map_or_else(Some, |delivery| delivery.trouble.as_ref());
            match trouble {
                Some(archive::Error::Unauthorized { .. }) if !was_renewed && self.pass.renew() => {
                    was_renewed = true;
                }
                _ => return delivery.context("cannot push artifacts to git"),
            }
        }
    }

    async fn publish_batch(&self, pending: Vec<Pending>) -> anyhow::Result<usize> {
        let pending = self.without_secrets(pending).await?;
        if pending.is_empty() {
            return Ok(0);
        }
        let known = self.store.last_commit(self.project).await?;
        let entries: Vec<Entry> = pending.into_iter().map(entry).collect();
        for Entry { agent, key, version, content, .. } in &entries {
            let size = content.len();
            if size > COMFORTABLE {
                let kib = size / 1024;
                warn!(agent.name = %agent, bytes = size, "{key} version {version} of `{agent}` has {kib} KiB: git hosts ask for at most 1 MiB a file");
            }
        }
        let delivery = self.push(entries, known).await?;
        let repaired =
            delivery.landed.iter().filter(|landed| landed.written == Written::Same).count();
        if repaired > 0 {
            warn!(
                artifacts = repaired,
                "{repaired} artifacts had been pushed by a publisher that died"
            );
        }
        let stamps: Vec<Stamp> = delivery
            .landed
            .into_iter()
            .map(|landed| Stamp { id: landed.id, commit: landed.commit, path: landed.path })
            .collect();
        self.store.stamp(&stamps).await?;
        info!(artifacts = stamps.len(), "committed {} artifacts to git", stamps.len());
        let blocks: Vec<Block> = delivery
            .refused
            .into_iter()
            .map(|(id, refusal)| Block {
                id,
                reason: refusal.to_string(),
                hint: refusal.about().hint().to_owned(),
            })
            .collect();
        self.store.block(self.project, &blocks).await?;
        for Block { id, reason, .. } in &blocks {
            warn!(artifact.id = %id, "left artifact {id} out of git, its host does not take it: {reason}");
        }
        match delivery.trouble {
            Some(trouble) => Err(trouble).context("cannot push artifacts to git"),
            None => Ok(stamps.len()),
        }
    }
}

impl Publisher {
    /// Holds back what must not be committed: what runs elsewhere and people
    /// store was read by nobody yet.
    async fn without_secrets(&self, pending: Vec<Pending>) -> anyhow::Result<Vec<Pending>> {
        let mut exposed = Vec::new();
        let mut rest = Vec::with_capacity(pending.len());
        for artifact in pending {
            match credential::kind(&artifact.content) {
                Some(secret) => {
                    let (agent, key) = (&artifact.agent, artifact_key(&artifact));
                    warn!(agent.name = %agent, "left {key} of `{agent}` out of git: it seems to contain {secret}");
                    exposed.push(Exposed { id: artifact.id, secret });
                }
                None => rest.push(artifact),
            }
        }
        self.store.hold_back(self.project, &exposed).await?;
        Ok(rest)
    }
}

fn artifact_key(pending: &Pending) -> ArtifactKey {
    ArtifactKey { kind: pending.artifact_type, name: pending.name.clone() }
}

fn entry(pending: Pending) -> Entry {
    let key = artifact_key(&pending);
    Entry {
        id: pending.id,
        wave: pending.wave,
        agent: pending.agent,
        key,
        version: pending.version,
        sha256: pending.sha256,
        content: pending.content,
        run: pending.run_id,
        epoch: pending.epoch,
        created_at: pending.created_at,
    }
}
