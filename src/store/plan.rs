//! The plan as the database has it: reading it back, and bringing it up to
//! date in one transaction.
//!
//! **Invariant:** writing a plan twice changes nothing the second time.
//! Whatever vanished from it is retired, never deleted, and a row inserted by
//! hand is left alone until the plan has an agent of its name.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::types::Json;

use super::{
    Error, Known, Result, Store,
    events::{self, Note},
    projects,
    snapshot::{self, Whose},
    sql::{Tx, query, query_as, query_scalar},
};
use crate::{
    engine::Snapshot,
    model::{
        AgentId, AgentName, Definition, Digest, PoolName, ProjectId, ProjectName, ProjectSettings,
        Role, Usd, WaveId, WaveName,
    },
    plan::{
        Plan, Project,
        diff::{Building, Changes, Stored, StoredAgent, StoredWave, Tense},
    },
};

impl Store {
    /// What the database has of the plan of the project called `name`, and the
    /// facts of that moment, those about retired agents included; no facts where
    /// it was never synced.
    ///
    /// # Errors
    ///
    /// [`Error::Older`] where the schema is too old to be read.
    pub async fn stored_plan(&self, name: &ProjectName) -> Result<(Stored, Option<Snapshot>)> {
        self.read(async |tx| {
            let stored = read(tx, name).await?;
            let Some(project) = projects::find(tx, name).await? else {
                return Ok((stored, None));
            };
            let mut known = Known::default();
            let reading = snapshot::read(tx, &project, &known, Whose::Everybodys).await?;
            let (facts, _) = snapshot::assemble(&project, &mut known, reading)?;
            Ok((stored, Some(facts)))
        })
        .await
        .map_err(Error::or_older)
    }

    /// Brings the plan up to date, and returns what that changed.
    ///
    /// # Errors
    ///
    /// [`Error::RetiresMost`] where `retire` does not let it; nothing is changed
    /// then.
    pub async fn sync(&self, plan: &Plan, commit: Option<&str>, retire: Retire) -> Result<Changes> {
        // Before the transaction: while it is open, others wait.
        let digest = plan.digest();
        self.tx(async |tx| {
            let project = claim_project(tx, plan).await?;
            let changes = Changes::between(&read(tx, &plan.project.name).await?, plan);
            if retire == Retire::AtMostHalf && changes.retires_most() {
                return Err(Error::RetiresMost(changes.vanished().cloned().collect()));
            }
            if !changes.is_empty() {
                write(tx, project, plan).await?;
                let detail = changes.summary(Tense::Past);
                let note = Note { agent: None, run: None, kind: "synced", detail };
                events::record(tx, project, &[note]).await?;
            }
            query(
                "update public.projects
                 set plan_sha256 = $2, plan_commit = $3, synced_at = now()
                 where id = $1",
            )
            .bind(project)
            .bind(digest)
            .bind(commit)
            .execute(tx.conn())
            .await?;
            Ok(changes)
        })
        .await
    }
}

/// How many of a project's agents may be retired at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retire {
    /// At most half: more is more likely a mistake than a wish.
    AtMostHalf,
    /// Any number.
    Any,
}

/// The project's row, locked: syncs of one project take turns.
async fn claim_project(tx: &mut Tx, plan: &Plan) -> Result<ProjectId> {
    // Another one that makes it at this moment may be met by its id or by its name.
    query("insert into public.projects (id, name) values ($1, $2) on conflict do nothing")
        .bind(ProjectId::of(&plan.project.name))
        .bind(&plan.project.name)
        .execute(tx.conn())
        .await?;
    Ok(query_scalar("select id from public.projects where name = $1 for no key update")
        .bind(&plan.project.name)
        .fetch_one(tx.conn())
        .await?)
}

#[derive(sqlx::FromRow)]
struct ProjectRow {
    id: ProjectId,
    artifact_branch: String,
    trusted_role: Role,
    settings: Json<ProjectSettings>,
    synced: bool,
}

