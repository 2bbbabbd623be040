//! Why an agent stands where it does, in words, with what helps.

use serde::Serialize;

use super::{
    feedback::{FeedbackRef, Help},
    words::{between, brief, count, list, state},
};
use crate::model::{AgentName, FeedbackKind, Instant, PoolName, Status, StopReason, Usd, WaveName};

/// One thing that an agent waits for, or that explains where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// An agent that it needs is not complete.
    Need {
        /// The agent needed.
        agent: AgentName,
        /// Where that one stands.
        status: Status,
        /// What is open on that one.
        open_feedback: Vec<FeedbackRef>,
    },
    /// A wave that its own wave comes after is not complete.
    Barrier {
        /// The wave before.
        wave: WaveName,
        /// How many agents of that wave are not complete.
        incomplete: u32,
    },
    /// Feedback on itself is open.
    Feedback(FeedbackRef),
    /// An operator paused it.
    Paused,
    /// A run failed, and the next one comes later.
    Backoff {
        /// When it may be tried again.
        until: Instant,
    },
    /// Its pool runs as many agents as it may.
    PoolFull {
        /// The pool.
        pool: PoolName,
        /// How many may run at once.
        cap: u32,
    },
    /// What it may cost is used up.
    OverBudget {
        /// Whose budget: `the budget of wave first`.
        budget: String,
        /// How much it was.
        limit: Usd,
    },
    /// What all agents may cost within 24 hours is used up.
    DayIsOverBudget {
        /// How much it was.
        limit: Usd,
    },
    /// Nothing is in its way: the next tick or run starts it.
    NextTick,
    /// A run of it is alive.
    Running,
    /// Its run was asked to stop and has not yet.
    Stopping {
        /// Why it was asked.
        why: StopReason,
    },
    /// A person was only just asked for something.
    Asked {
        /// For what.
        kind: FeedbackKind,
    },
    /// It needs agents that the plan does not have.
    UnknownNeeds {
        /// How many.
        number: u32,
    },
    /// It finished from artifacts that have been replaced since.
    StaleInputs {
        /// The agents that were built again, where they are known.
        agents: Vec<AgentName>,
    },
    /// The plan does not have it any more.
    Retired,
}

impl Reason {
    /// A few words for a cell of a table.
    pub(super) fn short(&self, now: Instant) -> String {
        match self {
            Self::Need { agent, .. } => agent.to_string(),
            Self::Barrier { wave, .. } => format!("wave {wave}"),
            Self::Feedback(open) => open.to_string(),
            Self::Paused => "an operator (paused)".to_owned(),
            Self::Backoff { until } => format!("the next try, in {}", brief(between(now, *until))),
            Self::PoolFull { pool, .. } => format!("room in pool {pool}"),
            Self::OverBudget { .. } | Self::DayIsOverBudget { .. } => "money".to_owned(),
            Self::NextTick => "the next tick".to_owned(),
            Self::Running => "its run".to_owned(),
            Self::Stopping { why } => format!("its run to stop ({why})"),
            Self::Asked { kind } => format!("a new {kind}"),
            Self::UnknownNeeds { .. } => "what is not in the plan".to_owned(),
            Self::StaleInputs { .. } => "stale inputs".to_owned(),
            Self::Retired => "retired".to_owned(),
        }
    }

    /// A clause that explains, as it stands after the agent's name and a colon.
    pub(super) fn sentence(&self, now: Instant) -> String {
        match self {
            Self::Need { agent, status, open_feedback } if open_feedback.is_empty() => {
                format!("it needs {agent}, which is {}", state(*status))
            }
            Self::Need { agent, open_feedback, .. } => {
                let open: Vec<String> = open_feedback.iter().map(ToString::to_string).collect();
                let wait = if open.len() == 1 { "waits" } else { "wait" };
                format!("it needs {agent}, where {} {wait} for a person", list(&open))
            }
            Self::Barrier { wave, incomplete } => format!(
                "its wave comes after {wave}, where {} not complete",
                match incomplete {
                    1 => "1 agent is".to_owned(),
                    more => format!("{more} agents are"),
                }
            ),
            Self::Feedback(open) => format!("{open} waits for a person"),
            Self::Paused => "an operator paused it".to_owned(),
            Self::Backoff { until } => format!(
                "its last run failed; the next try comes in {}",
                brief(between(now, *until))
            ),
            Self::PoolFull { pool, cap } => {
                format!("its pool `{pool}` is full: {} at once", count(*cap as usize, "agent"))
            }
            Self::OverBudget { budget, limit } => format!("{budget}, {limit}, is used up"),
            Self::DayIsOverBudget { limit } => format!(
                "the budget of a day, {limit}, is used up; what was spent counts for 24 hours"
            ),
            Self::NextTick => "nothing is in its way: the next tick starts it".to_owned(),
            Self::Running => "a run of it is at work".to_owned(),
            Self::Stopping { why } => format!("its run was asked to stop ({why}) and has not yet"),
            Self::Asked { kind } => format!("a person was only just asked ({kind})"),
            Self::UnknownNeeds { number } => format!(
                "it needs {} not in the plan",
                match number {
                    1 => "1 agent that is".to_owned(),
                    more => format!("{more} agents that are"),
                }
            ),
            Self::StaleInputs { agents } if agents.is_empty() => {
                "what it was built from has been built again since".to_owned()
            }
            Self::StaleInputs { agents } => {
                let agents: Vec<&str> = agents.iter().map(AgentName::as_str).collect();
                format!("it was built from an older {}", list(&agents))
            }
            Self::Retired => "the plan does not have it any more".to_owned(),
        }
    }

