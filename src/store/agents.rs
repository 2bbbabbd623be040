//! `public.agents`: statuses, generations, and what operators do to an agent.
//!
//! The changes that the scheduler makes come in batches, one statement per
//! kind of change, and each names the facts it was decided on.

use std::collections::HashMap;

use super::{
    Error, Project, Result, Store,
    events::{self, Note},
    feedback,
    known::Known,
    snapshot::{self, Whose},
    sql::{Tx, query, query_as, query_scalar},
};
use crate::{
    engine::Snapshot,
    model::{
        AgentId, AgentName, Epoch, FeedbackKind, Generation, Outcome, ProjectId, Resolution, Status,
    },
};

/// What the binary needs to know to name an agent in the database.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Handle {
    /// Its id.
    pub id: AgentId,
    /// Its name.
    pub name: AgentName,
    /// How often it was asked to be built.
    pub generation: Generation,
}

/// What an operator may ask of one agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Hold it until it is resumed.
    Pause,
    /// Let it go on; its failures do not count any more.
    Resume,
    /// Close its failure as to be tried again, and let it go on.
    Retry,
    /// Build it again.
    Rebuild,
}

impl Store {
    /// The facts about `project`, with the id of each agent.
    pub async fn snapshot(
        &self,
        project: &Project,
    ) -> Result<(Snapshot, HashMap<AgentName, AgentId>)> {
        self.look_again(project, &mut Known::default()).await
    }

    /// Like [`snapshot`](Self::snapshot), but of the agents only those are read
    /// that changed since the last such look.
    pub async fn look_again(
        &self,
        project: &Project,
        known: &mut Known,
    ) -> Result<(Snapshot, HashMap<AgentName, AgentId>)> {
        let reading =
            self.read(async |tx| snapshot::read(tx, project, known, Whose::Planned).await).await?;
        snapshot::assemble(project, known, reading)
    }

    /// The agent called `name`.
    ///
    /// # Errors
    ///
    /// [`Error::NoAgent`] when there is none, or none any more.
    pub async fn agent(&self, project: ProjectId, name: &AgentName) -> Result<Handle> {
        self.read(async |tx| find(tx, project, name).await).await
    }

    /// Whether there was an agent of this name that left the plan.
    pub async fn is_retired(&self, project: ProjectId, name: &AgentName) -> Result<bool> {
        self.read(async |tx| {
            Ok(query_scalar(
                "select exists (
                     select from public.agents
                     where project_id = $1 and name = $2 and retired_at is not null
                 )",
            )
            .bind(project)
            .bind(name)
            .fetch_one(tx.conn())
            .await?)
        })
        .await
    }

    /// Does what an operator asked; says whether that changed anything.
    pub async fn operate(
        &self,
        project: ProjectId,
        name: &AgentName,
        what: Operator,
        by: &str,
    ) -> Result<bool> {
        self.tx(async |tx| operate(tx, project, name, what, by).await).await
    }
}

/// Does what an operator asked; says whether that changed anything.
pub(crate) async fn operate(
    tx: &mut Tx,
    project: ProjectId,
    name: &AgentName,
    what: Operator,
    by: &str,
) -> Result<bool> {
    let agent = find(tx, project, name).await?;
    let mut changed = match what {
        Operator::Rebuild => !rebuild(tx, &[(agent.id, agent.generation)]).await?.is_empty(),
        Operator::Pause => {
            // Whoever is to try it again lets it go on: not later than this.
            if feedback::apply_retries(tx, agent.id).await? {
                resume(tx, agent.id).await?;
            }
            pause(tx, agent.id).await?
        }
        Operator::Resume | Operator::Retry => resume(tx, agent.id).await?,
    };
    if what == Operator::Retry {
        changed |=
            feedback::resolve_open(tx, agent.id, FeedbackKind::Failure, Resolution::Completed, by)
                .await?;
    }
    if changed {
        let (kind, detail) = match what {
            Operator::Pause => ("paused", format!("by {by}")),
            Operator::Resume => ("resumed", format!("by {by}")),
            Operator::Retry => ("retry", format!("asked by {by}")),
            Operator::Rebuild => ("rebuild", format!("asked by {by}")),
        };
        let note = Note { agent: Some(agent.id), run: None, kind, detail };
        events::record(tx, project, &[note]).await?;
    }
    Ok(changed)
}

