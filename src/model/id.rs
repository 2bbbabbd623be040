//! Ids: what the database knows things by.
//!
//! The ids of what a plan defines are UUIDv5 of their names, so a plan knows
//! them offline and a sync is idempotent.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AgentName, ProjectName, WaveName};

/// The namespace of every UUIDv5 of ours: drawn once at random.
const NAMESPACE: Uuid = Uuid::from_u128(0x8d1c_63c2_95a1_4f0e_b0a7_3f3c_61c5_07d4);

macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// An id that the database gave out.
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// The id as a plain UUID.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// The id of a project.
    ProjectId
);
id!(
    /// The id of a wave.
    WaveId
);
id!(
    /// The id of an agent.
    AgentId
);
id!(
    /// The id of a run.
    RunId
);
id!(
    /// The id of an artifact.
    ArtifactId
);
id!(
    /// The id of a feedback.
    FeedbackId
);

impl ProjectId {
    /// The id of the project called `name`.
    pub fn of(name: &ProjectName) -> Self {
        Self(Uuid::new_v5(&NAMESPACE, name.as_str().as_bytes()))
    }
}

impl WaveId {
    /// The id of the wave called `name` in `project`.
    pub fn of(project: ProjectId, name: &WaveName) -> Self {
        Self(Uuid::new_v5(&project.0, format!("wave/{name}").as_bytes()))
    }
}

impl AgentId {
    /// The id of the agent called `name` in `project`.
    pub fn of(project: ProjectId, name: &AgentName) -> Self {
        Self(Uuid::new_v5(&project.0, format!("agent/{name}").as_bytes()))
    }
}

impl RunId {
    /// A new id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}
