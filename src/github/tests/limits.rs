//! Rate limits: known in every form, and then nothing is sent any more.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use crate::github::{
    Error,
    answer::{Answer, Head},
    limit,
    testing::{Act, Server, answer, issue, message, with},
};

const DATE: &str = "date: Sun, 22 Nov 2026 17:00:00 GMT";
/// An hour later is 1,795,370,400.
const NOW: i64 = 1_795_366_800;

#[tokio::test]
async fn every_form_of_a_rate_limit_is_known_and_ends_the_visit() {
    let spent = format!("{DATE}\nx-ratelimit-remaining: 0\nx-ratelimit-reset: {}", NOW + 1800);
    let past = format!("{DATE}\nx-ratelimit-remaining: 0\nx-ratelimit-reset: {}", NOW - 1800);
    let far = format!("{DATE}\nx-ratelimit-remaining: 0\nx-ratelimit-reset: {}", NOW * 2);
    let secondary = json!({ "message": "You have exceeded a secondary rate limit." });
    let abuse = json!({ "message": "You have triggered an abuse detection mechanism." });
    for (act, seconds) in [
        (with(403, &spent, json!({})), 1800),
        (with(429, &spent, json!({})), 1800),
        (with(403, &past, json!({})), 1),
        (with(403, &far, json!({})), 3600),
        (with(403, "retry-after: 90", json!({})), 90),
        (with(429, "retry-after: 0", json!({})), 1),
        (with(429, "retry-after: 99999999999", json!({})), 3600),
        (with(403, &format!("{spent}\nretry-after: 30"), json!({})), 30),
        (with(403, "x-ratelimit-remaining: 4000", secondary.clone()), 60),
        (answer(403, abuse), 60),
        (with(403, "x-ratelimit-remaining: 0\nx-ratelimit-reset: soon", json!({})), 60),
        (Act::Answer(429, String::new(), "<html>".to_owned()), 60),
    ] {
        let said = format!("{act:?}");
        let server = Server::start(move |_, _| act.clone()).await;
        let mut visit = server.visit();

        let first = visit.issues_since(None).await.unwrap_err();
        let again = visit.labels().await.unwrap_err();
        let write = visit.comment(1, "hi").await.unwrap_err();

        let Error::RateLimited { wait } = first else { panic!("{said}: {first:?}") };
        assert_eq!(wait, Duration::from_secs(seconds), "{said}");
        for err in [again, write] {
            let Error::RateLimited { wait: left } = err else { panic!("{said}: {err:?}") };
            assert!(left <= wait && left + Duration::from_secs(5) > wait, "{said}: {left:?}");
        }
        assert_eq!((server.requests().len(), visit.requests()), (1, 1), "{said}");
    }
}

#[tokio::test]
async fn a_change_that_met_a_rate_limit_was_not_made() {
    let server = Server::start(|_, _| with(403, "retry-after: 7", json!({}))).await;
    let mut visit = server.visit();
    let err = visit.comment(1, "hi").await.unwrap_err();
    assert!(matches!(err, Error::RateLimited { .. }) && err.ends_visit(), "{err:?}");
    assert!(visit.limited().is_some_and(|left| left <= Duration::from_secs(7)));
    insta::assert_snapshot!(err, @"GitHub's rate limit is used up for the next 7s");
}

#[tokio::test]
async fn the_last_request_that_is_left_still_counts() {
    let last = format!("{DATE}\nx-ratelimit-remaining: 0\nx-ratelimit-reset: {}", NOW + 60);
    let server = Server::start(move |_, _| with(201, &last, issue(1, 0))).await;
    let mut visit = server.visit();
    assert!(visit.reopen_issue(1).await.is_ok());
    assert!(matches!(visit.labels().await, Err(Error::RateLimited { .. })));
    assert_eq!(server.requests().len(), 1);
    assert_eq!(visit.github_time().map(|time| time.timestamp()), Some(NOW));
}

#[tokio::test]
async fn a_permission_that_lacks_is_no_rate_limit() {
    let server = Server::start(|_, _| message(403, "Resource not accessible by integration")).await;
    let mut visit = server.visit();
    assert!(matches!(visit.labels().await, Err(Error::Forbidden { .. })));
    assert_eq!(visit.limited(), None);
}

fn any_answer() -> impl Strategy<Value = Answer> {
    let instant = prop::option::of(0_i64..4_000_000_000);
    let head = (
        instant,
        prop::option::of(any::<u32>()),
        prop::option::of(0_u64..3),
        prop::option::of(any::<i64>()),
    )
        .prop_map(|(date, retry_after, remaining, reset)| Head {
            date: date.and_then(|date| chrono::DateTime::from_timestamp(date, 0)),
            retry_after: retry_after.map(|seconds| Duration::from_secs(seconds.into())),
            remaining,
            reset,
            ..Head::default()
        });
    let status = prop::sample::select(vec![200_u16, 201, 301, 401, 403, 404, 422, 429, 500, 502]);
    let text = prop::sample::select(vec![
        "",
        "Not here",
        "API rate limit exceeded for x",
        "Abuse detection",
    ]);
    (status, head, text).prop_map(|(status, head, text)| Answer {
        status,
        head,
        body: json!({ "message": text }).to_string(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_wait_is_never_over_already_and_never_longer_than_an_hour(answer in any_answer()) {
        for wait in [limit::refused(&answer), limit::spent(&answer)].into_iter().flatten() {
            prop_assert!(wait >= Duration::from_secs(1) && wait <= Duration::from_secs(3600));
        }
    }

    #[test]
    fn only_403_and_429_refuse_and_429_always_does(answer in any_answer()) {
        let refused = limit::refused(&answer).is_some();
        prop_assert!(!refused || matches!(answer.status, 403 | 429));
        prop_assert!(refused || answer.status != 429);
    }

    #[test]
    fn the_clocks_of_this_machine_do_not_matter(
        wait in 1_i64..3600, date in 0_i64..4_000_000_000,
    ) {
        let head = Head {
            date: chrono::DateTime::from_timestamp(date, 0),
            remaining: Some(0),
            reset: Some(date + wait),
            ..Head::default()
        };
        let answer = Answer { status: 403, head, body: String::new() };
        prop_assert_eq!(limit::refused(&answer), Some(Duration::from_secs(wait.unsigned_abs())));
    }
}
