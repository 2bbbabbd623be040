//! Amounts as people write them: `30m`, `5MiB`.

use std::time::Duration;

use super::{
    fields::Reading,
    values::{expected, scalar},
    yaml::{Node, Value},
};

/// The longest duration that can be meant.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// The smallest and the largest limit for an artifact: git hosts refuse files
/// from 100 MiB on, and warn from 50.
const SIZES: (u64, u64) = (1024, 50 * 1024 * 1024);

/// A duration of whole seconds, from a second to a year.
pub(super) fn duration(node: &Node, cx: &mut Reading<'_>) -> Option<Duration> {
    let example = "write it as `90s`, `30m` or `2h`";
    if let Value::Int { written, .. } = &node.value {
        expected(node, "a duration with its unit", cx)
            .hint(format!("write `{written}s` for seconds, `{written}m` for minutes"));
        return None;
    }
    let text = scalar(node, "a duration, such as `30m`", cx)?;
    match humantime::parse_duration(text) {
        Err(_) => {
            cx.error(node.span, format!("`{text}` is not a duration")).hint(example);
            None
        }
        Ok(duration) if duration.subsec_nanos() > 0 || duration.is_zero() => {
            cx.error(node.span, format!("`{text}` is not a whole number of seconds, from 1 on"))
                .hint(example);
            None
        }
        Ok(duration) if duration > LONGEST => {
            cx.error(node.span, format!("`{text}` is longer than 365 days")).hint(example);
            None
        }
        Ok(duration) => Some(duration),
    }
}

/// A size in bytes.
pub(super) fn size(node: &Node, cx: &mut Reading<'_>) -> Option<u64> {
    let text = scalar(node, "a size, such as `5MiB`", cx)?;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "B" => Some(1),
        "KiB" => Some(1024),
        "MiB" => Some(1024 * 1024),
        "kB" | "KB" => Some(1000),
        "MB" => Some(1_000_000),
        _ => None,
    };
    let bytes = number.parse::<u64>().ok().zip(factor);
    let bytes = bytes.and_then(|(number, factor)| number.checked_mul(factor));
    match bytes {
        Some(bytes) if (SIZES.0..=SIZES.1).contains(&bytes) => Some(bytes),
        Some(_) => {
            cx.error(node.span, format!("`{text}` is out of range")).hint("use 1KiB to 50MiB");
            None
        }
        None => {
            cx.error(node.span, format!("`{text}` is not a size"))
                .hint("write it as `500KiB` or `5MiB`");
            None
        }
    }
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
