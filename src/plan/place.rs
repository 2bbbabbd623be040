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
        Spans::of(text).next(start, len)
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

/// Tells the places of stretches that come one after the other, in one walk
/// through the text.
pub(super) struct Spans<'t> {
    rest: &'t str,
    at: Span,
}

impl<'t> Spans<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { rest: text, at: Span::START }
    }

    /// The stretch from byte `start` of the whole text on, not before the last.
    pub(super) fn next(&mut self, start: usize, len: usize) -> Span {
        let ahead = start.saturating_sub(self.at.start as usize);
        let (passed, rest) = self.rest.split_at(self.rest.floor_char_boundary(ahead));
        for c in passed.chars() {
            if c == '\n' {
                self.at.line += 1;
                self.at.column = 1;
            } else {
                self.at.column += 1;
            }
        }
        self.at.start += small(passed.len());
        self.rest = rest;
        Span { len: small(len), ..self.at }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_lines_and_characters() {
        let mut spans = Spans::of("ab\nä c\n\nd");
        let mut place = |start| {
            let Span { line, column, start, .. } = spans.next(start, 1);
            (line, column, start)
        };
        assert_eq!(place(0), (1, 1, 0));
        assert_eq!(place(1), (1, 2, 1));
        assert_eq!(place(6), (2, 3, 6));
        assert_eq!(place(9), (4, 1, 9));
        assert_eq!(place(99), (4, 2, 10));
    }
}
