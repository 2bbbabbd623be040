//! Who gets in, and what they see.

use serde_json::json;

use super::client::Client;
use crate::support::github::{Access, GitHub, Role, Token};

#[test]
fn a_wrong_token_opens_nothing() {
    let github = GitHub::start();
    let token = github.actions_token();
    let client = Client::new(&github, &token);
    assert_eq!(client.get("").status, 200);
    github.revoke(&token);
    assert_eq!(client.get("").status, 401);
}

#[test]
fn a_private_repo_is_not_there_for_strangers() {
    let github = GitHub::start();
    github.repo(|repo| repo.private = true);
    let [ann, bob] = ["ann", "bob"].map(|who| Client::new(&github, &github.token(Token::of(who))));
    assert_eq!((ann.get("").status, bob.get("").status), (200, 404));
    let seen = ann.get("");
    assert_eq!(seen.body["permissions"]["admin"], true);
    assert_eq!(seen.header("x-oauth-scopes"), "repo, workflow");
}

#[test]
fn a_permission_that_a_token_lacks_is_named() {
    let github = GitHub::start();
    let read = Client::new(&github, &github.token(Token::of_actions(&[("issues", Access::Read)])));
    let refused = read.post("issues", json!({ "title": "a" }));
    assert_eq!(refused.status, 403);
    assert_eq!(refused.body["message"], "Resource not accessible by integration");
    assert_eq!(refused.header("x-accepted-github-permissions"), "issues=write");

    let none = Client::new(&github, &github.token(Token::of_with("ann", &[])));
    assert_eq!(none.get("issues").status, 200);
    github.repo(|repo| repo.private = true);
    assert_eq!((read.get("issues").status, none.get("issues").status), (200, 403));
}

#[test]
fn the_token_of_a_job_is_a_bot_and_nobody() {
    let github = GitHub::start();
    let job = Client::new(&github, &github.actions_token());
    assert_eq!(job.get("/user").status, 403);
    let author = &job.post("issues", json!({ "title": "a" })).body["user"];
    assert_eq!(author["login"], "github-actions[bot]");
    assert_eq!((&author["id"], &author["type"]), (&json!(41_898_282), &json!("Bot")));

    let ann = Client::new(&github, &github.token(Token::of("ann")));
    assert_eq!(ann.get("/user").body["login"], "ann");
    assert_eq!(ann.get("/users/ann").body["type"], "User");
    assert_eq!(ann.get("/rate_limit").body["rate"]["remaining"], 4999);
}

#[test]
fn roles_have_more_names_than_permissions() {
    let github = GitHub::start();
    let client = Client::new(&github, &github.actions_token());
    let roles = [
        ("rea", Role::Read),
        ("tess", Role::Triage),
        ("will", Role::Write),
        ("cara", Role::Custom("storyteller".to_owned())),
        ("max", Role::Maintain),
    ];
    for (login, role) in roles {
        github.add_collaborator(login, role);
    }
    github.as_user("bob");
    let mut lines = String::new();
    for login in ["ann", "max", "cara", "will", "tess", "rea", "bob"] {
        let said = client.get(&format!("collaborators/{login}/permission")).body;
        let [role, permission] =
            ["role_name", "permission"].map(|name| said[name].as_str().unwrap());
        lines += &format!("{login}: {role}, {permission}\n");
    }
    insta::assert_snapshot!(lines, @"
    ann: admin, admin
    max: maintain, write
    cara: storyteller, write
    will: write, write
    tess: triage, read
    rea: read, read
    bob: read, read
    ");
    assert_eq!(client.get("collaborators/nobody/permission").status, 404);
    github.repo(|repo| repo.private = true);
    assert_eq!(client.get("collaborators/bob/permission").body["permission"], "none");
}
