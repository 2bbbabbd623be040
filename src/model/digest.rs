//! A SHA-256, the one hash everything is compared by.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A SHA-256, shown as 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

/// Why a string is not a [`Digest`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a SHA-256: it takes 64 hexadecimal digits")]
pub struct BadDigest(String);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of a value's canonical JSON: sorted keys, no white space.
    pub fn of_json(value: &impl Serialize) -> Self {
        Self::of(canonical_json(value))
    }

    /// The digest of texts as if they were one.
    pub fn of_all(texts: impl IntoIterator<Item = String>) -> Self {
        let mut hasher = Sha256::new();
        for text in texts {
            hasher.update(text);
        }
        Self(hasher.finalize().into())
    }

    /// The first eight digits, enough for people.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }
}

/// A value as JSON with sorted keys and no white space.
///
/// # Panics
///
/// If the value cannot be written as JSON, which no type of this crate that is
/// ever digested can be.
#[expect(clippy::expect_used, reason = "documented: a bug, not an input")]
pub fn canonical_json(value: &impl Serialize) -> String {
    // Through `Value`, whose maps are sorted.
    serde_json::to_value(value).expect("a plain value").to_string()
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| BadDigest(text.to_owned()))?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = BadDigest;

    fn try_from(text: String) -> Result<Self, BadDigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf %s '{"a":"é","b":[1,{"c":null,"d":true}]}' | sha256sum`
    #[test]
    fn canonical_json_is_sorted_and_has_no_white_space() {
        let digest = Digest::of_json(&serde_json::json!({
            "b": [1, { "d": true, "c": null }],
            "a": "\u{e9}",
        }));
        let sum = "38780cd71bd9e8d25bad10645bd2671fb22c030b647c3417cefaab28825ed03a";
        assert_eq!(digest.to_string(), sum);
    }

    #[test]
    fn it_is_sha_256() {
        // FIPS 180-2, the message `abc`.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of("abc").to_string(), abc);
        assert_eq!(abc.parse(), Ok(Digest::of("abc")));
    }
}
