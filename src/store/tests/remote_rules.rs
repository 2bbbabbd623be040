//! What runs elsewhere are held to, whatever they leave out, say twice or say of
//! themselves.

use super::remote::{CALLS, called, claimed, launched, token, with};
use crate::{
    model::{Finish, Outcome, StopReason},
    store::{Store, feedback, testing::Running},
};

/// The names of the functions.
fn functions() -> impl Iterator<Item = &'static str> {
    CALLS.iter().filter_map(|call| Some(call.split_once('(')?.0))
}

#[tokio::test]
async fn who_leaves_out_the_run_or_its_token_is_not_known() {
    let (store, run) = claimed().await;
    for function in functions() {
        for given in [
            String::new(),
            format!("run => '{}'", run.id),
            format!("token => '{}'", token(&run)),
            format!("run => '{}', token => null", run.id),
        ] {
            let refused = called(&store, "anon", &format!("{function}({given})")).await;
            assert_eq!(
                refused, "PT401 there is no such run, or this is not its token",
                "{function}({given})"
            );
        }
    }
}

#[tokio::test]
async fn what_else_is_left_out_is_said_to_be_missing() {
    let (store, run) = claimed().await;
    let mut told = vec![];
    for call in ["run_claim($)", "run_checkpoint($)", "run_checkpoint($, 'doc/a.md')", "run_ask($)"]
    {
        told.push(called(&store, "anon", &with(&run, call)).await);
    }
    insta::assert_snapshot!(told.join("\n"), @"
    PT422 a reference has 1 to 200 characters, and is one line
    PT422 NULL is not an artifact
    PT422 doc/a.md has no content
    PT422 the question is empty
    ");
}

/// A finish whose answer was lost, and what it is answered.
async fn finishes(store: &Store, run: &Running) -> String {
    called(store, "anon", &with(run, "run_finish($, 'failed', 'No sheet.')")).await
}

#[tokio::test]
async fn a_finish_whose_answer_was_lost_is_answered_after_the_verdict_too() {
    let (store, run) = claimed().await;
    let first = finishes(&store, &run).await;
    assert!(first.contains(r#""reported": "failed""#), "{first}");
    store.end(&run, Outcome::Failed).await;

    assert_eq!(finishes(&store, &run).await, first);
    store.claim("echo").await;
    assert_eq!(finishes(&store, &run).await, first);

    // Anything else is refused as before.
    let said = ["run_claim($, 'me')", "run_heartbeat($)", "run_inputs($)", "run_finish($)"];
    let mut told = vec![];
    for call in said {
        told.push(called(&store, "anon", &with(&run, call)).await);
    }
    insta::assert_snapshot!(told.join("\n"), @"
    PT409 the run has said that it ended: failed
    PT409 the run has said that it ended: failed
    PT409 the run has said that it ended: failed
    PT409 the run has said that it ended: failed
    ");
    assert_eq!(store.value::<String>("select outcome from runs where epoch = 1").await, "failed");
}

#[tokio::test]
async fn a_finish_that_nobody_judged_before_another_run_took_over_does_not_count() {
    let (store, run) = claimed().await;
    store.lose(&run).await;
    finishes(&store, &run).await;
    store.claim("echo").await;
    assert_eq!(finishes(&store, &run).await, "PT409 another run of this agent took over");
}

#[tokio::test]
async fn a_run_that_said_how_it_ended_is_not_lost_however_late_it_is_judged() {
    let (store, run) = claimed().await;
    finishes(&store, &run).await;
    for call in ["run_inputs($)", "run_heartbeat($)", "run_progress($)", "run_claim($, 'me')"] {
        let answer = called(&store, "anon", &with(&run, call)).await;
        assert_eq!(answer, "PT409 the run has said that it ended: failed", "{call}");
    }
    let lease = "select lease_until > now() + interval '23 hours' from runs";
    assert!(store.value::<bool>(lease).await);

    store.lose(&run).await;
    assert!(store.facts("echo").await.run.is_some_and(|run| run.lease_until >= run.progress_at));
    // Whoever did not hear of it does not judge it.
    assert!(!store.ends(run.ending(Outcome::TimedOut)).await);
    assert!(store.end(&run, Outcome::Failed).await);
}

#[tokio::test]
async fn a_report_of_a_run_that_missed_news_is_refused_and_nobody_waits_for_it() {
    let (store, run) = claimed().await;
    store.lose(&run).await;
    store.given_feedback("kind, resolved, applied_at", "'comment', true, now()").await;
    let given_up = "PT409 the run was silent for too long and was given up";
    assert_eq!(finishes(&store, &run).await, given_up);
    assert!(store.remote_runs(&store.project).await.unwrap().is_empty());
}

/// Figures come in any order, and whoever may write rows may write anything.
#[tokio::test]
async fn what_a_run_used_never_gets_less() {
    let (store, run) = claimed().await;
    let mut told = vec![];
    for (given, usage) in [
        ("null", r#"{"turns": 3, "cost": {"usd_micros": 250000, "basis": "computed"}}"#),
        ("usage", r#"{"turns": 2, "output": 7}"#),
        ("usage", r#"{"cost": {"usd_micros": null}}"#),
        ("usage", r#"{"cost": {"usd_micros": 1}}"#),
        (r#"'{"turns": "many", "cost": 7}'"#, r#"{"turns": 1}"#),
        (r#"'{"turns": 1e300, "cost": {"usd_micros": 1e300}}'"#, r#"{"turns": 1}"#),
        (r#"'{"turns": -1.5, "cost": {"usd_micros": 0.5}}'"#, r#"{"turns": 1}"#),
    ] {
        store.sql(&format!("update runs set usage = {given}")).await;
        let call = with(&run, &format!("run_progress($, usage => '{usage}')"));
        assert!(called(&store, "anon", &call).await.starts_with('{'), "{usage}");
        let used = store.remote_runs(&store.project).await.unwrap()[0].used();
        told.push(used.map_or("unreadable".to_owned(), |used| used.to_string()));
    }
    insta::assert_snapshot!(told.join("\n"), @"
    $0.25, 3 turns, 0 tokens in and 0 out
    $0.25, 3 turns, 0 tokens in and 7 out
    $0.25, 3 turns, 0 tokens in and 7 out
    $0.25, 3 turns, 0 tokens in and 7 out
    1 turn, 0 tokens in and 0 out
    $1000000000.00, 999999999999999 turns, 0 tokens in and 0 out
    $0.00, 1 turn, 0 tokens in and 0 out
    ");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_stops_nobody() {
    let (store, _) = claimed().await;
    for anything in ["7", r#"{"status": "splendid"}"#, r#"[{"summary": 7}]"#] {
        let usage = r#"{"output": -1, "cost": 5}"#;
        let set = format!("reported = '{anything}', reported_at = now(), usage = '{usage}'");
        store.sql(&format!("update runs set {set}")).await;
        let run = store.remote_runs(&store.project).await.unwrap().remove(0);
        assert_eq!(run.used(), None);
        assert_eq!(run.reported.unwrap().0.status, Finish::Failed, "{anything}");
    }
}

/// An API in front of the database puts the message into the first line of its
/// answer: what followed a line break would be a header, or the next answer.
#[tokio::test]
async fn nothing_that_anybody_says_ends_the_line_of_a_message() {
    let (store, run) = launched().await;
    let mut told = vec![];
    for call in [
        r"run_claim($, E'me\r\nSet-Cookie: a=b')",
        r"run_claim($, E'me\u0085you')",
        r"run_claim($, E' \t me\n')",
        r"run_claim($, 'you')",
        r"run_checkpoint($, E'doc/a\r\nSet-Cookie: a=b', 'x')",
        r"run_finish($, E'complete\r\nSet-Cookie: a=b')",
        r#"run_finish($, usage => '{"turns": "1\r\nSet-Cookie: a=b"}')"#,
        r#"run_finish($, usage => '{"cost": {"basis": "1\r\nSet-Cookie: a=b"}}')"#,
    ] {
        let answer = called(&store, "anon", &with(&run, call)).await;
        assert!(!answer.contains(char::is_control), "{answer:?}");
        told.push(if answer.starts_with('{') { "claimed".to_owned() } else { answer });
    }
    insta::assert_snapshot!(told.join("\n"), @"
    PT422 a reference has 1 to 200 characters, and is one line
    PT422 a reference has 1 to 200 characters, and is one line
    claimed
    PT409 another one works on this run: me
    PT422 'doc/a Set-Cookie: a=b' is not an artifact
    PT422 'complete Set-Cookie: a=b' is not a way to end
    PT422 turns is not a count: 1 Set-Cookie: a=b
    PT422 '1 Set-Cookie: a=b' is not the basis of a cost
    ");
}

#[tokio::test]
async fn the_token_of_a_run_is_in_nothing_that_it_leaves() {
    let (store, run) = launched().await;
    let secret = token(&run);
    let mut told = vec![];
    for call in [
        "run_claim($, 'by #')",
        "run_claim($, 'me')",
        "run_checkpoint($, 'doc/a.md', '{\"token\": \"#\"}')",
        "run_checkpoint($, 'doc/#', 'x')",
        "run_checkpoint($, '#', 'x')",
        "run_ask($, 'Is # right?')",
        "run_progress($, 'I am #')",
        "run_progress($, usage => '{\"output\": \"#\"}')",
        "run_finish($, '#')",
        "run_finish($, 'complete', 'I was #')",
        "run_finish($, 'complete', 'I was #')",
    ] {
        let answer = called(&store, "anon", &with(&run, &call.replace('#', &secret))).await;
        assert!(!answer.contains(&secret), "{answer}");
        told.push(if answer.starts_with('{') { "done".to_owned() } else { answer });
    }
    insta::assert_snapshot!(told.join("\n"), @"
    PT422 the reference has the token of the run in it
    done
    PT422 doc/a.md has the token of the run in it
    PT422 the key has the token of the run in it
    PT422 the key has the token of the run in it
    PT422 the question has the token of the run in it
    done
    PT422 output is not a count: ***
    PT422 '***' is not a way to end
    done
    done
    ");
    for table in ["runs", "artifacts", "feedback", "events", "agents"] {
        let rows = format!("select coalesce(string_agg(t::text, ''), '') from {table} t");
        let rows: String = store.value(&rows).await;
        assert!(!rows.contains(&secret), "{table}: {rows}");
    }
}

#[tokio::test]
async fn nobody_is_asked_to_do_what_a_run_does_that_was_given_up() {
    for call in ["run_heartbeat($)", "run_finish($)"] {
        let (store, run) = claimed().await;
        store.lose(&run).await;
        store.given_feedback("kind, request", "'question', 'manual:1:0'").await;
        let answer = called(&store, "anon", &with(&run, call)).await;
        assert!(answer.starts_with('{'), "{answer}");
        assert!(store.end(&run, Outcome::Succeeded).await);
        let asked: String = store.value("select resolution from feedback").await;
        assert_eq!(asked, "superseded", "{call}");
        assert!(store.facts("echo").await.feedback.is_empty(), "{call}");
        let agents = [run.claimed.agent_id];
        let threads = store.read(async |tx| feedback::threads(tx, &agents).await).await.unwrap();
        assert!(threads.is_empty(), "{call}: {threads:?}");
    }
}

#[tokio::test]
async fn whoever_works_on_a_run_is_to_stop_at_its_deadline() {
    let (store, run) = launched().await;
    store.sql("update runs set deadline_at = now() - interval '1 second'").await;
    let facts = async || store.remote_runs(&store.project).await.unwrap().remove(0);
    store.sql("update runs set remote = true").await;
    let unclaimed = facts().await;
    assert_eq!((unclaimed.stop, unclaimed.had_its_time), (None, false));

    called(&store, "anon", &with(&run, "run_claim($, 'me')")).await;
    let late = facts().await;
    assert_eq!((late.stop, late.had_its_time), (Some(StopReason::Timeout), true));

    // Nobody looked before it said that it was done.
    called(&store, "anon", &with(&run, "run_finish($)")).await;
    assert_eq!(facts().await.stop, None);
}

#[tokio::test]
async fn a_run_gets_time_for_a_checkpoint_where_the_reason_to_stop_allows_it() {
    let (store, run) = claimed().await;
    let facts = async || store.remote_runs(&store.project).await.unwrap().remove(0);
    store.sql("update runs set remote = true").await;
    for &reason in StopReason::ALL {
        store.sql(&format!("update runs set stop = '{reason}', stop_at = now()")).await;
        let stopped = facts().await;
        assert_eq!(stopped.stop, Some(reason));
        assert_eq!(stopped.had_its_time, !reason.waits_for_checkpoint(), "{reason}");
    }
    store.sql("update runs set stop = 'budget'").await;
    called(&store, "anon", &with(&run, "run_checkpoint($, 'doc/a.md', 'one')")).await;
    assert!(facts().await.had_its_time);
}

#[tokio::test]
async fn a_run_has_an_end_of_its_checkpoints() {
    let (store, run) = claimed().await;
    store
        .sql(
            "insert into artifacts (agent_id, artifact_type, name, content, run_id, epoch)
             select agent_id, 'doc', n || '.md', n::text, id, epoch
             from runs, generate_series(1, 1000) n",
        )
        .await;
    let more = called(&store, "anon", &with(&run, "run_checkpoint($, 'doc/a.md', 'x')")).await;
    let again = called(&store, "anon", &with(&run, "run_checkpoint($, 'doc/7.md', '7')")).await;
    assert_eq!(more, "PT409 a run may make at most 1000 checkpoints");
    assert!(again.contains(r#""stored": false"#), "{again}");
}
