//! How in-run commands and the run's supervisor talk: files in `control/`.
//!
//! A command renames a request into `control/requests/<uuid>.json` and waits
//! for `control/answers/<uuid>.json`. There is no socket and no credential, so
//! nothing an agent prints or forwards can speak for it, and it works in any
//! sandbox that shows the run directory.

use serde::{Deserialize, Serialize};

use crate::model::{ArtifactKey, FeedbackNumber};

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
    /// The work is done.
    Finish {
        /// What was done.
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
