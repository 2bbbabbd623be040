//! What can go wrong with the private Postgres, and what to do about it.

use std::{io, path::PathBuf, time::Duration};

use super::{binaries::Wanted, download::DownloadError};

/// Why the private Postgres could not be started, stopped or found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No server programs of the right version are installed, and fetching
    /// them failed too.
    #[error("no PostgreSQL {wanted} is installed{passed_over}, and it could not be downloaded")]
    NoServer {
        /// Which versions would have done.
        wanted: Wanted,
        /// What was found instead, as a clause; empty if nothing was.
        passed_over: String,
        /// What became of the download.
        source: DownloadError,
    },
    /// The server programs came without `psql`.
    #[error("there is no `psql` in {} or on the PATH", beside.display())]
    NoPsql {
        /// Where the server programs are.
        beside: PathBuf,
    },
    /// Something that is not Wavemark's is where its data belongs.
    #[error("{} holds something that Wavemark did not put there", path.display())]
    Foreign {
        /// What is in the way. It was not touched.
        path: PathBuf,
    },
    /// The project's folder was copied while the server of the original ran,
    /// so the copy is torn.
    #[error(
        "the database in {} was copied from {} while its server ran, so it is not to be trusted",
        copy.display(), original.display()
    )]
    TornCopy {
        /// The copied data.
        copy: PathBuf,
        /// The folder it was copied from.
        original: PathBuf,
    },
    /// A file or folder could not be used.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The server refuses to run as root, and there is nobody else to run it.
    #[error(
        "PostgreSQL does not run as root, and this machine has no account `postgres` or `nobody`"
    )]
    NoAccount,
    /// A program could not be run at all.
    #[error("cannot run `{program}` as {whom}")]
    Run {
        /// The program.
        program: String,
        /// As whom.
        whom: String,
        /// What the system said.
        source: io::Error,
    },
    /// `initdb` failed, for example for lack of disk space.
    #[error("cannot create a database in {}: initdb said\n{output}", home.display())]
    Init {
        /// Where it was to be.
        home: PathBuf,
        /// The last lines that it printed.
        output: String,
    },
    /// The server ended instead of becoming ready.
    #[error("the database server in {} ended at once; the end of its log:\n{log}", home.display())]
    EndedEarly {
        /// Where it lives.
        home: PathBuf,
        /// The last lines of its log.
        log: String,
    },
    /// The server runs but takes no connections.
    #[error(
        "the database server in {} did not answer within {} s; the end of its log:\n{log}",
        home.display(), waited.as_secs()
    )]
    NotReady {
        /// Where it lives.
        home: PathBuf,
        /// How long it was given.
        waited: Duration,
        /// The last lines of its log.
        log: String,
        /// What the last attempt to connect met.
        source: Option<sqlx::Error>,
    },
    /// The server was told to stop and goes on.
    #[error("the database server in {} did not stop within {} s", home.display(), waited.as_secs())]
    StillRunning {
        /// Where it lives.
        home: PathBuf,
        /// How long it was given.
        waited: Duration,
    },
    /// The server answers, but does not let us set up our database.
    #[error("cannot create the database `wavemark` in {}", home.display())]
    CreateDatabase {
        /// Where the server lives.
        home: PathBuf,
        /// What it said.
        source: sqlx::Error,
    },
    /// Another process starts or stops the server and does not finish.
    #[error(
        "another process has been starting or stopping this database for {} s; it holds {}",
        waited.as_secs(), lock.display()
    )]
    Busy {
        /// The lock file.
        lock: PathBuf,
        /// How long we waited.
        waited: Duration,
    },
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoServer { wanted: Wanted::Supported, .. } => {
                Some("install PostgreSQL 15 or newer, or set DATABASE_URL")
            }
            Self::NoServer { wanted: Wanted::MakerOf { .. }, .. } => Some(
                "install that version, or set DATABASE_URL, or move the data away to start afresh",
            ),
            Self::NoPsql { .. } => Some("use any client with the address of `wavemark db url`"),
            Self::Foreign { .. } => Some("move it elsewhere, or set DATABASE_URL"),
            Self::TornCopy { .. } => {
                Some("delete the copy to start afresh, or copy again after `wavemark db stop`")
            }
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Some("free some disk space, or set DATABASE_URL")
                }
                _ => Some("make the folder writable for this user, or set DATABASE_URL"),
            },
            Self::NoAccount | Self::Run { .. } => {
                Some("run as a user other than root, or set DATABASE_URL")
            }
            Self::Init { .. } | Self::EndedEarly { .. } => {
                Some("the lines above name the cause; DATABASE_URL selects another database")
            }
            Self::NotReady { .. } | Self::Busy { .. } => Some("try again"),
            Self::StillRunning { .. } => Some("end the programs that still use it, and try again"),
            Self::CreateDatabase { .. } => None,
        }
    }

    /// For `map_err`: `action` was attempted with the file at `path`.
    pub(super) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(err: &Error) -> String {
        format!("{err}\n{}", err.hint().unwrap_or_default())
    }

    #[test]
    fn an_error_says_what_is_wrong_and_what_to_do() {
        let source = DownloadError::Archive { major: 17, reason: "no network".into() };
        insta::assert_snapshot!(told(&Error::NoServer {
            wanted: Wanted::Supported,
            passed_over: " (there is 14.9 in /usr/bin)".into(),
            source,
        }), @"
        no PostgreSQL 15 or newer is installed (there is 14.9 in /usr/bin), and it could not be downloaded
        install PostgreSQL 15 or newer, or set DATABASE_URL
        ");
        let source = DownloadError::Archive { major: 16, reason: "no network".into() };
        insta::assert_snapshot!(told(&Error::NoServer {
            wanted: Wanted::MakerOf { data: "/p/.wavemark/postgres/data".into(), major: 16 },
            passed_over: String::new(),
            source,
        }), @"
        no PostgreSQL 16, which made the data in /p/.wavemark/postgres/data, is installed, and it could not be downloaded
        install that version, or set DATABASE_URL, or move the data away to start afresh
        ");
        let full = io::ErrorKind::StorageFull.into();
        insta::assert_snapshot!(told(&Error::file("write", "/p/.wavemark")(full)), @"
        cannot write /p/.wavemark
        free some disk space, or set DATABASE_URL
        ");
    }
}
