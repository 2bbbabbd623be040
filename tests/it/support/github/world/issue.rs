//! Issues, and what happens to them: every change in one place, with the marks
//! that it leaves (`updated_at`, an event), whoever makes it.

use super::{
    super::clock::Instant,
    World,
    repo::{Gone, Label, Repo},
    user::Role,
};

/// An issue, or a pull request seen as one.
#[derive(Clone, Debug)]
pub(crate) struct Issue {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) title: String,
    pub(crate) body: Option<String>,
    pub(crate) user: String,
    /// The names of its labels, in order of being put on.
    pub(crate) labels: Vec<String>,
    pub(crate) closed: Option<Closed>,
    pub(crate) reopened: bool,
    pub(crate) created_at: Instant,
    pub(crate) updated_at: Instant,
    pub(crate) is_pull_request: bool,
    /// Whether only those who may write can say anything more.
    pub(crate) locked: bool,
}

/// How an issue was closed.
#[derive(Clone, Debug)]
pub(crate) struct Closed {
    pub(crate) reason: Reason,
    pub(crate) by: String,
    pub(crate) at: Instant,
}

/// Why an issue was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Completed,
    NotPlanned,
    Duplicate,
}

impl Reason {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::NotPlanned => "not_planned",
            Self::Duplicate => "duplicate",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) issue: u64,
    pub(crate) user: String,
    pub(crate) body: String,
    pub(crate) created_at: Instant,
    pub(crate) updated_at: Instant,
}

/// A line of an issue's history.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) id: u64,
    pub(crate) issue: u64,
    pub(crate) actor: String,
    pub(crate) what: Happened,
    pub(crate) at: Instant,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    Labeled(String),
    Unlabeled(String),
    Closed(Reason),
    Reopened,
    Renamed { from: String, to: String },
}

/// A face under a comment or an issue.
#[derive(Clone, Debug)]
pub(crate) struct Reaction {
    pub(crate) id: u64,
    /// The id of the comment or of the issue.
    pub(crate) on: u64,
    pub(crate) user: String,
    pub(crate) content: String,
    pub(crate) at: Instant,
}

/// What an issue is made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct NewIssue {
    pub(crate) title: String,
    pub(crate) body: Option<String>,
    pub(crate) labels: Vec<String>,
    pub(crate) is_pull_request: bool,
}

/// What can be done to an issue.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Title(String),
    Body(Option<String>),
    /// All of them, in place of those it has.
    Labels(Vec<String>),
    Close(Reason),
    Reopen,
}

impl Change {
    /// Whether somebody with a role may do this to an issue.
    pub(crate) fn allowed(&self, login: &str, role: &Role, issue: &Issue) -> bool {
        let own = issue.user == login;
        match self {
            Self::Title(_) | Self::Body(_) => own || *role >= Role::Write,
            Self::Labels(_) => *role >= Role::Triage,
            Self::Close(_) => own || *role >= Role::Triage,
            // Only what they closed themselves.
            Self::Reopen => {
                let theirs = issue.closed.as_ref().is_none_or(|closed| closed.by == login);
                (own && theirs) || *role >= Role::Triage
            }
        }
    }
}

impl World {
    pub(crate) fn open_issue(&mut self, repo: usize, by: &str, new: NewIssue) -> u64 {
        let (id, now) = (self.id(), self.clock.now());
        self.user(by);
        let repo_ = &mut self.repos[repo];
        repo_.last_number += 1;
        let number = repo_.last_number;
        let issue = Issue {
            id,
            number,
            title: new.title,
            body: new.body,
            user: by.to_owned(),
            labels: Vec::new(),
            closed: None,
            reopened: false,
            created_at: now,
            updated_at: now,
            is_pull_request: new.is_pull_request,
            locked: false,
        };
        repo_.issues.insert(number, issue);
        self.change(repo, number, by, Change::Labels(new.labels));
        number
    }

    /// Changes an issue, if that is a change.
    pub(crate) fn change(&mut self, repo: usize, number: u64, by: &str, change: Change) {
        let now = self.clock.now();
        self.user(by);
        let issue = self.repos[repo].issues.get_mut(&number).unwrap();
        let mut happened = Vec::new();
        match change {
            Change::Title(title) if title == issue.title => return,
            Change::Title(to) => {
                let from = std::mem::replace(&mut issue.title, to.clone());
                happened.push(Happened::Renamed { from, to });
            }
            Change::Body(body) if body == issue.body => return,
            Change::Body(body) => issue.body = body,
            Change::Labels(labels) => {
                happened = self.relabel(repo, number, &labels);
                if happened.is_empty() {
                    return;
                }
            }
            Change::Close(_) if issue.closed.is_some() => return,
            Change::Close(reason) => {
                issue.closed = Some(Closed { reason, by: by.to_owned(), at: now });
                happened.push(Happened::Closed(reason));
            }
            Change::Reopen if issue.closed.is_none() => return,
            Change::Reopen => {
                issue.closed = None;
                issue.reopened = true;
                happened.push(Happened::Reopened);
            }
        }
        for what in happened {
            let id = self.id();
            let event = Event { id, issue: number, actor: by.to_owned(), what, at: now };
            self.repos[repo].events.push(event);
        }
        self.touch(repo, number);
    }

