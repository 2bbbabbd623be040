//! Carries a decision out.
//!
//! All effects of a decision go into one transaction, one statement per kind,
//! in the order in which everybody takes locks: pools, runs, agents, and rows of
//! one kind by their ids. So two ticks, or a tick and a heartbeat, wait for each
//! other in a line and never in a circle.
//!
//! Should that fail, each agent's effects are tried in a transaction of their
//! own: one agent's trouble must never hold up its neighbours.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tracing::{error, info, warn};

use super::requests;
use crate::{
    engine::{Cause, Consequence, Effect, Request},
    model::{AgentId, AgentName, FeedbackNumber, Generation, RunId, RunToken, Status, Thread},
    store::{
        self, Claim, Claimed, NewFeedback, Project, Store, StoredArtifact, StoredSession, Tx,
        agents::{self, Move},
        artifacts,
        events::{self, Note},
        feedback, runs, sessions,
    },
};

/// What carrying a decision out came to.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// The runs that began, to be started here.
    pub(super) begun: Vec<Begun>,
    /// How many effects changed something.
    pub(super) changes: usize,
    /// The runs that were declared lost.
    pub(super) lost: Vec<RunId>,
    /// The agents that could not be advanced.
    pub(super) failed: BTreeSet<AgentName>,
}

/// A run that began, with all that its agent gets.
#[derive(Debug)]
pub(super) struct Begun {
    /// The run.
    pub(super) claimed: Claimed,
    /// Its secret.
    pub(super) token: RunToken,
    /// What its needs made, by need.
    pub(super) deps: Vec<StoredArtifact>,
    /// What it stored itself in earlier runs.
    pub(super) checkpoints: Vec<StoredArtifact>,
    /// What people said about it.
    pub(super) threads: Vec<Thread>,
    /// The conversation of an earlier run that it may go on with.
    pub(super) session: Option<StoredSession>,
}

/// Where decisions are carried out.
#[derive(Debug)]
pub(super) struct Executor<'a> {
    pub(super) store: &'a Store,
    pub(super) project: &'a Project,
    /// The id of each agent in the snapshot.
    pub(super) ids: &'a HashMap<AgentName, AgentId>,
    /// This machine, for people.
    pub(super) host: &'a str,
}

impl Executor<'_> {
    /// Carries out `effects`, and reports what could not be.
    pub(super) async fn apply(&self, effects: &[Effect]) -> Applied {
        match self.all_at_once(effects).await {
            Ok(applied) => applied,
            Err(err) => {
                warn!("could not carry everything out at once, going agent by agent: {err}");
                self.agent_by_agent(effects).await
            }
        }
    }

    async fn agent_by_agent(&self, effects: &[Effect]) -> Applied {
        let mut by_agent: BTreeMap<&AgentName, Vec<Effect>> = BTreeMap::new();
        for effect in effects {
            by_agent.entry(effect.agent()).or_default().push(effect.clone());
        }
        let mut total = Applied::default();
        for effects in by_agent.values() {
            let applied = match self.all_at_once(effects).await {
                Ok(applied) => applied,
                Err(err) => refused(effects, &err),
            };
            total.begun.extend(applied.begun);
            total.changes += applied.changes;
            total.lost.extend(applied.lost);
            total.failed.extend(applied.failed);
        }
        total
    }

    async fn all_at_once(&self, effects: &[Effect]) -> store::Result<Applied> {
        if effects.is_empty() {
            return Ok(Applied::default());
        }
        let batch = Batch::of(effects, self.ids);
        self.store.tx(async |tx| batch.apply(tx, self).await).await
    }
}

fn refused(effects: &[Effect], err: &store::Error) -> Applied {
    let failed: BTreeSet<AgentName> = effects.iter().map(|effect| effect.agent().clone()).collect();
    for agent in &failed {
        error!(agent.name = %agent, "could not advance `{agent}`: {}", chain(err));
    }
    Applied { failed, ..Applied::default() }
}

