//! What happened, a line for each event.

use serde::Serialize;

use super::{
    page::{BOLD, DIM, PLAIN, Page, Span},
    text::one_line,
};
use crate::model::{AgentName, Instant};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventView {
    /// When.
    pub at: Instant,
    /// Which agent it happened to; absent if it is about the project.
    pub agent: Option<AgentName>,
    /// What kind of thing, in one word.
    pub kind: String,
    /// What exactly.
    pub text: String,
}

/// `wavemark events`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventsView {
    /// The events, the oldest first.
    pub events: Vec<EventView>,
}

impl EventView {
    /// The event as one line, without a line break; `name_width` columns are
    /// kept for the agent's name, so that lines printed one by one line up.
    pub fn line(&self, name_width: usize, width: usize) -> String {
        let mut page = Page::new(width);
        self.print(&mut page, name_width);
        page.into_text().trim_end().to_owned()
    }

    fn print(&self, page: &mut Page, name_width: usize) {
        use super::page::Align::Left;

        page.line([
            Span::new(DIM, self.at.format("%H:%M:%S").to_string()),
            "  ".into(),
            Span::new(BOLD, self.agent_name()).fit(name_width, Left),
            "  ".into(),
            Span::new(PLAIN, one_line(&self.kind)).fit(10, Left),
            "  ".into(),
            one_line(&self.text).into(),
        ]);
    }

    fn agent_name(&self) -> &str {
        self.agent.as_ref().map_or("", AgentName::as_str)
    }
}

impl EventsView {
    /// The events under the day they are of, in lines of at most `width` columns.
    /// Times are UTC, the database's.
    pub fn render(&self, width: usize) -> String {
        let mut page = Page::new(width);
        if self.events.is_empty() {
            page.line(["Nothing happened yet.".into()]);
        }
        let longest = self.events.iter().map(|event| event.agent_name().len());
        let name_width = longest.max().unwrap_or(0).min(width / 4);
        let mut day = None;
        for event in &self.events {
            if day != Some(event.at.date_naive()) {
                day = Some(event.at.date_naive());
                page.line([Span::new(DIM, event.at.format("%Y-%m-%d UTC").to_string())]);
            }
            event.print(&mut page, name_width);
        }
        page.into_text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{name, plain, seconds_ago};

    #[test]
    fn events_stand_under_their_day() {
        let event = |ago, agent: Option<&str>, kind: &str, text: &str| EventView {
            at: seconds_ago(ago),
            agent: agent.map(name),
            kind: kind.to_owned(),
            text: text.to_owned(),
        };
        let view = EventsView {
            events: vec![
                event(90_000, None, "synced", "2 waves, 9 agents"),
                event(194, Some("vision"), "claimed", "run 1, try 1"),
                event(
                    192,
                    Some("vision"),
                    "checkpoint",
                    "doc/outline.md, version 1, 134 B, 9f86d081",
                ),
                event(
                    95,
                    Some("echo-build"),
                    "asked",
                    "Which voice\nshall the messages speak with?",
                ),
            ],
        };
        insta::assert_snapshot!(plain(&view.render(60)), @"
        2026-11-21 UTC
        21:45:00              synced      2 waves, 9 agents
        2026-11-22 UTC
        22:41:46  vision      claimed     run 1, try 1
        22:41:48  vision      checkpoint  doc/outline.md, version 1…
        22:43:25  echo-build  asked       Which voice shall the mes…
        ");
    }

    #[test]
    fn no_events_is_said_in_words() {
        insta::assert_snapshot!(plain(&EventsView { events: vec![] }.render(60)), @"Nothing happened yet.");
    }
}
