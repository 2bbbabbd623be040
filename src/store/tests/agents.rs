//! Statuses, generations, and what operators do.

use crate::{
    model::{
        AgentId, Generation, Outcome,
        Status::{self, Building, Complete, Draft, Ready},
    },
    store::{
        Error, Maker, Operator,
        agents::{Move, advance, hand_in, rebuild},
        testing::{self, TestStore, name},
    },
};

fn to_ready(agent: AgentId, from: Status) -> Move {
    Move { agent, from, to: Ready }
}

/// An agent that finished its first generation.
async fn built(store: &TestStore, name: &str) -> AgentId {
    let id = store.given_agent(name, Ready).await;
    let run = store.claim(name).await;
    assert!(store.end(&run, Outcome::Succeeded).await);
    id
}

#[tokio::test]
async fn a_late_decision_is_refused() {
    let store = testing::store().await;
    let echo = store.given_agent("echo", Draft).await;
    let step = [to_ready(echo, Draft)];

    let first = store.tx(async |tx| advance(tx, &step).await).await.unwrap();
    let late = store.tx(async |tx| advance(tx, &step).await).await.unwrap();

    assert_eq!((first, late), (vec![echo], vec![]));
}

#[tokio::test]
async fn one_late_move_does_not_hold_up_the_others() {
    let store = testing::store().await;
    let echo = store.given_agent("echo", Draft).await;
    let pixel = store.given_agent("pixel", Complete).await;

    let steps = [to_ready(echo, Draft), to_ready(pixel, Draft)];
    let moved = store.tx(async |tx| advance(tx, &steps).await).await.unwrap();

    assert_eq!(moved, [echo]);
}

#[tokio::test]
async fn a_late_move_does_not_hide_a_run_that_began_since() {
    let store = testing::store().await;
    let echo = store.given_agent("echo", Ready).await;
    let lost = store.claim("echo").await;
    store.lose(&lost).await;
    store.claim("echo").await;

    let step = [to_ready(echo, Building)];
    let moved = store.tx(async |tx| advance(tx, &step).await).await.unwrap();

    assert_eq!((moved, store.facts("echo").await.status), (vec![], Building));
}

#[tokio::test]
async fn an_agent_is_asked_to_be_built_again_once() {
    let store = testing::store().await;
    let echo = built(&store, "echo").await;
    let again = [(echo, Generation(1))];

    let first = store.tx(async |tx| rebuild(tx, &again).await).await.unwrap();
    let late = store.tx(async |tx| rebuild(tx, &again).await).await.unwrap();

    assert_eq!((first, late), (vec![echo], vec![]));
    assert_eq!(store.facts("echo").await.generation, Generation(2));
}

#[tokio::test]
async fn an_agent_that_never_finished_is_not_built_again() {
    let store = testing::store().await;
    let echo = store.given_agent("echo", Ready).await;

    let asked = store.tx(async |tx| rebuild(tx, &[(echo, Generation(1))]).await).await.unwrap();

    assert_eq!(asked, []);
}

#[tokio::test]
async fn building_again_closes_the_review_of_what_was_built() {
    let store = testing::store().await;
    let echo = built(&store, "echo").await;
    store.given_feedback("kind", "'review'").await;

    store.tx(async |tx| rebuild(tx, &[(echo, Generation(1))]).await).await.unwrap();

    let ending: String =
        store.value("select resolution || ' by ' || resolved_by from feedback").await;
    assert_eq!(
        (ending.as_str(), store.facts("echo").await.feedback),
        ("superseded by wavemark", vec![])
    );
}

#[tokio::test]
async fn building_again_forgets_the_failures() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    for outcome in [Outcome::Failed, Outcome::Succeeded] {
        let run = store.claim("echo").await;
        store.end(&run, outcome).await;
    }

    store.operate(store.project.id, &name("echo"), Operator::Rebuild, "ann").await.unwrap();

    assert_eq!(store.facts("echo").await.attempts.own, 0);
}

#[tokio::test]
async fn what_an_operator_asks_twice_is_done_once() {
    let store = testing::store().await;
    built(&store, "echo").await;
    let echo = name("echo");

    let mut changed = vec![];
    for what in [Operator::Pause, Operator::Resume, Operator::Rebuild] {
        for _ in 0..2 {
            changed.push(store.operate(store.project.id, &echo, what, "ann").await.unwrap());
        }
    }

    assert_eq!(changed, [true, false, true, false, true, false]);
}

#[tokio::test]
async fn a_retry_closes_the_failure_and_forgets_the_attempts() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;
    store.end(&run, Outcome::Failed).await;
    store.given_feedback("kind", "'failure'").await;

    store.operate(store.project.id, &name("echo"), Operator::Retry, "ann").await.unwrap();

    let open = store.feedback(store.project.id, None, false).await.unwrap();
    assert_eq!((store.facts("echo").await.attempts.own, open), (0, vec![]));
}

#[tokio::test]
async fn only_agents_of_the_plan_take_orders() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    store.sql("update agents set retired_at = now()").await;

    let order = store.operate(store.project.id, &name("echo"), Operator::Pause, "ann").await;

    assert!(matches!(order, Err(Error::NoAgent(agent)) if agent == name("echo")));
}

#[tokio::test]
async fn what_people_handed_in_finishes_a_generation_once() {
    let store = testing::store().await;
    let brief = store.given_agent("brief", Draft).await;
    let key = "doc/a.md".parse().unwrap();
    store.keep(store.project.id, Maker::Person(brief), &key, "x", None).await.unwrap();
    let done = [(brief, Generation(1))];

    let first = store.tx(async |tx| hand_in(tx, &done).await).await.unwrap();
    let late = store.tx(async |tx| hand_in(tx, &done).await).await.unwrap();

    assert_eq!((first, late), (vec![brief], vec![]));
    assert_eq!(store.facts("brief").await.built.unwrap().generation, Generation(1));
}

#[tokio::test]
async fn resuming_an_agent_does_not_excuse_what_its_run_is_yet_to_do() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;

    store.operate(store.project.id, &name("echo"), Operator::Resume, "ann").await.unwrap();
    store.end(&run, Outcome::Failed).await;

    assert_eq!(store.facts("echo").await.attempts.own, 1);
}

#[tokio::test]
async fn a_pause_outlives_a_retry_that_was_asked_for_before_it() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;
    store.end(&run, Outcome::Failed).await;
    store.given_feedback("kind, resolved", "'failure', true").await;

    let pause = Operator::Pause;
    store.operate(store.project.id, &name("echo"), pause, "ann").await.unwrap();

    let echo = store.facts("echo").await;
    assert_eq!((echo.paused, echo.attempts.own, echo.feedback), (true, 0, vec![]));
}
