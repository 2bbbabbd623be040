//! Statuses, generations, and what operators do.

use crate::{
    model::Status::{self, Draft, Ready},
    store::{
        agents::{Move, advance},
        testing,
    },
};

fn to_ready(agent: crate::model::AgentId, from: Status) -> Move {
    Move { agent, from, to: Ready }
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
async fn a_run_begins() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;

    let run = store.claim("echo").await;

    assert_eq!(store.facts("echo").await.run.unwrap().id, run.id);
}
