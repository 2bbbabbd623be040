//! The decision itself, in passes over a forecast of the facts.
//!
//! 1. give up the runs that fell silent;
//! 2. act on what people resolved, and on changed definitions and inputs;
//! 3. ask the runs to stop that should not go on;
//! 4. derive every status, asking people where they are needed;
//! 5. start what can start, as far as the money and the pools go.
//!
//! Each pass changes the forecast just as its effects will change the world, so
//! the next pass sees what will be so, and a second decision right after the
//! first finds nothing left to do.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use chrono::TimeDelta;

use super::{
    Agent, Cause, Consequence, Decision, Effect, Feedback, LiveRun, Request, Snapshot, Wait,
    budget::Exhausted,
    forecast::Forecast,
    resolve::{absorb, consequence},
    retry_at,
};
use crate::model::{AgentName, Resolution, Status, StopReason, WaveName};

/// How long after its deadline a run is left to the supervisor that knows it.
const DEADLINE_SLACK: TimeDelta = TimeDelta::seconds(30);

/// What should happen next in the project that `snapshot` was taken of.
pub fn decide(snapshot: &Snapshot) -> Decision {
    let mut planner = Planner { world: Forecast::new(snapshot), decision: Decision::default() };
    planner.sweep_lost_runs();
    planner.act_on_resolved_feedback();
    planner.rebuild_what_changed();
    planner.stop_runs();
    let ready = planner.derive_statuses();
    let affordable = planner.hold_what_is_too_dear(ready);
    planner.launch(affordable);
    planner.decision
}

struct Planner<'a> {
    world: Forecast<'a>,
    decision: Decision,
}

impl<'a> Planner<'a> {
    fn sweep_lost_runs(&mut self) {
        let facts = self.world.facts;
        let now = facts.taken_at;
        for (name, agent) in &facts.agents {
            let Some(run) = agent.run.filter(|run| run.lease_until < now) else {
                continue;
            };
            if let Some(pool) = self.world.pool(&agent.pool) {
                pool.live = pool.live.saturating_sub(1);
            }
            let agent = self.world.change(name, agent);
            agent.run = None;
            agent.attempts.infra += 1;
            agent.attempts.last_ended = Some(now);
            self.decision.effects.push(Effect::Expire { agent: name.clone(), run: run.id });
        }
    }

