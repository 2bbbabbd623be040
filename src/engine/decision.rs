//! What [`decide`](super::decide()) answers.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use super::BudgetScope;
use crate::model::{
    AgentName, ArtifactKey, Epoch, FeedbackKind, FeedbackNumber, Generation, Instant, PoolName,
    RunId, Status, StopReason, Usd, WaveName,
};

/// What should happen, and why nothing else does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// What to do, in this order.
    pub effects: Vec<Effect>,
    /// Why each unfinished agent that is not being started stays where it is.
    pub waiting: BTreeMap<AgentName, Wait>,
}

/// One change to the world, with everything needed to make it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Act on feedback that a person resolved.
    Apply {
        /// Whose feedback.
        agent: AgentName,
        /// Which.
        feedback: FeedbackNumber,
        /// What follows from it.
        then: Consequence,
    },
    /// Ask for a finished agent to be built again.
    Rebuild {
        /// Which agent.
        agent: AgentName,
        /// The generation that is not good enough any more.
        from: Generation,
        /// Why.
        cause: Cause,
    },
    /// Declare a run lost whose supervisor fell silent.
    Expire {
        /// Whose run.
        agent: AgentName,
        /// Which run.
        run: RunId,
    },
    /// Ask a run to stop.
    Stop {
        /// Whose run.
        agent: AgentName,
        /// Which run.
        run: RunId,
        /// Why.
        reason: StopReason,
    },
    /// Ask a person.
    Ask {
        /// Who asks.
        agent: AgentName,
        /// What for.
        request: Request,
    },
    /// Move an agent, provided it still stands at `from`.
    Move {
        /// Which agent.
        agent: AgentName,
        /// Where it stands.
        from: Status,
        /// Where its facts put it.
        to: Status,
    },
    /// Claim an agent and start its run. One effect, so a late claim starts
    /// nothing.
    Launch {
        /// Which agent.
        agent: AgentName,
        /// Where it stands.
        from: Status,
        /// Its last claim: another one since then makes this one void.
        epoch: Epoch,
        /// What to build.
        generation: Generation,
        /// The pool that must have room.
        pool: PoolName,
    },
}

impl Effect {
    /// The agent that it is about.
    pub fn agent(&self) -> &AgentName {
        match self {
            Self::Apply { agent, .. }
            | Self::Rebuild { agent, .. }
            | Self::Expire { agent, .. }
            | Self::Stop { agent, .. }
            | Self::Ask { agent, .. }
            | Self::Move { agent, .. }
            | Self::Launch { agent, .. } => agent,
        }
    }

    /// Whether it starts an agent.
    pub fn is_launch(&self) -> bool {
        matches!(self, Self::Launch { .. })
    }

    /// What is left of it where nothing is to be started: an agent that could
    /// be launched is ready, and people are to see that.
    pub fn without_launching(self) -> Option<Self> {
        match self {
            Self::Launch { from: Status::Ready, .. } => None,
            Self::Launch { agent, from, .. } => Some(Self::Move { agent, from, to: Status::Ready }),
            other => Some(other),
        }
    }
}

/// What follows from resolved feedback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "then", rename_all = "snake_case")]
pub enum Consequence {
    /// Nothing but that it holds nobody back any more.
    Nothing,
    /// The agent goes on, with the thread among its inputs.
    Resume,
    /// The agent is built again, with the thread among its inputs.
    Rebuild {
        /// The generation that is not good enough any more.
        from: Generation,
    },
    /// What was built is approved.
    Approve,
    /// The failures before this claim do not count any more.
    Retry {
        /// The agent's last claim.
        since: Epoch,
    },
    /// The agent is held until an operator resumes it. The failures before this
    /// claim do not count any more, or resuming it would lead nowhere.
    Pause {
        /// The agent's last claim.
        since: Epoch,
    },
    /// A person handed in everything that a manual agent produces.
    HandIn {
        /// The generation that is finished by it.
        generation: Generation,
    },
}

/// Why a finished agent is built again without anybody asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// What it does was changed in the plan.
    Definition,
    /// What it was built from was built again, and it says `on_stale: rebuild`.
    StaleInputs,
}

/// What a person is asked for.
///
/// Each has a [`key`](Self::key) that is unique for its agent, so that asking
/// twice for the same thing is impossible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// To review what was built.
    Review {
        /// What was built.
        generation: Generation,
    },
    /// What to do about an agent whose attempts are used up, or its money.
    Failure {
        /// Its last claim.
        epoch: Epoch,
        /// What it was to build.
        generation: Generation,
        /// Its own budget, if that is used up.
        budget: Option<Usd>,
    },
    /// For more money than a shared budget has.
    Budget {
        /// Whose budget is used up.
        scope: BudgetScope,
        /// What it was.
        limit: Usd,
        /// How often a person was asked for more before.
        asked: u32,
        /// What its agent was to build.
        generation: Generation,
    },
    /// To do the work of a manual agent.
    HandIn {
        /// What is to be built.
        generation: Generation,
        /// How often the person was asked before.
        asked: u32,
        /// What is still missing.
        missing: Vec<ArtifactKey>,
    },
}

