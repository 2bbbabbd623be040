//! Issues to be opened, and issues that are gone.
//!
//! That an issue is about to be opened is written down before it is: whoever
//! finds it so looks for the issue before opening another.

use sqlx::types::Json;

use super::{Holder, fence};
use crate::{
    mail::{Artifact, Sighted, Subject, doing},
    model::{
        AgentName, ArtifactKey, ArtifactType, FeedbackId, FeedbackKind, FeedbackNumber, FileName,
        IssueNumber, Outcome, ProjectId, WaveName,
    },
    store::{
        Result, Store,
        events::{self, Note},
        sql::{query, query_as, query_scalar},
    },
};

/// An issue to be opened.
#[derive(Clone, Debug)]
pub struct ToOpen {
    /// What it is about.
    pub subject: Subject,
    /// Whether that was tried already and nobody knows how it ended.
    pub was_tried: bool,
}

#[derive(sqlx::FromRow)]
struct SubjectRow {
    id: FeedbackId,
    number: FeedbackNumber,
    kind: FeedbackKind,
    text: String,
    agent: AgentName,
    title: Option<String>,
    wave: WaveName,
    is_manual: bool,
    was_tried: bool,
    attempt: Option<i32>,
    progress: Option<String>,
    outcome: Option<Outcome>,
    detail: Option<String>,
    artifacts: Json<Vec<ArtifactRow>>,
}

#[derive(serde::Deserialize)]
struct ArtifactRow {
    kind: ArtifactType,
    name: FileName,
    version: i32,
    commit: Option<String>,
    path: Option<String>,
}

impl Store {
    /// Open feedback without an issue, oldest first. Artifacts are linked below
    /// `blobs`.
    pub async fn issues_to_open(&self, project: ProjectId, blobs: &str) -> Result<Vec<ToOpen>> {
        let rows: Vec<SubjectRow> = self
            .read(async |tx| {
                Ok(query_as(
                    "select f.id, f.number, f.kind, f.feedback_text as text, a.name as agent,
                         a.title, coalesce(w.name, 'unplanned') as wave,
                         -- What a run of it asks is no request for its work.
                         a.runner = 'manual' and f.run_id is null as is_manual,
                         i.feedback_id is not null as was_tried,
                         r.attempt, r.progress, r.outcome, r.detail,
                         coalesce((
                             select json_agg(json_build_object(
                                 'kind', t.artifact_type, 'name', t.name, 'version', t.version,
                                 'commit', t.git_commit, 'path', t.git_path
                             ) order by t.artifact_type, t.name)
                             from (
                                 select distinct on (artifact_type, name) *
                                 from public.artifacts where agent_id = a.id
                                 order by artifact_type, name, version desc
                             ) t
                         ), '[]') as artifacts
                     from public.feedback f
                     join public.agents a on a.id = f.agent_id
                     left join public.waves w on w.id = a.wave_id
                     left join wavemark.issues i on i.feedback_id = f.id
                     left join lateral (
                         select * from public.runs r where r.agent_id = a.id
                         order by r.epoch desc limit 1
                     ) r on true
                     where f.project_id = $1 and f.applied_at is null and not f.resolved
                         and i.number is null
                     order by f.number",
                )
                .bind(project)
                .fetch_all(tx.conn())
                .await?)
            })
            .await?;
        Ok(rows.into_iter().map(|row| to_open(row, blobs)).collect())
    }

    /// Writes down that the issue of a feedback is about to be opened.
    pub async fn opening_issue(&self, who: Holder, feedback: FeedbackId) -> Result<()> {
        self.tx(async |tx| {
            fence(tx, who).await?;
            query(
                "insert into wavemark.issues (feedback_id, project_id, origin)
                 values ($1, $2, 'ours') on conflict do nothing",
            )
            .bind(feedback)
            .bind(who.project)
            .execute(tx.conn())
            .await?;
            Ok(())
        })
        .await
    }

    /// Writes down that it is open.
    pub async fn opened_issue(
        &self,
        who: Holder,
        feedback: FeedbackId,
        issue: &Sighted,
    ) -> Result<()> {
        self.tx(async |tx| {
            query(
                "update wavemark.issues set number = $2, url = $3, seen_at = $4
                 where feedback_id = $1 and number is null",
            )
            .bind(feedback)
            .bind(issue.number)
            .bind(&issue.url)
            .bind(issue.at)
            .execute(tx.conn())
            .await?;
            query("update wavemark.mailboxes set us = coalesce($2, us) where project_id = $1")
                .bind(who.project)
                .bind(issue.author)
                .execute(tx.conn())
                .await?;
            Ok(())
        })
        .await
    }

    /// Writes down that it was not opened, for certain.
    pub async fn refused_issue(&self, feedback: FeedbackId) -> Result<()> {
        self.tx(async |tx| {
            query("delete from wavemark.issues where feedback_id = $1 and number is null")
                .bind(feedback)
                .execute(tx.conn())
                .await?;
            Ok(())
        })
        .await
    }

    /// The issues of feedback that is open, and issues that count as open.
    pub async fn issues_to_review(&self, project: ProjectId) -> Result<Vec<IssueNumber>> {
        self.read(async |tx| {
            let numbers: Vec<i64> = query_scalar(
                "select distinct i.number from wavemark.issues i
                 join public.feedback f on f.id = i.feedback_id
                 where i.project_id = $1 and i.number is not null
                     and (i.is_open or not f.resolved)
                 order by 1",
            )
            .bind(project)
            .fetch_all(tx.conn())
            .await?;
            Ok(numbers.into_iter().map(IssueNumber).collect())
        })
        .await
    }

    /// Writes down that an issue is gone. Its feedback stays as it is.
    pub async fn missing_issue(&self, who: Holder, number: IssueNumber, why: &str) -> Result<()> {
        self.tx(async |tx| {
            let done = query(
                "update wavemark.issues set missing_since = now()
                 where project_id = $1 and number = $2 and missing_since is null",
            )
            .bind(who.project)
            .bind(number)
            .execute(tx.conn())
            .await?;
            if done.rows_affected() == 0 {
                return Ok(());
            }
            let detail = format!("issue {number} {why}; its feedback stays as it is");
            let note = Note { agent: None, run: None, kind: "missing", detail };
            events::record(tx, who.project, &[note]).await
        })
        .await
    }
}

fn to_open(row: SubjectRow, blobs: &str) -> ToOpen {
    let artifact = |artifact: ArtifactRow| Artifact {
        key: ArtifactKey { kind: artifact.kind, name: artifact.name },
        version: artifact.version,
        url: artifact
            .commit
            .zip(artifact.path)
            .map(|(commit, path)| format!("{blobs}/{commit}/{path}")),
    };
    let words = row.progress.or(row.detail);
    ToOpen {
        was_tried: row.was_tried,
        subject: Subject {
            feedback: row.id,
            number: row.number,
            kind: row.kind,
            text: row.text,
            agent: row.agent,
            title: row.title,
            wave: row.wave,
            is_manual: row.is_manual,
            doing: row.attempt.map(|attempt| doing(attempt, row.outcome, words.as_deref())),
            artifacts: row.artifacts.0.into_iter().map(artifact).collect(),
        },
    }
}
