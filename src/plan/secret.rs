//! The shapes of tokens that must never stand in a plan.
//!
//! A plan is committed and pushed, so a credential in it is already public.
//! The whole text is searched, comments included, and what is found is masked
//! before any of it is shown.

use std::{borrow::Cow, ops::Range, sync::LazyLock};

use regex::Regex;

/// What the tokens of each issuer look like. Long enough tails that a mention
/// in prose (`a ghp_… token`) is not taken for one.
const SHAPES: [&str; 12] = [
    // GitHub: classic, OAuth, user-to-server, server-to-server, refresh; fine-grained.
    r"\bgh[opsur]_[A-Za-z0-9]{30,}",
    r"\bgithub_pat_[A-Za-z0-9_]{40,}",
    r"\bglpat-[A-Za-z0-9_-]{20,}",
    // Anthropic, and OpenAI's newer ones.
    r"\bsk-ant-[A-Za-z0-9_-]{20,}",
    r"\bsk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{20,}",
    // AWS access key ids.
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    r"\bAIza[A-Za-z0-9_-]{35}",
    r"\bxox[abeprs]-[A-Za-z0-9-]{10,}",
    r"\bnpm_[A-Za-z0-9]{36}",
    // Supabase: secret API keys and personal access tokens.
    r"\bsb(?:_secret|p)_[A-Za-z0-9_-]{20,}",
    // JSON Web Tokens, such as Supabase's legacy service key.
    r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)",
];

#[expect(clippy::expect_used, reason = "the pattern is fixed, and every test runs it")]
static ANY: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(&SHAPES.join("|")).expect("a valid pattern"));

/// Where tokens stand in `text`, as byte ranges.
pub(super) fn find(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    ANY.find_iter(text).map(|found| found.range())
}

/// `text` with every token overwritten by stars, byte for byte; lines stay
/// where they are.
pub(super) fn mask(text: &str) -> Cow<'_, str> {
    ANY.replace_all(text, |found: &regex::Captures<'_>| -> String {
        found[0].bytes().map(|b| if b == b'\n' { '\n' } else { '*' }).collect()
    })
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
