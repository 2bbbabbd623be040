//! A server that answers as a test says, down to the bytes on the wire.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream},
    net::{TcpListener, TcpStream},
};

use super::{Auth, Github, Settings, Visit};
use crate::model::Manners;

pub(super) const TOKEN: &str = "hush-hush-token-4711";

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// `GET /path?query`.
    pub line: String,
    pub authorization: String,
    pub body: String,
}

impl Request {
    pub(super) fn is(&self, line: &str) -> bool {
        self.line.starts_with(line)
    }
}

/// What is done about it.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Status, more headers, body.
    Answer(u16, String, String),
    /// The same, and the connection is closed though the client may keep it.
    AnswerAndLeave(u16, String, String),
    /// No answer at all.
    HangUp,
    /// Half of a good answer.
    Truncate(u16, String),
    /// Nothing, for longer than anybody waits.
    Stall,
    /// These bytes.
    Raw(&'static [u8]),
}

pub(super) fn answer(status: u16, body: Value) -> Act {
    Act::Answer(status, String::new(), body.to_string())
}

pub(super) fn with(status: u16, headers: &str, body: Value) -> Act {
    let headers: String = headers.lines().map(|line| format!("{}\r\n", line.trim())).collect();
    Act::Answer(status, headers, body.to_string())
}

pub(super) fn message(status: u16, text: &str) -> Act {
    answer(status, json!({ "message": text }))
}

pub(super) struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers each request by what `act` makes of it and of its number,
    /// counted from 0.
    pub(super) async fn start(
        act: impl Fn(usize, &Request) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let act = Arc::new(act);
        let this = Self { address, seen: Arc::clone(&seen) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, act) = (Arc::clone(&seen), Arc::clone(&act));
                tokio::spawn(async move { serve(stream, &seen, &*act).await });
            }
        });
        this
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// The first lines of what was asked.
    pub(super) fn lines(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.line).collect()
    }

    /// Impatient, and without pauses.
    pub(super) fn settings(&self) -> Settings {
        let auth = Auth::Token(TOKEN.into());
        let url = format!("http://{}", self.address);
        Settings {
            manners: Manners {
                pause: Duration::ZERO,
                timeout: Duration::from_secs(20),
                ..Manners::default()
            },
            backoff: Duration::from_millis(1),
            ..Settings::new(url, "acme/waves".parse().unwrap(), auth)
        }
    }

    pub(super) fn visit(&self) -> Visit {
        Github::new(&self.settings()).unwrap().visit()
    }

    /// A visit that gives up on an answer soon.
    pub(super) fn hasty_visit(&self) -> Visit {
        let mut settings = self.settings();
        settings.manners.timeout = Duration::from_secs(1);
        Github::new(&settings).unwrap().visit()
    }
}

async fn serve(
    stream: TcpStream,
    seen: &Mutex<Vec<Request>>,
    act: &(impl Fn(usize, &Request) -> Act + Sync),
) {
    let mut stream = BufStream::new(stream);
    while let Some(request) = read(&mut stream).await {
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        let full = |status, headers: &str, body: &str| {
            let length = body.len();
            format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
        };
        let (bytes, stays) = match act(number, &request) {
            Act::Answer(status, headers, body) => (full(status, &headers, &body).into(), true),
            Act::AnswerAndLeave(status, headers, body) => {
                (full(status, &headers, &body).into(), false)
            }
            Act::HangUp => (Vec::new(), false),
            Act::Truncate(status, body) => {
                let mut bytes = full(status, "", &body).into_bytes();
                bytes.truncate(bytes.len() - body.len() / 2);
                (bytes, false)
            }
            Act::Stall => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                return;
            }
            Act::Raw(bytes) => (bytes.to_vec(), false),
        };
        let sent = stream.write_all(&bytes).await;
        if sent.is_err() || stream.flush().await.is_err() || !stays {
            return;
        }
    }
}

async fn read(stream: &mut BufStream<TcpStream>) -> Option<Request> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let header = |name: &str| {
        let line = head.lines().find(|line| line.to_lowercase().starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request {
        line: head.lines().next()?.trim_end_matches(" HTTP/1.1").to_owned(),
        authorization: header("authorization").unwrap_or_default(),
        body: String::from_utf8(body).unwrap(),
    })
}

/// An issue that was last changed so many seconds after midnight.
pub(super) fn issue(number: u64, second: u32) -> Value {
    let at = format!("2026-11-22T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60);
    json!({
        "number": number, "node_id": format!("I_{number}"), "title": format!("Issue {number}"),
        "body": "text", "state": "open", "state_reason": null,
        "user": { "login": "mona", "id": 7, "type": "User", "site_admin": false },
        "labels": [{ "name": "wavemark", "color": "ededed" }], "comments": 0,
        "created_at": at, "updated_at": at, "closed_at": null, "html_url": "https://x/1",
    })
}

pub(super) fn comment(id: u64) -> Value {
    json!({
        "id": id, "body": "hi", "user": null, "html_url": "https://x/c",
        "created_at": "2026-11-22T10:00:00Z", "updated_at": "2026-11-22T10:00:00Z",
    })
}

pub(super) fn repository(id: u64, name: &str) -> Value {
    json!({ "id": id, "full_name": name, "archived": false, "has_issues": true })
}