    /// Whether money is all that it waits for.
    pub(super) fn is_money(&self) -> bool {
        matches!(self, Self::OverBudget { .. } | Self::DayIsOverBudget { .. })
    }

    /// The commands that help `agent` out of it; none if there is nothing to do.
    pub(super) fn help(&self, agent: &AgentName) -> Vec<Help> {
        let one = |aim, command| vec![Help { aim, command }];
        match self {
            Self::Need { agent: needed, open_feedback, .. } => match open_feedback.as_slice() {
                [] => one("see why", format!("wavemark why {needed}")),
                open => open.iter().flat_map(|open| open.help(needed)).collect(),
            },
            Self::Barrier { .. } => one("see which", "wavemark status".to_owned()),
            Self::Feedback(open) => open.help(agent),
            Self::Paused => one("let it go on", format!("wavemark resume {agent}")),
            Self::Backoff { .. } => one("see why it failed", format!("wavemark log {agent}")),
            Self::NextTick => one("start it now", "wavemark run".to_owned()),
            Self::Running => one("watch it", format!("wavemark log {agent} -f")),
            Self::StaleInputs { .. } => one("build it again", format!("wavemark rebuild {agent}")),
            Self::UnknownNeeds { .. } => {
                one("see the plan's problems", "wavemark check".to_owned())
            }
            Self::Asked { .. } => one("see it", "wavemark feedback list".to_owned()),
            Self::OverBudget { .. } => {
                one("see who is asked for more", "wavemark feedback list".to_owned())
            }
            Self::PoolFull { .. }
            | Self::DayIsOverBudget { .. }
            | Self::Stopping { .. }
            | Self::Retired => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::FeedbackNumber;

    /// One of each, and more where the words differ.
    fn every_reason(now: Instant) -> Vec<Reason> {
        let review = FeedbackRef { number: FeedbackNumber(3), kind: FeedbackKind::Review };
        let vision: AgentName = "vision".parse().unwrap();
        let need =
            |status, open_feedback| Reason::Need { agent: vision.clone(), status, open_feedback };
        vec![
            need(Status::Draft, vec![]),
            need(Status::Feedback, vec![review]),
            Reason::Barrier { wave: "foundation".parse().unwrap(), incomplete: 2 },
            Reason::Feedback(review),
            Reason::Paused,
            Reason::Backoff { until: now + Duration::from_secs(90) },
            Reason::PoolFull { pool: PoolName::default_pool(), cap: 8 },
            Reason::OverBudget {
                budget: "the budget of the project".to_owned(),
                limit: "40".parse().unwrap(),
            },
            Reason::DayIsOverBudget { limit: "4".parse().unwrap() },
            Reason::NextTick,
            Reason::Running,
            Reason::Stopping { why: StopReason::Feedback },
            Reason::Asked { kind: FeedbackKind::Review },
            Reason::UnknownNeeds { number: 1 },
            Reason::StaleInputs { agents: vec![vision.clone()] },
            Reason::StaleInputs { agents: vec![] },
            Reason::Retired,
        ]
    }

    #[test]
    fn every_reason_has_words_and_most_have_a_command() {
        let now = Instant::UNIX_EPOCH;
        let echo = "echo".parse().unwrap();
        let table: String = every_reason(now)
            .iter()
            .map(|reason| {
                let mut text = format!("{}\n  {}\n", reason.short(now), reason.sentence(now));
                for help in reason.help(&echo) {
                    text += &format!("  → {help}\n");
                }
                text
            })
            .collect();
        insta::assert_snapshot!(table, @r#"
        vision
          it needs vision, which is draft
          → see why: wavemark why vision
        vision
          it needs vision, where review #3 waits for a person
          → approve: wavemark approve vision
          → send back: wavemark send-back vision "…"
        wave foundation
          its wave comes after foundation, where 2 agents are not complete
          → see which: wavemark status
        review #3
          review #3 waits for a person
          → approve: wavemark approve echo
          → send back: wavemark send-back echo "…"
        an operator (paused)
          an operator paused it
          → let it go on: wavemark resume echo
        the next try, in 1m
          its last run failed; the next try comes in 1m
          → see why it failed: wavemark log echo
        room in pool default
          its pool `default` is full: 8 agents at once
        money
          the budget of the project, $40.00, is used up
          → see who is asked for more: wavemark feedback list
        money
          the budget of a day, $4.00, is used up; what was spent counts for 24 hours
        the next tick
          nothing is in its way: the next tick starts it
          → start it now: wavemark run
        its run
          a run of it is at work
          → watch it: wavemark log echo -f
        its run to stop (feedback)
          its run was asked to stop (feedback) and has not yet
        a new review
          a person was only just asked (review)
          → see it: wavemark feedback list
        what is not in the plan
          it needs 1 agent that is not in the plan
          → see the plan's problems: wavemark check
        stale inputs
          it was built from an older vision
          → build it again: wavemark rebuild echo
        stale inputs
          what it was built from has been built again since
          → build it again: wavemark rebuild echo
        retired
          the plan does not have it any more
        "#);
    }
}
