//! GitHub: issues, pull requests, comments, permissions, dispatch.
//!
//! [`Github`] is where and who; a [`Visit`] is one tick's work there. It holds
//! the budget and the manners: questions are asked up to three times, a change
//! is sent at most once, changes come one after the other with a pause between
//! them, and after the first sign of a rate limit nothing is sent any more.
//!
//! Answers are read into small structs that need little of them, so that a
//! field that GitHub adds, leaves out or sets to null stops nothing.
//!
//! **Invariant:** a change is on the wire at most once, and only
//! [`Error::Unknown`] leaves open whether it was made. No token is in any
//! error, `Debug` or log, and none goes to another host.

mod answer;
mod app;
mod base;
mod changes;
mod error;
mod http;
mod issue;
mod limit;
mod link;
mod people;
mod project;
mod pulls;
mod reading;
mod repo;
mod session;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod visit;

use std::{fmt, sync::Arc, time::Duration};

use secrecy::SecretString;
use tokio::{sync::Mutex, time::Instant as Moment};

pub use changes::NewIssue;
pub use error::{Error, Trouble};
pub use issue::{Comment, Issue, Labeling, State, User, UserKind};
pub use people::Scopes;
pub use project::{Label, Permissions, Repository, Workflow, WorkflowState};
pub use pulls::{BadHeadBranch, End, HeadBranch, Ourselves, PullRequest};
pub use reading::{Changes, Found};
pub use repo::{BadRepo, Repo};
pub use session::Auth;
pub use visit::Visit;

use crate::model::Manners;
use base::Base;
use session::Sessions;

/// Where, who, and how much at a time.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The API, such as `https://api.github.com` or `https://host/api/v3`.
    pub api_url: String,
    /// The repository that all of this is about.
    pub repo: Repo,
    /// Who asks.
    pub auth: Auth,
    /// How much at a time.
    pub manners: Manners,
    /// How long to rest before a question is asked again; four times that
    /// before the last try.
    pub backoff: Duration,
}

impl Settings {
    /// The usual manners.
    pub fn new(api_url: impl Into<String>, repo: Repo, auth: Auth) -> Self {
        Self {
            api_url: api_url.into(),
            repo,
            auth,
            manners: Manners::default(),
            backoff: Duration::from_millis(500),
        }
    }
}

/// One repository on GitHub, and a way to talk to it. Cloning is cheap.
#[derive(Clone)]
pub struct Github {
    place: Arc<Place>,
}

/// What the clones share.
struct Place {
    base: Base,
    settings: Settings,
    sessions: Sessions,
    /// When the last change was answered.
    rested_since: Mutex<Option<Moment>>,
}

impl Github {
    /// Makes ready; nothing is sent yet. Call it within the tokio runtime that
    /// the visits will run in.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let base = Base::parse(&settings.api_url)?;
        let sessions = Sessions::new(&base, settings)?;
        let (settings, rested_since) = (settings.clone(), Mutex::default());
        Ok(Self { place: Arc::new(Place { base, settings, sessions, rested_since }) })
    }

    /// The repository that all of this is about.
    pub fn repo(&self) -> &Repo {
        &self.place.settings.repo
    }

    /// The token of this moment, for git: a new one of an App's where the one
    /// before is about to run out.
    pub async fn token(&self) -> Result<SecretString, Error> {
        self.visit().token().await
    }

    /// Where the App is installed, as far as that is known; of a token, nothing.
    pub fn installation(&self) -> Option<u64> {
        self.place.sessions.installation()
    }

    /// Where the App was installed when somebody last asked. That saves a question;
    /// if it is not so any more, it is asked again.
    pub fn remember_installation(&self, id: u64) {
        self.place.sessions.remember(Some(id));
    }

    /// Makes no more use of a token that was turned away, if another one can be
    /// made.
    pub fn forget_token(&self) {
        self.place.sessions.forget();
    }

    /// Begins one tick's work.
    pub fn visit(&self) -> Visit {
        Visit::new(self.clone())
    }
}

impl fmt::Debug for Github {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Github({} at {})", self.repo(), self.place.base.url())
    }
}

/// The host under which the GitHub of this API is seen by people and by git:
/// `github.com` for `https://api.github.com`.
pub fn web_host(api_url: &str) -> Result<String, Error> {
    Ok(Base::parse(api_url)?.web_host().to_owned())
}
