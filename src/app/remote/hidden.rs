//! What nobody may see of a launch, whoever says it.
//!
//! Whoever was sent a secret can send it back: in an error, in a report. What
//! they say is shown, stored and written into issues.

use secrecy::SecretString;

use super::launch::asked;
use crate::{
    app::context::Context,
    model::{Definition, Digest, RunToken, credential},
    runner::Redactor,
};

/// Parts of a value that are shorter say nothing by themselves.
const SHORTEST_PART: usize = 8;

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Whoever carries a request: what is in its URL stands for nothing else there.
    OnTheWay,
    /// Whoever works on a run: a host or a folder is a word like others there.
    InAReport,
}

/// Knows what the launch of an agent holds that is secret: the token of the
/// run, the secret of its header, and what its URLs are filled in with.
pub(super) fn hidden(
    cx: &Context,
    definition: Option<&Definition>,
    token: Option<&RunToken>,
    said: Said,
) -> Redactor {
    let webhook = definition.and_then(asked).map(|(_, webhook)| webhook);
    let mut hidden: Vec<(String, SecretString)> = Vec::new();
    let mut add = |name: &str, value: &str| hidden.push((name.to_owned(), value.into()));
    if let Some(token) = token {
        add("the token of the run", token.expose());
    }
    let environment = &cx.settings.environment;
    if let Some(webhook) = webhook {
        let headers = webhook.auth.iter().map(|auth| &auth.secret).chain(&webhook.api_key);
        for name in headers.map(|name| name.as_str()) {
            environment.word(name).into_iter().for_each(|value| add(name, value));
        }
        let urls = std::iter::once(&webhook.url).chain(&webhook.stop);
        for name in urls.flat_map(|url| url.variables()) {
            for part in environment.word(name).into_iter().flat_map(|url| parts(url, said)) {
                add(name, &part);
            }
        }
    }
    Redactor::new(hidden.iter().map(|(name, value)| (name.clone(), value)))
}

/// What of a URL can be secret: some are so by their path alone. The host of an
/// address with a port is named without it in errors.
fn parts(url: &str, said: Said) -> impl Iterator<Item = String> {
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let of_place = place.split(['/', '#', '@', ':']);
    let of_place = of_place.filter(move |part| said == Said::OnTheWay || !is_word(part));
    let parts = of_place.chain(query.split(['&', '=', '#']));
    let parts = parts.filter(|part| part.len() >= SHORTEST_PART);
    let parts = std::iter::once(url).chain(parts).map(ToOwned::to_owned);
    parts.chain(credential::in_url(url).into_iter().flat_map(|(it, sent)| [it.to_owned(), sent]))
}

/// Whether it looks like a word, or like the name of a host.
fn is_word(part: &str) -> bool {
    let is_host = part.contains('.');
    part.bytes().all(|b| match b {
        b'a'..=b'z' | b'-' | b'_' | b'.' => true,
        b'0'..=b'9' => is_host,
        _ => false,
    })
}

/// `text` without the token with this digest: all that is known of it once the
/// run began.
pub(super) fn without_token(text: &str, token: Digest) -> String {
    let mut clean = String::with_capacity(text.len());
    let (mut kept, mut start) = (0, 0);
    while let Some(digits) = text.as_bytes().get(start..start + RunToken::DIGITS) {
        match digits.iter().rposition(|byte| !byte.is_ascii_hexdigit()) {
            Some(other) => start += other + 1,
            None if Digest::of(digits) == token => {
                clean = clean + &text[kept..start] + "***";
                start += RunToken::DIGITS;
                kept = start;
            }
            None => start += 1,
        }
    }
    clean + &text[kept..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_its_digest() {
        let token = RunToken::from_random([7; 32]);
        let text = format!("POST {{\"token\":\"{}\"}} gave 409: ä", token.expose());
        let clean = without_token(&text, token.digest());
        assert_eq!(clean, "POST {\"token\":\"***\"} gave 409: ä");
        // In a URL, what is before it are digits, too.
        let text = format!("%22token%22%3A%22{0}%22 {0}", token.expose());
        let clean = without_token(&text, token.digest());
        assert_eq!(clean, "%22token%22%3A%22***%22 ***");
        assert_eq!(without_token("", token.digest()), "");
        assert_eq!(without_token("No word of it.", token.digest()), "No word of it.");
    }

    #[test]
    fn a_url_is_secret_as_a_whole_and_in_what_it_is_made_of() {
        let parts = |url, said| parts(url, said).collect::<Vec<_>>();
        let url = "https://h.org/T0/0123456789?key=abcdefgh";
        for said in [Said::OnTheWay, Said::InAReport] {
            assert_eq!(parts(url, said), [url, "0123456789", "abcdefgh"]);
        }
        let url = "http://me:a%2Fb@n8n.example.org:5678/production/";
        assert_eq!(
            parts(url, Said::OnTheWay),
            [url, "n8n.example.org", "production", "a%2Fb", "a/b"]
        );
        // A report may name where it deployed something.
        assert_eq!(parts(url, Said::InAReport), [url, "a%2Fb", "a/b"]);
        assert_eq!(parts("http://localhost:5678", Said::InAReport), ["http://localhost:5678"]);
    }
}
