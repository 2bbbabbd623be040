//! The five statuses of an agent, and the moves between them.

use super::words;

words! {
    /// Where an agent stands.
    ///
    /// It is a pure function of facts (see [`crate::engine`]); the column in the
    /// database is what was last derived, kept so that people can read it.
    pub enum Status("status") {
        /// Waits for other agents, a barrier, or an operator.
        Draft = "draft",
        /// Can be started.
        Ready = "ready",
        /// A run of it is alive.
        Building = "building",
        /// Waits for a person.
        Feedback = "feedback",
        /// Finished, and nobody objects.
        Complete = "complete",
    }
}

impl Status {
    /// Whether an agent may move straight from `self` to `next`.
    ///
    /// This table is the only place that knows; the store asserts it and the
    /// engine is property-tested never to ask for another move. A launch counts
    /// as a move to ready and one to building, made in one transaction.
    pub fn may_become(self, next: Self) -> bool {
        use Status::{Building, Complete, Draft, Feedback, Ready};
        matches!(
            (self, next),
            (Draft, Ready | Feedback | Complete)
                | (Ready, Draft | Building | Feedback | Complete)
                | (Building, Draft | Ready | Feedback | Complete)
                | (Feedback, Draft | Ready | Complete)
                | (Complete, Draft | Ready | Feedback)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_life_cycle() {
        let mut moves = String::new();
        for from in Status::ALL {
            let next: Vec<&str> = Status::ALL
                .iter()
                .filter(|&&to| from.may_become(to))
                .map(|to| to.as_str())
                .collect();
            moves += &format!("{from:<8} -> {}\n", next.join(", "));
        }
        insta::assert_snapshot!(moves, @"
        draft    -> ready, feedback, complete
        ready    -> draft, building, feedback, complete
        building -> draft, ready, feedback, complete
        feedback -> draft, ready, complete
        complete -> draft, ready, feedback
        ");
    }
}
