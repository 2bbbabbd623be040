//! Claiming: from a wish to a run that began.

use sqlx::types::Json;

use crate::{
    model::{
        AgentId, AgentName, Definition, Epoch, Generation, Instant, PoolName, ProjectId, RunId,
        RunToken, Runner, Status, Usd, WaveName,
    },
    store::{
        Project, Result,
        sql::{Tx, query, query_as},
    },
};

/// A wish to start an agent, with the facts it was decided on.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Which agent.
    pub agent: AgentId,
    /// Where it stood.
    pub from: Status,
    /// Its last claim.
    pub epoch: Epoch,
    /// What is to be built.
    pub generation: Generation,
    /// The pool that must have room.
    pub pool: PoolName,
    /// The id that the run will have.
    pub run: RunId,
    /// The secret of the run.
    pub token: RunToken,
}

/// A run that began.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Claimed {
    /// The run.
    pub id: RunId,
    /// Of which agent.
    pub agent_id: AgentId,
    /// The agent's name.
    pub agent: AgentName,
    /// The agent's wave.
    pub wave: WaveName,
    /// Its fencing token.
    pub epoch: Epoch,
    /// What it is to build.
    pub generation: Generation,
    /// The how-manieth try it is in this generation; a run that was paused or
    /// interrupted was none.
    pub attempt: i32,
    /// When it began.
    pub claimed_at: Instant,
    /// When it must have ended.
    pub deadline_at: Instant,
    /// The agents whose artifacts it gets.
    pub dependencies: Vec<AgentId>,
    /// What the agent does, pinned for this run; absent for an agent that was
    /// inserted by hand.
    pub definition: Option<Json<Definition>>,
    /// Whether an earlier run of it was lost, so that something of it may
    /// still be alive on this machine.
    pub lost_before: Option<RunId>,
    /// Whether it or what it needs made anything yet.
    pub gets_artifacts: bool,
    /// Whether anything was ever said about it.
    pub gets_threads: bool,
    /// What its earlier runs cost since it was last asked to be built or tried again.
    pub spent: Usd,
}

impl Claimed {
    /// Whether it may go on with the conversation of an earlier run.
    pub fn resumes(&self) -> bool {
        let run = self.definition.as_ref().map(|definition| &definition.0.run);
        run.is_some_and(Runner::resumes)
    }
}

/// Proof that the pools to be claimed from are locked.
#[derive(Debug)]
pub(crate) struct PoolsLocked(());

/// Locks the pools that are claimed from: before anything else, because that is
/// the order in which everybody locks.
pub(crate) async fn lock_pools(
    tx: &mut Tx,
    project: ProjectId,
    claims: &[Claim],
) -> Result<PoolsLocked> {
    if !claims.is_empty() {
        query(
            "select from wavemark.pools where project_id = $1 and name = any ($2)
             order by name for update",
        )
        .bind(project)
        .bind(claims.iter().map(|claim| claim.pool.as_str()).collect::<Vec<_>>())
        .execute(tx.conn())
        .await?;
    }
    Ok(PoolsLocked(()))
}

