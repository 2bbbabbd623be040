//! What it means that a person is done with something.
//!
//! **Invariant:** [`absorb`] changes a copy of the facts exactly as carrying
//! out the consequence will change the facts themselves. What is decided after
//! it is therefore what would be decided once it is carried out.

use super::{Agent, Attempts, Build, Consequence, Feedback};
use crate::model::{FeedbackKind, Resolution, Usd};

/// What follows for its agent from feedback that ended as `resolution`.
pub(super) fn consequence(
    agent: &Agent,
    feedback: &Feedback,
    resolution: Resolution,
) -> Consequence {
    use FeedbackKind::{Comment, Failure, Question, Refusal, Review};
    use Resolution::{Completed, Dismissed, Superseded};

    if feedback.is_overtaken(agent) {
        return Consequence::Nothing;
    }
    let built = agent.is_built();
    // What a run asks is no request for its work.
    let asked_for_work = agent.is_manual() && !built && feedback.run.is_none();
    let from = agent.generation;
    let since = agent.epoch;
    match (feedback.kind, resolution) {
        // The publisher sees to it: it is about an artifact, not its agent.
        (Refusal, _) => Consequence::Nothing,
        (Comment | Review | Question, Superseded) | (Comment, Dismissed) => Consequence::Nothing,
        (Comment, Completed) if built => Consequence::Rebuild { from },
        (Comment, Completed) => Consequence::Resume,
        (Review, Completed) => Consequence::Approve,
        (Review, Dismissed) if built => Consequence::Rebuild { from },
        (Review, Dismissed) => Consequence::Nothing,
        (Question, Dismissed) if asked_for_work => Consequence::Pause { since },
        (Question, Completed) if asked_for_work && agent.missing.is_empty() => {
            Consequence::HandIn { generation: from }
        }
        (Question, Completed | Dismissed) => Consequence::Resume,
        // A late finish was accepted in the meantime.
        (Failure, _) if built => Consequence::Nothing,
        (Failure, Completed | Superseded) => Consequence::Retry { since },
        (Failure, Dismissed) => Consequence::Pause { since },
    }
}

/// Changes `agent` just as the executor will change the world.
pub(super) fn absorb(agent: &mut Agent, then: Consequence) {
    match then {
        Consequence::Nothing | Consequence::Resume | Consequence::Approve => (),
        Consequence::Rebuild { from } => {
            agent.generation = from.next();
            agent.attempts = Attempts::default();
            agent.spent = Usd::default();
            agent.asked = 0;
            agent.missing.clone_from(&agent.produces);
        }
        Consequence::Retry { .. } => {
            agent.attempts = Attempts::default();
            agent.spent = Usd::default();
            // Giving up may have paused it before. An operator who pauses it
            // after it was to be tried again acts on that first.
            agent.paused = false;
        }
        Consequence::Pause { .. } => {
            agent.attempts = Attempts::default();
            agent.spent = Usd::default();
            agent.paused = true;
        }
        Consequence::HandIn { generation } => {
            agent.built = Some(Build {
                generation,
                work: agent.work,
                outputs: agent.handed_in,
                // What it was made from is what is there now.
                inputs: i64::MAX,
            });
        }
    }
}
