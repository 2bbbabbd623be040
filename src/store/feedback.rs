//! `public.feedback` and what was said about it.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{
    Error, Result, Store,
    events::{self, Note},
    sql::{Tx, query, query_as, query_scalar},
};
use crate::model::{
    AgentId, AgentName, Digest, FeedbackId, FeedbackKind, FeedbackNumber, Generation, Instant,
    Message, ProjectId, Resolution, RunId, Thread,
};

/// Something new that waits for a person.
#[derive(Clone, Debug)]
pub struct NewFeedback {
    /// Whose agent waits.
    pub agent: AgentId,
    /// What kind it is.
    pub kind: FeedbackKind,
    /// The text.
    pub text: String,
    /// Who says it.
    pub author: String,
    /// The run that says it.
    pub run: Option<RunId>,
    /// What makes it the same when it is said a second time.
    pub request: Option<String>,
    /// What it is about; the agent's current generation when absent.
    pub generation: Option<Generation>,
}

impl NewFeedback {
    /// What a person says about an agent, made once for each `request`.
    pub(super) fn remark(agent: AgentId, text: &str, author: &str, request: &str) -> Self {
        Self {
            agent,
            kind: FeedbackKind::Comment,
            text: text.to_owned(),
            author: author.to_owned(),
            run: None,
            request: Some(request.to_owned()),
            generation: None,
        }
    }
}

/// Every message of a feedback `f` as rows `m`: its text and its comments.
macro_rules! messages {
    () => {
        "cross join lateral (
             select 0 as place, f.author, f.created_at as at, f.feedback_text as body
             union all
             select 1, c.author, c.created_at, c.body
             from public.feedback_comments c where c.feedback_id = f.id
         ) m"
    };
}
impl Store {
    /// Adds a person's remark about an agent.
    pub async fn remark(
        &self,
        project: ProjectId,
        agent: &AgentName,
        text: &str,
        author: &str,
    ) -> Result<FeedbackNumber> {
        // The transaction may be done twice; the remark is made once.
        let request = format!("remark:{}", Uuid::new_v4());
        self.tx(async |tx| {
            let handle = super::agents::find(tx, project, agent).await?;
            let new = NewFeedback::remark(handle.id, text, author, &request);
            open(tx, project, &[new]).await?;
            requested(tx, handle.id, &request).await
        })
        .await
    }

    /// Adds the question of a run, unless another run took over (`None`).
    pub async fn question(
        &self,
        project: ProjectId,
        run: RunId,
        token: Digest,
        text: &str,
    ) -> Result<Option<FeedbackNumber>> {
        self.tx(async |tx| {
            let Some(agent) = super::artifacts::fence(tx, run, token).await? else {
                return Ok(None);
            };
            let name: AgentName = query_scalar("select name from public.agents where id = $1")
                .bind(agent)
                .fetch_one(tx.conn())
                .await?;
            // The same question of the same run is the same question.
            let asked = Digest::of(text).short();
            let request = format!("question:{run}:{asked}");
            let new = NewFeedback {
                agent,
                kind: FeedbackKind::Question,
                text: text.to_owned(),
                author: name.to_string(),
                run: Some(run),
                request: Some(request.clone()),
                generation: None,
            };
            open(tx, project, &[new]).await?;
            requested(tx, agent, &request).await.map(Some)
        })
        .await
    }

    /// Resolves feedback; says whether it was open.
    ///
    /// # Errors
    ///
    /// [`Error::NoFeedback`] when the project has none of that number.
    pub async fn resolve(
        &self,
        project: ProjectId,
        number: FeedbackNumber,
        resolution: Resolution,
        comment: Option<&str>,
        by: &str,
    ) -> Result<bool> {
        // The transaction may be done twice; the comment is made once.
        let comment = comment.map(|body| (Uuid::new_v4(), body));
        self.tx(async |tx| {
            let found: Option<FeedbackId> = query_scalar(
                "select id from public.feedback where project_id = $1 and number = $2 for update",
            )
            .bind(project)
            .bind(number)
            .fetch_optional(tx.conn())
            .await?;
            let id = found.ok_or(Error::NoFeedback(number))?;
            if let Some((comment, body)) = comment {
                query(
                    "insert into public.feedback_comments (id, feedback_id, author, body)
                     values ($1, $2, $3, $4) on conflict do nothing",
                )
                .bind(comment)
                .bind(id)
                .bind(by)
                .bind(body)
                .execute(tx.conn())
                .await?;
            }
            end(tx, project, id, resolution, by).await
        })
        .await
    }

