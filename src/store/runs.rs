//! `public.runs`: claiming, keeping and ending.
//!
//! **Invariants:** at most one run of an agent is live; every write of a run
//! carries its id and its token and is refused when another run took over;
//! live runs never exceed the cap of their pool, because they are counted
//! under the lock of the pool's row. Lock order everywhere: pool, run, agent.

use std::time::Duration;

use sqlx::types::Json;

use super::{
    Project, Result, Store,
    sql::{Tx, query, query_as, query_scalar},
};
use crate::model::{
    AgentId, AgentName, ArtifactKey, Definition, Digest, Epoch, Generation, Instant, Outcome,
    PoolName, ProjectId, RunId, RunToken, Status, StopReason, WaveName,
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
}

/// A sign of life of a run.
#[derive(Clone, Debug)]
pub struct Beat {
    /// Which run.
    pub run: RunId,
    /// Its secret.
    pub token: Digest,
    /// How long ago the agent itself gave a sign of life.
    pub idle: Duration,
    /// Its last line of output.
    pub progress: String,
}

/// The answer to a [`Beat`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Pulse {
    /// Which run.
    pub run: RunId,
    /// Whether it is the agent's newest, and so may go on.
    pub live: bool,
    /// Why it is to stop, if it is.
    pub stop: Option<StopReason>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Which run.
    pub run: RunId,
    /// Its secret.
    pub token: Digest,
    /// How.
    pub outcome: Outcome,
    /// Why, in words.
    pub detail: String,
    /// What its program returned.
    pub exit_code: Option<i32>,
    /// The end of its output.
    pub log_tail: String,
    /// What it says it did.
    pub summary: Option<String>,
}

impl Store {
    /// Prolongs the leases of runs; returns what each is to do.
    ///
    /// A run whose lease had run out gets it back if nobody took over and its
    /// pool still has room. No lease outlives the deadline by more than it takes
    /// to stop a program.
    pub async fn heartbeat(&self, project: &Project, beats: &[Beat]) -> Result<Vec<Pulse>> {
        let lease = project.settings.lease;
        self.tx(async |tx| {
            revive(tx, project.id, lease, beats).await?;
            Ok(query_as(
                "with beat as (
                     select * from unnest($1::uuid[], $2::text[], $3::float8[], $4::text[])
                         as beat (run, token, idle, progress)
                 ), kept as (
                     update public.runs r
                     set lease_until = least(
                             now() + make_interval(secs => $5),
                             r.deadline_at + interval '2 minutes'
                         ),
                         progress_at = greatest(
                             r.progress_at, now() - make_interval(secs => beat.idle)
                         ),
                         progress = nullif(beat.progress, '')
                     from beat
                     where r.id = beat.run and r.token_sha256 = beat.token
                         and r.finished_at is null
                     returning r.id, r.stop
                 )
                 select beat.run, kept.id is not null as live, kept.stop
                 from beat left join kept on kept.id = beat.run",
            )
            .bind(beats.iter().map(|beat| beat.run).collect::<Vec<_>>())
            .bind(beats.iter().map(|beat| beat.token).collect::<Vec<_>>())
            .bind(beats.iter().map(|beat| beat.idle.as_secs_f64()).collect::<Vec<_>>())
            .bind(beats.iter().map(|beat| beat.progress.as_str()).collect::<Vec<_>>())
            .bind(lease.as_secs_f64())
            .fetch_all(tx.conn())
            .await?)
        })
        .await
    }

    /// Ends runs, each provided nobody took over; returns those that counted.
    ///
    /// A run that was declared lost and finishes after all still counts, as
    /// long as its agent was not claimed again.
    pub async fn finish(&self, project: ProjectId, endings: &[Ending]) -> Result<Vec<RunId>> {
        self.tx(async |tx| finish(tx, project, endings).await).await
    }

    /// What the agent of each run has stored in the generation that the run
    /// builds.
    pub async fn stored_outputs(&self, runs: &[RunId]) -> Result<Vec<(RunId, ArtifactKey)>> {
        let rows: Vec<(RunId, String)> = self
            .read(async |tx| {
                Ok(query_as(
                    "select distinct r.id, t.artifact_type || '/' || t.name
                     from public.runs r join public.artifacts t
                         on t.agent_id = r.agent_id and t.generation = r.generation
                     where r.id = any ($1)",
                )
                .bind(runs)
                .fetch_all(tx.conn())
                .await?)
            })
            .await?;
        rows.into_iter()
            .map(|(run, key)| {
                let key = key.parse().map_err(|err| super::Error::BadRow(Box::new(err)))?;
                Ok((run, key))
            })
            .collect()
    }

    /// The end of the output of the newest run of an agent, as the database
    /// has it, with that run.
    pub async fn log_tail(&self, agent: AgentId) -> Result<Option<(RunId, Option<String>)>> {
        self.read(async |tx| {
            Ok(query_as(
                "select id, log_tail from public.runs where agent_id = $1
                 order by epoch desc limit 1",
            )
            .bind(agent)
            .fetch_optional(tx.conn())
            .await?)
        })
        .await
    }
}

