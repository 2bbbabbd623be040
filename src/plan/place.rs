//! Where something stands in the files of a plan.

use std::{fmt, sync::Arc};

use serde::{Serialize, Serializer};

/// A stretch of one file's text, without the file's name: what a node of the
/// YAML tree carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    /// From 1.
    pub(super) line: u32,
    /// From 1, in characters.
    pub(super) column: u32,
    /// The first byte.
    pub(super) start: u32,
    /// How many bytes.
    pub(super) len: u32,
}

impl Span {
    /// The stretch of `text` from byte `start` on.
    pub(super) fn of_bytes(text: &str, start: usize, len: usize) -> Self {
        let start = text.floor_char_boundary(start);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: small(before.matches('\n').count() + 1),
            column: small(before[line_start..].chars().count() + 1),
            start: small(start),
            len: small(len),
        }
    }

    /// The very beginning of a file.
    pub(super) const START: Self = Self { line: 1, column: 1, start: 0, len: 0 };

    /// The stretch in `file`.
    pub(super) fn within(self, file: &Arc<str>) -> Place {
        Place {
            file: Arc::clone(file),
            line: self.line,
            column: self.column,
            start: self.start,
            len: self.len,
        }
    }
}

/// A number that the size limit of a file keeps small.
pub(super) fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A stretch of one file's text.
///
/// Ordered by file, then by position, so that problems come in reading order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file's path from the repo's root.
    #[serde(serialize_with = "as_text")]
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The first byte, from 0; a byte order mark is not counted.
    pub start: u32,
    /// How many bytes.
    pub len: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

fn as_text<S: Serializer>(text: &str, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(text)
}
