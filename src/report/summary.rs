//! What a run came to: what got done, what waits for whom, and the time won.

use std::time::Duration;

use serde::Serialize;

use super::{
    feedback::FeedbackView,
    late::LateView,
    page::{BOLD, DIM, PLAIN, Page, Span},
    reason::Reason,
    words::{self, count, took},
};
use crate::model::{AgentName, Instant, Status, Usage};

/// The end of `wavemark run`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunSummaryView {
    /// When it ended.
    pub taken_at: Instant,
    /// The agents that were completed meanwhile, in that order.
    pub completed: Vec<CompletedView>,
    /// What waits for a person now.
    pub open_feedback: Vec<FeedbackView>,
    /// The agents that are not complete and have no open feedback themselves.
    pub waiting: Vec<WaitingView>,
    /// From the first start to the last end.
    #[serde(rename = "makespan_seconds", serialize_with = "words::seconds")]
    pub makespan: Duration,
    /// How late the next tick in GitHub Actions is, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late: Option<LateView>,
    /// What all runs took together: the makespan of doing one after the other.
    #[serde(rename = "sequential_seconds", serialize_with = "words::seconds")]
    pub sequential: Duration,
    /// What all runs together used of language models, if they used any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// An agent that was completed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CompletedView {
    /// Its name.
    pub agent: AgentName,
    /// How long its runs took together.
    #[serde(rename = "took_seconds", serialize_with = "words::seconds")]
    pub took: Duration,
    /// How many artifacts it stored.
    pub checkpoints: u32,
    /// What its runs used of language models together, if they used any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// An agent that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WaitingView {
    /// Its name.
    pub agent: AgentName,
    /// Where it stands.
    pub status: Status,
    /// What for.
    pub waits_for: Vec<Reason>,
}

impl RunSummaryView {
    /// The summary, in lines of at most `width` columns.
    pub fn render(&self, width: usize) -> String {
        let mut page = Page::new(width);
        self.print_completed(&mut page);
        if !self.open_feedback.is_empty() {
            page.blank();
            page.line([Span::new(BOLD, "Waiting for you")]);
            for feedback in &self.open_feedback {
                feedback.print(&mut page, self.taken_at);
            }
        }
        if !self.waiting.is_empty() {
            page.blank();
            page.line([Span::new(BOLD, "Waiting for something else")]);
            for waiting in &self.waiting {
                waiting.print(&mut page, self.taken_at);
            }
        }
        if let Some(late) = &self.late {
            page.blank();
            page.paragraph(0, PLAIN, &late.warning());
        }
        page.into_text()
    }

    fn print_completed(&self, page: &mut Page) {
        use super::page::Align::{Left, Right};

        let longest = self.completed.iter().map(|one| one.agent.as_str().len());
        let name_width = longest.max().unwrap_or(0).min(page.width() / 2);
        for one in &self.completed {
            let cost = one.usage.and_then(|usage| usage.cost);
            let cost = cost.map(|cost| format!(", {}", cost.usd.to_cents()));
            page.line([
                Span::new(words::style(Status::Complete), "✓ "),
                Span::from(one.agent.as_str()).fit(name_width, Left),
                Span::from(took(one.took)).fit(8, Right),
                Span::new(DIM, format!("  {}", count(one.checkpoints as usize, "checkpoint"))),
                Span::new(DIM, cost.unwrap_or_default()),
            ]);
        }
        let mut text = match self.completed.len() {
            0 => "No agent was completed.".to_owned(),
            done => format!("{} completed in {}.", count(done, "agent"), took(self.makespan)),
        };
        if let Some(times) = self.speedup() {
            text += &format!(
                " One after the other: {}, {times:.1} times as long.",
                took(self.sequential)
            );
        }
        page.paragraph(0, PLAIN, &text);
        if let Some(usage) = self.usage {
            page.paragraph(0, PLAIN, &format!("used: {usage}"));
        }
    }

