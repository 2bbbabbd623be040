//! Bytes in, one tree of nodes with their places out.
//!
//! Everything that could make reading slow or dangerous is settled here, in
//! one function: size, encoding, depth, aliases. What comes out is small,
//! finite and free of NUL, and every node knows where it stands, so that the
//! readers above can report every problem of a file and not only the first.

mod tree;
mod words;

use super::place::Span;

/// The largest file. 5,000 agents with most of their fields take 1.2 MiB and
/// 160,000 values.
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
        return Err(Unreadable::new(span, "the file holds a NUL byte: it is not UTF-8 text")
            .hint("save it as UTF-8"));
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
    let root = serde_yaml::from_str_with_options(text, options)
        .map_err(|err| words::unreadable(text, err.without_snippet()))?;
    match tree::place(root, text)? {
        Node { value: Value::Nothing, .. } => Ok(None),
        node => Ok(Some(node)),
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::testing::{agent, problems, shown, wave};

    #[test]
    fn a_syntax_error_says_where() {
        insta::assert_snapshot!(shown(r#"
--- waves/w.yaml
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
"#), @"waves/w.yaml:3:2: error: not YAML: tabs disallowed within this context (block indentation)");
    }

    #[test]
    fn no_is_text_and_true_is_not() {
        insta::assert_snapshot!(agent(r#"
run: { manual: }
title: no
prompt: true
env: { A: no, B: 0o17, C: 007, D: 1_000, E: .nan }
"#), @r#"waves/w.yaml:6:13: error: expected a prompt: a path, or the text itself, found `true`, which YAML reads as yes or no (if it is meant as text, put it in quotes: "true")"#);
    }

    #[test]
    fn one_file_is_one_document() {
        insta::assert_snapshot!(wave(r#"
wave: w
agents: { a: { run: { manual: } } }
---
wave: v
"#), @"waves/w.yaml:3:1: error: the file holds more than one YAML document (put each into a file of its own and leave out the `---`)");
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
        waves/a.yaml:2:9: error: this alias names no anchor above it (to mean a plain `*`, put the text in quotes)
        waves/b.yaml:1:13: error: not YAML: unsupported tag `!name`
        waves/c.yaml:1:8: error: this alias repeats itself without end
        ");
    }

    #[test]
    fn aliases_and_merges_are_followed() {
        insta::assert_snapshot!(problems(r#"
--- waves/w.yaml
wave: w
agents:
  a: &a { run: { manual: }, title: A, retires: 1 }
  b: *a
  c: { <<: *a, title: C }
  d:
    <<: *a
    title: D
    needs: [nobody]
"#), @"
        waves/w.yaml:3:39: error: `retires` is not a field of agent `a` (did you mean `retries`?)
        waves/w.yaml:3:39: error: `retires` is not a field of agent `b` (did you mean `retries`?)
        waves/w.yaml:3:39: error: `retires` is not a field of agent `c` (did you mean `retries`?)
        waves/w.yaml:3:39: error: `retires` is not a field of agent `d` (did you mean `retries`?)
        waves/w.yaml:9:13: error: there is no agent `nobody` (there is `a`, `b`, `c` and `d`)
        ");
    }

    #[test]
    fn a_file_without_anything_is_told() {
        insta::assert_snapshot!(wave(r#"
# nothing here
"#), @"waves/w.yaml:1:1: error: the file is empty (remove it, or write a wave)");
    }

    #[test]
    fn a_nul_in_a_quoted_text_is_told() {
        insta::assert_snapshot!(agent(r#"
title: "a\0b"
"#), @"waves/w.yaml:4:12: error: this text holds a NUL character");
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        insta::assert_snapshot!(agent(r#"
"\e[31m": "\u009b"
"#), @r"
        waves/w.yaml:4:5: error: agent `a` needs `run` (write `run: { exec: [agents/program.sh] }`)
        waves/w.yaml:4:5: error: `\u{1b}[31m` is not a field of agent `a` (agent `a` may have `title`, `needs`, `run`, `prompt`, `env`, `secrets`, `produces`, `timeout`, `retries`, `pool`, `priority`, `review`, `on_stale` and `budget_usd`)
        ");
    }

    #[test]
    fn bytes_that_are_no_text_are_told() {
        insta::assert_snapshot!(bytes(b"wave: w\nagents: \xff"), @"2:9 the file is not UTF-8 text; save it as UTF-8");
        insta::assert_snapshot!(bytes(b"wave: w\0"), @"1:8 the file holds a NUL byte: it is not UTF-8 text; save it as UTF-8");
        insta::assert_snapshot!(bytes(b"w\0a\0"), @"1:2 the file holds a NUL byte: it is not UTF-8 text; save it as UTF-8");
        insta::assert_snapshot!(bytes(b"\xff\xfew\0a\0"), @"1:1 the file is not UTF-8 text; save it as UTF-8");
    }

    #[test]
    fn aliases_cannot_make_a_file_large() {
        let bomb = (1..10).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(), |bomb, n| {
            let before = format!("*a{}, ", n - 1).repeat(9);
            bomb + &format!("a{n}: &a{n} [{before}]\n")
        });
        insta::assert_snapshot!(bytes(bomb.as_bytes()), @"1:35 aliases make the file too large: the limit is 250000 values; write the values out instead of repeating them with aliases");
    }

    #[test]
    fn merges_cannot_make_a_file_large() {
        let bomb = (1..30).fold("a0: &a0 { x: 1 }\n".to_owned(), |bomb, n| {
            bomb + &format!("a{n}: &a{n} {{ <<: [*a{before}, *a{before}] }}\n", before = n - 1)
        });
        insta::assert_snapshot!(bytes(bomb.as_bytes()), @"3:11 too many anchors, aliases or merges; write the values out instead of repeating them with aliases");
    }

    #[test]
    fn nesting_has_a_limit() {
        insta::assert_snapshot!(bytes("[".repeat(20_000).as_bytes()), @"1:33 nested too deeply: the limit is 32 levels;");
        let stairs: String = (0..50).map(|n| " ".repeat(n) + "a:\n").collect();
        insta::assert_snapshot!(bytes(stairs.as_bytes()), @"33:33 nested too deeply: the limit is 32 levels;");
    }

    #[test]
    fn the_number_of_values_and_of_bytes_has_a_limit() {
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
