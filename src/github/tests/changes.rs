//! A change is sent at most once, and the client knows what came of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use tokio::time::Instant;

use crate::github::{
    CloseReason, Error, Github, NewIssue, Reaction, Settings, Trouble,
    testing::{Act, Server, answer, comment, issue, message, repository, with},
};

fn new_issue() -> NewIssue {
    NewIssue {
        title: "vision waits".to_owned(),
        body: "for you".to_owned(),
        labels: vec!["wavemark".to_owned()],
    }
}

/// What comes of opening an issue, and how often the server was asked to.
async fn create(act: Act) -> (Error, usize) {
    let stalls = matches!(act, Act::Stall);
    let server = Server::start(move |_, _| act.clone()).await;
    let mut visit = if stalls { server.hasty_visit() } else { server.visit() };
    let err = visit.create_issue(&new_issue()).await.unwrap_err();
    (err, server.requests().len())
}

#[tokio::test]
async fn a_change_with_an_uncertain_end_is_unknown_and_never_sent_again() {
    let good = issue(1, 0).to_string();
    for act in [
        message(502, "Bad Gateway"),
        message(500, ""),
        message(408, ""),
        Act::HangUp,
        Act::Stall,
        Act::Truncate(201, good.clone()),
        Act::Truncate(502, good),
        Act::Answer(201, String::new(), "<html>".to_owned()),
        Act::Answer(201, String::new(), String::new()),
        answer(201, json!({ "title": "no number" })),
        Act::Raw(b"garbage\r\n\r\n"),
        Act::Raw(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n\xff\xfe"),
    ] {
        let said = format!("{act:?}");
        let (err, requests) = create(act).await;
        assert!(matches!(err, Error::Unknown(_)), "{said}: {err:?}");
        assert_eq!(requests, 1, "{said}");
    }
}

#[tokio::test]
async fn a_connection_that_is_never_made_leaves_nothing_unknown() {
    let server = Server::start(|_, _| Act::HangUp).await;
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = unused.local_addr().unwrap();
    drop(unused);
    let settings = Settings { api_url: format!("http://{address}"), ..server.settings() };
    let mut visit = Github::new(&settings).unwrap().visit();

    let err = visit.create_issue(&new_issue()).await.unwrap_err();
    assert!(matches!(err, Error::Unreachable(Trouble::Connect { .. })), "{err:?}");
    let err = visit.labels().await.unwrap_err();
    assert!(matches!(err, Error::Unreachable(Trouble::Connect { .. })), "{err:?}");
    assert!(err.ends_visit());
}

#[tokio::test]
async fn a_connection_that_the_server_has_left_sends_nothing_twice() {
    let server = Server::start(|number, request| match number % 2 {
        0 if request.is("GET") => Act::AnswerAndLeave(200, String::new(), "[]".to_owned()),
        _ => Act::AnswerAndLeave(201, String::new(), issue(1, 0).to_string()),
    })
    .await;
    let mut visit = server.visit();
    for round in 1..=20 {
        visit.labels().await.unwrap();
        let made = visit.create_issue(&new_issue()).await;
        let posts = server.requests().iter().filter(|request| request.is("POST")).count();
        assert!(posts == round, "{made:?}: {posts} of {round}");
    }
}

#[tokio::test]
async fn a_refusal_says_why() {
    let details = json!({ "message": "Validation Failed",
        "errors": [{ "code": "custom", "message": "title is too long" }] });
    let (err, requests) = create(answer(422, details)).await;
    insta::assert_snapshot!(err, @"GitHub refused (422): Validation Failed; title is too long");
    assert_eq!(requests, 1);

    let (err, _) = create(message(409, "Conflict\u{1b}[31m")).await;
    insta::assert_snapshot!(err, @"GitHub refused (409): Conflict [31m");

    let (err, _) = create(message(401, "Bad credentials")).await;
    assert!(matches!(err, Error::Unauthorized), "{err:?}");
    let (err, _) = create(message(403, "Resource not accessible by integration")).await;
    insta::assert_snapshot!(err, @"the token lacks a permission for acme/waves: issues: write (GitHub says: Resource not accessible by integration)");
    let needs = "x-accepted-github-permissions: issues=write; pull_requests=write";
    let (err, _) = create(with(403, needs, json!({ "message": "No" }))).await;
    insta::assert_snapshot!(err, @"the token lacks a permission for acme/waves: issues: write, or pull-requests: write (GitHub says: No)");
    let (err, _) = create(message(403, "Repository was archived so is read-only.")).await;
    insta::assert_snapshot!(err, @"acme/waves is archived");
    let (err, _) = create(message(410, "Issues are disabled for this repo")).await;
    insta::assert_snapshot!(err, @"issues are switched off in acme/waves");
    let (err, _) = create(message(451, "Repository access blocked")).await;
    insta::assert_snapshot!(err, @"GitHub has blocked acme/waves: Repository access blocked");
    let (err, _) = create(message(404, "Not Found")).await;
    insta::assert_snapshot!(err, @"GitHub has no repository acme/waves, or the token cannot see it");
}

#[tokio::test]
async fn a_change_does_not_follow_a_repository_to_its_new_name() {
    let server = Server::start(|_, request| match request.line.as_str() {
        "GET /repositories/5" => answer(200, repository(5, "acme/tides")),
        "GET /repos/acme/waves" => with(301, "location: /repositories/5", json!({})),
        line if line.starts_with("POST") => {
            with(307, "location: /repositories/5/issues", json!({}))
        }
        line => panic!("{line}"),
    })
    .await;

    let err = server.visit().create_issue(&new_issue()).await.unwrap_err();

    insta::assert_snapshot!(err, @"acme/waves is now called acme/tides");
    let posts = server.requests().iter().filter(|request| request.is("POST")).count();
    assert_eq!(posts, 1);
}

#[tokio::test]
async fn a_comment_on_what_is_gone_says_what_is_missing() {
    let server = Server::start(|_, request| match request.line.as_str() {
        "GET /repos/acme/waves" => answer(200, repository(5, "acme/waves")),
        _ => message(410, "This issue was deleted"),
    })
    .await;
    let err = server.visit().comment(3, "hi").await.unwrap_err();
    insta::assert_snapshot!(err, @"there is no issue 3 in acme/waves");
}

#[tokio::test]
async fn a_visit_makes_so_many_changes_and_no_more() {
    let server = Server::start(|_, _| answer(201, comment(1))).await;
    let mut settings = server.settings();
    settings.manners.writes = 3;
    let mut visit = Github::new(&settings).unwrap().visit();
    for _ in 0..3 {
        visit.comment(1, "hi").await.unwrap();
    }

    let err = visit.comment(1, "hi").await.unwrap_err();

    assert!(matches!(err, Error::EnoughWrites { writes: 3 }) && !err.ends_visit(), "{err:?}");
    assert_eq!((server.requests().len(), visit.requests()), (3, 3));
}

#[tokio::test]
async fn changes_come_with_a_rest_between_them() {
    let times = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&times);
    let server = Server::start(move |_, _| {
        heard.lock().unwrap().push(Instant::now());
        answer(201, comment(1))
    })
    .await;
    let pause = Duration::from_millis(50);
    let mut settings = server.settings();
    settings.manners.pause = pause;
    let mut visit = Github::new(&settings).unwrap().visit();
    for _ in 0..3 {
        visit.comment(1, "hi").await.unwrap();
    }
    let times = times.lock().unwrap();
    assert_eq!(times.len(), 3);
    assert!(times.windows(2).all(|two| two[1] - two[0] >= pause), "{times:?}");
}

