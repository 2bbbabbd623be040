//! Pull requests: finding one, and who is who in it.
//!
//! What is said on a pull request is said with the calls for issues: for
//! GitHub, the one is a kind of the other.

use std::{fmt, str::FromStr};

use serde::Deserialize;

use super::{
    Auth, Error, User, UserKind, Visit,
    http::Method,
    issue::{State, or_default},
    visit::{Reply, segment},
};
use crate::model::Instant;

const READ_PULLS: &str = "pull-requests: read";
/// How far back a merge is looked for: a thousand pull requests that nobody has
/// touched since.
const MOST_MERGES: usize = 1_000;

/// Who speaks where a workflow's `GITHUB_TOKEN` is used.
const ACTIONS: &str = "github-actions[bot]";

/// A pull request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PullRequest {
    /// Its number, which no issue has.
    pub number: u64,
    /// Open or closed.
    #[serde(default, deserialize_with = "or_default")]
    pub state: State,
    /// What is to be merged.
    #[serde(default, deserialize_with = "or_default")]
    pub head: End,
    /// Where it is to be merged into.
    #[serde(default, deserialize_with = "or_default")]
    pub base: End,
    /// When it was merged, if it was.
    #[serde(default)]
    pub merged_at: Option<Instant>,
    /// The commit that it was merged as; of an open one, a try of GitHub's.
    #[serde(default)]
    merge_commit_sha: Option<String>,
}

/// One end of a pull request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct End {
    /// `owner:branch`.
    #[serde(default, deserialize_with = "or_default")]
    label: String,
    /// The newest commit there.
    #[serde(default, deserialize_with = "or_default")]
    pub sha: String,
    /// The repository, unless it is gone.
    #[serde(default)]
    repo: Option<Home>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Home {
    id: u64,
}

impl PullRequest {
    /// Whether it comes from another repository.
    pub fn is_from_fork(&self) -> bool {
        self.head.repo.as_ref().map(|repo| repo.id) != self.base.repo.as_ref().map(|repo| repo.id)
    }

    /// Whether this commit is what became of it.
    fn was_merged_as(&self, commit: &str) -> bool {
        let merged = self.merge_commit_sha.as_deref().filter(|_| self.merged_at.is_some());
        merged.is_some_and(|sha| sha.eq_ignore_ascii_case(commit))
    }
}

/// A branch that pull requests come from, and whose it is: `owner:branch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadBranch {
    owner: String,
    branch: String,
}

/// Why a string is not a [`HeadBranch`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a branch of somebody's: write it as `owner:branch`")]
pub struct BadHeadBranch(String);

impl FromStr for HeadBranch {
    type Err = BadHeadBranch;

    fn from_str(text: &str) -> Result<Self, BadHeadBranch> {
        let is_login = |word: &str| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        };
        match text.split_once(':') {
            Some((owner, branch)) if is_login(owner) && !branch.is_empty() => {
                Ok(Self { owner: owner.to_owned(), branch: branch.to_owned() })
            }
            _ => Err(BadHeadBranch(text.to_owned())),
        }
    }
}

impl fmt::Display for HeadBranch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.owner, self.branch)
    }
}

impl HeadBranch {
    /// Whether a pull request comes from there. GitHub tells no cases apart in
    /// a name of somebody, and does in one of a branch.
    fn is(&self, end: &End) -> bool {
        end.label.split_once(':').is_some_and(|(owner, branch)| {
            owner.eq_ignore_ascii_case(&self.owner) && branch == self.branch
        })
    }
}

/// The account behind a token, as far as the token lets one know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ourselves {
    /// A person's.
    Account(u64),
    /// A bot's, of which only the name is known.
    Bot(String),
}

impl Ourselves {
    /// The account of every workflow's `GITHUB_TOKEN`.
    pub fn actions() -> Self {
        Self::Bot(ACTIONS.to_owned())
    }

    /// Whether this is the account. A person cannot have the name of a bot: it
    /// ends with `[bot]`.
    pub fn is(&self, user: Option<&User>) -> bool {
        user.is_some_and(|user| match self {
            Self::Account(id) => user.id == *id,
            Self::Bot(login) => {
                user.kind != UserKind::User && user.login.eq_ignore_ascii_case(login)
            }
        })
    }
}

