//! Pull requests.

use super::{Answer, Call, Outcome, list::at};
use crate::support::github::world::Pull;

pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    let asks = |name| call.request.asks(name);
    let issue = |pull: &Pull| &call.repo().issues[&pull.number];
    let fits = |pull: &&Pull| {
        let state = match asks("state").unwrap_or("open") {
            "all" => true,
            state => (state == "closed") == issue(pull).closed.is_some(),
        };
        // What is not `owner:branch` is no filter.
        let head = asks("head").and_then(|head| head.split_once(':'));
        state
            && head.is_none_or(|(owner, branch)| {
                pull.head.owner.eq_ignore_ascii_case(owner) && pull.head.branch == branch
            })
            && asks("base").is_none_or(|base| base == "main")
    };
    let mut found: Vec<&Pull> = call.repo().pulls.values().filter(fits).collect();
    // The newest first, unless they are sorted by something else.
    let ascending = asks("sort").is_some_and(|sort| sort != "created");
    call.sort(&mut found, ascending, |pull| match asks("sort") {
        Some("updated") => at(issue(pull).updated_at, pull.number),
        _ => at(issue(pull).created_at, pull.number),
    });
    let render = call.render();
    Ok(call.page(found.into_iter().map(|pull| render.pull(pull)).collect()))
}

pub(super) fn read(call: &mut Call<'_>) -> Outcome {
    let number: Option<u64> = call.gaps[2].parse().ok();
    let pull = number.and_then(|number| call.repo().pulls.get(&number));
    let pull = pull.ok_or_else(Answer::not_found)?;
    Ok(Answer::ok(call.render().whole_pull(pull)))
}
