//! Requests to a git server: whom to believe, whom to show the token to, and
//! what each status means.
//!
//! **Invariant:** credentials go to the host of the remote's URL and to no
//! other, over TLS or within this machine, when it asks for them, and once.

use std::{error::Error as StdError, time::Duration};

use reqwest::{
    Client, Method, Response, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER},
    redirect::Policy,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::runtime::{self, Runtime};

use super::super::{Error, Refusal, Remote, error::Trouble, wording};
use crate::trust;

/// How long it may take until there is a connection.
const CONNECT: Duration = Duration::from_secs(20);
/// How long a server may be silent. One that is busy with a push says so every
/// few seconds; a slow upload counts as silence.
const SILENCE: Duration = Duration::from_secs(5 * 60);
/// A renamed repository redirects once; more than a few is a circle.
const MOST_REDIRECTS: usize = 5;
/// As much of an error page as is looked at.
const LONGEST: usize = 8_192;

/// What is asked of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// To give.
    UploadPack,
    /// To take.
    ReceivePack,
}

impl Service {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }
}

/// A conversation with one server.
pub(super) struct Http<'a> {
    remote: &'a Remote,
    client: Client,
    runtime: Runtime,
    /// Where the repository is, after redirects; no credentials in it.
    base: Url,
    credentials: Option<(String, SecretString)>,
    /// Whether the server asked for them.
    asked: bool,
}

/// What came back.
pub(super) struct Answer<'a> {
    http: &'a Http<'a>,
    response: Response,
}

impl<'a> Http<'a> {
    pub(super) fn open(remote: &'a Remote) -> Result<Self, Error> {
        let trouble = |words: String| Error::Unreachable {
            remote: remote.clone(),
            source: Trouble::new(words),
        };
        let mut base = Url::parse(remote.url.trim_end_matches('/'))
            .map_err(|err| trouble(format!("its URL is not one: {err}")))?;
        let credentials = credentials(remote, &base);
        // They are sent as a header, and the URL ends up in messages.
        let cleared = base.set_password(None).and_then(|()| base.set_username(""));
        cleared.map_err(|()| trouble("its URL has no host".to_owned()))?;

        let trust = match base.scheme() {
            "https" => trust::config(remote.authorities.as_deref()),
            _ => trust::nobody(),
        };
        let trust = trust.map_err(|reason| Error::Untrusted { remote: remote.clone(), reason })?;
        let client = Client::builder()
            .tls_backend_preconfigured(trust)
            .user_agent(concat!("git/wavemark-", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .build();
        let client = client.map_err(|err| trouble(root(&err)))?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|err| trouble(err.to_string()))?;
        Ok(Self { remote, client, runtime, base, credentials, asked: false })
    }

    /// Asks where the branches are. Follows redirects within the server.
    pub(super) fn refs(&mut self, service: Service) -> Result<Answer<'_>, Error> {
        let tail = format!("/info/refs?service={}", service.name());
        for _ in 0..MOST_REDIRECTS {
            let url = self.url(&tail)?;
            let response = self.send(Method::GET, &url, None)?;
            if response.status().is_redirection() {
                self.base = self.moved(response.headers(), &url, &tail)?;
                continue;
            }
            let kind = format!("application/x-{}-advertisement", service.name());
            return self.answer(response, &kind);
        }
        Err(self.trouble("it redirects in a circle"))
    }

