//! Artifacts on their way to git: rows that have no commit yet.
//!
//! One process at a time publishes for a project. Its lease lives in the
//! project's row, so a publisher that dies is replaced when it runs out.
//!
//! What the git host refuses for what it is becomes `blocked`, and a person is
//! told. Nobody waits for that: its row is what others build on.

use std::time::Duration;

use uuid::Uuid;

use super::{
    Result, Store, artifacts,
    events::{self, Note},
    feedback::{self, NewFeedback},
    sql::{Tx, query, query_as, query_scalar},
};
use crate::model::{
    AgentId, AgentName, ArtifactId, ArtifactKey, ArtifactType, Digest, Epoch, FeedbackKind,
    FileName, Instant, ProjectId, RunId, WaveName,
};

/// An artifact that has a row and no commit.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Pending {
    /// Its id.
    pub id: ArtifactId,
    /// The wave of who made it.
    pub wave: WaveName,
    /// Who made it.
    pub agent: AgentName,
    /// What it is.
    pub artifact_type: ArtifactType,
    /// What it is called.
    pub name: FileName,
    /// The how-manieth of its address.
    pub version: i32,
    /// The SHA-256 of its bytes.
    pub sha256: Digest,
    /// Its bytes.
    pub content: String,
    /// The run that made it; absent when a person did.
    pub run_id: Option<RunId>,
    /// The fencing token of that run.
    pub epoch: Epoch,
    /// When it was stored.
    pub created_at: Instant,
}

/// Where the git half of an artifact ended up.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// Which artifact.
    pub id: ArtifactId,
    /// The commit that holds it.
    pub commit: String,
    /// Where in that commit.
    pub path: String,
}

/// An artifact that the git host does not take.
#[derive(Clone, Debug)]
pub struct Block {
    /// Which artifact.
    pub id: ArtifactId,
    /// Why, in the host's words.
    pub reason: String,
    /// What a person can do about it.
    pub hint: String,
}

/// An artifact that must not be committed for what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// Which artifact.
    pub id: ArtifactId,
    /// What kind of secret it holds.
    pub secret: &'static str,
}

