//! Questions are asked until they are answered, or three times.

use std::sync::Mutex;

use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};

use crate::{
    github::{
        Error, Found, Github, Settings, State, StateReason, Trouble, UserKind, WorkflowState,
        testing::{Act, Request, Server, answer, comment, issue, message, repository, with},
    },
    model::{Instant, Role},
};

fn at(second: i64) -> Instant {
    DateTime::from_timestamp(1_795_305_600, 0).unwrap() + TimeDelta::seconds(second)
}

fn numbers(issues: &[crate::github::Issue]) -> Vec<u64> {
    issues.iter().map(|issue| issue.number).collect()
}

#[tokio::test]
async fn a_question_is_asked_again_when_there_is_no_useful_answer() {
    let good = json!([issue(1, 0)]).to_string();
    for act in [
        message(500, ""),
        message(502, "Bad Gateway"),
        message(503, ""),
        message(408, ""),
        Act::HangUp,
        Act::Truncate(200, good.clone()),
        Act::Answer(200, String::new(), good[..good.len() / 2].to_owned()),
        Act::Answer(200, String::new(), String::new()),
        Act::Answer(200, String::new(), "<html>Unicorn!</html>".to_owned()),
        answer(200, json!({})),
        answer(200, json!([{ "title": "no number" }])),
        Act::Raw(b"garbage\r\n\r\n"),
        Act::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xfe"),
    ] {
        let said = format!("{act:?}");
        let (second, third) = (act.clone(), act.clone());
        let server = Server::start(move |number, _| match number {
            0 | 1 => second.clone(),
            _ => answer(200, json!([issue(1, 0)])),
        })
        .await;
        let mut visit = server.visit();
        let changes =
            visit.issues_since(None).await.unwrap_or_else(|err| panic!("{said}: {err:?}"));
        assert_eq!((numbers(&changes.issues), visit.requests()), (vec![1], 3), "{said}");

        let server = Server::start(move |_, _| third.clone()).await;
        let mut visit = server.visit();
        let err = visit.issues_since(None).await.unwrap_err();
        assert!(matches!(err, Error::NoAnswer(_)), "{said}: {err:?}");
        assert_eq!((server.requests().len(), visit.requests()), (3, 3), "{said}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    let server = Server::start(|number, _| match number {
        0 => Act::Stall,
        _ => answer(200, json!([issue(1, 0)])),
    })
    .await;
    let changes = server.hasty_visit().issues_since(None).await.unwrap();
    assert_eq!((changes.issues.len(), server.requests().len()), (1, 2));
}

#[tokio::test]
async fn a_refusal_is_taken_at_its_word() {
    for (act, requests) in [(message(401, "Bad credentials"), 1), (message(403, "No"), 1)] {
        let server = Server::start(move |_, _| act.clone()).await;
        assert!(server.visit().labels().await.is_err());
        assert_eq!(server.requests().len(), requests);
    }
}

/// GitHub's list of issues by their last change, in pages of two.
fn list(issues: &[Value], request: &Request) -> Act {
    let query = |key: &str| {
        let (_, query) = request.line.split_once('?')?;
        let pair = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{key}=")))?;
        Some(pair.to_owned())
    };
    let since = query("since").unwrap_or_default();
    let page: usize = query("page").map_or(1, |page| page.parse().unwrap());
    let mut rest: Vec<&Value> =
        issues.iter().filter(|issue| issue["updated_at"].as_str().unwrap() >= &*since).collect();
    rest.sort_by_key(|issue| issue["updated_at"].to_string());
    let shown: Vec<&&Value> = rest.iter().skip((page - 1) * 2).take(2).collect();
    let link =
        format!("link: </repos/acme/waves/issues?since={since}&page={}>; rel=\"next\"", page + 1);
    with(200, if rest.len() > page * 2 { &link } else { "" }, json!(shown))
}

#[tokio::test]
async fn all_pages_are_read_and_pull_requests_left_out() {
    let mut all: Vec<Value> = (1..=9).map(|number| issue(number, number as u32)).collect();
    all[8]["pull_request"] = json!({ "url": "x" });
    all[3]["pull_request"] = json!({ "url": "x" });
    let server = Server::start(move |_, request| list(&all, request)).await;

    let changes = server.visit().issues_since(Some(at(3))).await.unwrap();

    assert_eq!(numbers(&changes.issues), [3, 5, 6, 7, 8]);
    assert_eq!(changes.up_to, Some(at(9)), "of a pull request");
    insta::assert_snapshot!(server.lines()[0], @"GET /repos/acme/waves/issues?sort=updated&state=all&direction=asc&per_page=100&since=2026-11-22T00:00:03Z");
}

