//! What strangers wrote, in Markdown for GitHub.
//!
//! Titles, values of variables, names of files and the like are written by
//! strangers, so they stand in code only: there GitHub sees no HTML, no link and
//! no mention.
//!
//! **Invariant:** nothing in a text ends the code that it stands in, or the cell
//! of a table.

use super::problem::harmless;

/// How long a comment may be, with a line or two to spare: GitHub takes 65,536
/// characters.
pub(super) const MAX_BYTES: usize = 65_000;
/// The longest value that is shown, in characters.
const MAX_VALUE: usize = 120;

/// `text` as code that fits into a cell of a table, whatever it is.
pub(super) fn code(text: &str) -> String {
    code_of(text, MAX_VALUE)
}

/// The same, of at most so many characters.
pub(super) fn code_of(text: &str, most: usize) -> String {
    let mut text = harmless(text);
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
        text.push('…');
    }
    // A bar ends the cell, also within code, unless a backslash precedes it; and
    // so does one after two of them, which some take for an escaped backslash.
    let mut cell = String::with_capacity(text.len());
    let mut backslashes = 0;
    for c in text.chars() {
        if c == '|' {
            cell.extend(std::iter::repeat_n('\\', backslashes + 1));
        }
        backslashes = if c == '\\' { backslashes + 1 } else { 0 };
        cell.push(c);
    }
    let ticks = "`".repeat(1 + longest_run(&cell));
    // Spaces at both ends are no part of it; without them, a tick of the text
    // would lengthen ours.
    let at_end = |c: char| c == '`' || c == ' ';
    let pad = if cell.is_empty() || cell.starts_with(at_end) || cell.ends_with(at_end) {
        " "
    } else {
        ""
    };
    format!("{ticks}{pad}{cell}{pad}{ticks}")
}

/// The longest run of backticks.
pub(super) fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// As many of `items` as fit into so many bytes, and how many do not.
pub(super) fn fitting(items: impl IntoIterator<Item = String>, bytes: usize) -> (String, usize) {
    let mut text = String::new();
    let mut items = items.into_iter();
    let mut hidden = 0;
    for item in items.by_ref() {
        if text.len() + item.len() > bytes {
            hidden = 1;
            break;
        }
        text += &item;
    }
    (text, hidden + items.count())
}

/// A line that says how many are not shown; none if all are.
pub(super) fn more(hidden: usize) -> String {
    match hidden {
        0 => String::new(),
        hidden => format!("\n... and {hidden} more\n"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How many cells a row with `text` in one cell has: where a backslash
    /// escapes whatever follows it, and where it escapes only a bar.
    fn cells(text: &str) -> [usize; 2] {
        [true, false].map(|escapes_all| {
            let mut cells = 1;
            let mut chars = text.chars().peekable();
            while let Some(c) = chars.next() {
                match c {
                    '\\' if escapes_all || chars.peek() == Some(&'|') => drop(chars.next()),
                    '|' => cells += 1,
                    _ => (),
                }
            }
            cells
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nothing_ends_the_code_or_the_cell_that_it_stands_in(
            text in prop_oneof![any::<String>(), "[`|\\\\ @<>\na]{0,30}"],
        ) {
            let code = code(&text);
            prop_assert_eq!(cells(&code), [1, 1], "{}", code);
            prop_assert!(!code.contains(['\n', '\r']));
            // It ends with the first run of as many ticks as it began with.
            let inner = code.trim_start_matches('`');
            let ticks = code.len() - inner.len();
            let runs = inner.split(|c| c != '`').map(str::len).filter(|&run| run == ticks);
            prop_assert_eq!(runs.count(), 1, "{}", code);
            prop_assert!(inner.ends_with(&"`".repeat(ticks)));
        }
    }
}
