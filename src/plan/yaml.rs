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

/// The largest file: one of 5,000 agents has about 2 MiB.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// The most values in one file, those that aliases repeat included.
const MAX_NODES: usize = 400_000;
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

/// Why a file could not be read at all.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) span: Span,
    pub(super) what: String,
    pub(super) hint: Option<String>,
}

impl Unreadable {
    fn new(span: Span, what: impl Into<String>) -> Self {
        Self {
            span,
            what: what.into(),
            hint: None,
        }
    }

    fn hint(self, hint: &str) -> Self {
        Self {
            hint: Some(hint.to_owned()),
            ..self
        }
    }
}

/// The text of a file, without a byte order mark.
pub(super) fn decode(bytes: &[u8]) -> Result<&str, Unreadable> {
    if bytes.len() > MAX_BYTES {
        let what = format!(
            "the file has {} bytes; the limit is {MAX_BYTES}",
            bytes.len()
        );
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
        return Err(Unreadable::new(
            span,
            "the file holds a NUL byte: it is not text",
        ));
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
            flow_nesting_limit: MAX_DEPTH,
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
        Node {
            value: Value::Nothing,
            ..
        } => Ok(None),
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
        Raw::Int(value) => Value::Int {
            value,
            written: written(),
        },
        Raw::Float => Value::Float { written: written() },
        Raw::Text(text) if text.contains('\0') => {
            return Err(Unreadable::new(span, "this text holds a NUL character"));
        }
        Raw::Text(text) => Value::Text(text),
        Raw::List(items) => Value::List(
            items
                .into_iter()
                .map(|item| place(item, text))
                .collect::<Result<_, _>>()?,
        ),
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
    let whole = at.span();
    let start = whole
        .byte_offset()
        .map_or(0, |start| start as usize)
        .min(text.len());
    let len = whole
        .byte_len()
        .map_or(0, |len| len as usize)
        .min(text.len() - start);
    Span {
        line: u32::try_from(at.line()).unwrap_or(u32::MAX).max(1),
        column: u32::try_from(at.column()).unwrap_or(u32::MAX).max(1),
        start: small(start),
        len: small(len),
    }
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
        | Error::Budget {
            breach: BudgetBreach::Documents { .. },
            ..
        } => Unreadable::new(span, "the file holds more than one YAML document")
            .hint("put each into a file of its own and leave out the `---`"),
        Error::Budget {
            breach: BudgetBreach::Depth { .. },
            ..
        } => Unreadable::new(
            span,
            format!("nested too deeply: the limit is {MAX_DEPTH} levels"),
        ),
        Error::Budget {
            breach: BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. },
            ..
        } => Unreadable::new(
            span,
            format!("too many values: the limit is {MAX_NODES} in one file"),
        )
        .hint("split the wave into several"),
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
