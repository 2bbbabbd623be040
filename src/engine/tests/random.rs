//! Random worlds: small plans without cycles, and any facts about them.
//!
//! The facts need not have come about by an orderly history: whatever is so,
//! a decision has to make the best of it. Only what the database guarantees is
//! kept: a live run goes with `building`, and what was acted on was resolved.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use proptest::{array::uniform3, collection::vec, option, prelude::*, sample::select};
use uuid::Uuid;

use super::{
    apply::World,
    world::{self, NOW},
};
use crate::{
    engine::{Agent, Attempts, Build, Feedback, LiveRun, Pool, Snapshot, Spent},
    model::{
        AgentName, Digest, Epoch, FeedbackKind, FeedbackNumber, Generation, OnStale,
        ProjectSettings, Resolution, Review, RunId, RunnerKind, Status, StopReason, Usd,
    },
};

/// Their order is not that of the needs, which go from later to earlier ones.
const NAMES: [&str; 12] = [
    "mike", "lima", "zulu", "alfa", "kilo", "echo", "xray", "bravo", "romeo", "delta", "golf",
    "uniform",
];
const WAVES: [&str; 3] = ["first", "second", "third"];
const POOLS: [&str; 2] = ["default", "gpu"];

/// Any facts about a plan of up to twelve agents in three waves and two pools.
pub(super) fn any_world() -> impl Strategy<Value = World> {
    let agents = vec(any_agent(), 1..=NAMES.len());
    let waves = (0..=12_usize, 0..=12_usize, uniform3(often(false, true)));
    let pools = vec((1..4_u32, 0..2_u32), POOLS.len());
    let shared = vec((option::weighted(0.2, 1..4_u64), any_spent()), 3);
    (agents, waves, pools, shared).prop_map(
        |(agents, (cut, other_cut, barriers), pools, shared)| {
            let mut facts = Snapshot {
                settings: ProjectSettings { infra_retries: 2, ..ProjectSettings::default() },
                ..world::empty()
            };
            let [project, wave, day] = [0, 1, 2].map(|which| {
                let (limit, spent): (Option<u64>, Spent) = shared[which];
                (limit.map(Usd::from_micros), spent)
            });
            (facts.settings.budget, facts.spending.project) = project;
            (facts.settings.budget_per_day, facts.spending.day) = (day.0, day.1.usd);
            facts.wave_budgets.extend(wave.0.map(|limit| (WAVES[1].parse().unwrap(), limit)));
            facts.spending.waves.insert(WAVES[1].parse().unwrap(), wave.1);
            for (pool, (cap, live)) in POOLS.iter().zip(pools) {
                facts.pools.insert(pool.parse().unwrap(), Pool { cap, live });
            }
            let [second_after_first, third_after_first, third_after_second] = barriers;
            let before = [
                vec![],
                vec![(second_after_first, 0)],
                vec![(third_after_first, 0), (third_after_second, 1)],
            ];
            for (wave, before) in WAVES.iter().zip(before) {
                let before = before.iter().filter(|(is_shut, _)| *is_shut);
                let before = before.map(|(_, wave)| WAVES[*wave].parse().unwrap()).collect();
                facts.waves.insert(wave.parse().unwrap(), before);
            }
            for (index, (needs, agent)) in agents.into_iter().enumerate() {
                let wave = usize::from(index >= cut) + usize::from(index >= other_cut);
                let needs = (0..index).filter(|need| needs & (1 << need) != 0);
                let agent = Agent {
                    wave: WAVES[wave].parse().unwrap(),
                    needs: needs.map(|need| NAMES[need].parse().unwrap()).collect(),
                    ..agent
                };
                facts.agents.insert(NAMES[index].parse().unwrap(), name_things(index, agent));
            }
            world::count_live_runs(&mut facts);
            World::new(facts)
        },
    )
}

/// Gives what belongs to the agent of that index an identity.
fn name_things(index: usize, mut agent: Agent) -> Agent {
    let name: AgentName = NAMES[index].parse().unwrap();
    if let Some(run) = &mut agent.run {
        run.id = world::run(&name, agent.epoch, NOW).id;
        run.epoch = agent.epoch;
    }
    for (feedback, number) in agent.feedback.iter_mut().zip(1..) {
        feedback.number = FeedbackNumber(i64::try_from(index).unwrap() * 10 + number);
    }
    agent
}

prop_compose! {
    /// What a plan says, as a set of bits for the needs and the rest.
    fn any_definition()(
        // Three at once, so that needs are few.
        needs in any::<[u16; 3]>(),
        runner in any_runner(),
        review in select(Review::ALL),
        on_stale in select(OnStale::ALL),
        pool in select(&POOLS[..]),
        priority in 0..3,
        retries in 0..3_u32,
        unknown_needs in often(0, 1_u32),
        work in any_work(),
    ) -> (u16, Agent) {
        let pool = pool.parse().unwrap();
        let produces = vec!["doc/a.md".parse().unwrap()];
        (needs[0] & needs[1] & needs[2], Agent {
            runner, review, on_stale, pool, priority, retries, unknown_needs, work, produces,
            ..world::agent()
        })
    }
}

