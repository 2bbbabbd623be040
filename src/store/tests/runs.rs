//! Keeping a run alive, fencing it off, ending it.

use crate::{
    engine::{Agent, Attempts},
    model::{AgentName, Outcome, Resolution, RunToken, Status::Ready},
    store::{
        Kept, feedback, runs,
        testing::{self, Running, TestStore},
    },
};

/// Whether the heartbeat of a run is welcome.
async fn beats(store: &TestStore, run: &Running) -> bool {
    store.heartbeat(&store.project, &[run.beat()]).await.unwrap()[0].live
}

/// What each way to write comes to, for a run that may not.
async fn writes(store: &TestStore, run: &Running) -> (Kept, bool, bool, bool) {
    let asked = store.question(store.project.id, run.id, run.token, "Which?").await.unwrap();
    (
        store.makes(run, "doc/a.md", "too late").await,
        asked.is_some(),
        beats(store, run).await,
        store.end(run, Outcome::Succeeded).await,
    )
}

const NOTHING: (Kept, bool, bool, bool) = (Kept::Stale, false, false, false);

#[tokio::test]
async fn a_run_that_was_taken_over_writes_nothing() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let old = store.claim("echo").await;
    store.lose(&old).await;
    let new = store.claim("echo").await;

    let written = writes(&store, &old).await;

    assert_eq!(written, NOTHING);
    assert_eq!(store.facts("echo").await.run.unwrap().id, new.id);
}

#[tokio::test]
async fn a_run_with_a_wrong_token_writes_nothing() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;
    let impostor = Running { token: RunToken::from_random([7; 32]).digest(), ..run };

    let written = writes(&store, &impostor).await;

    assert_eq!(written, NOTHING);
}

#[tokio::test]
async fn a_run_that_ended_writes_nothing() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;
    store.end(&run, Outcome::Failed).await;

    let written = writes(&store, &run).await;

    assert_eq!(written, NOTHING);
}

/// A run that is given up at the moment at which a remark is acted on.
async fn lost_with_a_remark() -> (TestStore, Running) {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;
    let remark = store.remark(store.project.id, &testing::name("echo"), "Shorter.", "ann").await;
    let number = remark.unwrap();
    store.resolve(store.project.id, number, Resolution::Completed, None, "ann").await.unwrap();
    store.silence(&run).await;
    let acted = store.tx(async |tx| {
        runs::expire(tx, &[run.id]).await?;
        feedback::apply(tx, &[number]).await
    });
    assert_eq!(acted.await.unwrap(), [number]);
    (store, run)
}

#[tokio::test]
async fn a_late_finish_is_refused_if_people_said_what_it_cannot_know() {
    let (store, run) = lost_with_a_remark().await;
    assert!(!store.end(&run, Outcome::Succeeded).await);
    assert!(store.facts("echo").await.built.is_none());
}

#[tokio::test]
async fn a_run_that_was_given_up_does_not_go_on_if_people_said_what_it_cannot_know() {
    let (store, run) = lost_with_a_remark().await;
    assert!(!beats(&store, &run).await);
    assert!(store.facts("echo").await.run.is_none());
}

#[tokio::test]
async fn a_late_finish_counts_while_nobody_took_over() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;
    store.lose(&run).await;

    let kept = store.makes(&run, "doc/a.md", "late").await;
    let counted = store.end(&run, Outcome::Succeeded).await;

    assert_eq!((kept, counted), (Kept::New { version: 1 }, true));
    let echo = store.facts("echo").await;
    assert_eq!((echo.built.map(|built| built.outputs), echo.attempts.infra), (Some(1), 0));
}

#[tokio::test]
async fn a_lease_that_ran_out_is_no_end_until_somebody_says_so() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;
    store.silence(&run).await;

    let counted = store.end(&run, Outcome::Succeeded).await;

    assert!(counted);
}

#[tokio::test]
async fn a_heartbeat_revives_a_lost_run_if_its_pool_has_room() {
    let mut store = testing::store().await;
    store.given_plan("--- waves/project.yaml\nproject: demo\npools: { default: 1 }\n").await;
    store.given_agent("echo", Ready).await;
    store.given_agent("pixel", Ready).await;
    let echo = store.claim("echo").await;
    store.lose(&echo).await;
    let pixel = store.claim("pixel").await;

    let without_room = beats(&store, &echo).await;
    store.end(&pixel, Outcome::Succeeded).await;
    let with_room = beats(&store, &echo).await;

    assert_eq!((without_room, with_room), (false, true));
    assert_eq!(store.facts("echo").await.run.map(|run| run.id), Some(echo.id));
}

