//! A repo: its issues, its labels, who may do what in it, its workflows.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    super::clock::Instant,
    issue::{Comment, Event, Issue, Reaction},
    pull::Pull,
    user::Role,
};

#[derive(Debug)]
pub(crate) struct Repo {
    pub(crate) id: u64,
    /// `owner/name`.
    pub(crate) full_name: String,
    pub(crate) created_at: Instant,
    pub(crate) private: bool,
    pub(crate) archived: bool,
    pub(crate) has_issues: bool,
    /// Issues and pull requests, which share their numbers.
    pub(crate) issues: BTreeMap<u64, Issue>,
    /// What pull requests have beside an issue.
    pub(crate) pulls: BTreeMap<u64, Pull>,
    /// What stands where an issue stood.
    pub(crate) gone: BTreeMap<u64, Gone>,
    pub(crate) comments: BTreeMap<u64, Comment>,
    pub(crate) events: Vec<Event>,
    pub(crate) reactions: Vec<Reaction>,
    /// By their names in lower case: GitHub doesn't tell cases apart.
    pub(crate) labels: BTreeMap<String, Label>,
    pub(crate) roles: BTreeMap<String, Role>,
    pub(crate) workflows: Vec<Workflow>,
    pub(crate) dispatches: Vec<Dispatch>,
    pub(crate) variables: BTreeMap<String, String>,
    pub(super) last_number: u64,
}

/// Where an issue went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    Deleted,
    /// To this repo, under this number.
    Transferred(String, u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) color: String,
    pub(crate) description: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Workflow {
    pub(crate) id: u64,
    /// The file's name, below `.github/workflows`.
    pub(crate) file: String,
    /// Whether somebody turned it off.
    pub(crate) disabled: bool,
    /// The inputs of its `workflow_dispatch`, where it has one.
    pub(crate) dispatch: Option<Vec<String>>,
}

/// A `workflow_dispatch`, or a `repository_dispatch`, that was taken.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dispatch {
    /// The workflow's file, or the type of the event.
    pub(crate) what: String,
    pub(crate) by: String,
    /// The inputs, or the payload.
    pub(crate) inputs: Value,
    pub(crate) run: u64,
}

impl Repo {
    pub(super) fn new(id: u64, full_name: &str, created_at: Instant) -> Self {
        let (owner, _) = full_name.split_once('/').unwrap();
        Self {
            id,
            full_name: full_name.to_owned(),
            created_at,
            private: false,
            archived: false,
            has_issues: true,
            issues: BTreeMap::new(),
            pulls: BTreeMap::new(),
            gone: BTreeMap::new(),
            comments: BTreeMap::new(),
            events: Vec::new(),
            reactions: Vec::new(),
            labels: BTreeMap::new(),
            roles: BTreeMap::from([(owner.to_owned(), Role::Admin)]),
            workflows: Vec::new(),
            dispatches: Vec::new(),
            variables: BTreeMap::new(),
            last_number: 0,
        }
    }

    pub(crate) fn owner(&self) -> &str {
        self.full_name.split_once('/').unwrap().0
    }

    pub(crate) fn name(&self) -> &str {
        self.full_name.split_once('/').unwrap().1
    }

    /// What somebody may do here. Anybody may read what is public.
    pub(crate) fn role(&self, login: &str) -> Role {
        let stranger = if self.private { Role::None } else { Role::Read };
        self.roles.get(login).cloned().unwrap_or(stranger)
    }

    pub(crate) fn comments_on(&self, issue: u64) -> impl Iterator<Item = &Comment> {
        self.comments.values().filter(move |comment| comment.issue == issue)
    }
}
