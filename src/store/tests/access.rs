//! Who may do what through an API in front of the database.

use sqlx::{AssertSqlSafe, Row as _};

use crate::store::{
    Store,
    testing::{self, Database, TestStore, refusal, try_sql, value},
};

/// Two projects with an agent and a feedback each; `ann` is a member of the
/// first, `bob` of the second.
async fn two_projects() -> TestStore {
    let mut store = testing::store().await;
    store.given_plan("--- waves/project.yaml\nproject: other\n").await;
    store
        .sql(
            "insert into agents (project_id, name) select id, name || '-agent' from projects;
             insert into feedback (agent_id, feedback_text) select id, name from agents;
             insert into feedback_comments (feedback_id, body)
             select id, feedback_text from feedback;
             insert into artifacts (agent_id, artifact_type, content)
             select id, 'doc', name from agents;
             insert into waves (project_id, name) select id, 'main' from projects;
             insert into events (project_id, kind) select id, 'test' from projects;
             insert into wavemark.members (project_id, user_id)
             select id, case name when 'demo' then 'ann' else 'bob' end from projects",
        )
        .await;
    store
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

#[tokio::test]
async fn a_member_reads_the_own_project_and_nothing_of_another() {
    let store = two_projects().await;

    let mut seen = vec![];
    for table in TABLES {
        let project = if table == "projects" { "id" } else { "project_id" };
        let sql =
            format!("select distinct p.name from {table} t join projects p on p.id = t.{project}");
        for user in ["ann", "bob", "eve"] {
            let found = ask(&store, "authenticated", user, &sql).await.unwrap();
            seen.push((table, user, found));
        }
    }

    let expected = |&(table, user, _): &(&'static str, &'static str, String)| {
        let project = match user {
            _ if table == "runs" => "",
            "ann" => "demo",
            "bob" => "other",
            _ => "",
        };
        (table, user, project.to_owned())
    };
    let expected: Vec<_> = seen.iter().map(expected).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_member_counts_only_rows_of_the_own_project() {
    let store = two_projects().await;

    let mut counts = vec![];
    for table in TABLES {
        let sql = format!("select count(*)::text from {table}");
        counts.push(ask(&store, "authenticated", "ann", &sql).await.unwrap());
    }

    assert_eq!(counts.join(" "), "1 1 1 0 1 1 1 2");
}

#[tokio::test]
async fn who_is_not_signed_in_reads_nothing() {
    let store = two_projects().await;

    let mut seen = vec![];
    for table in TABLES {
        let sql = format!("select '{table}' from {table}");
        seen.extend(ask(&store, "anon", "ann", &sql).await.ok());
    }
    seen.extend(ask(&store, "anon", "ann", "select 'pools' from wavemark.pools").await.ok());

    assert_eq!(seen, [""; 0]);
}

#[tokio::test]
async fn nobody_reads_what_is_private() {
    let store = two_projects().await;

    let mut seen = vec![];
    for role in ["anon", "authenticated", "service_role"] {
        for table in ["wavemark.pools", "wavemark.definitions", "wavemark.members"] {
            let sql = format!("select '{role} {table}' from {table}");
            seen.extend(ask(&store, role, "ann", &sql).await.ok());
        }
    }

    assert_eq!(seen, [""; 0]);
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
            "create view public.known_agents as select id, name from agents;
             create view public.known_feedback as select id, feedback_text from feedback;
             grant select on public.known_agents, public.known_feedback to authenticated",
        )
        .await;

    let mut outcomes = vec![];
    for project in ["demo", "other"] {
        for act in acts {
            let act = act.replace('$', project);
            let outcome = ask(&store, "authenticated", "ann", &act).await;
            outcomes.push(format!("{project}: {}", outcome.unwrap_or_else(|refusal| refusal)));
        }
    }

    insta::assert_snapshot!(outcomes.join("\n"), @r#"
    demo: remarked
    demo: answered
    demo: resolved
    other: new row violates row-level security policy for table "feedback"
    other: new row violates row-level security policy for table "feedback_comments"
    other:
    "#);
}

#[tokio::test]
async fn a_member_changes_nothing_else() {
    let store = two_projects().await;

    let mut done = vec![];
    for sql in [
        "update agents set status = 'complete' returning 'moved'",
        "insert into agents (name) values ('mine') returning 'added'",
        "update projects set trusted_role = 'read' returning 'trusted'",
        "insert into artifacts (agent_id, artifact_type, content)
         select id, 'doc', 'x' from agents returning 'stored'",
        "update feedback set feedback_text = 'x' returning 'reworded'",
        "update feedback set applied_at = now() returning 'applied'",
        "update feedback_comments set body = 'x' returning 'reworded'",
        "delete from feedback returning 'deleted'",
        "insert into events (project_id, kind) select id, 'x' from projects returning 'recorded'",
        "select 'set back' from setval('feedback_number_seq', 1)",
    ] {
        done.extend(ask(&store, "authenticated", "ann", sql).await.ok());
    }

    assert_eq!(done, [""; 0]);
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

#[tokio::test]
async fn a_service_deletes_nothing() {
    let store = two_projects().await;

    let mut done = vec![];
    for table in TABLES {
        for verb in ["delete from", "truncate"] {
            let sql = format!("{verb} {table}");
            done.extend(ask(&store, "service_role", "", &sql).await.ok().map(|_| sql));
        }
    }

    assert_eq!(done, [""; 0]);
}

#[tokio::test]
async fn what_older_supabase_projects_grant_to_everybody_is_taken_back() {
    let grants = "select string_agg(
            format('%s: %s to %s', relname, privilege_type, grantee::regrole), e'\\n'
            order by relname, grantee, privilege_type
        )
        from pg_class, aclexplode(relacl)
        where relnamespace = 'public'::regnamespace and grantee <> relowner";
    let everything = "alter default privileges in schema public
            grant all on tables to anon, authenticated, service_role;
        alter default privileges in schema public
            grant all on sequences to anon, authenticated, service_role";
    let older = Database::empty().await;
    try_sql(&Store::connect(older.options()).await.unwrap(), everything).await.unwrap();

    let older = Store::open(older.options()).await.unwrap();

    let newer = testing::store().await;
    assert_eq!(value::<String>(&older, grants).await, newer.value::<String>(grants).await);
}
