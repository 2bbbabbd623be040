//! What people do on GitHub's pages, for tests: no token, no request, but the
//! same rules about who may do what.

use super::{
    GitHub,
    server::State,
    world::{Change, Head, Issue, NewIssue, Reason},
};

/// Somebody at their browser.
#[derive(Debug)]
pub(crate) struct Person<'a> {
    github: &'a GitHub,
    login: String,
    repo: String,
}

impl GitHub {
    /// Somebody, in the first repo. Who is new gets an account.
    pub(crate) fn as_user(&self, login: &str) -> Person<'_> {
        let mut state = self.shared.lock();
        state.world.user(login);
        let repo = state.world.repos[0].full_name.clone();
        Person { github: self, login: login.to_owned(), repo }
    }
}

impl Person<'_> {
    /// The same person in another repo.
    pub(crate) fn at(mut self, repo: &str) -> Self {
        repo.clone_into(&mut self.repo);
        self
    }

    pub(crate) fn open_issue(&self, title: &str, body: &str) -> u64 {
        self.open(NewIssue {
            title: title.to_owned(),
            body: Some(body.to_owned()),
            ..NewIssue::default()
        })
    }

    /// Through an issue form, which puts its labels on whoever fills it in,
    /// as far as the repo has them.
    pub(crate) fn fill_form(&self, title: &str, body: &str, labels: &[&str]) -> u64 {
        let labels = self.with(|state, repo| {
            let known =
                |name: &&&str| state.world.repos[repo].labels.contains_key(&name.to_lowercase());
            labels.iter().filter(known).map(|&name| name.to_owned()).collect()
        });
        let (title, body) = (title.to_owned(), Some(body.to_owned()));
        self.open(NewIssue { title, body, labels, ..NewIssue::default() })
    }

    pub(crate) fn open_pull_request(&self, title: &str) -> u64 {
        self.propose(title, &format!("{}:patch-1", self.login), &"a".repeat(40))
    }

    /// Opens a pull request from `owner:branch`, where this is the newest commit.
    pub(crate) fn propose(&self, title: &str, head: &str, sha: &str) -> u64 {
        let (owner, branch) = head.split_once(':').unwrap();
        let (owner, branch) = (owner.to_owned(), branch.to_owned());
        let head = Head { owner, branch, sha: sha.to_owned() };
        self.with(|state, repo| state.world.open_pull(repo, &self.login, title, head))
    }

    /// Pushes to the branch of a pull request.
    pub(crate) fn push(&self, number: u64, sha: &str) {
        self.with(|state, repo| state.world.push_to_pull(repo, number, sha));
    }

    /// Merges a pull request, as this commit.
    pub(crate) fn merge(&self, number: u64, commit: &str) {
        self.with(|state, repo| state.world.merge(repo, number, &self.login, commit));
    }

    /// Lets only those who may write say anything more.
    pub(crate) fn lock(&self, number: u64) {
        self.with(|state, repo| {
            let issue = state.world.repos[repo].issues.get_mut(&number);
            issue.unwrap().locked = true;
        });
    }

    fn open(&self, new: NewIssue) -> u64 {
        self.with(|state, repo| state.world.open_issue(repo, &self.login, new))
    }

    /// Says something, and returns the id of the comment.
    pub(crate) fn comment(&self, number: u64, body: &str) -> u64 {
        self.with(|state, repo| state.world.comment(repo, number, &self.login, body))
    }

    pub(crate) fn edit_comment(&self, id: u64, body: &str) {
        self.with(|state, repo| state.world.edit_comment(repo, id, body));
    }

    pub(crate) fn close(&self, number: u64, reason: Reason) {
        self.change(number, Change::Close(reason));
    }

    pub(crate) fn reopen(&self, number: u64) {
        self.change(number, Change::Reopen);
    }

    pub(crate) fn edit(&self, number: u64, body: &str) {
        self.change(number, Change::Body(Some(body.to_owned())));
    }

    pub(crate) fn rename(&self, number: u64, title: &str) {
        self.change(number, Change::Title(title.to_owned()));
    }

    /// Puts a label on.
    pub(crate) fn label(&self, number: u64, name: &str) {
        let mut labels = self.labels(number);
        labels.push(name.to_owned());
        self.change(number, Change::Labels(labels));
    }

    /// Takes a label off.
    pub(crate) fn unlabel(&self, number: u64, name: &str) {
        let mut labels = self.labels(number);
        labels.retain(|label| label != name);
        self.change(number, Change::Labels(labels));
    }

    fn labels(&self, number: u64) -> Vec<String> {
        self.with(|state, repo| state.world.repos[repo].issues[&number].labels.clone())
    }

    pub(crate) fn delete_issue(&self, number: u64) {
        self.with(|state, repo| state.world.delete_issue(repo, number));
    }

    /// Moves an issue to another repo, and returns its number there.
    pub(crate) fn transfer(&self, number: u64, to: &str) -> u64 {
        self.with(|state, repo| {
            let to = state.world.find(to).unwrap_or_else(|| panic!("there is no repo {to}"));
            state.world.transfer(repo, number, to)
        })
    }

    fn change(&self, number: u64, change: Change) {
        self.with(|state, repo| {
            let here = &state.world.repos[repo];
            let issue: &Issue = &here.issues[&number];
            let may = change.allowed(&self.login, &here.role(&self.login), issue);
            assert!(may, "GitHub does not let {} do this to #{number}: {change:?}", self.login);
            state.world.change(repo, number, &self.login, change);
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut State, usize) -> T) -> T {
        let mut state = self.github.shared.lock();
        let repo = state.world.find(&self.repo);
        act(&mut state, repo.unwrap_or_else(|| panic!("there is no repo {}", self.repo)))
    }
}
