//! Many that work on one project at once.

use std::collections::BTreeSet;

use crate::{
    app::apply::Executor,
    engine::decide,
    model::Outcome,
    store::{
        Project, Store,
        testing::{self, Running, at_once},
    },
};

const PLAN: &str = "
--- waves/project.yaml
project: demo
pools: { default: 6, gpu: 2 }
--- waves/1-first.yaml
wave: first
defaults: { retries: 99 }
agents:
";

/// Thirty agents in two pools, each of which needs the one before the last.
fn plan() -> String {
    let agents = (0..30).map(|n| {
        let pool = if n % 3 == 0 { "gpu" } else { "default" };
        let needs = if n < 6 { String::new() } else { format!(", needs: [a{}]", n - 6) };
        format!("  a{n}: {{ run: {{ exec: [work] }}, pool: {pool}{needs} }}\n")
    });
    PLAN.to_owned() + &agents.collect::<String>()
}

#[tokio::test]
async fn ticks_and_supervisors_finish_everything_once_and_never_lock_each_other_out() {
    let mut store = testing::store().await;
    store.given_plan(&plan()).await;

    let mut supervisors = vec![];
    for number in 0..6 {
        let (own, project) = (store.elsewhere().await, store.project.clone());
        supervisors.push(async move {
            let mut runs: Vec<Running> = vec![];
            for round in 0.. {
                let (facts, ids) = own.snapshot(&project).await.unwrap();
                if facts.agents.values().all(|agent| agent.built.is_some()) || round > 500 {
                    break;
                }
                let executor = Executor { store: &own, project: &project, ids: &ids, host: "test" };
                let applied = executor.apply(&decide(&facts).effects).await;
                assert_eq!(applied.failed, BTreeSet::new());
                runs.extend(applied.begun.into_iter().map(|begun| Running {
                    id: begun.claimed.id,
                    token: begun.token.digest(),
                    claimed: begun.claimed,
                }));
                work(&own, &project, &mut runs, number + round).await;
            }
            own.close().await;
        });
    }
    at_once(supervisors).await;

    let doubly: i64 = store
        .value(
            "select count(*) from (
                 select from runs where outcome = 'succeeded'
                 group by agent_id having count(*) > 1
             ) doubly",
        )
        .await;
    let finished = store.all_facts().await.agents.values().filter(|it| it.built.is_some()).count();
    let deadlocks: i64 = store
        .value("select deadlocks from pg_stat_database where datname = current_database()")
        .await;
    assert_eq!((finished, doubly, deadlocks), (30, 0, 0));
}

#[tokio::test]
async fn a_tick_that_waits_for_a_pool_keeps_nobody_from_the_runs() {
    let mut store = testing::store().await;
    store.given_plan(&plan()).await;
    let run = store.claim("a1").await;
    store.silence(&run).await;
    let (facts, ids) = store.snapshot(&store.project).await.unwrap();
    let decision = decide(&facts);
    let tick = Executor { store: &store, project: &store.project, ids: &ids, host: "test" };
    let other = store.elsewhere().await;
    let is_locked = tokio::sync::Notify::new();

    let (_, written) = tokio::join!(
        async {
            is_locked.notified().await;
            tick.apply(&decision.effects).await
        },
        other.tx(async |tx| {
            testing::execute(tx, "select from wavemark.pools for update").await?;
            is_locked.notify_one();
            testing::until_somebody_waits(&store).await;
            let write =
                "set local lock_timeout = '50ms'; update public.runs set progress = 'alive'";
            testing::execute(tx, write).await
        }),
    );

    assert!(written.is_ok(), "{written:?}");
}

/// Gives signs of life, ends some runs, and falls silent about one.
async fn work(store: &Store, project: &Project, runs: &mut Vec<Running>, turn: usize) {
    let beats: Vec<_> = runs.iter().map(Running::beat).collect();
    store.heartbeat(project, &beats).await.unwrap();
    if runs.len() > 1 && turn.is_multiple_of(5) {
        let silence = format!(
            "update runs set lease_until = now() - interval '1 hour'
             where id = '{}' and finished_at is null",
            runs[0].id
        );
        testing::try_sql(store, &silence).await.unwrap();
        return;
    }
    let endings: Vec<_> = runs.drain(..).map(|run| run.ending(Outcome::Succeeded)).collect();
    store.finish(project.id, &endings).await.unwrap();
}
