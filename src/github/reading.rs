//! Questions about issues.

use std::collections::{BTreeMap, BTreeSet};

use chrono::SecondsFormat;
use serde::de::DeserializeOwned;

use super::{
    Comment, Error, Issue, Labeling, Trouble, Visit,
    issue::Event,
    visit::{Reply, Route},
};
use crate::model::Instant;

/// More pages than any honest list of ours has: 30,000 issues.
const MOST_PAGES: usize = 300;

/// As many numbers after the newest listed issue are tried.
const MOST_UNLISTED: u64 = 20;

const READ_ISSUES: &str = "issues: read";
const READ_COMMENTS: &str = "issues: read, or pull-requests: read on a pull request";

/// What became of something that was there once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<T> {
    /// Here it is.
    Here(T),
    /// It was deleted, or never was.
    Gone,
    /// It was transferred to another repository.
    Moved {
        /// Its address in the API there.
        to: String,
    },
}

/// The issues that changed, and how far that reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Each once, in the order of their changes; pull requests left out.
    pub issues: Vec<Issue>,
    /// The newest `updated_at` that was seen, of pull requests too: where to
    /// go on from. None if nothing changed.
    pub up_to: Option<Instant>,
}

impl Visit {
    /// Every issue that changed at `since` or later.
    pub async fn issues_since(&mut self, since: Option<Instant>) -> Result<Changes, Error> {
        let list = self.route("/issues?sort=updated&state=all", "list of issues", READ_ISSUES);
        let mut issues: Vec<Issue> =
            self.by_change(list, since, |issue: &Issue| (issue.number, issue.updated_at)).await?;
        let up_to = issues.last().map(|issue| issue.updated_at);
        issues.retain(|issue| !issue.is_pull_request);
        Ok(Changes { issues, up_to })
    }

    /// The issues that no list shows yet, the oldest first.
    ///
    /// GitHub promises that a new issue comes to be in its lists, not when; by its
    /// number it is found at once. So the numbers after the newest listed one are
    /// tried, up to the first that leads nowhere.
    pub async fn unlisted_issues(&mut self) -> Result<Vec<Issue>, Error> {
        let query = "/issues?state=all&sort=created&direction=desc&per_page=1";
        let route = self.route(query, "list of issues", READ_ISSUES);
        let (newest, _): (Vec<Issue>, _) = self.read(&route).await?;
        let newest = newest.first().map_or(0, |issue| issue.number);
        let mut unlisted = Vec::new();
        for number in newest + 1..=newest + MOST_UNLISTED {
            match self.issue(number).await? {
                Found::Here(issue) => unlisted.push(issue),
                Found::Moved { .. } => {}
                Found::Gone => break,
            }
        }
        unlisted.retain(|issue| !issue.is_pull_request);
        Ok(unlisted)
    }

    /// One issue by its number.
    pub async fn issue(&mut self, number: u64) -> Result<Found<Issue>, Error> {
        let what = format!("issue {number}");
        let route = self.route(format_args!("/issues/{number}"), what, READ_ISSUES);
        let path = self.github.place.base.path_of(&route.path);
        let answer = match self.ask(&path).await? {
            Reply::Here(issue, _) => return Ok(Found::Here(issue)),
            Reply::Not(answer) => answer,
        };
        if answer.is_redirect() {
            let to = answer.head.location.clone().unwrap_or_default();
            let ours = format!("/repositories/{}/", self.repository_id().await?);
            // A repository that was renamed redirects too, to itself.
            if !to.contains(&ours) {
                return Ok(Found::Moved { to: self.clean(&to) });
            }
            let path = self.redirect(&answer)?;
            return Ok(Found::Here(self.read(&self.at(&route, &path)).await?.0));
        }
        match self.refusal(&route, &answer).await {
            Error::Missing { .. } => Ok(Found::Gone),
            err => Err(err),
        }
    }

    /// The comments on an issue or a pull request, the oldest first; with
    /// `since` those that were written or edited then or later.
    pub async fn comments(
        &mut self,
        number: u64,
        since: Option<Instant>,
    ) -> Result<Vec<Comment>, Error> {
        let path = format!("/issues/{number}/comments?per_page=100{}", from(since));
        let route = self.route(path, format!("issue {number}"), READ_COMMENTS);
        self.pages(route, |page: Vec<Comment>| page, |_| false).await
    }

