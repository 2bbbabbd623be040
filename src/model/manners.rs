//! How much is asked of GitHub at a time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::definition::seconds;

/// How much is asked of GitHub at a time: from `waves/project.yaml`, with
/// defaults. Durations are stored as whole seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Manners {
    /// How many changes one tick may make.
    pub writes: u32,
    /// How long to rest between two changes. GitHub asks for a second.
    #[serde(with = "seconds")]
    pub pause: Duration,
    /// How long to wait for a whole answer.
    #[serde(with = "seconds")]
    pub timeout: Duration,
}

impl Manners {
    /// Whether they are those that hold when nobody says otherwise.
    pub fn are_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Manners {
    fn default() -> Self {
        Self { writes: 40, pause: Duration::from_secs(1), timeout: Duration::from_secs(30) }
    }
}
