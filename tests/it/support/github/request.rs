//! A request as the fake sees it: taken apart, nothing decided.

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::http::Message;

/// The prefix of every path on a GitHub of one's own.
pub(super) const ENTERPRISE: &str = "/api/v3";

/// What a client asks for.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// The path without its prefix and its query, as sent.
    pub(super) path: String,
    /// The parts of the path, decoded.
    pub(super) segments: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    /// The same as it was sent.
    pub(super) query_text: String,
    /// What the `authorization` header holds after its first word.
    pub(super) token: Option<String>,
    pub(super) body: Option<Value>,
}

impl Request {
    /// Takes a message apart, or says why nobody could.
    pub(super) fn read(message: &Message, enterprise: bool) -> Result<Self, String> {
        let mut words = message.first.split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(format!("`{}` is not a request line", message.first));
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = match (enterprise, path.strip_prefix(ENTERPRISE)) {
            (true, Some(path)) => path,
            (false, None) => path,
            (true, None) => return Err(format!("{path}: this GitHub lives below {ENTERPRISE}")),
            (false, Some(_)) => return Err(format!("{path}: this is github.com")),
        };
        if message.header("user-agent").is_none() {
            return Err("GitHub takes nothing without a User-Agent header".to_owned());
        }
        let body = match message.body.as_slice() {
            [] => None,
            text => Some(
                serde_json::from_slice(text).map_err(|err| format!("body is not JSON: {err}"))?,
            ),
        };
        let token = message.header("authorization").and_then(|value| value.split_once(' '));
        let mut request = Self {
            method: method.to_owned(),
            path: path.to_owned(),
            segments: path.split('/').skip(1).map(decoded).collect(),
            query: Vec::new(),
            query_text: query.to_owned(),
            token: token.map(|(_, token)| token.to_owned()),
            body,
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name);
            if request.asks(&name).is_some() {
                return Err(format!("query: {name} is there twice"));
            }
            request.query.push((name, decoded(&value.replace('+', " "))));
        }
        Ok(request)
    }

    /// A query parameter.
    pub(super) fn asks(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A field of the body.
    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        self.body.as_ref()?.get(name)
    }

    /// A field of the body that is text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.field(name)?.as_str().map(str::to_owned)
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