#[derive(sqlx::FromRow)]
struct WaveRow {
    id: WaveId,
    name: WaveName,
    title: Option<String>,
    after: Vec<WaveId>,
    position: i32,
    budget_micros: Option<Usd>,
    retired: bool,
}

#[derive(sqlx::FromRow)]
struct AgentRow {
    name: AgentName,
    wave: WaveName,
    definition: Option<Json<Definition>>,
    retired: bool,
    built: bool,
    built_work: Option<Digest>,
    live: bool,
    live_work: Option<Digest>,
}

impl AgentRow {
    fn building(&self) -> Building {
        match self {
            Self { live: true, live_work, .. } => Building::Running(*live_work),
            Self { built: true, built_work, .. } => Building::Finished(*built_work),
            _ => Building::Waiting,
        }
    }
}

async fn read(tx: &mut Tx, name: &ProjectName) -> Result<Stored> {
    let project: Option<ProjectRow> = query_as(
        "select id, artifact_branch, trusted_role, settings, synced_at is not null as synced
         from public.projects where name = $1",
    )
    .bind(name)
    .fetch_optional(tx.conn())
    .await?;
    let Some(project) = project else { return Ok(Stored::default()) };
    let pools: Vec<(PoolName, i32)> =
        query_as("select name, cap from wavemark.pools where project_id = $1")
            .bind(project.id)
            .fetch_all(tx.conn())
            .await?;
    let agents: Vec<AgentRow> = query_as(
        "select a.name, coalesce(w.name, 'unplanned') as wave, d.body as definition,
             a.retired_at is not null as retired,
             a.built_generation is not distinct from a.generation as built,
             a.built_work_sha256 as built_work,
             r.id is not null as live, r.work_sha256 as live_work
         from public.agents a
         left join public.waves w on w.id = a.wave_id
         left join wavemark.definitions d on d.sha256 = a.definition_sha256
         left join public.runs r on r.agent_id = a.id and r.finished_at is null
         where a.project_id = $1",
    )
    .bind(project.id)
    .fetch_all(tx.conn())
    .await?;
    Ok(Stored {
        waves: waves(tx, project.id).await?,
        agents: agents
            .into_iter()
            .map(|row| {
                let agent = StoredAgent {
                    building: row.building(),
                    wave: row.wave,
                    definition: row.definition.map(|definition| definition.0),
                    retired: row.retired,
                };
                (row.name, agent)
            })
            .collect(),
        project: project.synced.then(|| Project {
            name: name.clone(),
            artifact_branch: project.artifact_branch,
            pools: pools
                .into_iter()
                .map(|(name, cap)| (name, u32::try_from(cap).unwrap_or(0)))
                .collect(),
            settings: project.settings.0,
            trusted_role: project.trusted_role,
        }),
    })
}

async fn waves(tx: &mut Tx, project: ProjectId) -> Result<BTreeMap<WaveName, StoredWave>> {
    let rows: Vec<WaveRow> = query_as(
        "select id, name, title, after, position, budget_micros, retired_at is not null as retired
         from public.waves where project_id = $1",
    )
    .bind(project)
    .fetch_all(tx.conn())
    .await?;
    let names: HashMap<WaveId, WaveName> =
        rows.iter().map(|row| (row.id, row.name.clone())).collect();
    Ok(rows
        .into_iter()
        .map(|row| {
            let wave = StoredWave {
                title: row.title,
                after: row.after.iter().filter_map(|id| names.get(id)).cloned().collect(),
                position: u32::try_from(row.position).unwrap_or(0),
                budget: row.budget_micros,
                retired: row.retired,
            };
            (row.name, wave)
        })
        .collect())
}

async fn write(tx: &mut Tx, project: ProjectId, plan: &Plan) -> Result<()> {
    write_project(tx, project, &plan.project).await?;
    write_waves(tx, project, plan).await?;
    write_definitions(tx, plan).await?;
    write_agents(tx, project, plan).await
}