    /// Puts exactly these labels on an issue; those that the repo lacks are
    /// made.
    fn relabel(&mut self, repo: usize, number: u64, names: &[String]) -> Vec<Happened> {
        let mut labels: Vec<String> = Vec::new();
        for name in names {
            let name = self.label(repo, name).name;
            if !labels.contains(&name) {
                labels.push(name);
            }
        }
        let issue = self.repos[repo].issues.get_mut(&number).unwrap();
        let before = std::mem::replace(&mut issue.labels, labels);
        let off = before.iter().filter(|name| !issue.labels.contains(name));
        let on = issue.labels.iter().filter(|name| !before.contains(name));
        off.cloned().map(Happened::Unlabeled).chain(on.cloned().map(Happened::Labeled)).collect()
    }

    /// A label of a repo, made if need be.
    pub(crate) fn label(&mut self, repo: usize, name: &str) -> Label {
        let id = self.id();
        let new =
            Label { id, name: name.to_owned(), color: "ededed".to_owned(), description: None };
        self.repos[repo].labels.entry(name.to_lowercase()).or_insert(new).clone()
    }

    pub(crate) fn comment(&mut self, repo: usize, issue: u64, by: &str, body: &str) -> u64 {
        let (id, now) = (self.id(), self.clock.now());
        self.user(by);
        let comment = Comment {
            id,
            issue,
            user: by.to_owned(),
            body: body.to_owned(),
            created_at: now,
            updated_at: now,
        };
        self.repos[repo].comments.insert(id, comment);
        self.touch(repo, issue);
        id
    }

    /// An edited comment has a new time; its issue keeps its own.
    pub(crate) fn edit_comment(&mut self, repo: usize, id: u64, body: &str) {
        let now = self.clock.now();
        let comment = self.repos[repo].comments.get_mut(&id).unwrap();
        body.clone_into(&mut comment.body);
        comment.updated_at = now;
    }

    /// A reaction, and whether it is new. It changes nobody's time.
    pub(crate) fn react(
        &mut self,
        repo: usize,
        on: u64,
        by: &str,
        content: &str,
    ) -> (Reaction, bool) {
        let (id, at) = (self.id(), self.clock.now());
        self.user(by);
        let reactions = &mut self.repos[repo].reactions;
        let mut same = reactions.iter().filter(|old| old.on == on && old.content == content);
        if let Some(old) = same.find(|old| old.user == by) {
            return (old.clone(), false);
        }
        let user = by.to_owned();
        let new = Reaction { id, on, user, content: content.to_owned(), at };
        reactions.push(new.clone());
        (new, true)
    }

    pub(crate) fn delete_issue(&mut self, repo: usize, number: u64) {
        self.repos[repo].take(number);
        self.repos[repo].gone.insert(number, Gone::Deleted);
    }

    /// Moves an issue and its comments to another repo.
    pub(crate) fn transfer(&mut self, from: usize, number: u64, to: usize) -> u64 {
        let (mut issue, comments) = self.repos[from].take(number);
        let target = &mut self.repos[to];
        target.last_number += 1;
        issue.number = target.last_number;
        issue.labels.retain(|name| target.labels.contains_key(&name.to_lowercase()));
        for mut comment in comments {
            comment.issue = issue.number;
            target.comments.insert(comment.id, comment);
        }
        let (arrived, name) = (issue.number, target.full_name.clone());
        target.issues.insert(arrived, issue);
        self.repos[from].gone.insert(number, Gone::Transferred(name, arrived));
        self.touch(to, arrived);
        arrived
    }

    pub(super) fn touch(&mut self, repo: usize, number: u64) {
        let now = self.clock.now();
        self.repos[repo].issues.get_mut(&number).unwrap().updated_at = now;
    }
}

impl Repo {
    fn take(&mut self, number: u64) -> (Issue, Vec<Comment>) {
        let issue = self.issues.remove(&number).unwrap();
        let (on_it, others) =
            std::mem::take(&mut self.comments).into_iter().partition(|(_, c)| c.issue == number);
        self.comments = others;
        let on_it: std::collections::BTreeMap<u64, Comment> = on_it;
        (issue, on_it.into_values().collect())
    }
}