    /// The open feedback of one kind of an agent, the newest.
    pub async fn open_of_kind(
        &self,
        agent: AgentId,
        kind: FeedbackKind,
    ) -> Result<Option<FeedbackNumber>> {
        self.read(async |tx| {
            Ok(query_scalar(
                "select number from public.feedback
                 where agent_id = $1 and kind = $2 and not resolved
                 order by number desc limit 1",
            )
            .bind(agent)
            .bind(kind)
            .fetch_optional(tx.conn())
            .await?)
        })
        .await
    }

    /// One feedback with everything that was said about it, and whose it is.
    pub async fn thread(
        &self,
        project: ProjectId,
        number: FeedbackNumber,
    ) -> Result<(AgentName, Thread)> {
        let mut threads = self
            .read(async |tx| {
                let rows: Vec<ThreadRow> = query_as(concat!(
                    "select f.agent_id, a.name as agent, f.number, f.kind, f.resolution, m.*
                     from public.feedback f join public.agents a on a.id = f.agent_id ",
                    messages!(),
                    " where f.project_id = $1 and f.number = $2
                     order by f.number, m.at, m.place"
                ))
                .bind(project)
                .bind(number)
                .fetch_all(tx.conn())
                .await?;
                Ok(rows)
            })
            .await?;
        let agent = threads.first().map(|row| row.agent.clone());
        let agent = agent.ok_or(Error::NoFeedback(number))?;
        let mut grouped = group(std::mem::take(&mut threads));
        let thread = grouped.pop_first().and_then(|(_, mut threads)| threads.pop());
        Ok((agent, thread.ok_or(Error::NoFeedback(number))?))
    }
}

#[derive(sqlx::FromRow)]
struct ThreadRow {
    agent_id: AgentId,
    agent: AgentName,
    number: FeedbackNumber,
    kind: FeedbackKind,
    resolution: Option<Resolution>,
    author: String,
    at: Instant,
    body: String,
}

/// The threads that each agent gets: all that was resolved, but for reviews
/// that were simply approved, and for what was overtaken.
pub(crate) async fn threads(
    tx: &mut Tx,
    agents: &[AgentId],
) -> Result<BTreeMap<AgentId, Vec<Thread>>> {
    if agents.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<ThreadRow> = query_as(concat!(
        "select f.agent_id, a.name as agent, f.number, f.kind, f.resolution, m.*
         from public.feedback f join public.agents a on a.id = f.agent_id ",
        messages!(),
        " where f.agent_id = any ($1) and (f.resolved or not f.blocking)
             and not (f.kind = 'review' and f.resolution is distinct from 'dismissed')
             and not (f.kind = 'comment' and f.resolution is not distinct from 'dismissed')
             and not (f.kind = 'failure' and f.resolution is distinct from 'completed')
             and not (f.kind = 'refusal' and f.resolution is distinct from 'dismissed')
             and not (f.kind = 'question' and f.resolution is not distinct from 'superseded')
         order by f.number, m.at, m.place"
    ))
    .bind(agents)
    .fetch_all(tx.conn())
    .await?;
    Ok(group(rows))
}

fn group(rows: Vec<ThreadRow>) -> BTreeMap<AgentId, Vec<Thread>> {
    let mut threads: BTreeMap<AgentId, Vec<Thread>> = BTreeMap::new();
    for row in rows {
        let of_agent = threads.entry(row.agent_id).or_default();
        let message = Message { author: row.author, at: row.at, body: row.body };
        match of_agent.last_mut() {
            Some(thread) if thread.number == row.number => thread.messages.push(message),
            _ => of_agent.push(Thread {
                number: row.number,
                kind: row.kind,
                resolution: row.resolution,
                messages: vec![message],
            }),
        }
    }
    threads
}

