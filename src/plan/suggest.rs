//! The nearest valid name, for a hint.

use std::cell::Cell;

/// How many names may be compared in one check: a plan full of unknown names
/// must not take quadratic time.
const COMPARISONS: usize = 500_000;

/// Finds near names until it has compared enough of them.
#[derive(Debug)]
pub(super) struct Suggester {
    left: Cell<usize>,
}

impl Suggester {
    /// One with all its comparisons left.
    pub(super) fn new() -> Self {
        Self { left: Cell::new(COMPARISONS) }
    }

    /// The one of `names` that `wrong` was most likely meant to be, if any is
    /// near: a third of it may differ.
    pub(super) fn nearest<'n>(
        &self,
        wrong: &str,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Option<&'n str> {
        let wrong = wrong.to_lowercase();
        let length = wrong.chars().count();
        // Two names of one letter have nothing in common.
        let far = ((length / 3).max(1) + 1).min(length);
        let mut best: Option<(usize, &str)> = None;
        for name in names {
            let Some(left) = self.left.get().checked_sub(1) else {
                break;
            };
            self.left.set(left);
            if name.len().abs_diff(wrong.len()) >= far {
                continue;
            }
            let distance = strsim::osa_distance(&wrong, name);
            if distance < best.map_or(far, |(nearest, _)| nearest) {
                best = Some((distance, name));
            }
        }
        best.map(|(_, name)| name)
    }

    /// The hint for `wrong`: the nearest name, or all of them if they are few.
    pub(super) fn hint<'n>(
        &self,
        wrong: &str,
        names: impl IntoIterator<Item = &'n str> + Clone,
    ) -> Option<String> {
        if let Some(name) = self.nearest(wrong, names.clone()) {
            return Some(format!("did you mean `{name}`?"));
        }
        let few: Vec<&str> = names.into_iter().take(16).collect();
        (!few.is_empty() && few.len() < 16).then(|| format!("there is {}", listed(&few)))
    }
}

/// The names as a person would list them: `a`, `b` and `c`.
pub(super) fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [many @ .., last] => format!("{} and {last}", many.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(wrong: &str, names: &[&'static str]) -> String {
        let hint = Suggester::new().hint(wrong, names.iter().copied());
        hint.unwrap_or_default()
    }

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_listed() {
        assert_eq!(hint("visoin", &["echo", "vision"]), "did you mean `vision`?");
        assert_eq!(hint("Echo", &["echo", "vision"]), "did you mean `echo`?");
        assert_eq!(hint("pixel", &["echo", "vision"]), "there is `echo` and `vision`");
        assert_eq!(hint("b", &["a"]), "there is `a`");
        assert_eq!(hint("pixel", &[]), "");
    }

    #[test]
    fn comparing_comes_to_an_end() {
        let suggester = Suggester { left: Cell::new(3) };
        assert_eq!(suggester.nearest("ab", ["aa", "bb"]), Some("aa"));
        assert_eq!(suggester.nearest("ab", ["bb", "ab"]), Some("bb"));
        assert_eq!(suggester.nearest("ab", ["ab"]), None);
    }
}