async fn write_project(tx: &mut Tx, id: ProjectId, project: &Project) -> Result<()> {
    query(
        "update public.projects set artifact_branch = $2, settings = $3, trusted_role = $4
         where id = $1",
    )
    .bind(id)
    .bind(&project.artifact_branch)
    .bind(Json(&project.settings))
    .bind(project.trusted_role)
    .execute(tx.conn())
    .await?;
    let names: Vec<&str> = project.pools.keys().map(PoolName::as_str).collect();
    let caps: Vec<i32> =
        project.pools.values().map(|cap| i32::try_from(*cap).unwrap_or(i32::MAX)).collect();
    query("delete from wavemark.pools where project_id = $1 and name <> all ($2)")
        .bind(id)
        .bind(&names)
        .execute(tx.conn())
        .await?;
    query(
        "insert into wavemark.pools (project_id, name, cap)
         select $1, name, cap from unnest($2::text[], $3::int[]) as pool (name, cap)
         order by name
         on conflict (project_id, name) do update set cap = excluded.cap",
    )
    .bind(id)
    .bind(&names)
    .bind(caps)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A list of ids as one element of an array of lists, which may differ in
/// length as arrays of arrays may not.
fn id_list<T: ToString>(ids: impl Iterator<Item = T>) -> String {
    let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
    format!("{{{}}}", ids.join(","))
}

async fn write_waves(tx: &mut Tx, project: ProjectId, plan: &Plan) -> Result<()> {
    let waves: Vec<_> = plan.waves.values().collect();
    query(
        "insert into public.waves (id, project_id, name, title, after, position, budget_micros)
         select id, $1, name, title, after::uuid[], position, budget
         from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::int[], $7::bigint[])
             as wave (id, name, title, after, position, budget)
         on conflict (project_id, name) do update
         set title = excluded.title, after = excluded.after, position = excluded.position,
             budget_micros = excluded.budget_micros, retired_at = null",
    )
    .bind(project)
    .bind(waves.iter().map(|wave| WaveId::of(project, &wave.name)).collect::<Vec<_>>())
    .bind(waves.iter().map(|wave| wave.name.as_str()).collect::<Vec<_>>())
    .bind(waves.iter().map(|wave| wave.title.as_deref()).collect::<Vec<_>>())
    .bind(
        waves
            .iter()
            .map(|wave| id_list(wave.after.iter().map(|name| WaveId::of(project, name))))
            .collect::<Vec<_>>(),
    )
    .bind(
        waves
            .iter()
            .map(|wave| i32::try_from(wave.position).unwrap_or(i32::MAX))
            .collect::<Vec<_>>(),
    )
    .bind(waves.iter().map(|wave| wave.budget).collect::<Vec<_>>())
    .execute(tx.conn())
    .await?;
    query(
        "update public.waves set retired_at = now()
         where project_id = $1 and retired_at is null and name <> all ($2)",
    )
    .bind(project)
    .bind(waves.iter().map(|wave| wave.name.as_str()).collect::<Vec<_>>())
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn write_definitions(tx: &mut Tx, plan: &Plan) -> Result<()> {
    let bodies: BTreeMap<Digest, &Definition> =
        plan.agents.values().map(|agent| (agent.definition.digest(), &agent.definition)).collect();
    query(
        "insert into wavemark.definitions (sha256, body)
         select sha256, body from unnest($1::text[], $2::jsonb[]) as definition (sha256, body)
         on conflict do nothing",
    )
    .bind(bodies.keys().copied().collect::<Vec<_>>())
    .bind(bodies.values().map(|body| Json(*body)).collect::<Vec<_>>())
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn write_agents(tx: &mut Tx, project: ProjectId, plan: &Plan) -> Result<()> {
    // An agent inserted by hand keeps the id that it was given.
    let known: Vec<(AgentName, AgentId)> =
        query_as("select name, id from public.agents where project_id = $1")
            .bind(project)
            .fetch_all(tx.conn())
            .await?;
    let known: HashMap<AgentName, AgentId> = known.into_iter().collect();
    let id =
        |name: &AgentName| known.get(name).copied().unwrap_or_else(|| AgentId::of(project, name));
    let waves: Vec<(WaveName, WaveId)> =
        query_as("select name, id from public.waves where project_id = $1")
            .bind(project)
            .fetch_all(tx.conn())
            .await?;
    let waves: HashMap<WaveName, WaveId> = waves.into_iter().collect();

    let agents: Vec<_> = plan.agents.values().collect();
    let names: Vec<&str> = agents.iter().map(|agent| agent.name.as_str()).collect();
    query(
        "insert into public.agents (
             id, project_id, name, wave_id, title, dependencies, definition_sha256, work_sha256,
             runner, review, on_stale, pool, priority, retries, timeout_seconds, budget_micros
         )
         select id, $1, name, wave, title, needs::uuid[], definition, work, runner, review,
             on_stale, pool, priority, retries, timeout, budget
         from unnest(
             $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[],
             $9::text[], $10::text[], $11::text[], $12::text[], $13::int[], $14::int[],
             $15::int[], $16::bigint[]
         ) as agent (
             id, name, wave, title, needs, definition, work, runner, review, on_stale, pool,
             priority, retries, timeout, budget
         )
         on conflict (project_id, name) do update
         set wave_id = excluded.wave_id, title = excluded.title,
             dependencies = excluded.dependencies,
             definition_sha256 = excluded.definition_sha256, work_sha256 = excluded.work_sha256,
             runner = excluded.runner, review = excluded.review, on_stale = excluded.on_stale,
             pool = excluded.pool, priority = excluded.priority, retries = excluded.retries,
             timeout_seconds = excluded.timeout_seconds,
             budget_micros = excluded.budget_micros, retired_at = null
         where (
             agents.wave_id, agents.definition_sha256, agents.dependencies, agents.retired_at
         ) is distinct from (
             excluded.wave_id, excluded.definition_sha256, excluded.dependencies, null
         )",
    )
    .bind(project)
    .bind(agents.iter().map(|agent| id(&agent.name)).collect::<Vec<_>>())
    .bind(&names)
    .bind(agents.iter().map(|agent| waves.get(&agent.wave).copied()).collect::<Vec<_>>())
    .bind(agents.iter().map(|agent| agent.definition.title.as_deref()).collect::<Vec<_>>())
    .bind(
        agents
            .iter()
            .map(|agent| {
                let needs: BTreeSet<AgentId> = plan.needs_of(agent).into_iter().map(id).collect();
                id_list(needs.into_iter())
            })
            .collect::<Vec<_>>(),
    )
    .bind(agents.iter().map(|agent| agent.definition.digest()).collect::<Vec<_>>())
    .bind(agents.iter().map(|agent| agent.definition.work_digest()).collect::<Vec<_>>())
    .bind(agents.iter().map(|agent| agent.definition.run.kind()).collect::<Vec<_>>())
    .bind(agents.iter().map(|agent| agent.definition.review).collect::<Vec<_>>())
    .bind(agents.iter().map(|agent| agent.definition.on_stale).collect::<Vec<_>>())
    .bind(agents.iter().map(|agent| agent.definition.pool.as_str()).collect::<Vec<_>>())
    .bind(agents.iter().map(|agent| agent.definition.priority).collect::<Vec<_>>())
    .bind(agents.iter().map(|agent| int(agent.definition.retries)).collect::<Vec<_>>())
    .bind(agents.iter().map(|agent| int(agent.definition.timeout.as_secs())).collect::<Vec<_>>())
    .bind(agents.iter().map(|agent| agent.definition.budget).collect::<Vec<_>>())
    .execute(tx.conn())
    .await?;
    query(
        "update public.agents set retired_at = now()
         where project_id = $1 and retired_at is null
             and definition_sha256 is not null and name <> all ($2)",
    )
    .bind(project)
    .bind(&names)
    .execute(tx.conn())
    .await?;
    Ok(())
}

fn int(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}