pub(crate) async fn find(tx: &mut Tx, project: ProjectId, name: &AgentName) -> Result<Handle> {
    let row: Option<Handle> = query_as(
        "select id, name, generation from public.agents
         where project_id = $1 and name = $2 and retired_at is null",
    )
    .bind(project)
    .bind(name)
    .fetch_optional(tx.conn())
    .await?;
    row.ok_or_else(|| Error::NoAgent(name.clone()))
}

/// A change of status, provided the agent still stands where it did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    pub(crate) agent: AgentId,
    pub(crate) from: Status,
    pub(crate) to: Status,
}

/// Moves agents, each provided it still stands at `from`; returns those moved.
///
/// The `where` clause is the optimistic lock: a decision made from an old
/// snapshot can be late, but it can never undo a newer one. Building is what a
/// live run makes it: an agent may have been claimed again in between, and then
/// stands at the same status for another reason.
pub(crate) async fn advance(tx: &mut Tx, moves: &[Move]) -> Result<Vec<AgentId>> {
    debug_assert!(moves.iter().all(|step| step.from.may_become(step.to)), "{moves:?}");
    if moves.is_empty() {
        return Ok(Vec::new());
    }
    Ok(query_scalar(
        "update public.agents a set status = step.next, status_since = now()
         from unnest($1::uuid[], $2::text[], $3::text[]) as step (id, last, next)
         where a.id = step.id and a.status = step.last
             and (step.next = 'building') = exists (
                 select from public.runs r where r.agent_id = a.id and r.finished_at is null
             )
         returning a.id",
    )
    .bind(moves.iter().map(|step| step.agent).collect::<Vec<_>>())
    .bind(moves.iter().map(|step| step.from).collect::<Vec<_>>())
    .bind(moves.iter().map(|step| step.to).collect::<Vec<_>>())
    .fetch_all(tx.conn())
    .await?)
}

