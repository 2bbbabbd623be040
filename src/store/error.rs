//! What went wrong with the database, by what the caller can do about it.

use crate::model::{AgentName, FeedbackNumber, ProjectName};

/// What went wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing answers there, or not as Postgres does.
    #[error("cannot connect to Postgres at {place}")]
    Unreachable {
        /// Host, port and database; never the password.
        place: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The database address makes no sense.
    #[error("DATABASE_URL is not a Postgres URL")]
    BadUrl(#[source] sqlx::Error),
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
        let Self::Database(err) = self else {
            return false;
        };
        match err {
            // serialization_failure, deadlock_detected, connection_failure,
            // admin_shutdown.
            sqlx::Error::Database(err) => {
                matches!(err.code().as_deref(), Some("40001" | "40P01" | "08006" | "57P01"))
            }
            sqlx::Error::Io(_) => true,
            _ => false,
        }
    }
}
