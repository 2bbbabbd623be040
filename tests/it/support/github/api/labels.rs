//! Labels, of the repo and of its issues.

use serde_json::Value;

use super::{Answer, Call, Outcome};
use crate::support::github::world::{Change, Label, Role};

/// The longest name that GitHub takes, in characters.
const LONGEST: usize = 50;

pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    let render = call.render();
    Ok(call.page(call.repo().labels.values().map(|label| render.label(label)).collect()))
}

pub(super) fn read(call: &mut Call<'_>) -> Outcome {
    let label = named(call)?;
    Ok(Answer::ok(call.render().label(&label)))
}

pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    call.at_least(&Role::Write)?;
    let name = checked(&call.request.text("name").unwrap_or_default())?;
    if call.repo().labels.contains_key(&name.to_lowercase()) {
        return Err(Answer::invalid("Label", "name", "already_exists"));
    }
    color(call)?;
    call.world.label(call.repo, &name);
    let label = paint(call, &name)?;
    Ok(Answer::created(call.render().label(&label)))
}

pub(super) fn update(call: &mut Call<'_>) -> Outcome {
    call.at_least(&Role::Write)?;
    let name = named(call)?.name;
    let label = paint(call, &name)?;
    Ok(Answer::ok(call.render().label(&label)))
}

pub(super) fn of_issue(call: &mut Call<'_>) -> Outcome {
    let number = call.issue()?;
    Ok(on(call, number))
}

pub(super) fn add(call: &mut Call<'_>) -> Outcome {
    let (number, added) = (call.issue()?, given(call)?);
    let mut labels = call.repo().issues[&number].labels.clone();
    labels.extend(added);
    put(call, number, labels)
}

pub(super) fn set(call: &mut Call<'_>) -> Outcome {
    let (number, labels) = (call.issue()?, given(call)?);
    put(call, number, labels)
}

pub(super) fn remove(call: &mut Call<'_>) -> Outcome {
    let number = call.issue()?;
    let mut labels = call.repo().issues[&number].labels.clone();
    let before = labels.len();
    labels.retain(|name| !name.eq_ignore_ascii_case(&call.gaps[3]));
    if labels.len() == before {
        return Err(Answer::error(404, "Label does not exist"));
    }
    put(call, number, labels)
}

/// The names in a list of labels, each of them a text or an object.
pub(super) fn names(list: &Value) -> Result<Vec<String>, Answer> {
    let given = list.as_array().into_iter().flatten();
    given.map(|label| checked(label.as_str().or(label["name"].as_str()).unwrap_or(""))).collect()
}

fn given(call: &Call<'_>) -> Result<Vec<String>, Answer> {
    match &call.request.body {
        Some(list @ Value::Array(_)) => names(list),
        Some(object) => names(&object["labels"]),
        None => Ok(Vec::new()),
    }
}

fn put(call: &mut Call<'_>, number: u64, labels: Vec<String>) -> Outcome {
    call.at_least(&Role::Triage)?;
    call.world.change(call.repo, number, &call.login(), Change::Labels(labels));
    Ok(on(call, number))
}

fn on(call: &Call<'_>, number: u64) -> Answer {
    let (repo, render) = (call.repo(), call.render());
    let labels = repo.issues[&number].labels.iter().map(|name| &repo.labels[&name.to_lowercase()]);
    call.page(labels.map(|label| render.label(label)).collect())
}

fn named(call: &Call<'_>) -> Result<Label, Answer> {
    let label = call.repo().labels.get(&call.gaps[2].to_lowercase());
    label.cloned().ok_or_else(Answer::not_found)
}

fn checked(name: &str) -> Result<String, Answer> {
    if name.is_empty() || name.contains(',') || name.chars().count() > LONGEST {
        return Err(Answer::invalid("Label", "name", "invalid"));
    }
    Ok(name.to_owned())
}

/// Gives a label the colour and the description that the request says.
fn paint(call: &mut Call<'_>, name: &str) -> Result<Label, Answer> {
    let (color, description) = (color(call)?, call.request.text("description"));
    let repo = &mut call.world.repos[call.repo];
    let label = repo.labels.get_mut(&name.to_lowercase()).ok_or_else(Answer::not_found)?;
    label.color = color.unwrap_or_else(|| label.color.clone());
    label.description = description.or_else(|| label.description.take());
    Ok(label.clone())
}

fn color(call: &Call<'_>) -> Result<Option<String>, Answer> {
    let color = call.request.text("color");
    let hex = |color: &String| color.len() == 6 && color.bytes().all(|b| b.is_ascii_hexdigit());
    if color.as_ref().is_some_and(|color| !hex(color)) {
        return Err(Answer::invalid("Label", "color", "invalid"));
    }
    Ok(color)
}
