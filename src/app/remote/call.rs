//! A run for a program that somebody wires up by hand.
//!
//! **Invariant:** its token is told once, to whoever asked for the run, and is
//! nowhere but there: the database has its digest.

use anyhow::{Context as _, bail};

use crate::{
    app::{apply::token, context::Context, supervise::nudge},
    engine::{Agent, Effect, Wait, decide},
    model::{AgentName, Epoch, FeedbackKind, FeedbackNumber, Instant, RunId, RunToken, RunnerKind},
    store::Claim,
};

/// What there is to wire up.
#[derive(Debug)]
pub enum Called {
    /// A run that began now.
    Began(Call),
    /// One that began before. Its token was told then.
    GoesOn {
        /// Which run.
        run: RunId,
        /// Its fencing token.
        epoch: Epoch,
        /// What works on it, if anything claimed it.
        reference: Option<String>,
    },
}

/// A run that began for a program elsewhere.
#[derive(Debug)]
pub struct Call {
    /// Which run.
    pub run: RunId,
    /// Its secret.
    pub token: RunToken,
    /// Its fencing token.
    pub epoch: Epoch,
    /// The how-manieth try it is.
    pub attempt: i32,
    /// When it must have ended.
    pub deadline: Instant,
}

/// Begins a run of `agent` for a program elsewhere, whatever the agent's runner
/// is; or says which one goes on.
///
/// # Errors
///
/// When the agent cannot be built now.
pub async fn call(cx: &Context, agent: &AgentName) -> anyhow::Result<Called> {
    let handle = cx.store.agent(cx.project.id, agent).await?;
    if let Some((run, epoch, reference)) = cx.store.remote_run(cx.project.id, agent).await? {
        return Ok(Called::GoesOn { run, epoch, reference });
    }
    // It may be able to start only since a moment ago.
    nudge(cx).await?;
    let (snapshot, _) = cx.store.snapshot(&cx.project).await?;
    let decision = decide(&snapshot);
    let starts = decision
        .effects
        .iter()
        .any(|effect| matches!(effect, Effect::Launch { agent: name, .. } if name == agent));
    let facts = snapshot.agents.get(agent);
    let Some(facts) =
        facts.filter(|facts| starts || is_asked_for(facts, decision.waiting.get(agent)))
    else {
        match decision.waiting.get(agent) {
            Some(wait @ (Wait::Run | Wait::Stopping(_) | Wait::Paused)) => {
                bail!("{agent} cannot be called now: it is {wait}")
            }
            Some(wait) => bail!("{agent} cannot be called now: it {wait}"),
            None => bail!("{agent} is complete: `wavemark rebuild {agent}` has it built again"),
        }
    };
    let claim = Claim {
        agent: handle.id,
        from: facts.status,
        epoch: facts.epoch,
        generation: facts.generation,
        pool: facts.pool.clone(),
        run: RunId::random(),
        token: token(),
    };
    let host = format!("a program of {}", cx.user());
    let claimed = cx.store.call(&cx.project, &claim, &host, cx.user()).await?;
    let claimed = claimed.with_context(|| {
        format!("{agent} was claimed or changed a moment ago, or its pool is full: see `wavemark why {agent}`")
    })?;
    Ok(Called::Began(Call {
        run: claimed.id,
        token: claim.token,
        epoch: claimed.epoch,
        attempt: claimed.attempt,
        deadline: claimed.deadline_at,
    }))
}

/// Whether nothing but a person is waited for who was asked to do its work.
fn is_asked_for(facts: &Agent, wait: Option<&Wait>) -> bool {
    let Some(Wait::Feedback(open)) = wait else { return false };
    let is_request = |number: FeedbackNumber| {
        let mut all = facts.feedback.iter();
        // What an earlier run of it asked needs an answer.
        all.any(|one| one.number == number && one.run.is_none())
    };
    let mut open = open.iter();
    facts.runner == RunnerKind::Manual
        && open.all(|&(number, kind)| kind == FeedbackKind::Question && is_request(number))
}
