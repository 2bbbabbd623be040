//! One tick's work on GitHub, and its manners.
//!
//! Everything goes through here, one after the other: [`Visit`] is borrowed
//! mutably by each call, so two requests at once do not compile.

use std::{collections::BTreeMap, fmt, time::Duration};

use octocrab::Octocrab;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant as Moment, sleep, sleep_until};

use super::{
    Error, Github, Repo, Trouble,
    answer::Answer,
    http::{self, Method},
    limit,
    session::{self, Session},
};
use crate::model::{Instant, Manners, Role};

/// How often a question is asked before its answer is given up.
const TRIES: u32 = 3;
/// How many redirects lead somewhere; GitHub needs one.
const MOST_REDIRECTS: usize = 3;

/// One tick's work on GitHub. See the module for its manners.
///
/// After an error whose [`Error::ends_visit`] is true, nothing else will work
/// either.
pub struct Visit {
    pub(super) github: Github,
    session: Option<Session>,
    requests: u32,
    writes: u32,
    /// Until when GitHub wants to be left alone.
    limited_until: Option<Moment>,
    github_time: Option<Instant>,
    pub(super) scopes: Option<Vec<String>>,
    pub(super) roles: BTreeMap<String, Option<Role>>,
    pub(super) repo_id: Option<u64>,
}

/// What a request is about.
#[derive(Clone, Debug)]
pub(super) struct Route {
    /// The path in the API, with its query.
    pub path: String,
    /// In words, for "there is no …".
    pub what: String,
    /// The permission that it takes.
    pub needs: &'static str,
}

/// What came of a question.
pub(super) enum Reply<T> {
    /// The answer, and where the next page is.
    Here(T, Option<String>),
    /// Another status than 2xx, 5xx or a rate limit.
    Not(Answer),
}

impl Visit {
    pub(super) fn new(github: Github) -> Self {
        Self {
            github,
            session: None,
            requests: 0,
            writes: 0,
            limited_until: None,
            github_time: None,
            scopes: None,
            roles: BTreeMap::new(),
            repo_id: None,
        }
    }

    /// How many requests were made so far, repeated ones included.
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// How many changes were sent so far.
    pub fn writes(&self) -> u32 {
        self.writes
    }

    /// The same visit, of whose changes so many were sent by an earlier one.
    #[must_use]
    pub fn after(mut self, writes: u32) -> Self {
        self.writes += writes;
        self
    }

    /// How long GitHub still wants to be left alone, if it said so.
    pub fn limited(&self) -> Option<Duration> {
        self.limited_until.map(|until| until.saturating_duration_since(Moment::now()))
    }

    /// GitHub's clock at its newest answer.
    pub fn github_time(&self) -> Option<Instant> {
        self.github_time
    }

    pub(super) fn repo(&self) -> &Repo {
        self.github.repo()
    }

    /// A route below the repository's own.
    pub(super) fn route(
        &self,
        path: impl fmt::Display,
        what: impl Into<String>,
        needs: &'static str,
    ) -> Route {
        Route { path: format!("/repos/{}{path}", self.repo()), what: what.into(), needs }
    }

    /// Asks a question to the end: up to three times, across redirects.
    ///
    /// Returns what it says, and the path of the next page.
    pub(super) async fn read<T: DeserializeOwned>(
        &mut self,
        route: &Route,
    ) -> Result<(T, Option<String>), Error> {
        let mut path = self.github.place.base.path_of(&route.path);
        for _ in 0..=MOST_REDIRECTS {
            match self.ask(&path).await? {
                Reply::Here(answer, next) => return Ok((answer, next)),
                Reply::Not(answer) if answer.is_redirect() => path = self.redirect(&answer)?,
                Reply::Not(answer) => return Err(self.refusal(route, &answer).await),
            }
        }
        Err(Error::NoAnswer(Trouble::Unreadable("redirects without an end".to_owned())))
    }

    /// Asks a question up to three times, at a path of this host.
    pub(super) async fn ask<T: DeserializeOwned>(&mut self, path: &str) -> Result<Reply<T>, Error> {
        let crab = self.session().await?.crab;
        self.ask_as(&crab, Method::Get, path).await
    }

