//! Issues: how a conversation on GitHub looks from here.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Instant, words};

/// The number of an issue in its repo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IssueNumber(pub i64);

impl std::fmt::Display for IssueNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("#{}", self.0))
    }
}

/// Somebody with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number: names may change.
    pub id: i64,
    /// Its name.
    pub login: String,
    /// Whether it is a program's.
    pub is_bot: bool,
}

/// An issue as it is now. Its times are of GitHub's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Its number.
    pub number: IssueNumber,
    /// Where people read it.
    pub url: String,
    /// The title.
    pub title: String,
    /// The text.
    pub body: String,
    /// Who opened it; absent when the account is gone.
    pub author: Option<Account>,
    /// Its labels.
    pub labels: BTreeSet<String>,
    /// Open, or closed how.
    pub state: IssueState,
    /// Who closed it, where that was told.
    pub closed_by: Option<Account>,
    /// When it was opened.
    pub created_at: Instant,
    /// When anything about it last changed.
    pub updated_at: Instant,
}

/// Whether an issue is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssueState {
    /// It is.
    Open,
    /// It was closed in this way.
    Closed(CloseReason),
}

words! {
    /// How an issue is closed.
    pub enum CloseReason("reason for closing") {
        /// What it asks for is done.
        Completed = "completed",
        /// What it asks for is not to be done.
        NotPlanned = "not_planned",
        /// It is the same as another.
        Duplicate = "duplicate",
    }
}

/// A comment on an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueComment {
    /// Its id.
    pub id: i64,
    /// The issue it is on.
    pub issue: IssueNumber,
    /// Who wrote it; absent when the account is gone.
    pub author: Option<Account>,
    /// The text.
    pub body: String,
    /// When it was written.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
}

words! {
    /// A reaction to a comment.
    pub enum Reaction("reaction") {
        /// Thumbs up.
        Done = "+1",
        /// A confused face.
        Confused = "confused",
    }
}