#[derive(Deserialize)]
struct App {
    slug: String,
}

impl Visit {
    /// The account that speaks. Of a token that does not say, it is taken to be a
    /// workflow's.
    pub async fn ourselves(&mut self) -> Result<Ourselves, Error> {
        let place = self.github.place.clone();
        if let Auth::App { .. } = place.settings.auth {
            let path = place.base.path_of("/app");
            return match self.ask_as(&place.sessions.client, Method::Get, &path).await? {
                Reply::Here(App { slug }, _) => Ok(Ourselves::Bot(format!("{slug}[bot]"))),
                Reply::Not(answer) => {
                    let route = self.route("", "account", "");
                    Err(self.plain_refusal(&route, &answer))
                }
            };
        }
        Ok(match self.viewer().await? {
            Some(user) => Ourselves::Account(user.id),
            None => Ourselves::actions(),
        })
    }

    /// A pull request by its number.
    pub async fn pull_request(&mut self, number: u64) -> Result<PullRequest, Error> {
        let what = format!("pull request {number}");
        let route = self.route(format_args!("/pulls/{number}"), what, READ_PULLS);
        Ok(self.read(&route).await?.0)
    }

    /// The open pull requests that come from a branch.
    pub async fn pull_requests_from(
        &mut self,
        head: &HeadBranch,
    ) -> Result<Vec<PullRequest>, Error> {
        let HeadBranch { owner, branch } = head;
        let (owner, branch) = (segment(owner), segment(branch));
        let query = format!("/pulls?state=open&head={owner}:{branch}&per_page=100");
        let route = self.route(query, "list of pull requests", READ_PULLS);
        let mut found = self.pages(route, |page: Vec<PullRequest>| page, |_| false).await?;
        // Of what it does not understand, GitHub takes no notice.
        found.retain(|pull| pull.state != State::Closed && head.is(&pull.head));
        Ok(found)
    }

    /// The pull request that became this commit when it was merged, as far as it
    /// is among those that were touched last.
    pub async fn merged_as(&mut self, commit: &str) -> Result<Option<PullRequest>, Error> {
        let query = "/pulls?state=closed&sort=updated&direction=desc&per_page=100";
        let route = self.route(query, "list of pull requests", READ_PULLS);
        let mut seen = 0;
        let closed = self
            .pages(
                route,
                |page: Vec<PullRequest>| page,
                |page| {
                    seen += page.len();
                    seen >= MOST_MERGES || page.iter().any(|pull| pull.was_merged_as(commit))
                },
            )
            .await?;
        Ok(closed.into_iter().find(|pull| pull.was_merged_as(commit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_somebody_and_a_branch() {
        for good in ["ada:main", "Ada-2:feature/x:y", "emu_corp:a b"] {
            assert_eq!(good.parse::<HeadBranch>().unwrap().to_string(), good);
        }
        for bad in ["", "main", ":main", "ada:", "a/b:main", "a b:main"] {
            assert!(bad.parse::<HeadBranch>().is_err(), "{bad}");
        }
        insta::assert_snapshot!("main".parse::<HeadBranch>().unwrap_err(), @"`main` is not a branch of somebody's: write it as `owner:branch`");
    }

    #[test]
    fn nobody_but_the_bot_itself_is_the_bot() {
        let user = |login: &str, id, kind| User { login: login.to_owned(), id, kind };
        let actions = Ourselves::actions();
        assert!(actions.is(Some(&user("github-actions[bot]", 1, UserKind::Bot))));
        for other in [
            user("github-actions", 1, UserKind::User),
            user("github-actions[bot]", 1, UserKind::User),
            user("mona[bot]", 1, UserKind::Bot),
        ] {
            assert!(!actions.is(Some(&other)), "{other:?}");
        }
        assert!(!actions.is(None));
        assert!(Ourselves::Account(7).is(Some(&user("mona", 7, UserKind::User))));
        assert!(!Ourselves::Account(7).is(Some(&user("mona", 8, UserKind::User))));
    }
}
