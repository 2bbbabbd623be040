//! Asks whoever is behind a URL to do the work of a run, and looks how they are
//! getting on.
//!
//! Launching is at least once: an answer may be lost after the work began, and
//! the request is then made again by a later run. Which of two works on a run is
//! decided where they claim it, and not here.
//!
//! **Invariants:** nothing is sent twice, nor to where a redirect leads. No
//! message holds what was sent, or a URL with its variables filled in.

mod answer;
mod n8n;

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, redirect::Policy};
use secrecy::{ExposeSecret as _, SecretString};

pub use self::{
    answer::Answer,
    n8n::{Execution, templates},
};
use crate::trust;
use answer::{Said, classify};

/// How long a launch may take; a workflow should answer before it works.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long anything may take that no work depends on; less than what passes
/// before it is done again.
const GLANCE: Duration = Duration::from_secs(8);
/// As much of an answer as matters.
const LONGEST: usize = 64 * 1024;
/// The most that n8n takes, unless it was told otherwise.
const LARGEST: usize = 16 * 1024 * 1024;

/// Whose answers these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// n8n's.
    N8n,
    /// Anybody's.
    Plain,
}

/// A request to somebody, with all it takes.
#[derive(Clone, Debug)]
pub struct Post {
    /// Where to, with its variables filled in.
    pub url: SecretString,
    /// The header that shows who asks, and its secret.
    pub auth: Option<(String, SecretString)>,
    /// What makes it the same request if it should arrive twice.
    pub key: String,
    /// What is sent: JSON.
    pub body: SecretString,
}

/// Whoever asks.
#[derive(Clone, Debug)]
pub struct Caller {
    client: Client,
}

impl Caller {
    /// One who trusts those whom this machine trusts.
    ///
    /// # Errors
    ///
    /// In words, when no client can be made.
    pub fn new() -> Result<Self, String> {
        // Without anybody to trust, what speaks no TLS can be asked all the same.
        let trust = trust::config(None).or_else(|_| trust::nobody())?;
        let client = Client::builder()
            .tls_backend_preconfigured(trust)
            .user_agent(concat!("wavemark/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(Duration::from_secs(10))
            .timeout(PATIENCE)
            .build()
            .map_err(|err| err.without_url().to_string())?;
        Ok(Self { client })
    }

    /// Asks for work to be done. `hide` takes out of the answer what nobody may
    /// see: some say in it what they were sent, and errors name hosts.
    pub async fn launch(
        &self,
        manners: Manners,
        post: &Post,
        hide: impl Fn(&str) -> String,
    ) -> Answer {
        if post.body.expose_secret().len() > LARGEST {
            return Answer::Refused(
                "what it would be sent has more than 16 MiB: shorten the prompt or the feedback"
                    .to_owned(),
            );
        }
        match read(self.request(post)).await {
            Ok((status, body)) => classify(manners, &Said { status, body: &body }, &hide),
            Err(err) if err.is_connect() => {
                Answer::NotNow(format!("it cannot be reached: {}", hide(&root(&err))))
            }
            Err(err) if err.is_builder() => Answer::Refused("its URL is not one".to_owned()),
            Err(err) if err.is_timeout() => Answer::Unclear(
                "it gave no answer in 30 seconds: let it answer before it begins to work"
                    .to_owned(),
            ),
            Err(err) => Answer::Unclear(format!("its answer was lost: {}", hide(&root(&err)))),
        }
    }

    /// Tells something that needs no answer but that it arrived. `hide` is as above.
    ///
    /// # Errors
    ///
    /// In words, when it did not arrive.
    pub async fn tell(&self, post: &Post, hide: impl Fn(&str) -> String) -> Result<(), String> {
        match read(self.request(post).timeout(GLANCE)).await {
            Ok((200..=299, _)) => Ok(()),
            Ok((status, _)) => Err(format!("it answered {status}")),
            Err(err) => Err(hide(&root(&err))),
        }
    }

    fn request(&self, post: &Post) -> RequestBuilder {
        let mut request = self
            .client
            .request(Method::POST, post.url.expose_secret())
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", &post.key)
            .body(post.body.expose_secret().to_owned());
        if let Some((header, secret)) = &post.auth {
            request = request.header(header, secret.expose_secret());
        }
        request
    }
}

/// The status of an answer, and its beginning.
async fn read(request: RequestBuilder) -> reqwest::Result<(u16, String)> {
    let mut response = request.send().await?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            body.truncate(LONGEST);
            break;
        }
    }
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// The last cause, which is the one that says something.
fn root(err: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = err;
    while let Some(source) = cause.source() {
        cause = source;
    }
    match std::ptr::addr_eq(cause, err) {
        true => "it broke off".to_owned(),
        false => cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn why_nobody_can_be_reached_is_told_without_what_is_to_be_hidden() {
        let caller = Caller::new().unwrap();
        // Nothing listens there.
        let url = "http://127.0.0.1:9/webhook/x";
        let post = Post { url: url.into(), auth: None, key: "1".to_owned(), body: "{}".into() };
        let hide = |text: &str| {
            assert!(!text.is_empty());
            "***".to_owned()
        };
        let launched = caller.launch(Manners::N8n, &post, hide).await;
        assert_eq!(launched, Answer::NotNow("it cannot be reached: ***".to_owned()));
        assert_eq!(caller.tell(&post, hide).await, Err("***".to_owned()));
        let looked = caller.execution(url, &"key".into(), "7", hide).await;
        assert_eq!(looked, Err("***".to_owned()));
    }
}