    fn act_on_resolved_feedback(&mut self) {
        let facts = self.world.facts;
        for (name, read) in facts.agents.iter().filter(|(_, agent)| !agent.retired) {
            let is_running = self.world.of(name, read).run.is_some();
            let mut resolved: Vec<(&Feedback, Resolution)> = read
                .feedback
                .iter()
                .filter(|feedback| !feedback.applied)
                // News are for the next run, or for the next generation if
                // this run finishes first.
                .filter(|feedback| !(is_running && feedback.is_news()))
                .filter_map(|feedback| Some((feedback, feedback.resolution?)))
                .collect();
            resolved.sort_by_key(|(feedback, _)| feedback.number);
            for (feedback, resolution) in resolved {
                let agent = self.world.change(name, read);
                let then = consequence(agent, feedback, resolution);
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
        let facts = self.world.facts;
        // All at once from the same facts, so that the order does not matter.
        let again: Vec<_> = facts
            .agents
            .iter()
            .filter_map(|(name, read)| Some((name, read, self.cause_to_rebuild(name, read)?)))
            .collect();
        for (name, read, cause) in again {
            let agent = self.world.change(name, read);
            let from = agent.generation;
            absorb(agent, Consequence::Rebuild { from });
            self.decision.effects.push(Effect::Rebuild { agent: name.clone(), from, cause });
        }
    }

    fn cause_to_rebuild(&self, name: &AgentName, read: &'a Agent) -> Option<Cause> {
        let agent = self.world.of(name, read);
        let needs = |need: &AgentName| self.world.get(need);
        if agent.retired {
            None
        } else if agent.wants_new_definition() {
            Some(Cause::Definition)
        } else if agent.wants_fresh_inputs(needs) {
            Some(Cause::StaleInputs)
        } else {
            None
        }
    }

    fn stop_runs(&mut self) {
        let facts = self.world.facts;
        for (name, read) in &facts.agents {
            let agent = self.world.of(name, read);
            let Some(run) = agent.run.filter(|run| run.stop.is_none()) else {
                continue;
            };
            let Some(reason) = reason_to_stop(agent, &run, facts) else {
                continue;
            };
            self.world.change(name, read).run = Some(LiveRun { stop: Some(reason), ..run });
            self.decision.effects.push(Effect::Stop { agent: name.clone(), run: run.id, reason });
        }
    }

    /// Moves every agent to where it belongs, and returns those that can be
    /// started once there is room, the most important first.
    fn derive_statuses(&mut self) -> Vec<(&'a AgentName, &'a Agent)> {
        let facts = self.world.facts;
        let shut = self.shut_waves();

        let mut asks = Vec::new();
        let mut moves = Vec::new();
        let mut candidates = Vec::new();
        let mut waiting = BTreeMap::new();
        for (name, read) in facts.agents.iter().filter(|(_, agent)| !agent.retired) {
            let (status, wait, ask) = self.status(name, self.world.of(name, read), &shut);
            if let Some(request) = ask {
                asks.push(Effect::Ask { agent: name.clone(), request });
            }
            // A launch takes the agent from where it stands by itself.
            if status == Status::Ready && wait.is_none() {
                candidates.push((name, read));
                continue;
            }
            if status != read.status {
                moves.push(Effect::Move { agent: name.clone(), from: read.status, to: status });
            }
            if let Some(wait) = wait {
                waiting.insert(name.clone(), wait);
            }
        }
        self.decision.effects.extend(asks);
        self.decision.effects.extend(moves);
        self.decision.waiting = waiting;
        // They come by name; the sort keeps that order among equals.
        candidates.sort_by_key(|(_, agent)| Reverse(agent.priority));
        candidates
    }

    /// The status rule, first match wins, with the reason for staying there
    /// and what a person is to be asked. A complete agent waits for nothing,
    /// and neither does one that can be launched.
    fn status(
        &self,
        name: &AgentName,
        agent: &Agent,
        shut: &BTreeMap<&WaveName, Vec<WaveName>>,
    ) -> (Status, Option<Wait>, Option<Request>) {
        if let Some(run) = agent.run {
            let wait = run.stop.map_or(Wait::Run, Wait::Stopping);
            return (Status::Building, Some(wait), None);
        }

        let mut open: Vec<_> = agent.objections().map(|f| (f.number, f.kind)).collect();
        open.sort();
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
        if agent.is_exhausted(self.world.facts.settings.infra_retries) && !agent.paused {
            let budget = agent.budget.filter(|_| agent.is_over_budget());
            return asking(Request::Failure { epoch: agent.epoch, generation, budget });
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
        let needs = agent.needs.iter();
        let unmet: Vec<AgentName> = needs.filter(|need| !self.is_met(need)).cloned().collect();
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
        let retry = retry_at(name, &agent.attempts, &self.world.facts.settings);
        let backoff = retry.filter(|&at| at > self.world.facts.taken_at).map(Wait::Backoff);
        (Status::Ready, backoff, None)
    }

    fn is_met(&self, need: &AgentName) -> bool {
        let need = self.world.get(need);
        need.is_some_and(|need| !need.retired && need.meets_a_need())
    }

    /// Every wave that may not start yet, with the waves it waits for.
    fn shut_waves(&self) -> BTreeMap<&'a WaveName, Vec<WaveName>> {
        let unfinished: BTreeSet<&WaveName> = self
            .world
            .in_plan()
            .filter(|(_, agent)| !agent.is_complete())
            .map(|(_, agent)| &agent.wave)
            .collect();
        let waves = &self.world.facts.waves;
        let shut = waves.iter().filter_map(|(wave, after)| {
            let before = after.iter().filter(|wave| unfinished.contains(wave));
            let before: Vec<WaveName> = before.cloned().collect();
            (!before.is_empty()).then_some((wave, before))
        });
        shut.collect()
    }

    /// Leaves out those that a shared budget holds back. The first of those
    /// asks a person for all of them.
    fn hold_what_is_too_dear(
        &mut self,
        candidates: Vec<(&'a AgentName, &'a Agent)>,
    ) -> Vec<(&'a AgentName, &'a Agent)> {
        let facts = self.world.facts;
        let mut asked = BTreeSet::new();
        let mut affordable = Vec::new();
        for (name, read) in candidates {
            let agent = self.world.of(name, read);
            let Some(Exhausted { scope, limit, ask }) = facts.exhausted(agent) else {
                affordable.push((name, read));
                continue;
            };
            let generation = agent.generation;
            let (to, wait) = match ask.filter(|_| asked.insert(scope.clone())) {
                Some(asked) => {
                    let request = Request::Budget { scope, limit, asked, generation };
                    let wait = Wait::Asked(request.kind());
                    self.decision.effects.push(Effect::Ask { agent: name.clone(), request });
                    (Status::Feedback, wait)
                }
                None => (Status::Ready, Wait::Budget(scope, limit)),
            };
            if read.status != to {
                let (agent, from) = (name.clone(), read.status);
                self.decision.effects.push(Effect::Move { agent, from, to });
            }
            self.decision.waiting.insert(name.clone(), wait);
        }
        affordable
    }

    fn launch(&mut self, candidates: Vec<(&'a AgentName, &'a Agent)>) {
        for (name, read) in candidates {
            let from = read.status;
            let pool = self.world.pool(&read.pool);
            let cap = pool.as_ref().map_or(0, |pool| pool.cap);
            if let Some(pool) = pool.filter(|pool| pool.live < pool.cap) {
                pool.live += 1;
                let agent = self.world.of(name, read);
                self.decision.effects.push(Effect::Launch {
                    agent: name.clone(),
                    from,
                    epoch: agent.epoch,
                    generation: agent.generation,
                    pool: agent.pool.clone(),
                });
                continue;
            }
            if from != Status::Ready {
                self.decision.effects.push(Effect::Move {
                    agent: name.clone(),
                    from,
                    to: Status::Ready,
                });
            }
            let wait = Wait::Pool(read.pool.clone(), cap);
            self.decision.waiting.insert(name.clone(), wait);
        }
    }
}

/// Why a run should not go on.
fn reason_to_stop(agent: &Agent, run: &LiveRun, facts: &Snapshot) -> Option<StopReason> {
    let now = facts.taken_at;
    let stall = TimeDelta::from_std(facts.settings.stall_timeout).unwrap_or(TimeDelta::MAX);
    if now > run.deadline + DEADLINE_SLACK {
        Some(StopReason::Timeout)
    } else if now - run.progress_at > stall {
        Some(StopReason::Stalled)
    } else if agent.objections().next().is_some() || (agent.has_news() && !agent.retired) {
        Some(StopReason::Feedback)
    } else if agent.paused {
        Some(StopReason::Paused)
    } else if agent.is_over_budget() || facts.exhausted(agent).is_some() {
        Some(StopReason::Budget)
    } else {
        None
    }
}

fn asking(request: Request) -> (Status, Option<Wait>, Option<Request>) {
    (Status::Feedback, Some(Wait::Asked(request.kind())), Some(request))
}
