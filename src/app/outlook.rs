//! What the facts will be once a plan is synced, and what could go on then.
//!
//! **Invariant:** what is said here is what the engine decides after the sync:
//! the same [`decide`], on facts changed just as the sync changes them.

use std::collections::BTreeSet;

use crate::{
    engine::{Agent, Attempts, Effect, Pool, Request, Snapshot, Spending, Wait, decide},
    model::{AgentName, Epoch, Generation, Instant, RunnerKind, Status, Usd, WaveName},
    plan::{
        self, Plan,
        diff::{Changes, Outlook},
    },
};

/// What could go on once `plan` is synced, given all facts before, those about
/// retired agents included; without any in a project that is new.
pub(super) fn outlook(facts: Option<Snapshot>, plan: &Plan, changes: &Changes) -> Outlook {
    seen(&synced(facts, plan, changes))
}

/// What could go on when these are the facts.
pub(super) fn seen(facts: &Snapshot) -> Outlook {
    let decision = decide(facts);
    let running = facts.agents.iter().filter(|(_, agent)| agent.run.is_some());
    let mut outlook =
        Outlook { running: running.map(|(name, _)| name.clone()).collect(), ..Outlook::default() };
    for effect in decision.effects {
        match effect {
            Effect::Launch { agent, .. } => drop(outlook.startable.insert(agent)),
            Effect::Ask { agent, request: Request::HandIn { .. } } => {
                outlook.for_people.insert(agent);
            }
            _ => (),
        }
    }
    for (agent, wait) in decision.waiting {
        if matches!(wait, Wait::Pool(..)) {
            outlook.queued.insert(agent);
        }
    }
    outlook
}

/// The facts after a sync.
fn synced(facts: Option<Snapshot>, plan: &Plan, changes: &Changes) -> Snapshot {
    let mut facts = facts.unwrap_or_else(|| Snapshot {
        taken_at: Instant::UNIX_EPOCH,
        settings: plan.project.settings.clone(),
        waves: [].into(),
        pools: [].into(),
        spending: Spending::default(),
        wave_budgets: [].into(),
        agents: [].into(),
    });
    facts.settings = plan.project.settings.clone();
    facts.waves =
        plan.waves.iter().map(|(name, wave)| (name.clone(), wave.after.clone())).collect();
    let budget = |(name, wave): (&WaveName, &plan::Wave)| Some((name.clone(), wave.budget?));
    facts.wave_budgets = plan.waves.iter().filter_map(budget).collect();
    let live = |pool| facts.pools.get(pool).map_or(0, |pool: &Pool| pool.live);
    facts.pools = plan
        .project
        .pools
        .iter()
        .map(|(name, &cap)| (name.clone(), Pool { cap, live: live(name) }))
        .collect();
    for name in changes.vanished() {
        if let Some(agent) = facts.agents.get_mut(name) {
            agent.retired = true;
        }
    }
    for (name, planned) in &plan.agents {
        let before = facts.agents.remove(name);
        facts.agents.insert(name.clone(), redefined(before, planned, plan));
    }
    // As they are read: those that left count only while they run.
    facts.agents.retain(|_, agent| !agent.retired || agent.run.is_some());
    let there: BTreeSet<AgentName> = facts.agents.keys().cloned().collect();
    for agent in facts.agents.values_mut() {
        let needs = agent.needs.len();
        agent.needs.retain(|need| there.contains(need));
        let gone = needs - agent.needs.len();
        agent.unknown_needs += u32::try_from(gone).unwrap_or(u32::MAX);
    }
    facts
}

/// An agent as the plan has it, with the history that it had.
fn redefined(before: Option<Agent>, planned: &plan::Agent, plan: &Plan) -> Agent {
    let definition = &planned.definition;
    let runner = definition.run.kind();
    let manual = runner == RunnerKind::Manual;
    let produces = || if manual { definition.produces.iter().cloned().collect() } else { vec![] };
    let mut agent = before.unwrap_or_else(|| Agent {
        wave: planned.wave.clone(),
        status: Status::Draft,
        needs: BTreeSet::new(),
        unknown_needs: 0,
        runner,
        review: definition.review,
        on_stale: definition.on_stale,
        pool: definition.pool.clone(),
        priority: definition.priority,
        retries: definition.retries,
        work: None,
        generation: Generation(1),
        built: None,
        epoch: Epoch(0),
        paused: false,
        retired: false,
        run: None,
        attempts: Attempts::default(),
        budget: definition.budget,
        spent: Usd::default(),
        feedback: Vec::new(),
        produces: produces(),
        missing: produces(),
        handed_in: 0,
        asked: 0,
    });
    let handed_in: Vec<_> =
        agent.produces.iter().filter(|key| !agent.missing.contains(key)).cloned().collect();
    agent.wave.clone_from(&planned.wave);
    agent.needs = plan.needs_of(planned).into_iter().cloned().collect();
    agent.unknown_needs = 0;
    agent.runner = runner;
    agent.review = definition.review;
    agent.on_stale = definition.on_stale;
    agent.pool.clone_from(&definition.pool);
    agent.priority = definition.priority;
    agent.retries = definition.retries;
    agent.budget = definition.budget;
    agent.work = Some(definition.work_digest());
    agent.retired = false;
    agent.produces = produces();
    agent.missing = produces().into_iter().filter(|key| !handed_in.contains(key)).collect();
    agent
}
