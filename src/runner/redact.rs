//! Takes secrets out of text: known values in every dress they usually wear,
//! and tokens known by their look.
//!
//! **Invariant:** what [`Redactor::redact`] returns holds no known value, nor
//! its base64, URL-encoded or JSON-escaped form. A value of several lines is
//! looked for line by line, because output is.

use std::{collections::BTreeMap, ops::Range};

use aho_corasick::AhoCorasick;
use base64::{Engine as _, engine::general_purpose};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};

use super::key_block;
use crate::model::credential;

/// What stands where a secret was.
pub(super) const HIDDEN: &str = "***";

/// Shorter values are not looked for: three characters are found everywhere.
const SHORTEST: usize = 4;

/// What `encodeURIComponent` leaves alone besides letters and digits.
const URI_COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'!')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// Knows what must not be seen.
pub(crate) struct Redactor {
    values: Option<AhoCorasick>,
    /// What each pattern of `values` is, for people.
    names: Vec<String>,
    /// How long the longest match can be, in bytes.
    window: usize,
}

impl Redactor {
    /// Looks for the values of `secrets`, named by their variables, and for
    /// tokens of known shapes.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = (String, &'a SecretString)>) -> Self {
        let mut patterns: BTreeMap<Vec<u8>, String> = BTreeMap::new();
        for (name, value) in secrets {
            for form in forms(value.expose_secret()) {
                patterns.entry(form).or_insert_with(|| name.clone());
            }
        }
        let longest = patterns.keys().map(Vec::len).max().unwrap_or(0);
        let (patterns, names): (Vec<_>, Vec<_>) = patterns.into_iter().unzip();
        #[expect(clippy::expect_used, reason = "it takes 2³¹ states to fail: gigabytes of secrets")]
        let values = (!patterns.is_empty())
            .then(|| AhoCorasick::new(patterns).expect("secrets of a sane size"));
        Self { values, names, window: longest.max(credential::LONGEST) }
    }

    /// How many bytes a secret can be long: text that is cut anywhere must keep
    /// so much in hand.
    pub(super) fn window(&self) -> usize {
        self.window
    }

    /// Where secrets are: sorted, and apart from each other.
    pub(super) fn find(&self, text: &[u8]) -> Vec<Range<usize>> {
        // Overlapping, so that of two secrets that overlap none shows an end.
        let values = self.values.iter().flat_map(|values| values.find_overlapping_iter(text));
        let mut spans: Vec<Range<usize>> = values.map(|found| found.range()).collect();
        spans.extend(credential::find(text));
        spans.sort_by_key(|span| span.start);
        spans.dedup_by(|next, last| {
            let touches = next.start <= last.end;
            if touches {
                last.end = last.end.max(next.end);
            }
            touches
        });
        spans
    }

    /// `text` without the secrets at `spans`.
    pub(super) fn without(text: &[u8], spans: &[Range<usize>]) -> Vec<u8> {
        let mut clean = Vec::with_capacity(text.len());
        let mut from = 0;
        for span in spans {
            clean.extend_from_slice(&text[from..span.start]);
            clean.extend_from_slice(HIDDEN.as_bytes());
            from = span.end;
        }
        clean.extend_from_slice(&text[from..]);
        clean
    }

    /// `text` without secrets.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mut key = key_block::KeyBlock::default();
        let mut clean = String::with_capacity(text.len());
        for line in text.split_inclusive('\n') {
            if key.hides(line.as_bytes()) {
                clean += HIDDEN;
                clean += if line.ends_with('\n') { "\n" } else { "" };
            } else {
                let bytes = Self::without(line.as_bytes(), &self.find(line.as_bytes()));
                clean += &String::from_utf8_lossy(&bytes);
            }
        }
        clean
    }

    /// What kind of secret is in `text`, if one is.
    pub(super) fn kind(&self, text: &str) -> Option<String> {
        let value = self.values.as_ref().and_then(|values| values.find(text));
        match value {
            Some(found) => Some(self.names[found.pattern().as_usize()].clone()),
            None => credential::kind(text).map(ToOwned::to_owned),
        }
    }
}

/// Every dress in which `secret` may turn up.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let clean = super::clean::without_controls(secret);
    let whole = [secret.trim(), clean.trim()];
    let lines = clean.lines().map(str::trim);
    let mut forms: Vec<Vec<u8>> = Vec::new();
    for value in whole.into_iter().chain(lines) {
        if value.len() < SHORTEST {
            continue;
        }
        forms.push(value.into());
        let url = utf8_percent_encode(value, URI_COMPONENT).to_string();
        forms.push(url.replace("%20", "+").into());
        forms.push(utf8_percent_encode(value, NON_ALPHANUMERIC).to_string().into());
        forms.push(lowercase_escapes(&url).into());
        forms.push(url.into());
        let json = serde_json::Value::from(value).to_string();
        forms.push(json[1..json.len() - 1].into());
        forms.push(json[1..json.len() - 1].replace('/', "\\/").into());
        forms.extend(base64_forms(value.as_bytes()));
    }
    // `echo "$SECRET" | base64` has a line break in it; the rest is the same.
    if secret.len() >= SHORTEST {
        forms.extend(base64_forms(secret.as_bytes()));
    }
    // What spans lines is found by its lines.
    forms.retain(|form| !form.contains(&b'\n') && form.len() >= SHORTEST);
    forms
}

