//! Who may do what through an API in front of the database.

use std::{env, fs};

use sqlx::{AssertSqlSafe, Row as _};

use super::matrix::measure;
use crate::store::{
    Store,
    testing::{self, Database, TestStore, refusal, try_sql},
};

/// What is measured stands between these lines of the README.
const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
const BEGIN: &str = "<!-- measured: who may read and write -->\n";
const END: &str = "<!-- end -->\n";
/// Writes it there where it differs.
const UPDATE: &str = "WAVEMARK_UPDATE_README";

/// What a Supabase project from before 2026 lets everybody do with new things.
const OLDER: &str = "alter default privileges in schema public
        grant all on tables to anon, authenticated, service_role;
    alter default privileges in schema public
        grant all on functions to anon, authenticated, service_role;
    alter default privileges in schema public
        grant all on sequences to anon, authenticated, service_role";

/// Something of everything in each of two projects; `ann` is a member of the
/// first, `bob` of the second.
const ROWS: &str = "insert into projects (name) values ('demo'), ('other')
        on conflict (name) do nothing;
    insert into waves (project_id, name) select id, 'main' from projects;
    insert into wavemark.pools select id, 'default', 8 from projects on conflict do nothing;
    insert into wavemark.definitions values (repeat('0', 64), '{}');
    insert into agents (project_id, name) select id, name || '-agent' from projects;
    insert into runs (project_id, agent_id, epoch, generation, attempt, pool, token_sha256,
        deadline_at, finished_at, outcome)
    select project_id, id, 1, 1, 1, pool, repeat('0', 64), now(), now(), 'succeeded' from agents;
    insert into artifacts (agent_id, artifact_type, content) select id, 'doc', name from agents;
    insert into feedback (agent_id, feedback_text) select id, name from agents;
    insert into feedback_comments (feedback_id, body) select id, feedback_text from feedback;
    insert into events (project_id, kind) select id, 'test' from projects;
    insert into wavemark.members (project_id, user_id)
    select id, case name when 'demo' then 'ann' else 'bob' end from projects";

async fn two_projects() -> TestStore {
    let store = testing::store().await;
    store.sql(ROWS).await;
    store
}

/// What everybody can do in a project that grants `defaults` to everybody.
async fn measured(defaults: &str) -> String {
    let database = Database::empty().await;
    let before = Store::connect(database.options()).await.unwrap();
    try_sql(&before, defaults).await.unwrap();
    let store = Store::open(database.options()).await.unwrap();
    try_sql(&store, ROWS).await.unwrap();
    measure(&database.options()).await
}

/// What a request of that role sees, a word per row, or why it sees nothing.
async fn ask(store: &TestStore, role: &str, user: &str, sql: &str) -> Result<String, String> {
    let rows = store.tx(async |tx| {
        let who = format!(
            "select set_config('request.jwt.claims', '{{\"sub\": \"{user}\"}}', true);
             set local role {role}"
        );
        sqlx::raw_sql(AssertSqlSafe(who)).execute(tx.conn()).await?;
        Ok(sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(tx.conn()).await?)
    });
    let rows = rows.await.map_err(refusal)?;
    Ok(rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>().join(" "))
}

const TABLES: [&str; 8] =
    ["projects", "waves", "agents", "runs", "artifacts", "feedback", "feedback_comments", "events"];

/// The README, up to what was measured, that, and the rest.
fn readme() -> [String; 3] {
    let readme = fs::read_to_string(README).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (told, after) = rest.split_once(END).unwrap();
    [before, told, after].map(str::to_owned)
}

#[tokio::test]
async fn the_readme_says_who_may_read_and_write() {
    let measured = measured("select").await;

    let [before, told, after] = readme();
    if told != measured && env::var_os(UPDATE).is_some() {
        fs::write(README, [&before, BEGIN, &measured, END, &after].concat()).unwrap();
        return;
    }
    assert_eq!(told, measured, "README.md is wrong; {UPDATE}=1 corrects it");
}

#[tokio::test]
async fn what_older_supabase_projects_grant_to_everybody_is_taken_back() {
    let measured = measured(OLDER).await;

    let [_, told, _] = readme();
    assert_eq!(told, measured);
}

#[tokio::test]
async fn a_member_counts_only_rows_of_the_own_project() {
    let store = two_projects().await;

    let mut counts = vec![];
    for table in TABLES {
        let sql = format!("select count(*)::text from {table}");
        counts.push(ask(&store, "authenticated", "ann", &sql).await.unwrap());
    }

    assert_eq!(counts.join(" "), "1 1 1 1 1 1 1 2");
}

#[tokio::test]
async fn a_member_remarks_answers_and_resolves_in_the_own_project_only() {
    let store = two_projects().await;
    let acts = [
        "insert into feedback (agent_id, feedback_text)
         select id, 'Hm.' from known_agents where name = '$-agent' returning 'remarked'",
        "insert into feedback_comments (feedback_id, body)
         select id, 'Hm.' from known_feedback where feedback_text = '$-agent' returning 'answered'",
        "update feedback set resolved = true
         where feedback_text = '$-agent' returning 'resolved'",
    ];
    // Ids may be known from elsewhere.
    store
        .sql(
            "create view public.known_agents as select id, name from agents
                 union all select gen_random_uuid(), 'no-agent';
             create view public.known_feedback as select id, feedback_text from feedback
                 union all select gen_random_uuid(), 'no-agent';
             grant select on public.known_agents, public.known_feedback to authenticated",
        )
        .await;

    let mut outcomes = vec![];
    for project in ["demo", "other", "no"] {
        for act in acts {
            let act = act.replace('$', project);
            let (Ok(outcome) | Err(outcome)) = ask(&store, "authenticated", "ann", &act).await;
            outcomes.push(format!("{project}: {outcome}").trim_end().to_owned());
        }
    }

    // An agent of another project is as good as none.
    insta::with_settings!({ filters => [(" '[0-9a-f-]+'", "")] }, {
        insta::assert_snapshot!(outcomes.join("\n"), @"
        demo: remarked
        demo: answered
        demo: resolved
        other: there is no agent
        other: there is no feedback
        other:
        no: there is no agent
        no: there is no feedback
        no:
        ");
    });
}

#[tokio::test]
async fn a_service_inserts_with_the_seeds_columns() {
    let store = testing::store().await;

    let mut done = vec![];
    for sql in [
        "insert into agents (id, name, status, output_summary, dependencies)
         values (gen_random_uuid(), 'vision', 'draft', null, '{}') returning name",
        "insert into artifacts (id, agent_id, artifact_type, content)
         select gen_random_uuid(), id, 'doc', 'x' from agents returning name",
        "insert into feedback (id, agent_id, feedback_text, resolved)
         select gen_random_uuid(), id, 'x', false from agents returning kind",
        "insert into feedback_comments (feedback_id, body)
         select id, 'x' from feedback returning author",
        "update feedback set resolved = true returning resolution",
    ] {
        done.push(ask(&store, "service_role", "", sql).await.unwrap_or_else(|refusal| refusal));
    }

    assert_eq!(done.join(" "), "vision doc.md comment somebody completed");
}
