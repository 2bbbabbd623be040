//! Pull requests: found by where they come from, and by what they became.

use serde_json::json;

use super::client::Client;
use crate::support::github::{Access, GitHub, Token};

const PULLS: &str = "/repos/acme/waves/pulls";

#[test]
fn a_pull_request_is_found_by_its_head_and_by_its_merge() {
    let github = GitHub::start();
    let ann = github.as_user("ann");
    let one = ann.propose("One", "acme:one", &"1".repeat(40));
    let two = ann.propose("Two", "ben:one", &"2".repeat(40));
    let client = Client::new(&github, &github.actions_token());

    assert_eq!(client.get(&format!("{PULLS}?head=acme:one")).numbers(), [one]);
    assert_eq!(client.get(&format!("{PULLS}?head=one")).numbers(), [two, one]);
    ann.push(two, &"3".repeat(40));
    let read = client.get(&format!("{PULLS}/{two}")).body;
    assert_eq!(read["head"]["sha"], "3".repeat(40));
    assert_ne!(read["head"]["repo"]["id"], read["base"]["repo"]["id"]);

    ann.merge(one, &"4".repeat(40));
    assert_eq!(client.get(PULLS).numbers(), [two]);
    let closed = client.get(&format!("{PULLS}?state=closed&sort=updated&direction=desc")).body;
    assert_eq!(closed[0]["merge_commit_sha"], "4".repeat(40));
    assert!(closed[0]["merged_at"].is_string() && read["merged_at"].is_null());
    assert_eq!(client.get(&format!("{PULLS}/99")).status, 404);
}

#[test]
fn of_two_permissions_either_opens_the_comments_of_a_pull_request() {
    let github = GitHub::start();
    let issue = github.as_user("ann").open_issue("i", "");
    let pull = github.as_user("ann").open_pull_request("p");
    let token = github.token(Token::of_actions(&[("pull_requests", Access::Write)]));
    let client = Client::new(&github, &token);
    let comment = |number: u64| {
        let path = format!("/repos/acme/waves/issues/{number}/comments");
        client.post(&path, json!({ "body": "hi" })).status
    };
    assert_eq!((comment(issue), comment(pull)), (403, 201));
    github.as_user("ann").lock(pull);
    assert_eq!(comment(pull), 403);
}
