//! Bringing a plan into the database.

use crate::{
    model::{AgentId, Outcome, Status},
    plan::diff::Changes,
    store::{
        Error, Operator, Result, Retire,
        testing::{self, TestStore, execute, name, until_somebody_waits},
    },
};

const STORY: &str = "
--- waves/project.yaml
project: demo
--- waves/1-first.yaml
wave: first
agents:
  alfa: { run: { exec: [work] } }
  bravo: { run: { exec: [work] }, needs: [alfa] }
--- waves/2-second.yaml
wave: second
after: [first]
agents:
  delta: { run: { exec: [work] }, needs: ['wave:first'] }
";

fn without_alfa() -> String {
    STORY.replace("  alfa: { run: { exec: [work] } }\n", "").replace(", needs: [alfa]", "")
}

/// Every row that a sync may write, with the transaction that wrote it last.
async fn rows(store: &TestStore) -> String {
    store
        .value(
            "select string_agg(row, e'\\n' order by row) from (
                 select xmin || ' ' || a::text as row from agents a
                 union all select xmin || ' ' || w::text from waves w
                 union all select xmin || ' ' || d::text from wavemark.definitions d
             ) rows",
        )
        .await
}

#[tokio::test]
async fn syncing_twice_changes_nothing() {
    let mut store = testing::store().await;

    let first = store.given_plan(STORY).await;
    let before = rows(&store).await;
    let second = store.given_plan(STORY).await;

    assert_eq!((first.is_empty(), second.is_empty()), (false, true));
    assert_eq!(rows(&store).await, before);
}

#[tokio::test]
async fn what_was_synced_is_what_is_read_back() {
    let mut store = testing::store().await;

    store.given_plan(STORY).await;

    let plan = testing::plan(STORY);
    let (stored, _) = store.stored_plan(&plan.project.name).await.unwrap();
    let definition = |agent: &str| stored.agents[&name(agent)].definition.as_ref().unwrap();
    for (name, agent) in &plan.agents {
        assert_eq!(definition(name.as_str()), &agent.definition);
    }
    assert_eq!(stored.project.as_ref(), Some(&plan.project));
    assert_eq!(store.project.plan, Some(plan.digest()));
}

#[tokio::test]
async fn two_syncs_at_once_take_turns() {
    let store = testing::store().await;
    let other = store.elsewhere().await;
    let plan = testing::plan(STORY);
    let retire = Retire::AtMostHalf;

    let (one, two) = tokio::join!(store.sync(&plan, None, retire), other.sync(&plan, None, retire));

    let mut created = [one, two].map(|changes| changes.unwrap().counts().created);
    created.sort_unstable();
    assert_eq!(created, [0, 3]);
}

#[tokio::test]
async fn needs_of_waves_are_needs_of_all_their_agents() {
    let mut store = testing::store().await;

    store.given_plan(STORY).await;

    let delta = store.facts("delta").await;
    assert_eq!((delta.needs, delta.unknown_needs), ([name("alfa"), name("bravo")].into(), 0));
}

#[tokio::test]
async fn a_plan_knows_the_ids_that_its_agents_get() {
    let mut store = testing::store().await;

    store.given_plan(STORY).await;

    let id = AgentId::of(store.project.id, &name("alfa"));
    assert_eq!(store.id("alfa").await, id);
}

#[tokio::test]
async fn an_agent_that_vanished_is_retired_and_comes_back_with_its_history() {
    let mut store = testing::store().await;
    store.given_plan(STORY).await;
    let run = store.claim("alfa").await;
    store.makes(&run, "doc/a.md", "made").await;
    store.end(&run, Outcome::Succeeded).await;
    let before = store.facts("alfa").await;

    store.given_plan(&without_alfa()).await;
    let gone = store.all_facts().await;
    store.given_plan(STORY).await;

    assert!(!gone.agents.contains_key(&name("alfa")));
    assert_eq!(store.facts("alfa").await, before);
}

#[tokio::test]
async fn an_agent_that_vanished_while_it_runs_is_looked_after() {
    let mut store = testing::store().await;
    store.given_plan(STORY).await;
    let run = store.claim("alfa").await;

    store.given_plan(&without_alfa()).await;
    let meanwhile = store.facts("alfa").await;
    store.end(&run, Outcome::Succeeded).await;
    let afterwards = store.all_facts().await;

    assert_eq!((meanwhile.retired, meanwhile.run.map(|run| run.id)), (true, Some(run.id)));
    assert!(!afterwards.agents.contains_key(&name("alfa")));
}

#[tokio::test]
async fn an_agent_inserted_by_hand_is_adopted_by_a_plan_that_names_it() {
    let mut store = testing::store().await;
    let by_hand = store.given_agent("alfa", Status::Draft).await;

    store.given_plan(STORY).await;

    let alfa = store.id("alfa").await;
    assert_eq!((alfa, store.facts("bravo").await.needs), (by_hand, [name("alfa")].into()));
}

