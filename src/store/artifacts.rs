//! `public.artifacts`: what agents made, each version once and for ever.

use std::collections::BTreeMap;

use super::{
    Result, Store,
    events::{self, Note},
    feedback::{self, NewFeedback},
    sql::{Tx, query, query_as},
};
use crate::model::{
    AgentId, AgentName, ArtifactId, ArtifactKey, ArtifactType, Digest, Epoch, FeedbackKind,
    FileName, GitState, Instant, ProjectId, RunId, WaveName,
};

/// What became of an artifact that was handed to [`Store::keep`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is stored as a new version.
    New {
        /// Which version.
        version: i32,
    },
    /// Its newest version has these very bytes.
    Same {
        /// Which version.
        version: i32,
    },
    /// Another run took over: nothing was stored.
    Stale,
}

/// An artifact with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub id: ArtifactId,
    /// Who made it.
    pub agent: AgentName,
    /// What people call who made it.
    pub title: Option<String>,
    /// Its address within its agent.
    pub key: ArtifactKey,
    /// The how-manieth of its address.
    pub version: i32,
    /// The SHA-256 of its bytes.
    pub sha256: Digest,
    /// Its bytes.
    pub content: String,
    /// The commit that holds it too.
    pub commit: Option<String>,
}

/// An artifact without its bytes, for lists.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ArtifactRow {
    /// Its id.
    pub id: ArtifactId,
    /// Who made it.
    pub agent: AgentName,
    /// The wave of who made it.
    pub wave: WaveName,
    /// What it is.
    pub artifact_type: ArtifactType,
    /// What it is called.
    pub name: FileName,
    /// The how-manieth of its address.
    pub version: i32,
    /// Its size.
    pub bytes: i32,
    /// The SHA-256 of its bytes.
    pub sha256: Digest,
    /// When it was stored.
    pub created_at: Instant,
    /// The run that made it.
    pub run_id: Option<RunId>,
    /// The fencing token of that run.
    pub epoch: Epoch,
    /// Where its git half stands.
    pub git_state: GitState,
    /// The commit that holds it too.
    pub git_commit: Option<String>,
    /// Where in that commit.
    pub git_path: Option<String>,
    /// Why it is never to be committed.
    pub git_reason: Option<String>,
}

impl ArtifactRow {
    /// Its address within its agent.
    pub fn key(&self) -> ArtifactKey {
        ArtifactKey { kind: self.artifact_type, name: self.name.clone() }
    }
}

/// The columns of an [`ArtifactRow`].
macro_rules! select_rows {
    ($rest:literal) => {
        concat!(
            "select t.id, a.name as agent, coalesce(w.name, 'unplanned') as wave,
                 t.artifact_type, t.name, t.version, t.bytes, t.sha256, t.created_at, t.run_id,
                 t.epoch, t.git_state, t.git_commit, t.git_path, t.git_reason
             from public.artifacts t join public.agents a on a.id = t.agent_id
             left join public.waves w on w.id = a.wave_id ",
            $rest
        )
    };
}
/// Who hands an artifact in.
#[derive(Clone, Copy, Debug)]
pub enum Maker {
    /// A run, by its secret.
    Run(RunId, Digest),
    /// A person, for an agent.
    Person(AgentId),
}

impl Store {
    /// Stores an artifact, unless its newest version has the same bytes.
    ///
    /// With `secret`, what kind of secret is in it, it is kept out of git for
    /// ever, and a person is told.
    pub async fn keep(
        &self,
        project: ProjectId,
        maker: Maker,
        key: &ArtifactKey,
        content: &str,
        secret: Option<&str>,
    ) -> Result<Kept> {
        self.tx(async |tx| {
            let (run, agent) = match maker {
                Maker::Person(agent) => (None, agent),
                Maker::Run(run, token) => match fence(tx, run, token).await? {
                    Some(agent) => (Some(run), agent),
                    None => return Ok(Kept::Stale),
                },
            };
            if let Some(version) = confirm(tx, agent, key, content).await? {
                return Ok(Kept::Same { version });
            }
            let version = insert(tx, agent, run, key, content, secret).await?;
            let note = Note {
                agent: Some(agent),
                run,
                kind: "checkpoint",
                detail: format!("{key} version {version}"),
            };
            events::record(tx, project, &[note]).await?;
            if let Some(secret) = secret {
                tell_of_secret(tx, project, (agent, run), key, version, secret).await?;
            }
            Ok(Kept::New { version })
        })
        .await
    }

