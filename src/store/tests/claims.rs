//! Who may begin a run, and how many.

use std::collections::BTreeSet;

use crate::{
    model::{
        Outcome,
        Status::{Draft, Ready},
    },
    store::{
        runs::ask_to_stop,
        testing::{self, TestStore, at_once, claim_with, name},
    },
};

/// A store with a pool of that size and `count` agents that are ready.
async fn crowd(cap: u32, count: usize) -> TestStore {
    let mut store = testing::store().await;
    store
        .given_plan(&format!(
            "--- waves/project.yaml\nproject: demo\npools: {{ default: {cap} }}\n"
        ))
        .await;
    store
        .sql(&format!(
            "insert into agents (name, status, runner)
             select 'agent-' || n, 'ready', 'exec' from generate_series(1, {count}) n"
        ))
        .await;
    store
}

#[tokio::test]
async fn of_two_claims_at_once_one_begins_a_run() {
    let store = crowd(100, 40).await;
    let other = store.elsewhere().await;
    let (facts, ids) = store.snapshot(&store.project).await.unwrap();

    let mut begun = BTreeSet::new();
    for (name, agent) in &facts.agents {
        let wishes = [testing::wish(ids[name], agent), testing::wish(ids[name], agent)];
        let (one, two) = tokio::join!(
            claim_with(&store, &store.project, &wishes[..1]),
            claim_with(&other, &store.project, &wishes[1..]),
        );
        begun.insert((one.len() + two.len(), store.facts(name.as_str()).await.epoch.0));
    }

    assert_eq!(begun, [(1, 1)].into());
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_answered_again() {
    let store = crowd(100, 1).await;
    let wish = [store.wish("agent-1").await];

    let first = claim_with(&store, &store.project, &wish).await.remove(0);
    let again = claim_with(&store, &store.project, &wish).await.remove(0);

    assert_eq!((again.id, again.claimed.epoch), (first.id, first.claimed.epoch));
    let started: i64 = store.value("select count(*) from events where kind = 'started'").await;
    assert_eq!(started, 1);
}

#[tokio::test]
async fn live_runs_never_exceed_the_cap_of_their_pool() {
    let store = crowd(3, 24).await;
    let (facts, ids) = store.snapshot(&store.project).await.unwrap();

    let mut claimers = vec![];
    for _ in 0..8 {
        let own = store.elsewhere().await;
        let project = store.project.clone();
        let wishes: Vec<_> =
            facts.agents.iter().map(|(name, agent)| testing::wish(ids[name], agent)).collect();
        claimers.push(async move {
            let mut most = 0;
            for _ in 0..6 {
                let begun = claim_with(&own, &project, &wishes).await;
                let runs = own.run_spans(project.id).await.unwrap();
                most = most.max(runs.iter().filter(|run| run.finished_at.is_none()).count());
                let endings: Vec<_> =
                    begun.iter().map(|run| run.ending(Outcome::Succeeded)).collect();
                own.finish(project.id, &endings).await.unwrap();
            }
            most
        });
    }
    let most = at_once(claimers).await.into_iter().max();

    assert_eq!((most, store.value::<i64>("select count(*) from runs").await), (Some(3), 24));
}

#[tokio::test]
async fn the_first_wishes_get_the_room() {
    let store = crowd(2, 3).await;

    let wishes =
        [store.wish("agent-3").await, store.wish("agent-1").await, store.wish("agent-2").await];
    let begun = claim_with(&store, &store.project, &wishes).await;

    let begun: BTreeSet<String> =
        begun.into_iter().map(|run| run.claimed.agent.to_string()).collect();
    assert_eq!(begun, ["agent-1".to_owned(), "agent-3".to_owned()].into());
}

#[tokio::test]
async fn a_pool_without_a_row_has_no_room() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    store.sql("update agents set pool = 'gpu'").await;

    let run = store.try_claim("echo").await;

    assert!(run.is_none(), "{run:?}");
}

#[tokio::test]
async fn a_wish_is_void_once_its_facts_have_moved_on() {
    let news = [
        "update agents set status = 'draft'",
        "update agents set epoch = epoch + 1",
        "update agents set generation = generation + 1",
        "update agents set paused_at = now()",
        "update agents set retired_at = now()",
        "update agents
         set built_generation = 1, built_at = now(), built_outputs = 0, built_inputs = 0",
        "insert into feedback (agent_id, feedback_text) select id, 'Wait.' from agents",
        "insert into feedback (agent_id, feedback_text, kind, blocking)
         select id, 'Gate.', 'review', false from agents",
        "with need as (insert into agents (name) values ('need') returning id)
         update agents set dependencies = array[need.id] from need",
    ];

    for news in news {
        let store = testing::store().await;
        store.given_agent("echo", Ready).await;
        let wish = store.wish("echo").await;
        store.sql(news).await;
        let begun = claim_with(&store, &store.project, &[wish]).await;
        assert_eq!(begun.len(), 0, "{news}");
    }
}

#[tokio::test]
async fn remarks_that_need_no_answer_hold_nobody_back() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    store.given_feedback("blocking", "false").await;

    let run = store.try_claim("echo").await;

    assert!(run.is_some());
}

#[tokio::test]
async fn a_run_knows_which_attempt_it_is_and_what_was_lost() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let first = store.claim("echo").await;
    store.lose(&first).await;

    let second = store.claim("echo").await;

    let first_time = (first.claimed.attempt, first.claimed.lost_before);
    let second_time = (second.claimed.attempt, second.claimed.lost_before);
    assert_eq!((first_time, second_time), ((1, None), (2, Some(first.id))));
}

#[tokio::test]
async fn a_run_is_made_from_the_newest_that_its_needs_built() {
    let mut store = testing::store().await;
    store
        .given_plan(
            "
wave: main
agents:
  alfa: { run: { exec: [work] } }
  bravo: { run: { exec: [work] }, needs: [alfa] }
",
        )
        .await;
    let alfa = store.claim("alfa").await;
    store.makes(&alfa, "doc/a.md", "made").await;
    store.end(&alfa, Outcome::Succeeded).await;

    let bravo = store.claim("bravo").await;
    store.end(&bravo, Outcome::Succeeded).await;

    let facts = store.all_facts().await;
    let built = |agent: &str| facts.agents[&name(agent)].built.unwrap();
    assert_eq!((built("alfa").outputs, built("bravo").inputs), (1, 1));
}

#[tokio::test]
async fn a_run_is_asked_to_stop_once() {
    use crate::model::StopReason::{Feedback, Timeout};
    let store = testing::store().await;
    store.given_agent("echo", Draft).await;
    let run = store.claim("echo").await;

    let first = store.tx(async |tx| ask_to_stop(tx, &[(run.id, Feedback)]).await).await.unwrap();
    let late = store.tx(async |tx| ask_to_stop(tx, &[(run.id, Timeout)]).await).await.unwrap();

    assert_eq!((first.len(), late.len()), (1, 0));
    assert_eq!(store.facts("echo").await.run.unwrap().stop, Some(Feedback));
}
