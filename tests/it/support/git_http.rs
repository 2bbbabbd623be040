//! A git server on a real socket: git's own `http-backend` behind as little
//! HTTP as it takes, with a token, with TLS, and with whatever goes wrong.
//!
//! It looks at nothing but requests, so whatever talks git over HTTP can be
//! tested against it; the unit tests of the archive use this very file. What a
//! repository itself refuses is said by its hooks: see `git_rules`.

use std::{
    fmt,
    io::{self, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use base64::Engine as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned, pki_types::PrivateKeyDer};

/// The four things that a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Where the branches are.
    Look,
    /// What is on one.
    Fetch,
    /// Where the branches are, and whether one may be moved.
    LookToPush,
    /// To move one.
    Push,
}

impl Stage {
    pub(crate) const ALL: [Self; 4] = [Self::Look, Self::Fetch, Self::LookToPush, Self::Push];

    fn of(method: &str, path: &str, query: &str) -> Option<Self> {
        match (method, query) {
            ("GET", "service=git-upload-pack") => Some(Self::Look),
            ("GET", "service=git-receive-pack") => Some(Self::LookToPush),
            ("POST", _) if path.ends_with("/git-upload-pack") => Some(Self::Fetch),
            ("POST", _) if path.ends_with("/git-receive-pack") => Some(Self::Push),
            _ => None,
        }
    }
}

/// What the server does in place of its work.
pub(crate) enum Trick {
    /// Answers with this status and these words.
    Says(u16, String),
    /// Sends the client to another place: the same path after this start.
    SendsTo(String),
    /// Hangs up without having done anything.
    HangsUp,
    /// Does it, and hangs up before it says so.
    HangsUpAfter,
    /// Does it, and hangs up after so many bytes of the answer.
    BreaksOff(usize),
    /// Does it, after so long.
    Waits(Duration),
    /// Does something else first, and then its work.
    After(Box<dyn FnOnce() + Send>),
}

impl fmt::Debug for Trick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Says(status, words) => write!(f, "Says({status}, {words:?})"),
            Self::SendsTo(place) => write!(f, "SendsTo({place})"),
            Self::HangsUp => f.write_str("HangsUp"),
            Self::HangsUpAfter => f.write_str("HangsUpAfter"),
            Self::BreaksOff(bytes) => write!(f, "BreaksOff({bytes})"),
            Self::Waits(time) => write!(f, "Waits({time:?})"),
            Self::After(_) => f.write_str("After"),
        }
    }
}

/// One request, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) stage: Option<Stage>,
    pub(crate) authorization: String,
}

/// Serves the repositories in a folder, until the test ends.
#[derive(Clone)]
pub(crate) struct GitHttp {
    address: String,
    /// The authority that vouches for the server, if it speaks TLS.
    ca: Option<String>,
    rules: Arc<Rules>,
}

type Doorkeeper = Box<dyn Fn(&str) -> bool + Send>;

#[derive(Default)]
struct Rules {
    /// What is accepted as a password, and whether it may push.
    tokens: Mutex<Option<Vec<(String, bool)>>>,
    /// Who says of other passwords whether they may push.
    doorkeeper: Mutex<Option<Doorkeeper>>,
    always: Mutex<Vec<(Stage, u16, String)>>,
    once: Mutex<Vec<(Stage, Trick)>>,
    seen: Mutex<Vec<Seen>>,
}

impl GitHttp {
    /// At `http://127.0.0.1:…`.
    pub(crate) fn serve(root: &Path) -> Self {
        Self::start(root, None)
    }

    /// At `https://127.0.0.1:…`, with a certificate for that.
    pub(crate) fn serve_tls(root: &Path) -> Self {
        Self::serve_tls_as(root, "127.0.0.1")
    }

    /// At `https://127.0.0.1:…`, with a certificate for this name.
    pub(crate) fn serve_tls_as(root: &Path, name: &str) -> Self {
        Self::start(root, Some(identity(name)))
    }