/// Adds feedback, leaving out what was asked before; returns the numbers of
/// what is new.
pub(crate) async fn open(
    tx: &mut Tx,
    project: ProjectId,
    new: &[NewFeedback],
) -> Result<Vec<(AgentId, FeedbackNumber)>> {
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let opened: Vec<Opened> = query_as(
        "insert into public.feedback (
             agent_id, feedback_text, kind, blocking, author, run_id, request, generation
         )
         -- Where its bytes are besides the row is no reason for an agent to wait.
         select agent, body, kind, kind <> 'refusal', author, run, request,
             coalesce(new.generation, 0)
         from unnest(
             $1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::int[]
         ) as new (agent, body, kind, author, run, request, generation)
         join public.agents a on a.id = new.agent
         -- What is asked about a generation is asked while it is the current one,
         -- and nobody is asked about a failure that is being tried again.
         where (new.generation is null or new.generation = a.generation)
             and (kind <> 'failure' or not exists (
                 select from public.runs r where r.agent_id = a.id and r.finished_at is null
             ))
         on conflict (agent_id, request) do nothing
         returning agent_id, number, kind, author, run_id",
    )
    .bind(new.iter().map(|new| new.agent).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.text.replace('\0', "\u{fffd}")).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.kind).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.author.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.run).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.request.as_deref()).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.generation).collect::<Vec<_>>())
    .fetch_all(tx.conn())
    .await?;
    let notes: Vec<Note> = opened
        .iter()
        .map(|opened| Note {
            agent: Some(opened.agent_id),
            run: opened.run_id,
            kind: opened.kind.as_str(),
            detail: format!("{} by {}", opened.number, opened.author),
        })
        .collect();
    events::record(tx, project, &notes).await?;
    Ok(opened.into_iter().map(|opened| (opened.agent_id, opened.number)).collect())
}

/// Opens again what was asked by this request and resolved since, and says why.
pub(crate) async fn reopen(tx: &mut Tx, agent: AgentId, request: &str, why: &str) -> Result<()> {
    query(
        "with opened as (
             update public.feedback set resolved = false
             where agent_id = $1 and request = $2 and resolved
             returning id
         )
         insert into public.feedback_comments (feedback_id, author, body)
         select id, 'wavemark', $3 from opened",
    )
    .bind(agent)
    .bind(request)
    .bind(why)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The number of what was asked by this request.
async fn requested(tx: &mut Tx, agent: AgentId, request: &str) -> Result<FeedbackNumber> {
    Ok(query_scalar("select number from public.feedback where agent_id = $1 and request = $2")
        .bind(agent)
        .bind(request)
        .fetch_one(tx.conn())
        .await?)
}

#[derive(sqlx::FromRow)]
struct Opened {
    agent_id: AgentId,
    number: FeedbackNumber,
    kind: FeedbackKind,
    author: String,
    run_id: Option<RunId>,
}

/// Resolves feedback; says whether it was open.
pub(crate) async fn end(
    tx: &mut Tx,
    project: ProjectId,
    feedback: FeedbackId,
    resolution: Resolution,
    by: &str,
) -> Result<bool> {
    let done: Option<(AgentId, FeedbackNumber)> = query_as(
        "update public.feedback set resolved = true, resolution = $2, resolved_by = $3
         where id = $1 and not resolved returning agent_id, number",
    )
    .bind(feedback)
    .bind(resolution)
    .bind(by)
    .fetch_optional(tx.conn())
    .await?;
    if let Some((agent, number)) = done {
        let detail = format!("{number} {resolution} by {by}");
        let note = Note { agent: Some(agent), run: None, kind: "resolved", detail };
        events::record(tx, project, &[note]).await?;
    }
    Ok(done.is_some())
}

/// Resolves the open feedback of one kind of an agent; says whether there was
/// any.
pub(crate) async fn resolve_open(
    tx: &mut Tx,
    agent: AgentId,
    kind: FeedbackKind,
    resolution: Resolution,
    by: &str,
) -> Result<bool> {
    let done = query(
        "update public.feedback set resolved = true, resolution = $3, resolved_by = $4
         where agent_id = $1 and kind = $2 and not resolved",
    )
    .bind(agent)
    .bind(kind)
    .bind(resolution)
    .bind(by)
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Marks the failures of an agent as acted on that are to be tried again; says
/// whether there were any.
pub(crate) async fn apply_retries(tx: &mut Tx, agent: AgentId) -> Result<bool> {
    let done = query(
        "update public.feedback set applied_at = now()
         where agent_id = $1 and kind = 'failure' and resolved and applied_at is null
             and resolution <> 'dismissed'",
    )
    .bind(agent)
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Marks resolved feedback as acted on; returns what nobody else marked.
pub(crate) async fn apply(tx: &mut Tx, numbers: &[FeedbackNumber]) -> Result<Vec<FeedbackNumber>> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    Ok(query_scalar(
        "update public.feedback set applied_at = now()
         where number = any ($1) and resolved and applied_at is null
         returning number",
    )
    .bind(numbers)
    .fetch_all(tx.conn())
    .await?)
}
