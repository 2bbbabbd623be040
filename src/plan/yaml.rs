//! Bytes in, one tree of nodes with their places out.
//!
//! Everything that could make reading slow or dangerous is settled here, in
//! one function: size, encoding, depth, aliases. What comes out is small,
//! finite and free of NUL, and every node knows where it stands, so that the
//! readers above can report every problem of a file and not only the first.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{Location, Spanned};

use super::place::{Span, small};

/// The largest file: 10,000 agents of a plain kind are 3 MiB.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// The most values in one file, those that aliases repeat included.
const MAX_NODES: usize = 250_000;
/// The deepest nesting; a plan needs seven.
const MAX_DEPTH: usize = 32;

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) span: Span,
}

/// What a YAML value is. Scalars that are not text keep how they were written,
/// because `1.10` may be meant as text.
#[derive(Debug)]
pub(super) enum Value {
    Nothing,
    Bool { written: String },
    Int { value: i128, written: String },
    Float { written: String },
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Value {
    /// How a scalar is written, whatever YAML takes it for.
    pub(super) fn written(&self) -> Option<&str> {
        match self {
            Self::Text(written)
            | Self::Bool { written }
            | Self::Int { written, .. }
            | Self::Float { written } => Some(written),
            Self::Nothing | Self::List(_) | Self::Map(_) => None,
        }
    }
}

/// Why a file could not be read at all.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) span: Span,
    pub(super) what: String,
    pub(super) hint: Option<String>,
}

impl Unreadable {
    fn new(span: Span, what: impl Into<String>) -> Self {
        Self { span, what: what.into(), hint: None }
    }

    fn hint(self, hint: &str) -> Self {
        Self { hint: Some(hint.to_owned()), ..self }
    }
}

/// The text of a file, without a byte order mark.
pub(super) fn decode(bytes: &[u8]) -> Result<&str, Unreadable> {
    if bytes.len() > MAX_BYTES {
        let what = format!("the file has {} bytes; the limit is {MAX_BYTES}", bytes.len());
        return Err(Unreadable::new(Span::START, what).hint("split the wave into several"));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|err| {
        let good = String::from_utf8_lossy(&bytes[..err.valid_up_to()]);
        let span = Span::of_bytes(&good, good.len(), 0);
        Unreadable::new(span, "the file is not UTF-8 text").hint("save it as UTF-8")
    })?;
    if let Some(at) = text.find('\0') {
        let span = Span::of_bytes(text, at, 1);
        return Err(Unreadable::new(span, "the file holds a NUL byte: it is not text"));
    }
    Ok(text)
}

/// The tree of a file; `None` if it holds nothing.
pub(super) fn parse(text: &str) -> Result<Option<Node>, Unreadable> {
    let options = serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_nodes: MAX_NODES,
            max_events: 3 * MAX_NODES,
            max_depth: MAX_DEPTH,
            // The scanner looks ahead; what it finds too deep has no good words.
            flow_nesting_limit: 64 * MAX_DEPTH,
            max_documents: 1,
        },
        alias_limits: serde_yaml::alias_limits! { max_total_replayed_events: MAX_NODES },
        // Reported by the readers, with both places.
        duplicate_keys: serde_yaml::DuplicateKeyPolicy::PassThrough,
        // YAML 1.2: `no`, `on` and `y` are text.
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        non_finite_float_policy: serde_yaml::NonFiniteFloatPolicy::AsString,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    let root: Spanned<Raw> = serde_yaml::from_str_with_options(text, options)
        .map_err(|err| unreadable(text, err.without_snippet()))?;
    match place(root, text)? {
        Node { value: Value::Nothing, .. } => Ok(None),
        node => Ok(Some(node)),
    }
}

