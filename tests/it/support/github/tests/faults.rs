//! What breaks, breaks where it was told to, and as it was told to.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta};
use serde_json::json;

use super::client::Client;
use crate::support::github::{Fault, GitHub, Hit, at_every_call};

const LATE: Duration = Duration::from_millis(50);

/// Opens an issue through one fault: what the client saw, and what happened.
fn through(fault: Fault) -> String {
    let github = GitHub::start();
    let client = Client::new(&github, &github.actions_token());
    github.disturb("POST /repos/*/*/issues", Hit::Nth(2), fault);
    client.post("issues", json!({ "title": "a" }));
    let began = Instant::now();
    let reply = client.ask("POST", "issues", Some(json!({ "title": "b" })));
    let seen = match &reply {
        None => "nothing".to_owned(),
        Some(reply) => {
            let headers = ["retry-after", "x-ratelimit-remaining"];
            let [retry, left] = headers.map(|name| reply.header(name));
            format!("{} retry {retry:?} left {left:?}", reply.status)
        }
    };
    let late = if began.elapsed() >= LATE { " late" } else { "" };
    format!("{seen}{}, {} issues", if reply.is_some() { late } else { "" }, github.issues().len())
}

#[test]
fn a_fault_does_what_its_name_says() {
    let mut lines = String::new();
    for fault in Fault::all(LATE).into_iter().filter(|fault| *fault != Fault::Hanging) {
        lines += &format!("{fault:?}: {}\n", through(fault));
    }
    insta::assert_snapshot!(lines, @r#"
    BadGateway: 502 retry "" left "", 1 issues
    BadGatewayAfter: 502 retry "" left "", 2 issues
    Dropped: nothing, 1 issues
    DroppedAfter: nothing, 2 issues
    Truncated: nothing, 2 issues
    Late(50ms): 201 retry "" left "4999" late, 2 issues
    ErrorPage: 500 retry "" left "", 1 issues
    LastOne: 201 retry "" left "0", 2 issues
    PrimaryLimit: 403 retry "" left "0", 1 issues
    PrimaryLimit429: 429 retry "" left "0", 1 issues
    SecondaryLimit: 403 retry "60" left "", 1 issues
    SecondaryLimit429: 429 retry "60" left "", 1 issues
    SecondaryLimitInWords: 403 retry "" left "", 1 issues
    "#);
}

#[test]
fn a_hanging_call_ends_when_the_client_has_had_enough() {
    let github = GitHub::start();
    let mut client = Client::new(&github, &github.actions_token());
    client.patience = LATE;
    github.disturb("*", Hit::Nth(1), Fault::Hanging);
    assert!(client.ask("GET", "issues", None).is_none());
    assert_eq!(github.transcript(), "GET /repos/acme/waves/issues not done (Hanging)");
}

#[test]
fn a_limit_lasts_until_it_is_lifted() {
    let github = GitHub::start();
    let client = Client::new(&github, &github.actions_token());
    github.disturb("GET /repos/*/*/issues", Hit::From(2), Fault::PrimaryLimit);
    let statuses = || [1, 2].map(|_| client.get("issues?state=all").status);
    assert_eq!((statuses(), statuses()), ([200, 403], [403, 403]));
    assert_eq!(client.get("labels").status, 200);
    github.recover();
    assert_eq!(statuses(), [200, 200]);
    insta::assert_snapshot!(github.transcript(), @"
    GET /repos/acme/waves/issues?state=all 200
    GET /repos/acme/waves/issues?state=all not done (PrimaryLimit)
    GET /repos/acme/waves/issues?state=all not done (PrimaryLimit)
    GET /repos/acme/waves/issues?state=all not done (PrimaryLimit)
    GET /repos/acme/waves/labels 200
    GET /repos/acme/waves/issues?state=all 200
    GET /repos/acme/waves/issues?state=all 200
    ");
}

#[test]
fn limits_are_told_by_githubs_clock() {
    let github = GitHub::start();
    github.pass(TimeDelta::hours(-5));
    let client = Client::new(&github, &github.actions_token());
    github.disturb("*", Hit::Nth(1), Fault::PrimaryLimit);
    let reply = client.get("issues");
    let now = DateTime::parse_from_rfc2822(reply.header("date")).unwrap().timestamp();
    assert_eq!(reply.header("x-ratelimit-reset"), (now + Fault::RESET_SECS).to_string());
    assert_eq!(reply.body["status"], "403");
}

#[test]
fn people_come_in_between_two_calls() {
    let github = GitHub::start();
    let client = Client::new(&github, &github.actions_token());
    github.before("GET /repos/*/*/issues", 2, |github| {
        github.as_user("bob").open_issue("in between", "");
    });
    let seen = [1, 2, 3].map(|_| client.get("issues").numbers().len());
    assert_eq!(seen, [0, 1, 1]);
}

#[test]
#[should_panic(expected = "GitHub does not let bob do this to #1: Reopen")]
fn what_people_cannot_do_in_between_fails_the_test() {
    let github = GitHub::start();
    let client = Client::new(&github, &github.actions_token());
    github.as_user("ann").open_issue("a", "");
    github.before("*", 1, |github| github.as_user("bob").reopen(1));
    client.get("issues");
}

#[test]
fn a_list_may_lag_behind_the_truth() {
    let github = GitHub::start();
    github.stop_clock();
    github.lists_lag_by(TimeDelta::seconds(2));
    let client = Client::new(&github, &github.actions_token());
    client.post("issues", json!({ "title": "a" }));
    let seen = [1, 2, 3].map(|_| {
        let seen = client.get("issues").numbers().len();
        github.pass(TimeDelta::seconds(1));
        seen
    });
    assert_eq!((seen, client.get("issues/1").status), ([0, 0, 1], 200));
}

#[test]
fn a_scenario_is_played_once_for_every_call_and_fault() {
    let ends = std::cell::RefCell::new(Vec::new());
    at_every_call(&[Fault::BadGateway, Fault::DroppedAfter], |github| {
        let client = Client::new(github, &github.actions_token());
        for title in ["a", "b"] {
            client.ask("POST", "issues", Some(json!({ "title": title })));
        }
        ends.borrow_mut().push(github.issues().len());
    });
    assert_eq!(ends.into_inner(), [2, 1, 2, 1, 2]);
}
