//! What the fake can be asked, and the permission that each of it needs.

use super::{
    Access, Call, Outcome, Request, World, actions, apps, comments, issues, labels, people, pulls,
};

/// What a token must open.
pub(super) struct Needs {
    pub(super) what: &'static str,
    pub(super) access: Access,
    /// Whether it is about a repo: what is public there needs no permission
    /// to be read.
    pub(super) of_repo: bool,
}

type Handler = fn(&mut Call<'_>) -> Outcome;
type AppHandler = fn(&mut World, &Request, &[String]) -> Outcome;

/// What an app asks in its own name, not with a token.
pub(super) fn of_app(name: &str) -> Option<AppHandler> {
    Some(match name {
        "GET /app" => apps::read,
        "GET /repos/{owner}/{repo}/installation" => apps::installation,
        "POST /app/installations/{installation_id}/access_tokens" => apps::create_token,
        _ => return None,
    })
}

pub(super) fn of_token(name: &str) -> Option<(Needs, Handler)> {
    let repo = name.split_once(" /repos/{owner}/{repo}");
    let Some((method, path)) = repo else {
        let needs = Needs { what: "metadata", access: Access::Read, of_repo: false };
        return Some((needs, of_nothing(name)?));
    };
    let what = match path.split('/').nth(1) {
        Some("issues" | "labels") => "issues",
        Some("pulls") => "pull_requests",
        Some("actions") if path.contains("/variables") => "actions_variables",
        Some("actions") => "actions",
        Some("dispatches") => "contents",
        _ => "metadata",
    };
    let access = if method == "GET" { Access::Read } else { Access::Write };
    // A token can't read these from a public repo either.
    let of_repo = what != "actions_variables";
    Some((Needs { what, access, of_repo }, of_repo_path(method, path)?))
}

fn of_nothing(name: &str) -> Option<Handler> {
    Some(match name {
        "GET /user" => people::me,
        "GET /users/{username}" => people::user,
        "GET /rate_limit" => people::rate_limit,
        _ => return None,
    })
}

fn of_repo_path(method: &str, path: &str) -> Option<Handler> {
    Some(match (method, path) {
        ("GET", "") => people::repo,
        ("GET", "/collaborators/{username}/permission") => people::permission,
        ("GET", "/issues") => issues::list,
        ("POST", "/issues") => issues::create,
        ("GET", "/issues/{issue_number}") => issues::read,
        ("PATCH", "/issues/{issue_number}") => issues::update,
        ("GET", "/issues/{issue_number}/events") => issues::events,
        ("GET", "/issues/events") => issues::events_of_repo,
        ("GET", "/issues/{issue_number}/labels") => labels::of_issue,
        ("POST", "/issues/{issue_number}/labels") => labels::add,
        ("PUT", "/issues/{issue_number}/labels") => labels::set,
        ("DELETE", "/issues/{issue_number}/labels/{name}") => labels::remove,
        ("GET", "/issues/{issue_number}/reactions") => comments::reactions_of_issue,
        ("POST", "/issues/{issue_number}/reactions") => comments::react_to_issue,
        ("GET", "/issues/comments") => comments::of_repo,
        ("GET", "/issues/{issue_number}/comments") => comments::of_issue,
        ("POST", "/issues/{issue_number}/comments") => comments::create,
        ("GET", "/issues/comments/{comment_id}") => comments::read,
        ("PATCH", "/issues/comments/{comment_id}") => comments::update,
        ("DELETE", "/issues/comments/{comment_id}") => comments::delete,
        ("GET", "/issues/comments/{comment_id}/reactions") => comments::reactions,
        ("POST", "/issues/comments/{comment_id}/reactions") => comments::react,
        ("GET", "/pulls") => pulls::list,
        ("GET", "/pulls/{pull_number}") => pulls::read,
        ("GET", "/labels") => labels::list,
        ("POST", "/labels") => labels::create,
        ("GET", "/labels/{name}") => labels::read,
        ("PATCH", "/labels/{name}") => labels::update,
        ("GET", "/actions/workflows") => actions::workflows,
        ("GET", "/actions/workflows/{workflow_id}") => actions::workflow,
        ("POST", "/actions/workflows/{workflow_id}/dispatches") => actions::dispatch,
        ("POST", "/dispatches") => actions::dispatch_repo,
        ("GET", "/actions/variables/{name}") => actions::variable,
        ("POST", "/actions/variables") => actions::create_variable,
        ("PATCH", "/actions/variables/{name}") => actions::update_variable,
        _ => return None,
    })
}
