//! `public.projects`: one row per repo.

use sqlx::types::Json;

use super::{
    Error, Result, Store,
    sql::{Tx, query_as},
};
use crate::model::{Digest, Instant, ProjectId, ProjectName, ProjectSettings, Role};

/// A project as the last sync left it.
#[derive(Clone, Debug, PartialEq)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// Its name.
    pub name: ProjectName,
    /// The branch that artifacts are committed to.
    pub artifact_branch: String,
    /// What holds for all of it.
    pub settings: ProjectSettings,
    /// The plan that was synced last.
    pub plan: Option<Digest>,
    /// The least that somebody must be allowed to do in the repo to be heard.
    pub trusted_role: Role,
    /// When a tick last ended.
    pub last_tick_at: Option<Instant>,
    /// When it was first synced.
    pub created_at: Instant,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: ProjectId,
    name: ProjectName,
    artifact_branch: String,
    settings: Json<ProjectSettings>,
    plan_sha256: Option<Digest>,
    trusted_role: Role,
    last_tick_at: Option<Instant>,
    created_at: Instant,
}

impl Store {
    /// The project called `name`.
    ///
    /// # Errors
    ///
    /// [`Error::NoProject`] when it was never synced.
    pub async fn project(&self, name: &ProjectName) -> Result<Project> {
        self.read(async |tx| find(tx, name).await)
            .await?
            .ok_or_else(|| Error::NoProject(name.clone()))
    }

    /// What time it is, by the only clock that counts.
    pub async fn now(&self) -> Result<Instant> {
        self.read(async |tx| {
            Ok(super::sql::query_scalar("select now()").fetch_one(tx.conn()).await?)
        })
        .await
    }
}

pub(super) async fn find(tx: &mut Tx, name: &ProjectName) -> Result<Option<Project>> {
    let row: Option<Row> = query_as(
        "select id, name, artifact_branch, settings, plan_sha256, trusted_role,
             last_tick_at, created_at
         from public.projects where name = $1",
    )
    .bind(name)
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| Project {
        id: row.id,
        name: row.name,
        artifact_branch: row.artifact_branch,
        settings: row.settings.0,
        plan: row.plan_sha256,
        trusted_role: row.trusted_role,
        last_tick_at: row.last_tick_at,
        created_at: row.created_at,
    }))
}
