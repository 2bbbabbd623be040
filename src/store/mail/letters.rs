//! What is to be done on issues, and how far that got.
//!
//! That something is about to be said is written down before it is: whoever
//! finds it so looks for it before saying it again.

use uuid::Uuid;

use super::{Holder, fence};
use crate::{
    mail::{closing, reopening},
    model::{
        CloseReason, FeedbackId, Instant, Issue, IssueNumber, IssueState, ProjectId, Reaction,
        Resolution,
    },
    store::{
        Result, Store,
        events::{self, Note},
        sql::{Tx, query, query_as, query_scalar},
    },
};

/// Something to be done on an issue.
#[derive(Clone, Debug)]
pub struct ToPost {
    /// The letter's id.
    pub id: Uuid,
    /// On which issue.
    pub number: IssueNumber,
    /// What to say first, and how far that got.
    pub body: Option<(String, Saying)>,
    /// How to react, and to which comment.
    pub reaction: Option<(i64, Reaction)>,
    /// What to make of the issue at last.
    pub state: Option<NewState>,
}

/// How far it got to say something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saying {
    /// It was not tried.
    ToSay,
    /// It was tried, and nobody knows how that ended.
    Unsure,
    /// It is said.
    Said,
}

/// What to make of an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewState {
    /// It is opened again.
    Open,
    /// It is closed.
    Closed(CloseReason),
}

#[derive(sqlx::FromRow)]
struct LetterRow {
    id: Uuid,
    number: i64,
    comment_id: Option<i64>,
    reaction: Option<Reaction>,
    body: Option<String>,
    state: Option<String>,
    is_sending: bool,
    is_said: bool,
}

impl LetterRow {
    fn letter(self) -> ToPost {
        let saying = match (self.is_said, self.is_sending) {
            (true, _) => Saying::Said,
            (false, true) => Saying::Unsure,
            (false, false) => Saying::ToSay,
        };
        let state = self.state.map(|word| match word.parse() {
            Ok(reason) => NewState::Closed(reason),
            Err(_) => NewState::Open,
        });
        ToPost {
            id: self.id,
            number: IssueNumber(self.number),
            body: self.body.map(|body| (body, saying)),
            reaction: self.comment_id.zip(self.reaction),
            state,
        }
    }
}

impl Store {
    /// Whether there is anything to be written, as far as is known here.
    pub async fn has_mail(&self, project: ProjectId) -> Result<bool> {
        self.read(async |tx| {
            Ok(query_scalar(
                "select exists (
                     select from public.feedback f
                     left join wavemark.issues i on i.feedback_id = f.id
                     where f.project_id = $1 and f.applied_at is null and not f.resolved
                         and (i.number is null or not i.is_open and i.missing_since is null)
                 ) or exists (
                     select from wavemark.issues i
                     join public.feedback f on f.id = i.feedback_id
                     where i.project_id = $1 and i.number is not null and i.is_open and f.resolved
                         and i.missing_since is null
                 ) or exists (
                     select from wavemark.letters where project_id = $1 and sent_at is null
                 )",
            )
            .bind(project)
            .fetch_one(tx.conn())
            .await?)
        })
        .await
    }

    /// Whether a tick that comes now would write something on GitHub: something
    /// is due, and GitHub did not ask to be left alone.
    pub async fn mail_is_due(&self, project: ProjectId) -> Result<bool> {
        let paused: bool = self
            .read(async |tx| {
                Ok(query_scalar(
                    "select exists (
                         select from wavemark.mailboxes
                         where project_id = $1 and paused_until > now()
                     )",
                )
                .bind(project)
                .fetch_one(tx.conn())
                .await?)
            })
            .await?;
        Ok(!paused && self.has_mail(project).await?)
    }

    /// What is to be done on issues, in the order in which it came up.
    pub async fn letters(&self, who: Holder) -> Result<Vec<ToPost>> {
        let rows: Vec<LetterRow> = self
            .tx(async |tx| {
                fence(tx, who).await?;
                drop_overtaken(tx, who.project).await?;
                write_closings(tx, who.project).await?;
                write_reopenings(tx, who.project).await?;
                Ok(query_as(
                    "select id, number, comment_id, reaction, body, state,
                         sending_at is not null as is_sending, said_at is not null as is_said
                     from wavemark.letters where project_id = $1 and sent_at is null
                     order by place",
                )
                .bind(who.project)
                .fetch_all(tx.conn())
                .await?)
            })
            .await?;
        Ok(rows.into_iter().map(LetterRow::letter).collect())
    }

    /// Writes down that the body of a letter is about to be sent.
    pub async fn saying(&self, who: Holder, letter: Uuid) -> Result<()> {
        self.tx(async |tx| {
            fence(tx, who).await?;
            query("update wavemark.letters set sending_at = now() where id = $1")
                .bind(letter)
                .execute(tx.conn())
                .await?;
            Ok(())
        })
        .await
    }

    /// Writes down that it was sent, or for certain was not.
    pub async fn said(&self, letter: Uuid, said: bool) -> Result<()> {
        self.tx(async |tx| {
            query(
                "update wavemark.letters
                 set said_at = case when $2 then now() end,
                     sending_at = case when $2 then sending_at end
                 where id = $1",
            )
            .bind(letter)
            .bind(said)
            .execute(tx.conn())
            .await?;
            Ok(())
        })
        .await
    }

    /// Writes down that a letter is done with, and how its issue is since.
    pub async fn posted(&self, letter: Uuid, issue: Option<&Issue>) -> Result<()> {
        self.tx(async |tx| {
            query("update wavemark.letters set sent_at = now() where id = $1")
                .bind(letter)
                .execute(tx.conn())
                .await?;
            let Some(issue) = issue else { return Ok(()) };
            query(
                "update wavemark.issues i set is_open = $2, seen_at = greatest(seen_at, $3)
                 from wavemark.letters l
                 where l.id = $1 and i.project_id = l.project_id and i.number = l.number",
            )
            .bind(letter)
            .bind(issue.state == IssueState::Open)
            .bind(issue.updated_at)
            .execute(tx.conn())
            .await?;
            Ok(())
        })
        .await
    }

    /// Writes down that a letter will never arrive.
    pub async fn undeliverable(&self, who: Holder, letter: &ToPost, why: &str) -> Result<()> {
        self.tx(async |tx| {
            query("update wavemark.letters set sent_at = now(), failure = $2 where id = $1")
                .bind(letter.id)
                .bind(why)
                .execute(tx.conn())
                .await?;
            let detail = format!("issue {}: {why}", letter.number);
            let note = Note { agent: None, run: None, kind: "undeliverable", detail };
            events::record(tx, who.project, &[note]).await
        })
        .await
    }
}

