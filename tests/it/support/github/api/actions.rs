//! Workflows, what starts them, and the variables they read.

use serde_json::{Value, json};

use super::{Answer, Call, Outcome, clock};
use crate::support::github::world::{Dispatch, Role, Workflow};

pub(super) fn workflows(call: &mut Call<'_>) -> Outcome {
    let render = call.render();
    let all = call.repo().workflows.iter().map(|workflow| render.workflow(workflow)).collect();
    Ok(call.named_page("workflows", all))
}

pub(super) fn workflow(call: &mut Call<'_>) -> Outcome {
    let workflow = named(call)?;
    Ok(Answer::ok(call.render().workflow(&workflow)))
}

pub(super) fn dispatch(call: &mut Call<'_>) -> Outcome {
    call.at_least(&Role::Write)?;
    let workflow = named(call)?;
    let git_ref = call.request.text("ref").unwrap_or_default();
    let Some(known) = workflow.dispatch else {
        return Err(Answer::unprocessable("Workflow does not have 'workflow_dispatch' trigger"));
    };
    if workflow.disabled {
        let refusal = "Cannot trigger a 'workflow_dispatch' on a disabled workflow";
        return Err(Answer::unprocessable(refusal));
    }
    if !matches!(git_ref.as_str(), "main" | "refs/heads/main") {
        return Err(Answer::unprocessable(&format!("No ref found for: {git_ref}")));
    }
    let inputs = call.request.field("inputs").cloned().unwrap_or_else(|| json!({}));
    let mut unknown = inputs.as_object().into_iter().flat_map(|given| given.keys().cloned());
    if let Some(name) = unknown.find(|name| !known.contains(name)) {
        return Err(Answer::unprocessable(&format!("Unexpected inputs provided: [\"{name}\"]")));
    }
    let run = record(call, workflow.file, inputs);
    if call.request.field("return_run_details") == Some(&Value::Bool(true)) {
        return Ok(Answer::ok(call.render().run(run)));
    }
    Ok(Answer::nothing())
}

pub(super) fn dispatch_repo(call: &mut Call<'_>) -> Outcome {
    call.at_least(&Role::Write)?;
    let payload = call.request.field("client_payload").cloned().unwrap_or(Value::Null);
    record(call, call.request.text("event_type").unwrap_or_default(), payload);
    Ok(Answer::nothing())
}

pub(super) fn variable(call: &mut Call<'_>) -> Outcome {
    let name = call.gaps[2].to_uppercase();
    let value = call.repo().variables.get(&name).ok_or_else(Answer::not_found)?;
    let since = clock::text(call.repo().created_at);
    Ok(Answer::ok(json!({
        "name": name, "value": value, "created_at": since, "updated_at": since,
    })))
}

pub(super) fn create_variable(call: &mut Call<'_>) -> Outcome {
    let name = call.request.text("name").unwrap_or_default().to_uppercase();
    if call.repo().variables.contains_key(&name) {
        return Err(Answer::error(409, "Already exists - Variable already exists"));
    }
    set_variable(call, name);
    Ok(Answer::created(json!({})))
}

pub(super) fn update_variable(call: &mut Call<'_>) -> Outcome {
    let name = call.gaps[2].to_uppercase();
    if !call.repo().variables.contains_key(&name) {
        return Err(Answer::not_found());
    }
    set_variable(call, name);
    Ok(Answer::nothing())
}

fn set_variable(call: &mut Call<'_>, name: String) {
    let value = call.request.text("value").unwrap_or_default();
    call.world.repos[call.repo].variables.insert(name, value);
}

/// By its id or by the name of its file.
fn named(call: &Call<'_>) -> Result<Workflow, Answer> {
    let named = &call.gaps[2];
    let mut all = call.repo().workflows.iter();
    let found = all.find(|workflow| workflow.file == *named || workflow.id.to_string() == *named);
    found.cloned().ok_or_else(Answer::not_found)
}

fn record(call: &mut Call<'_>, what: String, inputs: Value) -> u64 {
    let (run, by) = (call.world.id(), call.login());
    call.world.repos[call.repo].dispatches.push(Dispatch { what, by, inputs, run });
    run
}
