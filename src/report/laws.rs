//! Laws that hold for every view, whatever agents and strangers wrote.

use std::{fmt::Debug, str::FromStr, time::Duration};

use proptest::{collection::vec, option, prelude::*};
use unicode_width::UnicodeWidthStr as _;

use super::{
    sample::{agent, now, plain, question, review, run, seconds_ago},
    *,
};
use crate::model::{
    AgentName, ArtifactKey, Digest, FeedbackKind, FeedbackNumber, Generation, GitState, Message,
    Status, Thread, Usage,
};

/// Reverse video, which no report ever uses: when it is found in the output, a
/// stranger's escape sequence got through.
const FOREIGN: &str = "\u{1b}[7m";

/// Text as nobody should write it.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        "[a-z ]{0,30}",
        Just(FOREIGN.to_owned()),
        Just("\u{1b}]8;;http://example.org\u{7}".to_owned()),
        Just("\r\n\t\u{9b}2J\u{202e}".to_owned()),
        Just("e\u{301}\u{301}❤\u{fe0f}👩\u{200d}👩\u{200d}👧🇩🇪日本語".to_owned()),
        Just("\u{fe0f}\u{20e3}".to_owned()),
    ];
    vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn any_name<T: FromStr<Err: Debug> + Debug>() -> impl Strategy<Value = T> {
    "[a-z][a-z0-9-]{0,62}".prop_map(|name| name.parse().unwrap())
}

fn any_status() -> impl Strategy<Value = Status> {
    proptest::sample::select(Status::ALL)
}

fn any_feedback() -> impl Strategy<Value = FeedbackView> {
    let kind = proptest::sample::select(FeedbackKind::ALL);
    (any_name(), kind, any::<i64>(), any_text()).prop_map(|(agent, kind, number, text)| {
        FeedbackView { agent, kind, number: FeedbackNumber(number), text, ..review() }
    })
}

fn any_reason() -> impl Strategy<Value = Reason> {
    use crate::model::StopReason;
    use proptest::sample::select;

    let need = (any_name(), any_status(), vec(any_feedback(), 0..3));
    prop_oneof![
        need.prop_map(|(agent, status, open)| Reason::Need {
            agent,
            status,
            open_feedback: open.iter().map(FeedbackView::reference).collect(),
        }),
        (any_name(), any::<u32>())
            .prop_map(|(wave, incomplete)| Reason::Barrier { wave, incomplete }),
        (any_name(), any::<u32>()).prop_map(|(pool, cap)| Reason::PoolFull { pool, cap }),
        vec(any_name(), 0..4).prop_map(|agents| Reason::StaleInputs { agents }),
        any::<u32>().prop_map(|number| Reason::UnknownNeeds { number }),
        any_feedback().prop_map(|feedback| Reason::Feedback(feedback.reference())),
        ("the budget of wave [a-z][a-z0-9-]{0,62}", any_money())
            .prop_map(|(budget, limit)| Reason::OverBudget { budget, limit }),
        select(StopReason::ALL).prop_map(|why| Reason::Stopping { why }),
        select(FeedbackKind::ALL).prop_map(|kind| Reason::Asked { kind }),
        Just(Reason::Backoff { until: now() }),
        select(vec![Reason::Running, Reason::Paused, Reason::NextTick, Reason::Retired]),
    ]
}

fn any_money() -> impl Strategy<Value = crate::model::Usd> {
    any::<u64>().prop_map(crate::model::Usd::from_micros)
}

fn any_usage() -> impl Strategy<Value = crate::model::Usage> {
    use crate::model::{Cost, CostBasis, Usage};

    let basis = proptest::sample::select(CostBasis::ALL);
    let cost = option::of((any_money(), basis).prop_map(|(usd, basis)| Cost { usd, basis }));
    ([0..u64::MAX / 9, 0..u64::MAX / 9, 0..u64::MAX / 9], cost).prop_map(
        |([uncached_input, output, turns], cost)| Usage {
            uncached_input,
            output,
            turns,
            cost,
            ..Usage::default()
        },
    )
}

fn any_agent() -> impl Strategy<Value = AgentView> {
    let numbers = (any::<i32>(), any::<u32>(), any::<u32>(), 0..10_000_000_u64);
    let texts = (option::of(any_text()), option::of(any_text()));
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), option::of(any_usage()));
    (any_name(), any_status(), numbers, texts, vec(any_reason(), 0..4), flags).prop_map(
        |(name, status, (number, attempt, checkpoints, ago), texts, waits_for, flags)| AgentView {
            name,
            status,
            since: seconds_ago(ago),
            generation: Generation(number),
            run: flags.0.then(|| RunView {
                attempt,
                last_output: texts.0,
                ..run(number, ago, None)
            }),
            checkpoints,
            waits_for,
            summary: texts.1,
            stale_inputs: flags.1,
            retired: flags.2,
            usage: flags.3,
            ..agent("echo")
        },
    )
}

