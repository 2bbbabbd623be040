//! Times, sizes and statuses as people say them.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde::Serializer;

use super::page::{ALERT, DIM, PLAIN, Span};
use crate::model::{Instant, Status};

/// How long before `now` something was, in one unit: `12s`, `3m`, `2h`, `5d`.
pub(super) fn age(now: Instant, then: Instant) -> String {
    brief(between(then, now))
}

/// A length of time in one unit, rounded down.
pub(super) fn brief(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A length of time, to the precision that people care about.
pub(super) fn took(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{:.1}s", time.as_secs_f64()),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600..172_800 => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// The time from `start` to `end`; none if the two are the wrong way round, as
/// they can be when rows are written by hand.
pub(super) fn between(start: Instant, end: Instant) -> Duration {
    (end - start).to_std().unwrap_or_default()
}

/// A number of bytes.
pub(super) fn size(bytes: u64) -> String {
    let mut amount = bytes as f64;
    let mut unit = None;
    for larger in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        if amount < 1024.0 {
            break;
        }
        amount /= 1024.0;
        unit = Some(larger);
    }
    match unit {
        Some(unit) => format!("{amount:.1} {unit}"),
        None => format!("{bytes} B"),
    }
}

/// A number with its noun: `1 agent`, `2 agents`.
pub fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// How many wait: `1 waits`, `2 wait`.
pub(super) fn wait(number: usize) -> String {
    match number {
        1 => "1 waits".to_owned(),
        more => format!("{more} wait"),
    }
}

/// A list as a sentence has it: `a`, `a and b`, `a, b and c`.
pub(super) fn list<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    match items.as_slice() {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [start @ .., last] => format!("{} and {last}", start.join(", ")),
    }
}

/// A status with its symbol.
pub(super) fn status(status: Status) -> Span {
    Span::new(style(status), format!("{} {status}", symbol(status)))
}

/// A status as a sentence has it, after `is` or `has been`.
pub(super) fn state(status: Status) -> &'static str {
    match status {
        Status::Feedback => "in feedback",
        other => other.as_str(),
    }
}

/// The symbol of a status, for where its word does not fit.
pub(super) fn symbol(status: Status) -> char {
    match status {
        Status::Draft => '·',
        Status::Ready => '○',
        Status::Building => '▸',
        Status::Feedback => '!',
        Status::Complete => '✓',
    }
}

/// The style of a status.
pub(super) fn style(status: Status) -> Style {
    match status {
        Status::Draft => DIM,
        Status::Ready => PLAIN,
        Status::Building => AnsiColor::Blue.on_default(),
        Status::Feedback => ALERT,
        Status::Complete => AnsiColor::Green.on_default(),
    }
}

/// Writes a duration as seconds; for fields named `…_seconds`.
pub(super) fn seconds<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_one_unit() {
        let now = Instant::UNIX_EPOCH + Duration::from_secs(10_000_000);
        let ages = [0, 59, 60, 3599, 3600, 47 * 3600, 48 * 3600, 5 * 86_400]
            .map(|seconds| age(now, now - Duration::from_secs(seconds)));
        assert_eq!(ages, ["0s", "59s", "1m", "59m", "1h", "47h", "2d", "5d"]);
        assert_eq!(age(now, now + Duration::from_secs(5)), "0s");
    }

    #[test]
    fn a_length_of_time_has_two_units_at_most() {
        let times = [0, 400, 9_990, 12_300, 200_000, 7_500_000, 273_600_000]
            .map(|millis| took(Duration::from_millis(millis)));
        assert_eq!(times, ["0.0s", "0.4s", "10.0s", "12.3s", "3m 20s", "2h 05m", "3d 4h"]);
    }

    #[test]
    fn a_size_has_a_unit_that_keeps_it_short() {
        let sizes = [0, 1023, 1024, 1536, 5 * 1024 * 1024, u64::MAX].map(size);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 MiB", "16.0 EiB"]);
    }

    #[test]
    fn a_list_reads_like_a_sentence() {
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b"]), "a and b");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }
}
