//! Why a git host does not take a push, as far as its words tell.
//!
//! What there is to be done depends on what it is about. If it is about what is
//! in some of the artifacts, the others can be pushed without them; if it is
//! about everything, nothing can be, and nobody is to blame for it. There is no
//! code for that in git's protocol, so the words of GitHub are known here, and
//! those of git. What is not known is found out by trying.

use std::fmt;

use git2::Oid;

use super::wording;

/// A refusal, in the host's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    about: About,
    reason: String,
    commits: Vec<Oid>,
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A secret in a file.
    Secret,
    /// The size of a file.
    Size,
    /// The path of a file.
    Path,
    /// A rule for the branch.
    Branch,
    /// How commits are to be made.
    Commits,
    /// What the token may do.
    Permission,
    /// A repository that nobody can push to.
    Archived,
    /// A repository that is full.
    Quota,
    /// A server that takes no pushes for now.
    ForNow,
    /// Nobody here knows.
    Unknown,
}

/// Words of hosts, in lower case, and what they are about. The first that is
/// found counts: those about a single file may come with general ones.
const WORDS: &[(&str, About)] = &[
    ("push cannot contain secrets", About::Secret),
    ("gh009", About::Secret),
    ("secrets detected", About::Secret),
    ("gh001", About::Size),
    ("file size limit", About::Size),
    ("maximum file size", About::Size),
    ("file path is restricted", About::Path),
    ("restricted file path", About::Path),
    ("file extension", About::Path),
    ("file path length", About::Path),
    ("archived", About::Archived),
    ("quota", About::Quota),
    ("repository size limit", About::Quota),
    ("no space left", About::Quota),
    ("verified signature", About::Commits),
    ("commit author", About::Commits),
    ("committer email", About::Commits),
    ("commit message", About::Commits),
    ("gh007", About::Commits),
    ("gh006", About::Branch),
    ("protected branch", About::Branch),
    ("through a pull request", About::Branch),
    ("being restricted", About::Branch),
    ("status check", About::Branch),
    ("gh013", About::Branch),
    ("permission", About::Permission),
    ("write access", About::Permission),
    ("not authorized", About::Permission),
    ("saml", About::Permission),
    ("read-only", About::ForNow),
    ("read only", About::ForNow),
    ("maintenance", About::ForNow),
    ("internal server error", About::ForNow),
    ("try again later", About::ForNow),
];

impl Refusal {
    /// Of something that was declined like `what`, with these words.
    pub(super) fn new(what: &str, said: &[u8]) -> Self {
        let text = format!("{what}\n{}", String::from_utf8_lossy(said));
        let lower = text.to_lowercase();
        let known = WORDS.iter().find(|(words, _)| lower.contains(words));
        let ids = text.split(|c: char| !c.is_ascii_hexdigit()).filter(|word| word.len() == 40);
        Self {
            about: known.map_or(About::Unknown, |(_, about)| *about),
            reason: wording::reason(what, said),
            commits: ids.filter_map(|id| Oid::from_str(id).ok()).collect(),
        }
    }

    /// Of a file of so many bytes, which hosts do not take.
    pub(super) fn too_large(bytes: usize, most: usize) -> Self {
        const MIB: usize = 1024 * 1024;
        let reason = format!(
            "it has {} MiB, and git hosts take {} MiB at most",
            bytes.div_ceil(MIB),
            most / MIB
        );
        Self { about: About::Size, reason, commits: Vec::new() }
    }

    /// What it is about.
    pub fn about(&self) -> About {
        self.about
    }

    /// The commits that the host names.
    pub(super) fn commits(&self) -> &[Oid] {
        &self.commits
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl About {
    /// Whether it is about single files, so that others can do without them.
    pub(super) fn is_a_file(self) -> bool {
        matches!(self, Self::Secret | Self::Size | Self::Path)
    }

    /// What a person can do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Secret => "take the secret out, or allow it on the git host",
            Self::Size => "make it smaller, or let the git host take larger files",
            Self::Path => "let the git host take files at that path",
            Self::Branch => {
                "take the artifact branch out of the rules for branches, or let the token bypass \
                 them"
            }
            Self::Commits => {
                "take the artifact branch out of the rules for commits: those of artifacts are \
                 made by Wavemark and not signed"
            }
            Self::Permission => {
                "give a token that may write to the repository's contents: in a workflow \
                 `permissions: contents: write`"
            }
            Self::Archived => "unarchive the repository, or set WAVEMARK_GIT_REMOTE to another",
            Self::Quota => "make room in the repository; artifacts stay in the database until then",
            Self::ForNow => "nothing is lost: artifacts stay in the database and are pushed later",
            Self::Unknown => "let the remote accept pushes to the artifact branch",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hosts_say_is_told_apart() {
        let mut told = String::new();
        for said in [
            "error: GH013: Repository rule violations found for refs/heads/main.; - GITHUB PUSH PROTECTION; - Push cannot contain secrets",
            "error: GH009: Secrets detected! This push failed.",
            "error: File a.bin is 122.92 MB; this exceeds GitHub's file size limit of 100.00 MB; GH001: Large files detected.",
            "error: GH013: Repository rule violations found for refs/heads/main.; - File path is restricted",
            "error: GH006: Protected branch update failed for refs/heads/main.; error: Changes must be made through a pull request.",
            "error: GH013: Repository rule violations found for refs/heads/main.; - Cannot create ref due to creations being restricted.",
            "error: GH013: Repository rule violations found for refs/heads/main.; - Commits must have verified signatures.",
            "Permission to acme/waves.git denied to github-actions[bot].",
            "Write access to repository not granted.",
            "This repository was archived so it is read-only.",
            "This repository is over its data quota.",
            "We are down for maintenance.",
            "Internal Server Error",
            "not on a Sunday",
        ] {
            let about = format!("{:?}", Refusal::new("push declined", said.as_bytes()).about());
            told += &format!("{about:<10} {}\n", &said[..said.len().min(60)]);
        }
        insta::assert_snapshot!(told, @"
        Secret     error: GH013: Repository rule violations found for refs/head
        Secret     error: GH009: Secrets detected! This push failed.
        Size       error: File a.bin is 122.92 MB; this exceeds GitHub's file s
        Path       error: GH013: Repository rule violations found for refs/head
        Branch     error: GH006: Protected branch update failed for refs/heads/
        Branch     error: GH013: Repository rule violations found for refs/head
        Commits    error: GH013: Repository rule violations found for refs/head
        Permission Permission to acme/waves.git denied to github-actions[bot].
        Permission Write access to repository not granted.
        Archived   This repository was archived so it is read-only.
        Quota      This repository is over its data quota.
        ForNow     We are down for maintenance.
        ForNow     Internal Server Error
        Unknown    not on a Sunday
        ");
    }

    #[test]
    fn the_commits_that_are_named_are_found() {
        let (first, second) = ("5477a7dd26384ed3c8b3814ee677f755ad27a597", "b".repeat(40));
        let said = format!("- commit: {first}\n path: a/b.md:34\n- commit: {second}\n{first}f\n");
        let named: Vec<String> = Refusal::new("push declined", said.as_bytes())
            .commits()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(named, [first, &second]);
    }
}
