//! What becomes of the world when an effect is carried out.
//!
//! This is what the store does, without Postgres. Each effect is void when the
//! facts that it names have moved on, so a decision may be carried out late,
//! twice, or only in part.

use std::collections::{BTreeMap, BTreeSet};

use super::{rule, world};
use crate::{
    engine::{
        Agent, Attempts, BudgetScope, Build, Consequence, Decision, Effect, Feedback, Request,
        Snapshot, Spent,
    },
    model::{
        AgentName, Epoch, FeedbackKind, FeedbackNumber, Generation, Instant, Resolution, RunId,
        RunnerKind, Status, Usd,
    },
};

/// The facts, with what the store knows besides.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct World {
    /// What a decision is made from.
    pub(crate) facts: Snapshot,
    /// Every request that was ever made of people.
    asked: BTreeSet<(AgentName, String)>,
    /// The newest artifact that each run was given.
    inputs: BTreeMap<RunId, i64>,
    /// The last number that each agent's feedback was given.
    numbers: i64,
    /// Whose budget it is that a person was asked for.
    budgets: BTreeMap<FeedbackNumber, BudgetScope>,
    /// What the runs that are alive cost so far.
    costs: BTreeMap<AgentName, Usd>,
    /// The last claim of each agent whose failures and costs were forgiven.
    forgiven: BTreeMap<AgentName, Epoch>,
}

impl World {
    /// The world in which these are the facts.
    pub(crate) fn new(facts: Snapshot) -> Self {
        let mut asked = BTreeSet::new();
        let mut numbers = 0;
        for (name, agent) in &facts.agents {
            let generation = agent.generation;
            let mut ask = |request: Request| asked.insert((name.clone(), request.key()));
            for count in 0..agent.asked {
                ask(hand_in(agent, count));
            }
            for feedback in &agent.feedback {
                numbers = numbers.max(feedback.number.0);
                // Otherwise somebody wrote it before there was anything to review.
                let was_asked = feedback.generation == generation
                    && rule::is_built(agent)
                    && feedback.resolution != Some(Resolution::Dismissed);
                match feedback.kind {
                    FeedbackKind::Review if was_asked => ask(Request::Review { generation }),
                    FeedbackKind::Failure if agent.run.is_none() => ask(failure(agent)),
                    _ => continue,
                };
            }
        }
        let (inputs, budgets, costs, forgiven) = Default::default();
        Self { facts, asked, inputs, numbers, budgets, costs, forgiven }
    }

    /// The world after `decision` was carried out.
    pub(super) fn after(mut self, decision: &Decision) -> Self {
        for effect in &decision.effects {
            self.apply(effect);
        }
        self
    }

    /// Carries out one effect, if it still is to the point.
    pub(crate) fn apply(&mut self, effect: &Effect) {
        let now = self.facts.taken_at;
        let name = effect.agent();
        match effect {
            Effect::Apply { feedback, then, .. } => self.act_on(name, *feedback, *then),
            Effect::Rebuild { from, .. } => rebuild(self.agent(name), *from),
            Effect::Expire { run, .. } => {
                let agent = self.agent(name);
                if agent.run.is_some_and(|live| live.id == *run && live.lease_until < now) {
                    self.end_run(name);
                    let attempts = &mut self.agent(name).attempts;
                    attempts.infra += 1;
                    attempts.last_ended = Some(now);
                }
            }
            Effect::Stop { run, reason, .. } => {
                if let Some(live) = &mut self.agent(name).run
                    && live.id == *run
                {
                    live.stop.get_or_insert(*reason);
                }
            }
            Effect::Ask { request, .. } => self.ask(name, request),
            Effect::Move { from, to, .. } => {
                let agent = self.agent(name);
                let is_possible = agent.run.is_some() == (*to == Status::Building);
                if agent.status == *from && is_possible {
                    agent.status = *to;
                }
            }
            Effect::Launch { from, epoch, generation, .. } => {
                let agent = self.agent(name);
                let is_current =
                    (agent.status, agent.epoch, agent.generation) == (*from, *epoch, *generation);
                let is_free = is_current && may_be_claimed(agent);
                if is_free && self.has_its_needs(name) {
                    self.claim(name, now);
                }
            }
        }
        // A snapshot is not given what is over and done with.
        let agent = self.agent(name);
        let generation = agent.generation;
        agent.feedback.retain(|feedback| {
            let is_gate =
                feedback.kind == FeedbackKind::Review && feedback.generation == generation;
            is_gate || !feedback.applied
        });
    }

    /// An agent of this world.
    pub(super) fn agent(&mut self, name: &AgentName) -> &mut Agent {
        self.facts.agents.get_mut(name).unwrap()
    }

