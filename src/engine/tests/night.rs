//! A night without anybody watching, and the morning after.
//!
//! All night long things happen between the ticks: runs finish, fail, cost
//! money, get lost and are heard of again, people come by, a tick is carried out
//! late. Then it gets calm, and
//! everything that can move without a person must have moved. In the morning
//! people answer everything, and then all of it must get done.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use proptest::{collection::vec, prelude::*, test_runner::TestCaseResult};

use super::{apply::World, random::any_world, rule};
use crate::{
    engine::{Consequence, Decision, Effect, Feedback, Spent, Wait, decide},
    model::{
        AgentName, Digest, Epoch, FeedbackKind, FeedbackNumber, Resolution, RunnerKind, Status, Usd,
    },
};

/// Far more than twelve agents can need when nothing goes wrong.
const MANY_TICKS: usize = 200;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_at_night_everything_is_done_in_the_morning(
        world in any_world(),
        rolls in vec(any::<u8>(), 0..400),
    ) {
        let mut night = Night::new(world, rolls);
        while night.dice.is_rolling() {
            night.tick()?;
            night.pass_time();
            night.let_people_come_by();
        }
        night.calm_down()?;
        for _ in 0..MANY_TICKS {
            if night.is_done() {
                break;
            }
            night.answer_everything();
            night.calm_down()?;
        }
        prop_assert!(night.is_done(), "{}", decide(&night.world.facts));
        prop_assert_eq!(night.unheard, BTreeSet::new(), "nobody acted on these comments");
    }
}

/// Chance; 0 once it has run out, which always stands for what is usual.
struct Dice(std::vec::IntoIter<u8>);

impl Dice {
    fn is_rolling(&self) -> bool {
        !self.0.as_slice().is_empty()
    }

    fn roll(&mut self, sides: u8) -> u8 {
        self.0.next().unwrap_or(0) % sides
    }
}

struct Night {
    world: World,
    dice: Dice,
    /// What may yet be carried out a second time, much too late.
    old_decision: Decision,
    /// Runs that were given up, and may yet turn out to have finished.
    lost: BTreeSet<(AgentName, Epoch)>,
    /// Comments to be acted on that no run was started with yet.
    unheard: BTreeSet<(AgentName, FeedbackNumber)>,
    /// What each agent cost since somebody last wanted it to be built or tried
    /// again, or gave up.
    bills: BTreeMap<AgentName, Usd>,
}

impl Night {
    fn new(mut world: World, rolls: Vec<u8>) -> Self {
        let retired = |agent: &AgentName| world.facts.agents[agent].retired;
        let gone: BTreeSet<AgentName> =
            world.facts.agents.keys().filter(|agent| retired(agent)).cloned().collect();
        let mut unheard = BTreeSet::new();
        for (name, agent) in &mut world.facts.agents {
            let needs = agent.needs.len();
            agent.needs = &agent.needs - &gone;
            agent.unknown_needs += u32::from(agent.needs.len() < needs);
            for feedback in agent.feedback.iter().filter(|feedback| {
                feedback.kind == FeedbackKind::Comment
                    && feedback.resolution == Some(Resolution::Completed)
            }) {
                unheard.insert((name.clone(), feedback.number));
            }
        }
        // Those who share the pools are through with them.
        for (name, pool) in &mut world.facts.pools {
            let agents = world.facts.agents.values();
            let live = agents.filter(|agent| agent.pool == *name && agent.run.is_some());
            pool.live = u32::try_from(live.count()).unwrap();
        }
        let agents = world.facts.agents.iter();
        let bills = agents.map(|(name, agent)| (name.clone(), agent.spent)).collect();
        Self {
            world,
            bills,
            dice: Dice(rolls.into_iter()),
            old_decision: Decision::default(),
            lost: BTreeSet::new(),
            unheard,
        }
    }

    fn names(&self) -> Vec<AgentName> {
        self.world.facts.agents.keys().cloned().collect()
    }

    /// Decides and acts on it; now and then somebody else acts on what was
    /// decided before.
    fn tick(&mut self) -> TestCaseResult {
        let before = self.world.clone();
        if self.dice.roll(4) == 3 {
            self.world = self.world.clone().after(&self.old_decision);
            check(&before, &self.world)?;
        }
        let decision = decide(&self.world.facts);
        self.check_money(&decision)?;
        self.world = self.world.clone().after(&decision);
        check(&before, &self.world)?;
        self.check_statuses(&decision)?;
        self.old_decision = decision;
        for (name, agent) in &self.world.facts.agents {
            let is_told = agent.epoch > before.facts.agents[name].epoch
                || agent.runner == RunnerKind::Manual
                || agent.retired;
            if is_told {
                self.unheard.retain(|(to, _)| to != name);
            }
        }
        Ok(())
    }

