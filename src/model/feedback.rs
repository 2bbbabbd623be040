//! What waits for a person, and how a person lets go of it.

use serde::{Deserialize, Serialize};

use super::{Instant, words};

words! {
    /// What kind of thing waits for a person.
    pub enum FeedbackKind("kind of feedback") {
        /// A person's remark.
        Comment = "comment",
        /// A gate that the definition asks for.
        Review = "review",
        /// The agent asks.
        Question = "question",
        /// The attempts are used up.
        Failure = "failure",
        /// Git does not take one of its artifacts.
        Refusal = "refusal",
    }
}

words! {
    /// How feedback ended.
    pub enum Resolution("resolution") {
        /// Acted on: answered, approved, to be tried again.
        Completed = "completed",
        /// Not acted on: dismissed, sent back, given up.
        Dismissed = "dismissed",
        /// Overtaken: what it was about is being built again.
        Superseded = "superseded",
    }
}

/// The short number people call a feedback by, as in `#7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FeedbackNumber(pub i64);

impl std::fmt::Display for FeedbackNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("#{}", self.0))
    }
}

/// One message of a [`Thread`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who wrote it.
    pub author: String,
    /// When.
    pub at: Instant,
    /// The text, as it was written.
    pub body: String,
}

/// A feedback with everything that was said about it, as an agent gets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// The number people call it by.
    pub number: FeedbackNumber,
    /// What kind it is.
    pub kind: FeedbackKind,
    /// How it ended; absent while it is open.
    pub resolution: Option<Resolution>,
    /// The first message is the feedback itself.
    pub messages: Vec<Message>,
}
