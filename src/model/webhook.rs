//! Where work is done by whoever is behind a URL.
//!
//! **Invariant:** a held [`UrlTemplate`] names no secret and no test: what is
//! secret or differs from place to place stands in it as `{env:NAME}`, and is
//! filled in when it is used.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{BadEnvName, EnvName};

/// Somebody behind a URL, who is asked to do the work of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// What is asked.
    pub url: UrlTemplate,
    /// How they know who asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// The variable with a key that lets their executions be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<EnvName>,
    /// What is told when a run is to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<UrlTemplate>,
}

impl Webhook {
    /// The names of all variables that asking them takes.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        let secrets = self.auth.iter().map(|auth| &auth.secret).chain(&self.api_key);
        let urls = std::iter::once(&self.url).chain(&self.stop);
        secrets.map(EnvName::as_str).chain(urls.flat_map(UrlTemplate::variables))
    }
}

/// A header with a secret in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// Which header.
    pub header: HeaderName,
    /// The variable with the secret.
    pub secret: EnvName,
}

/// The name of a header of HTTP.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HeaderName(String);

/// Why a string is not the name of a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot name a header: use 1 to 100 of A-Z, a-z, 0-9 and `-`, starting with a letter"
)]
pub struct BadHeaderName(String);

impl HeaderName {
    /// The rule, as a regular expression.
    pub const PATTERN: &'static str = "^[A-Za-z][A-Za-z0-9-]{0,99}$";

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HeaderName {
    type Err = BadHeaderName;

    fn from_str(name: &str) -> Result<Self, BadHeaderName> {
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic());
        match plain && starts_well && name.len() <= 100 {
            true => Ok(Self(name.to_owned())),
            false => Err(BadHeaderName(name.to_owned())),
        }
    }
}

/// A URL, with variables in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UrlTemplate(String);

/// Why a string cannot be the URL of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrlTemplate {
    /// It is no URL of HTTP.
    #[error("`{0}` is not a URL: begin with https:// or with a variable, such as {{env:N8N_URL}}")]
    Shape(String),
    /// What is in braces is not a variable.
    #[error(
        "`{0}` is not a variable: write {{env:NAME}}, with the name of an environment variable"
    )]
    Placeholder(String),
    /// It is the name of something that others must not get.
    #[error("`{{env:{0}}}` is Wavemark's own, and goes to nobody: use a variable of yours")]
    Own(String),
    /// Everybody on the way could read the token of a run.
    #[error("`{0}` is not encrypted: use https://, as the secrets of a run go there")]
    Plain(String),
    /// It would be answered once, after somebody pressed a button.
    #[error("`{0}` is for one test only: use the production URL, with /webhook/")]
    Test(String),
    /// It holds a secret.
    #[error("`{0}` has a user name or a password in it: use `auth`")]
    Credentials(String),
}

