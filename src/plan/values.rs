//! Single values, read in plain words.
//!
//! Each function reports what is wrong and returns `None`; the caller goes on
//! with the next value.

use std::{fmt, str::FromStr};

use super::{
    fields::Reading,
    place::Span,
    problem::Problem,
    secret,
    suggest::listed,
    yaml::{Node, Value},
};

/// Reports that something else than `wanted` is at `node`.
pub(super) fn expected<'f>(node: &Node, wanted: &str, cx: &'f mut Reading<'_>) -> &'f mut Problem {
    let found = match &node.value {
        Value::Nothing => "nothing".to_owned(),
        Value::Bool { written } => format!("`{written}`, which YAML reads as yes or no"),
        Value::Int { written, .. } | Value::Float { written } => format!("the number `{written}`"),
        Value::Text(text) if text.len() <= 40 && !text.contains('\n') => format!("`{text}`"),
        Value::Text(_) => "a longer text".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping of keys to values".to_owned(),
    };
    cx.error(node.span, format!("expected {wanted}, found {found}"))
}

/// A text. Numbers and yes-or-no values must be quoted to be one.
pub(super) fn text<'n>(node: &'n Node, wanted: &str, cx: &mut Reading<'_>) -> Option<&'n str> {
    if let Value::Text(text) = &node.value {
        return Some(text);
    }
    let problem = expected(node, wanted, cx);
    if let Some(written) = node.value.written() {
        problem.hint(format!("if it is meant as text, put it in quotes: \"{written}\""));
    }
    None
}

/// A text that may be written as a number or a yes-or-no value.
pub(super) fn scalar<'n>(node: &'n Node, wanted: &str, cx: &mut Reading<'_>) -> Option<&'n str> {
    let written = node.value.written();
    if written.is_none() {
        expected(node, wanted, cx);
    }
    written
}

/// The items of a list.
pub(super) fn list<'n>(node: &'n Node, wanted: &str, cx: &mut Reading<'_>) -> &'n [Node] {
    match &node.value {
        Value::List(items) => items,
        Value::Text(text) if text.len() <= 60 && !text.contains('\n') => {
            expected(node, wanted, cx).hint(format!("write a list: [{text}]"));
            &[]
        }
        _ => {
            expected(node, wanted, cx);
            &[]
        }
    }
}

/// A whole number in a range.
pub(super) fn number(node: &Node, (low, high): (i32, i32), cx: &mut Reading<'_>) -> Option<i32> {
    let Value::Int { value, .. } = node.value else {
        expected(node, &format!("a whole number from {low} to {high}"), cx);
        return None;
    };
    let number = i32::try_from(value).ok().filter(|number| (low..=high).contains(number));
    if number.is_none() {
        cx.error(node.span, format!("{value} is out of range"))
            .hint(format!("use {low} to {high}"));
    }
    number
}

/// A text that is a value of its own: a name, a word, an artifact.
pub(super) fn parsed<T: FromStr<Err: fmt::Display>>(
    node: &Node,
    wanted: &str,
    cx: &mut Reading<'_>,
) -> Option<T> {
    match &node.value {
        Value::Text(text) => checked(text, node.span, cx),
        other if other.written().is_some_and(|written| written.parse::<T>().is_ok()) => {
            // Quotes would help, and the hint says so.
            text(node, wanted, cx).and_then(|text| text.parse().ok())
        }
        _ => {
            expected(node, wanted, cx);
            None
        }
    }
}

/// As [`parsed`], of a text that was read already.
pub(super) fn checked<T: FromStr<Err: fmt::Display>>(
    text: &str,
    span: Span,
    cx: &mut Reading<'_>,
) -> Option<T> {
    match text.parse() {
        Ok(value) => Some(value),
        Err(err) => {
            let problem = cx.error(span, err.to_string());
            near_slug::<T>(text).map(|near| problem.hint(format!("did you mean `{near}`?")));
            None
        }
    }
}

/// `text` with what a name may not have replaced, if that is then good.
fn near_slug<T: FromStr>(text: &str) -> Option<String> {
    let slug: String = text
        .to_lowercase()
        .chars()
        .take(63)
        .map(|c| if matches!(c, '_' | ' ' | '.' | '/') { '-' } else { c })
        .collect();
    let is_slug = slug.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    // A credential must not be repeated, not even in other words.
    let secret = secret::find(text).next().is_some();
    (is_slug && !secret && slug.parse::<T>().is_ok()).then_some(slug)
}

/// One of the few words of a field.
pub(super) fn word<T: FromStr<Err: fmt::Display> + Copy + fmt::Display>(
    node: &Node,
    words: &[T],
    cx: &mut Reading<'_>,
) -> Option<T> {
    let all: Vec<String> = words.iter().map(ToString::to_string).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let Value::Text(text) = &node.value else {
        expected(node, &format!("one of {}", listed(&all)), cx);
        return None;
    };
    let parsed: Result<T, _> = text.parse();
    if let Err(err) = &parsed {
        let near = cx.suggester.nearest(text, all);
        let problem = cx.error(node.span, err.to_string());
        near.map(|near| problem.hint(format!("did you mean `{near}`?")));
    }
    parsed.ok()
}
