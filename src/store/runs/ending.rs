//! Ending: once, by the run that is live, or was until nobody took over.

use sqlx::types::Json;

use super::Reported;
use crate::{
    model::{Digest, Outcome, ProjectId, RunId, Usage},
    store::{
        Result, Store,
        sql::{Tx, query_scalar},
    },
};

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
    /// What it used of a language model, if it is known to have used one.
    pub usage: Option<Usage>,
    /// What it said itself about its end, if it did and this follows from it, with
    /// nothing secret in it. It takes the place of what was said.
    pub reported: Option<Reported>,
}

impl Store {
    /// Ends runs, each provided nobody took over; returns those that counted.
    ///
    /// A run that was declared lost and finishes after all still counts, as
    /// long as its agent was not claimed again. One that said meanwhile how it
    /// ended is to be judged by that.
    pub async fn finish(&self, project: ProjectId, endings: &[Ending]) -> Result<Vec<RunId>> {
        self.tx(async |tx| finish(tx, project, endings).await).await
    }
}

async fn finish(tx: &mut Tx, project: ProjectId, endings: &[Ending]) -> Result<Vec<RunId>> {
    if endings.is_empty() {
        return Ok(Vec::new());
    }
    let mut counted: Vec<RunId> = query_scalar(
        "with ending as (
             select * from unnest(
                 $1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[], $6::text[], $7::text[],
                 $9::jsonb[], $10::text[], $11::jsonb[]
             ) as ending (
                 run, token, outcome, detail, exit_code, log_tail, summary, usage, used, reported
             )
         ), ended as (
             update public.runs r
             set finished_at = now(), lease_until = null, outcome = ending.outcome,
                 detail = nullif(ending.detail, ''), exit_code = ending.exit_code,
                 log_tail = nullif(ending.log_tail, ''), progress = null,
                 -- What goes on elsewhere tells that itself.
                 usage = case when r.remote then r.usage
                     else coalesce(ending.usage, r.usage) end,
                 reported = coalesce(r.reported || ending.reported, r.reported)
             from ending, public.agents a
             where r.id = ending.run and r.token_sha256 = ending.token
                 and a.id = r.agent_id and a.epoch = r.epoch
                 and (not r.remote or (r.reported is null) = (ending.reported is null))
                 and (r.finished_at is null or (
                     r.outcome = 'lost' and not wavemark.missed_news(r)
                 ))
             returning r.id, r.agent_id, r.generation, r.work_sha256, r.inputs,
                 ending.outcome, ending.detail, ending.summary, ending.used
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
             returning a.id
         ), withdrawn as (
             -- Somebody was asked to do the work while this run was given up.
             update public.feedback f
             set resolved = true, resolution = 'superseded', resolved_by = 'wavemark',
                 applied_at = now()
             from built
             where f.agent_id = built.id and f.kind = 'question'
                 and f.request like 'manual:%' and not f.resolved
         ), forgotten as (
             -- A conversation is kept only until its work is done.
             delete from wavemark.sessions s using built where s.agent_id = built.id
         ), noted as (
             insert into public.events (project_id, agent_id, run_id, kind, detail)
             select $8, agent_id, id, outcome, concat_ws('; ', nullif(detail, ''), used) from ended
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
    .bind(endings.iter().map(|ending| ending.usage.map(Json)).collect::<Vec<_>>())
    .bind(
        endings.iter().map(|ending| ending.usage.map(|used| used.to_string())).collect::<Vec<_>>(),
    )
    .bind(endings.iter().map(|ending| ending.reported.as_ref().map(Json)).collect::<Vec<_>>())
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
