//! What people are shown and nothing is decided from.

use std::ops::Add;

use serde::Deserialize as _;
use sqlx::types::Json;

use super::{Result, Store, sql::query_as};
use crate::model::{
    AgentName, Epoch, FeedbackKind, FeedbackNumber, Generation, Instant, Outcome, ProjectId,
    Resolution, Status, Usage, WaveName,
};

/// What is shown about an agent beside the facts.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct AgentRow {
    /// Its name.
    pub name: AgentName,
    /// What people call it.
    pub title: Option<String>,
    /// The wave it is in.
    pub wave: WaveName,
    /// What people call the wave.
    pub wave_title: Option<String>,
    /// The status last written.
    pub status: Status,
    /// Since when.
    pub status_since: Instant,
    /// How often it was asked to be built.
    pub generation: Generation,
    /// What it says it did.
    pub output_summary: Option<String>,
    /// Whether it left the plan.
    pub retired: bool,
    /// How many artifacts count for this generation.
    pub checkpoints: i64,
    /// Its last run.
    pub epoch: Option<Epoch>,
    /// The how-manieth attempt that was.
    pub attempt: Option<i32>,
    /// When that began.
    pub claimed_at: Option<Instant>,
    /// When it ended.
    pub finished_at: Option<Instant>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// What it printed last.
    pub progress: Option<String>,
    /// What each of its runs used of a language model, as it was written down: whoever may write
    /// rows may write anything.
    usage: Json<Vec<serde_json::Value>>,
}

impl AgentRow {
    /// What its runs used of a language model, if any is known to have used one.
    pub fn usage(&self) -> Option<Usage> {
        let each = self.usage.iter().filter_map(|usage| Usage::deserialize(usage).ok());
        each.reduce(Add::add)
    }
}

/// One feedback, as people are shown it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct FeedbackRow {
    /// The number people call it by.
    pub number: FeedbackNumber,
    /// Whose it is.
    pub agent: AgentName,
    /// What kind it is.
    pub kind: FeedbackKind,
    /// The text.
    pub feedback_text: String,
    /// When it was said.
    pub created_at: Instant,
    /// How it ended; absent while it is open.
    pub resolution: Option<Resolution>,
    /// How much was said about it.
    pub comments: i64,
}

/// A run, as a stretch of time.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct RunSpan {
    /// Whose it was.
    pub agent: AgentName,
    /// When it began.
    pub claimed_at: Instant,
    /// When it ended.
    pub finished_at: Option<Instant>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

/// Feedback, as a stretch of time.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct FeedbackSpan {
    /// Whose it was.
    pub agent: AgentName,
    /// When it was said.
    pub created_at: Instant,
    /// When it ended.
    pub resolved_at: Option<Instant>,
}

impl Store {
    /// What is shown about every agent, wave by wave; retired ones last.
    pub async fn agent_rows(&self, project: ProjectId) -> Result<Vec<AgentRow>> {
        self.read(async |tx| {
            Ok(query_as(
                "select a.name, a.title, coalesce(w.name, 'unplanned') as wave,
                     w.title as wave_title, a.status, a.status_since, a.generation,
                     a.output_summary, a.retired_at is not null as retired,
                     (select count(*) from public.artifacts t
                      where t.agent_id = a.id and t.generation = a.generation) as checkpoints,
                     last.epoch, last.attempt, last.claimed_at, last.finished_at, last.outcome,
                     last.progress,
                     (select coalesce(json_agg(r.usage), '[]') from public.runs r
                      where r.agent_id = a.id and r.usage is not null) as usage
                 from public.agents a left join public.waves w on w.id = a.wave_id
                 left join public.runs last on last.agent_id = a.id and last.epoch = a.epoch
                 where a.project_id = $1
                 order by retired, w.position nulls last, wave, a.created_at, a.name",
            )
            .bind(project)
            .fetch_all(tx.conn())
            .await?)
        })
        .await
    }

    /// The feedback of a project, or of one agent: what is open, or all of it.
    pub async fn feedback(
        &self,
        project: ProjectId,
        agent: Option<&AgentName>,
        resolved_too: bool,
    ) -> Result<Vec<FeedbackRow>> {
        self.read(async |tx| {
            Ok(query_as(
                "select f.number, a.name as agent, f.kind, f.feedback_text, f.created_at,
                     f.resolution,
                     (select count(*) from public.feedback_comments c
                      where c.feedback_id = f.id) as comments
                 from public.feedback f join public.agents a on a.id = f.agent_id
                 where f.project_id = $1 and ($2::text is null or a.name = $2)
                     and ($3 or not f.resolved)
                 order by f.number",
            )
            .bind(project)
            .bind(agent)
            .bind(resolved_too)
            .fetch_all(tx.conn())
            .await?)
        })
        .await
    }

    /// When every run of a project began and ended, oldest first.
    pub async fn run_spans(&self, project: ProjectId) -> Result<Vec<RunSpan>> {
        self.read(async |tx| {
            Ok(query_as(
                "select a.name as agent, r.claimed_at, r.finished_at, r.outcome
                 from public.runs r join public.agents a on a.id = r.agent_id
                 where r.project_id = $1 order by r.claimed_at, a.name",
            )
            .bind(project)
            .fetch_all(tx.conn())
            .await?)
        })
        .await
    }

    /// When everything that waited for a person began and ended, oldest first.
    pub async fn feedback_spans(&self, project: ProjectId) -> Result<Vec<FeedbackSpan>> {
        self.read(async |tx| {
            Ok(query_as(
                "select a.name as agent, f.created_at, f.resolved_at
                 from public.feedback f join public.agents a on a.id = f.agent_id
                 where f.project_id = $1 order by f.number",
            )
            .bind(project)
            .fetch_all(tx.conn())
            .await?)
        })
        .await
    }
}
