//! What issues say, taken in.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::types::Json;
use uuid::Uuid;

use super::{Holder, fence};
use crate::{
    mail::{Deed, Edition, Hold, Link, Origin, Sighted},
    model::{
        AgentId, AgentName, Digest, FeedbackId, FeedbackKind, Instant, IssueNumber, ProjectId,
    },
    store::{
        Error, NewFeedback, Operator, Result, Store, agents,
        events::{self, Note},
        feedback,
        sql::{Tx, query, query_as, query_scalar},
    },
};

/// What is known about some issues.
#[derive(Clone, Debug, Default)]
pub struct Desk {
    /// The feedback of each issue.
    pub links: BTreeMap<IssueNumber, Vec<Link>>,
    /// Feedback whose mark was seen on an issue.
    pub marked: BTreeMap<FeedbackId, Marked>,
    /// How comments on these issues were last read.
    pub read: BTreeMap<(FeedbackId, i64), Edition>,
    /// The agents there are.
    pub agents: BTreeSet<AgentName>,
}

/// A feedback that we opened an issue for, or were about to.
#[derive(Clone, Debug)]
pub struct Marked {
    /// As if its issue had just been opened.
    pub link: Link,
    /// The issue, if it is known.
    pub number: Option<IssueNumber>,
}

/// What was seen, and what follows.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// What follows.
    pub deeds: Vec<Deed>,
    /// The new cursors.
    pub issues_cursor: Option<Instant>,
    /// The new cursors.
    pub comments_cursor: Option<Instant>,
    /// Issues just before the cursor, by their fingerprints.
    pub recent: BTreeMap<IssueNumber, Digest>,
}

#[derive(sqlx::FromRow)]
struct LinkRow {
    feedback: FeedbackId,
    agent: AgentName,
    kind: FeedbackKind,
    resolved: bool,
    text: String,
    number: Option<i64>,
    origin: String,
    is_open: bool,
    seen_at: Instant,
}

impl LinkRow {
    fn link(self) -> Link {
        Link {
            feedback: self.feedback,
            agent: self.agent,
            kind: self.kind,
            resolved: self.resolved,
            text: self.text,
            origin: if self.origin == "ours" { Origin::Ours } else { Origin::Theirs },
            is_open: self.is_open,
            seen_at: self.seen_at,
        }
    }
}

impl Store {
    /// What is known about these issues, and about feedback with these marks.
    pub async fn desk(
        &self,
        project: ProjectId,
        numbers: &[IssueNumber],
        marks: &[FeedbackId],
    ) -> Result<Desk> {
        self.read(async |tx| {
            let rows: Vec<LinkRow> = query_as(
                "select f.id as feedback, a.name as agent, f.kind, f.resolved,
                     f.feedback_text as text, i.number, i.origin, i.is_open, i.seen_at
                 from wavemark.issues i
                 join public.feedback f on f.id = i.feedback_id
                 join public.agents a on a.id = f.agent_id
                 where i.project_id = $1 and (i.number = any ($2) or i.feedback_id = any ($3))
                 order by f.number",
            )
            .bind(project)
            .bind(numbers)
            .bind(marks)
            .fetch_all(tx.conn())
            .await?;
            let mut desk = Desk::default();
            for row in rows {
                let number = row.number.map(IssueNumber);
                let link = row.link();
                if marks.contains(&link.feedback) {
                    desk.marked.insert(link.feedback, Marked { link: link.clone(), number });
                }
                if let Some(number) = number.filter(|number| numbers.contains(number)) {
                    desk.links.entry(number).or_default().push(link);
                }
            }
            let known: Vec<FeedbackId> =
                desk.links.values().flatten().map(|link| link.feedback).collect();
            let read: Vec<(FeedbackId, i64, Instant, Digest)> = query_as(
                "select feedback_id, comment_id, edited_at, sha256
                 from wavemark.issue_comments where feedback_id = any ($1)",
            )
            .bind(known)
            .fetch_all(tx.conn())
            .await?;
            desk.read = read
                .into_iter()
                .map(|(feedback, comment, at, digest)| {
                    ((feedback, comment), Edition { at, digest })
                })
                .collect();
            let agents: Vec<AgentName> = query_scalar(
                "select name from public.agents where project_id = $1 and retired_at is null",
            )
            .bind(project)
            .fetch_all(tx.conn())
            .await?;
            desk.agents = agents.into_iter().collect();
            Ok(desk)
        })
        .await
    }

