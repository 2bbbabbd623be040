//! GitHub's answers in the words of the model.

use std::collections::BTreeSet;

use crate::{
    github::{self, UserKind},
    model::{Account, Issue, IssueComment, IssueNumber},
};

impl From<github::User> for Account {
    fn from(user: github::User) -> Self {
        Self { id: signed(user.id), is_bot: user.kind == UserKind::Bot, login: user.login }
    }
}

impl From<github::Issue> for Issue {
    fn from(issue: github::Issue) -> Self {
        Self {
            number: IssueNumber(signed(issue.number)),
            url: issue.html_url,
            title: issue.title,
            body: issue.body,
            author: issue.user.map(Account::from),
            labels: issue.labels.into_iter().collect::<BTreeSet<_>>(),
            state: issue.state,
            closed_by: issue.closed_by.map(Account::from),
            created_at: issue.created_at,
            updated_at: issue.updated_at,
        }
    }
}

/// A comment, unless it is on nothing that has a number.
pub(super) fn comment(comment: github::Comment) -> Option<IssueComment> {
    Some(IssueComment {
        id: signed(comment.id),
        issue: IssueNumber(signed(comment.issue?)),
        author: comment.user.map(Account::from),
        body: comment.body,
        created_at: comment.created_at,
        updated_at: comment.updated_at,
    })
}

/// A number as the database keeps it. GitHub is far from the end of these.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number as GitHub has it.
pub(super) fn id(number: i64) -> u64 {
    number.unsigned_abs()
}
