//! How a GitHub App gets a token.
//!
//! Where it is installed hardly ever changes, so that is asked once and then
//! remembered, by whoever calls across processes too.

use std::time::Duration;

use octocrab::Octocrab;
use secrecy::SecretString;
use serde::Deserialize;

use super::{
    Error, Visit,
    answer::Answer,
    http::Method,
    session::Session,
    visit::{Reply, Route},
};
use crate::model::Instant;

#[derive(Deserialize)]
struct Installation {
    id: u64,
}

#[derive(Deserialize)]
struct Token {
    token: SecretString,
    expires_at: Instant,
}

impl Visit {
    /// Finds where the App is installed for the repository, and has a token
    /// made for there. Returns how long to use it, too.
    pub(super) async fn install(&mut self, app: &Octocrab) -> Result<(Session, Duration), Error> {
        let github = self.github.clone();
        let sessions = &github.place.sessions;
        if let Some(id) = sessions.installation() {
            match self.installed(app, id).await {
                // It was installed anew since, or this is another App.
                Err(Error::NotInstalled { .. }) => sessions.remember(None),
                made => return made,
            }
        }
        let route = self.route("/installation", "installation", "");
        let path = github.place.base.path_of(&route.path);
        let id = match self.ask_as(app, Method::Get, &path).await? {
            Reply::Here(Installation { id }, _) => id,
            Reply::Not(answer) => return Err(self.not_installed(&route, &answer)),
        };
        let made = self.installed(app, id).await?;
        sessions.remember(Some(id));
        Ok(made)
    }

    /// Has a token made for where the App is installed.
    async fn installed(&mut self, app: &Octocrab, id: u64) -> Result<(Session, Duration), Error> {
        let route = self.route("/installation", "installation", "");
        let path = format!("/app/installations/{id}/access_tokens");
        let path = self.github.place.base.path_of(&path);
        // A token too many does no harm, so this may be asked for again.
        let Token { token, expires_at } = match self.ask_as(app, Method::Post, &path).await? {
            Reply::Here(token, _) => token,
            Reply::Not(answer) => return Err(self.not_installed(&route, &answer)),
        };
        let now = self.github_time().unwrap_or(expires_at);
        Ok((Session::new(app, &token)?, Session::lasts(expires_at - now)))
    }

    fn not_installed(&self, route: &Route, answer: &Answer) -> Error {
        match answer.status {
            404 => Error::NotInstalled { repo: self.repo().clone() },
            _ => self.plain_refusal(route, answer),
        }
    }
}
