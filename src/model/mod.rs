//! The words of Wavemark: names, statuses, definitions, artifacts, feedback.
//!
//! Values here are parsed once, at the edge, and cannot hold anything wrong
//! afterwards. Nothing in this module does IO or reads a clock.

mod artifact;
pub mod credential;
mod definition;
mod digest;
mod feedback;
mod id;
mod issue;
mod manners;
mod name;
mod price;
mod profile;
mod role;
mod run;
mod session;
mod status;
mod tick;
mod usage;
mod webhook;

pub use artifact::{ArtifactKey, ArtifactType, BadArtifactKey, FileName, GitState};
pub use definition::{
    BadEnvName, Definition, EnvName, Need, OnStale, ProjectSettings, Review, Runner, RunnerKind,
};
pub use digest::{Digest, canonical_json};
pub use feedback::{FeedbackKind, FeedbackNumber, Message, Resolution, Thread};
pub use id::{AgentId, ArtifactId, FeedbackId, ProjectId, RunId, WaveId};
pub use issue::{Account, CloseReason, Issue, IssueComment, IssueNumber, IssueState, Reaction};
pub use manners::Manners;
pub use name::{AgentName, BadName, PoolName, ProfileName, ProjectName, WaveName};
pub use price::{BadModelName, ModelName, Price};
pub use profile::{
    CommandLine, EventFormat, Placeholder, Profile, ProgramHome, PromptBy, Resume, Subagent,
    Template, UnknownPlaceholder,
};
pub use role::Role;
pub use run::{Epoch, Finish, Generation, Outcome, RunToken, StopReason};
pub use session::{BadSessionId, Session, SessionId};
pub use status::Status;
pub use tick::{LastTick, TickEnd};
pub use usage::{BadUsd, Cost, CostBasis, Usage, Usd};
pub use webhook::{Auth, BadHeaderName, BadUrlTemplate, HeaderName, UrlTemplate, Webhook};

/// An instant of the database's clock.
pub type Instant = chrono::DateTime<chrono::Utc>;

/// Why a word that came from outside is not one of ours.
///
/// The store meets it when a row was written by another version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not {} {what}: use one of {allowed}", article(what))]
pub struct UnknownWord {
    /// What was being read.
    pub what: &'static str,
    /// What was there instead.
    pub found: String,
    /// Every word that would have done, separated by commas.
    pub allowed: String,
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// Defines an enum whose variants are single lowercase words, everywhere: in
/// YAML, in JSON, in Postgres and on the terminal.
macro_rules! words {
    (
        $(#[$meta:meta])*
        pub enum $name:ident($what:literal) { $( $(#[doc = $about:literal])+ $variant:ident = $word:literal, )+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "&'static str")]
        pub enum $name { $( $(#[doc = $about])+ $variant, )+ }

        impl $name {
            /// Every value, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// What it means, in a sentence.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => concat!($($about),+).trim_ascii()),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::model::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(crate::model::UnknownWord {
                        what: $what,
                        found: word.to_owned(),
                        allowed: [$($word),+].join(", "),
                    }),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = crate::model::UnknownWord;

            fn try_from(word: String) -> Result<Self, Self::Error> {
                word.parse()
            }
        }

        impl From<$name> for &'static str {
            fn from(value: $name) -> Self {
                value.as_str()
            }
        }
    };
}
pub(crate) use words;
