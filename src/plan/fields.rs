//! Reading a mapping field by field.
//!
//! What is wrong is reported on the way, and reading goes on with the next
//! field, so that one pass finds everything.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    kind::Kind,
    place::{Place, Span},
    problem::{Findings, Problem},
    profile::Profiles,
    suggest::{Suggester, listed},
    values::{expected, text},
    yaml::{Node, Value},
};

/// One file being read: where its problems go.
pub(super) struct Reading<'a> {
    pub(super) file: &'a Arc<str>,
    pub(super) findings: &'a mut Findings,
    pub(super) suggester: &'a Suggester,
    pub(super) profiles: &'a Profiles,
}

impl Reading<'_> {
    /// `span` in this file.
    pub(super) fn place(&self, span: Span) -> Place {
        span.within(self.file)
    }

    /// Something is wrong at `span`.
    pub(super) fn error(&mut self, span: Span, what: impl AsRef<str>) -> &mut Problem {
        self.findings.error(span.within(self.file), what)
    }
}

/// The fields of one mapping.
pub(super) struct Fields<'n> {
    what: &'n str,
    span: Span,
    found: BTreeMap<&'n str, &'n Node>,
}

impl<'n> Fields<'n> {
    /// The fields of `node`, which is `what` (`an agent`) and may have those
    /// `known`. Unknown and repeated ones are reported.
    pub(super) fn open(
        node: &'n Node,
        what: &'n str,
        known: &[&'static str],
        cx: &mut Reading<'_>,
    ) -> Option<Self> {
        let mut found = BTreeMap::new();
        for (key, key_span, value) in entries(node, what, cx)? {
            if known.contains(&key) {
                found.insert(key, value);
            } else {
                let hint = cx.suggester.nearest(key, known.iter().copied());
                let hint = match hint {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if known.is_empty() => format!("{what} has no fields"),
                    None => format!("{what} may have {}", listed(known)),
                };
                cx.error(key_span, format!("`{key}` is not a field of {what}")).hint(hint);
            }
        }
        Some(Self { what, span: node.span, found })
    }

    /// The value of a field; one that is there but empty counts as left out.
    pub(super) fn read<T: Kind>(&self, key: &str, cx: &mut Reading<'_>) -> Option<T> {
        self.get(key).and_then(|node| T::read(node, cx))
    }

    /// Reports a field that must be there and is not; `example` is one.
    pub(super) fn require(&self, key: &str, example: &str, cx: &mut Reading<'_>) {
        if self.get(key).is_none() {
            let span = self.found.get(key).map_or(self.span, |empty| empty.span);
            cx.error(span, format!("{} needs `{key}`", self.what))
                .hint(format!("write `{example}`"));
        }
    }

    fn get(&self, key: &str) -> Option<&'n Node> {
        let node = self.found.get(key).copied();
        node.filter(|node| !matches!(node.value, Value::Nothing))
    }
}

/// The entries of a mapping with their keys as text. Keys that are no text or
/// come twice are reported, and left out.
pub(super) fn entries<'n>(
    node: &'n Node,
    what: &str,
    cx: &mut Reading<'_>,
) -> Option<Vec<(&'n str, Span, &'n Node)>> {
    let Value::Map(map) = &node.value else {
        expected(node, &format!("{what}, as `key: value` lines"), cx);
        return None;
    };
    let mut first: BTreeMap<&str, Span> = BTreeMap::new();
    let mut good = Vec::with_capacity(map.len());
    for (key, value) in map {
        let Some(text) = text(key, "a key", cx) else {
            continue;
        };
        if let Some(&before) = first.get(text) {
            let before = cx.place(before);
            cx.error(key.span, format!("`{text}` is here twice")).also(before, "first here");
        } else {
            first.insert(text, key.span);
            good.push((text, key.span, value));
        }
    }
    Some(good)
}
