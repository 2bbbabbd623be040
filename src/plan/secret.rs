//! The shapes of tokens that must never stand in a plan.
//!
//! A plan is committed and pushed, so a credential in it is already public.
//! The whole text is searched, comments included, and what is found is masked
//! before any of it is shown.

use std::{borrow::Cow, ops::Range};

use crate::model::credential;

/// How a private key ends. The shape knows only its first line.
const LAST_LINE: &str = "PRIVATE KEY-----";

/// Where credentials stand in `text`, as byte ranges; of a private key, all its
/// lines.
pub(super) fn find(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut end = 0;
    credential::find(text.as_bytes()).filter_map(move |found| {
        if found.start < end {
            return None;
        }
        end = found.end;
        if text[found.clone()].starts_with("-----BEGIN") {
            let last = text[end..].find("-----END").map(|at| end + at);
            let last = last.and_then(|at| Some(at + text[at..].find(LAST_LINE)? + LAST_LINE.len()));
            end = last.unwrap_or(text.len());
        }
        Some(found.start..end)
    })
}

/// `text` with every credential overwritten by stars, byte for byte; lines stay
/// where they are.
pub(super) fn mask(text: &str) -> Cow<'_, str> {
    let mut masked = String::new();
    let mut rest = 0;
    for found in find(text) {
        masked += &text[rest..found.start];
        masked.extend(text[found.clone()].bytes().map(|b| if b == b'\n' { '\n' } else { '*' }));
        rest = found.end;
    }
    match rest {
        0 => Cow::Borrowed(text),
        _ => Cow::Owned(masked + &text[rest..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_and_mentions_are_not() {
        let tail = "0123456789abcdefghijklmnopqrstuvwxyzABCD";
        for token in [
            format!("ghp_{tail}"),
            format!("github_pat_{tail}{tail}"),
            format!("sk-ant-api03-{tail}"),
            "AKIAIOSFODNN7EXAMPLE".to_owned(),
            format!("sb_secret_{tail}"),
            format!("eyJ{tail}.eyJ{tail}.{tail}"),
        ] {
            assert!(find(&token).eq(std::iter::once(0..token.len())), "{token}");
        }
        for prose in ["ghp_", "a `sk-ant-…` key", "AKIA", "eyJ.eyJ.x", "sb_secret_yours"] {
            assert_eq!(find(prose).count(), 0, "{prose}");
        }
    }

    #[test]
    fn a_masked_text_keeps_its_lines_and_its_length() {
        let key =
            "key: |\n  -----BEGIN PRIVATE KEY-----\n  ä\n  -----END PRIVATE KEY-----\nnext: 1\n";
        let masked = mask(key);
        assert_eq!(masked.len(), key.len());
        insta::assert_snapshot!(masked, @"
        key: |
          ***************************
        ****
        ***************************
        next: 1
        ");
    }
}
