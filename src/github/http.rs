//! One request, one answer; and what kind of trouble it is if there is none.
//!
//! The only file that knows what a connection is. Whatever comes out of it has
//! no secret in it.

use std::{error, time::Duration};

use octocrab::{EncodingKey, Octocrab, auth::create_jwt, models::AppId};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::{
    Error, Trouble,
    answer::{Answer, Head},
    base::Base,
};

/// How long making a connection may take.
const CONNECTING: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Patch,
    Put,
    Delete,
}

/// A client of the API at `base`: as the App with this id and key, if one is
/// given, else as nobody. Call it within a tokio runtime.
pub(super) fn client(
    base: &Base,
    patience: Duration,
    app: Option<(u64, &SecretString)>,
) -> Result<Octocrab, Error> {
    let builder = Octocrab::builder().set_connect_timeout(Some(CONNECTING.min(patience)));
    let mut builder = builder
        .base_uri(base.url())
        .map_err(|_| Error::BadUrl { why: "this is not the address of an API" })?;
    if let Some((id, key)) = app {
        let id = AppId(id);
        let key = EncodingKey::from_rsa_pem(key.expose_secret().as_bytes());
        // Whether it is a key at all shows only when it signs something.
        let key = key.and_then(|key| create_jwt(id, &key).map(|_| key)).map_err(|_| {
            Error::BadSecret { what: "WAVEMARK_APP_KEY", why: "it is not an RSA key as PEM" }
        })?;
        builder = builder.app(id, key);
    }
    builder.build().map_err(|err| Error::Tls(err.into()))
}

/// Sends one request and reads its answer to the end, within `patience`.
///
/// `path` is one on the host of `base`, which is the only host that this can
/// talk to. Nothing is sent twice.
pub(super) async fn send(
    crab: &Octocrab,
    base: &Base,
    patience: Duration,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Answer, Trouble> {
    let whole = async {
        let response = match method {
            Method::Get => crab._get(path).await,
            Method::Post => crab._post(path, body).await,
            Method::Patch => crab._patch(path, body).await,
            Method::Put => crab._put(path, body).await,
            Method::Delete => crab._delete(path, body).await,
        };
        let response = response.map_err(|err| trouble(base, err))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = crab.body_to_string(response).await.map_err(|err| trouble(base, err))?;
        let head = Head::read(|name| headers.get(name).and_then(|value| value.to_str().ok()));
        Ok(Answer { status, head, body })
    };
    match tokio::time::timeout(patience, whole).await {
        Ok(answer) => answer,
        Err(_) => Err(Trouble::Slow(patience)),
    }
}

fn trouble(base: &Base, err: octocrab::Error) -> Trouble {
    use octocrab::Error as E;
    let source: Box<dyn error::Error + Send + Sync> = match err {
        E::Service { source, .. } => source,
        E::Hyper { source, .. } => source.into(),
        E::InvalidUtf8 { .. } => return Trouble::Unreadable("it is not text".to_owned()),
        err => err.into(),
    };
    if was_never_made(source.as_ref()) {
        Trouble::Connect { host: base.host().to_owned(), source }
    } else {
        Trouble::Broken(source)
    }
}

/// Whether this is about a connection that was never made.
fn was_never_made(err: &(dyn error::Error + 'static)) -> bool {
    let mut link = Some(err);
    while let Some(err) = link {
        if let Some(err) = err.downcast_ref::<hyper_util::client::legacy::Error>() {
            return err.is_connect();
        }
        link = err.source();
    }
    false
}
