//! Workflows and GitHub Apps.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta};
use serde_json::json;

use super::client::Client;
use crate::support::github::{Access, GitHub};

#[test]
fn a_workflow_is_dispatched_if_it_wants_to_be() {
    let github = GitHub::start();
    let client = Client::new(&github, &github.actions_token());
    github.add_workflow("tick.yml", Some(&["agent"]));
    github.add_workflow("plan.yml", None);
    let dispatch =
        |file: &str, body| client.post(&format!("actions/workflows/{file}/dispatches"), body);

    let inputs = json!({ "agent": "echo" });
    assert_eq!(dispatch("tick.yml", json!({ "ref": "main", "inputs": inputs })).status, 204);
    let told = dispatch("tick.yml", json!({ "ref": "main", "return_run_details": true }));
    assert_eq!(dispatch("plan.yml", json!({ "ref": "main" })).status, 422);
    assert_eq!(dispatch("none.yml", json!({ "ref": "main" })).status, 404);
    assert_eq!(dispatch("tick.yml", json!({ "ref": "gone" })).status, 422);
    assert_eq!(dispatch("tick.yml", json!({ "ref": "main", "inputs": { "x": "" } })).status, 422);
    github.repo(|repo| repo.workflows[0].disabled = true);
    assert_eq!(dispatch("tick.yml", json!({ "ref": "main" })).status, 422);
    let payload = json!({ "event_type": "tick", "client_payload": { "a": 1 } });
    assert_eq!(client.post("dispatches", payload).status, 204);

    let taken = github.dispatches();
    let what: Vec<&str> = taken.iter().map(|dispatch| dispatch.what.as_str()).collect();
    assert_eq!(what, ["tick.yml", "tick.yml", "tick"]);
    assert_eq!((&taken[0].inputs, &taken[0].by[..]), (&inputs, "github-actions[bot]"));
    assert_eq!(told.body["workflow_run_id"], taken[1].run);
    let all = client.get("actions/workflows?per_page=1");
    assert_eq!((&all.body["total_count"], all.next().is_some()), (&json!(2), true));
    assert_eq!(client.get("actions/workflows/tick.yml").body["state"], "disabled_manually");
}

#[test]
fn a_variable_is_made_once_and_changed_afterwards() {
    let github = GitHub::start();
    let permissions = [("actions_variables", Access::Write)];
    let token = crate::support::github::Token::of_with("ann", &permissions);
    let client = Client::new(&github, &github.token(token));
    let variable = json!({ "name": "last_tick", "value": "a" });
    assert_eq!(client.post("actions/variables", variable.clone()).status, 201);
    assert_eq!(client.post("actions/variables", variable).status, 409);
    assert_eq!(client.patch("actions/variables/last_tick", json!({ "value": "b" })).status, 204);
    assert_eq!(client.get("actions/variables/LAST_TICK").body["value"], "b");
    let job = Client::new(&github, &github.actions_token());
    assert_eq!(job.get("actions/variables/LAST_TICK").status, 403);
}

/// What an app signs, but for the signature.
fn signed(id: u64, issued: i64, expires: i64) -> String {
    let claims = json!({ "iss": id, "iat": issued, "exp": expires }).to_string();
    format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims))
}

#[test]
fn an_app_gets_a_token_that_lasts_an_hour() {
    let github = GitHub::start();
    let permissions = [("issues", Access::Write), ("actions", Access::Write)];
    let (app, installation) = github.install_app("wavy", &permissions);
    let now = Client::new(&github, "").get("/rate_limit");
    let now = DateTime::parse_from_rfc2822(now.header("date")).unwrap().timestamp();
    let tokens = format!("/app/installations/{installation}/access_tokens");

    let as_app = Client::new(&github, &signed(app, now - 60, now + 540));
    assert_eq!(as_app.get("/app").body["slug"], "wavy");
    assert_eq!(as_app.get("installation").body["id"], installation);
    let asked = json!({ "permissions": { "issues": "read" } });
    assert_eq!(as_app.post(&tokens, asked).body["permissions"], json!({ "issues": "read" }));
    let token = as_app.post(&tokens, json!({})).body["token"].clone();
    let client = Client::new(&github, token.as_str().unwrap());
    let issue = client.post("issues", json!({ "title": "a" })).body;
    assert_eq!(issue["user"]["login"], "wavy[bot]");
    github.pass(TimeDelta::hours(1));
    assert_eq!(client.get("issues").status, 401);

    for (id, issued, expires) in
        [(app + 1, -60, 540), (app, 60, 600), (app, -60, 900), (app, -900, -300)]
    {
        let now = now + 3_600;
        let refused = Client::new(&github, &signed(id, now + issued, now + expires)).get("/app");
        assert_eq!(refused.status, 401, "{}", refused.body);
    }
}
