//! Reads the facts that a decision is made from: always the same few
//! statements, however large the plan is.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;
use sqlx::types::Json;

use super::{
    Error, Project, Result,
    known::{AgentRow, Known, Version},
    sql::{Tx, query_as},
};
use crate::{
    engine::{Agent, Attempts, Build, Feedback, LiveRun, Pool, Snapshot, Spending, Spent},
    model::{
        AgentId, AgentName, ArtifactKey, Definition, Epoch, FeedbackKind, FeedbackNumber,
        Generation, Instant, PoolName, Resolution, RunId, RunnerKind, StopReason, Usd, WaveId,
        WaveName,
    },
};

/// Everything but the agents, as one row.
#[derive(sqlx::FromRow)]
struct Surroundings {
    taken_at: Instant,
    /// The agents that count, and of each the transaction that wrote its row.
    agents: Vec<AgentId>,
    written_by: Vec<i64>,
    waves: Json<Vec<WaveRow>>,
    pools: Json<Vec<(PoolName, u32)>>,
    runs: Json<Vec<RunRow>>,
    failures: Json<Vec<FailureRow>>,
    feedback: Json<Vec<FeedbackRow>>,
    spending: Json<SpendingRow>,
    /// Whether any run goes on elsewhere, or said after all how it ended.
    any_elsewhere: bool,
}

#[derive(Deserialize)]
struct WaveRow {
    id: WaveId,
    name: WaveName,
    after: Vec<WaveId>,
    budget_micros: Option<Usd>,
}

#[derive(Deserialize)]
struct RunRow {
    agent_id: AgentId,
    id: RunId,
    epoch: Epoch,
    pool: PoolName,
    lease_until: Instant,
    deadline_at: Instant,
    progress_at: Instant,
    stop: Option<StopReason>,
}

#[derive(Deserialize)]
struct FailureRow {
    agent_id: AgentId,
    own: u32,
    infra: u32,
    refused: bool,
    last_ended: Instant,
}

#[derive(Deserialize)]
struct FeedbackRow {
    agent_id: AgentId,
    number: FeedbackNumber,
    kind: FeedbackKind,
    blocking: bool,
    generation: Generation,
    run_id: Option<RunId>,
    resolution: Option<Resolution>,
    applied: bool,
}

#[derive(Deserialize)]
struct SpendingRow {
    agents: Vec<(AgentId, Usd)>,
    shared: Vec<SharedRow>,
    day: Usd,
}

#[derive(Deserialize)]
struct SharedRow {
    /// None for the project.
    wave: Option<WaveName>,
    usd: Usd,
    asked: u32,
    refused_at: Option<Usd>,
}

#[derive(sqlx::FromRow)]
struct ManualRow {
    id: AgentId,
    asked: i64,
    body: Option<Json<Definition>>,
    stored: Vec<String>,
    handed_in: i64,
}

/// What was read at one moment.
pub(super) struct Reading {
    around: Surroundings,
    present: HashMap<AgentId, Version>,
    changed: Vec<AgentRow>,
    manual: Vec<ManualRow>,
}

/// Whose facts are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Of the agents in the plan, and of those that left it while they run.
    Planned,
    /// Of every agent there ever was.
    Everybodys,
}

/// Reads the facts about `project`, as far as they are not `known`.
///
/// To be called in [`Store::read`](super::Store::read): all of it must be of
/// one moment.
pub(super) async fn read(
    tx: &mut Tx,
    project: &Project,
    known: &Known,
    whose: Whose,
) -> Result<Reading> {
    let around = surroundings(tx, project, whose).await?;
    let versions = around.written_by.iter().copied().map(Version);
    let present = around.agents.iter().copied().zip(versions).collect();
    let changed = known.read_changed(tx, project, &present).await?;
    let any_manual = known.rows().chain(&changed).any(|row| row.runner == RunnerKind::Manual);
    let manual = if any_manual { manual(tx, project, whose).await? } else { Vec::new() };
    Ok(Reading { around, present, changed, manual })
}

