//! What people are shown.

use crate::{
    model::{Outcome, Status::Ready},
    store::{
        Error,
        testing::{self, name},
    },
};

#[tokio::test]
async fn agents_are_shown_wave_by_wave_and_retired_ones_last() {
    let mut store = testing::store().await;
    let story = "
--- waves/1-late.yaml
wave: late
agents: { zulu: { run: { exec: [work] } }, gone: { run: { exec: [work] } } }
--- waves/2-early.yaml
wave: early
agents: { alfa: { run: { exec: [work] } } }
";
    store.given_plan(story).await;
    store.given_agent("by-hand", Ready).await;

    store.given_plan(&story.replace(", gone: { run: { exec: [work] } }", "")).await;

    let rows = store.agent_rows(store.project.id).await.unwrap();
    let rows: Vec<_> = rows.iter().map(|row| format!("{}/{}", row.wave, row.name)).collect();
    assert_eq!(rows.join(" "), "late/zulu early/alfa unplanned/by-hand late/gone");
}

#[tokio::test]
async fn an_agent_is_shown_with_its_last_run_and_what_it_stored() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    for outcome in [Outcome::Failed, Outcome::Succeeded] {
        let run = store.claim("echo").await;
        store.makes(&run, "doc/a.md", outcome.as_str()).await;
        store.end(&run, outcome).await;
    }

    let row = store.agent_rows(store.project.id).await.unwrap().remove(0);

    assert_eq!((row.attempt, row.outcome), (Some(2), Some(Outcome::Succeeded)));
    assert_eq!(row.checkpoints, 2);
}

#[tokio::test]
async fn runs_and_feedback_are_stretches_of_time() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;
    store.remark(store.project.id, &name("echo"), "Hm.", "ann").await.unwrap();
    let open = (
        store.run_spans(store.project.id).await.unwrap().remove(0),
        store.feedback_spans(store.project.id).await.unwrap().remove(0),
    );

    store.end(&run, Outcome::Succeeded).await;
    store.sql("update feedback set resolved = true").await;

    let (run, feedback) = (
        store.run_spans(store.project.id).await.unwrap().remove(0),
        store.feedback_spans(store.project.id).await.unwrap().remove(0),
    );
    assert_eq!((open.0.finished_at, open.1.resolved_at), (None, None));
    assert!(run.finished_at > Some(run.claimed_at));
    assert!(feedback.resolved_at > Some(feedback.created_at));
}

#[tokio::test]
async fn the_last_events_are_shown_oldest_first() {
    let store = testing::store().await;
    let echo = store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;
    store.makes(&run, "doc/a.md", "x").await;
    store.note_rejection(store.project.id, run.id, "out/odd", "has an odd name").await.unwrap();
    store.end(&run, Outcome::Failed).await;

    let all = store.events(store.project.id, None, 9).await.unwrap();
    let last_two = store.events(store.project.id, Some(echo), 2).await.unwrap();

    let kinds = |events: &[crate::store::Event]| {
        events.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(kinds(&all), "synced started checkpoint rejected failed");
    assert_eq!(kinds(&last_two), "rejected failed");
    assert_eq!(last_two[0].detail, "out/odd: has an odd name");
}

#[tokio::test]
async fn a_project_that_was_never_synced_is_told_apart() {
    let store = testing::store().await;

    let found = store.project(&"other".parse().unwrap()).await;

    assert!(matches!(found, Err(Error::NoProject(name)) if name.as_str() == "other"));
}