/// Claims agents, best first, as far as nothing changed since it was decided
/// and their pools have room. Returns the runs that began.
///
/// The room is counted in a statement after the one that locked the pools: only
/// then does it see what the last holder of the lock committed.
pub(crate) async fn claim(
    tx: &mut Tx,
    _: &PoolsLocked,
    project: &Project,
    host: &str,
    claims: &[Claim],
) -> Result<Vec<Claimed>> {
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    query(
        "with wish as (
             select * from unnest(
                 $1::uuid[], $2::text[], $3::int[], $4::int[], $5::text[], $6::uuid[], $7::text[]
             ) with ordinality as wish (agent, last, epoch, generation, pool, run, token, rank)
         ), locked as (
             select a.id, a.pool, wish.run, wish.token, wish.rank
             from wish join public.agents a on a.id = wish.agent
             where a.status = wish.last and a.epoch = wish.epoch
                 and a.generation = wish.generation and a.pool = wish.pool
                 and a.built_generation is distinct from a.generation
                 and a.paused_at is null and a.retired_at is null
                 and not exists (
                     select from public.feedback f
                     where f.agent_id = a.id and f.applied_at is null and not f.resolved
                         and (f.blocking or f.kind in ('review', 'failure'))
                         and (f.kind <> 'review' or f.generation = a.generation)
                 )
                 and not exists (
                     select from public.agents need
                     where need.id = any (a.dependencies)
                         and need.built_generation is distinct from need.generation
                 )
                 and not exists (
                     select from public.runs r
                     where r.agent_id = a.id and r.finished_at is null
                 )
             order by wish.rank
             for no key update of a skip locked
         ), ranked as (
             select *, row_number() over (partition by pool order by rank) as place from locked
         ), room as (
             select name as pool, cap - (
                 select count(*) from public.runs r
                 where r.project_id = p.project_id and r.pool = p.name and r.finished_at is null
             ) as free
             from wavemark.pools p where p.project_id = $8
         ), taken as (
             update public.agents a
             set status = 'building', epoch = a.epoch + 1, status_since = now()
             from ranked join room on room.pool = ranked.pool and ranked.place <= room.free
             where a.id = ranked.id
             returning a.id, a.epoch, a.generation, a.attempts_since, a.pool,
                 a.definition_sha256, a.work_sha256, a.timeout_seconds, a.dependencies,
                 -- Nobody's process is the supervisor of what goes on elsewhere.
                 a.runner in ('n8n', 'webhook') as remote,
                 case when a.runner in ('n8n', 'webhook') then a.runner else $9 end as host,
                 ranked.run, ranked.token
         ), began as (
             insert into public.runs (
                 id, project_id, agent_id, epoch, generation, attempt, pool, host,
                 definition_sha256, work_sha256, token_sha256, inputs, lease_until, deadline_at,
                 remote
             )
             select run, $8, id, epoch, generation,
                 1 + (
                     select count(*) from public.runs r
                     where r.agent_id = taken.id and r.epoch > taken.attempts_since
                         and r.generation = taken.generation
                         and r.outcome in (
                             'failed', 'refused', 'timed_out', 'stalled', 'deferred', 'lost'
                         )
                 ),
                 pool, host, definition_sha256, work_sha256, token,
                 coalesce((
                     select max(need.built_outputs) from public.agents need
                     where need.id = any (taken.dependencies)
                 ), 0),
                 now() + make_interval(secs => $10),
                 now() + make_interval(secs => timeout_seconds),
                 remote
             from taken
             returning id, agent_id, attempt, host
         )
         insert into public.events (project_id, agent_id, run_id, kind, detail)
         select $8, agent_id, id, 'started', 'attempt ' || attempt || ' on ' || host from began",
    )
    .bind(claims.iter().map(|claim| claim.agent).collect::<Vec<_>>())
    .bind(claims.iter().map(|claim| claim.from).collect::<Vec<_>>())
    .bind(claims.iter().map(|claim| claim.epoch).collect::<Vec<_>>())
    .bind(claims.iter().map(|claim| claim.generation).collect::<Vec<_>>())
    .bind(claims.iter().map(|claim| claim.pool.as_str()).collect::<Vec<_>>())
    .bind(claims.iter().map(|claim| claim.run).collect::<Vec<_>>())
    .bind(claims.iter().map(|claim| claim.token.digest()).collect::<Vec<_>>())
    .bind(project.id)
    .bind(host)
    .bind(project.settings.lease.as_secs_f64())
    .execute(tx.conn())
    .await?;
    begun(tx, claims).await
}

/// The runs of these claims: also those that began in an earlier try of the
/// transaction, the answer to whose commit was lost.
async fn begun(tx: &mut Tx, claims: &[Claim]) -> Result<Vec<Claimed>> {
    Ok(query_as(
        "select r.id, r.agent_id, a.name as agent, coalesce(w.name, 'unplanned') as wave,
             r.epoch, r.generation, r.attempt, r.claimed_at, r.deadline_at, a.dependencies,
             d.body as definition,
             (
                 select before.id from public.runs before
                 where before.agent_id = a.id and before.outcome = 'lost'
                 order by before.epoch desc limit 1
             ) as lost_before,
             exists (
                 select from public.artifacts t
                 where t.agent_id = a.id or t.agent_id = any (a.dependencies)
             ) as gets_artifacts,
             exists (select from public.feedback f where f.agent_id = a.id) as gets_threads,
             (
                 select least(coalesce(sum(
                     -- Whoever may write rows may write anything there.
                     case jsonb_typeof(cost.usage #> '{cost,usd_micros}') when 'number' then
                         greatest((cost.usage #>> '{cost,usd_micros}')::numeric, 0)
                     end
                 ), 0), $2)::bigint
                 from public.runs cost
                 where cost.agent_id = a.id and cost.epoch > a.attempts_since
                     and cost.generation = a.generation
             ) as spent
         from public.runs r join public.agents a on a.id = r.agent_id
         left join public.waves w on w.id = a.wave_id
         left join wavemark.definitions d on d.sha256 = r.definition_sha256
         where r.id = any ($1) and r.finished_at is null
         order by array_position($1, r.id)",
    )
    .bind(claims.iter().map(|claim| claim.run).collect::<Vec<_>>())
    .bind(Usd::MOST)
    .fetch_all(tx.conn())
    .await?)
}