    /// Adds feedback about what is there now.
    pub(super) fn add_feedback(&mut self, name: &AgentName, kind: FeedbackKind) {
        self.numbers += 1;
        let number = FeedbackNumber(self.numbers);
        let agent = self.agent(name);
        agent.feedback.push(Feedback {
            number,
            kind,
            blocking: true,
            generation: agent.generation,
            run: None,
            resolution: None,
            applied: false,
        });
    }

    /// Ends the run of an agent, however it went.
    pub(super) fn end_run(&mut self, name: &AgentName) {
        self.costs.remove(name);
        let agent = self.agent(name);
        agent.run = None;
        let pool = agent.pool.clone();
        if let Some(pool) = self.facts.pools.get_mut(&pool) {
            pool.live -= 1;
        }
    }

    /// Accepts what the run that was last claimed has made, and ends it.
    pub(super) fn finish(&mut self, name: &AgentName) {
        if self.agent(name).run.is_some() {
            self.end_run(name);
        }
        let outputs = self.newest_artifact() + 1;
        let agent = self.agent(name);
        let id = world::run(name, agent.epoch, Instant::UNIX_EPOCH).id;
        let built = Build {
            generation: agent.generation,
            work: agent.work,
            outputs,
            inputs: self.inputs.get(&id).copied().unwrap_or_default(),
        };
        self.agent(name).built = Some(built);
    }

    /// Hears of a run again that was given up, if nobody took over and there is
    /// room.
    pub(super) fn revive(&mut self, name: &AgentName) {
        let now = self.facts.taken_at;
        let agent = &self.facts.agents[name];
        let (epoch, is_free) = (agent.epoch, agent.run.is_none());
        if is_free && self.takes_a_place(name) {
            let counted = u32::from(self.counts(name));
            let agent = self.agent(name);
            agent.run = Some(world::run(name, epoch, now));
            agent.attempts.infra = agent.attempts.infra.saturating_sub(counted);
        }
    }

    /// Whether what becomes of the last claim of an agent counts: one that was
    /// forgiven can be heard of again.
    pub(super) fn counts(&self, name: &AgentName) -> bool {
        self.forgiven.get(name).is_none_or(|since| *since < self.facts.agents[name].epoch)
    }

    /// A run that is alive costs so much more.
    pub(super) fn spend(&mut self, name: &AgentName, usd: Usd) {
        if usd == Usd::default() {
            return;
        }
        let counts = self.counts(name);
        let agent = self.agent(name);
        if counts {
            agent.spent = agent.spent + usd;
        }
        let wave = agent.wave.clone();
        let spending = &mut self.facts.spending;
        let of_wave = spending.waves.entry(wave).or_default();
        let cost = self.costs.entry(name.clone()).or_default();
        for sum in [&mut spending.project.usd, &mut of_wave.usd, &mut spending.day, cost] {
            *sum = *sum + usd;
        }
    }

    /// Lets a shared budget count anew, if that is what a person was asked for.
    /// What is still running counts as a whole.
    pub(super) fn allow_more(&mut self, number: FeedbackNumber) {
        let Some(scope) = self.budgets.get(&number) else { return };
        let is_of_it = |name: &AgentName| match scope {
            BudgetScope::Wave(wave) => self.facts.agents[name].wave == *wave,
            _ => true,
        };
        let live = self.costs.iter().filter(|(name, _)| is_of_it(name));
        let usd = live.fold(Usd::default(), |sum, (_, cost)| sum + *cost);
        let spending = &mut self.facts.spending;
        let spent = match scope {
            BudgetScope::Wave(wave) => spending.waves.entry(wave.clone()).or_default(),
            _ => &mut spending.project,
        };
        *spent = Spent { usd, asked: spent.asked, refused_at: None };
    }

    /// The open requests for more of the budgets that agents share.
    pub(super) fn open_budgets(&self) -> Vec<&BudgetScope> {
        let feedback = self.facts.agents.values().flat_map(|agent| &agent.feedback);
        let open = feedback.filter(|feedback| feedback.resolution.is_none());
        open.filter_map(|feedback| self.budgets.get(&feedback.number)).collect()
    }

    /// Whether there was room for one more run of an agent, which has it now.
    fn takes_a_place(&mut self, name: &AgentName) -> bool {
        let pool = self.facts.agents[name].pool.clone();
        let pool = self.facts.pools.get_mut(&pool).filter(|pool| pool.live < pool.cap);
        pool.map(|pool| pool.live += 1).is_some()
    }

    fn claim(&mut self, name: &AgentName, now: Instant) {
        if !self.takes_a_place(name) {
            return;
        }
        let given = self.newest_input(name);
        let agent = self.agent(name);
        agent.epoch = Epoch(agent.epoch.0 + 1);
        agent.status = Status::Building;
        let run = world::run(name, agent.epoch, now);
        agent.run = Some(run);
        self.inputs.insert(run.id, given);
    }