/// Puts together what was known and what was read: the facts, and which agent
/// has which id.
pub(super) fn assemble(
    project: &Project,
    known: &mut Known,
    reading: Reading,
) -> Result<(Snapshot, HashMap<AgentName, AgentId>)> {
    let Reading { around, present, changed, manual } = reading;
    known.update(changed, &present, around.any_elsewhere);

    let waves: HashMap<WaveId, WaveRow> =
        around.waves.0.into_iter().map(|row| (row.id, row)).collect();
    let runs = around.runs.0;
    let live = |name: &PoolName| runs.iter().filter(|run| run.pool == *name).count();
    let pools = around.pools.0.into_iter().map(|(name, cap)| {
        let live = u32::try_from(live(&name)).unwrap_or(u32::MAX);
        (name, Pool { cap, live })
    });
    let pools = pools.collect();

    let names: HashMap<AgentId, &AgentName> = known.rows().map(|row| (row.id, &row.name)).collect();
    let mut ids = HashMap::with_capacity(names.len());
    let mut agents: HashMap<AgentId, Agent> = HashMap::with_capacity(names.len());
    for row in known.rows() {
        ids.insert(row.name.clone(), row.id);
        agents.insert(row.id, agent(row, &waves, &names));
    }

    for row in runs {
        if let Some(agent) = agents.get_mut(&row.agent_id) {
            agent.run = Some(LiveRun {
                id: row.id,
                epoch: row.epoch,
                lease_until: row.lease_until,
                deadline: row.deadline_at,
                progress_at: row.progress_at,
                stop: row.stop,
            });
        }
    }
    for row in around.failures.0 {
        if let Some(agent) = agents.get_mut(&row.agent_id) {
            agent.attempts = Attempts {
                own: row.own,
                infra: row.infra,
                refused: row.refused,
                last_ended: Some(row.last_ended),
            };
        }
    }
    let SpendingRow { agents: costs, shared, day } = around.spending.0;
    for (id, usd) in costs {
        if let Some(agent) = agents.get_mut(&id) {
            agent.spent = usd;
        }
    }
    let mut spending = Spending { day, ..Spending::default() };
    for SharedRow { wave, usd, asked, refused_at } in shared {
        let spent = Spent { usd, asked, refused_at };
        match wave {
            Some(wave) => drop(spending.waves.insert(wave, spent)),
            None => spending.project = spent,
        }
    }
    for row in around.feedback.0 {
        if let Some(agent) = agents.get_mut(&row.agent_id) {
            agent.feedback.push(Feedback {
                number: row.number,
                kind: row.kind,
                blocking: row.blocking,
                generation: row.generation,
                run: row.run_id,
                resolution: row.resolution,
                applied: row.applied,
            });
        }
    }
    for row in manual {
        if let Some(agent) = agents.get_mut(&row.id) {
            agent.asked = u32::try_from(row.asked).unwrap_or(u32::MAX);
            agent.handed_in = row.handed_in;
            (agent.produces, agent.missing) = outputs(row)?;
        }
    }

    let agents = agents
        .into_iter()
        .filter_map(|(id, agent)| Some(((*names.get(&id)?).clone(), agent)))
        .collect();
    let snapshot = Snapshot {
        taken_at: around.taken_at,
        settings: project.settings.clone(),
        waves: waves
            .values()
            .map(|wave| {
                let after = wave.after.iter().filter_map(|id| waves.get(id));
                (wave.name.clone(), after.map(|wave| wave.name.clone()).collect())
            })
            .collect(),
        wave_budgets: waves
            .values()
            .filter_map(|wave| Some((wave.name.clone(), wave.budget_micros?)))
            .collect(),
        pools,
        spending,
        agents,
    };
    Ok((snapshot, ids))
}

