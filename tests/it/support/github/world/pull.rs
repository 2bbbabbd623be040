//! Pull requests: what an issue of that kind has beside an issue.

use super::{
    super::clock::Instant,
    World,
    issue::{Change, NewIssue, Reason},
};

/// The rest of a pull request; its title and its state are its issue's.
#[derive(Clone, Debug)]
pub(crate) struct Pull {
    pub(crate) number: u64,
    pub(crate) head: Head,
    pub(crate) merged: Option<Merged>,
}

/// The branch that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Whose fork it is in, or the owner of the repo itself.
    pub(crate) owner: String,
    pub(crate) branch: String,
    /// The newest commit there.
    pub(crate) sha: String,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Merged {
    pub(crate) commit: String,
    pub(crate) by: String,
    pub(crate) at: Instant,
}

impl World {
    pub(crate) fn open_pull(&mut self, repo: usize, by: &str, title: &str, head: Head) -> u64 {
        self.user(&head.owner);
        let new =
            NewIssue { title: title.to_owned(), is_pull_request: true, ..NewIssue::default() };
        let number = self.open_issue(repo, by, new);
        self.repos[repo].pulls.insert(number, Pull { number, head, merged: None });
        number
    }

    /// Somebody pushes to its branch.
    pub(crate) fn push_to_pull(&mut self, repo: usize, number: u64, sha: &str) {
        let pull = self.repos[repo].pulls.get_mut(&number).unwrap();
        sha.clone_into(&mut pull.head.sha);
        self.touch(repo, number);
    }

    /// Merges it, as this commit.
    pub(crate) fn merge(&mut self, repo: usize, number: u64, by: &str, commit: &str) {
        let at = self.clock.now();
        let merged = Merged { commit: commit.to_owned(), by: by.to_owned(), at };
        self.repos[repo].pulls.get_mut(&number).unwrap().merged = Some(merged);
        self.change(repo, number, by, Change::Close(Reason::Completed));
    }
}
