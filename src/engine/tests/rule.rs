//! The rules of the design once more, as short as they can be said.
//!
//! They are written apart from the engine on purpose: the laws compare the two.
//! They hold where people were asked for everything they have to be asked for,
//! which is so after a decision was carried out.

use crate::{
    engine::{Agent, Feedback, Snapshot},
    model::{AgentName, FeedbackKind, Review, Status},
};

/// Where the facts put an agent: first match wins.
pub(super) fn status(facts: &Snapshot, name: &AgentName) -> Status {
    let agent = &facts.agents[name];
    match () {
        () if agent.run.is_some() => Status::Building,
        () if open(agent).next().is_some() => Status::Feedback,
        () if is_built(agent) => Status::Complete,
        () if agent.paused || agent.unknown_needs > 0 => Status::Draft,
        () if !needs_are_met(facts, agent) || is_shut(facts, agent) => Status::Draft,
        () => Status::Ready,
    }
}

/// The open feedback that holds an agent back.
pub(super) fn open(agent: &Agent) -> impl Iterator<Item = &Feedback> {
    agent.feedback.iter().filter(|feedback| {
        feedback.resolution.is_none()
            && match feedback.kind {
                FeedbackKind::Comment | FeedbackKind::Question | FeedbackKind::Refusal => {
                    feedback.blocking
                }
                FeedbackKind::Review => feedback.generation == agent.generation,
                FeedbackKind::Failure => true,
            }
    })
}

/// Whether an agent finished what it was last asked to build.
pub(super) fn is_built(agent: &Agent) -> bool {
    agent.built.map(|built| built.generation) == Some(agent.generation)
}

fn needs_are_met(facts: &Snapshot, agent: &Agent) -> bool {
    agent.needs.iter().all(|name| {
        let need = &facts.agents[name];
        let only_its_review = open(need).all(|open| open.kind == FeedbackKind::Review);
        let shared_early = need.review == Review::Parallel
            && only_its_review
            && is_built(need)
            && need.run.is_none();
        !need.retired && (status(facts, name) == Status::Complete || shared_early)
    })
}

fn is_shut(facts: &Snapshot, agent: &Agent) -> bool {
    let before = &facts.waves[&agent.wave];
    facts.agents.iter().any(|(name, other)| {
        !other.retired && before.contains(&other.wave) && status(facts, name) != Status::Complete
    })
}