fn agent(
    row: &AgentRow,
    waves: &HashMap<WaveId, WaveRow>,
    names: &HashMap<AgentId, &AgentName>,
) -> Agent {
    let needs: BTreeSet<AgentName> =
        row.dependencies.iter().filter_map(|id| names.get(id).copied()).cloned().collect();
    let unknown = row.dependencies.iter().filter(|id| !names.contains_key(id)).count();
    let built = match (row.built_generation, row.built_outputs, row.built_inputs) {
        (Some(generation), Some(outputs), Some(inputs)) => {
            Some(Build { generation, work: row.built_work_sha256, outputs, inputs })
        }
        _ => None,
    };
    Agent {
        wave: row
            .wave_id
            .and_then(|id| waves.get(&id))
            .map_or_else(WaveName::unplanned, |wave| wave.name.clone()),
        status: row.status,
        needs,
        unknown_needs: u32::try_from(unknown).unwrap_or(u32::MAX),
        runner: row.runner,
        review: row.review,
        on_stale: row.on_stale,
        pool: row.pool.clone(),
        priority: row.priority,
        retries: u32::try_from(row.retries).unwrap_or(0),
        work: row.work_sha256,
        generation: row.generation,
        built,
        epoch: row.epoch,
        paused: row.paused,
        retired: row.retired,
        run: None,
        attempts: Attempts::default(),
        budget: row.budget_micros,
        spent: Usd::default(),
        feedback: Vec::new(),
        produces: Vec::new(),
        missing: Vec::new(),
        handed_in: 0,
        asked: 0,
    }
}

