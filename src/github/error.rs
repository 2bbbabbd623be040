//! What can go wrong with GitHub, by what a caller can do about it.

use std::{error, time::Duration};

use super::Repo;

/// Why GitHub did not do what was asked.
///
/// Only after [`Error::Unknown`] may it have been done all the same.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// GitHub wants to be left alone. The rest of the visit gets this answer
    /// without asking.
    ///
    /// It is a length of time, by GitHub's clock: added to the database's, it
    /// gives an end that no other clock has a say in.
    #[error("GitHub's rate limit is used up for the next {}", humantime::format_duration(*.wait))]
    RateLimited {
        /// From now.
        wait: Duration,
    },
    /// This visit has written as much as one may. The next one goes on.
    #[error("{writes} changes on GitHub are enough for one visit")]
    EnoughWrites {
        /// How many it made.
        writes: u32,
    },
    /// Nobody can tell whether the change was made. Look before trying again.
    #[error("GitHub may or may not have made the change")]
    Unknown(#[source] Trouble),
    /// Nothing answers there: nothing was sent.
    #[error("GitHub cannot be reached")]
    Unreachable(#[source] Trouble),
    /// A question got no useful answer, however often it was asked.
    #[error("GitHub gives no useful answer")]
    NoAnswer(#[source] Trouble),
    /// GitHub understood, and does not want it. Trying again changes nothing.
    #[error("GitHub refused ({status}): {message}{}", listed(.details))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// In GitHub's words.
        message: String,
        /// What exactly, in GitHub's words.
        details: Vec<String>,
    },
    /// There is no such issue, comment or workflow, at least not any more.
    #[error("there is no {what} in {repo}")]
    Missing {
        /// Where.
        repo: Repo,
        /// What was looked for.
        what: String,
    },
    /// The token is wrong, expired or revoked.
    #[error("GitHub did not accept the token")]
    Unauthorized,
    /// The token is fine, and lacks a permission.
    #[error("the token lacks a permission for {repo}: {needs} (GitHub says: {message})")]
    Forbidden {
        /// For which repository.
        repo: Repo,
        /// What it takes, such as `issues: write`.
        needs: String,
        /// In GitHub's words.
        message: String,
    },
    /// Nobody may say anything more about it.
    #[error("{what} of {repo} is locked")]
    Locked {
        /// Where.
        repo: Repo,
        /// What is locked.
        what: String,
    },
    /// The repository does not exist, or the token cannot see it.
    #[error("GitHub has no repository {repo}, or the token cannot see it")]
    NoSuchRepo {
        /// Which one.
        repo: Repo,
    },
    /// The repository has another name by now.
    #[error("{repo} is now called {to}")]
    Renamed {
        /// The name it was asked for under.
        repo: Repo,
        /// Its name, or its address if GitHub did not say the name.
        to: String,
    },
    /// The repository has no issues.
    #[error("issues are switched off in {repo}")]
    IssuesDisabled {
        /// Which one.
        repo: Repo,
    },
    /// The repository can only be read.
    #[error("{repo} is archived")]
    Archived {
        /// Which one.
        repo: Repo,
    },
    /// GitHub shows the repository to nobody.
    #[error("GitHub has blocked {repo}: {message}")]
    Blocked {
        /// Which one.
        repo: Repo,
        /// In GitHub's words.
        message: String,
    },
    /// The GitHub App is not installed where the repository is.
    #[error("the GitHub App is not installed for {repo}")]
    NotInstalled {
        /// For which repository.
        repo: Repo,
    },
    /// The address of the API cannot be used. It may hold a token, so it is not
    /// shown.
    #[error("GITHUB_API_URL cannot be used: {why}")]
    BadUrl {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The token, or the App's key, cannot be one.
    #[error("{what} cannot be used: {why}")]
    BadSecret {
        /// Which variable.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No TLS on this machine, for want of certificates.
    #[error("cannot set up TLS")]
    Tls(#[source] Box<dyn error::Error + Send + Sync>),
}

/// Why there is no answer to go by.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// No connection was made.
    #[error("cannot connect to {host}")]
    Connect {
        /// To which host.
        host: String,
        /// Why.
        source: Box<dyn error::Error + Send + Sync>,
    },
    /// The connection broke on the way.
    #[error("the connection broke")]
    Broken(#[source] Box<dyn error::Error + Send + Sync>),
    /// It took too long.
    #[error("no answer within {}", humantime::format_duration(*.0))]
    Slow(Duration),
    /// GitHub itself is in trouble.
    #[error("GitHub answered {0}")]
    Failing(u16),
    /// It is not an answer that this version understands.
    #[error("the answer makes no sense: {0}")]
    Unreadable(String),
}

impl Error {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::RateLimited { .. } | Self::EnoughWrites { .. } => {
                "nothing is lost: the next tick, or running this again then, goes on from here"
            }
            Self::Unknown(_) => {
                "the next tick, or running this again, looks whether it was made before it tries again"
            }
            Self::Unreachable(_) => {
                "check GITHUB_API_URL and the network, and run this again; a tick tries again by itself"
            }
            Self::NoAnswer(_) => {
                "run this again; a tick tries again by itself; https://www.githubstatus.com says how \
                 GitHub is"
            }
            Self::Unauthorized => {
                "GITHUB_TOKEN may have expired: make a new one; for a GitHub App, compare \
                 WAVEMARK_APP_ID and WAVEMARK_APP_KEY with its settings"
            }
            Self::Forbidden { .. } => {
                "in a workflow, add it below the job's `permissions:`; for a fine-grained token or a \
                 GitHub App, add it in its settings on GitHub (an App's owner then accepts it once)"
            }
            Self::Locked { .. } => "unlock the conversation on GitHub, or leave it as it is",
            Self::NoSuchRepo { .. } => {
                "check GITHUB_REPOSITORY; a fine-grained token must have this repository among its \
                 own"
            }
            Self::Renamed { .. } => {
                "set GITHUB_REPOSITORY to the new name, and `git remote set-url origin` to its address"
            }
            Self::IssuesDisabled { .. } => {
                "switch them on in the repository's settings: General, Features, Issues"
            }
            Self::Archived { .. } => {
                "unarchive it in its settings, or set GITHUB_REPOSITORY to another one"
            }
            Self::NotInstalled { .. } => {
                "install it from the App's page on GitHub, with this repository among its own"
            }
            Self::BadUrl { .. } => {
                "leave it unset for github.com; on GitHub Enterprise Server it is https://host/api/v3"
            }
            Self::BadSecret { .. } => "set it again, as GitHub showed it",
            Self::Tls(_) => "install the system's CA certificates, or set SSL_CERT_FILE",
            Self::Missing { .. } | Self::Refused { .. } | Self::Blocked { .. } => return None,
        })
    }

    /// Whether nothing else will work either in this visit.
    pub fn ends_visit(&self) -> bool {
        match self {
            Self::RateLimited { .. }
            | Self::Unreachable(_)
            | Self::Unauthorized
            | Self::NoSuchRepo { .. }
            | Self::Blocked { .. }
            | Self::NotInstalled { .. }
            | Self::BadUrl { .. }
            | Self::BadSecret { .. }
            | Self::Tls(_) => true,
            Self::EnoughWrites { .. }
            | Self::Unknown(_)
            | Self::NoAnswer(_)
            | Self::Refused { .. }
            | Self::Missing { .. }
            | Self::Forbidden { .. }
            | Self::Locked { .. }
            | Self::Renamed { .. }
            | Self::IssuesDisabled { .. }
            | Self::Archived { .. } => false,
        }
    }
}

fn listed(details: &[String]) -> String {
    details.iter().map(|detail| format!("; {detail}")).collect()
}
