//! The checksums of a release of Wavemark, from where releases are.
//!
//! What they are used for is to be sure of what runs later, so they are asked
//! for over TLS only, or on this machine.

use std::{error::Error as StdError, net::IpAddr, time::Duration};

use reqwest::{Client, StatusCode, Url, redirect};

use crate::trust;

/// Where the releases of this binary are, if it is one of them.
pub const OWN: Option<&str> = option_env!("WAVEMARK_RELEASES");

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is longer is no list of checksums.
const LONGEST: usize = 64 * 1024;

/// Why there are no checksums.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// That is no place to get anything from.
    #[error("`{url}` is not where releases can be: {why}")]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is no such release.
    #[error("there is no {0}")]
    Missing(Url),
    /// There is, and it is not to be had.
    #[error("cannot get {url}: {why}")]
    Unreachable {
        /// What was asked for.
        url: Url,
        /// Why.
        why: String,
    },
}

/// What the list of checksums of a version says.
pub async fn checksums(releases: &str, version: &str) -> Result<String, Error> {
    let url = url(releases, version)?;
    let failed = |why: String| Error::Unreachable { url: url.clone(), why };
    let is_encrypted = url.scheme() == "https";
    let trust = if is_encrypted { trust::config(None) } else { trust::nobody() };
    let client = Client::builder()
        .tls_backend_preconfigured(trust.map_err(&failed)?)
        .user_agent(concat!("wavemark/", env!("CARGO_PKG_VERSION")))
        // Where a release is kept is another host of GitHub's.
        .redirect(redirect::Policy::limited(5))
        .https_only(is_encrypted)
        .timeout(PATIENCE)
        .build()
        .map_err(|err| failed(root(&err)))?;
    let words = |err: reqwest::Error| {
        failed(trust::distrust(&err).unwrap_or_else(|| match err.is_timeout() {
            true => "it does not answer".to_owned(),
            false => root(&err),
        }))
    };
    let mut response = client.get(url.clone()).send().await.map_err(words)?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Err(Error::Missing(url)),
        status => return Err(failed(format!("the answer is {status}"))),
    }
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(words)? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > LONGEST {
            return Err(failed("it is too long to be a list of checksums".to_owned()));
        }
    }
    String::from_utf8(bytes).map_err(|_| failed("it is not text".to_owned()))
}

fn url(releases: &str, version: &str) -> Result<Url, Error> {
    let bad = |why| Error::BadUrl { url: releases.to_owned(), why };
    let base = releases.trim_end_matches('/');
    let url = Url::parse(&format!("{base}/v{version}/SHA256SUMS"));
    let url = url.map_err(|_| bad("it is not a URL"))?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_here =
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        _ if url.username() != "" || url.password().is_some() => {
            Err(bad("it has a password in it"))
        }
        _ if base.contains(['?', '#', '\n', '\r']) => Err(bad("it is more than a folder's URL")),
        "https" => Ok(url),
        "http" if is_here => Ok(url),
        "http" => Err(bad("plain http is for this machine only")),
        _ => Err(bad("it does not begin with https://")),
    }
}

/// The innermost cause: the others say only which library was at it.
fn root(err: &dyn StdError) -> String {
    err.source().map_or_else(|| err.to_string(), root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_come_over_tls_or_from_this_machine() {
        let said = |releases: &str| match url(releases, "1.2.3") {
            Ok(url) => url.to_string(),
            Err(err) => err.to_string(),
        };
        let all = [
            "https://github.com/acme/wavemark/releases/download/",
            "http://127.0.0.1:80/x",
            "http://127.0.0.1.evil.example/x",
            "https://ada:word@a.example",
            "https://a.example/x?y",
            "ftp://a.example",
            "download",
        ];
        insta::assert_snapshot!(all.map(said).join("\n"), @"
        https://github.com/acme/wavemark/releases/download/v1.2.3/SHA256SUMS
        http://127.0.0.1/x/v1.2.3/SHA256SUMS
        `http://127.0.0.1.evil.example/x` is not where releases can be: plain http is for this machine only
        `https://ada:word@a.example` is not where releases can be: it has a password in it
        `https://a.example/x?y` is not where releases can be: it is more than a folder's URL
        `ftp://a.example` is not where releases can be: it does not begin with https://
        `download` is not where releases can be: it is not a URL
        ");
    }
}