    /// Sends a request of the protocol.
    pub(super) fn call(&mut self, service: Service, body: Vec<u8>) -> Result<Answer<'_>, Error> {
        let url = self.url(&format!("/{}", service.name()))?;
        let response = self.send(Method::POST, &url, Some((service, body)))?;
        if response.status().is_redirection() {
            return Err(self.trouble("it redirects in the middle of a conversation"));
        }
        self.answer(response, &format!("application/x-{}-result", service.name()))
    }

    fn url(&self, tail: &str) -> Result<Url, Error> {
        let url = format!("{}{tail}", self.base.as_str().trim_end_matches('/'));
        Url::parse(&url).map_err(|err| self.trouble(&format!("its URL is not one: {err}")))
    }

    /// Sends, and once more with credentials if they are asked for.
    fn send(
        &mut self,
        method: Method,
        url: &Url,
        body: Option<(Service, Vec<u8>)>,
    ) -> Result<Response, Error> {
        let again = (!self.asked && self.credentials.is_some()).then(|| body.clone());
        let first = self.send_once(method.clone(), url, body)?;
        if first.status() != StatusCode::UNAUTHORIZED {
            return Ok(first);
        }
        match again {
            Some(body) if may_be_shown(url) => {
                self.asked = true;
                self.send_once(method, url, body)
            }
            Some(_) => Err(Error::Unprotected { remote: self.remote.clone() }),
            None => Ok(first),
        }
    }

    fn send_once(
        &self,
        method: Method,
        url: &Url,
        body: Option<(Service, Vec<u8>)>,
    ) -> Result<Response, Error> {
        let mut request = self.client.request(method, url.clone());
        if let (true, Some((user, password))) = (self.asked, &self.credentials) {
            request = request.basic_auth(user, Some(password.expose_secret()));
        }
        if let Some((service, body)) = body {
            let kind = format!("application/x-{}-request", service.name());
            request = request.header(CONTENT_TYPE, kind).body(body);
        }
        // Its timers want to be made where the runtime is.
        let response = self.runtime.block_on(async { request.send().await });
        response.map_err(|err| self.failed(&err))
    }

    /// Where a redirect leads to, if that may be followed.
    fn moved(&self, headers: &HeaderMap, from: &Url, tail: &str) -> Result<Url, Error> {
        let to = headers.get(LOCATION).and_then(|to| from.join(to.to_str().ok()?).ok());
        let to = to.ok_or_else(|| self.trouble("it redirects to nowhere"))?;
        let base = to.as_str().strip_suffix(tail).and_then(|base| Url::parse(base).ok());
        match base {
            Some(base) if to.origin() == from.origin() => {
                tracing::debug!("{} has moved to {base}", self.remote);
                Ok(base)
            }
            _ => {
                let mut to = base.unwrap_or(to);
                // Both fail only where there is no host, and so nothing to remove.
                let _no_host = to.set_password(None).and_then(|()| to.set_username(""));
                to.set_query(None);
                Err(Error::Moved { remote: self.remote.clone(), to: Remote::at(to).to_string() })
            }
        }
    }

    /// The answer, if it is of this kind; what it means if it is not.
    fn answer(&self, response: Response, kind: &str) -> Result<Answer<'_>, Error> {
        let status = response.status();
        let is_git = response.headers().get(CONTENT_TYPE).is_some_and(|is| is == kind);
        if status == StatusCode::OK && is_git {
            return Ok(Answer { http: self, response });
        }
        let remote = self.remote.clone();
        let rate_limited = response.headers().contains_key(RETRY_AFTER);
        let words = match is_text(response.headers()) {
            true => self.words(response),
            false => Vec::new(),
        };
        let reason = wording::reason(&format!("it answers {}", status.as_u16()), &words);
        Err(match status {
            StatusCode::OK => Error::NotARepository { remote },
            StatusCode::NOT_FOUND | StatusCode::GONE => Error::NoRepository { remote },
            StatusCode::UNAUTHORIZED => Error::Unauthorized { remote },
            StatusCode::FORBIDDEN if !rate_limited => Error::Forbidden {
                remote,
                refusal: Box::new(Refusal::new("it answers 403", &words)),
            },
            _ => Error::Unreachable { remote, source: Trouble::new(reason) },
        })
    }

    /// The start of a body; nothing if there is none to be had.
    fn words(&self, mut response: Response) -> Vec<u8> {
        let mut words = Vec::new();
        while words.len() < LONGEST
            && let Ok(Some(piece)) = self.runtime.block_on(response.chunk())
        {
            words.extend_from_slice(&piece);
        }
        words.truncate(LONGEST);
        words
    }

    fn failed(&self, err: &reqwest::Error) -> Error {
        match trust::distrust(err) {
            Some(reason) => Error::Untrusted { remote: self.remote.clone(), reason },
            None if err.is_timeout() => self.trouble("it does not answer"),
            None => self.trouble(&root(err)),
        }
    }

    fn trouble(&self, words: &str) -> Error {
        Error::Unreachable { remote: self.remote.clone(), source: Trouble::new(words.to_owned()) }
    }
}

impl Answer<'_> {
    /// The next piece of the body; `None` at its end.
    pub(super) fn read(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let piece = self.http.runtime.block_on(self.response.chunk());
        Ok(piece.map_err(|err| self.http.failed(&err))?.map(|piece| piece.to_vec()))
    }

    /// What it means that the body is not as it should be.
    pub(super) fn trouble(&self, words: &str) -> Error {
        self.http.trouble(words)
    }
}

/// Those in the URL, or else the token.
fn credentials(remote: &Remote, url: &Url) -> Option<(String, SecretString)> {
    let plain =
        |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let named = Some(plain(url.username())).filter(|user| !user.is_empty());
    if let Some(password) = url.password() {
        return Some((named.unwrap_or_default(), plain(password).into()));
    }
    let token = remote.token.clone()?;
    Some((named.unwrap_or_else(|| "x-access-token".to_owned()), token))
}

/// Whether nobody on the way can read what is sent there.
fn may_be_shown(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    let here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    url.scheme() == "https" || here
}

fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/plain"))
}

/// The innermost cause: the others say only which library was at it.
fn root(err: &dyn StdError) -> String {
    match err.source() {
        Some(source) => root(source),
        None => err.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_shown_to_tls_and_to_this_machine_only() {
        let shown = |url| may_be_shown(&Url::parse(url).unwrap());
        let yes = ["https://a.example/r", "http://127.0.0.1:80/r", "http://[::1]/r"];
        assert!(yes.into_iter().all(shown) && shown("http://localhost:8080/r"));
        assert!(!shown("http://a.example/r") && !shown("http://127.0.0.1.example/r"));
    }

    #[test]
    fn credentials_in_the_url_come_before_the_token() {
        let found = |url: &str, token: Option<&str>| {
            let remote = Remote { token: token.map(Into::into), ..Remote::at(url) };
            let (user, password) = credentials(&remote, &Url::parse(url).unwrap())?;
            Some(format!("{user} {}", password.expose_secret()))
        };
        assert_eq!(found("https://host/r", None), None);
        assert_eq!(found("https://host/r", Some("t")).unwrap(), "x-access-token t");
        assert_eq!(found("https://ada@host/r", Some("t")).unwrap(), "ada t");
        assert_eq!(found("https://ada:p%40q@host/r", Some("t")).unwrap(), "ada p@q");
    }
}