    /// How many times longer one after the other takes, where that says anything.
    fn speedup(&self) -> Option<f64> {
        let both = self.completed.len() > 1 && self.makespan > Duration::ZERO;
        both.then(|| self.sequential.as_secs_f64() / self.makespan.as_secs_f64())
    }
}

impl WaitingView {
    fn print(&self, page: &mut Page, now: Instant) {
        let reasons: Vec<String> = self.waits_for.iter().map(|one| one.short(now)).collect();
        page.line([
            Span::new(words::style(self.status), format!("{} ", words::symbol(self.status))),
            self.agent.as_str().into(),
            format!(" waits for {}", words::list(&reasons)).into(),
        ]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cost, CostBasis, Usd};
    use crate::report::sample::{name, now, plain, review, social_build};

    fn completed(agent: &str, millis: u64, checkpoints: u32) -> CompletedView {
        let took = Duration::from_millis(millis);
        CompletedView { agent: name(agent), took, checkpoints, usage: None }
    }

    fn cost(micros: u64) -> Option<Usage> {
        let cost = Cost { usd: Usd::from_micros(micros), basis: CostBasis::Reported };
        Some(Usage { output: 4_000, turns: 12, cost: Some(cost), ..Usage::default() })
    }

    #[test]
    fn a_run_says_what_it_did_and_what_is_left_for_whom() {
        let view = RunSummaryView {
            taken_at: now(),
            completed: vec![
                completed("echo", 3_050, 3),
                CompletedView { usage: cost(3_210_000), ..completed("pixel-build", 2_900, 1) },
                completed("reel", 11_000, 5),
            ],
            open_feedback: vec![review()],
            waiting: vec![WaitingView {
                agent: name("social-build"),
                status: Status::Draft,
                waits_for: social_build().waits_for,
            }],
            late: None,
            makespan: Duration::from_millis(11_300),
            sequential: Duration::from_millis(16_950),
            usage: cost(3_215_000),
        };
        insta::assert_snapshot!(plain(&view.render(80)), @r#"
        ✓ echo           3.0s  3 checkpoints
        ✓ pixel-build    2.9s  1 checkpoint, $3.21
        ✓ reel          11.0s  5 checkpoints
        3 agents completed in 11.3s. One after the other: 16.9s, 1.5 times as long.
        used: $3.22, 12 turns, 0 tokens in and 4k out

        Waiting for you
        #3 review of vision, 3m ago
            A calendar of 5 columns for 4 weeks, ready for Google Sheets.
            → approve: wavemark approve vision
            → send back: wavemark send-back vision "…"

        Waiting for something else
        · social-build waits for vision and echo-build
        "#);
        insta::assert_snapshot!(plain(&view.render(40)), @r#"
        ✓ echo           3.0s  3 checkpoints
        ✓ pixel-build    2.9s  1 checkpoint, $3…
        ✓ reel          11.0s  5 checkpoints
        3 agents completed in 11.3s. One after
        the other: 16.9s, 1.5 times as long.
        used: $3.22, 12 turns, 0 tokens in and
        4k out

        Waiting for you
        #3 review of vision, 3m ago
            A calendar of 5 columns for 4 weeks,
            ready for Google Sheets.
            → approve: wavemark approve vision
            → send back: wavemark send-back
              vision "…"

        Waiting for something else
        · social-build waits for vision and ech…
        "#);
    }

    #[test]
    fn a_run_that_did_nothing_says_so() {
        let view = RunSummaryView {
            taken_at: now(),
            completed: vec![],
            open_feedback: vec![],
            waiting: vec![],
            late: None,
            makespan: Duration::ZERO,
            sequential: Duration::ZERO,
            usage: None,
        };
        insta::assert_snapshot!(plain(&view.render(80)), @"No agent was completed.");
    }

    #[test]
    fn json_has_seconds() {
        let json = serde_json::to_string(&completed("echo", 3_050, 3)).unwrap();
        insta::assert_snapshot!(json, @r#"{"agent":"echo","took_seconds":3.05,"checkpoints":3}"#);
    }
}
