//! Why one agent stands where it does.

use serde::Serialize;

use super::{
    agent::AgentView,
    page::{BOLD, DIM, PLAIN, Page, Span},
    reason::Reason,
    text::one_line,
    words::{self, age, between, count, took},
};
use crate::model::{Instant, Status};

/// `wavemark why`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WhyView {
    /// When the database was read.
    pub taken_at: Instant,
    /// The agent; its `waits_for` are the reasons.
    pub agent: AgentView,
}

impl WhyView {
    /// The explanation, in lines of at most `width` columns.
    pub fn render(&self, width: usize) -> String {
        let Self { taken_at, agent } = self;
        let mut page = Page::new(width);
        page.line([
            Span::new(BOLD, agent.name.as_str()),
            " has been ".into(),
            Span::new(words::style(agent.status), words::state(agent.status)),
            format!(" for {}.", age(*taken_at, agent.since)).into(),
        ]);
        for reason in &agent.waits_for {
            self.explain(reason, &mut page);
        }
        if agent.stale_inputs && !agent.waits_for.iter().any(is_stale) {
            self.explain(&Reason::StaleInputs { agents: Vec::new() }, &mut page);
        }
        page.blank();
        for fact in self.facts() {
            page.item("", 2, DIM, &fact);
        }
        if let (Status::Complete | Status::Feedback, Some(summary)) = (agent.status, &agent.summary)
        {
            page.paragraph(2, PLAIN, summary);
        }
        page.into_text()
    }

    fn explain(&self, reason: &Reason, page: &mut Page) {
        page.item("- ", 2, PLAIN, &reason.sentence(self.taken_at));
        for help in reason.help(&self.agent.name) {
            help.print(page, 4);
        }
    }

    /// What else is known about it, a line each.
    fn facts(&self) -> Vec<String> {
        let agent = &self.agent;
        let mut facts = vec![format!(
            "generation {}, {} stored",
            agent.generation,
            count(agent.checkpoints as usize, "checkpoint"),
        )];
        if let Some(run) = &agent.run {
            let length = took(between(run.started_at, run.ended_at.unwrap_or(self.taken_at)));
            let ended = match (run.ended_at, run.outcome) {
                (None, _) => format!("at work for {length}"),
                (Some(_), None) => format!("ended after {length}"),
                (Some(_), Some(outcome)) => {
                    format!("{} after {length}", outcome.as_str().replace('_', " "))
                }
            };
            facts.push(format!("run {}, try {}: {ended}", run.epoch, run.attempt));
            if let Some(last) = &run.last_output {
                facts.push(format!("last output: {}", one_line(last)));
            }
        }
        if let Some(usage) = agent.usage {
            facts.push(format!("used in all: {usage}"));
        }
        facts
    }
}

fn is_stale(reason: &Reason) -> bool {
    matches!(reason, Reason::StaleInputs { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{agent, complete, night, now, plain, reel, social_build};

    fn why(agent: AgentView, width: usize) -> String {
        let view = WhyView { taken_at: now(), agent };
        plain(&view.render(width))
    }

    #[test]
    fn a_draft_names_what_it_needs_and_who_can_help() {
        insta::assert_snapshot!(why(social_build(), 80), @r#"
        social-build has been draft for 3m.
          - it needs vision, where review #3 waits for a person
            → approve: wavemark approve vision
            → send back: wavemark send-back vision "…"
          - it needs echo-build, where question #4 waits for a person
            → answer: wavemark feedback resolve 4 --comment "…"

          generation 1, 0 checkpoints stored
        "#);
    }

    #[test]
    fn long_reasons_are_wrapped_not_cut() {
        insta::assert_snapshot!(why(social_build(), 40), @r#"
        social-build has been draft for 3m.
          - it needs vision, where review #3
            waits for a person
            → approve: wavemark approve vision
            → send back: wavemark send-back
              vision "…"
          - it needs echo-build, where question
            #4 waits for a person
            → answer: wavemark feedback resolve
              4 --comment "…"

          generation 1, 0 checkpoints stored
        "#);
    }

    #[test]
    fn one_at_work_says_since_when_and_what_it_said_last() {
        insta::assert_snapshot!(why(reel(), 80), @"
        reel has been building for 12s.

          generation 1, 2 checkpoints stored
          run 2, try 2: at work for 12.0s
          last output: resuming after doc/scenes.md
        ");
    }

    #[test]
    fn one_that_waits_for_a_person_says_what_to_type() {
        let vision = night().waves[0].agents[0].clone();
        insta::assert_snapshot!(why(vision, 80), @r#"
        vision has been in feedback for 3m.
          - review #3 waits for a person
            → approve: wavemark approve vision
            → send back: wavemark send-back vision "…"

          generation 1, 4 checkpoints stored
          run 1, try 1: succeeded after 4.0s
          last output: done
        "#);
    }

    #[test]
    fn one_built_from_old_inputs_says_so() {
        let stale =
            AgentView { stale_inputs: true, ..complete("social-build", "Posts for 3 networks.") };
        insta::assert_snapshot!(why(stale, 80), @"
        social-build has been complete for 3m.
          - what it was built from has been built again since
            → build it again: wavemark rebuild social-build

          generation 1, 3 checkpoints stored
          run 1, try 1: succeeded after 4.0s
          last output: done
          Posts for 3 networks.
        ");
    }

    #[test]
    fn one_that_nothing_is_known_about_is_still_named() {
        insta::assert_snapshot!(why(agent("echo"), 80), @"
        echo has been draft for 3m.

          generation 1, 0 checkpoints stored
        ");
    }
}