/// Asks for finished agents to be built again, each provided it is still at
/// its generation; reviews of what is overtaken are closed. Returns those asked.
pub(crate) async fn rebuild(tx: &mut Tx, agents: &[(AgentId, Generation)]) -> Result<Vec<AgentId>> {
    if agents.is_empty() {
        return Ok(Vec::new());
    }
    let done: Vec<AgentId> = query_scalar(
        "update public.agents a set generation = a.generation + 1, attempts_since = a.epoch
         from unnest($1::uuid[], $2::int[]) as again (id, generation)
         where a.id = again.id and a.generation = again.generation
             and a.built_generation = a.generation
         returning a.id",
    )
    .bind(agents.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind(agents.iter().map(|(_, generation)| *generation).collect::<Vec<_>>())
    .fetch_all(tx.conn())
    .await?;
    query(
        "update public.feedback f
         set resolved = true, resolution = 'superseded', resolved_by = 'wavemark',
             applied_at = now()
         from public.agents a
         where a.id = f.agent_id and a.id = any ($1)
             and f.kind = 'review' and not f.resolved and f.generation < a.generation",
    )
    .bind(&done)
    .execute(tx.conn())
    .await?;
    Ok(done)
}

/// Holds an agent; says whether it was not held before.
pub(crate) async fn pause(tx: &mut Tx, agent: AgentId) -> Result<bool> {
    let done =
        query("update public.agents set paused_at = now() where id = $1 and paused_at is null")
            .bind(agent)
            .execute(tx.conn())
            .await?;
    Ok(done.rows_affected() > 0)
}

/// Lets an agent go on and forgets its failures, but not one that a live run of
/// it is yet to make; says whether that changed anything.
async fn resume(tx: &mut Tx, agent: AgentId) -> Result<bool> {
    let done = query(
        "update public.agents a
         set paused_at = null, attempts_since = greatest(a.attempts_since, ended.epoch)
         from (
             select a.id, a.epoch - count(r.id) as epoch
             from public.agents a
             left join public.runs r on r.agent_id = a.id and r.finished_at is null
             where a.id = $1 group by a.id
         ) ended
         where a.id = ended.id and (a.paused_at is not null or (
             a.attempts_since < ended.epoch
             and a.built_generation is distinct from a.generation
         ))",
    )
    .bind(agent)
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Forgets an agent's failures up to the claim `since`, but not one that a live
/// run of it is yet to make, and lets it go on.
pub(crate) async fn forgive(tx: &mut Tx, agent: AgentId, since: Epoch) -> Result<()> {
    query(
        "update public.agents a
         set paused_at = null, attempts_since = greatest(a.attempts_since, $2 - (
             select count(*) from public.runs r
             where r.agent_id = a.id and r.epoch = $2 and r.finished_at is null
         ))
         where a.id = $1 and a.epoch >= $2",
    )
    .bind(agent)
    .bind(since)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Finishes manual agents whose people handed everything in, each provided it
/// is still at its generation; returns those finished.
pub(crate) async fn hand_in(tx: &mut Tx, agents: &[(AgentId, Generation)]) -> Result<Vec<AgentId>> {
    if agents.is_empty() {
        return Ok(Vec::new());
    }
    Ok(query_scalar(
        "update public.agents a
         set built_generation = a.generation, built_work_sha256 = a.work_sha256,
             built_at = now(),
             built_outputs = coalesce((
                 select max(t.seq) from public.artifacts t where t.agent_id = a.id
             ), 0),
             built_inputs = coalesce((
                 select max(need.built_outputs) from public.agents need
                 where need.id = any (a.dependencies)
             ), 0)
         from unnest($1::uuid[], $2::int[]) as done (id, generation)
         where a.id = done.id and a.generation = done.generation
             and a.built_generation is distinct from a.generation
         returning a.id",
    )
    .bind(agents.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind(agents.iter().map(|(_, generation)| *generation).collect::<Vec<_>>())
    .fetch_all(tx.conn())
    .await?)
}

/// What a person needs to know when asked about an agent.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Background {
    pub(crate) id: AgentId,
    pub(crate) epoch: Epoch,
    pub(crate) generation: Generation,
    /// Whether it finished that generation.
    pub(crate) is_built: bool,
    pub(crate) title: Option<String>,
    /// The prompt of its definition.
    pub(crate) prompt: Option<String>,
    /// What it says it did.
    pub(crate) summary: Option<String>,
    /// How its last run ended, and why.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) detail: Option<String>,
    pub(crate) log_tail: Option<String>,
}

/// What people need to know about these agents when they are asked something;
/// it stays so until the transaction ends.
pub(crate) async fn background(tx: &mut Tx, agents: &[AgentId]) -> Result<Vec<Background>> {
    if agents.is_empty() {
        return Ok(Vec::new());
    }
    Ok(query_as(
        "select a.id, a.epoch, a.generation,
             a.built_generation is not distinct from a.generation as is_built,
             a.title, d.body ->> 'prompt' as prompt, a.output_summary as summary,
             last.outcome, last.detail, last.log_tail
         from public.agents a
         left join wavemark.definitions d on d.sha256 = a.definition_sha256
         left join lateral (
             select r.outcome, r.detail, r.log_tail from public.runs r
             where r.agent_id = a.id order by r.epoch desc limit 1
         ) last on true
         where a.id = any ($1)
         order by a.id
         for no key update of a",
    )
    .bind(agents)
    .fetch_all(tx.conn())
    .await?)
}