fn chain(err: &(dyn std::error::Error + 'static)) -> String {
    let causes: Vec<String> =
        std::iter::successors(Some(err), |err| err.source()).map(ToString::to_string).collect();
    causes.join(": ")
}

/// Effects, sorted by the statement that makes them.
#[derive(Default)]
struct Batch {
    resolved: Vec<(AgentId, AgentName, FeedbackNumber, Consequence)>,
    rebuilds: Vec<(AgentId, AgentName, Generation, Cause)>,
    expired: Vec<RunId>,
    stops: Vec<(RunId, crate::model::StopReason)>,
    asks: Vec<(AgentId, AgentName, Request)>,
    moves: Vec<Move>,
    claims: Vec<Claim>,
}

impl Batch {
    fn of(effects: &[Effect], ids: &HashMap<AgentName, AgentId>) -> Self {
        let mut batch = Self::default();
        for effect in effects {
            let Some(&id) = ids.get(effect.agent()) else { continue };
            match effect.clone() {
                Effect::Apply { agent, feedback, then } => {
                    batch.resolved.push((id, agent, feedback, then));
                }
                Effect::Rebuild { agent, from, cause } => {
                    batch.rebuilds.push((id, agent, from, cause));
                }
                Effect::Expire { run, .. } => batch.expired.push(run),
                Effect::Stop { run, reason, .. } => batch.stops.push((run, reason)),
                Effect::Ask { agent, request } => batch.asks.push((id, agent, request)),
                Effect::Move { from, to, .. } => batch.moves.push(Move { agent: id, from, to }),
                Effect::Launch { from, epoch, generation, pool, .. } => batch.claims.push(Claim {
                    agent: id,
                    from,
                    epoch,
                    generation,
                    pool,
                    run: RunId::random(),
                    token: token(),
                }),
            }
        }
        batch.expired.sort();
        batch.stops.sort();
        batch.rebuilds.sort_by_key(|(id, ..)| *id);
        batch.moves.sort_by_key(|step| step.agent);
        batch
    }

    async fn apply(&self, tx: &mut Tx, to: &Executor<'_>) -> store::Result<Applied> {
        let mut notes = Vec::new();
        let mut changes = 0;

        let pools = runs::lock_pools(tx, to.project.id, &self.claims).await?;
        let mut lost = Vec::new();
        for (run, agent) in runs::expire(tx, &self.expired).await? {
            changes += 1;
            lost.push(run);
            notes.push(note(agent, Some(run), "lost", "nothing was heard of its run".to_owned()));
        }
        for (run, agent) in runs::ask_to_stop(tx, &self.stops).await? {
            changes += 1;
            let reason = self.stops.iter().find(|(id, _)| *id == run).map(|(_, reason)| *reason);
            let reason = reason.map_or_else(String::new, |reason| reason.to_string());
            notes.push(note(agent, Some(run), "stopping", reason));
        }
        changes += self.act_on_resolved(tx, &mut notes).await?;
        changes += self.rebuild(tx, &mut notes).await?;
        changes += self.ask(tx, to).await?;
        let moved = agents::advance(tx, &self.moves).await?;
        changes += moved.len();
        notes.extend(self.moves.iter().filter(|step| moved.contains(&step.agent)).filter_map(told));

        events::record(tx, to.project.id, &notes).await?;

        let claimed = runs::claim(tx, &pools, to.project, to.host, &self.claims).await?;
        changes += claimed.len();
        let begun = self.equip(tx, claimed).await?;
        Ok(Applied { begun, changes, lost, failed: BTreeSet::new() })
    }

    async fn act_on_resolved(&self, tx: &mut Tx, notes: &mut Vec<Note>) -> store::Result<usize> {
        let numbers: Vec<FeedbackNumber> =
            self.resolved.iter().map(|(_, _, number, _)| *number).collect();
        let applied = feedback::apply(tx, &numbers).await?;
        let mut turns = Turns::default();
        for (id, _, number, then) in &self.resolved {
            if !applied.contains(number) {
                continue;
            }
            match *then {
                Consequence::Nothing | Consequence::Resume | Consequence::Approve => (),
                Consequence::Rebuild { from } => turns.next(*id).rebuilds.push((*id, from)),
                Consequence::Retry { since } => agents::forgive(tx, *id, since).await?,
                Consequence::Pause { since } => {
                    agents::forgive(tx, *id, since).await?;
                    agents::pause(tx, *id).await?;
                }
                Consequence::HandIn { generation } => {
                    turns.next(*id).handed_in.push((*id, generation));
                }
            }
            let (kind, detail) = match then {
                Consequence::Nothing => continue,
                Consequence::Resume => ("resumed", format!("{number} is answered")),
                Consequence::Approve => ("approved", format!("by {number}")),
                Consequence::Rebuild { .. } => ("rebuild", format!("asked by {number}")),
                Consequence::Retry { .. } => ("retry", format!("asked by {number}")),
                Consequence::Pause { .. } => ("paused", format!("given up in {number}")),
                Consequence::HandIn { .. } => ("handed-in", format!("in {number}")),
            };
            notes.push(note(*id, None, kind, detail));
        }
        for turn in &turns.in_order {
            agents::rebuild(tx, &turn.rebuilds).await?;
            agents::hand_in(tx, &turn.handed_in).await?;
        }
        Ok(applied.len())
    }

    async fn rebuild(&self, tx: &mut Tx, notes: &mut Vec<Note>) -> store::Result<usize> {
        let wanted: Vec<_> = self.rebuilds.iter().map(|(id, _, from, _)| (*id, *from)).collect();
        let done = agents::rebuild(tx, &wanted).await?;
        for (id, _, _, cause) in &self.rebuilds {
            if done.contains(id) {
                let why = match cause {
                    Cause::Definition => "its definition changed",
                    Cause::StaleInputs => "what it was built from changed",
                };
                notes.push(note(*id, None, "rebuild", why.to_owned()));
            }
        }
        Ok(done.len())
    }

    async fn ask(&self, tx: &mut Tx, to: &Executor<'_>) -> store::Result<usize> {
        let ids: Vec<AgentId> = self.asks.iter().map(|(id, _, _)| *id).collect();
        let background = agents::background(tx, &ids).await?;
        let new: Vec<NewFeedback> = self
            .asks
            .iter()
            .filter_map(|(id, name, request)| {
                let background = background.iter().find(|background| background.id == *id)?;
                requests::is_current(request, background).then(|| NewFeedback {
                    agent: *id,
                    kind: request.kind(),
                    text: requests::text(name, request, background),
                    author: "wavemark".to_owned(),
                    run: None,
                    request: Some(request.key()),
                    generation: Some(request.generation()),
                })
            })
            .collect();
        let opened = feedback::open(tx, to.project.id, &new).await?;
        for (agent, number) in &opened {
            if let Some((_, name, request)) = self.asks.iter().find(|(id, _, _)| id == agent) {
                info!(
                    agent.name = %name, feedback.number = number.0,
                    "`{name}` asks for a person: {} {number}", request.kind()
                );
            }
        }
        Ok(opened.len())
    }

    /// Gives each run what its agent gets: two statements for all of them, or
    /// none where there is nothing to give.
    async fn equip(&self, tx: &mut Tx, claimed: Vec<Claimed>) -> store::Result<Vec<Begun>> {
        if claimed.is_empty() {
            return Ok(Vec::new());
        }
        let talked: Vec<AgentId> =
            claimed.iter().filter(|run| run.gets_threads).map(|run| run.agent_id).collect();
        let makers: BTreeSet<AgentId> = claimed
            .iter()
            .filter(|run| run.gets_artifacts)
            .flat_map(|run| run.dependencies.iter().chain([&run.agent_id]))
            .copied()
            .collect();
        let makers: Vec<AgentId> = makers.into_iter().collect();
        let latest = artifacts::latest(tx, &makers).await?;
        let mut threads = feedback::threads(tx, &talked).await?;
        let resuming: Vec<AgentId> =
            claimed.iter().filter(|run| run.resumes()).map(|run| run.agent_id).collect();
        let mut kept = sessions::of(tx, &resuming).await?;
        let mut tokens: HashMap<RunId, RunToken> =
            self.claims.iter().map(|claim| (claim.run, claim.token.clone())).collect();
        let of = |agent: &AgentId| latest.get(agent).cloned().unwrap_or_default();
        Ok(claimed
            .into_iter()
            .filter_map(|claimed| {
                Some(Begun {
                    token: tokens.remove(&claimed.id)?,
                    deps: claimed.dependencies.iter().flat_map(of).collect(),
                    checkpoints: of(&claimed.agent_id),
                    threads: threads.remove(&claimed.agent_id).unwrap_or_default(),
                    session: kept.remove(&claimed.agent_id),
                    claimed,
                })
            })
            .collect())
    }
}

/// What is to happen to many agents, one thing at a time to each: a remark on
/// what was just handed in has it built again.
#[derive(Default)]
struct Turns {
    in_order: Vec<Turn>,
    taken: HashMap<AgentId, usize>,
}

#[derive(Default)]
struct Turn {
    rebuilds: Vec<(AgentId, Generation)>,
    handed_in: Vec<(AgentId, Generation)>,
}

impl Turns {
    /// The first turn in which nothing happens to `agent` yet.
    fn next(&mut self, agent: AgentId) -> &mut Turn {
        let taken = self.taken.entry(agent).or_insert(0);
        *taken += 1;
        if self.in_order.len() < *taken {
            self.in_order.push(Turn::default());
        }
        &mut self.in_order[*taken - 1]
    }
}

fn note(agent: AgentId, run: Option<RunId>, kind: &'static str, detail: String) -> Note {
    Note { agent: Some(agent), run, kind, detail }
}

/// What people are told about a move: not what its run told them already.
fn told(step: &Move) -> Option<Note> {
    let implied = step.from == Status::Building && step.to != Status::Feedback;
    (!implied).then(|| note(step.agent, None, step.to.as_str(), format!("was {}", step.from)))
}

/// A secret that nobody can guess.
///
/// # Panics
///
/// When the operating system has no random numbers: no secret would be safe.
#[expect(clippy::expect_used, reason = "documented, and nothing sensible is left to do")]
pub(super) fn token() -> RunToken {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the operating system's random numbers");
    RunToken::from_random(bytes)
}
