//! Lines for a terminal of a given width.
//!
//! **Invariant:** every text of a report goes through a [`Span`], which makes it
//! harmless, and every line through [`Page::line`], which makes it fit. Nothing
//! else here writes an escape sequence.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::text;

/// What needs no emphasis.
pub(super) const PLAIN: Style = Style::new();
/// Names and headings.
pub(super) const BOLD: Style = Style::new().bold();
/// What may be skipped in reading.
pub(super) const DIM: Style = Style::new().dimmed();
/// A command to copy.
pub(super) const COMMAND: Style = AnsiColor::Cyan.on_default();
/// What asks for attention.
pub(super) const ALERT: Style = AnsiColor::Yellow.on_default().bold();

/// How many lines an excerpt may have.
const EXCERPT_LINES: usize = 3;

/// A piece of a line, in one style. Its text is harmless.
#[derive(Clone, Debug, Default)]
pub(super) struct Span {
    text: String,
    style: Style,
}

impl Span {
    /// A piece in `style`.
    pub(super) fn new(style: Style, text: impl AsRef<str>) -> Self {
        Self { text: text::clean(text.as_ref()), style }
    }

    /// How many columns it takes.
    pub(super) fn width(&self) -> usize {
        text::width(&self.text)
    }

    /// The piece, cut or filled up with spaces to exactly `width` columns.
    pub(super) fn fit(&self, width: usize, align: Align) -> Self {
        let text = text::cut(&self.text, width);
        let padding = " ".repeat(width.saturating_sub(text::width(&text)));
        Self {
            text: match align {
                Align::Left => text + &padding,
                Align::Right => padding + &text,
            },
            style: self.style,
        }
    }
}

impl<T: AsRef<str>> From<T> for Span {
    fn from(text: T) -> Self {
        Self::new(PLAIN, text)
    }
}

/// On which side of its column a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// The text so far.
pub(super) struct Page {
    width: usize,
    text: String,
}

impl Page {
    /// An empty page for lines of at most `width` columns.
    pub(super) fn new(width: usize) -> Self {
        Self { width, text: String::new() }
    }

    /// How wide a line may be.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Adds one line; what does not fit is cut.
    pub(super) fn line(&mut self, spans: impl IntoIterator<Item = Span>) {
        let spans: Vec<Span> = spans.into_iter().collect();
        let whole: String = spans.iter().map(|span| span.text.as_str()).collect();
        let fitting = text::cut(whole.trim_end(), self.width);

        let mut rest = fitting.as_str();
        for (at, span) in spans.iter().enumerate() {
            // The last span takes the ellipsis, which is longer than what it replaced.
            let end = match at + 1 < spans.len() {
                true => rest.len().min(span.text.len()),
                false => rest.len(),
            };
            let end = if rest.is_char_boundary(end) { end } else { rest.len() };
            let (piece, after) = rest.split_at(end);
            self.push(span.style, piece);
            rest = after;
        }
        self.text.push('\n');
    }

    /// Adds an empty line.
    pub(super) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// Adds `text` broken into lines that start `indent` columns from the left.
    pub(super) fn paragraph(&mut self, indent: usize, style: Style, text: &str) {
        self.item("", indent, style, text);
    }

    /// Adds the beginning of `text`, on one line or, if that is too short, on a few.
    pub(super) fn excerpt(&mut self, indent: usize, text: &str) {
        let space = self.width.saturating_sub(indent);
        let mut lines = text::wrap(&text::one_line(text), space);
        if lines.len() > EXCERPT_LINES {
            lines.truncate(EXCERPT_LINES);
            lines[EXCERPT_LINES - 1] += " …";
        }
        for line in lines {
            self.line([" ".repeat(indent).into(), line.into()]);
        }
    }

    /// Adds `text` broken into lines: the first after `lead`, the others below it.
    pub(super) fn item(&mut self, lead: &str, indent: usize, style: Style, text: &str) {
        // On a very narrow terminal the words matter more than the layout.
        let indent = indent.min(self.width / 4);
        let hanging = indent + text::width(lead);
        for (at, line) in text::wrap(text, self.width.saturating_sub(hanging)).iter().enumerate() {
            let margin = match at {
                0 => " ".repeat(indent) + lead,
                _ => " ".repeat(hanging),
            };
            self.line([margin.into(), Span::new(style, line)]);
        }
    }

    /// The finished text: every line ends in a line break.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn push(&mut self, style: Style, text: &str) {
        if text.is_empty() {
            return;
        }
        // Writing to a string cannot fail.
        _ = match style == PLAIN {
            true => write!(self.text, "{text}"),
            false => write!(self.text, "{style}{text}{style:#}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_where_its_spans_together_are_too_wide() {
        let mut page = Page::new(10);
        page.line([Span::new(BOLD, "vision"), "  ".into(), Span::new(DIM, "waits for echo")]);
        page.line([Span::new(BOLD, "日本語日本語"), "tail".into()]);
        page.line([Span::new(BOLD, "trimmed "), "   ".into()]);
        assert_eq!(
            page.into_text(),
            "\u{1b}[1mvision\u{1b}[0m  \u{1b}[2mw…\u{1b}[0m\n\
             \u{1b}[1m日本語日…\u{1b}[0m\n\
             \u{1b}[1mtrimmed\u{1b}[0m\n"
        );
    }

    #[test]
    fn a_paragraph_hangs_below_its_lead() {
        let mut page = Page::new(24);
        page.item("→ ", 2, PLAIN, "wavemark approve vision, or send it back");
        insta::assert_snapshot!(page.into_text(), @"
        → wavemark approve
          vision, or send it
          back
        ");
    }
}
