//! `wavemark.sessions`: conversations of agent programs, for runs that go on with
//! them on another machine.
//!
//! They hold prompts and what tools printed: nobody but the binary reads them,
//! they never get to git, and they go when their agent is complete.
//!
//! **Invariant:** of an agent, there is the conversation of its newest run that
//! left one, or none.

use std::collections::HashMap;

use sqlx::types::Json;

use super::{
    Result, Store,
    sql::{Tx, query, query_as},
};
use crate::model::{AgentId, Digest, Epoch, ProfileName, RunId, Session, Usage};

/// The largest conversation that is stored, in bytes, packed. A constraint of the
/// table says the same.
pub const LARGEST: usize = 8 * 1024 * 1024;

/// A conversation that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSession {
    /// The epoch of the run that left it.
    pub epoch: Epoch,
    /// The profile of its program.
    pub profile: ProfileName,
    /// Which it is.
    pub session: Session,
    /// The program's own record of it, packed.
    pub files: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct Row {
    agent_id: AgentId,
    epoch: Epoch,
    profile: ProfileName,
    session: String,
    counted: Json<Usage>,
    files: Vec<u8>,
}

impl Store {
    /// Keeps the conversation of a run for the next run of its agent, unless
    /// another one took over. Says whether it did.
    pub async fn keep_session(
        &self,
        run: RunId,
        token: Digest,
        profile: &ProfileName,
        session: &Session,
        files: &[u8],
    ) -> Result<bool> {
        self.tx(async |tx| {
            let done = query(
                "insert into wavemark.sessions as s
                     (agent_id, project_id, epoch, profile, session, counted, files)
                 select a.id, a.project_id, r.epoch, $3, $4, $5, $6
                 from public.runs r join public.agents a on a.id = r.agent_id
                 where r.id = $1 and r.token_sha256 = $2 and a.epoch = r.epoch
                     and a.built_generation is distinct from a.generation
                 on conflict (agent_id) do update
                 set epoch = excluded.epoch, profile = excluded.profile,
                     session = excluded.session, counted = excluded.counted,
                     files = excluded.files, kept_at = now()
                 where s.epoch <= excluded.epoch",
            )
            .bind(run)
            .bind(token)
            .bind(profile.as_str())
            .bind(session.id.as_str())
            .bind(Json(session.counted))
            .bind(files)
            .execute(tx.conn())
            .await?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }
}

/// The conversations of these agents.
pub(crate) async fn of(tx: &mut Tx, agents: &[AgentId]) -> Result<HashMap<AgentId, StoredSession>> {
    if agents.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<Row> = query_as(
        "select agent_id, epoch, profile, session, counted, files
         from wavemark.sessions where agent_id = any ($1)",
    )
    .bind(agents)
    .fetch_all(tx.conn())
    .await?;
    let stored = rows.into_iter().filter_map(|row| {
        let Row { agent_id, epoch, profile, session, counted, files } = row;
        // What no program can be called with is no loss.
        let id = session.parse().ok()?;
        let session = Session { id, counted: counted.0, heard: Usage::default() };
        Some((agent_id, StoredSession { epoch, profile, session, files }))
    });
    Ok(stored.collect())
}
