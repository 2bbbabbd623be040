//! The functions that runs elsewhere call, in plain SQL: who may, what it does,
//! and what doing it twice does.

use sqlx::{AssertSqlSafe, Row as _};

use crate::{
    model::{Cost, CostBasis, Digest, Outcome, Status::Ready, Usage},
    store::{
        Error, Store,
        testing::{self, Running, TestStore, at_once},
    },
};

/// The secret of a run, as whoever launched it was told.
pub(super) fn token(run: &Running) -> String {
    format!("{}{}", run.id.as_uuid().simple(), "0".repeat(32))
}

/// The answer to a call as `role`, or the status and the words of its refusal.
pub(super) async fn called(store: &Store, role: &str, call: &str) -> String {
    let asked = store.tx(async |tx| {
        let role = format!("set local role {role}");
        sqlx::raw_sql(AssertSqlSafe(role)).execute(tx.conn()).await?;
        let call = format!("select public.{call}::text");
        Ok(sqlx::raw_sql(AssertSqlSafe(call)).fetch_one(tx.conn()).await?)
    });
    match asked.await {
        Ok(row) => row.get(0),
        Err(Error::Database(err)) => {
            let err = err.as_database_error().unwrap();
            format!("{} {}", err.code().unwrap_or_default(), err.message())
        }
        Err(err) => format!("{err:?}"),
    }
}

/// A run of `echo` that nobody works on yet.
pub(super) async fn launched() -> (TestStore, Running) {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;
    (store, run)
}