    /// The newest version of everything that these agents made, by agent.
    pub async fn latest(&self, agents: &[AgentId]) -> Result<BTreeMap<AgentId, Vec<Stored>>> {
        self.read(async |tx| latest(tx, agents).await).await
    }

    /// The newest version of every artifact, of one agent or of all.
    pub async fn artifacts(
        &self,
        project: ProjectId,
        agent: Option<AgentId>,
    ) -> Result<Vec<ArtifactRow>> {
        self.read(async |tx| {
            Ok(query_as(select_rows!(
                "where t.project_id = $1 and ($2::uuid is null or t.agent_id = $2)
                     and not exists (
                         select from public.artifacts newer
                         where newer.agent_id = t.agent_id
                             and newer.artifact_type = t.artifact_type
                             and newer.name = t.name and newer.version > t.version
                     )
                 order by w.position, wave, agent, t.artifact_type, t.name"
            ))
            .bind(project)
            .bind(agent)
            .fetch_all(tx.conn())
            .await?)
        })
        .await
    }

    /// Every version of one artifact, newest first.
    pub async fn versions(&self, agent: AgentId, key: &ArtifactKey) -> Result<Vec<ArtifactRow>> {
        self.read(async |tx| {
            Ok(query_as(select_rows!(
                "where t.agent_id = $1 and t.artifact_type = $2 and t.name = $3
                 order by t.version desc"
            ))
            .bind(agent)
            .bind(key.kind)
            .bind(&key.name)
            .fetch_all(tx.conn())
            .await?)
        })
        .await
    }

    /// Every version of every artifact of a project, oldest first.
    pub async fn all_artifacts(&self, project: ProjectId) -> Result<Vec<ArtifactRow>> {
        self.read(async |tx| {
            Ok(query_as(select_rows!("where t.project_id = $1 order by t.seq"))
                .bind(project)
                .fetch_all(tx.conn())
                .await?)
        })
        .await
    }

    /// The bytes of one artifact, as the row has them.
    pub async fn content(&self, artifact: ArtifactId) -> Result<String> {
        self.read(async |tx| {
            Ok(super::sql::query_scalar("select content from public.artifacts where id = $1")
                .bind(artifact)
                .fetch_one(tx.conn())
                .await?)
        })
        .await
    }
}

/// Tells a person of an artifact that is kept out of git for what is in it.
pub(super) async fn tell_of_secret(
    tx: &mut Tx,
    project: ProjectId,
    (agent, run): (AgentId, Option<RunId>),
    key: &ArtifactKey,
    version: i32,
    secret: &str,
) -> Result<()> {
    let text = format!(
        "{key} version {version} seems to contain {secret}, so it is kept out of git. Its row is \
         stored.\n\nClose this as completed to have the agent make it again without the secret, \
         or as not planned to leave it as it is.",
    );
    let new = NewFeedback {
        agent,
        kind: FeedbackKind::Comment,
        text,
        author: "wavemark".to_owned(),
        run,
        request: Some(format!("secret:{key}:{version}")),
        generation: None,
    };
    feedback::open(tx, project, &[new]).await?;
    Ok(())
}