/// Lets go of closings and reopenings that are not wanted any more.
async fn drop_overtaken(tx: &mut Tx, project: ProjectId) -> Result<()> {
    query(
        "update wavemark.letters l set sent_at = now(), failure = 'overtaken'
         from public.feedback f
         where l.project_id = $1 and l.sent_at is null and f.id = l.feedback_id
             and l.state is not null and (l.state = 'open') = f.resolved",
    )
    .bind(project)
    .execute(tx.conn())
    .await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Ended {
    id: FeedbackId,
    number: i64,
    resolution: Resolution,
    resolved_by: Option<String>,
    resolved_at: Instant,
}

/// Issues that are open although all their feedback is resolved.
async fn write_closings(tx: &mut Tx, project: ProjectId) -> Result<()> {
    let ended: Vec<Ended> = query_as(
        "select distinct on (i.number)
             f.id, i.number, f.resolution, f.resolved_by, f.resolved_at
         from wavemark.issues i join public.feedback f on f.id = i.feedback_id
         where i.project_id = $1 and i.is_open and i.number is not null
             and i.missing_since is null and f.resolved
             and not exists (
                 select from wavemark.issues o join public.feedback g on g.id = o.feedback_id
                 where o.project_id = i.project_id and o.number = i.number and not g.resolved
             )
         order by i.number, f.resolved_at desc",
    )
    .bind(project)
    .fetch_all(tx.conn())
    .await?;
    for Ended { id, number, resolution, resolved_by, resolved_at } in ended {
        let reason = match resolution {
            Resolution::Completed => CloseReason::Completed,
            Resolution::Dismissed | Resolution::Superseded => CloseReason::NotPlanned,
        };
        let episode = format!("closed {}", resolved_at.timestamp_micros());
        let body = closing(resolution, resolved_by.as_deref());
        write(tx, project, (id, &episode), number, &body, reason.as_str()).await?;
    }
    Ok(())
}

/// Issues that are closed although their feedback is open.
async fn write_reopenings(tx: &mut Tx, project: ProjectId) -> Result<()> {
    let open: Vec<(FeedbackId, i64, Instant)> = query_as(
        "select distinct on (i.number) f.id, i.number, i.seen_at
         from public.feedback f join wavemark.issues i on i.feedback_id = f.id
         where f.project_id = $1 and f.applied_at is null and not f.resolved
             and i.number is not null and not i.is_open and i.missing_since is null
         order by i.number, f.number",
    )
    .bind(project)
    .fetch_all(tx.conn())
    .await?;
    for (id, number, closed_at) in open {
        let episode = format!("reopened {}", closed_at.timestamp_micros());
        write(tx, project, (id, &episode), number, &reopening(), "open").await?;
    }
    Ok(())
}

/// Adds a letter, once for each episode of a feedback.
async fn write(
    tx: &mut Tx,
    project: ProjectId,
    (feedback, episode): (FeedbackId, &str),
    number: i64,
    body: &str,
    state: &str,
) -> Result<()> {
    query(
        "insert into wavemark.letters (id, project_id, number, feedback_id, body, state)
         values ($1, $2, $3, $4, $5, $6) on conflict do nothing",
    )
    .bind(Uuid::new_v5(&feedback.as_uuid(), episode.as_bytes()))
    .bind(project)
    .bind(number)
    .bind(feedback)
    .bind(body)
    .bind(state)
    .execute(tx.conn())
    .await?;
    Ok(())
}