/// A run of `echo` that somebody works on.
pub(super) async fn claimed() -> (TestStore, Running) {
    let (store, run) = launched().await;
    let answer = called(&store, "anon", &with(&run, "run_claim($, 'me')")).await;
    assert!(answer.contains(r#""agent": "echo""#), "{answer}");
    (store, run)
}

/// A call in which `$` stands for the run and its token.
pub(super) fn with(run: &Running, call: &str) -> String {
    call.replace('$', &format!("'{}', '{}'", run.id, token(run)))
}

/// Every function, in which `$` stands for a run and its token.
pub(super) const CALLS: [&str; 7] = [
    "run_claim($, 'me')",
    "run_heartbeat($)",
    "run_progress($, 'halfway')",
    "run_checkpoint($, 'doc/a.md', 'one')",
    "run_ask($, 'Which?')",
    "run_inputs($)",
    "run_finish($)",
];

#[tokio::test]
async fn whoever_has_the_token_may_call_and_nobody_else() {
    for role in ["anon", "authenticated", "service_role"] {
        let (store, run) = launched().await;
        let others = testing::store().await;
        others.given_agent("pixel", Ready).await;
        let other = others.claim("pixel").await;
        for call in CALLS {
            for secret in ["", "x", &token(&other), &run.token.to_string()] {
                let call = call.replace('$', &format!("'{}', '{secret}'", run.id));
                let refused = called(&store, role, &call).await;
                assert_eq!(refused, "PT401 there is no such run, or this is not its token");
            }
            let nothing = call.replace('$', "null, null");
            assert!(called(&store, role, &nothing).await.starts_with("PT401"), "{call}");
        }
        for call in CALLS {
            let answer = called(&store, role, &with(&run, call)).await;
            assert!(answer.starts_with('{'), "{role}: {call}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_run_that_was_taken_over_is_refused_whatever_it_calls() {
    let (store, old) = claimed().await;
    store.lose(&old).await;
    let new = store.claim("echo").await;
    for call in CALLS {
        let refused = called(&store, "anon", &with(&old, call)).await;
        assert_eq!(refused, "PT409 another run of this agent took over");
    }
    let facts = store.facts("echo").await;
    assert_eq!(facts.run.map(|run| run.id), Some(new.id));
    assert_eq!(store.value::<i64>("select count(*) from artifacts").await, 0);
    assert_eq!(store.value::<i64>("select count(*) from feedback").await, 0);
}

#[tokio::test]
async fn a_run_that_ended_is_refused_whatever_it_calls() {
    let (store, run) = claimed().await;
    store.end(&run, Outcome::Paused).await;
    for call in CALLS {
        let refused = called(&store, "anon", &with(&run, call)).await;
        assert_eq!(refused, "PT409 the run has ended: paused");
    }
}

#[tokio::test]
async fn nothing_is_written_before_the_claim_nor_after_the_end() {
    let (store, run) = launched().await;
    let mut told = vec![];
    let writes = [CALLS[1], CALLS[2], CALLS[3], CALLS[4], CALLS[6]];
    for call in writes {
        told.push(called(&store, "anon", &with(&run, call)).await);
    }
    called(&store, "anon", &with(&run, CALLS[0])).await;
    called(&store, "anon", &with(&run, CALLS[6])).await;
    for call in [CALLS[0], CALLS[1], CALLS[2], CALLS[3], CALLS[4], "run_finish($, 'failed')"] {
        told.push(called(&store, "anon", &with(&run, call)).await);
    }
    told.dedup();
    insta::assert_snapshot!(told.join("\n"), @"
    PT409 nobody claimed the run yet
    PT409 the run has said that it ended: complete
    ");
}

#[tokio::test]
async fn of_two_that_claim_a_run_one_wins() {
    let (store, run) = launched().await;
    let mut claims = vec![];
    for who in ["n8n:1", "n8n:2", "n8n:3", "n8n:4"] {
        let (store, call) =
            (store.elsewhere().await, with(&run, &format!("run_claim($, '{who}')")));
        claims.push(async move { called(&store, "anon", &call).await });
    }
    let answers = at_once(claims).await;

    let won = answers.iter().filter(|answer| answer.starts_with('{')).count();
    let turned_away =
        answers.iter().filter(|answer| answer.starts_with("PT409 another one works on")).count();
    assert_eq!((won, turned_away), (1, 3), "{answers:?}");
    let winner: String = store.value("select reference from runs").await;
    let again = called(&store, "anon", &with(&run, &format!("run_claim($, '{winner}')"))).await;
    assert!(again.starts_with('{'), "{again}");
}

#[tokio::test]
async fn the_same_checkpoint_again_is_the_same_version() {
    let (store, run) = claimed().await;
    let mut told = vec![];
    for (content, more) in [
        ("one", ""),
        ("one", ""),
        ("two", ", 'k1'"),
        ("two", ", 'k1'"),
        ("three", ", 'k1'"),
        ("three", ", 'k2'"),
        ("two", ", 'k1'"),
    ] {
        let call = with(&run, &format!("run_checkpoint($, 'doc/a.md', '{content}'{more})"));
        let answer = called(&store, "anon", &call).await;
        let read: Result<serde_json::Value, _> = serde_json::from_str(&answer);
        told.push(read.map_or(answer, |answer| {
            format!("version {}, stored {}", answer["version"], answer["stored"])
        }));
    }
    insta::assert_snapshot!(told.join("\n"), @"
    version 1, stored true
    version 1, stored false
    version 2, stored true
    version 2, stored false
    PT409 this idempotency key was used for something else
    version 3, stored true
    version 2, stored false
    ");
    assert_eq!(store.value::<i64>("select count(*) from artifacts").await, 3);
}

#[tokio::test]
async fn what_cannot_be_an_artifact_is_refused() {
    let (store, run) = claimed().await;
    store.sql("update projects set settings = settings || '{\"max_artifact_bytes\": 4}'").await;
    let mut told = vec![];
    for arguments in [
        "'doc/a.md', 'ääa'",
        "'doc/a.md', null",
        "'doc/../a', 'x'",
        "'doc/.git', 'x'",
        "'image/a.png', 'x'",
        "'a.md', 'x'",
        "null, 'x'",
        "'doc/a.md', 'x', ''",
        "'doc/a.md', 'ää'",
    ] {
        let call = with(&run, &format!("run_checkpoint($, {arguments})"));
        let answer = called(&store, "anon", &call).await;
        told.push(if answer.starts_with('{') { "stored".to_owned() } else { answer });
    }
    insta::assert_snapshot!(told.join("\n"), @"
    PT413 doc/a.md has 5 bytes, and at most 4 are taken
    PT422 doc/a.md has no content
    PT422 'doc/../a' is not an artifact
    PT422 'doc/.git' is not an artifact
    PT422 'image/a.png' is not an artifact
    PT422 'a.md' is not an artifact
    PT422 NULL is not an artifact
    PT422 an idempotency key has 1 to 200 characters
    stored
    ");
}

#[tokio::test]
async fn the_same_question_is_asked_once() {
    let (store, run) = claimed().await;
    for call in [
        "run_ask($, 'Which?')",
        "run_ask($, ' Which? ')",
        "run_ask($, 'Which?', 'k')",
        "run_ask($, 'Which?', 'k')",
    ] {
        let answer = called(&store, "anon", &with(&run, call)).await;
        assert!(answer.contains(r#""number": 1,"#), "{answer}");
    }
    let other = called(&store, "anon", &with(&run, "run_ask($, 'Why?', 'k')")).await;
    assert_eq!(other, "PT409 this idempotency key was used for something else");
    assert!(called(&store, "anon", &with(&run, "run_ask($, '  ')")).await.starts_with("PT422"));
    // As the one that a program here asks.
    let here = store.question(store.project.id, run.id, run.token, "Which?").await.unwrap();
    assert_eq!(here.map(|number| number.0), Some(1));
    let asked: String = store.value("select author || ' ' || kind from feedback").await;
    assert_eq!(asked, "echo question");
}

#[tokio::test]
async fn a_report_is_kept_as_it_was_made_first() {
    let (store, run) = claimed().await;
    let first = called(&store, "anon", &with(&run, "run_finish($, 'failed', 'No sheet.')")).await;
    let again = called(&store, "anon", &with(&run, "run_finish($, 'failed', ' No sheet. ')")).await;
    let other = called(&store, "anon", &with(&run, "run_finish($)")).await;

    assert_eq!(first, again);
    assert_eq!(other, "PT409 the run has said that it ended: failed");
    let runs = store.remote_runs(&store.project).await.unwrap();
    let reported = &runs[0].reported.as_ref().unwrap().0;
    assert_eq!(reported.summary.as_deref(), Some("No sheet."));
    // It is a fact, and no outcome.
    assert_eq!(store.facts("echo").await.run.map(|run| run.id), Some(run.id));
}

#[tokio::test]
async fn whoever_sends_heartbeats_is_held_to_them() {
    let (store, run) = claimed().await;
    const LEASE: &str = "select extract(epoch from lease_until - now())::bigint / 10 from runs";
    assert_eq!(store.value::<i64>(LEASE).await, 180);
    let answer = called(&store, "anon", &with(&run, "run_heartbeat($)")).await;
    assert!(answer.contains(r#""lease_seconds": 120"#), "{answer}");
    assert_eq!(store.value::<i64>(LEASE).await, 12);
    called(&store, "anon", &with(&run, "run_progress($, 'on')")).await;
    assert_eq!(store.value::<i64>(LEASE).await, 12);
}

#[tokio::test]
async fn a_run_that_is_to_stop_is_told_so_by_every_answer() {
    let (store, run) = claimed().await;
    store.sql("update runs set stop = 'feedback'").await;
    for call in [CALLS[0], CALLS[1], CALLS[2], CALLS[3], CALLS[4], CALLS[6]] {
        let answer = called(&store, "anon", &with(&run, call)).await;
        assert!(answer.contains(r#""stop": "feedback""#), "{call}: {answer}");
    }
}

#[tokio::test]
async fn a_run_that_was_given_up_goes_on_if_nobody_took_over() {
    let (store, run) = claimed().await;
    store.lose(&run).await;
    let stored = called(&store, "anon", &with(&run, "run_checkpoint($, 'doc/a.md', 'x')")).await;
    assert!(stored.starts_with('{'), "{stored}");
    assert!(store.facts("echo").await.run.is_none());

    let beat = called(&store, "anon", &with(&run, "run_heartbeat($)")).await;
    assert!(beat.starts_with('{'), "{beat}");
    assert_eq!(store.facts("echo").await.run.map(|run| run.id), Some(run.id));
}

#[tokio::test]
async fn a_run_that_was_given_up_has_no_room_in_a_full_pool() {
    let (mut store, run) = claimed().await;
    store.given_plan("--- waves/project.yaml\nproject: demo\npools: { default: 1 }\n").await;
    store.given_agent("pixel", Ready).await;
    store.lose(&run).await;
    let pixel = store.claim("pixel").await;

    let beat = called(&store, "anon", &with(&run, "run_heartbeat($)")).await;
    assert_eq!(beat, "PT409 the run was silent for too long and was given up");
    // What it did is done all the same.
    let finished = called(&store, "anon", &with(&run, "run_finish($)")).await;
    assert!(finished.starts_with('{'), "{finished}");
    assert_eq!(store.remote_runs(&store.project).await.unwrap().len(), 1);
    store.end(&pixel, Outcome::Succeeded).await;
}

#[tokio::test]
async fn a_run_gets_what_its_needs_made_and_what_people_said() {
    let mut store = testing::store().await;
    store
        .given_plan(
            "wave: one
agents:
  brief: { run: { exec: ['true'] }, title: The brief }
  vision: { run: { exec: ['true'] }, needs: [brief], prompt: Describe it., produces: [doc/b.md] }",
        )
        .await;
    let brief = store.claim("brief").await;
    store.makes(&brief, "doc/a.md", "old").await;
    store.makes(&brief, "doc/a.md", "new").await;
    store.end(&brief, Outcome::Succeeded).await;
    store
        .sql(
            "insert into feedback (agent_id, feedback_text, author, resolved)
             select id, 'Shorter.', 'ann', true from agents where name = 'vision'",
        )
        .await;
    let vision = store.claim("vision").await;

    let inputs = called(&store, "anon", &with(&vision, "run_inputs($)")).await;
    let inputs: serde_json::Value = serde_json::from_str(&inputs).unwrap();
    let dep = &inputs["deps"][0];
    assert_eq!(
        (&dep["content"], &dep["version"], &dep["agent"]),
        (&"new".into(), &2.into(), &"brief".into())
    );
    assert_eq!(inputs["deps"].as_array().unwrap().len(), 1);
    assert_eq!(inputs["prompt"], "Describe it.");
    assert_eq!(inputs["produces"][0], "doc/b.md");
    assert_eq!(inputs["feedback"][0]["messages"][0]["body"], "Shorter.");

    called(&store, "anon", &with(&vision, "run_claim($, 'me')")).await;
    let finished = called(&store, "anon", &with(&vision, "run_finish($)")).await;
    assert!(finished.contains(r#""missing": ["doc/b.md"]"#), "{finished}");
}

#[tokio::test]
async fn who_launched_a_run_can_say_that_it_failed() {
    let (store, run) = claimed().await;
    let fail = |who: &str, secret: &str| {
        format!("run_fail_by_ref('{who}', 'broke', 'NodeOperationError', '{secret}')")
    };
    let unknown = called(&store, "anon", &fail("me", "hush")).await;
    assert_eq!(unknown, "PT401 nothing was ever launched with this secret");

    store
        .sql(&format!(
            "insert into wavemark.launches (run_id, secret_sha256)
             values ('{}', wavemark.digest('hush'))",
            run.id
        ))
        .await;
    let wrong = called(&store, "anon", &fail("me", "hish")).await;
    let stranger = called(&store, "anon", &fail("n8n:77", "hush")).await;
    let right = called(&store, "anon", &fail("me", "hush")).await;
    let again = called(&store, "anon", &fail("me", "hush")).await;
    assert_eq!(wrong, "PT401 nothing was ever launched with this secret");
    assert_eq!(stranger, r#"{"run": null, "reported": false}"#);
    assert!(right.contains(r#""reported": true"#), "{right}");
    assert!(again.contains(r#""reported": false"#), "{again}");
    let reported = store.remote_runs(&store.project).await.unwrap().remove(0).reported.unwrap().0;
    assert_eq!(reported.cause.as_deref(), Some("NodeOperationError"));
}

#[tokio::test]
async fn a_failure_that_is_told_before_the_launch_is_written_down_is_to_be_told_again() {
    let (store, run) = launched().await;
    store.launching(run.id, Some(Digest::of("hush"))).await.unwrap();
    let fail = "run_fail_by_ref('n8n:77', 'broke', null, 'hush')";
    let soon = called(&store, "anon", fail).await;
    assert!(soon.starts_with("PT503 no run is known by this reference yet"), "{soon}");

    store.launched(run.id, Some("n8n:77")).await.unwrap();
    let later = called(&store, "anon", fail).await;
    assert!(later.contains(r#""reported": true"#), "{later}");
}

#[tokio::test]
async fn progress_is_one_line_that_a_terminal_can_show() {
    let (store, run) = claimed().await;
    called(&store, "anon", &with(&run, r"run_progress($, E'\x1b[31mhalf\nway\u009b2J')")).await;
    assert_eq!(store.value::<String>("select progress from runs").await, "[31mhalf way 2J");
}

#[tokio::test]
async fn a_run_says_what_it_used_so_far_and_at_its_end() {
    let (store, run) = claimed().await;
    let used = async || store.remote_runs(&store.project).await.unwrap().remove(0).used();
    let progress =
        r#"run_progress($, usage => '{"output": 7, "cost": {"usd_micros": 250000}, "mine": [1]}')"#;
    called(&store, "anon", &with(&run, "run_progress($, 'halfway')")).await;
    called(&store, "anon", &with(&run, progress)).await;
    let cost = Some(Cost { usd: "0.25".parse().unwrap(), basis: CostBasis::Reported });
    let told = Usage { output: 7, cost, ..Usage::default() };
    assert_eq!(used().await, Some(told));
    assert_eq!(store.facts("echo").await.spent, told.cost.unwrap().usd);
    // Neither takes back what the other said.
    called(&store, "anon", &with(&run, "run_progress($, 'on')")).await;
    called(&store, "anon", &with(&run, "run_progress($)")).await;
    assert_eq!(used().await, Some(told));
    assert_eq!(store.value::<String>("select progress from runs").await, "on");

    let finish = r#"run_finish($, usage => '{"output": 9, "cost": {"usd_micros": 300000}}')"#;
    let first = called(&store, "anon", &with(&run, finish)).await;
    assert_eq!(first, called(&store, "anon", &with(&run, finish)).await);
    let other =
        called(&store, "anon", &with(&run, "run_finish($, usage => '{\"output\": 8}')")).await;
    assert_eq!(other, "PT409 the run has said that it ended: complete");
    assert_eq!(used().await.unwrap().output, 9);
}

#[tokio::test]
async fn what_cannot_be_a_usage_is_refused_and_nothing_is_written() {
    let (store, run) = claimed().await;
    let mut told = vec![];
    for usage in [
        r#"{"turns": -1}"#,
        r#"{"turns": 1.5}"#,
        r#"{"turns": "1"}"#,
        r#"{"turns": [1]}"#,
        r#"{"output": 1000000000000000}"#,
        r#"{"cost": 0.25}"#,
        r#"{"cost": {"usd_micros": -1}}"#,
        r#"{"cost": {"usd": 1}}"#,
        r#"{"input_tokens": 1, "output_tokens": 2}"#,
        r#"{"cost": {"usd_micros": 1, "basis": "guessed"}}"#,
        "[]",
    ] {
        for call in ["run_progress($, 'on', '", "run_finish($, 'complete', null, '"] {
            told.push(called(&store, "anon", &with(&run, &format!("{call}{usage}')"))).await);
        }
    }
    told.dedup();
    insta::assert_snapshot!(told.join("\n"), @r#"
    PT422 turns is not a count: -1
    PT422 turns is not a count: 1.5
    PT422 turns is not a count: 1
    PT422 turns is not a count: [1]
    PT422 output is not a count: 1000000000000000
    PT422 a usage is an object, and so is its cost
    PT422 usd_micros is not a count: -1
    PT422 no figure of a usage is in it: {"cost": {"usd": 1}}
    PT422 no figure of a usage is in it: {"input_tokens": 1, "output_tokens": 2}
    PT422 'guessed' is not the basis of a cost
    PT422 a usage is an object, and so is its cost
    "#);
    let written =
        "select progress is not null or reported is not null or usage is not null from runs";
    assert!(!store.value::<bool>(written).await);

    let most = r#"{"turns": 999999999999999, "output": 1000.0, "cost": null, "mine": 1}"#;
    for usage in ["null", "{}", r#"{"cost": {}}"#, most] {
        let call = with(&run, &format!("run_progress($, usage => '{usage}')"));
        assert!(called(&store, "anon", &call).await.starts_with('{'), "{usage}");
        store.remote_runs(&store.project).await.unwrap();
    }
    let Usage { turns, output, .. } =
        store.remote_runs(&store.project).await.unwrap()[0].used().unwrap();
    assert_eq!((turns, output), (999_999_999_999_999, 1_000));
}
