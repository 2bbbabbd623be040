//! Issues, and what is said and done about them.
//!
//! Each struct asks for the few fields without which it would mean nothing;
//! everything else may be missing, null or a word from the future.

use serde::{Deserialize, Deserializer};

use crate::model::{CloseReason, Instant, IssueState};

/// An issue, or a pull request: for GitHub the one is a kind of the other.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Issue {
    /// Its number in the repository.
    pub number: u64,
    /// Its id everywhere; another one after a transfer.
    #[serde(default, deserialize_with = "or_default")]
    pub node_id: String,
    /// Its title.
    #[serde(default, deserialize_with = "or_default")]
    pub title: String,
    /// Its first text; empty if there is none.
    #[serde(default, deserialize_with = "or_default")]
    pub body: String,
    /// Open, or closed how.
    #[serde(flatten, deserialize_with = "state")]
    pub state: IssueState,
    /// Who opened it; nobody if the account is gone.
    #[serde(default)]
    pub user: Option<User>,
    /// The names of its labels.
    #[serde(default, deserialize_with = "names")]
    pub labels: Vec<String>,
    /// How many comments it has.
    #[serde(default, deserialize_with = "or_default")]
    pub comments: u64,
    /// When it was opened.
    pub created_at: Instant,
    /// When anything about it last changed.
    pub updated_at: Instant,
    /// When it was closed, if it is.
    #[serde(default)]
    pub closed_at: Option<Instant>,
    /// Who closed it. GitHub says so of a single issue, not always in a list.
    #[serde(default)]
    pub closed_by: Option<User>,
    /// Where people see it.
    #[serde(default, deserialize_with = "or_default")]
    pub html_url: String,
    #[serde(default, rename = "pull_request", deserialize_with = "is_there")]
    pub(super) is_pull_request: bool,
}

/// A comment on an issue or a pull request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Comment {
    /// Its id.
    pub id: u64,
    /// The number of what it is on, if it was said.
    #[serde(default, rename = "issue_url", deserialize_with = "last_number")]
    pub issue: Option<u64>,
    /// Who wrote it; nobody if the account is gone.
    #[serde(default)]
    pub user: Option<User>,
    /// The text.
    #[serde(default, deserialize_with = "or_default")]
    pub body: String,
    /// When it was written.
    pub created_at: Instant,
    /// When it was last edited.
    pub updated_at: Instant,
    /// Where people see it.
    #[serde(default, deserialize_with = "or_default")]
    pub html_url: String,
}

/// The act of giving a label to an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labeling {
    /// Which label.
    pub label: String,
    /// Who did it; nobody if the account is gone.
    pub actor: Option<User>,
    /// When.
    pub at: Instant,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct User {
    /// Its name, which can change.
    pub login: String,
    /// Its id, which cannot.
    pub id: u64,
    /// Whose it is.
    #[serde(default, rename = "type", deserialize_with = "or_default")]
    pub kind: UserKind,
}

/// Whose an account is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum UserKind {
    /// A person's.
    User,
    /// An App's, or a workflow's.
    Bot,
    /// Something newer, or it was not said.
    #[default]
    #[serde(other)]
    Other,
}

/// The word that GitHub has for whether something is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is open.
    Open,
    /// It is closed.
    Closed,
    /// Something newer, or it was not said.
    #[default]
    #[serde(other)]
    Other,
}

/// One thing that happened to an issue.
#[derive(Deserialize)]
pub(super) struct Event {
    #[serde(default, deserialize_with = "or_default")]
    event: String,
    #[serde(default)]
    actor: Option<User>,
    #[serde(default)]
    created_at: Option<Instant>,
    #[serde(default)]
    label: Option<Name>,
}

impl Event {
    pub(super) fn labeling(self) -> Option<Labeling> {
        let (Some(label), Some(at), "labeled") = (self.label, self.created_at, &*self.event) else {
            return None;
        };
        Some(Labeling { label: label.0, actor: self.actor, at })
    }
}

/// A label, of which only the name matters: an object, or in some lists a word.
#[derive(Deserialize)]
#[serde(try_from = "serde_json::Value")]
struct Name(String);

impl TryFrom<serde_json::Value> for Name {
    type Error = &'static str;

    fn try_from(label: serde_json::Value) -> Result<Self, Self::Error> {
        let name = label.as_str().or_else(|| label.get("name")?.as_str());
        name.map(|name| Self(name.to_owned())).ok_or("a label without a name")
    }
}

fn names<'de, D: Deserializer<'de>>(labels: D) -> Result<Vec<String>, D::Error> {
    let names = Option::<Vec<Name>>::deserialize(labels)?.unwrap_or_default();
    Ok(names.into_iter().map(|name| name.0).collect())
}

/// An issue that does not say that it is closed is open; one that is closed in a
/// way from the future is done.
fn state<'de, D: Deserializer<'de>>(issue: D) -> Result<IssueState, D::Error> {
    #[derive(Deserialize)]
    struct Standing {
        #[serde(default, deserialize_with = "or_default")]
        state: State,
        state_reason: Option<String>,
    }
    let Standing { state, state_reason } = Standing::deserialize(issue)?;
    Ok(match state {
        State::Open | State::Other => IssueState::Open,
        State::Closed => {
            let reason = state_reason.and_then(|word| word.parse().ok());
            IssueState::Closed(reason.unwrap_or(CloseReason::Completed))
        }
    })
}

/// Null is the same as nothing.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    value: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

/// The number that an address ends with.
fn last_number<'de, D: Deserializer<'de>>(url: D) -> Result<Option<u64>, D::Error> {
    let url = Option::<String>::deserialize(url)?;
    Ok(url.and_then(|url| url.rsplit('/').next()?.parse().ok()))
}

fn is_there<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    Ok(!serde_json::Value::deserialize(value)?.is_null())
}
