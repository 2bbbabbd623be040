//! Conversations with agent programs, by what the programs call them.
//!
//! **Invariant:** a held [`SessionId`] can stand on a command line: no program
//! takes it for an option.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Usage;

/// The longest id, in bytes. Those of the programs that are known have 40 at most.
const LONGEST: usize = 200;

/// How a program calls a conversation: 1 to 200 ASCII letters, digits, `-`, `_`
/// and `.`, not starting with `-`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(String);

/// Why a string is not a [`SessionId`]. It is not repeated: it may be anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no id of a conversation: use 1 to {LONGEST} of A-Z, a-z, 0-9, `-`, `_` and `.`, not starting with `-`"
)]
pub struct BadSessionId;

impl SessionId {
    /// A new one, of a conversation that is yet to begin.
    pub fn random() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SessionId {
    type Err = BadSessionId;

    fn from_str(id: &str) -> Result<Self, BadSessionId> {
        id.to_owned().try_into()
    }
}

impl TryFrom<String> for SessionId {
    type Error = BadSessionId;

    fn try_from(id: String) -> Result<Self, BadSessionId> {
        let fits = (1..=LONGEST).contains(&id.len()) && !id.starts_with('-');
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if fits && id.bytes().all(is_plain) { Ok(Self(id)) } else { Err(BadSessionId) }
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> Self {
        id.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A conversation with an agent program that can be gone on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// How the program calls it.
    pub id: SessionId,
    /// What the program had counted for it: figures may go on with it.
    pub counted: Usage,
    /// What was heard of it since, as a call broke off before the program told a
    /// count. Known only on the machine where that was.
    #[serde(default)]
    pub heard: Usage,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_no_option_and_no_path() {
        let longest = "x".repeat(LONGEST);
        let random = SessionId::random();
        for id in ["s", "ses_4.b", "0199-aF", &longest, random.as_str()] {
            assert_eq!(id.parse::<SessionId>().unwrap().as_str(), id);
        }
        let too_long = "x".repeat(LONGEST + 1);
        for id in ["", "-p", "--settings=x", "a b", "a/b", "a\0", "ä", &too_long] {
            assert_eq!(id.parse::<SessionId>(), Err(BadSessionId), "{id:?}");
        }
    }
}