    /// Nobody starts whose own money is used up, until somebody wants that, and
    /// a shared budget is asked for once.
    fn check_money(&mut self, decision: &Decision) -> TestCaseResult {
        for effect in &decision.effects {
            let agent = &self.world.facts.agents[effect.agent()];
            let bill = self.bills.get_mut(effect.agent()).unwrap();
            match effect {
                Effect::Rebuild { .. }
                | Effect::Apply {
                    then:
                        Consequence::Rebuild { .. }
                        | Consequence::Retry { .. }
                        | Consequence::Pause { .. },
                    ..
                } => *bill = Usd::default(),
                Effect::Launch { .. } => {
                    let is_used_up = agent.budget.is_some_and(|budget| *bill >= budget);
                    prop_assert!(!is_used_up, "{} of {:?}: {}", bill, agent.budget, effect);
                }
                _ => (),
            }
        }
        Ok(())
    }

    /// After a decision was carried out, every status is that of the rule, and
    /// whoever is not done has a reason or was just started.
    fn check_statuses(&self, decision: &Decision) -> TestCaseResult {
        let facts = &self.world.facts;
        for (name, agent) in facts.agents.iter().filter(|(_, agent)| !agent.retired) {
            prop_assert_eq!(agent.status, rule::status(facts, name), "{}", name);
            let is_launched =
                decision.effects.iter().any(|effect| effect.is_launch() && effect.agent() == name);
            let has_reason = decision.waiting.contains_key(name) || is_launched;
            prop_assert_eq!(has_reason, agent.status != Status::Complete, "{}", name);
        }
        let open = self.world.open_budgets();
        let scopes: BTreeSet<_> = open.iter().collect();
        prop_assert_eq!(open.len(), scopes.len(), "asked twice: {:?}", open);
        Ok(())
    }

    /// Ten minutes go by, and the runs get on with it or do not.
    fn pass_time(&mut self) {
        self.world.facts.taken_at += TimeDelta::minutes(10);
        for name in self.names() {
            self.cost_something(&name);
            let agent = &self.world.facts.agents[&name];
            let epoch = agent.epoch;
            match agent.run {
                None if self.lost.contains(&(name.clone(), epoch)) => {
                    // Not if somebody said something since that it cannot know.
                    let is_welcome = !self.unheard.iter().any(|(to, _)| *to == name);
                    match self.dice.roll(4) {
                        3 if is_welcome => self.finish(&name),
                        2 if is_welcome => self.world.revive(&name),
                        _ => (),
                    }
                }
                None => (),
                Some(run) if run.stop.is_some() => match self.dice.roll(3) {
                    0 => self.end(&name),
                    1 => self.finish(&name),
                    _ => self.beat(&name),
                },
                Some(_) => match self.dice.roll(8) {
                    0 => self.finish(&name),
                    1 => self.fail(&name),
                    2 => {
                        self.fail(&name);
                        let counts = self.world.counts(&name);
                        self.world.agent(&name).attempts.refused |= counts;
                    }
                    3 => {
                        self.world.add_feedback(&name, FeedbackKind::Question);
                        self.beat(&name);
                    }
                    // No heartbeat: the lease runs out.
                    4 => drop(self.lost.insert((name, epoch))),
                    _ => self.beat(&name),
                },
            }
        }
    }

    /// What a run says it cost so far, now and then.
    fn cost_something(&mut self, name: &AgentName) {
        let agent = &self.world.facts.agents[name];
        if agent.run.is_some() && self.dice.roll(4) == 3 {
            let usd = Usd::from_micros(self.dice.roll(3).into());
            self.world.spend(name, usd);
            if self.world.counts(name) {
                let bill = self.bills.get_mut(name).unwrap();
                *bill = *bill + usd;
            }
        }
    }

    fn beat(&mut self, name: &AgentName) {
        let now = self.world.facts.taken_at;
        if let Some(run) = &mut self.world.agent(name).run {
            run.lease_until = now + TimeDelta::minutes(2);
            run.progress_at = now;
        }
    }

    /// A run ends, which is not heard of again.
    fn end(&mut self, name: &AgentName) {
        self.world.end_run(name);
        self.lost.retain(|(lost, _)| lost != name);
    }

    fn finish(&mut self, name: &AgentName) {
        self.world.finish(name);
        self.lost.retain(|(lost, _)| lost != name);
    }

    fn fail(&mut self, name: &AgentName) {
        let now = self.world.facts.taken_at;
        self.end(name);
        if self.world.counts(name) {
            let attempts = &mut self.world.agent(name).attempts;
            attempts.own += 1;
            attempts.last_ended = Some(now);
        }
    }

