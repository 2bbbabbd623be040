//! The figures of events: counts, money, and what is neither.
//!
//! **Invariant:** a figure that is none costs its event nothing else. A program
//! that divides by zero prints `NaN`, which is no JSON, in an event that also
//! says how it ended.

use serde_json::Value as Json;

use crate::model::{Cost, CostBasis, Usd};

/// More than any program counts.
const MOST: f64 = 1e15;

/// What a line says, if it is JSON. Numbers that JSON has no word for, or that
/// nobody can hold, are null.
pub(super) fn parse(line: &[u8]) -> Option<Json> {
    serde_json::from_slice(line).ok().or_else(|| {
        let text = str::from_utf8(line).ok()?.trim();
        // Torn lines are many, and stay torn.
        let is_whole = text.starts_with('{') && text.ends_with('}');
        serde_json::from_str(&is_whole.then(|| without_odd_numbers(text))?).ok()
    })
}

/// The text with null for each bare word outside of quotes that is none of JSON's.
fn without_odd_numbers(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => quoted(rest),
            _ if is_bare(first) => rest.find(|c| !is_bare(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (piece, after) = rest.split_at(length);
        let odd = is_bare(first)
            && !matches!(piece, "true" | "false" | "null")
            && serde_json::from_str::<f64>(piece).is_err();
        plain += if odd { "null" } else { piece };
        rest = after;
    }
    plain
}

fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')
}

/// How long the text in quotes is that `text` begins with.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (place, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return place + 1,
            _ => {}
        }
    }
    text.len()
}

/// A count of an event, by a JSON pointer; what is no count is none.
pub(super) fn count(event: &Json, pointer: &str) -> u64 {
    let Some(found) = event.pointer(pointer) else { return 0 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "just looked at")]
    let whole = |number: f64| (0.0..MOST).contains(&number).then_some(number as u64);
    found.as_f64().and_then(whole).unwrap_or(0)
}

/// An amount of money in dollars, by a JSON pointer; what is no amount is none.
pub(super) fn dollars(event: &Json, pointer: &str, basis: CostBasis) -> Option<Cost> {
    let usd = event.pointer(pointer).and_then(Json::as_f64).and_then(Usd::from_dollars)?;
    Some(Cost { usd, basis })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_outlives_a_figure_that_is_none() {
        let parsed = |line: &str| parse(line.as_bytes()).map(|json| json.to_string());
        for (line, plain) in [
            (r#"{"a":NaN,"b":-Infinity,"c":1e400}"#, Some(r#"{"a":null,"b":null,"c":null}"#)),
            (r#"{"a":"NaN \" NaN","é":[NaN,1]}"#, Some(r#"{"a":"NaN \" NaN","é":[null,1]}"#)),
            (r#"{"a":-1.5e3,"b":true,"c":NaN}"#, Some(r#"{"a":-1500.0,"b":true,"c":null}"#)),
            (r#"{"a":NaN,"b":"torn"#, None),
            (r#"{"a":NaN,"b":"torn}"#, None),
            ("NaN", None),
        ] {
            assert_eq!(parsed(line).as_deref(), plain, "{line}");
        }
    }

    #[test]
    fn what_is_no_count_is_none() {
        let event = serde_json::json!({ "of": [7, 7.0, 7.9, -1, "7", 1e300, u64::MAX, null] });
        let counts: Vec<u64> = (0..9).map(|at| count(&event, &format!("/of/{at}"))).collect();
        assert_eq!(counts, [7, 7, 7, 0, 0, 0, 0, 0, 0]);
        assert_eq!(dollars(&event, "/of/3", CostBasis::Reported), None);
        assert_eq!(dollars(&event, "/of/5", CostBasis::Reported), None);
    }
}
