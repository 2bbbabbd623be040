//! Issues: their numbers, their times, the pages they come in.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::client::Client;
use crate::support::github::{Access, GitHub, Reason, Role, Token};

fn start() -> (GitHub, Client) {
    let github = GitHub::start();
    github.stop_clock();
    let client = Client::new(&github, &github.actions_token());
    (github, client)
}

fn second(github: &GitHub) {
    github.pass(TimeDelta::seconds(1));
}

#[test]
fn a_change_moves_updated_at_by_whole_seconds() {
    let (github, client) = start();
    let created = client.post("issues", json!({ "title": "a", "labels": ["b"] })).body;
    let same_second = client.patch("issues/1", json!({ "body": "c" })).body;
    second(&github);
    let no_change = client.patch("issues/1", json!({ "body": "c", "state": "open" })).body;
    let changed = client.patch("issues/1", json!({ "body": "d" })).body;
    second(&github);
    client.post("issues/1/comments", json!({ "body": "e" }));
    let commented = client.get("issues/1").body;
    second(&github);
    client.post("issues/1/reactions", json!({ "content": "eyes" }));
    let seen = client.get("issues/1").body;

    assert_eq!(created["updated_at"], created["created_at"]);
    assert_eq!(same_second["updated_at"], created["updated_at"]);
    assert_eq!(no_change["updated_at"], created["updated_at"]);
    assert!(changed["updated_at"].as_str() > created["updated_at"].as_str());
    assert!(commented["updated_at"].as_str() > changed["updated_at"].as_str());
    assert_eq!(seen["updated_at"], commented["updated_at"]);
    assert_eq!((&seen["comments"], &seen["reactions"]["eyes"]), (&json!(1), &json!(1)));
}

#[test]
fn since_takes_the_second_itself() {
    let (github, client) = start();
    let (ann, list) = (github.as_user("ann"), |since: &str| {
        client.get(&format!("issues?since={since}&sort=updated&direction=asc")).numbers()
    });
    ann.open_issue("a", "");
    second(&github);
    ann.open_issue("b", "");
    let at = |number| client.get(&format!("issues/{number}")).body["updated_at"].clone();

    assert_eq!(list(at(1).as_str().unwrap()), [1, 2]);
    assert_eq!(list(at(2).as_str().unwrap()), [2]);
    second(&github);
    ann.comment(1, "again");
    assert_eq!(list(at(2).as_str().unwrap()), [2, 1]);
}

#[test]
fn many_issues_come_in_pages_with_pull_requests_among_them() {
    let (github, client) = start();
    let ann = github.as_user("ann");
    for number in 1..=210 {
        if number % 7 == 0 {
            ann.open_pull_request("p")
        } else {
            ann.open_issue("i", "")
        };
        if number % 10 == 0 {
            second(&github);
        }
    }
    ann.close(1, Reason::Completed);

    let (mut all, mut pulls, mut pages) = (Vec::new(), 0, 0);
    let mut next = Some("issues?state=all&sort=updated&direction=asc&per_page=500".to_owned());
    while let Some(url) = next {
        let page = client.get(&url);
        all.extend(page.numbers());
        pulls +=
            page.body.as_array().unwrap().iter().filter(|i| i["pull_request"].is_object()).count();
        pages += 1;
        next = page.next();
    }

    let expected: Vec<u64> = (2..=210).chain([1]).collect();
    assert_eq!((all, pulls, pages), (expected, 30, 3));
    assert_eq!(github.issues().len(), 180);
    assert_eq!(client.get("issues").numbers().len(), 30);
    assert_eq!(client.get("issues?per_page=2&page=3").numbers(), [206, 205]);
    assert_eq!(client.get("issues?state=closed").numbers(), [1]);
    assert_eq!(client.get("issues?creator=bob").numbers(), [] as [u64; 0]);
}