/// A part of a template.
enum Part<'a> {
    Text(&'a str),
    Variable(&'a str),
}

impl UrlTemplate {
    /// The rule, as a regular expression.
    pub const PATTERN: &'static str =
        r"^(https?://|\{env:[A-Za-z_][A-Za-z0-9_]*\})([^\s{}]|\{env:[A-Za-z_][A-Za-z0-9_]*\})*$";

    /// The URL with the values of its variables.
    ///
    /// # Errors
    ///
    /// In words, which hold no value: a variable is not set, or what comes out
    /// is no good URL.
    pub fn fill(&self, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
        let parts = parts(&self.0).map_err(|err| err.to_string())?;
        let mut url = String::new();
        for (place, part) in parts.iter().enumerate() {
            match part {
                Part::Text(text) => url += text,
                Part::Variable(name) => {
                    let value = value(name).ok_or_else(|| {
                        format!("{name} is not set: set it in the environment of `wavemark`")
                    })?;
                    // A slash is written once, however the variable ends.
                    let goes_on = matches!(parts.get(place + 1), Some(Part::Text(text)) if text.starts_with('/'));
                    url += if goes_on { value.trim_end_matches('/') } else { &value };
                }
            }
        }
        let bad = match url.contains(['{', '}']) || !url.starts_with("http") {
            true => Err(BadUrlTemplate::Shape(String::new())),
            false => check(&url),
        };
        let Err(bad) = bad else { return Ok(url) };
        Err(match bad {
            BadUrlTemplate::Shape(_) | BadUrlTemplate::Placeholder(_) | BadUrlTemplate::Own(_) => {
                format!("{self} does not come out as a URL: look at its variables")
            }
            BadUrlTemplate::Plain(_) => format!(
                "{self} comes out unencrypted: use https://, as the secrets of a run go there"
            ),
            BadUrlTemplate::Test(_) => format!(
                "{self} comes out as a URL for one test only: use the production URL, with /webhook/"
            ),
            BadUrlTemplate::Credentials(_) => {
                format!("{self} comes out with a password in it: use `auth`")
            }
        })
    }

    /// The names of its variables.
    pub fn variables(&self) -> Vec<&str> {
        let parts = parts(&self.0).unwrap_or_default();
        let variable = |part| match part {
            Part::Variable(name) => Some(name),
            Part::Text(_) => None,
        };
        parts.into_iter().filter_map(variable).collect()
    }
}

/// The text and the variables of a template, in order.
fn parts(template: &str) -> Result<Vec<Part<'_>>, BadUrlTemplate> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((text, more)) = rest.split_once('{') {
        let bad = || {
            BadUrlTemplate::Placeholder(format!("{{{}", more.chars().take(40).collect::<String>()))
        };
        let (inside, after) = more.split_once('}').ok_or_else(bad)?;
        let bad = || BadUrlTemplate::Placeholder(format!("{{{inside}}}"));
        let name = inside.strip_prefix("env:").ok_or_else(bad)?;
        match name.parse::<EnvName>() {
            Ok(_) => parts.extend([Part::Text(text), Part::Variable(name)]),
            Err(BadEnvName::Reserved(name)) => return Err(BadUrlTemplate::Own(name)),
            Err(BadEnvName::Shape(_)) => return Err(bad()),
        }
        rest = after;
    }
    parts.push(Part::Text(rest));
    let stray = |part: &Part<'_>| matches!(part, Part::Text(text) if text.contains('}'));
    match parts.iter().any(stray) {
        true => Err(BadUrlTemplate::Placeholder("}".to_owned())),
        false => Ok(parts),
    }
}

/// What holds for a template as for a URL.
fn check(url: &str) -> Result<(), BadUrlTemplate> {
    let owned = || url.to_owned();
    if url.contains(char::is_whitespace) || url.contains(char::is_control) || url.len() > 2000 {
        return Err(BadUrlTemplate::Shape(owned()));
    }
    if url.contains("/webhook-test/") {
        return Err(BadUrlTemplate::Test(owned()));
    }
    if url.starts_with("{env:") {
        return Ok(());
    }
    let plain = url.strip_prefix("http://");
    let Some(rest) = plain.or_else(|| url.strip_prefix("https://")) else {
        return Err(BadUrlTemplate::Shape(owned()));
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(BadUrlTemplate::Credentials(owned()));
    }
    if authority.is_empty() {
        return Err(BadUrlTemplate::Shape(owned()));
    }
    match plain.is_some() && !is_here(authority) {
        true => Err(BadUrlTemplate::Plain(owned())),
        false => Ok(()),
    }
}

/// Whether what is sent to a host does not leave this machine.
fn is_here(authority: &str) -> bool {
    if authority.starts_with("[::1]") {
        return true;
    }
    let host = authority.split(':').next().unwrap_or_default();
    let parts: Vec<&str> = host.split('.').collect();
    let numbers = parts.len() == 4 && parts.iter().all(|part| part.parse::<u8>().is_ok());
    (numbers && parts[0] == "127") || host.eq_ignore_ascii_case("localhost")
}

impl FromStr for UrlTemplate {
    type Err = BadUrlTemplate;

    fn from_str(template: &str) -> Result<Self, BadUrlTemplate> {
        parts(template)?;
        check(template)?;
        Ok(Self(template.to_owned()))
    }
}

impl fmt::Display for UrlTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

macro_rules! text {
    ($name:ident, $bad:ident) => {
        impl TryFrom<String> for $name {
            type Error = $bad;

            fn try_from(text: String) -> Result<Self, $bad> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }
    };
}

