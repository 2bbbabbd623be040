//! GitHub's answers in the words of the model.

use std::collections::BTreeSet;

use crate::{
    github::{self, State, StateReason, UserKind},
    model::{Account, CloseReason, Issue, IssueComment, IssueNumber, IssueState, Reaction},
};

impl From<github::User> for Account {
    fn from(user: github::User) -> Self {
        Self { id: signed(user.id), is_bot: user.kind == UserKind::Bot, login: user.login }
    }
}

impl From<github::Issue> for Issue {
    fn from(issue: github::Issue) -> Self {
        let state = match (issue.state, issue.state_reason) {
            (State::Open | State::Other, _) => IssueState::Open,
            (State::Closed, Some(StateReason::NotPlanned)) => {
                IssueState::Closed(CloseReason::NotPlanned)
            }
            (State::Closed, Some(StateReason::Duplicate)) => {
                IssueState::Closed(CloseReason::Duplicate)
            }
            (State::Closed, _) => IssueState::Closed(CloseReason::Completed),
        };
        Self {
            number: IssueNumber(signed(issue.number)),
            url: issue.html_url,
            title: issue.title,
            body: issue.body,
            author: issue.user.map(Account::from),
            labels: issue.labels.into_iter().collect::<BTreeSet<_>>(),
            state,
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

pub(super) fn reaction(reaction: Reaction) -> github::Reaction {
    match reaction {
        Reaction::Done => github::Reaction::PlusOne,
        Reaction::Confused => github::Reaction::Confused,
    }
}

pub(super) fn reason(reason: CloseReason) -> github::CloseReason {
    match reason {
        CloseReason::Completed => github::CloseReason::Completed,
        CloseReason::NotPlanned => github::CloseReason::NotPlanned,
        CloseReason::Duplicate => github::CloseReason::Duplicate,
    }
}

/// A number as the database keeps it. GitHub is far from the end of these.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number as GitHub has it.
pub(super) fn id(number: i64) -> u64 {
    number.unsigned_abs()
}
