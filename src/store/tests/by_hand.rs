//! Rows that people and other programs insert: only the seed's columns are
//! needed, and what an API client sends as null counts as missing.

use crate::{
    engine::decide,
    model::{Digest, Generation, RunnerKind, Status},
    store::{
        Store,
        testing::{self, Database, TestStore, name},
    },
};

/// An agent as the seed has it.
const AGENT: &str = "insert into agents (id, name, status, output_summary, dependencies)
    values ('00000000-0000-0000-0000-000000000001', 'vision', 'draft', null, '{}')";

async fn with_vision() -> TestStore {
    let store = testing::store().await;
    store.sql(AGENT).await;
    store
}

#[tokio::test]
async fn an_agent_with_the_seeds_columns_is_scheduled() {
    let store = with_vision().await;

    let facts = store.all_facts().await;

    let vision = &facts.agents[&name("vision")];
    assert_eq!((vision.runner, vision.generation), (RunnerKind::Manual, Generation(1)));
    insta::assert_snapshot!(decide(&facts), @"
    vision: ask a person (question)
    vision: draft -> feedback
    vision: waits for a person: new question
    ");
}

#[tokio::test]
async fn an_agent_may_be_full_of_nulls() {
    let store = testing::store().await;

    store
        .sql(
            "insert into agents (id, name, status, output_summary, dependencies, project_id,
                 wave_id, title, definition_sha256, work_sha256, runner, review, on_stale, pool,
                 priority, retries, timeout_seconds, generation, epoch, attempts_since,
                 status_since, created_at)
             values (null, 'vision', null, null, null, null, null, null, null, null, null, null,
                 null, null, null, null, null, null, null, null, null, null)",
        )
        .await;

    let by_hand = store.facts("vision").await;
    let other = with_vision().await.facts("vision").await;
    assert_eq!(by_hand, other);
}

#[tokio::test]
async fn nobody_can_insert_an_agent_that_builds_without_a_run() {
    let store = testing::store().await;

    store.sql("insert into agents (name, status) values ('vision', 'building')").await;

    assert_eq!(store.facts("vision").await.status, Status::Draft);
}

#[tokio::test]
async fn an_artifact_with_the_seeds_columns_is_as_good_as_any() {
    let store = with_vision().await;

    for content in ["one", "two"] {
        store
            .sql(&format!(
                "insert into artifacts (id, agent_id, artifact_type, content)
                 select gen_random_uuid(), id, 'doc', '{content}' from agents"
            ))
            .await;
    }

    let rows = store.pending(store.project.id, 9).await.unwrap();
    let rows: Vec<_> =
        rows.iter().map(|row| (row.name.as_str(), row.version, row.sha256)).collect();
    assert_eq!(rows, [("doc.md", 1, Digest::of("one")), ("doc.md", 2, Digest::of("two"))]);
}

#[tokio::test]
async fn an_artifact_may_be_full_of_nulls() {
    let store = with_vision().await;

    store
        .sql(
            "insert into artifacts (id, agent_id, artifact_type, content, project_id, name,
                 version, sha256, bytes, run_id, epoch, generation, created_at, git_state,
                 git_commit, git_path, git_reason)
             select null, id, 'doc', 'x', null, null, null, null, null, null, null, null, null,
                 null, null, null, null from agents",
        )
        .await;

    assert_eq!(store.pending_count(store.project.id).await.unwrap(), 1);
}

#[tokio::test]
async fn nobody_can_lie_about_the_digest_of_an_artifact() {
    let store = with_vision().await;

    store
        .sql(
            "insert into artifacts (agent_id, artifact_type, content, sha256, bytes)
             select id, 'doc', 'true', repeat('0', 64), 99 from agents",
        )
        .await;

    let row = store.all_artifacts(store.project.id).await.unwrap().remove(0);
    assert_eq!((row.sha256, row.bytes), (Digest::of("true"), 4));
}

#[tokio::test]
async fn feedback_with_the_seeds_columns_stops_its_agent() {
    let store = with_vision().await;

    store
        .sql(
            "insert into feedback (id, agent_id, feedback_text, resolved)
             select gen_random_uuid(), id, 'Wrong colours.', false from agents",
        )
        .await;

    insta::assert_snapshot!(decide(&store.all_facts().await), @"
    vision: draft -> feedback
    vision: waits for a person: comment #1
    ");
}

#[tokio::test]
async fn feedback_may_be_full_of_nulls() {
    let store = with_vision().await;

    store
        .sql(
            "insert into feedback (id, agent_id, feedback_text, resolved, project_id, kind,
                 blocking, generation, run_id, request, author, resolution, resolved_at,
                 resolved_by, applied_at, created_at)
             select null, id, 'Wrong colours.', null, null, null, null, null, null, null, null,
                 null, null, null, null, null from agents",
        )
        .await;
    store
        .sql(
            "insert into feedback_comments (id, feedback_id, project_id, author, body, created_at)
             select null, id, null, null, 'Use blue.', null from feedback",
        )
        .await;

    let row = store.feedback(store.project.id, None, false).await.unwrap().remove(0);
    assert_eq!((row.agent, row.comments), (name("vision"), 1));
}

#[tokio::test]
async fn the_project_goes_without_saying_only_while_there_is_one() {
    let mut store = testing::store().await;
    store.given_plan("--- waves/project.yaml\nproject: other\n").await;

    let refusal = store.try_sql(AGENT).await;

    assert_eq!(refusal, Err("there is more than one project".to_owned()));
}

#[tokio::test]
async fn before_the_first_sync_there_is_no_project_to_insert_into() {
    let database = Database::migrated().await;
    let store = Store::connect(database.options()).await.unwrap();

    let refusal = testing::try_sql(&store, AGENT).await;

    assert_eq!(refusal, Err("there is no project yet".to_owned()));
}
