//! Both sides are held to GitHub's description.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::json;

use super::client::Client;
use crate::support::github::{
    GitHub, answer::Answer, contract, http::Message, request::Request, server,
};

/// What the fake has against a client's requests, once it is asked.
fn complaint(ask: impl FnOnce(&Client)) -> String {
    let github = GitHub::start();
    ask(&Client::new(&github, &github.actions_token()));
    let found = catch_unwind(AssertUnwindSafe(|| github.check()));
    found.expect_err("nobody complained").downcast_ref::<String>().unwrap().clone()
}

#[test]
fn a_field_that_github_does_not_know_is_caught() {
    let complaint = complaint(|client| {
        let reply = client.post("issues", json!({ "title": "a", "labelz": ["b"] }));
        assert_eq!(reply.status, 400);
    });
    insta::assert_snapshot!(complaint, @"
    not GitHub's API:
    POST /repos/acme/waves/issues: body: Additional properties are not allowed ('labelz' was unexpected)
    ");
}

#[test]
fn a_parameter_that_github_does_not_know_is_caught() {
    let complaint = complaint(|client| {
        client.get("issues?state=every&label=a&since=yesterday&per_page=many");
    });
    insta::assert_snapshot!(complaint, @r#"
    not GitHub's API:
    GET /repos/acme/waves/issues: query/per_page: "many" is not of type "integer"; query/since: "yesterday" is not a "date-time"; query/state: "every" is not one of "open", "closed" or "all"; query: Additional properties are not allowed ('label' was unexpected)
    "#);
}

#[test]
fn a_request_that_github_does_not_know_is_caught() {
    let complaint = complaint(|client| {
        client.post("issues/comments/7", json!({ "body": "a" }));
        client.get("issues/seven");
    });
    insta::assert_snapshot!(complaint, @"
    not GitHub's API:
    POST /repos/acme/waves/issues/comments/7: GitHub knows no such thing
    GET /repos/acme/waves/issues/seven: GitHub knows no such thing
    ");
}

#[test]
fn what_the_fake_cannot_do_yet_says_so() {
    let complaint = complaint(|client| drop(client.get("branches/main")));
    insta::assert_snapshot!(complaint, @"
    not GitHub's API:
    GET /repos/acme/waves/branches/main: the fake is at fault: the fake GitHub has no answer to GET /repos/{owner}/{repo}/branches/{branch} yet: add one to `api/`
    ");
}

#[test]
#[should_panic(expected = "\"updated_at\" is a required property")]
fn the_fake_cannot_leave_out_what_github_always_says() {
    let github = GitHub::start();
    let client = Client::new(&github, &github.actions_token());
    let mut issue = client.post("issues", json!({ "title": "a" })).body;
    issue.as_object_mut().unwrap().remove("updated_at");
    let get = Message::new(
        "GET /repos/acme/waves/issues/1 HTTP/1.1".to_owned(),
        vec![("user-agent".to_owned(), "test".to_owned())],
        Vec::new(),
    );
    let (operation, _) = contract::find(&Request::read(&get, false).unwrap()).unwrap();

    server::judge(operation, &Answer::ok(issue));
}

#[test]
fn the_fake_can_be_a_github_of_ones_own() {
    let github = GitHub::start_enterprise();
    let client = Client::new(&github, &github.actions_token());

    let repo = client.get("").body;

    assert!(github.url().ends_with("/api/v3"));
    assert_eq!(repo["url"], format!("{}/repos/acme/waves", github.url()));
    assert_eq!(github.transcript(), "GET /repos/acme/waves 200");
}