    fn start(root: &Path, identity: Option<(ServerConfig, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let rules = Arc::new(Rules::default());
        let (config, ca) = identity.unzip();
        let (root, for_all, config) = (root.to_owned(), Arc::clone(&rules), config.map(Arc::new));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (root, rules, config) = (root.clone(), Arc::clone(&for_all), config.clone());
                // A client that is killed hangs up on us: that is its affair.
                thread::spawn(move || drop(meet(&root, &rules, config, stream.unwrap())));
            }
        });
        Self { address, ca, rules }
    }

    pub(crate) fn url(&self, repo: &str) -> String {
        format!("{}/{repo}", self.root())
    }

    /// The start of every URL of this server.
    pub(crate) fn root(&self) -> String {
        let scheme = if self.ca.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The certificate of the authority that vouches for it, as PEM.
    pub(crate) fn ca(&self) -> &str {
        self.ca.as_deref().unwrap_or_default()
    }

    /// From now on, asks for this password.
    pub(crate) fn wants(&self, token: &str) {
        *self.rules.tokens.lock().unwrap() = Some(vec![(token.to_owned(), true)]);
    }

    /// From now on, takes this password too.
    pub(crate) fn admits(&self, token: &str, pushes: bool) {
        let mut tokens = self.rules.tokens.lock().unwrap();
        tokens.get_or_insert_default().push((token.to_owned(), pushes));
    }

    /// From now on, asks for this password, and lets nobody push.
    pub(crate) fn wants_to_be_read_with(&self, token: &str) {
        *self.rules.tokens.lock().unwrap() = Some(vec![(token.to_owned(), false)]);
    }

    /// From now on, asks for a password that `knows` lets in.
    pub(crate) fn wants_what(&self, knows: impl Fn(&str) -> bool + Send + 'static) {
        *self.rules.tokens.lock().unwrap() = Some(vec![]);
        *self.rules.doorkeeper.lock().unwrap() = Some(Box::new(knows));
    }

    /// The next time that it is asked for this, does that.
    pub(crate) fn once(&self, stage: Stage, trick: Trick) {
        self.rules.once.lock().unwrap().push((stage, trick));
    }

    /// From now on, answers so to this.
    pub(crate) fn always(&self, stage: Stage, status: u16, words: &str) {
        self.rules.always.lock().unwrap().push((stage, status, words.to_owned()));
    }

    /// From now on, gives this answer to everything.
    pub(crate) fn says(&self, status: u16, words: &str) {
        *self.rules.always.lock().unwrap() = vec![];
        for stage in Stage::ALL {
            self.always(stage, status, words);
        }
    }

    /// From now on, works.
    pub(crate) fn works(&self) {
        self.rules.always.lock().unwrap().clear();
        self.rules.once.lock().unwrap().clear();
    }

    /// What it was asked so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.rules.seen.lock().unwrap().clone()
    }

    /// How often it was asked for this.
    pub(crate) fn asked(&self, stage: Stage) -> usize {
        self.seen().iter().filter(|seen| seen.stage == Some(stage)).count()
    }
}

/// A certificate for `name`, and the authority that vouches for it.
fn identity(name: &str) -> (ServerConfig, String) {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &ca).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    (config, ca.pem())
}

fn meet(
    root: &Path,
    rules: &Rules,
    tls: Option<Arc<ServerConfig>>,
    stream: TcpStream,
) -> io::Result<()> {
    match tls {
        None => answer(root, rules, stream),
        Some(config) => {
            let connection = ServerConnection::new(config).map_err(io::Error::other)?;
            let mut stream = StreamOwned::new(connection, stream);
            let answered = answer(root, rules, &mut stream);
            stream.conn.send_close_notify();
            answered.and(stream.flush())
        }
    }
}

