//! Comments, and the reactions to them and to issues.

use super::{Answer, Call, Outcome, issues::LONGEST_BODY, list::at};
use crate::support::github::world::{Comment, Role};

pub(super) fn of_issue(call: &mut Call<'_>) -> Outcome {
    let number = call.issue()?;
    let on_it = call.repo().comments_on(number).filter(|comment| call.since(comment.updated_at));
    let render = call.render();
    Ok(call.page(on_it.map(|comment| render.comment(comment)).collect()))
}

pub(super) fn of_repo(call: &mut Call<'_>) -> Outcome {
    let all = call.repo().comments.values();
    let mut found: Vec<&Comment> = all.filter(|comment| call.since(comment.updated_at)).collect();
    call.sort(&mut found, true, |comment| match call.request.asks("sort") {
        Some("updated") => at(comment.updated_at, comment.id),
        _ => at(comment.created_at, comment.id),
    });
    let render = call.render();
    Ok(call.page(found.into_iter().map(|comment| render.comment(comment)).collect()))
}

pub(super) fn read(call: &mut Call<'_>) -> Outcome {
    let id = comment(call)?;
    Ok(Answer::ok(call.render().comment(&call.repo().comments[&id])))
}

pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    let (number, body) = (call.issue()?, body(call)?);
    if call.repo().issues[&number].locked && (call.token.of_app || call.role() < Role::Write) {
        return Err(Answer::error(403, "Unable to create comment because issue is locked."));
    }
    let id = call.world.comment(call.repo, number, &call.login(), &body);
    Ok(Answer::created(call.render().comment(&call.repo().comments[&id])))
}

pub(super) fn update(call: &mut Call<'_>) -> Outcome {
    let id = own_comment(call)?;
    let body = body(call)?;
    call.world.edit_comment(call.repo, id, &body);
    Ok(Answer::ok(call.render().comment(&call.repo().comments[&id])))
}

pub(super) fn delete(call: &mut Call<'_>) -> Outcome {
    let id = own_comment(call)?;
    call.world.repos[call.repo].comments.remove(&id);
    Ok(Answer::nothing())
}

pub(super) fn reactions(call: &mut Call<'_>) -> Outcome {
    let id = comment(call)?;
    Ok(reactions_on(call, id))
}

pub(super) fn react(call: &mut Call<'_>) -> Outcome {
    let id = comment(call)?;
    Ok(react_on(call, id))
}

pub(super) fn reactions_of_issue(call: &mut Call<'_>) -> Outcome {
    let id = call.repo().issues[&call.issue()?].id;
    Ok(reactions_on(call, id))
}

pub(super) fn react_to_issue(call: &mut Call<'_>) -> Outcome {
    let id = call.repo().issues[&call.issue()?].id;
    Ok(react_on(call, id))
}

fn reactions_on(call: &Call<'_>, on: u64) -> Answer {
    let (render, wanted) = (call.render(), call.request.asks("content"));
    let on_it = call.repo().reactions.iter().filter(|reaction| reaction.on == on);
    let found = on_it.filter(|reaction| wanted.is_none_or(|face| face == reaction.content));
    call.page(found.map(|reaction| render.reaction(reaction)).collect())
}

fn react_on(call: &mut Call<'_>, on: u64) -> Answer {
    let content = call.request.text("content").unwrap_or_default();
    let (reaction, is_new) = call.world.react(call.repo, on, &call.login(), &content);
    Answer::json(if is_new { 201 } else { 200 }, call.render().reaction(&reaction))
}

/// The id in the third gap, of a comment that is there.
fn comment(call: &Call<'_>) -> Result<u64, Answer> {
    let id = call.gaps[2].parse().map_err(|_| Answer::not_found())?;
    call.repo().comments.get(&id).map(|comment| comment.id).ok_or_else(Answer::not_found)
}

/// The same, where the sender may change it.
fn own_comment(call: &Call<'_>) -> Result<u64, Answer> {
    let id = comment(call)?;
    if call.repo().comments[&id].user != call.token.login {
        call.at_least(&Role::Write)?;
    }
    Ok(id)
}

fn body(call: &Call<'_>) -> Result<String, Answer> {
    let body = call.request.text("body").unwrap_or_default();
    if body.trim().is_empty() || body.chars().count() > LONGEST_BODY {
        return Err(Answer::invalid("IssueComment", "body", "custom"));
    }
    Ok(body)
}
