//! What went wrong with the database, by what the caller can do about it.

use super::access::{BadAuthorities, BadUrl, Obstacle, TlsMode};
use crate::model::{AgentName, FeedbackNumber, ProjectName};

/// What went wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing answers there, or not as it should.
    #[error("cannot connect to Postgres at {place}")]
    Unreachable {
        /// Host, port and database; never the password.
        place: String,
        /// Why.
        source: Obstacle,
    },
    /// The database address makes no sense.
    #[error("DATABASE_URL is not a Postgres URL")]
    BadUrl(#[source] BadUrl),
    /// Others could listen in, or pose as the server.
    #[error(
        "DATABASE_URL says sslmode={}, which does not make sure that it is {host} that answers",
        mode.as_str()
    )]
    Insecure {
        /// The host in the URL.
        host: String,
        /// What the URL asks for.
        mode: TlsMode,
    },
    /// Who is to be trusted cannot be read.
    #[error("{setting} holds no certificate of an authority")]
    BadAuthorities {
        /// Where they were to come from.
        setting: &'static str,
        /// What is wrong with it.
        source: BadAuthorities,
    },
    /// Who is to be trusted was said twice.
    #[error("there is an `sslrootcert` in DATABASE_URL, and WAVEMARK_DATABASE_CA too")]
    TwoAuthorities,
    /// A variable would change every session.
    #[error("PGOPTIONS is set, and would change what every statement does")]
    SessionOptions,
    /// A table of ours has a namesake that is not ours.
    #[error("this database already has a table `public.{0}` that is not Wavemark's")]
    Foreign(String),
    /// The schema could not be brought up to date; nothing of it was kept.
    #[error("cannot migrate the database")]
    Migrate(#[source] sqlx::Error),
    /// The database was migrated by a newer version.
    #[error("the database was migrated by a newer Wavemark (it knows migration {0})")]
    Newer(i64),
    /// The plan was never synced into this database.
    #[error("the database has no project `{0}`")]
    NoProject(ProjectName),
    /// More than half of a project's agents are not in the plan any more: these.
    #[error("{}", retires_most(.0))]
    RetiresMost(Vec<AgentName>),
    /// The schema lacks something: nobody has migrated it to this version.
    #[error("the database was migrated by an older Wavemark")]
    Older(#[source] sqlx::Error),
    /// No agent of the project is called that.
    #[error("project has no agent `{0}`")]
    NoAgent(AgentName),
    /// No feedback has that number.
    #[error("there is no feedback {0}")]
    NoFeedback(FeedbackNumber),
    /// Another process has the project's mailbox now.
    #[error("another process is talking to GitHub for this project")]
    TookOver,
    /// A row holds a word that this version does not know.
    #[error("a row in the database cannot be read")]
    BadRow(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Anything else the database said.
    #[error("the database refused")]
    Database(#[source] sqlx::Error),
}

/// How many of those that vanished are named.
const NAMED: usize = 5;

fn retires_most(vanished: &[AgentName]) -> String {
    let names: Vec<String> = vanished.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
    let more = match vanished.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "this would retire {} of the project's agents, more than half of them: {}{more}",
        vanished.len(),
        names.join(", "),
    )
}

impl From<sqlx::Error> for Error {
    fn from(err: sqlx::Error) -> Self {
        match err {
            sqlx::Error::ColumnDecode { source, .. } | sqlx::Error::Decode(source) => {
                Self::BadRow(source)
            }
            err => Self::Database(err),
        }
    }
}

impl Error {
    /// The same, or [`Error::Older`] where it is because something is missing
    /// that a migration would bring.
    pub(super) fn or_older(self) -> Self {
        match self {
            Self::Database(sqlx::Error::Database(err))
                // undefined_column, undefined_table.
                if matches!(err.code().as_deref(), Some("42703" | "42P01")) =>
            {
                Self::Older(sqlx::Error::Database(err))
            }
            err => err,
        }
    }

    /// Whether doing the whole transaction again may help: it lost a race, or
    /// its connection.
    pub(super) fn is_transient(&self) -> bool {
        let err = match self {
            // Who waited for another to migrate may see the catalogue as it was
            // before.
            Self::Migrate(sqlx::Error::Database(err)) if err.is_unique_violation() => return true,
            Self::Migrate(err) | Self::Database(err) => err,
            _ => return false,
        };
        match err {
            sqlx::Error::Database(err) => err.code().is_some_and(|code| passes(&code)),
            sqlx::Error::Io(_) => true,
            _ => false,
        }
    }
}

/// Whether an SQLSTATE tells of a race or of a connection that was lost.
fn passes(code: &str) -> bool {
    let race = ["40001", "40P01"];
    // Ended by the server, an administrator or its own silence; the server is
    // just starting, or full.
    let lost = ["57P01", "57P02", "57P03", "57P05", "25P03", "53300"];
    // Class 08 is about connections; a pooler that loses one says 08P01.
    code.starts_with("08") || race.contains(&code) || lost.contains(&code)
}