impl Store {
    /// Becomes the project's publisher for `lease`, or stays it; `false` when
    /// somebody else is.
    pub async fn lead_publishing(
        &self,
        project: ProjectId,
        me: Uuid,
        lease: Duration,
    ) -> Result<bool> {
        self.tx(async |tx| {
            let done = query(
                "update public.projects
                 set publisher = $2, publisher_until = now() + make_interval(secs => $3)
                 where id = $1
                     and (publisher is null or publisher = $2 or publisher_until < now())",
            )
            .bind(project)
            .bind(me)
            .bind(lease.as_secs_f64())
            .execute(tx.conn())
            .await?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }

    /// Lets somebody else publish.
    pub async fn stop_publishing(&self, project: ProjectId, me: Uuid) -> Result<()> {
        self.tx(async |tx| {
            query(
                "update public.projects set publisher = null, publisher_until = null
                 where id = $1 and publisher = $2",
            )
            .bind(project)
            .bind(me)
            .execute(tx.conn())
            .await?;
            Ok(())
        })
        .await
    }

    /// The oldest artifacts without a commit: at most `limit`, and of at most
    /// 64 MiB together, but always one if there is any.
    pub async fn pending(&self, project: ProjectId, limit: u32) -> Result<Vec<Pending>> {
        self.read(async |tx| {
            Ok(query_as(
                "with next as (
                     select id, seq, sum(bytes::bigint) over (order by seq) as total,
                         row_number() over (order by seq) as place
                     from public.artifacts
                     where project_id = $1 and git_state = 'pending'
                     order by seq limit $2
                 )
                 select t.id, coalesce(w.name, 'unplanned') as wave, a.name as agent,
                     t.artifact_type, t.name, t.version, t.sha256, t.content, t.run_id,
                     t.epoch, t.created_at
                 from next join public.artifacts t on t.id = next.id
                 join public.agents a on a.id = t.agent_id
                 left join public.waves w on w.id = a.wave_id
                 where next.place = 1 or next.total <= 64 * 1024 * 1024
                 order by t.seq",
            )
            .bind(project)
            .bind(i64::from(limit))
            .fetch_all(tx.conn())
            .await?)
        })
        .await
    }

    /// How many artifacts have no commit yet.
    pub async fn pending_count(&self, project: ProjectId) -> Result<u64> {
        self.read(async |tx| {
            let count: i64 = query_scalar(
                "select count(*) from public.artifacts
                 where project_id = $1 and git_state = 'pending'",
            )
            .bind(project)
            .fetch_one(tx.conn())
            .await?;
            Ok(u64::try_from(count).unwrap_or(0))
        })
        .await
    }

    /// The commit of the artifact that was published last.
    pub async fn last_commit(&self, project: ProjectId) -> Result<Option<String>> {
        self.read(async |tx| {
            Ok(query_scalar(
                "select git_commit from public.artifacts
                 where project_id = $1 and git_state = 'committed'
                 order by seq desc limit 1",
            )
            .bind(project)
            .fetch_optional(tx.conn())
            .await?)
        })
        .await
    }

    /// Writes down where artifacts ended up.
    pub async fn stamp(&self, stamps: &[Stamp]) -> Result<()> {
        if stamps.is_empty() {
            return Ok(());
        }
        self.tx(async |tx| {
            query(
                "update public.artifacts t
                 set git_state = 'committed', git_commit = stamp.commit, git_path = stamp.path
                 from unnest($1::uuid[], $2::text[], $3::text[]) as stamp (id, commit, path)
                 where t.id = stamp.id and t.git_state = 'pending'",
            )
            .bind(stamps.iter().map(|stamp| stamp.id).collect::<Vec<_>>())
            .bind(stamps.iter().map(|stamp| stamp.commit.as_str()).collect::<Vec<_>>())
            .bind(stamps.iter().map(|stamp| stamp.path.as_str()).collect::<Vec<_>>())
            .execute(tx.conn())
            .await?;
            Ok(())
        })
        .await
    }

    /// Keeps artifacts out of git that its host does not take, and tells a
    /// person; one who was told before is told again.
    pub async fn block(&self, project: ProjectId, blocks: &[Block]) -> Result<()> {
        if blocks.is_empty() {
            return Ok(());
        }
        self.tx(async |tx| {
            for block in blocks {
                block_one(tx, project, block).await?;
            }
            Ok(())
        })
        .await
    }

    /// Keeps artifacts out of git for ever that hold secrets, and tells a person.
    pub async fn hold_back(&self, project: ProjectId, exposed: &[Exposed]) -> Result<()> {
        if exposed.is_empty() {
            return Ok(());
        }
        self.tx(async |tx| {
            for Exposed { id, secret } in exposed {
                let Some(blocked) = set_aside(tx, *id, secret).await? else { continue };
                let whose = (blocked.agent_id, blocked.run_id);
                let key = ArtifactKey { kind: blocked.artifact_type, name: blocked.name };
                let version = blocked.version;
                artifacts::tell_of_secret(tx, project, whose, &key, version, secret).await?;
            }
            Ok(())
        })
        .await
    }

    /// Lets go of blocked artifacts that a person wants to be tried again.
    pub async fn unblock(&self, project: ProjectId) -> Result<()> {
        self.tx(async |tx| {
            query(
                "update public.artifacts t set git_state = 'pending', git_reason = null
                 from public.feedback f
                 where t.project_id = $1 and t.git_state = 'blocked' and f.agent_id = t.agent_id
                     and f.kind = 'refusal' and f.request = 'refusal:' || t.id
                     and f.resolution = 'completed'",
            )
            .bind(project)
            .execute(tx.conn())
            .await?;
            Ok(())
        })
        .await
    }
}

#[derive(sqlx::FromRow)]
struct Blocked {
    agent_id: AgentId,
    run_id: Option<RunId>,
    artifact_type: ArtifactType,
    name: FileName,
    version: i32,
}

/// Keeps an artifact out of git, unless that was done or it is there.
async fn set_aside(tx: &mut Tx, id: ArtifactId, reason: &str) -> Result<Option<Blocked>> {
    Ok(query_as(
        "update public.artifacts set git_state = 'blocked', git_reason = $2
         where id = $1 and git_state = 'pending'
         returning agent_id, run_id, artifact_type, name, version",
    )
    .bind(id)
    .bind(reason)
    .fetch_optional(tx.conn())
    .await?)
}

async fn block_one(tx: &mut Tx, project: ProjectId, block: &Block) -> Result<()> {
    let Block { id, reason, hint } = block;
    let Some(Blocked { agent_id, run_id, artifact_type, name, version }) =
        set_aside(tx, *id, reason).await?
    else {
        return Ok(());
    };
    let what = format!("{artifact_type}/{name} version {version}");
    let note = Note {
        agent: Some(agent_id),
        run: run_id,
        kind: "blocked",
        detail: format!("{what}: {reason}"),
    };
    events::record(tx, project, &[note]).await?;
    let request = format!("refusal:{id}");
    let new = NewFeedback {
        agent: agent_id,
        kind: FeedbackKind::Refusal,
        text: format!(
            "The git host does not take {what}: {reason}\n\nIts row is stored, and agents that \
             need it get it from there. To have it in git too, {hint}. Then close this as \
             completed, and it is pushed again. Close it as not planned to leave it out of git.",
        ),
        author: "wavemark".to_owned(),
        run: run_id,
        request: Some(request.clone()),
        generation: None,
    };
    if feedback::open(tx, project, &[new]).await?.is_empty() {
        let said = format!("It was tried again, and refused again: {reason}");
        feedback::reopen(tx, agent_id, &request, &said).await?;
    }
    Ok(())
}