#[tokio::test]
async fn a_heartbeat_prolongs_the_lease_and_tells_what_was_printed() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;
    store.silence(&run).await;

    let mut beat = run.beat();
    beat.progress = "half done".to_owned();
    store.heartbeat(&store.project, &[beat]).await.unwrap();

    let facts = store.all_facts().await;
    let lease = facts.agents[&testing::name("echo")].run.unwrap().lease_until - facts.taken_at;
    let printed: String = store.value("select progress from runs").await;
    assert_eq!((lease.num_minutes(), printed.as_str()), (1, "half done"));
}

#[tokio::test]
async fn a_sign_of_life_of_the_machine_is_none_of_the_agent() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;
    let before = store.facts("echo").await.run.unwrap().progress_at;

    let mut beat = run.beat();
    beat.idle = std::time::Duration::from_secs(600);
    store.heartbeat(&store.project, &[beat]).await.unwrap();

    assert_eq!(store.facts("echo").await.run.unwrap().progress_at, before);
}

#[tokio::test]
async fn only_runs_whose_lease_ran_out_are_given_up() {
    let store = testing::store().await;
    let mut runs = vec![];
    for agent in ["echo", "pixel", "reel"] {
        store.given_agent(agent, Ready).await;
        runs.push(store.claim(agent).await);
    }
    store.silence(&runs[0]).await;
    store.end(&runs[2], Outcome::Succeeded).await;

    let all: Vec<_> = runs.iter().map(|run| run.id).collect();
    let lost = store.tx(async |tx| runs::expire(tx, &all).await).await.unwrap();

    assert_eq!(lost, [(runs[0].id, runs[0].claimed.agent_id)]);
}

#[tokio::test]
async fn a_run_ends_once() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;

    let first = store.end(&run, Outcome::Succeeded).await;
    let second = store.end(&run, Outcome::Failed).await;

    assert_eq!((first, second), (true, false));
    assert!(store.facts("echo").await.built.is_some());
}

#[tokio::test]
async fn what_a_run_says_at_its_end_is_stored_even_with_zero_bytes() {
    let store = testing::store().await;
    let echo = store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;

    let mut ending = run.ending(Outcome::Succeeded);
    ending.summary = Some("all \0 done".to_owned());
    ending.log_tail = "the \0 end".to_owned();
    store.ends(ending).await;

    let summary: String = store.value("select output_summary from agents").await;
    let log = store.log_tail(echo).await.unwrap();
    assert_eq!(summary, "all \u{fffd} done");
    assert_eq!(log, Some((run.id, Some("the \u{fffd} end".to_owned()))));
}

#[tokio::test]
async fn outcomes_count_against_the_budget_they_belong_to() {
    let store = testing::store().await;
    for (name, outcome) in [
        ("failed", Outcome::Failed),
        ("timed-out", Outcome::TimedOut),
        ("stalled", Outcome::Stalled),
        ("refused", Outcome::Refused),
        ("deferred", Outcome::Deferred),
        ("lost", Outcome::Lost),
        ("paused", Outcome::Paused),
        ("interrupted", Outcome::Interrupted),
    ] {
        store.given_agent(name, Ready).await;
        let run = store.claim(name).await;
        store.end(&run, outcome).await;
    }

    let facts = store.all_facts().await;
    let count = |(name, agent): (&AgentName, &Agent)| {
        let Attempts { own, infra, refused, .. } = agent.attempts;
        format!("{name}: own {own}, infra {infra}, refused {refused}\n")
    };
    let counted: String = facts.agents.iter().map(count).collect();

    insta::assert_snapshot!(counted, @"
    deferred: own 0, infra 1, refused false
    failed: own 1, infra 0, refused false
    interrupted: own 0, infra 0, refused false
    lost: own 0, infra 1, refused false
    paused: own 0, infra 0, refused false
    refused: own 0, infra 0, refused true
    stalled: own 1, infra 0, refused false
    timed-out: own 1, infra 0, refused false
    ");
}
