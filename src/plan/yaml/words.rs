//! What the parser says is wrong, in our words where an author may meet it.

use serde_yaml::{Error, budget::BudgetBreach};

use super::{MAX_DEPTH, MAX_NODES, Unreadable, tree::span};
use crate::plan::place::Span;

/// Why `text` cannot be read.
pub(super) fn unreadable(text: &str, err: &serde_yaml::Error) -> Unreadable {
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
