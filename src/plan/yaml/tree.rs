//! The tree: once as the parser can give it, then as we want it.
//!
//! The parser calls back with values and places and without the text, so how a
//! number is written can only be found in a second step.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{Location, Spanned};

use super::{Node, Unreadable, Value};
use crate::plan::place::{Span, small};

/// A value as the parser gives it.
pub(super) enum Raw {
    Nothing,
    Bool,
    Int(i128),
    Float,
    Text(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<Self>, Spanned<Self>)>),
}

/// Gives every node its place and every scalar its writing. As deep as the
/// parser lets a file be, no deeper.
pub(super) fn place(raw: Spanned<Raw>, text: &str) -> Result<Node, Unreadable> {
    let span = span(text, raw.defined);
    let written = || {
        let (start, len) = (span.start as usize, span.len as usize);
        text.get(start..start + len).unwrap_or_default().to_owned()
    };
    let value = match raw.value {
        Raw::Nothing => Value::Nothing,
        Raw::Bool => Value::Bool { written: written() },
        Raw::Int(value) => Value::Int { value, written: written() },
        Raw::Float => Value::Float { written: written() },
        Raw::Text(text) if text.contains('\0') => {
            return Err(Unreadable::new(span, "this text holds a NUL character"));
        }
        Raw::Text(text) => Value::Text(text),
        Raw::List(items) => {
            Value::List(items.into_iter().map(|item| place(item, text)).collect::<Result<_, _>>()?)
        }
        Raw::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| Ok((place(key, text)?, place(value, text)?)))
                .collect::<Result<_, _>>()?,
        ),
    };
    Ok(Node { value, span })
}

pub(super) fn span(text: &str, at: Location) -> Span {
    let line = u32::try_from(at.line()).unwrap_or(u32::MAX).max(1);
    let column = u32::try_from(at.column()).unwrap_or(u32::MAX).max(1);
    let whole = at.span();
    // The scanner's own errors come with a line and a column only.
    let start = match whole.byte_offset() {
        Some(start) => usize::try_from(start).unwrap_or(text.len()),
        None => offset(text, line as usize, column as usize),
    };
    let start = start.min(text.len());
    let len = whole.byte_len().unwrap_or_default();
    let len = usize::try_from(len).unwrap_or(0).min(text.len() - start);
    Span { line, column, start: small(start), len: small(len) }
}

/// The byte at a line and a column, both from 1.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let chars = text[before..].chars().take(column - 1);
    before + chars.map(char::len_utf8).sum::<usize>()
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Raw, E> {
        Ok(Raw::Nothing)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Bool)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Int(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Int(value.into()))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Float)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}
