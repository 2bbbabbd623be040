//! One agent at work, as a line that is printed again and again.

use super::{
    page::{BOLD, DIM, PLAIN, Page, Span},
    text::one_line,
    words::{self, between, took},
};
use crate::model::{AgentName, Instant, Status};

/// An agent at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveView {
    /// Its name.
    pub agent: AgentName,
    /// When its run began.
    pub started_at: Instant,
    /// How many artifacts the run stored so far.
    pub checkpoints: u32,
    /// The last line it printed.
    pub last_output: Option<String>,
}

impl LiveView {
    /// One line of at most `width` columns, without a line break; `name_width`
    /// columns are kept for the name, so that the lines of several agents line up.
    pub fn line(&self, now: Instant, name_width: usize, width: usize) -> String {
        use super::page::Align::{Left, Right};

        let mut page = Page::new(width);
        let building = words::style(Status::Building);
        page.line([
            Span::new(building, format!("{} ", words::symbol(Status::Building))),
            Span::new(BOLD, self.agent.as_str()).fit(name_width, Left),
            Span::new(PLAIN, took(between(self.started_at, now))).fit(8, Right),
            format!("  {} stored  ", self.checkpoints).into(),
            Span::new(DIM, one_line(self.last_output.as_deref().unwrap_or_default())),
        ]);
        page.into_text().trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{name, now, plain, seconds_ago};

    #[test]
    fn agents_at_work_line_up() {
        let live = |agent, started, checkpoints, output: Option<&str>| LiveView {
            agent: name(agent),
            started_at: seconds_ago(started),
            checkpoints,
            last_output: output.map(str::to_owned),
        };
        let lines = [
            live("vision", 3, 2, Some("working on prompt/fill-sheet.md, which takes a while")),
            live("reel", 192, 0, None),
        ]
        .map(|live| plain(&live.line(now(), 8, 60)));
        insta::assert_snapshot!(lines.join("\n"), @"
        ▸ vision      3.0s  2 stored  working on prompt/fill-sheet.…
        ▸ reel      3m 12s  0 stored
        ");
    }
}