    /// Writes down what was seen and what follows, all of it or nothing.
    pub async fn take_in(&self, who: Holder, news: &News, repo: &str) -> Result<()> {
        self.tx(async |tx| {
            fence(tx, who).await?;
            for deed in &news.deeds {
                take(tx, who.project, repo, deed).await?;
            }
            query(
                "update wavemark.mailboxes
                 set issues_cursor = coalesce($2, issues_cursor),
                     comments_cursor = coalesce($3, comments_cursor), recent = $4
                 where project_id = $1",
            )
            .bind(who.project)
            .bind(news.issues_cursor)
            .bind(news.comments_cursor)
            .bind(Json(&news.recent))
            .execute(tx.conn())
            .await?;
            Ok(())
        })
        .await
    }
}

async fn take(tx: &mut Tx, project: ProjectId, repo: &str, deed: &Deed) -> Result<()> {
    match deed {
        Deed::Link(feedback, issue) => link(tx, project, *feedback, issue).await,
        Deed::Open { agent, text, author, issue } => {
            open(tx, project, repo, issue, (agent, text, author)).await
        }
        Deed::Retell(feedback, text) => {
            query("update public.feedback set feedback_text = $2 where id = $1")
                .bind(feedback)
                .bind(text.replace('\0', "\u{fffd}"))
                .execute(tx.conn())
                .await?;
            Ok(())
        }
        Deed::Say { feedback, comment, author, at, body } => {
            say(tx, *feedback, *comment, (author, *at, body)).await
        }
        Deed::Read { feedback, comment, as_of } => {
            query(
                "insert into wavemark.issue_comments (feedback_id, comment_id, edited_at, sha256)
                 values ($1, $2, $3, $4)
                 on conflict (feedback_id, comment_id)
                 do update set edited_at = excluded.edited_at, sha256 = excluded.sha256",
            )
            .bind(feedback)
            .bind(comment)
            .bind(as_of.at)
            .bind(as_of.digest)
            .execute(tx.conn())
            .await?;
            Ok(())
        }
        Deed::Resolve { feedback, resolution, by } => {
            feedback::end(tx, project, *feedback, *resolution, by).await.map(drop)
        }
        Deed::Reopen(feedback) => reopen(tx, project, *feedback).await,
        Deed::Operate { agent, hold, by } => {
            let what = match hold {
                Hold::On => Operator::Pause,
                Hold::Off => Operator::Resume,
            };
            match agents::operate(tx, project, agent, what, by).await {
                Ok(_) | Err(Error::NoAgent(_)) => Ok(()),
                Err(err) => Err(err),
            }
        }
        Deed::See { feedback, is_open, at } => {
            query(
                "update wavemark.issues
                 set is_open = $2, seen_at = greatest(seen_at, $3), missing_since = null
                 where feedback_id = $1",
            )
            .bind(feedback)
            .bind(is_open)
            .bind(at)
            .execute(tx.conn())
            .await?;
            Ok(())
        }
        Deed::Answer { feedback, issue, comment, reaction, help } => {
            // One answer, of however many agents the issue is; the best there is.
            let id = Uuid::new_v5(
                &project.as_uuid(),
                format!("{repo}{issue} answer {comment}").as_bytes(),
            );
            query(
                "insert into wavemark.letters
                     (id, project_id, number, feedback_id, comment_id, reaction, body)
                 values ($1, $2, $3, $4, $5, $6, $7)
                 on conflict (id) do update set reaction = excluded.reaction, body = null
                 where letters.sending_at is null and letters.sent_at is null
                     and excluded.reaction = '+1'",
            )
            .bind(id)
            .bind(project)
            .bind(issue)
            .bind(feedback)
            .bind(comment)
            .bind(reaction)
            .bind(help)
            .execute(tx.conn())
            .await?;
            Ok(())
        }
        Deed::Merge { copy, of } => {
            let name = format!("{repo}{copy} duplicates {of}");
            query(
                "insert into wavemark.letters (id, project_id, number, body, state)
                 values ($1, $2, $3, $4, 'duplicate') on conflict do nothing",
            )
            .bind(Uuid::new_v5(&project.as_uuid(), name.as_bytes()))
            .bind(project)
            .bind(copy)
            .bind(crate::mail::duplicate(*of))
            .execute(tx.conn())
            .await?;
            Ok(())
        }
        Deed::Unheeded { feedback, by } => {
            let detail = format!("{by} closed its issue, but may not resolve anything");
            note(tx, project, *feedback, "unheeded", detail).await
        }
    }
}

