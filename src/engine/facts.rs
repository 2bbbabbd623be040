//! What follows from the facts about one agent.
//!
//! Each rule of the design is one function here, so that the status, the
//! reasons for waiting and the launches are all computed from the same words.

use super::{Agent, Feedback, Snapshot};
use crate::model::{AgentName, FeedbackKind, OnStale, Resolution, Review, RunnerKind};

impl Feedback {
    /// Whether it holds its agent back.
    ///
    /// A gate and used up attempts always do, whatever was written by hand: an
    /// agent that nobody holds and that cannot go on would be forgotten. A
    /// review of an earlier generation is about something that is not there
    /// any more.
    pub(super) fn holds(&self, agent: &Agent) -> bool {
        let blocking =
            self.blocking || matches!(self.kind, FeedbackKind::Review | FeedbackKind::Failure);
        blocking && self.resolution.is_none() && !self.is_overtaken(agent)
    }

    /// Whether it is a review of what has been built again since, or is to be.
    pub(super) fn is_overtaken(&self, agent: &Agent) -> bool {
        self.kind == FeedbackKind::Review && self.generation != agent.generation
    }

    /// Whether it tells its agent something that a run underway cannot know.
    pub(super) fn is_news(&self) -> bool {
        !self.applied
            && self.resolution == Some(Resolution::Completed)
            && matches!(self.kind, FeedbackKind::Comment | FeedbackKind::Question)
    }
}

impl Agent {
    /// Whether it finished what it was last asked to build.
    pub(super) fn is_built(&self) -> bool {
        self.built.is_some_and(|built| built.generation == self.generation)
    }

    /// Its open feedback that holds it back.
    pub(super) fn objections(&self) -> impl Iterator<Item = &Feedback> {
        self.feedback.iter().filter(|feedback| feedback.holds(self))
    }

    /// Whether there is something to tell it that no run was started with.
    pub(super) fn has_news(&self) -> bool {
        self.feedback.iter().any(Feedback::is_news)
    }

    /// The reviews of what it builds now.
    ///
    /// One that sent it back asked for another generation, so if it is of this
    /// one, there was nothing to review yet and it says nothing.
    fn review_rows(&self) -> impl Iterator<Item = &Feedback> {
        self.feedback.iter().filter(|feedback| {
            feedback.kind == FeedbackKind::Review
                && !feedback.is_overtaken(self)
                && feedback.resolution != Some(Resolution::Dismissed)
        })
    }

    /// Whether its gate is open: none is asked for, or the review is over.
    pub(super) fn is_approved(&self) -> bool {
        let mut reviews = self.review_rows().peekable();
        self.review == Review::None
            || (reviews.peek().is_some() && reviews.all(|review| review.resolution.is_some()))
    }

    /// Whether it is built and nobody was asked to review it yet.
    pub(super) fn wants_review(&self) -> bool {
        self.is_built() && self.review != Review::None && self.review_rows().next().is_none()
    }

    /// Whether it is finished and nobody objects: rule 3 of the status.
    pub(super) fn is_complete(&self) -> bool {
        self.run.is_none()
            && self.is_built()
            && self.is_approved()
            && self.objections().next().is_none()
    }

    /// Whether others may build on it: it is complete, or only its parallel
    /// review is open.
    pub(super) fn meets_a_need(&self) -> bool {
        let only_its_review =
            self.objections().all(|feedback| feedback.kind == FeedbackKind::Review);
        self.is_complete()
            || (self.review == Review::Parallel
                && self.run.is_none()
                && self.is_built()
                && only_its_review)
    }

    /// Whether its attempts, or its money, are used up.
    pub(super) fn is_exhausted(&self, infra_retries: u32) -> bool {
        !self.is_built()
            && self.run.is_none()
            && (self.attempts.refused
                || self.is_over_budget()
                || self.attempts.own > self.retries
                || self.attempts.infra > infra_retries)
    }

    /// Whether it finished from something that has been built anew since.
    ///
    /// What it needs may be about to be built once more: that changes nothing,
    /// so that the order in which rebuilds are noticed does not matter.
    pub fn is_stale(&self, snapshot: &Snapshot) -> bool {
        self.is_older_than(|need| snapshot.agents.get(need))
    }

    fn is_older_than<'a>(&self, needs: impl Fn(&AgentName) -> Option<&'a Self>) -> bool {
        let Some(built) = self.built.filter(|_| self.is_built()) else {
            return false;
        };
        self.needs
            .iter()
            .filter_map(|need| needs(need)?.built)
            .any(|need| need.outputs > built.inputs)
    }

    /// Whether it is to be built again for its stale inputs, given what it
    /// needs.
    pub(super) fn wants_fresh_inputs<'a>(
        &self,
        needs: impl Fn(&AgentName) -> Option<&'a Self>,
    ) -> bool {
        self.on_stale == OnStale::Rebuild && self.run.is_none() && self.is_older_than(needs)
    }

    /// Whether what it does was changed since it finished.
    pub(super) fn wants_new_definition(&self) -> bool {
        self.run.is_none()
            && self.is_built()
            && self.built.is_some_and(|built| built.work != self.work)
    }

    /// Whether a person does its work.
    pub(super) fn is_manual(&self) -> bool {
        self.runner == RunnerKind::Manual
    }
}
