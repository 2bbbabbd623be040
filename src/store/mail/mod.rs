//! What is known of the conversation on GitHub: `wavemark.mailboxes`, `issues`,
//! `issue_comments` and `letters`.
//!
//! One process at a time talks to GitHub for a project. Its lease lives in the
//! project's mailbox, so one that dies is replaced when it runs out; what it
//! writes here is refused once another took over.

mod inbox;
mod issues;
mod letters;
mod obstacles;

use std::{collections::BTreeMap, time::Duration};

use sqlx::types::Json;
use uuid::Uuid;

pub use self::{
    inbox::{Desk, Marked, News},
    issues::ToOpen,
    letters::{NewState, Saying, ToPost},
    obstacles::Obstacles,
};
use super::{
    Error, Result, Store,
    sql::{Tx, query, query_as},
};
use crate::{
    mail::Key,
    model::{Digest, Instant, IssueNumber, ProjectId},
};

/// How far the conversation of a project was followed.
#[derive(Clone, Debug)]
pub struct Mailbox {
    /// What our marks are made with.
    pub key: Key,
    /// The repo it is in, as `owner/name`.
    pub repo: Option<String>,
    /// Where the GitHub App that speaks for us is installed, if that is known.
    pub installation: Option<i64>,
    /// Our account there, once it is known.
    pub us: Option<i64>,
    /// The newest change of an issue that was seen.
    pub issues_cursor: Option<Instant>,
    /// The newest change of a comment that was seen.
    pub comments_cursor: Option<Instant>,
    /// Issues just before that cursor, by their fingerprints.
    pub recent: BTreeMap<IssueNumber, Digest>,
    /// Until when GitHub asked to be left alone, if that is still to come.
    pub paused_until: Option<Instant>,
    /// Whether every open issue was looked at within a day.
    pub is_reviewed: bool,
}

#[derive(sqlx::FromRow)]
struct Row {
    key: String,
    repo: Option<String>,
    installation: Option<i64>,
    us: Option<i64>,
    issues_cursor: Option<Instant>,
    comments_cursor: Option<Instant>,
    recent: Json<BTreeMap<IssueNumber, Digest>>,
    paused_until: Option<Instant>,
    is_reviewed: bool,
}

/// Who may talk to GitHub for a project.
#[derive(Clone, Copy, Debug)]
pub struct Holder {
    /// The project.
    pub project: ProjectId,
    /// What this process calls itself.
    pub me: Uuid,
}

/// How a visit to GitHub ended.
#[derive(Clone, Debug, Default)]
pub struct Visited {
    /// Why it did not do all it should have.
    pub trouble: Option<String>,
    /// Until when GitHub asked to be left alone.
    pub paused_until: Option<Instant>,
    /// Whether every open issue was looked at.
    pub reviewed: bool,
    /// Where the GitHub App is installed, if that was found out.
    pub installation: Option<i64>,
}

impl Visited {
    /// GitHub still wants to be left alone.
    pub fn pausing(until: Instant) -> Self {
        Self { paused_until: Some(until), ..Self::default() }
    }
}

impl Store {
    /// Takes the lease on the project's mailbox, or `None` when another process
    /// has it.
    pub async fn open_mailbox(&self, who: Holder, lease: Duration) -> Result<Option<Mailbox>> {
        self.tx(async |tx| {
            query("insert into wavemark.mailboxes (project_id) values ($1) on conflict do nothing")
                .bind(who.project)
                .execute(tx.conn())
                .await?;
            let row: Option<Row> = query_as(
                "update wavemark.mailboxes
                 set holder = $2, holder_until = now() + make_interval(secs => $3)
                 where project_id = $1
                     and (holder is null or holder = $2 or holder_until < now())
                 returning key, repo, installation, us, issues_cursor, comments_cursor, recent,
                     case when paused_until > now() then paused_until end as paused_until,
                     coalesce(reviewed_at > now() - interval '1 day', false) as is_reviewed",
            )
            .bind(who.project)
            .bind(who.me)
            .bind(lease.as_secs_f64())
            .fetch_optional(tx.conn())
            .await?;
            row.map(mailbox).transpose()
        })
        .await
    }

    /// Renews the lease; `false` when another process took over.
    pub async fn keep_mailbox(&self, who: Holder, lease: Duration) -> Result<bool> {
        self.tx(async |tx| {
            let done = query(
                "update wavemark.mailboxes set holder_until = now() + make_interval(secs => $3)
                 where project_id = $1 and holder = $2",
            )
            .bind(who.project)
            .bind(who.me)
            .bind(lease.as_secs_f64())
            .execute(tx.conn())
            .await?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }

    /// Remembers which repo the numbers of issues are of.
    pub async fn address_mailbox(&self, who: Holder, repo: &str) -> Result<()> {
        self.tx(async |tx| {
            fence(tx, who).await?;
            query("update wavemark.mailboxes set repo = $2 where project_id = $1")
                .bind(who.project)
                .bind(repo)
                .execute(tx.conn())
                .await?;
            Ok(())
        })
        .await
    }

    /// Gives the lease back, and says how it went.
    pub async fn close_mailbox(&self, who: Holder, how: &Visited) -> Result<()> {
        self.tx(async |tx| {
            query(
                "update wavemark.mailboxes
                 set holder = null, holder_until = null, visited_at = now(), trouble = $3,
                     paused_until = $4,
                     reviewed_at = case when $5 then now() else reviewed_at end,
                     installation = coalesce($6, installation)
                 where project_id = $1 and holder = $2",
            )
            .bind(who.project)
            .bind(who.me)
            .bind(how.trouble.as_deref())
            .bind(how.paused_until)
            .bind(how.reviewed)
            .bind(how.installation)
            .execute(tx.conn())
            .await?;
            Ok(())
        })
        .await
    }
}

/// Makes sure, until the transaction ends, that nobody took over.
async fn fence(tx: &mut Tx, who: Holder) -> Result<()> {
    let held = query(
        "select from wavemark.mailboxes where project_id = $1 and holder = $2 for no key update",
    )
    .bind(who.project)
    .bind(who.me)
    .fetch_optional(tx.conn())
    .await?;
    held.map(drop).ok_or(Error::TookOver)
}

fn mailbox(row: Row) -> Result<Mailbox> {
    let key = Key::from_hex(&row.key);
    Ok(Mailbox {
        key: key.ok_or_else(|| Error::BadRow("the key of a mailbox is no key".into()))?,
        repo: row.repo,
        installation: row.installation,
        us: row.us,
        issues_cursor: row.issues_cursor,
        comments_cursor: row.comments_cursor,
        recent: row.recent.0,
        paused_until: row.paused_until,
        is_reviewed: row.is_reviewed,
    })
}
