//! `opencode run --format json`.
//!
//! Its figures are of each step, and none includes another. The money comes
//! from the prices that it is configured with; 0 is no price. A step that ends
//! with tool calls is never the last of a good end: when a tool was denied, the
//! stream just ends there.

use serde_json::Value as Json;

use super::{End, Transcript, count, dollars, fault, text, words::is_denial};
use crate::model::{CostBasis, Usage, Usd};

pub(super) fn hear(told: &mut Transcript, event: &Json) -> Option<String> {
    let kind = text(event, "/type")?;
    if !matches!(kind, "step_start" | "text" | "tool_use" | "step_finish" | "error") {
        return None;
    }
    told.is_about(event, "/sessionID");
    let part = event.get("part");
    match kind {
        "step_start" => {
            told.end = None;
            None
        }
        "text" => told.said(text(part?, "/text")?),
        "tool_use" => {
            let (part, name) = (part?, text(part?, "/tool")?);
            let error = text(part, "/state/error").unwrap_or_default();
            if text(part, "/state/status") == Some("error") && is_denial(error) {
                told.was_denied(name);
            }
            told.tool(name, part.pointer("/state/input").unwrap_or(&Json::Null))
        }
        "step_finish" => {
            let part = part?;
            told.answered = true;
            told.end = match text(part, "/reason") {
                Some("stop") => Some(End::Good),
                Some("tool-calls") | None => None,
                Some(reason) => {
                    let said = format!("its last step ended with `{reason}`");
                    Some(End::Bad(fault(&said, None), said))
                }
            };
            let cost = dollars(part, "/cost", CostBasis::Computed);
            let step = Usage {
                uncached_input: count(part, "/tokens/input"),
                cache_read: count(part, "/tokens/cache/read"),
                cache_write: count(part, "/tokens/cache/write"),
                output: count(part, "/tokens/output"),
                reasoning: count(part, "/tokens/reasoning"),
                turns: 1,
                cost: cost.filter(|cost| cost.usd > Usd::default()),
            };
            told.call = told.call + step;
            None
        }
        _ => {
            let said = text(event, "/error/data/message").or(text(event, "/error/name"));
            let said = said.unwrap_or("its last event is an error");
            let status = event.pointer("/error/data/statusCode").and_then(Json::as_u64);
            told.refused(status);
            told.end = Some(End::Bad(fault(said, status), said.to_owned()));
            Some(said.to_owned())
        }
    }
}