/// Fails unless every line fits and nothing foreign is in control.
fn holds(shown: &str, width: usize) -> Result<(), TestCaseError> {
    prop_assert!(!shown.contains(FOREIGN), "{shown:?}");
    for line in plain(shown).split('\n') {
        prop_assert!(line.width() <= width, "{} > {width}: {line:?}", line.width());
        prop_assert!(!line.contains(char::is_control), "{line:?}");
    }
    // Taking our styles away leaves no escape: there was none but ours.
    let ours = [
        "\u{1b}[0m",
        "\u{1b}[1m",
        "\u{1b}[2m",
        "\u{1b}[33m",
        "\u{1b}[34m",
        "\u{1b}[32m",
        "\u{1b}[36m",
    ];
    let rest = ours.iter().fold(shown.to_owned(), |text, style| text.replace(style, ""));
    prop_assert!(!rest.contains('\u{1b}'), "{rest:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_status_is_wider_than_asked_for_or_takes_orders(
        title in option::of(any_text()),
        agents in vec(any_agent(), 0..5),
        open_feedback in vec(any_feedback(), 0..3),
        width in 1..120_usize,
    ) {
        let wave = WaveView { name: "build".parse().unwrap(), title, agents };
        let project = "launch-night".parse().unwrap();
        let view = StatusView::new(project, now(), None, vec![wave], open_feedback);
        holds(&view.render(width), width)?;
    }

    #[test]
    fn no_explanation_is_wider_than_asked_for_or_takes_orders(
        agent in any_agent(),
        width in 1..120_usize,
    ) {
        let view = WhyView { taken_at: now(), agent };
        holds(&view.render(width), width)?;
    }

    #[test]
    fn no_feedback_is_wider_than_asked_for_or_takes_orders(
        feedback in vec(any_feedback(), 0..4),
        bodies in vec((any_text(), any_text()), 0..3),
        width in 1..120_usize,
    ) {
        let message = |(author, body)| Message { author, body, at: now() };
        let thread = ThreadView {
            taken_at: now(),
            agent: question().agent,
            thread: Thread {
                number: FeedbackNumber(7),
                kind: FeedbackKind::Question,
                resolution: None,
                messages: bodies.into_iter().map(message).collect(),
            },
        };
        holds(&thread.render(width), width)?;
        holds(&FeedbackListView { taken_at: now(), feedback }.render(width), width)?;
    }

    #[test]
    fn no_event_is_wider_than_asked_for_or_takes_orders(
        agent in option::of(any_name()),
        kind in any_text(),
        text in any_text(),
        name_width in 0..40_usize,
        width in 1..120_usize,
    ) {
        let event = EventView { at: now(), agent, kind, text };
        holds(&event.line(name_width, width), width)?;
        holds(&EventsView { events: vec![event] }.render(width), width)?;
    }

    #[test]
    fn no_live_line_is_wider_than_asked_for_or_takes_orders(
        agent in any_name(),
        last_output in option::of(any_text()),
        name_width in 0..40_usize,
        width in 1..120_usize,
    ) {
        let live = LiveView { agent, started_at: now(), checkpoints: 3, last_output };
        let line = live.line(now(), name_width, width);
        prop_assert!(!line.contains('\n'));
        holds(&line, width)?;
    }

    #[test]
    fn no_summary_is_wider_than_asked_for_or_takes_orders(
        completed in vec(any_name(), 0..4),
        open_feedback in vec(any_feedback(), 0..3),
        waiting in vec((any_name(), any_status(), vec(any_reason(), 0..4)), 0..3),
        millis in any::<u32>(),
        width in 1..120_usize,
    ) {
        let took = Duration::from_millis(millis.into());
        let usage = Some(Usage { turns: millis.into(), ..Usage::default() });
        let completed = completed.into_iter().map(|agent| CompletedView { agent, took, checkpoints: 3, usage });
        let waiting = waiting
            .into_iter()
            .map(|(agent, status, waits_for)| WaitingView { agent, status, waits_for });
        let view = RunSummaryView {
            taken_at: now(),
            completed: completed.collect(),
            open_feedback,
            waiting: waiting.collect(),
            late: None,
            makespan: took,
            sequential: took * 3,
            usage,
        };
        holds(&view.render(width), width)?;
    }

    #[test]
    fn no_artifact_is_wider_than_asked_for_or_takes_orders(
        agent in any_name::<AgentName>(),
        name in "[a-z0-9][a-zA-Z0-9._-]{0,99}",
        version in any::<u32>(),
        bytes in any::<u64>(),
        commit in option::of(any_text()),
        width in 1..120_usize,
    ) {
        let key: ArtifactKey = format!("doc/{name}").parse().unwrap();
        let digest = Digest::of(&name);
        let compared = ComparedView {
            agent: agent.clone(),
            key: key.clone(),
            row: digest,
            git: GitState::Blocked,
            commit: None,
        };
        let artifact = ArtifactView {
            agent,
            key,
            version,
            bytes,
            sha256: digest,
            stored_at: now(),
            epoch: None,
            git: GitState::Committed,
            commit,
            reason: None,
        };
        let (artifacts, versions) = (vec![artifact.clone()], vec![artifact]);
        holds(&ArtifactsView { artifacts }.render(width), width)?;
        holds(&HistoryView { taken_at: now(), versions }.render(width), width)?;
        holds(&ComparisonView { artifacts: vec![compared] }.render(width), width)?;
    }

    #[test]
    fn no_timeline_is_wider_than_asked_for(
        rows in vec((any_name(), vec((0..100_000_u64, option::of(0..100_000_u64)), 0..4)), 0..5),
        width in 1..120_usize,
    ) {
        let span = |(from, to): (u64, Option<u64>)| SpanView {
            from: seconds_ago(from),
            to: to.map(seconds_ago),
            activity: Activity::Building { outcome: None },
        };
        let rows = rows.into_iter().map(|(agent, spans)| TimelineRow {
            agent,
            spans: spans.into_iter().map(span).collect(),
        });
        let view = TimelineView { taken_at: now(), rows: rows.collect() };
        holds(&view.render(width), width)?;
    }
}
