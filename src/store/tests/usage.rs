//! What runs used and cost, and who was asked for more.

use crate::{
    engine::Spent,
    model::{Cost, CostBasis, Outcome, Resolution, Status::Ready, Usage, Usd},
    store::testing::{self, Running, TestStore},
};

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

fn usage(cost: &str) -> Usage {
    let cost = Some(Cost { usd: usd(cost), basis: CostBasis::Reported });
    Usage { output: 7, turns: 1, cost, ..Usage::default() }
}

async fn ends_having_used(store: &TestStore, run: &Running, outcome: Outcome, cost: &str) {
    let ending = crate::store::Ending { usage: Some(usage(cost)), ..run.ending(outcome) };
    let counted = store.finish(store.project.id, &[ending]).await.unwrap();
    assert_eq!(counted, [run.id]);
}

#[tokio::test]
async fn a_run_costs_while_it_lives_and_when_it_ended() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;

    let mut beat = run.beat();
    beat.usage = Some(usage("0.25"));
    store.heartbeat(&store.project, &[beat]).await.unwrap();
    // One that knows nothing new takes nothing back.
    store.heartbeat(&store.project, &[run.beat()]).await.unwrap();
    assert_eq!(store.facts("echo").await.spent, usd("0.25"));

    ends_having_used(&store, &run, Outcome::Paused, "0.40").await;
    assert_eq!(store.facts("echo").await.spent, usd("0.40"));
    let told: String = store.value("select detail from events where kind = 'paused'").await;
    assert_eq!(told, "$0.40, 1 turn, 0 tokens in and 7 out");
}

#[tokio::test]
async fn trying_again_counts_anew_and_the_project_remembers() {
    let mut store = testing::store().await;
    store
        .given_plan("--- waves/w.yaml\nwave: w\nagents: { echo: { run: { exec: ['true'] } } }")
        .await;
    store.sql("update agents set status = 'ready'").await;
    let run = store.claim("echo").await;
    ends_having_used(&store, &run, Outcome::Failed, "2").await;

    let what = crate::store::Operator::Retry;
    store.operate(store.project.id, &testing::name("echo"), what, "ann").await.unwrap();

    assert_eq!(store.facts("echo").await.spent, Usd::default());
    let spending = store.all_facts().await.spending;
    assert_eq!((spending.project.usd, spending.day), (usd("2"), usd("2")));
    assert_eq!(spending.waves["w"].usd, usd("2"));
}

#[tokio::test]
async fn whoever_allows_more_for_the_project_lets_it_count_anew() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;
    ends_having_used(&store, &run, Outcome::Paused, "2").await;
    let project = async || store.all_facts().await.spending.project;
    assert_eq!(project().await, Spent { usd: usd("2"), ..Spent::default() });

    store
        .sql(
            "insert into feedback (agent_id, feedback_text, kind, request)
             select id, 'More?', 'failure', 'budget:project:2000000:0' from agents",
        )
        .await;
    let asked = Spent { usd: usd("2"), asked: 1, refused_at: Some(usd("2")) };
    assert_eq!(project().await, asked);

    let open = store.feedback(store.project.id, None, false).await.unwrap();
    let number = open[0].number;
    let resolve = async |how| store.resolve(store.project.id, number, how, None, "ann").await;
    resolve(Resolution::Dismissed).await.unwrap();
    assert_eq!(project().await, asked);

    store.sql("update feedback set resolution = 'completed', resolved_at = now()").await;
    assert_eq!(project().await, Spent { usd: Usd::default(), asked: 1, refused_at: None });
}
