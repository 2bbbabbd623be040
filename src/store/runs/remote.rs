//! Runs that go on elsewhere: what is known of them, and who may know more.
//!
//! They say by calls what they do and how they ended; the functions that they
//! call stand in the migrations, and only ever add facts.

use serde::{Deserialize, Serialize, de::IgnoredAny};
use sqlx::types::Json;

use super::{Claim, Claimed, lock_pools};
use crate::{
    model::{
        AgentName, Definition, Digest, Epoch, Finish, Instant, ProjectId, RunId, StopReason, Usage,
    },
    store::{
        Project, Result, Store,
        sql::{Tx, query, query_as},
    },
};

/// What a run said about its end, or what was said about it.
///
/// Anything is read as one: whoever may write rows may write anything there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "AnyReport")]
pub struct Reported {
    /// How it ended.
    pub status: Finish,
    /// What it did, or why it could not.
    pub summary: Option<String>,
    /// What kind of failure it was, in the words of whoever noticed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AnyReport {
    Known { status: Finish, summary: Option<String>, cause: Option<String> },
    Unknown(IgnoredAny),
}

impl From<AnyReport> for Reported {
    fn from(report: AnyReport) -> Self {
        match report {
            AnyReport::Known { status, summary, cause } => Self { status, summary, cause },
            AnyReport::Unknown(IgnoredAny) => Self {
                status: Finish::Failed,
                summary: Some("what it reported cannot be read".to_owned()),
                cause: None,
            },
        }
    }
}

/// A run that goes on elsewhere, or went on until it said how it ended.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct RemoteRun {
    /// Which one.
    pub run: RunId,
    /// Its secret.
    pub token: Digest,
    /// Whose it is.
    pub agent: AgentName,
    /// Its fencing token.
    pub epoch: Epoch,
    /// When it began.
    pub claimed_at: Instant,
    /// When these facts were read.
    pub taken_at: Instant,
    /// What works on it, as far as anybody said.
    pub reference: Option<String>,
    /// Whether what works on it said so itself.
    pub is_claimed: bool,
    /// What it said about its end.
    pub reported: Option<Json<Reported>>,
    /// Why it was to stop before it said anything, if it was.
    pub stop: Option<StopReason>,
    /// Whether it had the time that it gets for that.
    pub had_its_time: bool,
    /// Whether it gave no sign of life for the time of a lease.
    pub is_silent: bool,
    /// Whether it asked people something.
    pub asked: bool,
    /// How many checkpoints it stored.
    pub checkpoints: i64,
    /// What it says it used of a language model so far, which may be anything.
    pub usage: Option<Json<serde_json::Value>>,
    /// What its agent does, as it was when it began.
    pub definition: Option<Json<Definition>>,
}

impl RemoteRun {
    /// What it says it used of a language model so far, as far as that can be read.
    pub fn used(&self) -> Option<Usage> {
        Usage::deserialize(&self.usage.as_ref()?.0).ok()
    }
}

impl Store {
    /// The runs that go on elsewhere, and those that were given up and said
    /// after all how they ended.
    pub async fn remote_runs(&self, project: &Project) -> Result<Vec<RemoteRun>> {
        let patient = StopReason::ALL.iter().filter(|reason| reason.waits_for_checkpoint());
        let patient: Vec<&str> = patient.map(|reason| reason.as_str()).collect();
        self.read(async |tx| {
            Ok(query_as(
                "select r.id as run, r.token_sha256 as token, a.name as agent, r.epoch,
                     r.claimed_at, now() as taken_at,
                     coalesce(r.reference, l.reference) as reference,
                     r.reference is not null as is_claimed, r.reported,
                     case when r.reported_at is null then coalesce(r.stop, late.stop)
                         when r.stop_at < r.reported_at then r.stop end as stop,
                     late.stop is not null or r.stop is not null and (
                         r.stop <> all ($4)
                         or r.stop_at + make_interval(secs => $2) < now()
                         or exists (
                             select from public.artifacts t
                             where t.run_id = r.id and t.created_at > r.stop_at
                         )
                     ) as had_its_time,
                     r.progress_at + make_interval(secs => $3) < now() as is_silent,
                     exists (
                         select from public.feedback f
                         where f.run_id = r.id and f.kind = 'question'
                     ) as asked,
                     (select count(*) from public.artifacts t where t.run_id = r.id) as checkpoints,
                     r.usage,
                     d.body as definition
                 from public.runs r
                 join public.agents a on a.id = r.agent_id and a.epoch = r.epoch
                 -- No supervisor sees to it that it ends at its deadline.
                 cross join lateral (
                     select case when r.reference is not null and r.finished_at is null
                         and r.reported_at is null and r.deadline_at < now() then 'timeout' end
                         as stop
                 ) late
                 left join wavemark.launches l on l.run_id = r.id
                 left join wavemark.definitions d on d.sha256 = r.definition_sha256
                 where r.project_id = $1 and r.remote
                     and (r.finished_at is null or r.outcome = 'lost')
                     -- Given up, and heard of after all.
                     and (r.finished_at is null or r.reported_at > r.finished_at)
                     and (r.finished_at is null or not wavemark.missed_news(r))
                 order by r.claimed_at, a.name",
            )
            .bind(project.id)
            .bind(project.settings.grace.as_secs_f64())
            .bind(project.settings.lease.as_secs_f64())
            .bind(&patient)
            .fetch_all(tx.conn())
            .await?)
        })
        .await
    }