/// Reads what is few in one statement: what a distant database costs is round
/// trips.
async fn surroundings(tx: &mut Tx, project: &Project, whose: Whose) -> Result<Surroundings> {
    Ok(query_as(
        "select now() as taken_at, agents, written_by,
             (select coalesce(json_agg(t), '[]') from (
                 select id, name, after, budget_micros from public.waves
                 where project_id = $1 and retired_at is null
             ) t) as waves,
             (select coalesce(json_agg(json_build_array(name, cap)), '[]')
                 from wavemark.pools where project_id = $1) as pools,
             (select coalesce(json_agg(t), '[]') from (
                 select agent_id, id, epoch, pool, deadline_at, progress_at, stop,
                     -- One that said how it ended is to be judged, and not lost.
                     case when remote and reported is not null then greatest(lease_until, now())
                         else lease_until end as lease_until
                 from public.runs where project_id = $1 and finished_at is null
             ) t) as runs,
             (select coalesce(json_agg(t), '[]') from (
                 select r.agent_id,
                     count(*) filter (where r.outcome in ('failed', 'timed_out', 'stalled')) as own,
                     count(*) filter (where r.outcome in ('lost', 'deferred')) as infra,
                     bool_or(r.outcome = 'refused') as refused,
                     max(r.finished_at) as last_ended
                 from public.runs r join public.agents a on a.id = r.agent_id
                 where a.project_id = $1 and ($2 or a.retired_at is null)
                     and r.outcome in (
                         'failed', 'refused', 'timed_out', 'stalled', 'deferred', 'lost'
                     )
                     and r.epoch > a.attempts_since and r.generation = a.generation
                 group by r.agent_id
             ) t) as failures,
             (select coalesce(json_agg(t), '[]') from (
                 select agent_id, number, kind, blocking, generation, run_id, resolution,
                     applied_at is not null as applied
                 from public.feedback where project_id = $1 and applied_at is null
                 union all
                 select f.agent_id, f.number, f.kind, f.blocking, f.generation, f.run_id,
                     f.resolution, true
                 from public.feedback f join public.agents a on a.id = f.agent_id
                 where f.kind = 'review' and f.applied_at is not null
                     and a.project_id = $1 and f.generation = a.generation
                 order by 2
             ) t) as feedback,
             (with cost as (
                 select r.agent_id, w.name as wave,
                     -- Whoever may write rows may write anything there.
                     case jsonb_typeof(r.usage #> '{cost,usd_micros}') when 'number' then
                         least(greatest((r.usage #>> '{cost,usd_micros}')::numeric, 0), $3)::bigint
                     end as usd,
                     coalesce(r.finished_at, now()) as at,
                     r.epoch > a.attempts_since and r.generation = a.generation as counts
                 from public.runs r join public.agents a on a.id = r.agent_id
                 left join public.waves w on w.id = a.wave_id
                 where r.project_id = $1 and r.usage ? 'cost'
             ), ask as (
                 select nullif(split_part(request, ':', 2), 'project') as scope,
                     split_part(request, ':', 3)::bigint as usd, number, resolution, resolved_at
                 from public.feedback where project_id = $1 and request like 'budget:%'
             ), answer as (
                 select scope, count(*) as asked,
                     max(resolved_at) filter (where resolution = 'completed') as allowed_at,
                     (array_agg(case when resolution is distinct from 'completed' then usd end
                         order by number desc))[1] as refused_at
                 from ask group by scope
             ), shared as (
                 select null as wave, usd, at from cost
                 union all select wave, usd, at from cost where wave is not null
             )
             select json_build_object(
                 'agents', (select coalesce(json_agg(json_build_array(agent_id, usd)), '[]') from (
                     select agent_id, least(sum(usd), $3) as usd from cost
                     where counts and usd is not null group by agent_id
                 ) t),
                 'shared', (select coalesce(json_agg(t), '[]') from (
                     select shared.wave, coalesce(answer.asked, 0) as asked, answer.refused_at,
                         least(coalesce(sum(shared.usd) filter (
                             where answer.allowed_at is null or shared.at > answer.allowed_at
                         ), 0), $3) as usd
                     from shared left join answer
                         on answer.scope is not distinct from 'wave/' || shared.wave
                     group by shared.wave, answer.asked, answer.refused_at
                 ) t),
                 'day', (
                     select least(coalesce(sum(usd), 0), $3) from cost
                     where at > now() - interval '24 hours'
                 )
             )) as spending,
             exists (
                 select from public.runs r
                 join public.agents a on a.id = r.agent_id and a.epoch = r.epoch
                 where r.project_id = $1 and r.remote
                     and (r.finished_at is null or r.outcome = 'lost')
                     -- Given up, and heard of after all.
                     and (r.finished_at is null or r.reported_at > r.finished_at)
                     and (r.finished_at is null or not wavemark.missed_news(r))
             ) as any_elsewhere
         from (
             -- Those that left the plan while they run still need looking after.
             select coalesce(array_agg(id), '{}') as agents,
                 coalesce(array_agg(xmin::text::bigint), '{}') as written_by
             from public.agents a
             where project_id = $1 and ($2 or retired_at is null or exists (
                 select from public.runs r where r.agent_id = a.id and r.finished_at is null
             ))
         ) present",
    )
    .bind(project.id)
    .bind(whose == Whose::Everybodys)
    .bind(Usd::MOST)
    .fetch_one(tx.conn())
    .await?)
}

/// What people still have to hand in, for the agents whose work is theirs.
async fn manual(tx: &mut Tx, project: &Project, whose: Whose) -> Result<Vec<ManualRow>> {
    Ok(query_as(
        "select a.id, d.body,
             (select count(*) from public.feedback f
              where f.agent_id = a.id and f.generation = a.generation
                  and f.request like 'manual:%') as asked,
             array(select distinct t.artifact_type || '/' || t.name from public.artifacts t
              where t.agent_id = a.id and t.generation = a.generation) as stored,
             coalesce(
                 (select max(t.seq) from public.artifacts t where t.agent_id = a.id), 0
             ) as handed_in
         from public.agents a left join wavemark.definitions d on d.sha256 = a.definition_sha256
         where a.project_id = $1 and a.runner = 'manual' and ($2 or a.retired_at is null)",
    )
    .bind(project.id)
    .bind(whose == Whose::Everybodys)
    .fetch_all(tx.conn())
    .await?)
}

/// What a manual agent produces, and what of that is missing.
fn outputs(row: ManualRow) -> Result<(Vec<ArtifactKey>, Vec<ArtifactKey>)> {
    let stored: BTreeSet<ArtifactKey> = row
        .stored
        .iter()
        .map(|key| key.parse().map_err(|err| Error::BadRow(Box::new(err))))
        .collect::<Result<_>>()?;
    let produces = row.body.map(|body| body.0.produces).unwrap_or_default();
    let missing = produces.difference(&stored).cloned().collect();
    Ok((produces.into_iter().collect(), missing))
}
