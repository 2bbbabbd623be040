//! What agents make, and where it may be put.
//!
//! **Invariant:** a held [`ArtifactKey`] is a safe relative path of exactly two
//! segments. It cannot leave the folder it is joined to.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::words;

words! {
    /// What an artifact is.
    pub enum ArtifactType("artifact type") {
        /// A structure: JSON Schema, SQL, a data format.
        Schema = "schema",
        /// Text meant for a model.
        Prompt = "prompt",
        /// Text meant for people.
        Doc = "doc",
    }
}

words! {
    /// Where the git half of an artifact stands.
    pub enum GitState("git state") {
        /// In the outbox: the row is stored, the commit is not yet pushed.
        Pending = "pending",
        /// The remote has it.
        Committed = "committed",
        /// Kept out of git: it holds a secret, or the git host does not take it.
        Blocked = "blocked",
    }
}

/// Why a string is not an artifact's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadArtifactKey {
    /// There is no `/`, or more than one.
    #[error("`{0}` is not an artifact: write `<type>/<name>`, such as `doc/summary.md`")]
    Shape(String),
    /// The part before the `/` is not a type.
    #[error("`{0}` is not an artifact type: use schema, prompt or doc")]
    Type(String),
    /// The part after the `/` could be misread as something else than a file.
    #[error(
        "`{0}` cannot name an artifact: use 1 to 100 of A-Z, a-z, 0-9, `.`, `_` and `-`, starting with a letter or a digit"
    )]
    Name(String),
}

/// The name of an artifact within its type: one safe path segment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileName(String);

impl FileName {
    /// The rule, as a regular expression.
    pub const PATTERN: &'static str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$";

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FileName {
    type Err = BadArtifactKey;

    fn from_str(name: &str) -> Result<Self, BadArtifactKey> {
        let safe =
            name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if safe && starts_well && name.len() <= 100 {
            Ok(Self(name.to_owned()))
        } else {
            Err(BadArtifactKey::Name(name.to_owned()))
        }
    }
}

impl TryFrom<String> for FileName {
    type Error = BadArtifactKey;

    fn try_from(name: String) -> Result<Self, BadArtifactKey> {
        name.parse()
    }
}

impl From<FileName> for String {
    fn from(name: FileName) -> Self {
        name.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The address of an artifact within its agent: `<type>/<name>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArtifactKey {
    /// What it is.
    pub kind: ArtifactType,
    /// What it is called.
    pub name: FileName,
}

impl ArtifactKey {
    /// The rule, as a regular expression.
    pub fn pattern() -> String {
        let kinds: Vec<&str> = ArtifactType::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("^({})/{}", kinds.join("|"), FileName::PATTERN.trim_start_matches('^'))
    }
}

impl FromStr for ArtifactKey {
    type Err = BadArtifactKey;

    fn from_str(key: &str) -> Result<Self, BadArtifactKey> {
        let Some((kind, name)) = key.split_once('/') else {
            return Err(BadArtifactKey::Shape(key.to_owned()));
        };
        if name.contains('/') {
            return Err(BadArtifactKey::Shape(key.to_owned()));
        }
        let kind = kind.parse().map_err(|_| BadArtifactKey::Type(kind.to_owned()))?;
        Ok(Self { kind, name: name.parse()? })
    }
}

impl TryFrom<String> for ArtifactKey {
    type Error = BadArtifactKey;

    fn try_from(key: String) -> Result<Self, BadArtifactKey> {
        key.parse()
    }
}

impl From<ArtifactKey> for String {
    fn from(key: ArtifactKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for ArtifactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.kind, self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_type_and_one_plain_segment() {
        for good in ["doc/summary.md", "schema/sheet.json", "prompt/v2_final-1"] {
            assert_eq!(good.parse::<ArtifactKey>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "doc",
            "doc/",
            "/doc",
            "doc/.",
            "doc/..",
            "doc/../x",
            "doc/a/b",
            "doc/.git",
            "doc/a\\b",
            "doc/a\nb",
            "doc/ä",
            "doc/a b",
            "image/a.png",
            "Doc/a",
            "doc/-rf",
        ] {
            assert!(bad.parse::<ArtifactKey>().is_err(), "{bad:?}");
        }
    }
}
