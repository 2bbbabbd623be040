//! What was read of the agents before, so that only those that changed are read
//! again: a session looks at all of them after every event.
//!
//! **Invariant:** what is known is what is there. A row that has the transaction
//! it had (`xmin`) is the row it was: whatever changes it gives it another.

use std::collections::HashMap;

use super::{
    Project, Result,
    sql::{Tx, query_as},
};
use crate::model::{
    AgentId, AgentName, Digest, Epoch, Generation, OnStale, PoolName, Review, RunnerKind, Status,
    Usd, WaveId,
};

#[derive(Debug, sqlx::FromRow)]
pub(super) struct AgentRow {
    pub(super) id: AgentId,
    pub(super) name: AgentName,
    pub(super) wave_id: Option<WaveId>,
    pub(super) status: Status,
    pub(super) dependencies: Vec<AgentId>,
    pub(super) runner: RunnerKind,
    pub(super) review: Review,
    pub(super) on_stale: OnStale,
    pub(super) pool: PoolName,
    pub(super) priority: i32,
    pub(super) retries: i32,
    pub(super) budget_micros: Option<Usd>,
    pub(super) work_sha256: Option<Digest>,
    pub(super) generation: Generation,
    pub(super) epoch: Epoch,
    pub(super) built_generation: Option<Generation>,
    pub(super) built_work_sha256: Option<Digest>,
    pub(super) built_outputs: Option<i64>,
    pub(super) built_inputs: Option<i64>,
    pub(super) paused: bool,
    pub(super) retired: bool,
}

/// The agents of one project as they were read last; at first, none.
#[derive(Debug, Default)]
pub struct Known {
    rows: HashMap<AgentId, (Version, AgentRow)>,
    any_elsewhere: bool,
}

/// The transaction that wrote a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version(pub(super) i64);

impl Known {
    /// Whether any run goes on elsewhere, so that somebody has to follow it.
    pub fn any_elsewhere(&self) -> bool {
        self.any_elsewhere
    }

    /// Reads the agents whose versions are not those known.
    pub(super) async fn read_changed(
        &self,
        tx: &mut Tx,
        project: &Project,
        present: &HashMap<AgentId, Version>,
    ) -> Result<Vec<AgentRow>> {
        let is_new = |id: &AgentId, version| self.rows.get(id).is_none_or(|row| row.0 != version);
        let changed = present.iter().filter(|&(id, version)| is_new(id, *version));
        let changed: Vec<AgentId> = changed.map(|(&id, _)| id).collect();
        match changed.len() {
            0 => Ok(Vec::new()),
            count if count == present.len() => agents(tx, project, None).await,
            _ => agents(tx, project, Some(changed)).await,
        }
    }

    /// Takes in what was read, and forgets what is gone.
    pub(super) fn update(
        &mut self,
        changed: Vec<AgentRow>,
        present: &HashMap<AgentId, Version>,
        any_elsewhere: bool,
    ) {
        self.any_elsewhere = any_elsewhere;
        self.rows.retain(|id, _| present.contains_key(id));
        for row in changed {
            if let Some(&version) = present.get(&row.id) {
                self.rows.insert(row.id, (version, row));
            }
        }
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &AgentRow> {
        self.rows.values().map(|(_, row)| row)
    }
}

/// The agents that count, or those of them that are `among` these.
async fn agents(
    tx: &mut Tx,
    project: &Project,
    among: Option<Vec<AgentId>>,
) -> Result<Vec<AgentRow>> {
    Ok(query_as(
        "select id, name, wave_id, status, dependencies, runner, review, on_stale, pool,
             priority, retries, budget_micros, work_sha256, generation, epoch, built_generation,
             built_work_sha256, built_outputs, built_inputs,
             paused_at is not null as paused, retired_at is not null as retired
         from public.agents where project_id = $1 and ($2::uuid[] is null or id = any ($2))",
    )
    .bind(project.id)
    .bind(among)
    .fetch_all(tx.conn())
    .await?)
}
