//! Runs that go on elsewhere: nobody's process is their supervisor, and whoever
//! ticks follows them.
//!
//! What they say stands in the database until it is judged here. A run of which
//! nothing more is heard loses its lease like any other.

mod call;
mod evidence;

use tracing::warn;

pub use self::call::{Call, Called, call};
use self::evidence::evidence;
use super::{context::Context, supervise::Ended};
use crate::{
    model::{ArtifactKey, Digest, Outcome, RunId},
    runner::{Evidence, Exit, verdict},
    store::{Ending, RemoteRun},
};

/// A run that is over, and what it was judged to be.
pub(super) struct Judged {
    /// For the session.
    pub(super) ended: Ended,
    /// Why, in words.
    pub(super) detail: String,
}

/// What following these runs leads to.
pub(super) struct Remote<'a> {
    cx: &'a Context,
}

impl<'a> Remote<'a> {
    pub(super) fn new(cx: &'a Context) -> Self {
        Self { cx }
    }

    /// Judges the runs that are over, and writes the verdicts down.
    pub(super) async fn settle(&mut self) -> anyhow::Result<Vec<Judged>> {
        let runs = self.cx.store.remote_runs(&self.cx.project).await?;
        let over: Vec<(RemoteRun, Evidence)> = runs
            .into_iter()
            .filter_map(|run| evidence(&run, None).map(|evidence| (run, evidence)))
            .collect();
        self.end(over).await
    }

    async fn end(&self, over: Vec<(RemoteRun, Evidence)>) -> anyhow::Result<Vec<Judged>> {
        if over.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<RunId> = over.iter().map(|(run, _)| run.run).collect();
        let stored = self.cx.store.stored_outputs(&ids).await?;
        let endings: Vec<Ending> =
            over.iter().map(|(run, evidence)| of_remote(run, evidence, &stored)).collect();
        let counted = self.cx.store.finish(self.cx.project.id, &endings).await?;
        let mut judged = Vec::new();
        for ((run, _), ending) in over.into_iter().zip(endings) {
            if !counted.contains(&run.run) {
                warn!(agent.name = %run.agent, run.id = %run.run, "the run of `{}` was judged by somebody else", run.agent);
                continue;
            }
            let took = (run.taken_at - run.claimed_at).to_std().unwrap_or_default();
            judged.push(Judged {
                ended: Ended { agent: run.agent, outcome: ending.outcome, took, checkpoints: 0 },
                detail: ending.detail,
            });
        }
        Ok(judged)
    }
}

fn of_remote(run: &RemoteRun, evidence: &Evidence, stored: &[(RunId, ArtifactKey)]) -> Ending {
    let produces = run.definition.as_ref().map(|definition| &definition.0.produces);
    let has = |key: &ArtifactKey| stored.iter().any(|(id, have)| *id == run.run && have == key);
    let missing: Vec<ArtifactKey> =
        produces.into_iter().flatten().filter(|key| !has(key)).cloned().collect();
    ending((run.run, run.token), evidence, &missing, run.asked)
}

/// How a run ended, from what is known of it.
pub(super) fn ending(
    (run, token): (RunId, Digest),
    evidence: &Evidence,
    missing: &[ArtifactKey],
    asked: bool,
) -> Ending {
    let verdict = verdict(evidence, missing, asked);
    Ending {
        run,
        token,
        outcome: verdict.outcome,
        detail: verdict.detail,
        exit_code: match evidence.exit {
            Exit::Code(code) => Some(code),
            // As a shell shows it.
            Exit::Signal(signal) => Some(128 + signal),
            Exit::NotStarted(_) | Exit::Unseen(_) | Exit::Elsewhere(_) => None,
        },
        log_tail: evidence.log_tail.clone(),
        summary: (verdict.outcome == Outcome::Succeeded)
            .then(|| evidence.summary.clone())
            .flatten(),
        usage: None,
    }
}