    /// The same, as somebody. Also for a POST that may be made twice.
    pub(super) async fn ask_as<T: DeserializeOwned>(
        &mut self,
        crab: &Octocrab,
        method: Method,
        path: &str,
    ) -> Result<Reply<T>, Error> {
        let mut rest = self.github.place.settings.backoff;
        let mut tries = 0;
        loop {
            tries += 1;
            let trouble = match self.once(crab, method, path, None).await? {
                Ok(answer) if answer.is_success() => match self.parse(&answer) {
                    Ok(value) => {
                        let next = answer.head.next.as_deref().map(|url| self.here(url));
                        return Ok(Reply::Here(value, next.transpose()?));
                    }
                    Err(trouble) => trouble,
                },
                Ok(answer) => return Ok(Reply::Not(answer)),
                Err(trouble) => trouble,
            };
            if tries == TRIES {
                return Err(match trouble {
                    Trouble::Connect { .. } => Error::Unreachable(trouble),
                    trouble => Error::NoAnswer(trouble),
                });
            }
            tracing::debug!(path, error = %trouble, "asking GitHub again");
            sleep(rest).await;
            rest *= 4;
        }
    }

    /// Makes a change, once, if the budget allows it.
    pub(super) async fn write(
        &mut self,
        method: Method,
        route: &Route,
        body: Option<&Value>,
    ) -> Result<Answer, Error> {
        let Manners { writes: most, pause, .. } = self.github.place.settings.manners;
        self.go_on()?;
        if self.writes >= most {
            return Err(Error::EnoughWrites { writes: most });
        }
        let crab = self.session().await?.crab;
        let github = self.github.clone();
        // Whoever writes at the same time waits for the answer to this, and then rests.
        let mut rested_since = github.place.rested_since.lock().await;
        if let Some(rested_since) = *rested_since {
            sleep_until(rested_since + pause).await;
        }
        self.writes += 1;
        let path = self.github.place.base.path_of(&route.path);
        let sent = self.once(&crab, method, &path, body).await;
        *rested_since = Some(Moment::now());
        drop(rested_since);
        let answer = sent?.map_err(|trouble| match trouble {
            Trouble::Connect { .. } => Error::Unreachable(trouble),
            trouble => Error::Unknown(trouble),
        })?;
        match answer.status {
            _ if answer.is_success() => Ok(answer),
            _ if answer.is_redirect() => Err(self.renamed(&answer).await),
            _ => Err(self.refusal(route, &answer).await),
        }
    }

    /// Makes a change, and reads what it made.
    pub(super) async fn make<T: DeserializeOwned>(
        &mut self,
        method: Method,
        route: &Route,
        body: &Value,
    ) -> Result<T, Error> {
        let answer = self.write(method, route, Some(body)).await?;
        self.parse(&answer).map_err(Error::Unknown)
    }