    fn let_people_come_by(&mut self) {
        for name in self.names() {
            for feedback in self.open(&name) {
                match self.dice.roll(8) {
                    6 => self.resolve(&name, feedback, Resolution::Dismissed),
                    7 => self.resolve(&name, feedback, Resolution::Completed),
                    _ => (),
                }
            }
            match self.dice.roll(32) {
                31 => self.world.add_feedback(&name, FeedbackKind::Comment),
                30 => {
                    self.world.add_feedback(&name, FeedbackKind::Comment);
                    let newest = self.open(&name).pop().unwrap();
                    self.resolve(&name, newest, Resolution::Completed);
                }
                29 => self.world.agent(&name).paused ^= true,
                28 => self.world.agent(&name).work = Some(Digest::of("as defined at night")),
                _ => (),
            }
        }
    }

    fn answer_everything(&mut self) {
        // Whoever was asked for more money allows it, and a new day begins.
        let spending = &mut self.world.facts.spending;
        spending.day = Usd::default();
        for spent in spending.waves.values_mut().chain([&mut spending.project]) {
            *spent = Spent { asked: spent.asked, ..Spent::default() };
        }
        for name in self.names() {
            for feedback in self.open(&name) {
                self.resolve(&name, feedback, Resolution::Completed);
            }
            let agent = self.world.agent(&name);
            agent.paused = false;
            agent.unknown_needs = 0;
        }
    }

    fn open(&self, name: &AgentName) -> Vec<Feedback> {
        let feedback = self.world.facts.agents[name].feedback.iter();
        feedback.filter(|feedback| feedback.resolution.is_none()).copied().collect()
    }

    fn resolve(&mut self, name: &AgentName, feedback: Feedback, resolution: Resolution) {
        let artifact = self.world.newest_artifact() + 1;
        let agent = self.world.agent(name);
        if agent.runner == RunnerKind::Manual && resolution == Resolution::Completed {
            agent.missing.clear();
            agent.handed_in = artifact;
        }
        if feedback.kind == FeedbackKind::Comment && resolution == Resolution::Completed {
            self.unheard.insert((name.clone(), feedback.number));
        }
        for open in &mut agent.feedback {
            if open.number == feedback.number {
                open.resolution = Some(resolution);
            }
        }
        if resolution == Resolution::Completed {
            self.world.allow_more(feedback.number);
        }
    }

    /// Goes on until nothing moves any more without a person, and nothing
    /// waits for anything else.
    fn calm_down(&mut self) -> TestCaseResult {
        for _ in 0..MANY_TICKS {
            self.tick()?;
            let next = decide(&self.world.facts);
            let is_quiet = !next.waiting.values().any(Wait::passes);
            let has_runs = self.world.facts.agents.values().any(|agent| agent.run.is_some());
            if is_quiet && !has_runs && next.effects.is_empty() {
                return self.check_that_people_are_waited_for(&next);
            }
            self.pass_time();
        }
        Err(TestCaseError::fail(format!("this never ends:\n{}", decide(&self.world.facts))))
    }

    fn check_that_people_are_waited_for(&self, decision: &Decision) -> TestCaseResult {
        let waits = |name: &AgentName| decision.waiting.contains_key(name);
        for (name, wait) in &decision.waiting {
            let is_passed_on = match wait {
                Wait::Feedback(_) | Wait::Paused | Wait::UnknownNeeds(_) => true,
                // Whoever was asked last said no, or has not said anything yet.
                Wait::Budget(..) => true,
                Wait::Needs(needs) => needs.iter().all(waits),
                Wait::Barrier(waves) => {
                    let agents = self.world.facts.agents.iter();
                    let mut held = agents.filter(|(name, _)| waits(name));
                    held.any(|(_, agent)| waves.contains(&agent.wave))
                }
                _ => false,
            };
            prop_assert!(is_passed_on, "{}: {}", name, wait);
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        let agents = self.world.facts.agents.values();
        let mut in_plan = agents.filter(|agent| !agent.retired);
        in_plan.all(|agent| agent.status == Status::Complete)
            && decide(&self.world.facts).waiting.is_empty()
    }
}

/// What no decision may break, early or late.
fn check(before: &World, after: &World) -> TestCaseResult {
    for (name, agent) in &after.facts.agents {
        prop_assert!(agent.epoch >= before.facts.agents[name].epoch, "{} went back", name);
        prop_assert!(agent.run.is_none_or(|run| run.epoch == agent.epoch), "{}", name);
    }
    for (name, pool) in &after.facts.pools {
        let agents = after.facts.agents.values();
        let live = agents.filter(|agent| agent.pool == *name && agent.run.is_some());
        prop_assert_eq!(u32::try_from(live.count()).unwrap(), pool.live);
        prop_assert!(pool.live <= pool.cap.max(before.facts.pools[name].live));
    }
    Ok(())
}
