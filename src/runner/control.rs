//! How in-run commands and the run's supervisor talk: files in `control/`.
//!
//! A command renames a request to `control/<uuid>.request` and waits for
//! `control/<uuid>.answer`; both are JSON. There is no socket and no credential, so
//! nothing an agent prints or forwards can speak for it, and it works in any
//! sandbox that shows the run directory.

use serde::{Deserialize, Serialize};

use super::headway::Headway;
use crate::model::{ArtifactKey, FeedbackNumber, Finish};

/// How the name of a request ends.
pub(super) const REQUEST: &str = ".request";

/// How the name of an answer ends; it starts as that of the request.
pub(super) const ANSWER: &str = ".answer";

/// What an in-run command wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Request {
    /// Take what lies in `out/<key>` now, and say when it is stored.
    Checkpoint {
        /// What to take.
        key: ArtifactKey,
    },
    /// Ask people.
    Ask {
        /// What to ask.
        question: String,
    },
    /// Tell people how far the work is.
    Progress(Headway),
    /// Nothing more is to come.
    Finish {
        /// How it ended.
        status: Finish,
        /// What was done, or why not.
        summary: Option<String>,
    },
}

/// What the supervisor answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Answer {
    /// It is stored.
    Stored(super::client::Stored),
    /// People see the question under this number.
    Asked {
        /// The number.
        number: FeedbackNumber,
    },
    /// It is noted.
    Noted {},
    /// It is not taken.
    Refused {
        /// Why, and what to do.
        why: String,
    },
}
