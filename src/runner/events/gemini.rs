//! `gemini -o stream-json`.
//!
//! Its figures are of this call. `input_tokens` includes what was cached; what
//! is in the total and neither input nor output was reasoned. It tells no money.

use serde_json::Value as Json;

use super::{End, Transcript, count, fault, text, words::is_denial};
use crate::model::Usage;

pub(super) fn hear(told: &mut Transcript, event: &Json) -> Option<String> {
    match text(event, "/type")? {
        "init" => {
            told.is_about(event, "/session_id");
            None
        }
        "message" if text(event, "/role") == Some("assistant") => {
            let content = text(event, "/content")?;
            let is_piece = event.pointer("/delta").and_then(Json::as_bool).unwrap_or(false);
            let before = told.text.take().filter(|_| is_piece).unwrap_or_default();
            let line = told.said(&format!("{before}{content}"));
            // White space at the end of a piece belongs to what follows.
            told.text = Some(format!("{before}{content}"));
            line
        }
        "tool_use" => {
            // What it says after a tool is another text.
            told.text = None;
            told.call.turns = told.call.turns.saturating_add(1);
            told.tool(text(event, "/tool_name")?, event.get("parameters")?)
        }
        "tool_result" => {
            let said = text(event, "/error/message").or(text(event, "/output")).unwrap_or_default();
            if text(event, "/status") == Some("error") && is_denial(said) {
                // Its id begins with its name.
                let id = text(event, "/tool_id").unwrap_or("a tool");
                let name = id.split_once("__").map_or(id, |(name, _)| name);
                told.was_denied(name);
            }
            None
        }
        "error" => text(event, "/message").map(str::to_owned),
        "result" => {
            let input = count(event, "/stats/input_tokens");
            let cached = count(event, "/stats/cached");
            let output = count(event, "/stats/output_tokens");
            let all = count(event, "/stats/total_tokens");
            told.call = Usage {
                uncached_input: input.saturating_sub(cached),
                cache_read: cached,
                output,
                reasoning: all.saturating_sub(input).saturating_sub(output),
                turns: told.call.turns.saturating_add(u64::from(told.answered)),
                ..Usage::default()
            };
            told.end = Some(if text(event, "/status") == Some("success") {
                End::Good
            } else {
                let said = text(event, "/error/message").unwrap_or("its last event is an error");
                End::Bad(fault(said, None), said.to_owned())
            });
            None
        }
        _ => None,
    }
}