    /// Sends one request. The outer error is a rate limit, the inner one no
    /// useful answer.
    async fn once(
        &mut self,
        crab: &Octocrab,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Result<Answer, Trouble>, Error> {
        self.go_on()?;
        self.requests += 1;
        let place = &self.github.place;
        let patience = place.settings.manners.timeout;
        let answer = match http::send(crab, &place.base, patience, method, path, body).await {
            Ok(answer) => answer,
            Err(trouble) => return Ok(Err(trouble)),
        };
        self.github_time = answer.head.date.or(self.github_time);
        if let Some(scopes) = &answer.head.scopes {
            self.scopes = Some(scopes.clone());
        }
        if let Some(wait) = limit::refused(&answer) {
            self.limited_until = Some(Moment::now() + wait);
            return Err(Error::RateLimited { wait });
        }
        if let Some(wait) = limit::spent(&answer) {
            self.limited_until = Some(Moment::now() + wait);
        }
        if answer.status == 401 {
            self.github.place.sessions.forget();
        }
        match answer.status {
            // The one about a request that came too slowly belongs here too.
            408 | 500.. => Ok(Err(Trouble::Failing(answer.status))),
            _ => Ok(Ok(answer)),
        }
    }

    fn go_on(&self) -> Result<(), Error> {
        match self.limited() {
            Some(wait) => Err(Error::RateLimited { wait }),
            None => Ok(()),
        }
    }

    /// Reads the body of an answer.
    pub(super) fn parse<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, Trouble> {
        serde_json::from_str(&answer.body)
            .map_err(|err| Trouble::Unreadable(self.clean(&err.to_string())))
    }

    /// The path that a URL in an answer leads to.
    pub(super) fn here(&self, url: &str) -> Result<String, Error> {
        self.github.place.base.path_here(url).ok_or_else(|| {
            let said = format!("it leads away from the API, to {}", self.clean(url));
            Error::NoAnswer(Trouble::Unreadable(said))
        })
    }

    pub(super) fn redirect(&self, answer: &Answer) -> Result<String, Error> {
        self.here(answer.head.location.as_deref().unwrap_or_default())
    }

    /// Text of GitHub's, fit for people.
    pub(super) fn clean(&self, text: &str) -> String {
        match &self.session {
            Some(session) => session.clean(text),
            None => session::clean(text),
        }
    }

    /// What an answer means that is neither a success nor a redirect.
    pub(super) async fn refusal(&mut self, route: &Route, answer: &Answer) -> Error {
        match self.plain_refusal(route, answer) {
            // Of what one may not see, GitHub says that it is not there.
            err @ Error::Missing { .. } => match self.repository_id().await {
                Ok(_) => err,
                Err(err) => err,
            },
            err => err,
        }
    }

    /// The same, as far as the answer itself says it.
    pub(super) fn plain_refusal(&self, route: &Route, answer: &Answer) -> Error {
        let repo = self.repo().clone();
        let message = self.clean(&answer.message());
        let says = |words: &str| message.to_lowercase().contains(words);
        match answer.status {
            401 => Error::Unauthorized,
            403 if says("archived") => Error::Archived { repo },
            403 if says("access blocked") => Error::Blocked { repo, message },
            403 if says("locked") => Error::Locked { repo, what: route.what.clone() },
            403 => {
                let needs = answer.head.needs.clone();
                let needs = needs.unwrap_or_else(|| route.needs.to_owned());
                Error::Forbidden { repo, needs, message }
            }
            404 | 410 if says("issues") && says("disabled") => Error::IssuesDisabled { repo },
            404 | 410 => Error::Missing { repo, what: route.what.clone() },
            451 => Error::Blocked { repo, message },
            status => {
                let details = answer.details().iter().map(|text| self.clean(text)).collect();
                Error::Refused { status, message, details }
            }
        }
    }

    /// A change is not made where a redirect leads: whoever runs this should
    /// know that the repository has moved.
    async fn renamed(&mut self, answer: &Answer) -> Error {
        let repo = self.repo().clone();
        match Box::pin(self.repository()).await {
            Ok(now) if !now.repo.is(&repo) => Error::Renamed { repo, to: now.repo.to_string() },
            Err(err @ Error::RateLimited { .. }) => err,
            _ => {
                let to = self.clean(answer.head.location.as_deref().unwrap_or("somewhere else"));
                Error::Renamed { repo, to }
            }
        }
    }

    /// Asks for the repository, if that was not done yet: is it there at all?
    pub(super) async fn repository_id(&mut self) -> Result<u64, Error> {
        match self.repo_id {
            Some(id) => Ok(id),
            None => Ok(Box::pin(self.repository()).await?.id),
        }
    }

    /// The token that this is done with.
    pub(super) async fn token(&mut self) -> Result<SecretString, Error> {
        Ok(self.session().await?.token)
    }

    async fn session(&mut self) -> Result<Session, Error> {
        if let Some(session) = &self.session {
            return Ok(session.clone());
        }
        let github = self.github.clone();
        let sessions = &github.place.sessions;
        // Whoever comes meanwhile waits for this token.
        let mut kept = sessions.kept.lock().await;
        let session = match &*kept {
            Some((session, until)) if until.is_none_or(|until| until > Moment::now()) => {
                session.clone()
            }
            _ => {
                let (session, lasts) = self.install(&sessions.client).await?;
                *kept = Some((session.clone(), Some(Moment::now() + lasts)));
                session
            }
        };
        self.session = Some(session.clone());
        Ok(session)
    }
}

/// A word from outside as one part of a path.
pub(super) fn segment(word: &str) -> PercentEncode<'_> {
    const KEPT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
    utf8_percent_encode(word, &KEPT)
}

impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Visit({}, {} requests)", self.repo(), self.requests)
    }
}