#[tokio::test]
async fn every_change_is_one_request_of_the_documented_shape() {
    let server = Server::start(|_, request| match request.line.as_str() {
        line if line.starts_with("DELETE") || line.ends_with("dispatches") => {
            Act::Answer(204, String::new(), String::new())
        }
        line if line.ends_with("reactions") || line.ends_with("labels") => answer(201, json!([])),
        line if line.contains("comments") => answer(201, comment(1)),
        _ => answer(201, issue(1, 0)),
    })
    .await;
    let mut visit = server.visit();
    visit.create_issue(&new_issue()).await.unwrap();
    visit.close_issue(1, CloseReason::Completed).await.unwrap();
    visit.close_issue(1, CloseReason::NotPlanned).await.unwrap();
    visit.close_issue(1, CloseReason::Duplicate).await.unwrap();
    visit.reopen_issue(1).await.unwrap();
    visit.rewrite_issue(1, "a", "b").await.unwrap();
    visit.set_labels(1, &["a".to_owned()]).await.unwrap();
    visit.add_labels(1, &["b".to_owned()]).await.unwrap();
    visit.comment(1, "c").await.unwrap();
    visit.edit_comment(9, "d").await.unwrap();
    visit.delete_comment(9).await.unwrap();
    visit.react(9, Reaction::PlusOne).await.unwrap();
    visit.ensure_label("agent:x", "ededed", "For x").await.unwrap();
    let inputs = BTreeMap::from([("agent".to_owned(), "x".to_owned())]);
    visit.dispatch("tick.yml", "main", &inputs).await.unwrap();

    let said: Vec<String> = server
        .requests()
        .iter()
        .map(|request| {
            format!("{} {}", request.line.replace("/repos/acme/waves", ""), request.body)
        })
        .collect();
    insta::assert_snapshot!(said.join("\n"), @r#"
    POST /issues {"body":"for you","labels":["wavemark"],"title":"vision waits"}
    PATCH /issues/1 {"state":"closed","state_reason":"completed"}
    PATCH /issues/1 {"state":"closed","state_reason":"not_planned"}
    PATCH /issues/1 {"state":"closed","state_reason":"duplicate"}
    PATCH /issues/1 {"state":"open","state_reason":"reopened"}
    PATCH /issues/1 {"body":"b","title":"a"}
    PUT /issues/1/labels {"labels":["a"]}
    POST /issues/1/labels {"labels":["b"]}
    POST /issues/1/comments {"body":"c"}
    PATCH /issues/comments/9 {"body":"d"}
    DELETE /issues/comments/9 
    POST /issues/comments/9/reactions {"content":"+1"}
    POST /labels {"color":"ededed","description":"For x","name":"agent:x"}
    POST /actions/workflows/tick.yml/dispatches {"inputs":{"agent":"x"},"ref":"main"}
    "#);
}

#[tokio::test]
async fn a_label_that_is_there_already_is_fine() {
    let exists = json!({ "message": "Validation Failed",
        "errors": [{ "resource": "Label", "code": "already_exists", "field": "name" }] });
    let other = json!({ "message": "Validation Failed",
        "errors": [{ "resource": "Label", "code": "invalid", "field": "color" }] });
    let server = Server::start(move |number, _| match number {
        0 => answer(422, exists.clone()),
        _ => answer(422, other.clone()),
    })
    .await;
    let mut visit = server.visit();
    visit.ensure_label("wavemark", "ededed", "").await.unwrap();
    let err = visit.ensure_label("wavemark", "red", "").await.unwrap_err();
    insta::assert_snapshot!(err, @"GitHub refused (422): Validation Failed; color: invalid");
}
