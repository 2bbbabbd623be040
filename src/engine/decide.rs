//! The decision itself, in passes over a working copy of the facts.
//!
//! 1. give up the runs that fell silent;
//! 2. act on what people resolved, and on changed definitions and inputs;
//! 3. ask the runs to stop that should not go on;
//! 4. derive every status, asking people where they are needed;
//! 5. start what can start, as far as the pools go.
//!
//! Each pass changes the working copy just as its effects will change the
//! world, so the next pass sees what will be so, and a second decision right
//! after the first finds nothing left to do.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::{
    Agent, Cause, Consequence, Decision, Effect, LiveRun, Request, Snapshot, Wait,
    resolve::{absorb, consequence},
    retry_at,
};
use crate::model::{AgentName, Generation, Status, StopReason, WaveName};

/// How long after its deadline a run is left to the supervisor that knows it.
const DEADLINE_SLACK: TimeDelta = TimeDelta::seconds(30);

/// What should happen next in the project that `snapshot` was taken of.
pub fn decide(snapshot: &Snapshot) -> Decision {
    let mut planner = Planner { world: snapshot.clone(), decision: Decision::default() };
    planner.sweep_lost_runs();
    planner.act_on_resolved_feedback();
    planner.rebuild_what_changed();
    planner.stop_runs();
    let ready = planner.derive_statuses();
    planner.launch(ready);
    planner.decision
}

/// An agent that may start as soon as its pool has room.
struct Candidate {
    agent: AgentName,
    /// Higher first.
    priority: i32,
    from: Status,
}

struct Planner {
    world: Snapshot,
    decision: Decision,
}

impl Planner {
    fn sweep_lost_runs(&mut self) {
        let now = self.world.taken_at;
        for (name, agent) in &mut self.world.agents {
            let Some(run) = agent.run.filter(|run| run.lease_until < now) else {
                continue;
            };
            if let Some(pool) = self.world.pools.get_mut(&agent.pool) {
                pool.live = pool.live.saturating_sub(1);
            }
            agent.run = None;
            agent.attempts.infra += 1;
            agent.attempts.last_ended = Some(now);
            self.decision.effects.push(Effect::Expire { agent: name.clone(), run: run.id });
        }
    }

    fn act_on_resolved_feedback(&mut self) {
        for (name, agent) in &mut self.world.agents {
            if agent.retired {
                continue;
            }
            agent.feedback.sort_by_key(|feedback| feedback.number);
            for index in 0..agent.feedback.len() {
                let feedback = agent.feedback[index];
                let Some(resolution) = feedback.resolution.filter(|_| !feedback.applied) else {
                    continue;
                };
                // It is for the next run, or for the next generation if this
                // run finishes first.
                if agent.run.is_some() && feedback.is_news() {
                    continue;
                }
                let then = consequence(agent, &feedback, resolution);
                agent.feedback[index].applied = true;
                absorb(agent, then);
                self.decision.effects.push(Effect::Apply {
                    agent: name.clone(),
                    feedback: feedback.number,
                    then,
                });
            }
        }
    }

    fn rebuild_what_changed(&mut self) {
        // All at once from the same facts, so that the order does not matter.
        let again: Vec<(AgentName, Generation, Cause)> = self
            .world
            .agents
            .iter()
            .filter(|(_, agent)| !agent.retired)
            .filter_map(|(name, agent)| {
                let cause = if agent.wants_new_definition() {
                    Cause::Definition
                } else if agent.wants_fresh_inputs(&self.world) {
                    Cause::StaleInputs
                } else {
                    return None;
                };
                Some((name.clone(), agent.generation, cause))
            })
            .collect();
        for (name, from, cause) in again {
            if let Some(agent) = self.world.agents.get_mut(&name) {
                absorb(agent, Consequence::Rebuild { from });
            }
            self.decision.effects.push(Effect::Rebuild { agent: name, from, cause });
        }
    }

    fn stop_runs(&mut self) {
        let now = self.world.taken_at;
        let stall =
            TimeDelta::from_std(self.world.settings.stall_timeout).unwrap_or(TimeDelta::MAX);
        for (name, agent) in &mut self.world.agents {
            let Some(run) = agent.run.filter(|run| run.stop.is_none()) else {
                continue;
            };
            let reason = if now > run.deadline + DEADLINE_SLACK {
                StopReason::Timeout
            } else if now - run.progress_at > stall {
                StopReason::Stalled
            } else if agent.objections().next().is_some() || agent.has_news() {
                StopReason::Feedback
            } else if agent.paused {
                StopReason::Paused
            } else {
                continue;
            };
            agent.run = Some(LiveRun { stop: Some(reason), ..run });
            self.decision.effects.push(Effect::Stop { agent: name.clone(), run: run.id, reason });
        }
    }

