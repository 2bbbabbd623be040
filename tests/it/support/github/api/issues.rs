//! Issues and their events.

use serde_json::Value;

use super::{Answer, Call, Outcome, list::at};
use crate::support::github::world::{Change, Issue, NewIssue, Reason, Role};

/// The longest that GitHub takes, in characters.
pub(super) const LONGEST_BODY: usize = 65_536;
const LONGEST_TITLE: usize = 256;

pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    let asks = |name| call.request.asks(name);
    let labels: Vec<String> =
        asks("labels").into_iter().flat_map(|all| all.split(',')).map(str::to_lowercase).collect();
    let listed = call.world.clock.now() - call.world.lag;
    let fits = |issue: &&Issue| {
        let state = match asks("state").unwrap_or("open") {
            "all" => true,
            state => (state == "closed") == issue.closed.is_some(),
        };
        let has = |name: &String| issue.labels.iter().any(|label| label.to_lowercase() == *name);
        state
            && issue.created_at <= listed
            && call.since(issue.updated_at)
            && asks("creator").is_none_or(|login| login.eq_ignore_ascii_case(&issue.user))
            && labels.iter().all(has)
            && (call.repo().has_issues || issue.is_pull_request)
    };
    let mut found: Vec<&Issue> = call.repo().issues.values().filter(fits).collect();
    let comments = |issue: &Issue| call.repo().comments_on(issue.number).count();
    call.sort(&mut found, false, |issue| match asks("sort") {
        Some("updated") => at(issue.updated_at, issue.number),
        Some("comments") => (i64::try_from(comments(issue)).unwrap(), issue.number),
        _ => at(issue.created_at, issue.number),
    });
    let render = call.render();
    Ok(call.page(found.into_iter().map(|issue| render.issue(issue)).collect()))
}

pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    if !call.repo().has_issues {
        return Err(Answer::error(410, "Issues are disabled for this repo"));
    }
    let title = title(call)?.filter(|title| !title.trim().is_empty());
    let title = title.ok_or_else(|| Answer::invalid("Issue", "title", "missing_field"))?;
    let body = body(call)?;
    // Labels of those who may not put them on are dropped without a word.
    let may_label = call.role() >= Role::Triage;
    let labels = labels(call)?.filter(|_| may_label).unwrap_or_default();
    let new = NewIssue { title, body, labels, is_pull_request: false };
    let number = call.world.open_issue(call.repo, &call.login(), new);
    Ok(Answer::created(one(call, number)))
}

pub(super) fn read(call: &mut Call<'_>) -> Outcome {
    let number = call.issue()?;
    Ok(Answer::ok(one(call, number)))
}

pub(super) fn update(call: &mut Call<'_>) -> Outcome {
    let number = call.issue()?;
    let mut changes = Vec::new();
    changes.extend(title(call)?.map(Change::Title));
    if call.request.field("body").is_some() {
        changes.push(Change::Body(body(call)?));
    }
    changes.extend(labels(call)?.map(Change::Labels));
    changes.extend(state(call));
    for change in changes {
        let issue = &call.repo().issues[&number];
        if change.allowed(&call.login(), &call.role(), issue) {
            call.world.change(call.repo, number, &call.login(), change);
        } else if !matches!(change, Change::Labels(_)) {
            return Err(Answer::error(403, "Must have admin rights to Repository."));
        }
    }
    Ok(Answer::ok(one(call, number)))
}

pub(super) fn events(call: &mut Call<'_>) -> Outcome {
    let number = call.issue()?;
    let render = call.render();
    let of_it = call.repo().events.iter().filter(|event| event.issue == number);
    Ok(call.page(of_it.map(|event| render.event(event)).collect()))
}

/// The newest come first here, and only here.
pub(super) fn events_of_repo(call: &mut Call<'_>) -> Outcome {
    let (render, repo) = (call.render(), call.repo());
    let mut events = Vec::new();
    for event in repo.events.iter().rev() {
        if let Some(issue) = repo.issues.get(&event.issue) {
            let mut json = render.event(event);
            // Only the history of one issue tells why it was closed.
            json.as_object_mut().unwrap().remove("state_reason");
            json["issue"] = render.issue(issue);
            events.push(json);
        }
    }
    Ok(call.page(events))
}

fn one(call: &Call<'_>, number: u64) -> Value {
    call.render().issue(&call.repo().issues[&number])
}

fn title(call: &Call<'_>) -> Result<Option<String>, Answer> {
    let title = call.request.text("title");
    if title.as_ref().is_some_and(|title| title.chars().count() > LONGEST_TITLE) {
        return Err(Answer::invalid("Issue", "title", "custom"));
    }
    Ok(title)
}

fn body(call: &Call<'_>) -> Result<Option<String>, Answer> {
    let body = call.request.text("body");
    if body.as_ref().is_some_and(|body| body.chars().count() > LONGEST_BODY) {
        return Err(Answer::invalid("Issue", "body", "custom"));
    }
    Ok(body)
}

fn labels(call: &Call<'_>) -> Result<Option<Vec<String>>, Answer> {
    call.request.field("labels").map(super::labels::names).transpose()
}

fn state(call: &Call<'_>) -> Option<Change> {
    let reason = match call.request.text("state_reason").as_deref() {
        Some("not_planned") => Reason::NotPlanned,
        Some("duplicate") => Reason::Duplicate,
        _ => Reason::Completed,
    };
    match call.request.text("state")?.as_str() {
        "closed" => Some(Change::Close(reason)),
        _ => Some(Change::Reopen),
    }
}

/// Nobody has any.
pub(super) fn no_pulls(call: &mut Call<'_>) -> Outcome {
    Ok(call.page(Vec::new()))
}
