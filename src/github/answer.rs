//! One answer of GitHub: as much of it as anything here asks for.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use crate::model::Instant;

/// One answer, read to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub status: u16,
    pub head: Head,
    pub body: String,
}

/// The headers that mean something to us. One that makes no sense is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// GitHub's clock.
    pub date: Option<Instant>,
    /// How long to stay away.
    pub retry_after: Option<Duration>,
    /// How many requests are left.
    pub remaining: Option<u64>,
    /// When there are more again, in seconds since 1970.
    pub reset: Option<i64>,
    /// Where a redirect leads.
    pub location: Option<String>,
    /// Where the next page is.
    pub next: Option<String>,
    /// The permissions that would have done.
    pub needs: Option<String>,
    /// What a classic token may do.
    pub scopes: Option<Vec<String>>,
}

impl Head {
    /// Picks them out of all headers, given how to look one up.
    pub(super) fn read<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Self {
        let number = |name| header(name).and_then(|text| text.trim().parse().ok());
        let date = header("date").and_then(http_date);
        Self {
            date,
            retry_after: header("retry-after").and_then(|text| retry_after(text, date)),
            remaining: number("x-ratelimit-remaining").and_then(|left: i64| left.try_into().ok()),
            reset: number("x-ratelimit-reset"),
            location: header("location").map(str::to_owned),
            next: header("link").and_then(super::link::next).map(str::to_owned),
            needs: header("x-accepted-github-permissions").and_then(permissions),
            scopes: header("x-oauth-scopes").map(|text| {
                let scopes = text.split(',').map(str::trim).filter(|scope| !scope.is_empty());
                scopes.map(str::to_owned).collect()
            }),
        }
    }
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether it is to be had elsewhere.
    pub(super) fn is_redirect(&self) -> bool {
        matches!(self.status, 301 | 302 | 307 | 308)
    }

    /// What GitHub says is wrong, in its own words.
    pub(super) fn message(&self) -> String {
        match serde_json::from_str::<Complaint>(&self.body) {
            Ok(Complaint { message: Some(message), .. }) => message,
            _ => String::new(),
        }
    }

    /// What exactly is wrong with what was sent, in words of GitHub's.
    pub(super) fn details(&self) -> Vec<String> {
        let errors = serde_json::from_str::<Complaint>(&self.body).ok().and_then(|it| it.errors);
        let Some(Value::Array(errors)) = errors else {
            return Vec::new();
        };
        errors.iter().filter_map(detail).collect()
    }
}

#[derive(Deserialize)]
struct Complaint {
    message: Option<String>,
    errors: Option<Value>,
}

fn detail(error: &Value) -> Option<String> {
    let word = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default();
    match (error.as_str(), word("field"), word("code")) {
        (Some(text), ..) => Some(text.to_owned()),
        (_, _, "custom" | "") => Some(word("message").to_owned()).filter(|text| !text.is_empty()),
        (_, field, code) => Some(format!("{field}: {code}")),
    }
}

fn http_date(text: &str) -> Option<Instant> {
    DateTime::parse_from_rfc2822(text.trim()).ok().map(|date| date.with_timezone(&Utc))
}

/// Seconds, or a date.
fn retry_after(text: &str, now: Option<Instant>) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let wait = http_date(text)? - now?;
    Some(wait.to_std().unwrap_or_default())
}

/// `issues=write,contents=read; pull_requests=write` as people say it.
fn permissions(header: &str) -> Option<String> {
    let one = |text: &str| {
        let (name, level) = text.trim().split_once('=')?;
        let known = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            && matches!(level, "read" | "write" | "admin");
        known.then(|| format!("{}: {level}", name.replace('_', "-")))
    };
    let ways: Option<Vec<String>> = header
        .split(';')
        .map(|way| Some(way.split(',').map(one).collect::<Option<Vec<_>>>()?.join(" and ")))
        .collect();
    Some(ways?.join(", or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(headers: &[(&str, &'static str)]) -> Head {
        Head::read(|name| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| *value))
    }

    #[test]
    fn the_headers_that_matter_are_read() {
        let head = head(&[
            ("date", "Sun, 22 Nov 2026 17:00:00 GMT"),
            ("retry-after", "Sun, 22 Nov 2026 17:01:30 GMT"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1795370400"),
            ("location", "/x"),
            ("link", r#"<https://api.github.com/x?page=2>; rel="next""#),
            ("x-accepted-github-permissions", "issues=write,contents=read; pull_requests=write"),
            ("x-oauth-scopes", "repo, workflow"),
        ]);
        assert_eq!(head.date.unwrap().timestamp(), 1_795_366_800);
        assert_eq!(head.retry_after, Some(Duration::from_secs(90)));
        assert_eq!((head.remaining, head.reset), (Some(0), Some(1_795_370_400)));
        assert_eq!(head.location.as_deref(), Some("/x"));
        assert_eq!(head.next.as_deref(), Some("https://api.github.com/x?page=2"));
        assert_eq!(
            head.needs.as_deref(),
            Some("issues: write and contents: read, or pull-requests: write")
        );
        assert_eq!(head.scopes, Some(vec!["repo".to_owned(), "workflow".to_owned()]));
    }

    #[test]
    fn headers_that_make_no_sense_are_left_out() {
        let nonsense = head(&[
            ("date", "yesterday"),
            ("retry-after", "soon"),
            ("x-ratelimit-remaining", "-1"),
            ("x-ratelimit-reset", "x"),
            ("link", "x"),
            ("x-accepted-github-permissions", "issues=write; a token"),
        ]);
        assert_eq!(nonsense, Head::default());
        assert_eq!(head(&[]), Head::default());
    }

    #[test]
    fn what_is_wrong_is_said_in_githubs_words() {
        let answer = |body: &str| Answer { body: body.to_owned(), ..Answer::default() };
        let full = answer(
            r#"{"message": "Validation Failed", "errors": [
                {"resource": "Label", "code": "already_exists", "field": "name"},
                {"code": "custom", "message": "body is too long"}, "plain", 7]}"#,
        );
        assert_eq!(full.message(), "Validation Failed");
        assert_eq!(full.details(), ["name: already_exists", "body is too long", "plain"]);
        for body in ["", "<html>", "[]", "{}", r#"{"message": null, "errors": {"a": 1}}"#] {
            let answer = answer(body);
            assert_eq!((answer.message(), answer.details()), (String::new(), vec![]), "{body}");
        }
    }
}
