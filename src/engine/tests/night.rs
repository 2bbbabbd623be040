//! A night without anybody watching, and the morning after.
//!
//! All night long things happen between the ticks: runs finish, fail and get
//! lost, people come by, a tick is carried out late. Then it gets calm, and
//! everything that can move without a person must have moved. In the morning
//! people answer everything, and then all of it must get done.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use proptest::{collection::vec, prelude::*, test_runner::TestCaseResult};

use super::{apply::World, random::any_world};
use crate::{
    engine::{Decision, Feedback, Spent, Wait, decide},
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
        Self {
            world,
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
        self.world = self.world.clone().after(&decision);
        check(&before, &self.world)?;
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

    /// Ten minutes go by, and the runs get on with it or do not.
    fn pass_time(&mut self) {
        self.world.facts.taken_at += TimeDelta::minutes(10);
        for name in self.names() {
            let agent = &self.world.facts.agents[&name];
            let epoch = agent.epoch;
            match agent.run {
                None => {
                    // Not if somebody said something since that it cannot know.
                    let is_welcome = self.lost.contains(&(name.clone(), epoch))
                        && !self.unheard.iter().any(|(to, _)| *to == name);
                    if is_welcome && self.dice.roll(4) == 3 {
                        self.world.finish(&name);
                    }
                }
                Some(run) if run.stop.is_some() => match self.dice.roll(3) {
                    0 => self.world.end_run(&name),
                    1 => self.world.finish(&name),
                    _ => self.beat(&name),
                },
                Some(_) => match self.dice.roll(8) {
                    0 => self.world.finish(&name),
                    1 => self.fail(&name),
                    2 => {
                        self.fail(&name);
                        self.world.agent(&name).attempts.refused = true;
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

    fn beat(&mut self, name: &AgentName) {
        let now = self.world.facts.taken_at;
        if let Some(run) = &mut self.world.agent(name).run {
            run.lease_until = now + TimeDelta::minutes(2);
            run.progress_at = now;
        }
    }

    fn fail(&mut self, name: &AgentName) {
        let now = self.world.facts.taken_at;
        self.world.end_run(name);
        let attempts = &mut self.world.agent(name).attempts;
        attempts.own += 1;
        attempts.last_ended = Some(now);
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
        if let Some(run) = agent.run {
            prop_assert_eq!((run.epoch, agent.status), (agent.epoch, Status::Building));
        }
    }
    for (name, pool) in &after.facts.pools {
        let agents = after.facts.agents.values();
        let live = agents.filter(|agent| agent.pool == *name && agent.run.is_some());
        prop_assert_eq!(u32::try_from(live.count()).unwrap(), pool.live);
        prop_assert!(pool.live <= pool.cap.max(before.facts.pools[name].live));
    }
    Ok(())
}
