//! `claude -p … --output-format stream-json --verbose`.
//!
//! Its `usage` is of this call and of the main conversation alone; `modelUsage`
//! and `total_cost_usd` include what its own sub-agents used, and in some
//! versions earlier calls. Input excludes what was cached. Money is told at the
//! end only; tokens with each answer of the model, once for each of its parts.

use serde_json::Value as Json;

use super::{End, Fault, Transcript, count, dollars, fault, text};
use crate::model::{CostBasis, Usage};

pub(super) fn hear(told: &mut Transcript, event: &Json) -> Option<String> {
    match (text(event, "/type")?, text(event, "/subtype")) {
        ("system", Some("init")) => {
            told.is_about(event, "/session_id");
            None
        }
        ("system", Some("api_retry")) => {
            let status = event.pointer("/error_status").and_then(Json::as_u64);
            told.refused(status);
            let answer = status.map_or_else(|| "nothing".to_owned(), |status| status.to_string());
            let (attempt, of) = (count(event, "/attempt"), count(event, "/max_retries"));
            Some(format!(
                "the provider of the model answered {answer}: trying again, {attempt} of {of}"
            ))
        }
        ("assistant", _) if text(event, "/message/model") != Some("<synthetic>") => {
            if let Some(id) = text(event, "/message/id").filter(|_| told.end.is_none()) {
                told.answered_for(id, Usage { turns: 1, ..of_call(event, "/message/usage") });
            }
            let content = event.pointer("/message/content")?.as_array()?;
            let lines = content.iter().filter_map(|part| match text(part, "/type")? {
                "text" => told.said(text(part, "/text")?),
                "tool_use" => told.tool(text(part, "/name")?, part.get("input")?),
                _ => None,
            });
            lines.last()
        }
        ("result", subtype) => {
            result(told, event, subtype.unwrap_or_default());
            None
        }
        _ => None,
    }
}

fn result(told: &mut Transcript, event: &Json, subtype: &str) {
    told.is_about(event, "/session_id");
    let is_error = event.pointer("/is_error").and_then(Json::as_bool).unwrap_or(false);
    let said = text(event, "/result");
    told.end = Some(match subtype {
        // A missing key is a "success" with `is_error`.
        "success" if !is_error => End::Good,
        "error_max_turns" => End::Bad(Fault::Turns, "reached its limit of turns".into()),
        "error_max_budget_usd" => End::Bad(Fault::Budget, "spent its budget".into()),
        _ => {
            let error = text(event, "/errors/0").or(said).unwrap_or(subtype);
            let status = event.pointer("/api_error_status").and_then(Json::as_u64);
            End::Bad(fault(error, status), error.to_owned())
        }
    });
    if let Some(said) = said.filter(|said| !said.trim().is_empty()) {
        told.text = Some(said.trim().to_owned());
    }
    let denials = event.pointer("/permission_denials").and_then(Json::as_array);
    let denied = denials.into_iter().flatten().filter_map(|one| text(one, "/tool_name"));
    denied.for_each(|tool| told.was_denied(tool));

    told.call = Usage { turns: count(event, "/num_turns"), ..of_call(event, "/usage") };
    let cost = dollars(event, "/total_cost_usd", CostBasis::Reported);
    let models = event.pointer("/modelUsage").and_then(Json::as_object);
    told.counted = Some(match models {
        Some(models) => {
            let each = models.values().map(|model| Usage {
                uncached_input: count(model, "/inputTokens"),
                cache_read: count(model, "/cacheReadInputTokens"),
                cache_write: count(model, "/cacheCreationInputTokens"),
                output: count(model, "/outputTokens"),
                ..Usage::default()
            });
            Usage { cost, ..each.sum() }
        }
        None => Usage { cost, ..Usage::default() },
    });
}

/// The tokens at `place`.
fn of_call(event: &Json, place: &str) -> Usage {
    let count = |what: &str| count(event, &format!("{place}/{what}"));
    Usage {
        uncached_input: count("input_tokens"),
        cache_read: count("cache_read_input_tokens"),
        cache_write: count("cache_creation_input_tokens"),
        output: count("output_tokens"),
        ..Usage::default()
    }
}
