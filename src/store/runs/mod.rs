//! `public.runs`: claiming, keeping and ending.
//!
//! **Invariants:** at most one run of an agent is live; every write of a run
//! carries its id and its token and is refused when another run took over;
//! live runs never exceed the cap of their pool, because they are counted
//! under the lock of the pool's row. Lock order everywhere: pool, run, agent.

mod claim;
mod ending;
mod lease;
mod remote;

pub use claim::{Claim, Claimed};
pub(crate) use claim::{claim, lock_pools};
pub use ending::Ending;
pub use lease::{Beat, Pulse};
pub(crate) use lease::{ask_to_stop, expire};
pub use remote::{RemoteRun, Reported};

use super::{Error, Result, Store, sql::query_as};
use crate::model::{AgentId, ArtifactKey, RunId};

impl Store {
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
                let key = key.parse().map_err(|err| Error::BadRow(Box::new(err)))?;
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