    /// Every comment on anything in the repository that was written or edited at
    /// `since` or later, in the order of its last change.
    pub async fn comments_since(&mut self, since: Option<Instant>) -> Result<Vec<Comment>, Error> {
        let list = self.route("/issues/comments?sort=updated", "list of comments", READ_ISSUES);
        self.by_change(list, since, |comment: &Comment| (comment.id, comment.updated_at)).await
    }

    /// Who gave which label to an issue, the oldest first.
    pub async fn labelings(&mut self, number: u64) -> Result<Vec<Labeling>, Error> {
        let path = format!("/issues/{number}/events?per_page=100");
        let route = self.route(path, format!("issue {number}"), READ_ISSUES);
        let events = self.pages(route, |page: Vec<Event>| page, |_| false).await?;
        Ok(events.into_iter().filter_map(Event::labeling).collect())
    }

    /// All of a list that changed at `since` or later, each once, in the order
    /// of its last change. `key` is what one is known by, and that instant.
    ///
    /// GitHub numbers the pages, so what changes while they are read moves to
    /// the last one, and pulls something else over the edge to a page that was
    /// read before. That would be missed. So each page is asked for by the time
    /// of the last change on the one before.
    async fn by_change<T: DeserializeOwned>(
        &mut self,
        list: Route,
        since: Option<Instant>,
        key: impl Fn(&T) -> (u64, Instant),
    ) -> Result<Vec<T>, Error> {
        let list = Route { path: format!("{}&direction=asc&per_page=100", list.path), ..list };
        let page_from = |since: Option<Instant>| Route {
            path: format!("{}{}", list.path, from(since)),
            ..list.clone()
        };
        let mut since = since;
        let mut route = page_from(since);
        let mut seen: BTreeMap<u64, T> = BTreeMap::new();
        let mut pages = Pages::default();
        loop {
            pages.turn(&route)?;
            let (page, next): (Vec<T>, _) = self.read(&route).await?;
            let newest = page.iter().map(|one| key(one).1).max();
            for one in page {
                let (id, at) = key(&one);
                if seen.get(&id).is_none_or(|old| key(old).1 <= at) {
                    seen.insert(id, one);
                }
            }
            let Some(next) = next else {
                break;
            };
            if newest > since {
                since = newest;
                route = page_from(since);
            } else {
                // A hundred changes within one second.
                route = self.at(&route, &next);
            }
        }
        let mut all: Vec<T> = seen.into_values().collect();
        all.sort_by_key(|one| {
            let (id, at) = key(one);
            (at, id)
        });
        Ok(all)
    }

    /// All pages of a list, until `enough` says so of one.
    pub(super) async fn pages<P: DeserializeOwned, T>(
        &mut self,
        mut route: Route,
        unpack: impl Fn(P) -> Vec<T>,
        mut enough: impl FnMut(&[T]) -> bool,
    ) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        let mut pages = Pages::default();
        loop {
            pages.turn(&route)?;
            let (page, next) = self.read(&route).await?;
            let page = unpack(page);
            let last = enough(&page);
            all.extend(page);
            match next {
                Some(next) if !last => route = self.at(&route, &next),
                _ => return Ok(all),
            }
        }
    }

    /// The same, at a whole path that an answer gave.
    fn at(&self, route: &Route, path: &str) -> Route {
        let base = self.github.place.base.path_of("");
        let path = path.strip_prefix(&base).unwrap_or(path);
        Route { path: path.to_owned(), ..route.clone() }
    }
}

fn from(since: Option<Instant>) -> String {
    match since {
        Some(since) => format!("&since={}", since.to_rfc3339_opts(SecondsFormat::Secs, true)),
        None => String::new(),
    }
}

/// The pages that were read: none is read twice, and there is an end.
#[derive(Default)]
struct Pages(BTreeSet<String>);

impl Pages {
    fn turn(&mut self, route: &Route) -> Result<(), Error> {
        let wrong = |said: &str| Err(Error::NoAnswer(Trouble::Unreadable(said.to_owned())));
        if self.0.len() >= MOST_PAGES {
            return wrong("a list without an end");
        }
        if !self.0.insert(route.path.clone()) {
            return wrong("its pages go in a circle");
        }
        Ok(())
    }
}