/// Proof that the pools to be claimed from are locked.
#[derive(Debug)]
pub(crate) struct PoolsLocked(());

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
    Ok(query_as(
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
             returning a.id, a.name, a.wave_id, a.epoch, a.generation, a.attempts_since, a.pool,
                 a.definition_sha256, a.work_sha256, a.timeout_seconds, a.dependencies,
                 ranked.run, ranked.token
         ), began as (
             insert into public.runs (
                 id, project_id, agent_id, epoch, generation, attempt, pool, host,
                 definition_sha256, work_sha256, token_sha256, inputs, lease_until, deadline_at
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
                 pool, $9, definition_sha256, work_sha256, token,
                 coalesce((
                     select max(need.built_outputs) from public.agents need
                     where need.id = any (taken.dependencies)
                 ), 0),
                 now() + make_interval(secs => $10),
                 now() + make_interval(secs => timeout_seconds)
             from taken
             returning id, agent_id, attempt, claimed_at, deadline_at
         )
         select began.id, began.agent_id, taken.name as agent,
             coalesce(w.name, 'unplanned') as wave, taken.epoch, taken.generation,
             began.attempt, began.claimed_at, began.deadline_at, taken.dependencies,
             d.body as definition,
             (
                 select r.id from public.runs r
                 where r.agent_id = taken.id and r.outcome = 'lost'
                 order by r.epoch desc limit 1
             ) as lost_before,
             exists (
                 select from public.artifacts t
                 where t.agent_id = taken.id or t.agent_id = any (taken.dependencies)
             ) as gets_artifacts,
             exists (select from public.feedback f where f.agent_id = taken.id) as gets_threads
         from began join taken on taken.run = began.id
         left join public.waves w on w.id = taken.wave_id
         left join wavemark.definitions d on d.sha256 = taken.definition_sha256",
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
    .fetch_all(tx.conn())
    .await?)
}

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

