//! Who asks: a token, or a GitHub App that gets itself one.
//!
//! An App's token is for one installation and an hour. It is kept among all
//! visits until shortly before its end, by GitHub's clock.

use std::{
    fs,
    path::PathBuf,
    sync::{Mutex as SyncMutex, PoisonError},
    time::Duration,
};

use octocrab::Octocrab;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{sync::Mutex, time::Instant};

use super::{Error, Settings, base::Base, http};
use crate::model::credential;

/// An App's token is not used any more this long before its end: a visit that
/// begins with it also ends with it.
const MARGIN: Duration = Duration::from_secs(10 * 60);

/// The longest that is kept of what GitHub says in words.
const LONGEST: usize = 1_000;

/// Who asks.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Whoever the token belongs to: a workflow's `GITHUB_TOKEN`, or a person.
    Token(SecretString),
    /// A GitHub App that is installed where the repository is.
    App {
        /// Its id.
        id: u64,
        /// Its private key, as PEM.
        key: SecretString,
    },
}

impl Auth {
    /// A GitHub App, from what `WAVEMARK_APP_ID` and `WAVEMARK_APP_KEY` hold:
    /// the key is PEM, or the path of a file with it.
    pub fn app(id: &str, key: &SecretString) -> Result<Self, Error> {
        let bad = |what, why| Error::BadSecret { what, why };
        let id = id.trim().parse();
        let id = id.map_err(|_| bad("WAVEMARK_APP_ID", "it is not a number"))?;
        let text = key.expose_secret();
        let key = if text.contains("-----BEGIN") {
            // Some places for secrets can hold only one line.
            text.replace("\\n", "\n").into()
        } else {
            let read = fs::read_to_string(PathBuf::from(text.trim()));
            read.map_err(|_| bad("WAVEMARK_APP_KEY", "it is neither PEM nor a readable file"))?
                .into()
        };
        Ok(Self::App { id, key })
    }
}

/// A client with a token, ready for use.
#[derive(Clone)]
pub(super) struct Session {
    pub crab: Octocrab,
    pub token: SecretString,
}

/// The session that all visits share.
pub(super) struct Sessions {
    /// Talks as the App, or as nobody.
    pub client: Octocrab,
    /// The session, and until when it lasts: a token that was given does for
    /// ever, one that an App made does not.
    pub kept: Mutex<Option<(Session, Option<Instant>)>>,
    /// Where the App is installed, once that is known.
    installation: SyncMutex<Option<u64>>,
}

impl Sessions {
    pub(super) fn new(base: &Base, settings: &Settings) -> Result<Self, Error> {
        let (client, session) = match &settings.auth {
            Auth::Token(token) => {
                let client = http::client(base, settings.manners.timeout, None)?;
                let session = Session::new(&client, token)?;
                (client, Some((session, None)))
            }
            Auth::App { id, key } => {
                (http::client(base, settings.manners.timeout, Some((*id, key)))?, None)
            }
        };
        Ok(Self { client, kept: Mutex::new(session), installation: SyncMutex::default() })
    }

    pub(super) fn installation(&self) -> Option<u64> {
        *self.installation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn remember(&self, installation: Option<u64>) {
        *self.installation.lock().unwrap_or_else(PoisonError::into_inner) = installation;
    }

    /// Drops a token that does no more, if another one can be made.
    pub(super) fn forget(&self) {
        if let Ok(mut kept) = self.kept.try_lock() {
            *kept = kept.take().filter(|(_, until)| until.is_none());
        }
    }
}

impl Session {
    /// A session with this token, over the connections of `client`.
    pub(super) fn new(client: &Octocrab, token: &SecretString) -> Result<Self, Error> {
        let bad = |why| Err(Error::BadSecret { what: "the token for GitHub", why });
        let token = token.expose_secret().trim();
        if token.is_empty() {
            return bad("it is empty");
        }
        if !token.bytes().all(|b| b.is_ascii_graphic()) {
            return bad("it has a space or a line break in it");
        }
        let token = SecretString::from(token);
        match client.user_access_token(token.clone()) {
            Ok(crab) => Ok(Self { crab, token }),
            Err(_) => bad("it cannot be sent"),
        }
    }

    /// How long after `now` a token that ends then is used.
    pub(super) fn lasts(ends_in: chrono::TimeDelta) -> Duration {
        ends_in.to_std().unwrap_or_default().saturating_sub(MARGIN)
    }

    /// What GitHub says, fit for people: no secret, no control characters, not
    /// too long.
    pub(super) fn clean(&self, text: &str) -> String {
        let text = text.replace(self.token.expose_secret(), "***");
        clean(&text)
    }
}

/// The same where there is no session yet.
pub(super) fn clean(text: &str) -> String {
    let kept = credential::without(text);
    let line = kept.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(LONGEST).collect::<String>().trim().to_owned()
}