text!(UrlTemplate, BadUrlTemplate);
text!(HeaderName, BadHeaderName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_encrypted_or_stays_here_and_has_only_variables_in_it() {
        let told: Vec<String> = [
            "{env:N8N_URL}/webhook/vision",
            "https://n8n.example.org/webhook/vision",
            "http://localhost:5678/webhook/vision",
            "http://127.0.0.1:5678/x?y={env:Y}",
            "http://[::1]/x",
            "http://n8n.example.org/webhook/vision",
            "http://localhost.example.org/",
            "{env:N8N_URL}/webhook-test/vision",
            "{N8N_URL}/webhook/vision",
            "{env:DATABASE_URL}",
            "https://x/{run}",
            "https://x/{env:A",
            "https://x/}",
            "https://ada:hunter2@x/",
            "ftp://x/",
            "https://",
            "https://x /",
            "",
        ]
        .iter()
        .map(|url| match url.parse::<UrlTemplate>() {
            Ok(_) => format!("{url}: good"),
            Err(err) => err.to_string(),
        })
        .collect();
        insta::assert_snapshot!(told.join("\n"), @"
        {env:N8N_URL}/webhook/vision: good
        https://n8n.example.org/webhook/vision: good
        http://localhost:5678/webhook/vision: good
        http://127.0.0.1:5678/x?y={env:Y}: good
        http://[::1]/x: good
        `http://n8n.example.org/webhook/vision` is not encrypted: use https://, as the secrets of a run go there
        `http://localhost.example.org/` is not encrypted: use https://, as the secrets of a run go there
        `{env:N8N_URL}/webhook-test/vision` is for one test only: use the production URL, with /webhook/
        `{N8N_URL}` is not a variable: write {env:NAME}, with the name of an environment variable
        `{env:DATABASE_URL}` is Wavemark's own, and goes to nobody: use a variable of yours
        `{run}` is not a variable: write {env:NAME}, with the name of an environment variable
        `{env:A` is not a variable: write {env:NAME}, with the name of an environment variable
        `}` is not a variable: write {env:NAME}, with the name of an environment variable
        `https://ada:hunter2@x/` has a user name or a password in it: use `auth`
        `ftp://x/` is not a URL: begin with https:// or with a variable, such as {env:N8N_URL}
        `https://` is not a URL: begin with https:// or with a variable, such as {env:N8N_URL}
        `https://x /` is not a URL: begin with https:// or with a variable, such as {env:N8N_URL}
        `` is not a URL: begin with https:// or with a variable, such as {env:N8N_URL}
        ");
    }

    #[test]
    fn what_a_variable_brings_in_is_looked_at_too() {
        let template: UrlTemplate = "{env:N8N_URL}/webhook/vision".parse().unwrap();
        let filled = |value: &str| template.fill(|_| Some(value.to_owned()));
        assert_eq!(filled("https://n8n.org/").unwrap(), "https://n8n.org/webhook/vision");
        assert_eq!(filled("http://localhost:1").unwrap(), "http://localhost:1/webhook/vision");
        assert_eq!(template.variables(), ["N8N_URL"]);
        let told: Vec<String> = [
            "http://n8n.org/hush",
            "https://ada:hush@n8n.org",
            "n8n.org/hush",
            "{env:hush}",
            "https://x/webhook-test/hush?",
            "https://x/hush\r\nX-Evil: 1",
        ]
        .iter()
        .map(|value| filled(value).unwrap_err())
        .collect();
        insta::assert_snapshot!(told.join("\n"), @"
        {env:N8N_URL}/webhook/vision comes out unencrypted: use https://, as the secrets of a run go there
        {env:N8N_URL}/webhook/vision comes out with a password in it: use `auth`
        {env:N8N_URL}/webhook/vision does not come out as a URL: look at its variables
        {env:N8N_URL}/webhook/vision does not come out as a URL: look at its variables
        {env:N8N_URL}/webhook/vision comes out as a URL for one test only: use the production URL, with /webhook/
        {env:N8N_URL}/webhook/vision does not come out as a URL: look at its variables
        ");
        assert!(template.fill(|_| None).unwrap_err().starts_with("N8N_URL is not set"));
        // A slash at the end of anything but the beginning of a path is part of it.
        let query: UrlTemplate = "https://n8n.org/x?key={env:KEY}".parse().unwrap();
        let filled = query.fill(|_| Some("a+b/".to_owned()));
        assert_eq!(filled.unwrap(), "https://n8n.org/x?key=a+b/");
    }
}