impl Request {
    /// What kind of feedback it becomes.
    pub fn kind(&self) -> FeedbackKind {
        match self {
            Self::Review { .. } => FeedbackKind::Review,
            Self::Failure { .. } | Self::Budget { .. } => FeedbackKind::Failure,
            Self::HandIn { .. } => FeedbackKind::Question,
        }
    }

    /// The generation that it is about.
    pub fn generation(&self) -> Generation {
        match self {
            Self::Review { generation }
            | Self::Failure { generation, .. }
            | Self::Budget { generation, .. }
            | Self::HandIn { generation, .. } => *generation,
        }
    }

    /// What makes it the same request when it is made a second time.
    pub fn key(&self) -> String {
        match self {
            Self::Review { generation } => format!("review:{generation}"),
            Self::Failure { epoch, .. } => format!("failure:{epoch}"),
            Self::Budget { scope, limit, asked, .. } => {
                let scope = match scope {
                    BudgetScope::Agent => "agent",
                    BudgetScope::Wave(wave) => &format!("wave/{wave}"),
                    BudgetScope::Project => "project",
                    BudgetScope::Day => "day",
                };
                format!("budget:{scope}:{}:{asked}", limit.micros())
            }
            Self::HandIn { generation, asked, .. } => format!("manual:{generation}:{asked}"),
        }
    }
}

/// Why an unfinished agent stays where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// A run of it is alive.
    Run,
    /// Its run was asked to stop and has not yet.
    Stopping(StopReason),
    /// A person has to resolve these.
    Feedback(Vec<(FeedbackNumber, FeedbackKind)>),
    /// A person was only just asked for this.
    Asked(FeedbackKind),
    /// An operator holds it.
    Paused,
    /// These waves must be complete first.
    Barrier(Vec<WaveName>),
    /// These agents must be complete first.
    Needs(Vec<AgentName>),
    /// So many of its needs are not in the plan.
    UnknownNeeds(u32),
    /// It failed and is tried again at this moment.
    Backoff(Instant),
    /// Its pool, with this cap, is full.
    Pool(PoolName, u32),
    /// This budget, of so much, is used up.
    Budget(BudgetScope, Usd),
}

impl Wait {
    /// Whether it can end without a person.
    ///
    /// Waiting for another agent is passed on to what that one waits for, so
    /// it counts as needing a person here.
    pub fn passes(&self) -> bool {
        match self {
            Self::Run | Self::Stopping(_) | Self::Backoff(_) => true,
            Self::Pool(_, cap) => *cap > 0,
            _ => false,
        }
    }
}

fn list<T: fmt::Display>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.join(", ")
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run => f.write_str("running"),
            Self::Stopping(reason) => write!(f, "stopping ({reason})"),
            Self::Feedback(open) => {
                let open: Vec<String> =
                    open.iter().map(|(number, kind)| format!("{kind} {number}")).collect();
                write!(f, "waits for a person: {}", open.join(", "))
            }
            Self::Asked(kind) => write!(f, "waits for a person: new {kind}"),
            Self::Paused => f.write_str("paused by an operator"),
            Self::Barrier(waves) => write!(f, "waits for all of wave {}", list(waves)),
            Self::Needs(agents) => write!(f, "waits for {}", list(agents)),
            Self::UnknownNeeds(1) => f.write_str("needs an agent that is not in the plan"),
            Self::UnknownNeeds(n) => write!(f, "needs {n} agents that are not in the plan"),
            Self::Backoff(until) => {
                write!(f, "is tried again at {}", until.format("%H:%M:%S"))
            }
            Self::Pool(pool, cap) => write!(f, "waits for room in pool {pool} (cap {cap})"),
            Self::Budget(scope, limit) => {
                write!(f, "waits for money: {scope} ({limit}) is used up")
            }
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.agent())?;
        match self {
            Self::Apply { feedback, then, .. } => match then {
                Consequence::Nothing => write!(f, "{feedback} is closed"),
                Consequence::Resume => write!(f, "{feedback} is answered, go on"),
                Consequence::Rebuild { .. } => write!(f, "{feedback} asks to build again"),
                Consequence::Approve => write!(f, "{feedback} approves"),
                Consequence::Retry { .. } => write!(f, "{feedback} asks to try again"),
                Consequence::Pause { .. } => write!(f, "{feedback} gives up, pause"),
                Consequence::HandIn { .. } => write!(f, "{feedback} is handed in"),
            },
            Self::Rebuild { cause: Cause::Definition, .. } => {
                f.write_str("build again, its definition changed")
            }
            Self::Rebuild { cause: Cause::StaleInputs, .. } => {
                f.write_str("build again, its inputs changed")
            }
            Self::Expire { .. } => f.write_str("its run is lost"),
            Self::Stop { reason, .. } => write!(f, "stop its run ({reason})"),
            Self::Ask { request, .. } => write!(f, "ask a person ({})", request.kind()),
            Self::Move { from, to, .. } => write!(f, "{from} -> {to}"),
            Self::Launch { .. } => f.write_str("launch"),
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for effect in &self.effects {
            writeln!(f, "{effect}")?;
        }
        for (agent, wait) in &self.waiting {
            writeln!(f, "{agent}: {wait}")?;
        }
        Ok(())
    }
}
