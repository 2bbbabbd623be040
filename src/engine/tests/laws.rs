//! What holds for every decision, in whatever world it is made.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{
    apply::World,
    random::{any_world, dependents},
    rule,
};
use crate::{
    engine::{Agent, BudgetScope, Decision, Effect, Request, Spending, decide, retry_at},
    model::{AgentName, FeedbackKind, RunnerKind, Status, Usd},
};

fn launches(decision: &Decision) -> BTreeSet<&AgentName> {
    let launches = decision.effects.iter().filter(|effect| is_launch(effect));
    launches.map(Effect::agent).collect()
}

fn is_launch(effect: &Effect) -> bool {
    matches!(effect, Effect::Launch { .. })
}

/// Whether a run of it may cost money: one of a program that is known to use a
/// language model, or that did before.
fn may_cost(agent: &Agent) -> bool {
    match agent.runner {
        RunnerKind::Manual => false,
        RunnerKind::Subagent => true,
        _ => agent.spent > Usd::default(),
    }
}

/// What a decision makes of the world, and the decision.
fn decided(world: World) -> (World, Decision) {
    let decision = decide(&world.facts);
    (world.after(&decision), decision)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_starts_before_its_time(world in any_world()) {
        let decision = decide(&world.facts);
        let mut before = world;
        for effect in decision.effects.iter().filter(|effect| !is_launch(effect)) {
            before.apply(effect);
        }
        for name in launches(&decision) {
            let agent = &before.facts.agents[name];
            let retry = retry_at(name, &agent.attempts, &before.facts.settings);
            // Needs, barriers, feedback and pauses are all in the rule.
            prop_assert_eq!(rule::status(&before.facts, name), Status::Ready);
            prop_assert!(retry.is_none_or(|at| at <= before.facts.taken_at));
            prop_assert!(agent.runner != RunnerKind::Manual && !agent.retired);
        }
    }

    #[test]
    fn every_change_of_status_is_a_legal_one(world in any_world()) {
        let mut changed = BTreeSet::new();
        for effect in decide(&world.facts).effects {
            let (from, to) = match effect {
                Effect::Move { from, to, .. } => (from, to),
                // By way of `ready`.
                Effect::Launch { from, .. } => (from, Status::Ready),
                _ => continue,
            };
            let name = effect.agent();
            prop_assert_eq!(from, world.facts.agents[name].status);
            prop_assert!(from == to && is_launch(&effect) || from.may_become(to), "{effect}");
            prop_assert!(changed.insert(name.clone()), "{name} is moved twice");
        }
    }

    #[test]
    fn the_status_that_is_written_is_the_one_of_the_rule(world in any_world()) {
        let (after, _) = decided(world);
        for (name, agent) in after.facts.agents.iter().filter(|(_, agent)| !agent.retired) {
            prop_assert_eq!(agent.status, rule::status(&after.facts, name), "{}", name);
        }
    }

    #[test]
    fn a_second_decision_right_after_changes_nothing(world in any_world()) {
        let (after, _) = decided(world);
        prop_assert_eq!(decide(&after.facts).effects, vec![]);
    }

    #[test]
    fn carrying_out_a_decision_twice_is_carrying_it_out_once(world in any_world()) {
        let (after, decision) = decided(world);
        prop_assert_eq!(after.clone().after(&decision), after);
    }

    #[test]
    fn carrying_out_only_the_first_effects_leads_to_the_same_end(
        world in any_world(),
        part in any::<prop::sample::Index>(),
    ) {
        let (whole, mut decision) = decided(world.clone());
        decision.effects.truncate(part.index(decision.effects.len() + 1));
        let (resumed, _) = decided(world.after(&decision));
        prop_assert_eq!(resumed, whole);
    }

    #[test]
    fn the_order_in_which_feedback_is_read_does_not_matter(world in any_world()) {
        let mut reordered = world.facts.clone();
        for agent in reordered.agents.values_mut() {
            agent.feedback.reverse();
        }
        prop_assert_eq!(decide(&reordered), decide(&world.facts));
    }

    #[test]
    fn every_unfinished_agent_starts_or_says_what_it_waits_for(world in any_world()) {
        let (after, decision) = decided(world);
        let waiting: BTreeSet<&AgentName> = decision.waiting.keys().collect();
        let launches = launches(&decision);
        let unfinished: BTreeSet<&AgentName> = (after.facts.agents.iter())
            .filter(|(_, agent)| !agent.retired && agent.status != Status::Complete)
            .map(|(name, _)| name)
            .collect();
        prop_assert!(waiting.is_disjoint(&launches));
        prop_assert_eq!(&waiting | &launches, unfinished);
    }

    #[test]
    fn no_pool_is_filled_beyond_its_cap(world in any_world()) {
        let decision = decide(&world.facts);
        let mut before = world;
        for effect in decision.effects.iter().filter(|effect| !is_launch(effect)) {
            before.apply(effect);
        }
        for (name, pool) in &before.facts.pools {
            let agents = launches(&decision).into_iter();
            let started = agents.filter(|agent| before.facts.agents[*agent].pool == *name);
            let room = pool.cap.saturating_sub(pool.live);
            prop_assert!(started.count() <= usize::try_from(room).unwrap(), "{}", name);
        }
    }

    #[test]
    fn nothing_that_costs_starts_without_money(world in any_world()) {
        let decision = decide(&world.facts);
        let facts = &world.facts;
        let Spending { project, waves, day } = &facts.spending;
        let used_up = |limit: Option<Usd>, spent: Usd| limit.is_some_and(|limit| spent >= limit);
        for name in launches(&decision) {
            let agent = &facts.agents[name];
            // Whoever asks for another try, or for another generation, counts anew.
            let counts_anew = decision.effects.iter().any(|effect| {
                effect.agent() == name
                    && matches!(effect, Effect::Apply { .. } | Effect::Rebuild { .. })
            });
            if counts_anew || !may_cost(agent) {
                continue;
            }
            let of_wave = waves.get(&agent.wave).copied().unwrap_or_default();
            prop_assert!(!used_up(agent.budget, agent.spent));
            prop_assert!(!used_up(facts.settings.budget, project.usd));
            prop_assert!(!used_up(facts.settings.budget_per_day, *day));
            prop_assert!(!used_up(facts.wave_budgets.get(&agent.wave).copied(), of_wave.usd));
        }
    }

    #[test]
    fn a_budget_holds_back_only_those_whose_money_it_is(world in any_world()) {
        let mut rich = world.facts.clone();
        (rich.settings.budget, rich.settings.budget_per_day) = (None, None);
        rich.wave_budgets.clear();
        rich.agents.values_mut().for_each(|agent| agent.budget = None);

        let (with, without) = (decide(&world.facts), decide(&rich));

        let facts = &world.facts;
        let Spending { project, waves, day } = &facts.spending;
        let used_up = |limit: Option<Usd>, spent: Usd| limit.is_some_and(|limit| spent >= limit);
        let launched = launches(&with);
        for name in launches(&without).into_iter().filter(|name| !launched.contains(name)) {
            let agent = &facts.agents[name];
            let of_wave = waves.get(&agent.wave).copied().unwrap_or_default();
            let shared = used_up(facts.settings.budget, project.usd)
                || used_up(facts.settings.budget_per_day, *day)
                || used_up(facts.wave_budgets.get(&agent.wave).copied(), of_wave.usd);
            let is_concerned = used_up(agent.budget, agent.spent) || shared && may_cost(agent);
            prop_assert!(is_concerned, "{}: {:?}", name, with.waiting.get(name));
        }
    }

    #[test]
    fn a_shared_budget_is_asked_for_once(world in any_world()) {
        let mut asked = BTreeSet::new();
        for effect in decide(&world.facts).effects {
            let Effect::Ask { request: Request::Budget { scope, limit, .. }, .. } = effect else {
                continue;
            };
            let Spending { project, waves, .. } = &world.facts.spending;
            let spent = match &scope {
                BudgetScope::Wave(wave) => waves[wave],
                BudgetScope::Project => *project,
                BudgetScope::Agent | BudgetScope::Day => panic!("{scope} asks nobody"),
            };
            prop_assert!(spent.usd >= limit && spent.refused_at != Some(limit));
            prop_assert!(asked.insert(scope));
        }
    }

    #[test]
    fn a_person_is_asked_for_all_that_is_missing(world in any_world()) {
        let (after, decision) = decided(world);
        for effect in &decision.effects {
            if let Effect::Ask { agent, request: Request::HandIn { missing, .. } } = effect {
                prop_assert_eq!(missing, &after.facts.agents[agent].missing);
            }
        }
    }

    #[test]
    fn feedback_on_one_agent_delays_only_those_that_need_it(
        world in any_world(),
        agent in any::<prop::sample::Selector>(),
    ) {
        let name = agent.select(world.facts.agents.keys()).clone();
        let mut commented = world.clone();
        commented.add_feedback(&name, FeedbackKind::Comment);

        let before = decide(&world.facts);
        let after = decide(&commented.facts);

        let concerned = dependents(&world.facts, &name);
        let launched = launches(&after);
        for other in launches(&before).into_iter().filter(|other| !concerned.contains(*other)) {
            prop_assert!(launched.contains(other), "{other} does not need {name}");
        }
    }
}