#[tokio::test]
async fn an_issue_that_changes_meanwhile_hides_no_other() {
    // After the first page, its first issue moves to the end.
    let all = Mutex::new((1..=6).map(|number| issue(number, number as u32)).collect::<Vec<_>>());
    let server = Server::start(move |number, request| {
        let mut all = all.lock().unwrap();
        let act = list(&all, request);
        if number == 0 {
            all[0]["updated_at"] = json!("2026-11-22T00:01:00Z");
        }
        act
    })
    .await;
    let changes = server.visit().issues_since(None).await.unwrap();
    assert_eq!(numbers(&changes.issues), [2, 3, 4, 5, 6, 1]);
    assert_eq!(changes.up_to, Some(at(60)));
}

#[tokio::test]
async fn many_changes_within_one_second_are_all_read() {
    let all: Vec<Value> = (1..=7).map(|number| issue(number, 5)).collect();
    let server = Server::start(move |_, request| list(&all, request)).await;
    let changes = server.visit().issues_since(None).await.unwrap();
    assert_eq!(numbers(&changes.issues), [1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn no_news_is_one_request() {
    let server = Server::start(|_, _| answer(200, json!([]))).await;
    let mut visit = server.visit();
    let changes = visit.issues_since(Some(at(0))).await.unwrap();
    assert_eq!((changes.issues.len(), changes.up_to, visit.requests()), (0, None, 1));
}

#[tokio::test]
async fn pages_that_go_in_a_circle_or_away_are_an_error() {
    for next in [
        "</repos/acme/waves/labels?per_page=100>; rel=next",
        "<https://evil.example/repos/acme/waves/labels>; rel=next",
    ] {
        let link = format!("link: {next}");
        let server = Server::start(move |_, _| with(200, &link, json!([]))).await;
        let err = server.visit().labels().await.unwrap_err();
        assert!(matches!(err, Error::NoAnswer(Trouble::Unreadable(_))), "{err:?}");
        assert_eq!(server.requests().len(), 1, "{next}");
    }
    let endless = Server::start(|number, _| {
        with(200, &format!("link: </repos/acme/waves/labels?page={number}>; rel=next"), json!([]))
    })
    .await;
    assert!(matches!(endless.visit().labels().await, Err(Error::NoAnswer(_))));
    assert_eq!(endless.requests().len(), 300);
}

#[tokio::test]
async fn issues_that_no_list_shows_yet_are_found_by_their_numbers() {
    let server = Server::start(|_, request| match request.line.as_str() {
        "GET /repos/acme/waves" => answer(200, repository(5, "acme/waves")),
        "GET /repos/acme/waves/issues/10" => answer(200, issue(10, 100)),
        "GET /repos/acme/waves/issues/11" => message(404, "Not Found"),
        line if line.contains("direction=desc&per_page=1") => answer(200, json!([issue(9, 90)])),
        line => panic!("{line}"),
    })
    .await;
    let issues = server.visit().unlisted_issues().await.unwrap();
    assert_eq!(numbers(&issues), [10]);
}

#[tokio::test]
async fn a_repository_is_known_by_a_name_it_had() {
    let server = Server::start(|_, request| match request.line.as_str() {
        "GET /repos/acme/old" => with(301, "location: /repositories/5", json!({})),
        "GET /repositories/5" => answer(200, repository(5, "acme/waves")),
        _ => message(404, "Not Found"),
    })
    .await;
    let mut visit = server.visit();
    let now = visit.called_now(&"acme/old".parse().unwrap()).await.unwrap();
    assert_eq!(now, Some("acme/waves".parse().unwrap()));
    assert_eq!(visit.called_now(&"acme/none".parse().unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn an_issue_is_here_or_gone_or_elsewhere() {
    let server = Server::start(|_, request| match request.line.as_str() {
        "GET /repos/acme/waves" => answer(200, repository(5, "acme/waves")),
        "GET /repos/acme/waves/issues/1" => answer(200, issue(1, 0)),
        "GET /repos/acme/waves/issues/2" => message(404, "Not Found"),
        "GET /repos/acme/waves/issues/3" => message(410, "This issue was deleted"),
        "GET /repos/acme/waves/issues/4" => {
            with(301, "location: http://api.x/repositories/55/issues/1", json!({}))
        }
        line => panic!("{line}"),
    })
    .await;
    let mut visit = server.visit();
    assert!(matches!(visit.issue(1).await.unwrap(), Found::Here(issue) if issue.number == 1));
    assert_eq!(visit.issue(2).await.unwrap(), Found::Gone);
    assert_eq!(visit.issue(3).await.unwrap(), Found::Gone);
    let to = "http://api.x/repositories/55/issues/1".to_owned();
    assert_eq!(visit.issue(4).await.unwrap(), Found::Moved { to });
    let looks = server.lines().iter().filter(|line| line.ends_with("/waves")).count();
    assert_eq!(looks, 1, "whether the repository is there is asked once");
}

#[tokio::test]
async fn a_repository_that_is_not_there_is_not_a_missing_issue() {
    let server = Server::start(|_, _| message(404, "Not Found")).await;
    let err = server.visit().issue(1).await.unwrap_err();
    assert!(matches!(err, Error::NoSuchRepo { .. }) && err.ends_visit(), "{err:?}");
    let err = server.visit().issues_since(None).await.unwrap_err();
    assert!(matches!(err, Error::NoSuchRepo { .. }), "{err:?}");
}

#[tokio::test]
async fn questions_follow_a_repository_to_its_new_name() {
    let server = Server::start(|_, request| match request.line.split('?').next().unwrap() {
        "GET /repos/acme/waves" => with(301, "location: /repositories/5", json!({})),
        "GET /repositories/5" => answer(200, repository(5, "acme/tides")),
        "GET /repos/acme/waves/issues/1" => {
            with(301, "location: /repositories/5/issues/1", json!({}))
        }
        "GET /repos/acme/waves/issues" => with(301, "location: /repositories/5/issues", json!({})),
        "GET /repositories/5/issues/1" => answer(200, issue(1, 0)),
        "GET /repositories/5/issues" => answer(200, json!([issue(1, 0)])),
        line => panic!("{line}"),
    })
    .await;
    let mut visit = server.visit();
    assert!(matches!(visit.issue(1).await.unwrap(), Found::Here(_)));
    assert_eq!(visit.issues_since(None).await.unwrap().issues.len(), 1);
    assert_eq!(visit.repository().await.unwrap().repo.to_string(), "acme/tides");
}

#[tokio::test]
async fn redirects_without_an_end_have_one() {
    let server =
        Server::start(|_, _| with(302, "location: /repos/acme/waves/labels", json!({}))).await;
    assert!(matches!(server.visit().labels().await, Err(Error::NoAnswer(_))));
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn the_path_of_an_enterprise_server_is_kept() {
    let server = Server::start(|_, _| answer(200, json!([]))).await;
    let api_url = format!("http://{}/api/v3/", server.address);
    let settings = Settings { api_url, ..server.settings() };
    Github::new(&settings).unwrap().visit().labels().await.unwrap();
    assert_eq!(server.lines(), ["GET /api/v3/repos/acme/waves/labels?per_page=100"]);

    // A path that ours begin with, too.
    let server = Server::start(|number, _| match number {
        0 => with(200, "link: </repos/repos/acme/waves/labels?page=2>; rel=next", json!([])),
        _ => answer(200, json!([])),
    })
    .await;
    let settings =
        Settings { api_url: format!("http://{}/repos", server.address), ..server.settings() };
    Github::new(&settings).unwrap().visit().labels().await.unwrap();
    assert_eq!(
        server.lines(),
        [
            "GET /repos/repos/acme/waves/labels?per_page=100",
            "GET /repos/repos/acme/waves/labels?page=2"
        ]
    );
}

#[tokio::test]
async fn a_role_is_the_finest_word_for_it_and_asked_once() {
    let server = Server::start(|_, request| {
        let role = |permission: &str, name: Value| {
            answer(200, json!({ "permission": permission, "role_name": name, "user": null }))
        };
        match request.line.strip_prefix("GET /repos/acme/waves").unwrap() {
            "/collaborators/mona/permission" => role("read", json!("triage")),
            "/collaborators/kim/permission" => role("write", json!("security-captain")),
            "/collaborators/old/permission" => role("admin", Value::Null),
            "/collaborators/no/permission" => role("none", json!("")),
            "/collaborators/dependabot%5Bbot%5D/permission" => message(404, "Not Found"),
            "" => answer(200, repository(5, "acme/waves")),
            line => panic!("{line}"),
        }
    })
    .await;
    let mut visit = server.visit();
    for (login, role) in [
        ("mona", Some(Role::Triage)),
        ("Mona", Some(Role::Triage)),
        ("kim", Some(Role::Write)),
        ("old", Some(Role::Admin)),
        ("no", None),
        ("dependabot[bot]", None),
        ("dependabot[bot]", None),
    ] {
        assert_eq!(visit.role(login).await.unwrap(), role, "{login}");
    }
    assert_eq!(visit.requests(), 6, "five people, and whether the repository is there");
}

#[tokio::test]
async fn an_answer_may_leave_out_or_add_whatever_it_likes() {
    let bare = json!({ "number": 1, "created_at": "2026-11-22T00:00:00Z",
        "updated_at": "2026-11-22T00:00:00+00:00" });
    let nulls = json!({ "number": 2, "created_at": "2026-11-22T00:00:00Z",
        "updated_at": "2026-11-22T00:00:00Z", "node_id": null, "title": null, "body": null,
        "state": null, "state_reason": null, "user": null, "labels": null, "comments": null,
        "closed_at": null, "closed_by": null, "html_url": null, "pull_request": null });
    let future = json!({ "number": 3, "created_at": "2026-11-22T00:00:00Z",
        "updated_at": "2026-11-22T00:00:00.123Z", "state": "dormant", "state_reason": "aliens",
        "user": { "login": "x", "id": 1, "type": "Golem", "moods": [] },
        "labels": ["plain", { "name": "object", "id": 1 }], "new": { "a": [1] } });
    let server = Server::start(move |_, _| answer(200, json!([bare, nulls, future]))).await;

    let issues = server.visit().issues_since(None).await.unwrap().issues;

    assert_eq!(numbers(&issues), [1, 2, 3]);
    assert_eq!((issues[0].state, issues[1].state), (State::Other, State::Other));
    let future = &issues[2];
    assert_eq!((future.state, future.state_reason), (State::Other, Some(StateReason::Other)));
    assert_eq!(future.user.as_ref().unwrap().kind, UserKind::Other);
    assert_eq!(future.labels, ["plain", "object"]);
}

#[tokio::test]
async fn comments_and_labelings_are_read() {
    let server = Server::start(|_, request| match request.line.as_str() {
        "GET /repos/acme/waves/issues/1/comments?per_page=100&since=2026-11-22T00:00:07Z" => {
            answer(200, json!([comment(4), comment(5)]))
        }
        "GET /repos/acme/waves/issues/1/events?per_page=100" => {
            let at = "2026-11-22T00:00:09Z";
            answer(200, json!([
                { "event": "labeled", "created_at": at, "label": { "name": "agent:echo" },
                  "actor": { "login": "mona", "id": 7, "type": "User" } },
                { "event": "closed", "created_at": at, "actor": null },
                { "event": "labeled", "created_at": at, "label": { "name": "x" }, "actor": null },
                { "event": "hatched", "created_at": null, "egg": 1 },
            ]))
        }
        line => panic!("{line}"),
    })
    .await;
    let mut visit = server.visit();
    let ids: Vec<u64> =
        visit.comments(1, Some(at(7))).await.unwrap().iter().map(|comment| comment.id).collect();
    assert_eq!(ids, [4, 5]);
    let labelings = visit.labelings(1).await.unwrap();
    let said: Vec<(&str, Option<&str>, Instant)> = labelings
        .iter()
        .map(|it| (&*it.label, it.actor.as_ref().map(|user| &*user.login), it.at))
        .collect();
    assert_eq!(said, [("agent:echo", Some("mona"), at(9)), ("x", None, at(9))]);
}

#[tokio::test]
async fn what_the_repository_is_like_is_read() {
    let server = Server::start(|_, request| match request.line.as_str() {
        "GET /repos/acme/waves" => with(
            200,
            "x-oauth-scopes: repo, workflow\ndate: Sun, 22 Nov 2026 00:00:05 GMT",
            json!({ "id": 5, "full_name": "acme/waves", "node_id": "R_5", "private": true,
                "html_url": "https://github.com/acme/waves", "default_branch": "main",
                "archived": false, "has_issues": true, "permissions": { "push": true } }),
        ),
        "GET /repos/acme/waves/labels?per_page=100" => {
            answer(200, json!([{ "name": "wavemark", "color": "ededed", "description": null }]))
        }
        "GET /repos/acme/waves/actions/workflows?per_page=100" => answer(
            200,
            json!({
                "total_count": 2,
                "workflows": [
                    { "name": "tick", "path": ".github/workflows/tick.yml", "state": "active" },
                    { "name": "x", "path": "x", "state": "disabled_inactivity" },
                ],
            }),
        ),
        "GET /user" => message(403, "Resource not accessible by integration"),
        line => panic!("{line}"),
    })
    .await;
    let mut visit = server.visit();
    let repository = visit.repository().await.unwrap();
    assert!(repository.has_issues && repository.private && !repository.archived);
    let permissions = repository.permissions.unwrap();
    assert!(permissions.push && !permissions.admin);
    assert_eq!(visit.scopes().unwrap(), &["repo", "workflow"]);
    assert_eq!(visit.github_time(), Some(at(5)));
    assert_eq!(visit.labels().await.unwrap()[0].name, "wavemark");
    let workflows = visit.workflows().await.unwrap();
    assert_eq!(workflows[0].path, ".github/workflows/tick.yml");
    assert_eq!(workflows[1].state, WorkflowState::DisabledInactivity);
    assert_eq!(visit.viewer().await.unwrap(), None);
}