    fn derive_statuses(&mut self) -> Vec<Candidate> {
        let met: BTreeSet<AgentName> = self
            .in_plan()
            .filter(|(_, agent)| agent.meets_a_need())
            .map(|(name, _)| name.clone())
            .collect();
        let shut = self.shut_waves();

        let mut asks = Vec::new();
        let mut moves = Vec::new();
        let mut candidates = Vec::new();
        let mut waiting = BTreeMap::new();
        for (name, agent) in self.in_plan() {
            let (status, wait, ask) = self.status(name, agent, &met, &shut);
            if let Some(request) = ask {
                asks.push(Effect::Ask { agent: name.clone(), request });
            }
            // A launch takes the agent from where it stands by itself.
            if status == Status::Ready && wait.is_none() {
                candidates.push(Candidate {
                    agent: name.clone(),
                    priority: agent.priority,
                    from: agent.status,
                });
                continue;
            }
            if status != agent.status {
                moves.push(Effect::Move { agent: name.clone(), from: agent.status, to: status });
            }
            if let Some(wait) = wait {
                waiting.insert(name.clone(), wait);
            }
        }
        self.decision.effects.extend(asks);
        self.decision.effects.extend(moves);
        self.decision.waiting = waiting;
        candidates
    }

    /// The status rule, first match wins, with the reason for staying there
    /// and what a person is to be asked. A complete agent waits for nothing,
    /// and neither does one that can be launched.
    fn status(
        &self,
        name: &AgentName,
        agent: &Agent,
        met: &BTreeSet<AgentName>,
        shut: &BTreeMap<&WaveName, Vec<WaveName>>,
    ) -> (Status, Option<Wait>, Option<Request>) {
        if let Some(run) = agent.run {
            let wait = run.stop.map_or(Wait::Run, Wait::Stopping);
            return (Status::Building, Some(wait), None);
        }

        let open: Vec<_> = agent.objections().map(|f| (f.number, f.kind)).collect();
        if !open.is_empty() {
            return (Status::Feedback, Some(Wait::Feedback(open)), None);
        }
        let generation = agent.generation;
        if agent.wants_review() {
            return asking(Request::Review { generation });
        }
        if agent.is_built() {
            return (Status::Complete, None, None);
        }
        if agent.is_exhausted(self.world.settings.infra_retries) && !agent.paused {
            return asking(Request::Failure { epoch: agent.epoch, generation });
        }

        if agent.paused {
            return (Status::Draft, Some(Wait::Paused), None);
        }
        if let Some(waves) = shut.get(&agent.wave) {
            return (Status::Draft, Some(Wait::Barrier(waves.clone())), None);
        }
        if agent.unknown_needs > 0 {
            return (Status::Draft, Some(Wait::UnknownNeeds(agent.unknown_needs)), None);
        }
        let unmet: Vec<AgentName> = agent.needs.difference(met).cloned().collect();
        if !unmet.is_empty() {
            return (Status::Draft, Some(Wait::Needs(unmet)), None);
        }

        if agent.is_manual() {
            return asking(Request::HandIn {
                generation,
                asked: agent.asked,
                missing: agent.missing.clone(),
            });
        }
        let retry = retry_at(name, &agent.attempts, &self.world.settings);
        let backoff = retry.filter(|&at| at > self.world.taken_at).map(Wait::Backoff);
        (Status::Ready, backoff, None)
    }

    /// Every wave that may not start yet, with the waves it waits for.
    fn shut_waves(&self) -> BTreeMap<&WaveName, Vec<WaveName>> {
        let unfinished: BTreeSet<&WaveName> = self
            .in_plan()
            .filter(|(_, agent)| !agent.is_complete())
            .map(|(_, agent)| &agent.wave)
            .collect();
        self.world
            .waves
            .iter()
            .filter_map(|(wave, after)| {
                let before: Vec<WaveName> =
                    after.iter().filter(|wave| unfinished.contains(wave)).cloned().collect();
                (!before.is_empty()).then_some((wave, before))
            })
            .collect()
    }

    fn launch(&mut self, mut candidates: Vec<Candidate>) {
        candidates.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.agent.cmp(&b.agent)));
        for Candidate { agent: name, from, .. } in candidates {
            let Some(agent) = self.world.agents.get(&name) else {
                continue;
            };
            let pool = self.world.pools.get_mut(&agent.pool);
            let cap = pool.as_ref().map_or(0, |pool| pool.cap);
            match pool.filter(|pool| pool.live < pool.cap) {
                Some(pool) => {
                    pool.live += 1;
                    self.decision.effects.push(Effect::Launch {
                        agent: name,
                        from,
                        epoch: agent.epoch,
                        generation: agent.generation,
                        pool: agent.pool.clone(),
                    });
                }
                None => {
                    if from != Status::Ready {
                        self.decision.effects.push(Effect::Move {
                            agent: name.clone(),
                            from,
                            to: Status::Ready,
                        });
                    }
                    let wait = Wait::Pool(agent.pool.clone(), cap);
                    self.decision.waiting.insert(name, wait);
                }
            }
        }
    }

    fn in_plan(&self) -> impl Iterator<Item = (&AgentName, &Agent)> {
        self.world.agents.iter().filter(|(_, agent)| !agent.retired)
    }
}

fn asking(request: Request) -> (Status, Option<Wait>, Option<Request>) {
    (Status::Feedback, Some(Wait::Asked(request.kind())), Some(request))
}
