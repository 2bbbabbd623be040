//! Which of the decided effects a session carries out, and where agents start.
//!
//! **Invariant:** an agent that could be launched and is not launched here is
//! ready all the same, and people see that.

use super::{Supervisor, Until};
use crate::{
    app::apply::Applied,
    engine::{Decision, Effect, Snapshot},
    model::AgentName,
};

/// Where what can start is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// By this process.
    Here,
    /// On other machines, by `wavemark build`: what needs no machine is still
    /// started by this process.
    Elsewhere,
}

/// What a session does of a decision.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    /// What it carries out.
    pub(super) effects: Vec<Effect>,
    /// Whether a launch was left out only because this machine has no room.
    pub(super) held_back: bool,
    /// The agents whose launch is for other machines.
    pub(super) elsewhere: Vec<AgentName>,
}

impl Supervisor<'_> {
    /// The effects that this session is there for.
    pub(super) fn allowed(&self, decision: &Decision, facts: &Snapshot) -> Allowed {
        let mut room = self.options.jobs.saturating_sub(self.fleet.len());
        let mut allowed = Allowed::default();
        let may_launch = self.may_launch();
        for effect in decision.effects.iter().filter(|effect| self.is_for_us(effect)) {
            let effect = effect.clone();
            let kept = match &effect {
                Effect::Launch { agent, .. } if self.is_for_others(agent, facts) => {
                    allowed.elsewhere.push(agent.clone());
                    effect.without_launching()
                }
                Effect::Launch { .. } if !may_launch => effect.without_launching(),
                // What is done elsewhere takes no room here.
                Effect::Launch { agent, .. } if is_remote(agent, facts) => Some(effect),
                Effect::Launch { .. } if room == 0 => {
                    allowed.held_back = true;
                    effect.without_launching()
                }
                Effect::Launch { .. } => {
                    room -= 1;
                    Some(effect)
                }
                _ => Some(effect),
            };
            allowed.effects.extend(kept);
        }
        allowed
    }

    fn is_for_us(&self, effect: &Effect) -> bool {
        match &self.options.until {
            Until::Built(agent) => effect.agent() == agent,
            _ => true,
        }
    }

    fn is_for_others(&self, agent: &AgentName, facts: &Snapshot) -> bool {
        let runner = facts.agents.get(agent).map(|agent| agent.runner);
        self.options.launches == Where::Elsewhere
            && runner.is_some_and(|runner| runner.needs_a_machine())
    }

    fn may_launch(&self) -> bool {
        let may_still = match &self.options.until {
            Until::Quiet | Until::Interrupted => true,
            Until::Once => !self.launched,
            // Again within the budget, when it failed.
            Until::Built(_) => !self.launched || self.options.budget.is_some(),
        };
        may_still && !self.looks_first() && !self.is_interrupted() && self.has_time()
    }
}

fn is_remote(agent: &AgentName, facts: &Snapshot) -> bool {
    facts.agents.get(agent).is_some_and(|agent| agent.runner.is_remote())
}

/// Whether a launch came to nothing only because another process was faster.
pub(super) fn lost_a_race(effects: &[Effect], applied: &Applied) -> bool {
    let launches = effects
        .iter()
        .filter(|effect| effect.is_launch() && !applied.failed.contains(effect.agent()));
    launches.count() > applied.begun.len()
}