    fn act_on(&mut self, name: &AgentName, number: FeedbackNumber, then: Consequence) {
        let given = self.newest_input(name);
        let agent = self.agent(name);
        let Some(feedback) = (agent.feedback.iter_mut())
            .find(|feedback| feedback.number == number && !feedback.applied)
            .filter(|feedback| feedback.resolution.is_some())
        else {
            return;
        };
        feedback.applied = true;
        match then {
            Consequence::Nothing | Consequence::Resume | Consequence::Approve => (),
            Consequence::Rebuild { from } => rebuild(agent, from),
            Consequence::Retry { since } => {
                forgive(agent, since);
                agent.paused = false;
                self.forgiven.insert(name.clone(), since);
            }
            Consequence::Pause { since } => {
                forgive(agent, since);
                agent.paused = true;
                self.forgiven.insert(name.clone(), since);
            }
            // What is finished stays so, even if the request was opened and closed anew.
            Consequence::HandIn { generation }
                if generation == agent.generation && !rule::is_built(agent) =>
            {
                agent.built = Some(Build {
                    generation,
                    work: agent.work,
                    outputs: agent.handed_in,
                    inputs: given,
                });
            }
            Consequence::HandIn { .. } => (),
        }
    }

    fn ask(&mut self, name: &AgentName, request: &Request) {
        let agent = self.agent(name);
        let is_current = match request {
            Request::Review { generation } => *generation == agent.generation,
            Request::Failure { epoch, .. } => *epoch == agent.epoch && !rule::is_built(agent),
            Request::Budget { generation, .. } => {
                *generation == agent.generation && !rule::is_built(agent)
            }
            Request::HandIn { generation, asked, .. } => {
                (*generation, *asked) == (agent.generation, agent.asked)
            }
        };
        if is_current && self.asked.insert((name.clone(), request.key())) {
            self.add_feedback(name, request.kind());
            match request {
                Request::HandIn { .. } => self.agent(name).asked += 1,
                Request::Budget { scope, limit, .. } => {
                    self.budgets.insert(FeedbackNumber(self.numbers), scope.clone());
                    let spending = &mut self.facts.spending;
                    let spent = match scope {
                        BudgetScope::Project => &mut spending.project,
                        BudgetScope::Wave(wave) => spending.waves.entry(wave.clone()).or_default(),
                        BudgetScope::Agent | BudgetScope::Day => panic!("{scope} asks nobody"),
                    };
                    spent.asked += 1;
                    spent.refused_at = Some(*limit);
                }
                _ => (),
            }
        }
    }

    fn has_its_needs(&self, name: &AgentName) -> bool {
        let mut needs = self.facts.agents[name].needs.iter();
        needs.all(|need| rule::is_built(&self.facts.agents[need]))
    }

    fn newest_input(&self, name: &AgentName) -> i64 {
        let needs = self.facts.agents[name].needs.iter();
        let built = needs.filter_map(|need| self.facts.agents[need].built);
        built.map(|built| built.outputs).max().unwrap_or(0)
    }

    pub(super) fn newest_artifact(&self) -> i64 {
        let agents = self.facts.agents.values();
        let newest = agents.map(|agent| {
            let built = agent.built.map_or(0, |built| built.outputs.max(built.inputs));
            built.max(agent.handed_in)
        });
        newest.max().unwrap_or(0)
    }
}

/// What a claim checks under its locks.
fn may_be_claimed(agent: &Agent) -> bool {
    agent.run.is_none()
        && agent.runner != RunnerKind::Manual
        && !agent.paused
        && !agent.retired
        && rule::open(agent).next().is_none()
}

fn rebuild(agent: &mut Agent, from: Generation) {
    if agent.generation != from {
        return;
    }
    for feedback in &mut agent.feedback {
        if feedback.kind == FeedbackKind::Review && feedback.resolution.is_none() {
            feedback.resolution = Some(Resolution::Superseded);
            feedback.applied = true;
        }
    }
    agent.generation = from.next();
    agent.attempts = Attempts::default();
    agent.spent = Usd::default();
    agent.asked = 0;
    agent.missing.clone_from(&agent.produces);
}

fn forgive(agent: &mut Agent, since: Epoch) {
    if agent.epoch == since {
        agent.attempts = Attempts::default();
        agent.spent = Usd::default();
    }
}

fn hand_in(agent: &Agent, asked: u32) -> Request {
    Request::HandIn { generation: agent.generation, asked, missing: agent.missing.clone() }
}

fn failure(agent: &Agent) -> Request {
    let budget = agent.budget.filter(|&budget| agent.spent >= budget);
    Request::Failure { epoch: agent.epoch, generation: agent.generation, budget }
}