#[tokio::test]
async fn an_agent_inserted_by_hand_is_not_retired() {
    let mut store = testing::store().await;
    store.given_agent("by-hand", Status::Draft).await;

    store.given_plan(STORY).await;

    assert!(!store.facts("by-hand").await.retired);
}

#[tokio::test]
async fn a_run_keeps_the_definition_that_it_began_with() {
    let mut store = testing::store().await;
    store.given_plan(STORY).await;
    let run = store.claim("alfa").await;

    store.given_plan(&STORY.replace("alfa: {", "alfa: { env: { A: b },")).await;
    store.end(&run, Outcome::Succeeded).await;

    let alfa = store.facts("alfa").await;
    assert_ne!(alfa.built.unwrap().work, alfa.work);
}

#[tokio::test]
async fn pools_that_vanished_are_gone_and_the_others_have_their_new_caps() {
    let mut store = testing::store().await;
    let pools = |pools: &str| format!("--- waves/project.yaml\nproject: demo\npools: {pools}\n");

    store.given_plan(&pools("{ default: 3, gpu: 1 }")).await;
    store.given_plan(&pools("{ default: 5, cpu: 2 }")).await;

    let caps = store.all_facts().await.pools;
    let caps: Vec<_> = caps.iter().map(|(name, pool)| (name.as_str(), pool.cap)).collect();
    assert_eq!(caps, [("cpu", 2), ("default", 5)]);
}

#[tokio::test]
async fn projects_of_one_database_do_not_meet() {
    let mut store = testing::store().await;
    store.given_plan(STORY).await;
    store.operate(store.project.id, &name("alfa"), Operator::Pause, "ann").await.unwrap();
    let demo = store.project.clone();

    store.given_plan(&STORY.replace("project: demo", "project: other")).await;

    let other = store.facts("alfa").await;
    let (demo, _) = store.snapshot(&demo).await.unwrap();
    assert_eq!((demo.agents[&name("alfa")].paused, other.paused), (true, false));
}

fn manual(agents: &[&str]) -> String {
    let agents: String =
        agents.iter().map(|name| format!("  {name}: {{ run: {{ manual: }} }}\n")).collect();
    format!("--- waves/1.yaml\nwave: w\nagents:\n{agents}")
}

#[track_caller]
fn refused(synced: Result<Changes>) -> Vec<String> {
    match synced {
        Err(Error::RetiresMost(names)) => names.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn more_than_half_vanish_only_when_that_is_allowed() {
    let mut store = testing::store().await;
    store.given_plan(&manual(&["a", "b", "c", "d"])).await;
    let before = rows(&store).await;
    let [half, most] = [&["a", "b"][..], &["a"]].map(|kept| testing::plan(&manual(kept)));

    let most_first = store.sync(&most, None, Retire::AtMostHalf).await;
    assert_eq!((refused(most_first).join(" "), rows(&store).await), ("b c d".to_owned(), before));
    assert_eq!(store.project(&most.project.name).await.unwrap().plan, store.project.plan);

    store.sync(&half, None, Retire::AtMostHalf).await.unwrap();
    store.sync(&most, None, Retire::Any).await.unwrap();
    assert_eq!(store.all_facts().await.agents.len(), 1);
}

#[tokio::test]
async fn how_many_vanish_is_counted_when_no_other_sync_can_come_between() {
    let mut store = testing::store().await;
    store.given_plan(&manual(&["a", "b", "c", "d"])).await;
    let half = testing::plan(&manual(&["a", "b"]));
    let other = store.elsewhere().await;
    let holds = tokio::sync::Notify::new();

    let (_, synced) = tokio::join!(
        async {
            store
                .tx(async |tx| {
                    execute(tx, "select from projects for update").await?;
                    holds.notify_one();
                    until_somebody_waits(&other).await;
                    execute(
                        tx,
                        "insert into agents (name, project_id, definition_sha256)
                         select n, project_id, definition_sha256
                         from agents, unnest(array['e', 'f', 'g']) n where name = 'a'",
                    )
                    .await
                })
                .await
                .unwrap();
        },
        async {
            holds.notified().await;
            store.sync(&half, None, Retire::AtMostHalf).await
        },
    );

    assert_eq!(refused(synced).join(" "), "c d e f g");
}

#[tokio::test]
async fn a_schema_that_is_too_old_to_be_read_is_told() {
    let mut store = testing::store().await;
    store.given_plan(STORY).await;
    store.sql("alter table agents drop column built_work_sha256").await;

    let read = store.stored_plan(&store.project.name).await;

    assert!(matches!(read, Err(Error::Older(_))), "{read:?}");
}
