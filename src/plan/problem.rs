//! What is wrong with a plan, all of it.
//!
//! **Invariant:** no text of a [`Problem`] repeats a token or a control
//! character of the files: both are made harmless on the way in.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{place::Place, secret};

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The plan cannot be used.
    Error,
    /// The plan can be used; somebody should look.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing that is wrong, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where it is wrong.
    pub place: Place,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in plain words.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Other places that have to do with it, each with what is there.
    pub also: Vec<(Place, String)>,
}

impl Problem {
    /// Adds what to do about it.
    pub(super) fn hint(&mut self, hint: impl AsRef<str>) -> &mut Self {
        self.hint = Some(harmless(hint.as_ref()));
        self
    }

    /// Adds another place that has to do with it.
    pub(super) fn also(&mut self, place: Place, what: impl AsRef<str>) -> &mut Self {
        self.also.push((place, harmless(what.as_ref())));
        self
    }
}

/// Safe to print, whatever the files hold; and not endless.
pub(super) fn harmless(text: &str) -> String {
    let masked = secret::mask(text);
    let mut safe = String::with_capacity(masked.len());
    for (at, c) in masked.chars().enumerate() {
        match c {
            _ if at > 600 => return safe + "…",
            '\n' => safe.push_str("\\n"),
            c if is_odd(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    safe
}

/// A file's text, safe to print, with every byte where it was.
fn harmless_source(text: &str) -> String {
    let stand_in = |c: char| match c.len_utf8() {
        1 => '?',
        2 => '¤',
        _ => '\u{fffd}',
    };
    let keep = |c: char| matches!(c, '\n' | '\r' | '\t') || !is_odd(c);
    let masked = secret::mask(text);
    masked.chars().map(|c| if keep(c) { c } else { stand_in(c) }).collect()
}

/// Whether a terminal might act on it instead of showing it: control
/// characters, line separators, and what changes the direction of writing.
fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Collects what is wrong while the files are read and checked.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Problem>);

impl Findings {
    /// The plan cannot be used because of what is at `place`.
    pub(super) fn error(&mut self, place: Place, what: impl AsRef<str>) -> &mut Problem {
        self.push(place, Severity::Error, what.as_ref())
    }

    /// How many there are so far.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Somebody should look at `place`.
    pub(super) fn warning(&mut self, place: Place, what: impl AsRef<str>) -> &mut Problem {
        self.push(place, Severity::Warning, what.as_ref())
    }

    fn push(&mut self, place: Place, severity: Severity, what: &str) -> &mut Problem {
        self.0.push(Problem {
            place,
            severity,
            what: harmless(what),
            hint: None,
            also: Vec::new(),
        });
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    /// All that was found, in reading order, each once; with the texts of the
    /// files it was found in.
    pub(super) fn finish(mut self, texts: &BTreeMap<Arc<str>, Arc<str>>) -> Problems {
        self.0.sort();
        // What is written once and used through an alias is wrong only once.
        self.0.dedup();
        let mentioned: BTreeSet<&Arc<str>> = self
            .0
            .iter()
            .flat_map(|problem| problem.also.iter().map(|(place, _)| place).chain([&problem.place]))
            .map(|place| &place.file)
            .collect();
        let texts = mentioned
            .into_iter()
            .filter_map(|file| texts.get_key_value(file))
            .map(|(file, text)| (Arc::clone(file), harmless_source(text)))
            .collect();
        Problems { list: self.0, texts }
    }
}

/// Everything that is wrong with a plan, in reading order.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    list: Vec<Problem>,
    /// The files with problems, tokens masked, for the snippets.
    pub(super) texts: BTreeMap<Arc<str>, String>,
}

impl Problems {
    /// The problems, by file and position.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// The problems, errors before warnings.
    pub fn worst_first(&self) -> impl Iterator<Item = &Problem> {
        let of = |severity| self.iter().filter(move |problem| problem.severity == severity);
        of(Severity::Error).chain(of(Severity::Warning))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// How many of them make the plan unusable.
    pub fn errors(&self) -> usize {
        let errors = self.list.iter().filter(|p| p.severity == Severity::Error);
        errors.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_might_obey_is_made_visible() {
        insta::assert_snapshot!(harmless("a\u{1b}[31m\n\u{9b}\u{202e}b"), @r"a\u{1b}[31m\n\u{9b}\u{202e}b");
        assert_eq!(harmless(&"ä".repeat(2000)).chars().count(), 602);
    }

    #[test]
    fn a_shown_source_keeps_every_byte_in_its_place() {
        let source = "a: \u{1b}\t\u{9b}\u{202e}ä\r\n";
        let shown = harmless_source(source);
        assert_eq!(shown.len(), source.len());
        assert_eq!(shown, "a: ?\t¤\u{fffd}ä\r\n");
    }
}