/// The parser's own tree: no way to the text from in there, hence two steps.
enum Raw {
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
fn place(raw: Spanned<Raw>, text: &str) -> Result<Node, Unreadable> {
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

fn span(text: &str, at: Location) -> Span {
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

/// What the parser says, in our words where a plan's author may meet it.
fn unreadable(text: &str, err: &serde_yaml::Error) -> Unreadable {
    use serde_yaml::{Error, budget::BudgetBreach};

    let span = err.location().map_or(Span::START, |at| span(text, at));
    let aliases = "write the values out instead of repeating them with aliases";
    match err {
        Error::AliasError { error, .. } => unreadable(text, error),
        Error::MultipleDocuments { .. }
        | Error::Budget { breach: BudgetBreach::Documents { .. }, .. } => {
            Unreadable::new(span, "the file holds more than one YAML document")
                .hint("put each into a file of its own and leave out the `---`")
        }
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            Unreadable::new(span, format!("nested too deeply: the limit is {MAX_DEPTH} levels"))
        }
        Error::Budget {
            breach: BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. }, ..
        } => {
            Unreadable::new(span, format!("too many values: the limit is {MAX_NODES} in one file"))
                .hint("split the wave into several")
        }
        Error::AliasReplayLimitExceeded { .. } | Error::AliasExpansionLimitExceeded { .. } => {
            let what = format!("aliases make the file too large: the limit is {MAX_NODES} values");
            Unreadable::new(span, what).hint(aliases)
        }
        Error::Budget { .. } | Error::AliasReplayStackDepthExceeded { .. } => {
            Unreadable::new(span, "too many anchors, aliases or merges").hint(aliases)
        }
        Error::UnknownAnchor { .. } => Unreadable::new(span, "this alias names no anchor above it")
            .hint("to mean a plain `*`, put the text in quotes"),
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            Unreadable::new(span, "this alias repeats itself without end")
        }
        other => {
            let words = other.render_with_formatter(&serde_yaml::UserMessageFormatter);
            // The place is shown anyway.
            let words = words.split(" at line ").next().unwrap_or_default();
            Unreadable::new(span, format!("not YAML: {words}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::testing::{agent, problems, wave};

    #[test]
    fn a_syntax_error_says_where() {
        insta::assert_snapshot!(wave(r#"
wave: w
agents: [
"#), @"
        error: not YAML: unclosed bracket '['
         --> waves/w.yaml:2:9
          |
        2 | agents: [
          |         ^

        1 error
        ");
    }

    #[test]
    fn a_tab_is_no_indentation() {
        insta::assert_snapshot!(wave(r#"
wave: w
agents:
	a: {}
"#), @"
        error: not YAML: tabs disallowed within this context (block indentation)
         --> waves/w.yaml:3:2
          |
        3 |     a: {}
          |     ^

        1 error
        ");
    }

    #[test]
    fn no_is_text_and_true_is_not() {
        insta::assert_snapshot!(agent(r#"
run: { manual: }
title: no
prompt: true
env: { A: no, B: 0o17, C: 007, D: 1_000, E: .nan }
"#), @r#"
        error: expected a prompt: a path, or the text itself, found `true`, which YAML reads as yes or no
         --> waves/w.yaml:6:13
          |
        6 |     prompt: true
          |             ^^^^
          |
          = hint: if it is meant as text, put it in quotes: "true"

        1 error
        "#);
    }

    #[test]
    fn one_file_is_one_document() {
        insta::assert_snapshot!(wave(r#"
wave: w
agents: { a: { run: { manual: } } }
---
wave: v
"#), @"
        error: the file holds more than one YAML document
         --> waves/w.yaml:3:1
          |
        3 | ---
          | ^^^
          |
          = hint: put each into a file of its own and leave out the `---`

        1 error
        ");
    }

    #[test]
    fn an_unknown_alias_and_a_tag_are_told() {
        insta::assert_snapshot!(problems(r#"
--- waves/a.yaml
wave: a
agents: *b
--- waves/b.yaml
wave: !name b
--- waves/c.yaml
a: &a [*a]
"#), @"
        error: this alias names no anchor above it
         --> waves/a.yaml:2:9
          |
        2 | agents: *b
          |         ^
          |
          = hint: to mean a plain `*`, put the text in quotes

        error: not YAML: unsupported tag `!name`
         --> waves/b.yaml:1:13
          |
        1 | wave: !name b
          |             ^

        error: this alias repeats itself without end
         --> waves/c.yaml:1:8
          |
        1 | a: &a [*a]
          |        ^^

        3 errors
        ");
    }

    #[test]
    fn a_file_without_anything_is_told() {
        insta::assert_snapshot!(wave(r#"
# nothing here
"#), @"
        error: the file is empty
         --> waves/w.yaml:1:1
          |
        1 | # nothing here
          | ^
          |
          = hint: remove it, or write a wave

        1 error
        ");
    }

    #[test]
    fn a_nul_in_a_quoted_text_is_told() {
        insta::assert_snapshot!(agent(r#"
title: "a\0b"
"#), @r#"
        error: this text holds a NUL character
         --> waves/w.yaml:4:12
          |
        4 |     title: "a\0b"
          |            ^^^^^^

        1 error
        "#);
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        insta::assert_snapshot!(agent(r#"
"\e[31m": "\u009b"
"#), @r#"
        error: agent `a` needs `run`
         --> waves/w.yaml:4:5
          |
        4 |     "\e[31m": "\u009b"
          |     ^
          |
          = hint: write `run: { exec: [agents/program.sh] }`

        error: `\u{1b}[31m` is not a field of agent `a`
         --> waves/w.yaml:4:5
          |
        4 |     "\e[31m": "\u009b"
          |     ^^^^^^^^
          |
          = hint: agent `a` may have `title`, `needs`, `run`, `prompt`, `env`, `secrets`, `produces`, `timeout`, `retries`, `pool`, `priority`, `review` and `on_stale`

        2 errors
        "#);
    }

    #[test]
    fn bytes_that_are_no_text_are_told() {
        insta::assert_snapshot!(bytes(b"wave: w\nagents: \xff"), @"2:9 the file is not UTF-8 text; save it as UTF-8");
        insta::assert_snapshot!(bytes(b"wave: w\0"), @"1:8 the file holds a NUL byte: it is not text;");
        insta::assert_snapshot!(bytes(b"\xff\xfew\0a\0"), @"1:1 the file is not UTF-8 text; save it as UTF-8");
    }

    #[test]
    fn every_limit_is_named_with_its_size() {
        let bomb = (1..10).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(), |bomb, n| {
            let before = format!("*a{}, ", n - 1).repeat(9);
            bomb + &format!("a{n}: &a{n} [{before}]\n")
        });
        insta::assert_snapshot!(bytes(bomb.as_bytes()), @"1:35 aliases make the file too large: the limit is 250000 values; write the values out instead of repeating them with aliases");
        insta::assert_snapshot!(bytes("[".repeat(20_000).as_bytes()), @"1:33 nested too deeply: the limit is 32 levels;");
        let stairs: String = (0..50).map(|n| " ".repeat(n) + "a:\n").collect();
        insta::assert_snapshot!(bytes(stairs.as_bytes()), @"33:33 nested too deeply: the limit is 32 levels;");
        insta::assert_snapshot!(bytes(format!("[{}]", "a,".repeat(500_000)).as_bytes()), @"1:500000 too many values: the limit is 250000 in one file; split the wave into several");
        insta::assert_snapshot!(bytes(&[b'a'; 10_000_000]), @"1:1 the file has 10000000 bytes; the limit is 4194304; split the wave into several");
    }

    fn bytes(bytes: &[u8]) -> String {
        match super::decode(bytes).and_then(super::parse) {
            Ok(_) => "fine".to_owned(),
            Err(super::Unreadable { span, what, hint }) => {
                format!("{}:{} {what}; {}", span.line, span.column, hint.unwrap_or_default())
            }
        }
    }
}
