//! What people see while agents work: a live line per agent on a terminal,
//! plain lines elsewhere.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output;
use crate::{
    app::Progress,
    model::{AgentName, Instant as At},
    report::{self, LiveView},
};

/// How often the elapsed time is drawn anew.
const REFRESH: Duration = Duration::from_millis(250);

pub(super) struct Watcher {
    began: Instant,
    live: bool,
    lines: BTreeMap<AgentName, Line>,
}

struct Line {
    bar: ProgressBar,
    began: Instant,
    checkpoints: u32,
    last_output: Option<String>,
    said: Option<String>,
}

impl Watcher {
    pub(super) fn new() -> Self {
        let live = output::is_watched();
        if live {
            output::live().set_draw_target(ProgressDrawTarget::stderr());
        }
        Self { began: Instant::now(), live, lines: BTreeMap::new() }
    }

    pub(super) fn see(&mut self, progress: Progress) {
        match progress {
            Progress::Started(agent, attempt) => {
                let again =
                    if attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
                self.tell(agent.as_str(), &format!("started{again}"));
                self.add(agent);
            }
            Progress::Printed(agent, line) => match self.lines.get_mut(&agent) {
                Some(live) => live.last_output = Some(line),
                None => self.tell(agent.as_str(), &format!("| {line}")),
            },
            Progress::Said(agent, line) => {
                self.tell(agent.as_str(), &line);
                if let Some(live) = self.lines.get_mut(&agent) {
                    live.said = Some(line);
                }
            }
            Progress::Stored(agent, key, version) => {
                self.tell(agent.as_str(), &format!("stored {key}, version {version}"));
                if let Some(live) = self.lines.get_mut(&agent) {
                    live.checkpoints += 1;
                }
            }
            Progress::Rejected(agent, path, why) => {
                self.tell(agent.as_str(), &format!("could not store {path}: {why}"));
            }
            Progress::Asked(agent, number) => {
                self.tell(agent.as_str(), &format!("asks a question: {number}"));
            }
            Progress::Ended(agent, outcome, detail, took) => {
                if let Some(live) = self.lines.remove(&agent) {
                    live.bar.finish_and_clear();
                }
                let outcome = outcome.as_str().replace('_', " ");
                let took = took.as_secs_f64();
                self.tell(agent.as_str(), &format!("{outcome} after {took:.1}s: {detail}"));
            }
            Progress::Lost(agent) => {
                if let Some(live) = self.lines.remove(&agent) {
                    live.bar.finish_and_clear();
                }
                self.tell(agent.as_str(), "lost: nothing was heard of its run any more");
            }
            Progress::Published(count) => {
                let artifacts = report::count(count, "artifact");
                self.tell("", &format!("committed {artifacts} to git"));
            }
        }
        self.draw();
    }

    /// Takes the live lines away.
    pub(super) fn close(self) {
        for line in self.lines.values() {
            line.bar.finish_and_clear();
        }
    }

    fn add(&mut self, agent: AgentName) {
        if !self.live {
            return;
        }
        let bar = output::live().add(ProgressBar::no_length());
        if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(REFRESH);
        let line =
            Line { bar, began: Instant::now(), checkpoints: 0, last_output: None, said: None };
        self.lines.insert(agent, line);
    }

    fn draw(&self) {
        let width = self.lines.keys().map(|agent| agent.as_str().len()).max().unwrap_or(0);
        for (agent, line) in &self.lines {
            let elapsed = TimeDelta::from_std(line.began.elapsed()).unwrap_or_default();
            let view = LiveView {
                agent: agent.clone(),
                started_at: At::UNIX_EPOCH,
                checkpoints: line.checkpoints,
                last_output: line.said.as_ref().or(line.last_output.as_ref()).cloned(),
            };
            line.bar.set_message(view.line(At::UNIX_EPOCH + elapsed, width, output::width() - 1));
        }
    }

    fn tell(&self, agent: &str, text: &str) {
        let elapsed = self.began.elapsed().as_secs_f64();
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        output::complain(&format!("{elapsed:>7.1}s  {agent:<14} {text}\n"));
    }
}