/// `%2F` as `%2f`: both are in use.
fn lowercase_escapes(url: &str) -> String {
    let mut parts = url.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text += "%";
        text += &part[..2].to_lowercase();
        text += &part[2..];
    }
    text
}

/// The characters that base64 makes of `bytes`, wherever they stand in what is
/// encoded: at each of the three offsets, without the characters that depend on
/// what is around. `user:secret` in a `Basic` header is the usual case.
fn base64_forms(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for offset in 0..3 {
        let mut around = vec![0; offset];
        around.extend_from_slice(bytes);
        for engine in [general_purpose::STANDARD_NO_PAD, general_purpose::URL_SAFE_NO_PAD] {
            let text = engine.encode(&around);
            // Six bits a character: these are made of our bytes alone.
            let ours = (offset * 8).div_ceil(6)..(around.len() * 8) / 6;
            let ours = text.as_bytes()[ours].to_vec();
            // `base64` breaks lines after 76 characters, PEM after 64.
            for width in [64, 76] {
                if ours.len() > width {
                    forms.extend(wrapped(&ours, width));
                }
            }
            // The text of a short value is found by chance.
            if ours.len() >= SHORTEST {
                forms.push(ours);
            }
            if offset == 0 {
                forms.push(text.into_bytes());
            }
        }
    }
    forms
}

/// The lines of base64 text that starts a line, but for a tail that is found by
/// chance.
fn wrapped(text: &[u8], width: usize) -> impl Iterator<Item = Vec<u8>> {
    text.chunks(width).filter(|line| line.len() >= 2 * SHORTEST).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(secret: &str) -> Redactor {
        let secret = SecretString::from(secret);
        Redactor::new([("`TOKEN`".to_owned(), &secret)])
    }

    #[test]
    fn a_secret_is_hidden_in_every_dress() {
        let redactor = redactor("p\"ss/wörd+1");
        let basic = general_purpose::STANDARD.encode("ada:p\"ss/wörd+1");
        let text = [
            "plain   p\"ss/wörd+1.",
            "json    {\"a\":\"p\\\"ss/wörd+1\"}",
            "url     ?a=p%22ss%2Fw%C3%B6rd%2B1&b",
            "lower   ?a=p%22ss%2fw%c3%b6rd%2b1&b",
            &format!("base64  {}", general_purpose::STANDARD.encode("p\"ss/wörd+1")),
            &format!("newline {}", general_purpose::STANDARD.encode("p\"ss/wörd+1\n")),
            &format!("urlsafe {}", general_purpose::URL_SAFE_NO_PAD.encode("p\"ss/wörd+1")),
            &format!("basic   {basic}"),
        ];
        insta::assert_snapshot!(redactor.redact(&text.join("\n")), @r#"
        plain   ***.
        json    {"a":"***"}
        url     ?a=***&b
        lower   ?a=***&b
        base64  ***
        newline ***Cg==
        urlsafe ***
        basic   YWRhOn***Q==
        "#);
    }

    #[test]
    fn a_secret_of_several_lines_is_hidden_line_by_line() {
        let redactor = redactor("first line\nsecond line\n");
        insta::assert_snapshot!(
            redactor.redact("a first line b\nsecond line\n{\"x\": \"first line\\nsecond line\\n\"}"),
            @r#"
        a *** b
        ***
        {"x": "***\n"}
        "#
        );
    }

    #[test]
    fn overlapping_secrets_leave_no_end() {
        let (one, two) = (SecretString::from("abcd1234"), SecretString::from("1234wxyz"));
        let redactor = Redactor::new([("one".to_owned(), &one), ("two".to_owned(), &two)]);
        assert_eq!(redactor.redact("abcd1234wxyz abcd1234"), "*** ***");
    }

    #[test]
    fn a_private_key_is_hidden_to_its_end() {
        let key = "-----BEGIN RSA KEY-----\nMIIEabc\n-----END RSA KEY-----\nbye";
        let key = key.replace("KEY", "PRIVATE KEY");
        insta::assert_snapshot!(redactor("").redact(&key), @"
        ***
        ***
        ***
        bye
        ");
    }

    #[test]
    fn what_is_in_an_artifact_is_named_but_not_shown() {
        let redactor = redactor("hunter22");
        assert_eq!(redactor.kind("it is hunter22"), Some("`TOKEN`".into()));
        assert_eq!(redactor.kind("it is aHVudGVyMjI="), Some("`TOKEN`".into()));
        assert_eq!(redactor.kind("it is hunter"), None);
    }

    #[test]
    fn values_of_three_characters_are_left_alone() {
        assert_eq!(redactor("1").redact("1 of 10"), "1 of 10");
    }
}
