//! One agent, as a line of a table has it.

use serde::Serialize;

use super::{
    page::{DIM, PLAIN, Span},
    reason::Reason,
    text::one_line,
    words::{self, age},
};
use crate::model::{AgentName, Epoch, Generation, Instant, Outcome, Status, Usage};

/// An agent, as a line of a table shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgentView {
    /// Its name.
    pub name: AgentName,
    /// What people call it.
    pub title: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// Since when.
    pub since: Instant,
    /// How often it was asked to be built.
    pub generation: Generation,
    /// The live run, or else the latest.
    pub run: Option<RunView>,
    /// How many artifacts it stored in this generation.
    pub checkpoints: u32,
    /// Why it does not move; empty if it does or if it is complete.
    pub waits_for: Vec<Reason>,
    /// What it says it made.
    pub summary: Option<String>,
    /// Whether what it was built from has been replaced since.
    pub stale_inputs: bool,
    /// What all its runs used of a language model, if they used one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Whether the plan no longer has it.
    pub retired: bool,
}

/// A run of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunView {
    /// Its fencing token.
    pub epoch: Epoch,
    /// Which try it is, from 1, since the last success or reset.
    pub attempt: u32,
    /// When it began.
    pub started_at: Instant,
    /// When it ended; absent while it is alive.
    pub ended_at: Option<Instant>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// The last line it printed.
    pub last_output: Option<String>,
}

impl AgentView {
    /// Its row in the table of `wavemark status`.
    pub(super) fn cells(&self, now: Instant) -> [Span; 6] {
        let status = match self.retired {
            true => Span::new(DIM, "- retired"),
            false => words::status(self.status),
        };
        [
            Span::new(PLAIN, self.name.as_str()),
            status,
            age(now, self.since).into(),
            self.run.as_ref().map(|run| run.epoch.to_string()).unwrap_or_default().into(),
            self.checkpoints.to_string().into(),
            self.note(now),
        ]
    }

    /// Whether the next tick or run may start it.
    pub(super) fn can_start(&self) -> bool {
        let waits_for_that = self.waits_for.contains(&Reason::NextTick);
        let waits_for_money = self.waits_for.iter().any(Reason::is_money);
        !self.retired && !waits_for_money && (self.status == Status::Ready || waits_for_that)
    }

    fn note(&self, now: Instant) -> Span {
        let waits_for: Vec<String> = self
            .waits_for
            .iter()
            // What a run says tells more than that there is one.
            .filter(|&one| *one != Reason::Running)
            .map(|one| one.short(now))
            .collect();
        if !waits_for.is_empty() {
            return waits_for.join(", ").into();
        }
        let said = match (self.status, &self.run) {
            (Status::Building, Some(run)) => {
                let said = run.last_output.as_deref().unwrap_or_default();
                match run.attempt {
                    0 | 1 => said.to_owned(),
                    attempt if said.is_empty() => format!("try {attempt}"),
                    attempt => format!("try {attempt}: {said}"),
                }
            }
            _ => self.summary.clone().unwrap_or_default(),
        };
        match (self.stale_inputs, one_line(&said)) {
            (false, said) => Span::new(DIM, said),
            (true, said) if said.is_empty() => "stale inputs".into(),
            (true, said) => format!("stale inputs; {said}").into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::report::{
        page::Page,
        sample::{night, now},
    };

    #[test]
    fn colour_goes_with_a_word() {
        let [_, status, ..] = night().waves[0].agents[0].cells(now());
        let mut page = Page::new(80);
        page.line([status]);
        assert_eq!(page.into_text(), "\u{1b}[1m\u{1b}[33m! feedback\u{1b}[0m\n");
    }
}
