//! What GitHub remembers, and what people and programs may do to it.
//!
//! One state, changed the same way whether somebody clicks or a token asks:
//! the pages of the web and the API differ only in who comes through which
//! door, see [`super::people`] and [`super::api`].

mod access;
mod issue;
mod pull;
mod repo;
mod user;

use std::collections::BTreeMap;

use chrono::TimeDelta;

pub(super) use self::access::named;
pub(crate) use self::{
    access::{Access, Token},
    issue::{Change, Comment, Event, Happened, Issue, NewIssue, Reaction, Reason},
    pull::{Head, Pull},
    repo::{Dispatch, Gone, Label, Repo, Workflow},
    user::{Role, User},
};
use super::clock::Clock;

/// GitHub, all of it.
#[derive(Debug, Default)]
pub(super) struct World {
    /// Where the API is served.
    pub(super) base: String,
    pub(super) clock: Clock,
    pub(super) users: BTreeMap<String, User>,
    pub(super) repos: Vec<Repo>,
    pub(super) tokens: BTreeMap<String, Token>,
    pub(super) app: Option<App>,
    /// How long a new issue is missing from lists.
    pub(super) lag: TimeDelta,
    last_id: u64,
}

/// The GitHub App that is installed in every repo.
#[derive(Clone, Debug)]
pub(super) struct App {
    pub(super) id: u64,
    pub(super) installation: u64,
    pub(super) slug: String,
    pub(super) permissions: BTreeMap<String, Access>,
}

impl World {
    /// An id that nothing else has.
    pub(super) fn id(&mut self) -> u64 {
        self.last_id += 1;
        1_000 + self.last_id
    }

    /// Somebody, who has an account from now on.
    pub(super) fn user(&mut self, login: &str) -> User {
        if !self.users.contains_key(login) {
            let id = self.id();
            self.users.insert(login.to_owned(), User::new(id, login));
        }
        self.users[login].clone()
    }

    /// Where a repo is, by its `owner/name`.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.repos.iter().position(|repo| repo.full_name.eq_ignore_ascii_case(name))
    }

    /// Gives a token out: the text that opens what it opens.
    pub(super) fn give(&mut self, token: Token) -> String {
        self.user(&token.login);
        let kind = if token.of_app { "ghs" } else { "ghp" };
        let text = format!("{kind}_{:036}", self.id());
        self.tokens.insert(text.clone(), token);
        text
    }

    /// Makes a public repo that has issues and a branch `main`.
    pub(super) fn create_repo(&mut self, full_name: &str) {
        let (owner, _) = full_name.split_once('/').unwrap();
        self.user(owner);
        let (id, now) = (self.id(), self.clock.now());
        self.repos.push(Repo::new(id, full_name, now));
    }
}
