//! Every agent of a project, by wave.

use std::ops::Add;

use serde::Serialize;

use super::{
    agent::AgentView,
    feedback::FeedbackView,
    github::GithubView,
    late::LateView,
    page::{Align, BOLD, DIM, PLAIN, Page, Span},
    table::{Column, Table},
    text::one_line,
    words::{age, count, wait},
};
use crate::model::{Instant, ProjectName, Status, Usage, WaveName};

/// `wavemark status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusView {
    /// The project.
    pub project: ProjectName,
    /// When the database was read.
    pub taken_at: Instant,
    /// When the scheduler last looked; absent if it never did.
    pub last_tick_at: Option<Instant>,
    /// How late the next tick in GitHub Actions is, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late: Option<LateView>,
    /// The waves, in the order to show them.
    pub waves: Vec<WaveView>,
    /// What waits for a person.
    pub open_feedback: Vec<FeedbackView>,
    /// Trouble with GitHub, if there is any.
    #[serde(skip_serializing_if = "GithubView::is_silent")]
    pub github: GithubView,
    totals: Totals,
    /// What all of them used of language models, if they used any.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

/// A wave and its agents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WaveView {
    /// Its name.
    pub name: WaveName,
    /// What people call it.
    pub title: Option<String>,
    /// Its agents, in the order to show them.
    pub agents: Vec<AgentView>,
}

/// How many agents stand where; those that are retired are counted apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// All that the plan has.
    pub agents: usize,
    /// Wait for others.
    pub draft: usize,
    /// Can be started.
    pub ready: usize,
    /// Are being built.
    pub building: usize,
    /// Wait for a person.
    pub feedback: usize,
    /// Are finished.
    pub complete: usize,
    /// Are no longer in the plan.
    pub retired: usize,
}

impl Totals {
    fn of(waves: &[WaveView]) -> Self {
        let mut totals = Self::default();
        for agent in waves.iter().flat_map(|wave| &wave.agents) {
            if agent.retired {
                totals.retired += 1;
                continue;
            }
            totals.agents += 1;
            *match agent.status {
                Status::Draft => &mut totals.draft,
                Status::Ready => &mut totals.ready,
                Status::Building => &mut totals.building,
                Status::Feedback => &mut totals.feedback,
                Status::Complete => &mut totals.complete,
            } += 1;
        }
        totals
    }

    fn sentence(&self) -> String {
        let by_status = [
            (self.complete, "complete"),
            (self.building, "building"),
            (self.ready, "ready"),
            (self.feedback, "feedback"),
            (self.draft, "draft"),
            (self.retired, "retired"),
        ];
        let parts: Vec<String> = by_status
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, word)| format!("{number} {word}"))
            .collect();
        format!("{}: {}", count(self.agents, "agent"), parts.join(", "))
    }
}

impl StatusView {
    /// The state of a project as it was at `taken_at`.
    pub fn new(
        project: ProjectName,
        taken_at: Instant,
        last_tick_at: Option<Instant>,
        waves: Vec<WaveView>,
        open_feedback: Vec<FeedbackView>,
    ) -> Self {
        let usages = waves.iter().flat_map(|wave| &wave.agents).filter_map(|agent| agent.usage);
        let usage = usages.reduce(Add::add);
        let (totals, github) = (Totals::of(&waves), GithubView::default());
        let late = None;
        Self { project, taken_at, last_tick_at, late, totals, usage, waves, open_feedback, github }
    }

    /// How many agents stand where.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// The table, in lines of at most `width` columns.
    pub fn render(&self, width: usize) -> String {
        let mut page = Page::new(width);
        page.line([
            Span::new(BOLD, self.project.as_str()),
            Span::new(
                DIM,
                match self.last_tick_at {
                    Some(at) => format!("  last tick {} ago", age(self.taken_at, at)),
                    None => "  no tick yet".to_owned(),
                },
            ),
        ]);
        if let Some(late) = &self.late {
            page.paragraph(0, PLAIN, &late.warning());
        }
        if !self.waves.is_empty() {
            page.blank();
            self.table().print(&mut page);
        }
        page.blank();
        if self.totals != Totals::default() {
            page.paragraph(0, PLAIN, &self.totals.sentence());
        }
        if let Some(usage) = self.usage {
            page.paragraph(0, PLAIN, &format!("used: {usage}"));
        }
        self.github.print(&mut page);
        page.paragraph(0, BOLD, &self.next_step());
        page.into_text()
    }

    fn table(&self) -> Table {
        let mut table = Table::new([
            Column::words("agent", 12),
            Column::whole("status", Align::Left),
            Column::whole("since", Align::Right),
            Column::spare("run", Align::Right),
            Column::spare("stored", Align::Right),
            Column::words("waits for, or says", 18),
        ]);
        for wave in &self.waves {
            let title = wave.title.as_deref().map(one_line).unwrap_or_default();
            table.heading([
                Span::new(BOLD, wave.name.as_str()),
                Span::new(DIM, format!("  {title}")),
            ]);
            for agent in &wave.agents {
                table.row(agent.cells(self.taken_at));
            }
        }
        table
    }