#[test]
fn labels_come_into_being_where_they_are_used() {
    let (github, client) = start();
    let label = json!({ "name": "wavemark", "color": "aabbcc", "description": "d" });
    assert_eq!(client.post("labels", label.clone()).status, 201);
    let again = client.post("labels", label);
    assert_eq!((again.status, &again.body["errors"][0]["code"]), (422, &json!("already_exists")));
    assert_eq!(client.post("labels", json!({ "name": "a", "color": "red" })).status, 422);

    client.post("issues", json!({ "title": "a", "labels": ["Wavemark", { "name": "agent:b" }] }));
    client.post("issues/1/labels", json!({ "labels": ["c"] }));
    client.ask("DELETE", "issues/1/labels/agent%3Ab", None).unwrap();
    github.as_user("ann").unlabel(1, "c");
    client.ask("PUT", "issues/1/labels", Some(json!({ "labels": ["wavemark", "d"] }))).unwrap();

    assert_eq!(github.issue(1).labels, ["wavemark", "d"]);
    assert_eq!(client.get("issues?labels=wavemark,d").numbers(), [1]);
    assert_eq!(client.get("issues?labels=wavemark,c").numbers(), [] as [u64; 0]);
    let names = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|l| l["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&client.get("labels").body), ["agent:b", "c", "d", "wavemark"]);
    assert_eq!(names(&client.get("issues/1/labels").body), ["wavemark", "d"]);
    let purple = client.patch("labels/d", json!({ "color": "8800ff" })).body;
    assert_eq!(client.get("labels/d").body, purple);
    let long = json!({ "title": "a", "labels": ["x".repeat(51)] });
    assert_eq!(client.post("issues", long).status, 422);
}

#[test]
fn an_issue_remembers_who_did_what() {
    let (github, client) = start();
    github.add_collaborator("tess", Role::Triage);
    let (bob, tess) = (github.as_user("bob"), github.as_user("tess"));
    bob.open_issue("It is wrong", "All of it.");
    tess.label(1, "agent:echo");
    tess.close(1, Reason::NotPlanned);
    let closed = client.get("issues/1").body;
    bob.comment(1, "No!");
    tess.reopen(1);
    bob.rename(1, "It is still wrong");
    bob.edit(1, "Most of it.");

    assert_eq!(closed["state_reason"], "not_planned");
    assert_eq!(closed["closed_by"]["login"], "tess");
    let open = client.get("issues/1").body;
    assert_eq!((&open["state"], &open["state_reason"]), (&json!("open"), &json!("reopened")));
    assert_eq!((&open["body"], &open["closed_at"]), (&json!("Most of it."), &Value::Null));
    let events = client.get("issues/1/events").body;
    let lines: Vec<String> = events
        .as_array()
        .unwrap()
        .iter()
        .map(|e| {
            format!("{} {}", e["actor"]["login"].as_str().unwrap(), e["event"].as_str().unwrap())
        })
        .collect();
    assert_eq!(lines, ["tess labeled", "tess closed", "tess reopened", "bob renamed"]);
    assert_eq!(events[0]["label"]["name"], "agent:echo");
    assert_eq!(client.get("issues/events").body[0]["issue"]["number"], 1);
}

#[test]
fn comments_are_listed_by_issue_and_by_time() {
    let (github, client) = start();
    let ann = github.as_user("ann");
    ann.open_issue("a", "");
    ann.open_issue("b", "");
    let first = ann.comment(1, "one");
    second(&github);
    let second_ = client.post("issues/2/comments", json!({ "body": "two" })).body;
    second(&github);
    ann.edit_comment(first, "one, edited");

    let since = second_["updated_at"].as_str().unwrap();
    let new = client.get(&format!("issues/comments?since={since}&sort=updated&direction=asc")).body;
    assert_eq!((&new[0]["body"], &new[1]["body"]), (&json!("two"), &json!("one, edited")));
    assert_eq!(client.get("issues/1/comments").body[0]["id"], first);
    let path = format!("issues/comments/{}", second_["id"]);
    assert_eq!(client.patch(&path, json!({ "body": "2" })).body["body"], "2");
    assert_eq!(client.post(&format!("{path}/reactions"), json!({ "content": "+1" })).status, 201);
    assert_eq!(client.post(&format!("{path}/reactions"), json!({ "content": "+1" })).status, 200);
    assert_eq!(
        client.get(&format!("{path}/reactions?content=%2B1")).body[0]["user"]["type"],
        "Bot"
    );
    assert_eq!(client.ask("DELETE", &path, None).unwrap().status, 204);
    assert_eq!(client.get(&path).status, 404);
    assert_eq!(github.comments(2).len(), 0);
}

#[test]
fn what_is_gone_says_where_it_went() {
    let (github, client) = start();
    github.create_repo("acme/other");
    let ann = github.as_user("ann");
    for title in ["stays", "deleted", "moved"] {
        ann.open_issue(title, "");
    }
    ann.comment(3, "take me along");
    ann.delete_issue(2);
    let arrived = ann.transfer(3, "acme/other");
    ann.at("acme/other").comment(arrived, "welcome");

    assert_eq!(client.get("issues/2").status, 410);
    let moved = client.get("issues/3");
    assert_eq!(moved.status, 301);
    assert_eq!(moved.body["url"], moved.header("location"));
    let found = client.get(moved.header("location"));
    assert_eq!(found.body["title"], "moved");
    assert_eq!(found.body["comments"], 2);
    assert_eq!(client.get("issues/3/comments").status, 301);
    assert_eq!(client.get("issues/4").status, 404);
    assert_eq!(client.get("issues?state=all").numbers(), [1]);
}

#[test]
fn a_repo_may_have_no_issues_or_take_no_more() {
    let (github, client) = start();
    github.as_user("ann").open_issue("a", "");
    github.repo(|repo| repo.has_issues = false);
    assert_eq!(client.post("issues", json!({ "title": "b" })).status, 410);
    assert_eq!(client.get("issues/1").status, 410);
    assert_eq!(client.get("issues").numbers(), [] as [u64; 0]);

    github.repo(|repo| (repo.has_issues, repo.archived) = (true, true));
    let refused = client.post("issues/1/comments", json!({ "body": "b" }));
    assert_eq!((refused.status, client.get("issues/1").status), (403, 200));
    assert_eq!(refused.body["message"], "Repository was archived so is read-only.");
}

#[test]
fn strangers_may_open_issues_and_close_only_their_own() {
    let github = GitHub::start();
    let bob = Client::new(&github, &github.token(Token::of("bob")));
    github.as_user("ann").open_issue("a", "");

    let own = bob.post("issues", json!({ "title": "b", "labels": ["agent:echo"] })).body;
    assert_eq!((&own["number"], &own["labels"]), (&json!(2), &json!([])));
    assert_eq!(own["author_association"], "NONE");
    assert_eq!(bob.patch("issues/2", json!({ "state": "closed" })).body["state"], "closed");
    assert_eq!(bob.patch("issues/1", json!({ "state": "closed" })).status, 403);
    assert_eq!(bob.patch("issues/1", json!({ "labels": ["x"] })).body["labels"], json!([]));
    github.repo(|repo| repo.labels.clear());
    github.as_user("bob").fill_form("c", "", &["agent:echo"]);
    assert_eq!(github.issue(3).labels, [] as [&str; 0]);
    let read_only = Token::of_actions(&[("issues", Access::Read)]);
    let label = json!({ "name": "agent:echo", "color": "aabbcc" });
    let refused = Client::new(&github, &github.token(read_only)).post("labels", label.clone());
    assert_eq!(refused.status, 403);
    Client::new(&github, &github.actions_token()).post("labels", label);
    github.as_user("bob").fill_form("d", "", &["agent:echo"]);
    assert_eq!(github.issue(4).labels, ["agent:echo"]);
}
