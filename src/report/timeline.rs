//! Who built when: a bar for each agent.

use std::time::Duration;

use serde::Serialize;

use super::{
    page::{ALERT, Align, DIM, PLAIN, Page, Span},
    words::{self, between, took},
};
use crate::model::{AgentName, Instant, Outcome, Status};

/// What every agent did over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TimelineView {
    /// When the database was read: where bars end that go on.
    pub taken_at: Instant,
    /// The agents, in the order to show them.
    pub rows: Vec<TimelineRow>,
}

/// One agent's line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TimelineRow {
    /// The agent.
    pub agent: AgentName,
    /// What it did, in any order.
    pub spans: Vec<SpanView>,
}

/// A stretch of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SpanView {
    /// When it began.
    pub from: Instant,
    /// When it ended; absent if it goes on.
    pub to: Option<Instant>,
    /// What it was.
    pub activity: Activity,
}

/// What an agent does in a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "activity", rename_all = "snake_case")]
pub enum Activity {
    /// It waits for a person.
    Waiting,
    /// A run of it is alive.
    Building {
        /// How that run ended; absent while it goes on.
        outcome: Option<Outcome>,
    },
}

/// What one column of a bar shows. The later ones are drawn over the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Nothing,
    Waits,
    Builds,
    Broken,
}

impl Mark {
    fn span(self, length: usize) -> Span {
        let (symbol, style) = match self {
            Self::Nothing => (" ", PLAIN),
            Self::Waits => ("┄", ALERT),
            Self::Builds => ("━", words::style(Status::Building)),
            Self::Broken => ("×", ALERT),
        };
        Span::new(style, symbol.repeat(length))
    }
}

impl TimelineView {
    /// The bars, in lines of at most `width` columns.
    pub fn render(&self, width: usize) -> String {
        let mut page = Page::new(width);
        let spans = || self.rows.iter().flat_map(|row| &row.spans);
        let Some(start) = spans().map(|span| span.from).min() else {
            page.line(["Nothing was built yet.".into()]);
            return page.into_text();
        };
        let end = spans().map(|span| self.end_of(span)).max().unwrap_or(start);

        let longest = self.rows.iter().map(|row| row.agent.as_str().len());
        let name_width = longest.max().unwrap_or(0).min(width / 3);
        let total = took(between(start, end));
        let columns = width.saturating_sub(name_width + 2 + 2 + 8).max(1);
        let ruler = columns.saturating_sub(2);
        page.line([
            " ".repeat(name_width + 2).into(),
            Span::new(DIM, "0s"),
            Span::new(DIM, &total).fit(ruler, Align::Right),
        ]);
        for row in &self.rows {
            let mut line =
                vec![Span::from(row.agent.as_str()).fit(name_width, Align::Left), "  ".into()];
            let marks = self.marks(row, start, end, columns);
            for same in marks.chunk_by(|a, b| a == b) {
                line.push(same[0].span(same.len()));
            }
            line.push(Span::new(DIM, format!("  {}", self.work_of(row))));
            page.line(line);
        }
        page.paragraph(0, DIM, "━ builds, ┄ waits for a person, × was cut off");
        page.into_text()
    }

    /// What each of `columns` columns between `start` and `end` shows.
    fn marks(&self, row: &TimelineRow, start: Instant, end: Instant, columns: usize) -> Vec<Mark> {
        let total = between(start, end).as_secs_f64().max(f64::MIN_POSITIVE);
        let column = |at: Instant| {
            let part = between(start, at).as_secs_f64() / total;
            ((part * columns as f64) as usize).min(columns - 1)
        };
        let mut marks = vec![Mark::Nothing; columns];
        let mut draw = |from: usize, to: usize, with: Mark| {
            for mark in &mut marks[from..=to.max(from)] {
                *mark = (*mark).max(with);
            }
        };
        for span in &row.spans {
            let (from, to) = (column(span.from), column(self.end_of(span)));
            match span.activity {
                Activity::Waiting => draw(from, to, Mark::Waits),
                Activity::Building { outcome } => {
                    draw(from, to, Mark::Builds);
                    if outcome.is_some_and(was_cut_off) {
                        draw(to, to, Mark::Broken);
                    }
                }
            }
        }
        marks
    }

    /// How long the runs of an agent took together; nothing if it had none.
    fn work_of(&self, row: &TimelineRow) -> String {
        let runs = row.spans.iter().filter(|span| span.activity != Activity::Waiting);
        let times: Vec<Duration> = runs.map(|run| between(run.from, self.end_of(run))).collect();
        match times.is_empty() {
            true => String::new(),
            false => took(times.iter().sum()),
        }
    }

    fn end_of(&self, span: &SpanView) -> Instant {
        span.to.unwrap_or(self.taken_at).max(span.from)
    }
}

fn was_cut_off(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::Succeeded | Outcome::Paused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{name, now, plain, seconds_ago};

    const BUILT: Activity = Activity::Building { outcome: Some(Outcome::Succeeded) };
    const LOST: Activity = Activity::Building { outcome: Some(Outcome::Lost) };

    fn row(agent: &str, spans: &[(u64, Option<u64>, Activity)]) -> TimelineRow {
        TimelineRow {
            agent: name(agent),
            spans: spans
                .iter()
                .map(|&(from, to, activity)| SpanView {
                    from: seconds_ago(from),
                    to: to.map(seconds_ago),
                    activity,
                })
                .collect(),
        }
    }

    #[test]
    fn a_night_as_bars() {
        let view = TimelineView {
            taken_at: now(),
            rows: vec![
                row("vision", &[(60, Some(48), BUILT), (48, Some(16), Activity::Waiting)]),
                row("reel", &[(60, Some(40), LOST), (38, Some(28), BUILT)]),
                row("social-build", &[(16, Some(10), BUILT)]),
                row("launch-pack", &[(10, None, Activity::Building { outcome: None })]),
                row("never-started", &[]),
            ],
        };
        insta::assert_snapshot!(plain(&view.render(80)), @"
                       0s                                               1m 00s
        vision         ━━━━━━━━━━━━┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄                12.0s
        reel           ━━━━━━━━━━━━━━━━━━× ━━━━━━━━━━                           30.0s
        social-build                                           ━━━━━━           6.0s
        launch-pack                                                 ━━━━━━━━━━  10.0s
        never-started
        ━ builds, ┄ waits for a person, × was cut off
        ");
        insta::assert_snapshot!(plain(&view.render(40)), @"
                       0s       1m 00s
        vision         ━━━━┄┄┄┄┄┄┄┄     12.0s
        reel           ━━━━━×━━━        30.0s
        social-build              ━━    6.0s
        launch-pack                ━━━  10.0s
        never-started
        ━ builds, ┄ waits for a person, × was
        cut off
        ");
    }

    #[test]
    fn an_instant_still_has_a_mark() {
        let view =
            TimelineView { taken_at: now(), rows: vec![row("echo", &[(5, Some(5), BUILT)])] };
        insta::assert_snapshot!(plain(&view.render(40)), @"
              0s                  0.0s
        echo  ━                         0.0s
        ━ builds, ┄ waits for a person, × was
        cut off
        ");
    }
}