    /// What a person can do now.
    fn next_step(&self) -> String {
        let Totals { agents, building, complete, .. } = self.totals;
        let all = || self.waves.iter().flat_map(|wave| &wave.agents);
        let ready = all().filter(|agent| agent.can_start()).count();
        let unfinished = |agent: &&AgentView| !agent.retired && agent.status != Status::Complete;
        let stuck = all().find(unfinished);

        match stuck {
            _ if !self.open_feedback.is_empty() => {
                format!("{} for you: wavemark feedback list", wait(self.open_feedback.len()))
            }
            _ if agents == 0 => {
                "No agents yet: describe them under waves/, then: wavemark sync".to_owned()
            }
            _ if complete == agents => "All complete: wavemark artifacts".to_owned(),
            Some(agent) if building == 0 && ready == 0 => {
                format!("Nothing moves: wavemark why {}", agent.name)
            }
            _ if building == 0 => format!("{} can start: wavemark run", count(ready, "agent")),
            _ => "Nothing waits for you.".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{agent, complete, night, now, plain};

    fn next_step(agents: Vec<AgentView>) -> String {
        let wave = WaveView { name: "build".parse().unwrap(), title: None, agents };
        let project = "launch-night".parse().unwrap();
        StatusView::new(project, now(), None, vec![wave], Vec::new()).next_step()
    }

    #[test]
    fn a_night_at_80_columns() {
        insta::assert_snapshot!(plain(&night().render(80)), @"
        launch-night  last tick 4s ago

          agent         status      since  run  stored  waits for, or says
        foundation  Phase 1: foundation
          vision        ! feedback     3m    1       4  review #3
          echo          ✓ complete     3m    1       3  3 messages of 4 parts each, as …
          pixel         ✓ complete     3m    1       3  色と雰囲気の調査: 3 moods, 3 co…
          reel          ▸ building    12s    2       2  try 2: resuming after doc/scene…
        build
          echo-build    ! feedback     1m    1       1  question #4
          social-build  · draft        3m            0  vision, echo-build

        6 agents: 2 complete, 1 building, 2 feedback, 1 draft
        2 wait for you: wavemark feedback list
        ");
    }

    #[test]
    fn a_night_at_60_columns() {
        insta::assert_snapshot!(plain(&night().render(60)), @"
        launch-night  last tick 4s ago

          agent         status      since  run  waits for, or says
        foundation  Phase 1: foundation
          vision        ! feedback     3m    1  review #3
          echo          ✓ complete     3m    1  3 messages of 4 par…
          pixel         ✓ complete     3m    1  色と雰囲気の調査: 3…
          reel          ▸ building    12s    2  try 2: resuming aft…
        build
          echo-build    ! feedback     1m    1  question #4
          social-build  · draft        3m       vision, echo-build

        6 agents: 2 complete, 1 building, 2 feedback, 1 draft
        2 wait for you: wavemark feedback list
        ");
    }

    #[test]
    fn without_agents_it_says_how_to_get_some() {
        let project = "launch-night".parse().unwrap();
        let empty = StatusView::new(project, now(), None, Vec::new(), Vec::new());
        insta::assert_snapshot!(plain(&empty.render(80)), @"
        launch-night  no tick yet

        No agents yet: describe them under waves/, then: wavemark sync
        ");
    }

    #[test]
    fn a_retired_agent_is_shown_and_counted_apart() {
        let mut night = night();
        night.waves.truncate(1);
        night.waves[0].agents.truncate(2);
        night.waves[0].agents[1].retired = true;
        night.waves[0].agents[0].stale_inputs = true;
        night.waves[0].agents[0].waits_for.clear();
        let status = StatusView::new(night.project, now(), None, night.waves, Vec::new());
        insta::assert_snapshot!(plain(&status.render(80)), @"
        launch-night  no tick yet

          agent   status      since  run  stored  waits for, or says
        foundation  Phase 1: foundation
          vision  ! feedback     3m    1       4  stale inputs
          echo    - retired      3m    1       3  3 messages of 4 parts each, as a sche…

        1 agent: 1 feedback, 1 retired
        Nothing moves: wavemark why vision
        ");
    }

    #[test]
    fn the_last_line_says_what_a_person_can_do() {
        let with = |status| AgentView { status, ..agent("echo") };
        let steps = [
            next_step(vec![complete("vision", "")]),
            next_step(vec![with(Status::Building), with(Status::Ready)]),
            next_step(vec![with(Status::Draft), with(Status::Ready)]),
            next_step(vec![complete("vision", ""), with(Status::Draft)]),
        ];
        insta::assert_snapshot!(steps.join("\n"), @"
        All complete: wavemark artifacts
        Nothing waits for you.
        1 agent can start: wavemark run
        Nothing moves: wavemark why echo
        ");
    }

    #[test]
    fn json_has_the_same_facts() {
        let mut night = night();
        night.waves.truncate(1);
        night.waves[0].agents.truncate(1);
        let status = StatusView::new(night.project, now(), None, night.waves, Vec::new());
        insta::assert_snapshot!(serde_json::to_string_pretty(&status).unwrap(), @r#"
        {
          "project": "launch-night",
          "taken_at": "2026-11-22T22:45:00Z",
          "last_tick_at": null,
          "waves": [
            {
              "name": "foundation",
              "title": "Phase 1: foundation",
              "agents": [
                {
                  "name": "vision",
                  "title": null,
                  "status": "feedback",
                  "since": "2026-11-22T22:41:50Z",
                  "generation": 1,
                  "run": {
                    "epoch": 1,
                    "attempt": 1,
                    "started_at": "2026-11-22T22:41:46Z",
                    "ended_at": "2026-11-22T22:41:50Z",
                    "outcome": "succeeded",
                    "last_output": "done"
                  },
                  "checkpoints": 4,
                  "waits_for": [
                    {
                      "reason": "feedback",
                      "number": 3,
                      "kind": "review"
                    }
                  ],
                  "summary": null,
                  "stale_inputs": false,
                  "retired": false
                }
              ]
            }
          ],
          "open_feedback": [],
          "totals": {
            "agents": 1,
            "draft": 0,
            "ready": 0,
            "building": 0,
            "feedback": 1,
            "complete": 0,
            "retired": 0
          }
        }
        "#);
    }
}