fn answer(root: &Path, rules: &Rules, stream: impl Read + Write) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let Some(request) = Request::read(&mut stream)? else { return Ok(()) };
    let stream = stream.get_mut();
    let stage = Stage::of(&request.method, &request.path, &request.query);
    let seen = Seen { stage, authorization: request.header("authorization").to_owned() };
    rules.seen.lock().unwrap().push(seen);

    let trick = {
        let mut once = rules.once.lock().unwrap();
        once.iter().position(|(of, _)| Some(*of) == stage).map(|place| once.remove(place).1)
    };
    let mut most = usize::MAX;
    match trick {
        Some(Trick::Says(status, words)) => return plain(stream, status, "", &words),
        Some(Trick::SendsTo(start)) => {
            let target = format!("Location: {start}{}?{}\r\n", request.path, request.query);
            return plain(stream, 302, &target, "");
        }
        Some(Trick::HangsUp) => return Ok(()),
        Some(Trick::HangsUpAfter) => most = 0,
        Some(Trick::BreaksOff(bytes)) => most = bytes,
        Some(Trick::Waits(time)) => thread::sleep(time),
        Some(Trick::After(action)) => action(),
        None => (),
    }
    let always = rules.always.lock().unwrap().iter().find(|(of, ..)| Some(*of) == stage).cloned();
    if let Some((_, status, words)) = always {
        return plain(stream, status, "", &words);
    }
    if let Some(tokens) = rules.tokens.lock().unwrap().clone() {
        let shown = request.password().unwrap_or_default();
        let opens = |knows: &Doorkeeper| knows(&shown);
        let is_let_in = rules.doorkeeper.lock().unwrap().as_ref().is_some_and(opens);
        let other = is_let_in.then(|| (shown.clone(), true));
        let known = tokens.into_iter().chain(other).find(|(token, _)| *token == shown);
        let pushes = matches!(stage, Some(Stage::LookToPush | Stage::Push));
        match known {
            None => {
                let ask = "WWW-Authenticate: Basic realm=\"GitHub\"\r\n";
                return plain(stream, 401, ask, "Invalid username or token.");
            }
            Some((_, false)) if pushes => {
                let words = "Write access to repository not granted.";
                return plain(stream, 403, "", words);
            }
            Some(_) => (),
        }
    }
    let said = backend(root, &request)?;
    let split = said.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(said.len());
    let head = String::from_utf8_lossy(&said[..split]);
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let body = said.get(split + 4..).unwrap_or_default();
    let mut whole = format!(
        "HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    whole.extend_from_slice(body);
    stream.write_all(&whole[..most.min(whole.len())])?;
    stream.flush()
}

fn plain(mut stream: impl Write, status: u16, headers: &str, words: &str) -> io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status} So\r\n{headers}Content-Type: text/plain\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{words}",
        words.len()
    )?;
    stream.flush()
}

struct Request {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// `None` if the client hung up before it asked for anything.
    fn read(reader: &mut impl io::BufRead) -> io::Result<Option<Self>> {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Ok(None);
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: vec![],
            body: vec![],
        };
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            request.headers.push((name.to_lowercase(), value.to_owned()));
        }
        request.body = request.read_body(reader)?;
        Ok(Some(request))
    }

    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(is, _)| is == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// What is shown in the name of `x-access-token`.
    fn password(&self) -> Option<String> {
        let encoded = self.header("authorization").strip_prefix("Basic ")?;
        let decoded = base64::prelude::BASE64_STANDARD.decode(encoded).ok()?;
        let pair = String::from_utf8(decoded).ok()?;
        pair.strip_prefix("x-access-token:").map(ToOwned::to_owned)
    }

    fn read_body(&self, reader: &mut impl io::BufRead) -> io::Result<Vec<u8>> {
        let mut body = vec![0; self.header("content-length").parse().unwrap_or(0)];
        reader.read_exact(&mut body)?;
        if self.header("transfer-encoding") != "chunked" {
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

fn backend(root: &Path, request: &Request) -> io::Result<Vec<u8>> {
    let mut child = Command::new("git")
        .arg("http-backend")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_PROJECT_ROOT", PathBuf::from(root))
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "tester")
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", &request.path)
        .env("QUERY_STRING", &request.query)
        .env("CONTENT_TYPE", request.header("content-type"))
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", request.header("content-encoding"))
        .env("GIT_PROTOCOL", request.header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    // The backend reads all of it before it says much, so one after the other.
    child.stdin.take().unwrap().write_all(&request.body)?;
    Ok(child.wait_with_output()?.stdout)
}
