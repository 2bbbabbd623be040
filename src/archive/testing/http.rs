//! A git server: git's own `http-backend`, behind as little HTTP as it takes.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use base64::Engine as _;

use super::isolated;

/// Serves the repositories in a folder, until the test ends.
pub(crate) struct Http {
    address: String,
    rules: Arc<Rules>,
}

#[derive(Default)]
struct Rules {
    token: Mutex<Option<String>>,
    status: Mutex<Option<u16>>,
    requests: AtomicUsize,
    before_push: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Http {
    pub(crate) fn serve(root: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let rules = Arc::new(Rules::default());
        let (root, for_all) = (root.to_owned(), Arc::clone(&rules));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (root, rules) = (root.clone(), Arc::clone(&for_all));
                // A client that is killed hangs up on us: that is its affair.
                thread::spawn(move || drop(answer(&root, &rules, &stream.unwrap())));
            }
        });
        Self { address, rules }
    }

    pub(crate) fn url(&self, repo: &str) -> String {
        format!("http://{}/{repo}", self.address)
    }

    /// From now on, asks for this password.
    pub(crate) fn wants(&self, token: &str) {
        *self.rules.token.lock().unwrap() = Some(token.to_owned());
    }

    /// From now on, gives this answer to everything.
    pub(crate) fn says(&self, status: u16) {
        *self.rules.status.lock().unwrap() = Some(status);
    }

    /// From now on, works.
    pub(crate) fn works(&self) {
        *self.rules.status.lock().unwrap() = None;
    }

    /// Does something once, when a client has looked and is about to push.
    pub(crate) fn before_push(&self, action: impl FnOnce() + Send + 'static) {
        *self.rules.before_push.lock().unwrap() = Some(Box::new(action));
    }

    pub(crate) fn requests(&self) -> usize {
        self.rules.requests.load(Ordering::SeqCst)
    }
}

fn answer(root: &PathBuf, rules: &Rules, mut stream: &TcpStream) -> std::io::Result<()> {
    rules.requests.fetch_add(1, Ordering::SeqCst);
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut header = Header::default();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(": ") else {
            break;
        };
        header.see(&name.to_lowercase(), value);
    }
    let body = header.body(&mut reader)?;

    if query == "service=git-receive-pack"
        && let Some(action) = rules.before_push.lock().unwrap().take()
    {
        action();
    }
    if let Some(status) = *rules.status.lock().unwrap() {
        return write!(
            stream,
            "HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }
    if let Some(token) = &*rules.token.lock().unwrap() {
        let expected = base64::prelude::BASE64_STANDARD.encode(format!("x-access-token:{token}"));
        if header.authorization != format!("Basic {expected}") {
            return write!(
                stream,
                "HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
    }
    let said = backend(root, (method, path, query), &header, &body)?;
    let split = said.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(said.len());
    let head = String::from_utf8_lossy(&said[..split]);
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let body = said.get(split + 4..).unwrap_or_default();
    write!(
        stream,
        "HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)
}

#[derive(Default)]
struct Header {
    length: usize,
    chunked: bool,
    kind: String,
    authorization: String,
}

impl Header {
    fn see(&mut self, name: &str, value: &str) {
        match name {
            "content-length" => self.length = value.parse().unwrap(),
            "transfer-encoding" => self.chunked = value == "chunked",
            "content-type" => value.clone_into(&mut self.kind),
            "authorization" => value.clone_into(&mut self.authorization),
            _ => (),
        }
    }

    fn body(&self, reader: &mut BufReader<&TcpStream>) -> std::io::Result<Vec<u8>> {
        let mut body = vec![0; self.length];
        reader.read_exact(&mut body)?;
        if !self.chunked {
            return Ok(body);
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let size = usize::from_str_radix(line.trim(), 16).unwrap_or(0);
            // A chunk, and the end of its line.
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk)?;
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                return Ok(body);
            }
        }
    }
}

fn backend(
    root: &PathBuf,
    (method, path, query): (&str, &str, &str),
    header: &Header,
    body: &[u8],
) -> std::io::Result<Vec<u8>> {
    let mut child = isolated(Command::new("git").arg("http-backend"))
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "tester")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", &header.kind)
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    // The backend reads all of it before it says much, so one after the other.
    child.stdin.take().unwrap().write_all(body)?;
    Ok(child.wait_with_output()?.stdout)
}