/// The agent of a run, if the run may write; what is done in this transaction
/// cannot be overtaken then.
pub(crate) async fn fence(tx: &mut Tx, run: RunId, token: Digest) -> Result<Option<AgentId>> {
    Ok(super::sql::query_scalar(
        "update public.runs r set progress_at = now()
         from public.agents a
         where r.id = $1 and r.token_sha256 = $2 and a.id = r.agent_id and a.epoch = r.epoch
             and (r.finished_at is null or r.outcome = 'lost')
         returning r.agent_id",
    )
    .bind(run)
    .bind(token)
    .fetch_optional(tx.conn())
    .await?)
}

/// The newest version, if it has these very bytes; it then counts for the
/// generation that is being built.
async fn confirm(
    tx: &mut Tx,
    agent: AgentId,
    key: &ArtifactKey,
    content: &str,
) -> Result<Option<i32>> {
    // Locked first, so that no other version comes in between.
    query("select from public.agents where id = $1 for no key update")
        .bind(agent)
        .execute(tx.conn())
        .await?;
    let same: Option<(ArtifactId, i32)> = query_as(
        "select id, version from (
             select id, version, sha256 from public.artifacts
             where agent_id = $1 and artifact_type = $2 and name = $3
             order by version desc limit 1
         ) newest where sha256 = $4",
    )
    .bind(agent)
    .bind(key.kind)
    .bind(&key.name)
    .bind(Digest::of(content))
    .fetch_optional(tx.conn())
    .await?;
    let Some((id, version)) = same else {
        return Ok(None);
    };
    query(
        "update public.artifacts t set generation = a.generation
         from public.agents a
         where t.id = $1 and a.id = t.agent_id and t.generation < a.generation",
    )
    .bind(id)
    .execute(tx.conn())
    .await?;
    Ok(Some(version))
}

async fn insert(
    tx: &mut Tx,
    agent: AgentId,
    run: Option<RunId>,
    key: &ArtifactKey,
    content: &str,
    secret: Option<&str>,
) -> Result<i32> {
    // The version, the digest and the size are the database's to compute.
    let (version,): (i32,) = query_as(
        "insert into public.artifacts (
             agent_id, artifact_type, name, content, run_id, epoch, generation,
             git_state, git_reason
         )
         select a.id, $2, $3, $4, r.id, coalesce(r.epoch, a.epoch),
             coalesce(r.generation, a.generation),
             case when $6::text is null then 'pending' else 'blocked' end, $6
         from public.agents a left join public.runs r on r.id = $5
         where a.id = $1
         returning version",
    )
    .bind(agent)
    .bind(key.kind)
    .bind(&key.name)
    .bind(content)
    .bind(run)
    .bind(secret)
    .fetch_one(tx.conn())
    .await?;
    Ok(version)
}

#[derive(sqlx::FromRow)]
struct LatestRow {
    agent_id: AgentId,
    id: ArtifactId,
    agent: AgentName,
    title: Option<String>,
    artifact_type: ArtifactType,
    name: FileName,
    version: i32,
    sha256: Digest,
    content: String,
    git_commit: Option<String>,
}

pub(crate) async fn latest(
    tx: &mut Tx,
    agents: &[AgentId],
) -> Result<BTreeMap<AgentId, Vec<Stored>>> {
    if agents.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<LatestRow> = query_as(
        "select distinct on (t.agent_id, t.artifact_type, t.name)
             t.agent_id, t.id, a.name as agent, a.title, t.artifact_type, t.name, t.version,
             t.sha256, t.content, t.git_commit
         from public.artifacts t join public.agents a on a.id = t.agent_id
         where t.agent_id = any ($1)
         order by t.agent_id, t.artifact_type, t.name, t.version desc",
    )
    .bind(agents)
    .fetch_all(tx.conn())
    .await?;
    let mut latest: BTreeMap<AgentId, Vec<Stored>> = BTreeMap::new();
    for row in rows {
        latest.entry(row.agent_id).or_default().push(Stored {
            id: row.id,
            agent: row.agent,
            title: row.title,
            key: ArtifactKey { kind: row.artifact_type, name: row.name },
            version: row.version,
            sha256: row.sha256,
            content: row.content,
            commit: row.git_commit,
        });
    }
    Ok(latest)
}
