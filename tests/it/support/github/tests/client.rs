//! The smallest client: a request out, an answer in.

use std::{io::BufReader, net::TcpStream, time::Duration};

use serde_json::Value;

use crate::support::github::{GitHub, http::Message};

/// Somebody with a token.
pub(super) struct Client {
    url: String,
    token: String,
    /// How long it waits for an answer.
    pub(super) patience: Duration,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
    message: Message,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> &str {
        self.message.header(name).unwrap_or_default()
    }

    /// The numbers of the issues in a list.
    pub(super) fn numbers(&self) -> Vec<u64> {
        let issues = self.body.as_array().unwrap();
        issues.iter().map(|issue| issue["number"].as_u64().unwrap()).collect()
    }

    pub(super) fn next(&self) -> Option<String> {
        let links = self.header("link").split(", ");
        let next = links.filter_map(|link| link.strip_suffix("; rel=\"next\"")).next()?;
        Some(next.trim_start_matches('<').trim_end_matches('>').to_owned())
    }
}

impl Client {
    pub(super) fn new(github: &GitHub, token: &str) -> Self {
        Self { url: github.url(), token: token.to_owned(), patience: Duration::from_secs(60) }
    }

    pub(super) fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, None).unwrap()
    }

    pub(super) fn post(&self, path: &str, body: Value) -> Reply {
        self.ask("POST", path, Some(body)).unwrap()
    }

    pub(super) fn patch(&self, path: &str, body: Value) -> Reply {
        self.ask("PATCH", path, Some(body)).unwrap()
    }

    /// Asks, unless nothing useful comes back. A path below
    /// the first repo begins without a slash; a whole URL is taken as it is.
    pub(super) fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Option<Reply> {
        let url = match path {
            _ if path.starts_with("http://") => path.to_owned(),
            _ if path.starts_with('/') => format!("{}{path}", self.url),
            "" => format!("{}/repos/{}", self.url, GitHub::REPO),
            _ => format!("{}/repos/{}/{path}", self.url, GitHub::REPO),
        };
        let (host, target) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(self.patience)).unwrap();
        let headers = vec![
            ("host".to_owned(), host.to_owned()),
            ("user-agent".to_owned(), "test".to_owned()),
            ("authorization".to_owned(), format!("Bearer {}", self.token)),
        ];
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = Message::new(format!("{method} /{target} HTTP/1.1"), headers, body);
        request.write(&mut &stream, usize::MAX).unwrap();
        let message = Message::read(&mut BufReader::new(&stream)).ok()??;
        let status = message.first.split(' ').nth(1).unwrap().parse().unwrap();
        let body = serde_json::from_slice(&message.body).unwrap_or_default();
        Some(Reply { status, body, message })
    }
}
