//! Answers, in GitHub's words.

use serde_json::{Value, json};

use super::http::Message;

/// What GitHub answers to a request.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Value>,
}

impl Answer {
    pub(super) fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Some(body) }
    }

    pub(super) fn ok(body: Value) -> Self {
        Self::json(200, body)
    }

    pub(super) fn created(body: Value) -> Self {
        Self::json(201, body)
    }

    /// 204.
    pub(super) fn nothing() -> Self {
        Self { status: 204, headers: Vec::new(), body: None }
    }

    /// A plain no.
    pub(super) fn error(status: u16, message: &str) -> Self {
        let status_text = status.to_string();
        Self::json(
            status,
            json!({ "message": message, "documentation_url": DOCS, "status": status_text }),
        )
    }

    pub(super) fn not_found() -> Self {
        Self::error(404, "Not Found")
    }

    /// What the body says makes no sense.
    pub(super) fn invalid(resource: &str, field: &str, code: &str) -> Self {
        let error = json!({ "resource": resource, "field": field, "code": code });
        Self::json(
            422,
            json!({ "message": "Validation Failed", "errors": [error], "documentation_url": DOCS }),
        )
    }

    /// What the body says makes no sense, in a sentence.
    pub(super) fn unprocessable(message: &str) -> Self {
        Self::json(422, json!({ "message": message, "documentation_url": DOCS }))
    }

    /// Sets a header.
    pub(super) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.retain(|(key, _)| key != name);
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub(super) fn message(&self) -> Message {
        let mut headers = self.headers.clone();
        let body = self.body.as_ref().map(Value::to_string).unwrap_or_default();
        if self.body.is_some() {
            let json = "application/json; charset=utf-8".to_owned();
            headers.push(("content-type".to_owned(), json));
        }
        // Clients go by the number; the words are for people.
        Message::new(format!("HTTP/1.1 {} -", self.status), headers, body.into_bytes())
    }
}

const DOCS: &str = "https://docs.github.com/rest";
