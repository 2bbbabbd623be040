//! What can go wrong with the archive, by what a caller can do about it.

use std::{io, path::PathBuf};

use git2::ErrorClass;

use crate::model::ArtifactId;

use super::{About, Refusal, Remote};

/// Why the archive could not do what was asked.
///
/// Whatever the variant: when `publish` fails, none of its entries may be taken
/// for committed. Some may be all the same, if the answer of the remote got
/// lost; publishing them again finds them and makes no second commit.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The remote gives no answer, or no useful one. Trying again later loses
    /// nothing.
    #[error("cannot reach the git remote {remote}")]
    Unreachable {
        /// Where it should be.
        remote: Remote,
        /// What is in the way.
        source: Trouble,
    },
    /// The remote answered, and does not want the push: a hook or a protected
    /// branch. Trying again changes nothing.
    #[error("the git remote {remote} refused branch `{branch}`: {refusal}")]
    Refused {
        /// Who refused.
        remote: Remote,
        /// What it refused.
        branch: String,
        /// In its own words.
        refusal: Box<Refusal>,
    },
    /// The remote refuses one artifact after the other. Some have been found,
    /// and the rest is for the next time.
    #[error(
        "the git remote {remote} refuses many artifacts: {left} are left to be tried the next time"
    )]
    Picky {
        /// Who refuses.
        remote: Remote,
        /// How many artifacts are neither in git nor known to be refused.
        left: usize,
    },
    /// The remote wants a token, or a better one.
    #[error("the git remote {remote} did not accept the credentials")]
    Unauthorized {
        /// Who asked.
        remote: Remote,
    },
    /// The remote knows who asks, and does not let them.
    #[error("the git remote {remote} denies access: {refusal}")]
    Forbidden {
        /// Who denies it.
        remote: Remote,
        /// In its own words.
        refusal: Box<Refusal>,
    },
    /// The remote wants a token, and everybody on the way could read it.
    #[error("the git remote {remote} asks for a token over a connection that is not encrypted")]
    Unprotected {
        /// Who asked.
        remote: Remote,
    },
    /// There is no telling whether the server is who it says.
    #[error("cannot trust the git remote {remote}: {reason}")]
    Untrusted {
        /// Who it should be.
        remote: Remote,
        /// What is wrong with its certificate.
        reason: String,
    },
    /// The repository is elsewhere now, where no token was meant to go.
    #[error("the git remote {remote} has moved to {to}")]
    Moved {
        /// Where it was.
        remote: Remote,
        /// Where it is said to be.
        to: String,
    },
    /// The server has no such repository, or does not show it.
    #[error("there is no git repository at {remote}, or none that may be seen with this token")]
    NoRepository {
        /// Where it should be.
        remote: Remote,
    },
    /// Something is there, and it is not a git repository.
    #[error("{remote} is not a git repository")]
    NotARepository {
        /// What was taken for one.
        remote: Remote,
    },
    /// A repository on this machine belongs to another account, and git does
    /// not open such a one unless told to.
    #[error("the git repository {} belongs to another user", path.display())]
    Foreign {
        /// Where it is.
        path: PathBuf,
    },
    /// The branch moved, or stayed locked, at every try.
    #[error("branch `{branch}` of {remote} was busy at every one of {tries} tries")]
    Contended {
        /// Which remote.
        remote: Remote,
        /// Which branch.
        branch: String,
        /// How often it was tried.
        tries: usize,
    },
    /// The URL is of a kind that this binary was built without.
    #[error("cannot use the git remote {remote}: {scheme} is not built in")]
    Unsupported {
        /// The remote with that URL.
        remote: Remote,
        /// What it would take: `ssh` or `https`, or an unknown scheme.
        scheme: String,
    },
    /// An entry's content is not what its digest says: the row is damaged.
    #[error("artifact {artifact} does not have the SHA-256 that its row says")]
    WrongDigest {
        /// Whose row it is.
        artifact: ArtifactId,
    },
    /// The commit is unknown, or has no such file.
    #[error("there is no {path} in commit {commit}")]
    Missing {
        /// The commit that was looked in.
        commit: String,
        /// The path that was looked for.
        path: String,
    },
    /// A folder of ours cannot be used.
    #[error("cannot use {}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Anything else that libgit2 reports.
    #[error("a git operation failed")]
    Other(#[from] git2::Error),
}

/// What is in the way of a conversation, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Trouble(String);

impl Trouble {
    pub(super) fn new(words: String) -> Self {
        Self(words)
    }
}

impl Error {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unreachable { .. } => Some(About::ForNow.hint()),
            Self::Refused { refusal, .. } => Some(refusal.about().hint()),
            Self::Forbidden { refusal, .. } => Some(match refusal.about() {
                About::Unknown => About::Permission.hint(),
                about => about.hint(),
            }),
            Self::Picky { .. } => Some("`wavemark feedback list` shows what is refused, and why"),
            Self::Unauthorized { .. } => Some(
                "set GITHUB_TOKEN to a token that may write to the repository's contents, or let \
                 the GitHub App do so; it is shown to the host of GITHUB_SERVER_URL, and to that \
                 of WAVEMARK_GIT_REMOTE",
            ),
            Self::Unprotected { .. } => Some("use the https:// URL of the repository"),
            Self::Untrusted { .. } => Some(
                "check the URL, and the clock of this machine; for an authority of your own, set \
                 GIT_SSL_CAINFO to a file with its certificate",
            ),
            Self::Moved { .. } => {
                Some("if that is right, set WAVEMARK_GIT_REMOTE or `origin` to the new address")
            }
            Self::NoRepository { .. } => {
                Some("check WAVEMARK_GIT_REMOTE or `origin`, and what the token is for")
            }
            Self::NotARepository { .. } => Some(
                "set WAVEMARK_GIT_REMOTE to a git repository, or make one with `git init --bare`",
            ),
            Self::Foreign { .. } => {
                Some("trust it with `git config --global --add safe.directory <folder>`")
            }
            Self::Contended { .. } => Some(
                "try again; if no git is running there, delete a `.lock` file beside the branch",
            ),
            Self::Unsupported { .. } => Some(
                "use the https:// URL of the repository: for one on GitHub that is done when \
                 GITHUB_TOKEN or a GitHub App is set, for others set WAVEMARK_GIT_REMOTE",
            ),
            Self::WrongDigest { .. }
            | Self::Missing { .. }
            | Self::Disk { .. }
            | Self::Other(_) => None,
        }
    }

    /// What an error of libgit2's means that is about the files of a remote, or
    /// of a cache that cannot be cured.
    pub(super) fn of_files(remote: &Remote, source: git2::Error) -> Self {
        match source.class() {
            ErrorClass::Os => Self::Unreachable {
                remote: remote.clone(),
                source: Trouble::new(source.message().to_owned()),
            },
            _ => Self::Other(source),
        }
    }
}
