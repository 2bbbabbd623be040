//! Amounts as people write them: `30m`, `5MiB`.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{
    fields::Reading,
    kind::Kind,
    values::{expected, scalar},
    yaml::{Node, Value},
};
use crate::model::{BadUsd, Usd};

/// The longest duration that can be meant.
const LONGEST: Duration = Duration::from_secs(365 * DAY);
const DAY: u64 = 24 * 60 * 60;
/// The units of durations, each with its ways of writing it. There are no
/// months: in other tools, `M` is one and `m` is a minute.
const TIMES: [(&[&str], u64); 5] = [
    (&["s", "sec", "secs", "second", "seconds"], 1),
    (&["m", "min", "mins", "minute", "minutes"], 60),
    (&["h", "hr", "hrs", "hour", "hours"], 60 * 60),
    (&["d", "day", "days"], DAY),
    (&["w", "week", "weeks"], 7 * DAY),
];
/// The smallest and the largest limit for an artifact: git hosts refuse files
/// from 100 MiB on, and warn from 50.
const SIZES: (u64, u64) = (1024, 50 * 1024 * 1024);
const BYTES: [(&[&str], u64); 5] = [
    (&["", "B"], 1),
    (&["KiB"], 1 << 10),
    (&["MiB"], 1 << 20),
    (&["kB", "KB"], 1000),
    (&["MB"], 1_000_000),
];

/// A duration of whole seconds, from a second to a year.
impl Kind for Duration {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        let example = "write it as `90s`, `30m` or `2h`";
        if let Value::Int { written, .. } = &node.value {
            expected(node, "a duration with its unit", cx)
                .hint(format!("write `{written}s` for seconds, `{written}m` for minutes"));
            return None;
        }
        let text = scalar(node, "a duration, such as `30m`", cx)?;
        let what = match amount(text, &TIMES, usize::MAX) {
            None => "is not a duration",
            Some(0) => "is no time at all",
            Some(seconds) if seconds > LONGEST.as_secs() => "is longer than 365 days",
            Some(seconds) => return Some(Self::from_secs(seconds)),
        };
        cx.error(node.span, format!("`{text}` {what}")).hint(example);
        None
    }

    fn schema() -> Json {
        json!({
            "type": "string",
            "pattern": format!("^ *({})+$", part(&TIMES)),
            "examples": ["90s", "30m", "2h", "1d 12h"],
            "description": "A duration such as `90s`, `30m`, `2h` or `1d 12h`.",
        })
    }
}

/// The size of an artifact, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size(pub(super) u64);

impl Kind for Size {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        let text = scalar(node, "a size, such as `5MiB`", cx)?;
        let (what, hint) = match amount(text, &BYTES, 1) {
            Some(bytes) if (SIZES.0..=SIZES.1).contains(&bytes) => return Some(Self(bytes)),
            Some(_) => ("is out of range", "use 1KiB to 50MiB"),
            None => ("is not a size", "write it as `500KiB` or `5MiB`"),
        };
        cx.error(node.span, format!("`{text}` {what}")).hint(hint);
        None
    }

    fn schema() -> Json {
        json!({
            "type": ["string", "integer"],
            "minimum": SIZES.0,
            "maximum": SIZES.1,
            "pattern": format!("^ *{}$", part(&BYTES)),
            "examples": ["500KiB", "5MiB"],
            "description": "A size such as `500KiB` or `5MiB`, or a number of bytes.",
        })
    }
}

/// An amount of money in US dollars, from a millionth up.
/// What a million tokens cost, in US dollars: nothing, too.
#[derive(Clone, Copy, Debug)]
pub(super) struct PerMillion(pub(super) Usd);

impl Kind for PerMillion {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        let (Value::Int { written, .. } | Value::Float { written }) = &node.value else {
            expected(node, "US dollars for a million tokens, such as 1.25", cx);
            return None;
        };
        match written.parse() {
            Ok(usd) => Some(Self(usd)),
            Err(err) => {
                cx.error(node.span, BadUsd::to_string(&err));
                None
            }
        }
    }

    fn schema() -> Json {
        json!({
            "type": "number",
            "minimum": 0,
            "maximum": 999_999_999,
            "examples": [1.25],
            "description": "US dollars for a million tokens.",
        })
    }
}

impl Kind for Usd {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        let (Value::Int { written, .. } | Value::Float { written }) = &node.value else {
            expected(node, "an amount in US dollars, such as 4 or 0.25", cx);
            return None;
        };
        let what = match written.parse() {
            Ok(usd) if usd > Self::default() => return Some(usd),
            Ok(_) => format!("a budget of {written} lets nothing start"),
            Err(err) => BadUsd::to_string(&err),
        };
        cx.error(node.span, what).hint("leave it out for no limit, or write one such as 4 or 0.25");
        None
    }

    fn schema() -> Json {
        json!({
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 999_999_999,
            "examples": [4, 0.25],
            "description": "An amount in US dollars such as 4 or 0.25.",
        })
    }
}

type Units = [(&'static [&'static str], u64)];

/// The sum of up to `most` numbers with a unit each.
fn amount(text: &str, units: &Units, most: usize) -> Option<u64> {
    let mut rest = text.trim_start_matches(' ');
    let mut sum = 0_u64;
    for _ in 0..most {
        let (number, after) = split(rest, |c| !c.is_ascii_digit());
        let (unit, after) = split(after.trim_start_matches(' '), |c| !c.is_ascii_alphabetic());
        let (_, factor) = units.iter().find(|(names, _)| names.contains(&unit))?;
        sum = sum.checked_add(number.parse::<u64>().ok()?.checked_mul(*factor)?)?;
        rest = after.trim_start_matches(' ');
        if rest.is_empty() {
            return Some(sum);
        }
    }
    None
}

/// `text` before and from the first character that is an `end`.
fn split(text: &str, end: fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(end).unwrap_or(text.len()))
}

/// One number with its unit, as a regular expression.
fn part(units: &Units) -> String {
    let names: Vec<&str> = units.iter().flat_map(|(names, _)| *names).copied().collect();
    format!("[0-9]+ *({}) *", names.join("|"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::plan::testing::check;

    fn settings(yaml: &str) -> crate::model::ProjectSettings {
        let plan = check(&format!("--- waves/project.yaml\nproject: p\n{yaml}\n"));
        plan.unwrap().project.settings
    }

    #[test]
    fn durations_have_the_units_that_people_write() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("1h 30m", 5400), ("365d", 31_536_000)]
        {
            let read = settings(&format!("grace: {text}")).grace;
            assert_eq!(read, Duration::from_secs(seconds), "{text}");
        }
    }

    #[test]
    fn sizes_have_the_units_that_people_write() {
        for (text, bytes) in [
            ("2048", 2048),
            ("2048 B", 2048),
            ("1KiB", 1024),
            ("5 MiB", 5 << 20),
            ("1MB", 1_000_000),
        ] {
            let read = settings(&format!("artifacts: {{ max_size: {text} }}"));
            assert_eq!(read.max_artifact_bytes, bytes, "{text}");
        }
    }
}
