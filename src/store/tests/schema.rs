//! The constraints hold, whoever writes.

use crate::{
    model::Status::Ready,
    store::testing::{self, TestStore},
};

/// A store with a live run, an artifact and a feedback, one each.
async fn one_of_each() -> TestStore {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;
    store.makes(&run, "doc/a.md", "x").await;
    store.remark(store.project.id, &testing::name("echo"), "Hm.", "ann").await.unwrap();
    store
}

#[tokio::test]
async fn rows_that_make_no_sense_are_refused() {
    let store = one_of_each().await;

    let mut accepted = vec![];
    for sql in [
        // Words and names.
        "update agents set status = 'failed'",
        "update agents set name = 'Echo'",
        "update agents set name = '../echo'",
        "update agents set runner = 'magic'",
        "update agents set review = 'sometimes'",
        "update projects set trusted_role = 'anybody'",
        "update projects set plan_sha256 = 'x'",
        "insert into artifacts (agent_id, artifact_type, content)
         select id, 'image', 'x' from agents",
        "insert into artifacts (agent_id, artifact_type, content, name)
         select id, 'doc', 'x', '../a' from agents",
        "insert into artifacts (agent_id, artifact_type, content, name)
         select id, 'doc', 'x', '.git' from agents",
        "insert into feedback (agent_id, feedback_text, kind) select id, 'x', 'praise' from agents",
        "update feedback set resolved = true, resolution = 'ignored'",
        "update runs set stop = 'boredom'",
        // Numbers.
        "update wavemark.pools set cap = -1",
        "update agents set epoch = -1",
        "update agents set generation = 0",
        "update agents set retries = -1",
        "update agents set timeout_seconds = 0",
        // Live or ended, nothing in between.
        "update runs set finished_at = now()",
        "update runs set outcome = 'succeeded'",
        "update runs set finished_at = now(), outcome = 'succeeded'",
        "update runs set lease_until = null",
        "insert into runs (project_id, agent_id, epoch, generation, attempt, pool, token_sha256,
             lease_until, deadline_at)
         select project_id, id, 2, 1, 1, 'default', repeat('0', 64), now(), now() from agents",
        // What goes together.
        "update agents set attempts_since = epoch + 1",
        "update agents set built_generation = generation + 1, built_at = now(),
             built_outputs = 0, built_inputs = 0",
        "update agents set built_generation = generation",
        "update agents set epoch = 0",
        "update projects set publisher = gen_random_uuid()",
        "update artifacts set git_state = 'committed'",
        "update artifacts set git_commit = 'c', git_path = 'p'",
        "update artifacts set git_state = 'blocked'",
        "insert into feedback (agent_id, feedback_text, request)
         select id, 'x', 'r' from agents, generate_series(1, 2)",
        // What does not exist.
        "insert into artifacts (agent_id, artifact_type, content)
         values (gen_random_uuid(), 'doc', 'x')",
        "insert into feedback (agent_id, feedback_text) values (gen_random_uuid(), 'x')",
        "insert into feedback_comments (feedback_id, body) values (gen_random_uuid(), 'x')",
        "update agents set definition_sha256 = repeat('0', 64)",
        "update agents set wave_id = gen_random_uuid()",
        // What others refer to.
        "delete from agents",
        "delete from runs",
        "delete from projects",
    ] {
        if store.try_sql(sql).await.is_ok() {
            accepted.push(sql);
        }
    }

    assert_eq!(accepted, [""; 0]);
}

#[tokio::test]
async fn only_the_seeds_columns_have_to_be_given() {
    let store = testing::store().await;

    let required: String = store
        .value(
            "select string_agg(attrelid::regclass || '.' || attname, ' ' order by attrelid, attnum)
             from pg_attribute
             where attrelid in ('public.agents'::regclass, 'public.artifacts'::regclass,
                     'public.feedback'::regclass, 'public.feedback_comments'::regclass)
                 and attnum > 0 and attnotnull and not atthasdef and attidentity = ''",
        )
        .await;

    insta::assert_snapshot!(required.replace(' ', "\n"), @"
    agents.name
    artifacts.agent_id
    artifacts.artifact_type
    artifacts.content
    feedback.agent_id
    feedback.feedback_text
    feedback_comments.feedback_id
    feedback_comments.body
    ");
}

#[tokio::test]
async fn every_table_guards_its_rows() {
    let store = testing::store().await;

    let open: Option<String> = store
        .value(
            "select string_agg(relname, ' ') from pg_class
             where relnamespace in ('public'::regnamespace, 'wavemark'::regnamespace)
                 and relkind in ('r', 'p', 'v', 'm') and not relrowsecurity",
        )
        .await;

    assert_eq!(open, None);
}

#[tokio::test]
async fn every_function_knows_where_it_looks_for_names() {
    let store = testing::store().await;

    let loose: Option<String> = store
        .value(
            "select string_agg(proname, ' ') from pg_proc
             where pronamespace in ('public'::regnamespace, 'wavemark'::regnamespace)
                 and not coalesce(proconfig, '{}') @> array['search_path=\"\"']",
        )
        .await;

    assert_eq!(loose, None);
}

#[tokio::test]
async fn nothing_in_public_runs_with_the_rights_of_its_owner() {
    let store = testing::store().await;

    let definers: Option<String> = store
        .value(
            "select string_agg(proname, ' ') from pg_proc
             where pronamespace = 'public'::regnamespace and prosecdef",
        )
        .await;

    assert_eq!(definers, None);
}
