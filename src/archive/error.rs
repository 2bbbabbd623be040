//! What can go wrong with the archive, by what a caller can do about it.

use std::{io, path::PathBuf};

use git2::{ErrorClass, ErrorCode};

use crate::model::ArtifactId;

use super::Remote;

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
        /// What libgit2 says.
        source: git2::Error,
    },
    /// The remote answered, and does not want the push: a hook or a protected
    /// branch. Trying again changes nothing.
    #[error("the git remote {remote} refused branch `{branch}`: {reason}")]
    Refused {
        /// Who refused.
        remote: Remote,
        /// What it refused.
        branch: String,
        /// In its own words, control characters taken out.
        reason: String,
    },
    /// The remote wants a token, or a better one.
    #[error("the git remote {remote} did not accept the credentials")]
    Unauthorized {
        /// Who asked.
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

impl Error {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unreachable { .. } => {
                Some("nothing is lost: artifacts stay in the database and are pushed later")
            }
            Self::Refused { .. } => Some("let the remote accept pushes to the artifact branch"),
            Self::Unauthorized { .. } => {
                Some("give a token that may write to the repository's contents")
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
            Self::Unsupported { .. } => {
                Some("set WAVEMARK_GIT_REMOTE to a folder or to an http:// URL")
            }
            Self::WrongDigest { .. }
            | Self::Missing { .. }
            | Self::Disk { .. }
            | Self::Other(_) => None,
        }
    }

    /// What an error in the middle of a conversation with `remote` means.
    ///
    /// Errors of the operating system are not the remote's: by then they are
    /// about files on this side.
    pub(super) fn of_transfer(remote: &Remote, source: git2::Error) -> Self {
        let remote = remote.clone();
        // libgit2 has no code for a status, only these words.
        let status = |code| {
            let words = format!("http status code: {code}");
            source.message().ends_with(&words)
        };
        match (source.code(), source.class()) {
            (ErrorCode::Auth, _) => Self::Unauthorized { remote },
            _ if status(401) || status(403) => Self::Unauthorized { remote },
            _ if status(404) => Self::NotARepository { remote },
            (_, ErrorClass::Net | ErrorClass::Http | ErrorClass::Ssl) => {
                Self::Unreachable { remote, source }
            }
            _ => Self::Other(source),
        }
    }

    /// What an error means that came before there was a conversation.
    pub(super) fn of_connection(remote: &Remote, source: git2::Error) -> Self {
        match source.class() {
            ErrorClass::Os => Self::Unreachable { remote: remote.clone(), source },
            _ => Self::of_transfer(remote, source),
        }
    }
}
