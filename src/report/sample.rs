//! A project in the middle of its night, for tests.

use std::time::Duration;

use super::{AgentView, FeedbackRef, FeedbackView, Reason, RunView, StatusView, WaveView};
use crate::model::{
    AgentName, Epoch, FeedbackKind, FeedbackNumber, Generation, Instant, Outcome, Status,
};

/// What the terminal shows of a text with colours in it.
pub(super) fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// The evening of 22 November 2026.
pub(super) fn now() -> Instant {
    Instant::UNIX_EPOCH + Duration::from_secs(1_795_387_500)
}

pub(super) fn seconds_ago(seconds: u64) -> Instant {
    now() - Duration::from_secs(seconds)
}

pub(super) fn name(name: &str) -> AgentName {
    name.parse().unwrap()
}

/// A draft that was never started.
pub(super) fn agent(of: &str) -> AgentView {
    AgentView {
        name: name(of),
        title: None,
        status: Status::Draft,
        since: seconds_ago(200),
        generation: Generation::FIRST,
        run: None,
        checkpoints: 0,
        waits_for: Vec::new(),
        summary: None,
        stale_inputs: false,
        usage: None,
        retired: false,
    }
}

pub(super) fn run(epoch: i32, started: u64, ended: Option<(u64, Outcome)>) -> RunView {
    RunView {
        epoch: Epoch(epoch),
        attempt: 1,
        started_at: seconds_ago(started),
        ended_at: ended.map(|(at, _)| seconds_ago(at)),
        outcome: ended.map(|(_, outcome)| outcome),
        last_output: Some("done".to_owned()),
    }
}

pub(super) fn complete(of: &str, summary: &str) -> AgentView {
    AgentView {
        status: Status::Complete,
        run: Some(run(1, 194, Some((190, Outcome::Succeeded)))),
        checkpoints: 3,
        summary: Some(summary.to_owned()),
        ..agent(of)
    }
}

pub(super) fn review() -> FeedbackView {
    FeedbackView {
        number: FeedbackNumber(3),
        kind: FeedbackKind::Review,
        agent: name("vision"),
        text: "A calendar of 5 columns for 4 weeks, ready for Google Sheets.\n".to_owned(),
        opened_at: seconds_ago(190),
        resolution: None,
        messages: 1,
    }
}

pub(super) fn question() -> FeedbackView {
    FeedbackView {
        number: FeedbackNumber(4),
        kind: FeedbackKind::Question,
        agent: name("echo-build"),
        text: "Which voice shall the messages speak with?".to_owned(),
        opened_at: seconds_ago(95),
        resolution: None,
        messages: 2,
    }
}

/// The agent that waits for two others, one of which is being reviewed.
pub(super) fn social_build() -> AgentView {
    let need = |agent, open: FeedbackRef| Reason::Need {
        agent: name(agent),
        status: Status::Feedback,
        open_feedback: vec![open],
    };
    AgentView {
        waits_for: vec![
            need("vision", review().reference()),
            need("echo-build", question().reference()),
        ],
        ..agent("social-build")
    }
}

/// The slow agent, at work for the second time.
pub(super) fn reel() -> AgentView {
    AgentView {
        status: Status::Building,
        since: seconds_ago(12),
        run: Some(RunView {
            attempt: 2,
            last_output: Some("resuming after \u{1b}[1mdoc/scenes.md\u{1b}[0m\n".to_owned()),
            ..run(2, 12, None)
        }),
        checkpoints: 2,
        ..agent("reel")
    }
}

pub(super) fn night() -> StatusView {
    let vision = AgentView {
        status: Status::Feedback,
        since: seconds_ago(190),
        run: Some(run(1, 194, Some((190, Outcome::Succeeded)))),
        checkpoints: 4,
        waits_for: vec![Reason::Feedback(review().reference())],
        ..agent("vision")
    };
    let echo_build = AgentView {
        status: Status::Feedback,
        since: seconds_ago(95),
        run: Some(run(1, 96, Some((95, Outcome::Paused)))),
        checkpoints: 1,
        waits_for: vec![Reason::Feedback(question().reference())],
        ..agent("echo-build")
    };
    let foundation = WaveView {
        name: "foundation".parse().unwrap(),
        title: Some("Phase 1: foundation".to_owned()),
        agents: vec![
            vision,
            complete("echo", "3 messages of 4 parts each, as a schema and a prompt."),
            complete("pixel", "色と雰囲気の調査: 3 moods, 3 colours, and what they do to people."),
            reel(),
        ],
    };
    let build = WaveView {
        name: "build".parse().unwrap(),
        title: None,
        agents: vec![echo_build, social_build()],
    };
    StatusView::new(
        "launch-night".parse().unwrap(),
        now(),
        Some(seconds_ago(4)),
        vec![foundation, build],
        vec![review(), question()],
    )
}