/// Gives runs that were declared lost their lease back, where nobody took over
/// and the pool has room.
async fn revive(tx: &mut Tx, project: ProjectId, lease: Duration, beats: &[Beat]) -> Result<()> {
    let lost: Vec<RunId> = query_scalar(
        "select r.id from public.runs r join public.agents a on a.id = r.agent_id
         where r.id = any ($1) and r.outcome = 'lost' and a.epoch = r.epoch",
    )
    .bind(beats.iter().map(|beat| beat.run).collect::<Vec<_>>())
    .fetch_all(tx.conn())
    .await?;
    if lost.is_empty() {
        return Ok(());
    }
    query("select from wavemark.pools where project_id = $1 order by name for update")
        .bind(project)
        .execute(tx.conn())
        .await?;
    for run in lost {
        query(
            "update public.runs r
             set finished_at = null, outcome = null, detail = null,
                 lease_until = now() + make_interval(secs => $2)
             from public.agents a, wavemark.pools p
             where r.id = $1 and r.outcome = 'lost'
                 and r.deadline_at + interval '2 minutes' > now() and a.id = r.agent_id and a.epoch = r.epoch
                 and p.project_id = r.project_id and p.name = r.pool
                 and p.cap > (
                     select count(*) from public.runs live
                     where live.project_id = r.project_id and live.pool = r.pool
                         and live.finished_at is null
                 )",
        )
        .bind(run)
        .bind(lease.as_secs_f64())
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

async fn finish(tx: &mut Tx, project: ProjectId, endings: &[Ending]) -> Result<Vec<RunId>> {
    if endings.is_empty() {
        return Ok(Vec::new());
    }
    let mut counted: Vec<RunId> = query_scalar(
        "with ending as (
             select * from unnest(
                 $1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[], $6::text[], $7::text[]
             ) as ending (run, token, outcome, detail, exit_code, log_tail, summary)
         ), ended as (
             update public.runs r
             set finished_at = now(), lease_until = null, outcome = ending.outcome,
                 detail = nullif(ending.detail, ''), exit_code = ending.exit_code,
                 log_tail = nullif(ending.log_tail, ''), progress = null
             from ending, public.agents a
             where r.id = ending.run and r.token_sha256 = ending.token
                 and a.id = r.agent_id and a.epoch = r.epoch
                 and (r.finished_at is null or (r.outcome = 'lost' and not exists (
                     -- It cannot know what people said after it was given up.
                     select from public.feedback f
                     where f.agent_id = r.agent_id and f.applied_at > r.finished_at
                         and f.kind in ('comment', 'question') and f.resolution = 'completed'
                 )))
             returning r.id, r.agent_id, r.generation, r.work_sha256, r.inputs,
                 ending.*
         ), built as (
             update public.agents a
             set built_generation = ended.generation, built_work_sha256 = ended.work_sha256,
                 built_at = now(), built_inputs = ended.inputs,
                 built_outputs = coalesce((
                     select max(t.seq) from public.artifacts t where t.agent_id = a.id
                 ), 0),
                 output_summary = coalesce(ended.summary, a.output_summary)
             from ended
             where a.id = ended.agent_id and ended.outcome = 'succeeded'
                 and a.generation >= ended.generation
         ), noted as (
             insert into public.events (project_id, agent_id, run_id, kind, detail)
             select $8, agent_id, id, outcome, detail from ended
         )
         select id from ended",
    )
    .bind(endings.iter().map(|ending| ending.run).collect::<Vec<_>>())
    .bind(endings.iter().map(|ending| ending.token).collect::<Vec<_>>())
    .bind(endings.iter().map(|ending| ending.outcome).collect::<Vec<_>>())
    .bind(endings.iter().map(|ending| clean(&ending.detail)).collect::<Vec<_>>())
    .bind(endings.iter().map(|ending| ending.exit_code).collect::<Vec<_>>())
    .bind(endings.iter().map(|ending| clean(&ending.log_tail)).collect::<Vec<_>>())
    .bind(endings.iter().map(|ending| ending.summary.as_deref().map(clean)).collect::<Vec<_>>())
    .bind(project)
    .fetch_all(tx.conn())
    .await?;
    if counted.len() < endings.len() {
        counted.extend(already_finished(tx, endings).await?);
    }
    Ok(counted)
}

/// Those that ended so before: when the connection was lost at the commit, all
/// of it is done a second time.
async fn already_finished(tx: &mut Tx, endings: &[Ending]) -> Result<Vec<RunId>> {
    Ok(query_scalar(
        "select r.id
         from unnest($1::uuid[], $2::text[], $3::text[]) as ending (run, token, outcome)
         join public.runs r on r.id = ending.run and r.token_sha256 = ending.token
         where r.outcome = ending.outcome and r.finished_at < now()",
    )
    .bind(endings.iter().map(|ending| ending.run).collect::<Vec<_>>())
    .bind(endings.iter().map(|ending| ending.token).collect::<Vec<_>>())
    .bind(endings.iter().map(|ending| ending.outcome).collect::<Vec<_>>())
    .fetch_all(tx.conn())
    .await?)
}

/// Text that Postgres can hold.
fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Declares runs lost whose lease ran out; returns their agents.
pub(crate) async fn expire(tx: &mut Tx, runs: &[RunId]) -> Result<Vec<(RunId, AgentId)>> {
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    Ok(query_as(
        "update public.runs
         set finished_at = now(), outcome = 'lost', lease_until = null,
             detail = 'nothing was heard from ' || case host when '' then 'its machine' else host end
         where id = any ($1) and finished_at is null and lease_until < now()
         returning id, agent_id",
    )
    .bind(runs)
    .fetch_all(tx.conn())
    .await?)
}

/// Asks runs to stop, unless they were asked before; returns their agents.
pub(crate) async fn ask_to_stop(
    tx: &mut Tx,
    runs: &[(RunId, StopReason)],
) -> Result<Vec<(RunId, AgentId)>> {
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    Ok(query_as(
        "update public.runs r set stop = ask.reason
         from unnest($1::uuid[], $2::text[]) as ask (run, reason)
         where r.id = ask.run and r.finished_at is null and r.stop is null
         returning r.id, r.agent_id",
    )
    .bind(runs.iter().map(|(run, _)| *run).collect::<Vec<_>>())
    .bind(runs.iter().map(|(_, reason)| *reason).collect::<Vec<_>>())
    .fetch_all(tx.conn())
    .await?)
}
