//! `codex exec --json`.
//!
//! Its figures are of the whole thread, earlier calls included. Input includes
//! what was cached, and output what was reasoned. It tells neither turns nor
//! money.

use serde_json::Value as Json;

use super::{End, Fault, Transcript, count, fault, text, words::is_denial};
use crate::model::Usage;

pub(super) fn hear(told: &mut Transcript, event: &Json) -> Option<String> {
    match text(event, "/type")? {
        "thread.started" => {
            told.is_about(event, "/thread_id");
            None
        }
        "item.started" => {
            let item = event.get("item")?;
            match text(item, "/type")? {
                "error" | "reasoning" | "agent_message" => None,
                _ => told.tool(&tool(item)?, item.get("arguments").unwrap_or(item)),
            }
        }
        "item.completed" => completed(told, event.get("item")?),
        "turn.completed" => {
            let (input, cached) =
                (count(event, "/usage/input_tokens"), count(event, "/usage/cached_input_tokens"));
            let output = count(event, "/usage/output_tokens");
            let reasoning = count(event, "/usage/reasoning_output_tokens");
            told.counted = Some(Usage {
                uncached_input: input.saturating_sub(cached),
                cache_read: cached,
                cache_write: count(event, "/usage/cache_write_input_tokens"),
                output: output.saturating_sub(reasoning),
                reasoning,
                ..Usage::default()
            });
            told.end = Some(End::Good);
            None
        }
        "turn.failed" => {
            let said = text(event, "/error/message").unwrap_or("its turn failed");
            told.end = Some(End::Bad(fault(said, None), said.to_owned()));
            Some(said.to_owned())
        }
        "error" => {
            // It may go well at the next try, and then the turn is completed.
            let said = text(event, "/message")?;
            let fault = fault(said, None);
            told.refused((fault == Fault::Login).then_some(401));
            told.end = Some(End::Bad(fault, said.to_owned()));
            Some(said.to_owned())
        }
        _ => None,
    }
}

fn completed(told: &mut Transcript, item: &Json) -> Option<String> {
    match text(item, "/type")? {
        "error" => text(item, "/message").map(str::to_owned),
        "reasoning" => None,
        "agent_message" => {
            told.call.turns = told.call.turns.saturating_add(1);
            told.said(text(item, "/text")?)
        }
        _ => {
            told.call.turns = told.call.turns.saturating_add(1);
            told.answered = true;
            // What a tool of a server says itself can be about anything.
            let unapproved =
                text(item, "/error/message").is_some_and(|said| said.contains("approval"));
            if unapproved || text(item, "/status").is_some_and(is_denial) {
                told.was_denied(&tool(item)?);
            }
            None
        }
    }
}

/// What a tool is called: the kind of its item, or its own name where it is one
/// of a server.
fn tool(item: &Json) -> Option<String> {
    match (text(item, "/server"), text(item, "/tool")) {
        (Some(server), Some(tool)) => Some(format!("{server}.{tool}")),
        _ => text(item, "/type").map(str::to_owned),
    }
}