async fn link(
    tx: &mut Tx,
    project: ProjectId,
    feedback: FeedbackId,
    issue: &Sighted,
) -> Result<()> {
    query("update wavemark.issues set number = $2, url = $3 where feedback_id = $1")
        .bind(feedback)
        .bind(issue.number)
        .bind(&issue.url)
        .execute(tx.conn())
        .await?;
    // Whoever opened it is us.
    query("update wavemark.mailboxes set us = coalesce(us, $2) where project_id = $1")
        .bind(project)
        .bind(issue.author)
        .execute(tx.conn())
        .await?;
    Ok(())
}

async fn open(
    tx: &mut Tx,
    project: ProjectId,
    repo: &str,
    issue: &Sighted,
    (agent, text, author): (&AgentName, &str, &str),
) -> Result<()> {
    let handle = match agents::find(tx, project, agent).await {
        // It was retired just now: nobody waits for it any more.
        Err(Error::NoAgent(_)) => return Ok(()),
        handle => handle?,
    };
    let request = format!("issue:{repo}{}", issue.number);
    let new = NewFeedback::remark(handle.id, text, author, &request);
    feedback::open(tx, project, &[new]).await?;
    query(
        "insert into wavemark.issues
             (feedback_id, project_id, number, url, origin, is_open, seen_at)
         select f.id, f.project_id, $3, $4, 'theirs', true, $5
         from public.feedback f where f.agent_id = $1 and f.request = $2
         on conflict do nothing",
    )
    .bind(handle.id)
    .bind(request)
    .bind(issue.number)
    .bind(&issue.url)
    .bind(issue.at)
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn say(
    tx: &mut Tx,
    feedback: FeedbackId,
    comment: i64,
    (author, at, body): (&str, Instant, &str),
) -> Result<()> {
    let id = Uuid::new_v5(&feedback.as_uuid(), format!("comment {comment}").as_bytes());
    query(
        "insert into public.feedback_comments (id, feedback_id, author, body, created_at)
         values ($1, $2, $3, $4, $5)
         on conflict (id) do update set body = excluded.body",
    )
    .bind(id)
    .bind(feedback)
    .bind(author)
    .bind(body.replace('\0', "\u{fffd}"))
    .bind(at)
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn reopen(tx: &mut Tx, project: ProjectId, feedback: FeedbackId) -> Result<()> {
    let done = query("update public.feedback set resolved = false where id = $1 and resolved")
        .bind(feedback)
        .execute(tx.conn())
        .await?;
    if done.rows_affected() > 0 {
        note(tx, project, feedback, "reopened", "on GitHub".to_owned()).await?;
    }
    Ok(())
}

/// Records something about a feedback, with its number in front.
async fn note(
    tx: &mut Tx,
    project: ProjectId,
    feedback: FeedbackId,
    kind: &'static str,
    detail: String,
) -> Result<()> {
    let (agent, number): (AgentId, i64) =
        query_as("select agent_id, number from public.feedback where id = $1")
            .bind(feedback)
            .fetch_one(tx.conn())
            .await?;
    let note = Note { agent: Some(agent), run: None, kind, detail: format!("#{number} {detail}") };
    events::record(tx, project, &[note]).await
}
