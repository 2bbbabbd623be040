//! `public.events`: what happened, for people. Nothing is decided from it.

use serde::Serialize;

use super::{
    Result, Store,
    sql::{Tx, query, query_as},
};
use crate::model::{AgentId, AgentName, Instant, ProjectId, RunId};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// To which agent; absent for the project as a whole.
    pub agent: Option<AgentName>,
    /// One word for what.
    pub kind: String,
    /// The rest of the sentence.
    pub detail: String,
}

/// Something to be recorded.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) agent: Option<AgentId>,
    pub(crate) run: Option<RunId>,
    pub(crate) kind: &'static str,
    pub(crate) detail: String,
}

/// Records what just happened, in the transaction in which it did.
pub(crate) async fn record(tx: &mut Tx, project: ProjectId, notes: &[Note]) -> Result<()> {
    if notes.is_empty() {
        return Ok(());
    }
    query(
        "insert into public.events (project_id, agent_id, run_id, kind, detail)
         select $1, agent, run, kind, detail
         from unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[])
             as note (agent, run, kind, detail)",
    )
    .bind(project)
    .bind(notes.iter().map(|note| note.agent).collect::<Vec<_>>())
    .bind(notes.iter().map(|note| note.run).collect::<Vec<_>>())
    .bind(notes.iter().map(|note| note.kind).collect::<Vec<_>>())
    .bind(notes.iter().map(|note| note.detail.as_str()).collect::<Vec<_>>())
    .execute(tx.conn())
    .await?;
    Ok(())
}

impl Store {
    /// Records that a run made something that cannot be taken.
    pub async fn note_rejection(
        &self,
        project: ProjectId,
        run: RunId,
        path: &str,
        why: &str,
    ) -> Result<()> {
        self.tx(async |tx| {
            query(
                "insert into public.events (project_id, agent_id, run_id, kind, detail)
                 select $1, agent_id, id, 'rejected', $3 from public.runs where id = $2",
            )
            .bind(project)
            .bind(run)
            .bind(format!("{path}: {why}"))
            .execute(tx.conn())
            .await?;
            Ok(())
        })
        .await
    }

    /// The last `limit` events of the project, or of one of its agents, oldest
    /// first.
    pub async fn events(
        &self,
        project: ProjectId,
        agent: Option<AgentId>,
        limit: u32,
    ) -> Result<Vec<Event>> {
        let mut events: Vec<Event> = self
            .read(async |tx| {
                Ok(query_as(
                    "select e.at, a.name as agent, e.kind, e.detail
                     from public.events e left join public.agents a on a.id = e.agent_id
                     where e.project_id = $1 and ($2::uuid is null or e.agent_id = $2)
                     order by e.id desc limit $3",
                )
                .bind(project)
                .bind(agent)
                .bind(i64::from(limit))
                .fetch_all(tx.conn())
                .await?)
            })
            .await?;
        events.reverse();
        Ok(events)
    }
}