    /// Writes down that somebody is about to be asked to work on a run, and by
    /// which secret they are known.
    pub async fn launching(&self, run: RunId, secret: Option<Digest>) -> Result<()> {
        self.tx(async |tx| {
            query(
                "insert into wavemark.launches (run_id, secret_sha256) values ($1, $2)
                 on conflict (run_id) do update set secret_sha256 = excluded.secret_sha256",
            )
            .bind(run)
            .bind(secret)
            .execute(tx.conn())
            .await?;
            Ok(())
        })
        .await
    }

    /// Writes down that a run was accepted, and what it is called there.
    pub async fn launched(&self, run: RunId, reference: Option<&str>) -> Result<()> {
        self.tx(async |tx| {
            query("update wavemark.launches set reference = $2 where run_id = $1")
                .bind(run)
                .bind(reference)
                .execute(tx.conn())
                .await?;
            Ok(())
        })
        .await
    }

    /// Prolongs the leases of runs of which somebody else says that they go on.
    pub async fn seen_alive(&self, project: &Project, runs: &[RunId]) -> Result<()> {
        if runs.is_empty() {
            return Ok(());
        }
        self.tx(async |tx| {
            query(
                "update public.runs
                 set progress_at = now(),
                     lease_until = greatest(lease_until, least(
                         now() + make_interval(secs => $2), deadline_at + interval '2 minutes'
                     ))
                 where id = any ($1) and finished_at is null",
            )
            .bind(runs)
            .bind(project.settings.stall_timeout.as_secs_f64())
            .execute(tx.conn())
            .await?;
            Ok(())
        })
        .await
    }

    /// Claims an agent for a program elsewhere, which is given time to appear;
    /// none when its facts are not those of `claim` any more.
    ///
    /// A person who was asked to do the work is not waited for any more.
    pub async fn call(
        &self,
        project: &Project,
        claim: &Claim,
        host: &str,
        by: &str,
    ) -> Result<Option<Claimed>> {
        let claims = std::slice::from_ref(claim);
        self.tx(async |tx| {
            let pools = lock_pools(tx, project.id, claims).await?;
            take_over(tx, claim, by).await?;
            let Some(claimed) = super::claim(tx, &pools, project, host, claims).await?.pop() else {
                return Ok(None);
            };
            query(
                "update public.runs set remote = true, host = $3,
                     lease_until = now() + make_interval(secs => $2)
                 where id = $1",
            )
            .bind(claimed.id)
            .bind(project.settings.stall_timeout.as_secs_f64())
            .bind(host)
            .execute(tx.conn())
            .await?;
            Ok(Some(claimed))
        })
        .await
    }

    /// What works, or is to work, on the live run of an agent elsewhere.
    pub async fn remote_run(
        &self,
        project: ProjectId,
        agent: &AgentName,
    ) -> Result<Option<(RunId, Epoch, Option<String>)>> {
        self.read(async |tx| {
            Ok(query_as(
                "select r.id, r.epoch, r.reference
                 from public.runs r join public.agents a on a.id = r.agent_id
                 where a.project_id = $1 and a.name = $2 and r.finished_at is null and r.remote",
            )
            .bind(project)
            .bind(agent)
            .fetch_optional(tx.conn())
            .await?)
        })
        .await
    }
}

/// Closes what asked a person to do the work of an agent.
async fn take_over(tx: &mut Tx, claim: &Claim, by: &str) -> Result<()> {
    query(
        "update public.feedback
         set resolved = true, resolution = 'superseded', resolved_by = $2, applied_at = now()
         where agent_id = $1 and kind = 'question' and request like 'manual:%' and not resolved",
    )
    .bind(claim.agent)
    .bind(by)
    .execute(tx.conn())
    .await?;
    Ok(())
}