prop_compose! {
    fn any_agent()(
        (needs, plain) in any_definition(),
        status in select(Status::ALL),
        generation in 1..3,
        built in option::of(any_build()),
        epoch in 1..4,
        paused in often(false, true),
        retired in often(false, true),
        run in option::weighted(0.2, any_run()),
        attempts in option::weighted(0.3, any_attempts()),
        feedback in option::weighted(0.4, vec(any_feedback(), 1..3)),
        (asked, is_missing, handed_in) in (0..2_u32, any::<bool>(), 0..9_i64),
        (spent, budget) in (often(0, 2_u64), option::weighted(0.2, 1..4_u64)),
    ) -> (u16, Agent) {
        let is_manual = plain.runner == RunnerKind::Manual;
        let run = run.filter(|_| !is_manual);
        let status = match (status, run) {
            (_, Some(_)) => Status::Building,
            (status, None) => status,
        };
        let missing = if is_missing { plain.produces.clone() } else { vec![] };
        let generation = Generation(generation);
        let epoch = Epoch(epoch);
        let built = built.filter(|built| built.generation <= generation);
        let attempts = attempts.unwrap_or_default();
        let feedback = feedback.unwrap_or_default().into_iter().filter(|feedback| {
            let is_review = feedback.kind == FeedbackKind::Review;
            feedback.generation <= generation
                && (!feedback.applied || is_review && feedback.generation == generation)
        });
        (needs, Agent {
            status, generation, built, epoch, paused, retired, run, attempts,
            feedback: feedback.collect(), asked, missing, handed_in,
            spent: Usd::from_micros(spent), budget: budget.map(Usd::from_micros),
            ..plain
        })
    }
}

prop_compose! {
    fn any_spent()(
        usd in 0..4_u64,
        asked in 0..2_u32,
        refused_at in option::of(1..4_u64),
    ) -> Spent {
        let refused_at = refused_at.map(Usd::from_micros);
        Spent { usd: Usd::from_micros(usd), asked, refused_at }
    }
}

prop_compose! {
    fn any_build()(
        generation in 1..3,
        work in any_work(),
        outputs in 0..9_i64,
        inputs in 0..9_i64,
    ) -> Build {
        Build { generation: Generation(generation), work, outputs, inputs }
    }
}

prop_compose! {
    fn any_run()(
        is_expired in often(false, true),
        is_late in often(false, true),
        is_silent in often(false, true),
        stop in option::weighted(0.2, select(StopReason::ALL)),
    ) -> LiveRun {
        let run = world::run(&"any".parse().unwrap(), Epoch(0), NOW);
        let hours = |hours: i64, is_so: bool| TimeDelta::hours(if is_so { hours } else { 0 });
        LiveRun {
            lease_until: run.lease_until - hours(1, is_expired),
            deadline: run.deadline - hours(3, is_late),
            progress_at: run.progress_at - hours(1, is_silent),
            stop,
            ..run
        }
    }
}

prop_compose! {
    fn any_attempts()(
        own in 0..3_u32,
        infra in 0..4_u32,
        refused in often(false, true),
        seconds_ago in select(&[0, 9, 3600][..]),
    ) -> Attempts {
        let last_ended = Some(NOW - TimeDelta::seconds(seconds_ago));
        Attempts { own, infra, refused, last_ended }
    }
}

prop_compose! {
    fn any_feedback()(
        kind in select(FeedbackKind::ALL),
        blocking in often(true, false),
        generation in 1..3,
        is_of_a_run in any::<bool>(),
        resolution in option::of(select(Resolution::ALL)),
        is_applied in any::<bool>(),
    ) -> Feedback {
        Feedback {
            number: FeedbackNumber(0),
            kind,
            blocking,
            generation: Generation(generation),
            run: is_of_a_run.then(|| RunId::from_uuid(Uuid::nil())),
            resolution,
            applied: is_applied && resolution.is_some(),
        }
    }
}

fn any_runner() -> impl Strategy<Value = RunnerKind> {
    use RunnerKind::{Exec, Manual, N8n, Subagent, Webhook};
    prop_oneof![6 => Just(Exec), 4 => Just(Subagent), 1 => select(vec![N8n, Webhook, Manual])]
}

fn any_work() -> impl Strategy<Value = Option<Digest>> {
    often("as defined", "as defined once").prop_map(|work| Some(Digest::of(work)))
}

/// Mostly the one, sometimes the other.
fn often<T: Clone + std::fmt::Debug>(usual: T, odd: T) -> impl Strategy<Value = T> {
    prop_oneof![8 => Just(usual), 1 => Just(odd)]
}

/// The agents that need `name`, directly or not, through a barrier or not.
pub(super) fn dependents(facts: &Snapshot, name: &AgentName) -> BTreeSet<AgentName> {
    let mut found: BTreeSet<AgentName> = [name.clone()].into();
    loop {
        let waves: BTreeSet<_> = found.iter().map(|name| &facts.agents[name].wave).collect();
        let more: BTreeSet<AgentName> = (facts.agents.iter())
            .filter(|(_, agent)| {
                !agent.needs.is_disjoint(&found)
                    || facts.waves[&agent.wave].iter().any(|wave| waves.contains(wave))
            })
            .map(|(name, _)| name.clone())
            .filter(|name| !found.contains(name))
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}
