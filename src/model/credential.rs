//! Credentials, known by their look, whoever they belong to.
//!
//! Plans, outputs and logs are all searched with this one table. A stream is
//! searched with a window of [`LONGEST`] bytes: what is longer is no token.

use std::{ops::Range, sync::LazyLock};

use percent_encoding::percent_decode_str;
use regex::bytes::Regex;

/// How many bytes a token can be long.
pub const LONGEST: usize = 8 * 1024;

/// How long the name of somebody in a URL must be to be a token.
const LONG_NAME: usize = 16;

/// What each shape is, and its expression. The names are for people, the order
/// is that of trying: the more special first. The tails are long enough that a
/// mention in prose is not taken for one.
const SHAPES: [(&str, &str); 12] = [
    ("a GitHub token", r"(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})"),
    ("a GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    ("an Anthropic key", r"sk-ant-[A-Za-z0-9_-]{16,}"),
    ("an OpenAI key", r"\bsk-(?:proj-|svcacct-|admin-)[A-Za-z0-9_-]{16,}"),
    ("a secret key", r"\bsk-[A-Za-z0-9]{20,}"),
    ("an AWS key", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    ("a Google key", r"\bAIza[A-Za-z0-9_-]{35}"),
    ("a Slack token", r"xox[a-z]-[A-Za-z0-9-]{10,}"),
    ("an npm token", r"\bnpm_[A-Za-z0-9]{36}"),
    ("a Supabase key", r"sb(?:_secret|p)_[A-Za-z0-9_-]{16,}"),
    ("a JSON web token", r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    // In JSON, the line breaks of a key are the two characters `\n`.
    ("a private key", r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-\n]*"),
];

/// One expression for all shapes: each is a group of its own.
static ANY: LazyLock<Regex> = LazyLock::new(|| {
    let groups: Vec<String> = SHAPES.iter().map(|(_, shape)| format!("({shape})")).collect();
    #[expect(clippy::expect_used, reason = "a constant, compiled by every test below")]
    Regex::new(&format!("(?-u){}", groups.join("|"))).expect("a valid expression")
});

/// Where in `text` something looks like a credential.
pub fn find(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    ANY.find_iter(text).map(|found| found.range())
}

/// What the first credential in `text` is, if there is one.
pub fn kind(text: &str) -> Option<&'static str> {
    let found = ANY.captures(text.as_bytes())?;
    let which = SHAPES.iter().enumerate().find(|(i, _)| found.get(i + 1).is_some());
    which.map(|(_, (kind, _))| *kind)
}

/// `text` without anything that looks like a credential.
pub fn without(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut end = 0;
    for found in find(text.as_bytes()) {
        kept += text.get(end..found.start).unwrap_or_default();
        kept += "***";
        end = found.end;
    }
    kept + text.get(end..).unwrap_or_default()
}

/// The password in a URL, as it stands there and as it is sent. A name alone counts
/// as one when it is too long to be one.
pub fn in_url(url: &str) -> Option<(&str, String)> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    let password = match user.split_once(':') {
        Some((_, password)) => Some(password).filter(|password| !password.is_empty()),
        None => Some(user).filter(|user| !scheme.is_empty() && user.len() >= LONG_NAME),
    }?;
    Some((password, percent_decode_str(password).decode_utf8_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_known_by_their_look() {
        // Put together here, so that no scanner takes this file for a leak.
        let long = "Ab3dEf6hIj9lMn2pQr5tUv8xYz1aBc4eFg7i";
        let samples = [
            format!("ghp_{long}"),
            format!("gho_{long}"),
            format!("github_pat_{long}"),
            format!("sk-ant-api03-{long}"),
            format!("sk-proj-{long}"),
            format!("sk-{long}"),
            format!("AKIA{}", "IOSFODNN7EXAMPLE"),
            format!("xoxb-{}", "123456789012-abcdef"),
            format!("sb_secret_{long}"),
            format!("eyJ{long}.eyJ{long}.{long}"),
            format!("-----BEGIN RSA {}-----\\nMIIE", "PRIVATE KEY"),
            format!("-----BEGIN {}-----", "PRIVATE KEY"),
            format!("glpat-{long}"),
            format!("AIza{}", &long[..35]),
            format!("npm_{long}"),
            format!("sbp_{long}"),
        ];
        let kinds: Vec<String> = samples
            .iter()
            .map(|token| format!("{:<14} {}", &token[..10], kind(&format!("x={token};")).unwrap()))
            .collect();
        insta::assert_snapshot!(kinds.join("\n"), @"
        ghp_Ab3dEf     a GitHub token
        gho_Ab3dEf     a GitHub token
        github_pat     a GitHub token
        sk-ant-api     an Anthropic key
        sk-proj-Ab     an OpenAI key
        sk-Ab3dEf6     a secret key
        AKIAIOSFOD     an AWS key
        xoxb-12345     a Slack token
        sb_secret_     a Supabase key
        eyJAb3dEf6     a JSON web token
        -----BEGIN     a private key
        -----BEGIN     a private key
        glpat-Ab3d     a GitLab token
        AIzaAb3dEf     a Google key
        npm_Ab3dEf     an npm token
        sbp_Ab3dEf     a Supabase key
        ");
    }

    #[test]
    fn prose_is_no_token() {
        for prose in [
            "sk-learn and sk-image",
            "the ghp_ prefix",
            "AKIA",
            "eyJ.eyJ.x",
            "a task-sk-1",
            "-----BEGIN CERTIFICATE-----",
            "risk-assessmentofalongprojectname",
        ] {
            assert_eq!(kind(prose), None, "{prose}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_known_by_its_place() {
        for (url, found) in [
            ("http://me:s3cret@proxy:8080/x", Some(("s3cret", "s3cret"))),
            ("http://me:a%2Fb%40c@proxy", Some(("a%2Fb%40c", "a/b@c"))),
            ("me:s3cret@proxy:8080", Some(("s3cret", "s3cret"))),
            ("https://0123456789abcdef@h.org", Some(("0123456789abcdef", "0123456789abcdef"))),
            ("https://me@h.org", None),
            ("https://me:@h.org", None),
            ("https://h.org:8080/a:b@c", None),
            ("somebody.of.long.name@h.org", None),
            ("localhost,127.0.0.1", None),
        ] {
            let found = found.map(|(written, sent): (&str, &str)| (written, sent.to_owned()));
            assert_eq!(in_url(url), found, "{url}");
        }
    }
}
