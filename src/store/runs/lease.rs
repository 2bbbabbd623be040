//! Leases: a run lives as long as its supervisor is heard of.

use std::time::Duration;

use sqlx::types::Json;

use crate::{
    model::{AgentId, Digest, ProjectId, RunId, StopReason, Usage},
    store::{
        Project, Result, Store,
        sql::{Tx, query, query_as, query_scalar},
    },
};

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
    /// What it used of a language model so far, if it is known to use one.
    pub usage: Option<Usage>,
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

impl Store {
    /// Prolongs the leases of runs; returns what each is to do.
    ///
    /// A run whose lease had run out gets it back if nobody took over, its pool
    /// still has room, and people said nothing that was acted on meanwhile: it
    /// cannot know of that, and nobody else would be told. No lease outlives the deadline by more than it takes
    /// to stop a program.
    pub async fn heartbeat(&self, project: &Project, beats: &[Beat]) -> Result<Vec<Pulse>> {
        let lease = project.settings.lease;
        self.tx(async |tx| {
            revive(tx, project.id, lease, beats).await?;
            Ok(query_as(
                "with beat as (
                     select * from unnest(
                         $1::uuid[], $2::text[], $3::float8[], $4::text[], $6::jsonb[]
                     ) as beat (run, token, idle, progress, usage)
                 ), kept as (
                     update public.runs r
                     set lease_until = least(
                             now() + make_interval(secs => $5),
                             r.deadline_at + interval '2 minutes'
                         ),
                         progress_at = greatest(
                             r.progress_at, now() - make_interval(secs => beat.idle)
                         ),
                         progress = nullif(beat.progress, ''),
                         usage = coalesce(beat.usage, r.usage)
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
            .bind(beats.iter().map(|beat| beat.usage.map(Json)).collect::<Vec<_>>())
            .fetch_all(tx.conn())
            .await?)
        })
        .await
    }
}

/// Gives runs that were declared lost their lease back, where nobody took over,
/// the pool has room and nothing was said that they cannot know.
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
                 )
                 and not wavemark.missed_news(r)",
        )
        .bind(run)
        .bind(lease.as_secs_f64())
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// Declares runs lost whose lease ran out; returns their agents. One that said how
/// it ended is to be judged by that, however late.
pub(crate) async fn expire(tx: &mut Tx, runs: &[RunId]) -> Result<Vec<(RunId, AgentId)>> {
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    Ok(query_as(
        "update public.runs
         set finished_at = now(), outcome = 'lost', lease_until = null,
             detail = 'nothing was heard from ' || case host when '' then 'its machine' else host end
         where id = any ($1) and finished_at is null and lease_until < now()
             and not (remote and reported is not null)
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
