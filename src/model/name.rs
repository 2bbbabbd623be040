//! Names that people choose: of a project, a wave, an agent, a pool, a profile.
//!
//! All of them follow one rule, so that each is safe in a git ref, a path, a URL,
//! a label and a file name without escaping.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// Why a string is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` cannot name {what}: use 1 to 63 of a-z, 0-9 and `-`, starting with a letter")]
pub struct BadName {
    /// What it was meant to name.
    pub what: &'static str,
    /// The string as given.
    pub name: String,
}

/// What [`is_slug`] says, for those that cannot call it.
const SLUG: &str = "^[a-z][a-z0-9-]{0,62}$";

fn is_slug(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

macro_rules! name {
    ($(#[$meta:meta])* $name:ident, $what:literal) => {
        $(#[$meta])*
        ///
        /// A lowercase slug: `[a-z][a-z0-9-]{0,62}`. The only way in is `FromStr`.
        /// Cloning one is cheap.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The rule, as a regular expression.
            pub const PATTERN: &'static str = SLUG;

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(name: &str) -> Result<Self, BadName> {
                if is_slug(name) {
                    Ok(Self(name.into()))
                } else {
                    Err(BadName { what: $what, name: name.to_owned() })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;

            fn try_from(name: String) -> Result<Self, BadName> {
                name.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(
    /// The name of a project: one repo, one plan.
    ProjectName,
    "a project"
);
name!(
    /// The name of a wave, unique in its project.
    WaveName,
    "a wave"
);
name!(
    /// The name of an agent, unique in its project.
    AgentName,
    "an agent"
);
name!(
    /// The name of a pool: what caps how many agents run at once.
    PoolName,
    "a pool"
);
name!(
    /// The name of a profile: how an agent program is called in `run`.
    ProfileName,
    "a profile"
);

impl PoolName {
    /// The pool of an agent that names none.
    pub fn default_pool() -> Self {
        Self("default".into())
    }
}

impl WaveName {
    /// The wave of an agent that is in none: one inserted by hand.
    pub fn unplanned() -> Self {
        Self("unplanned".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_short_lowercase_slug() {
        for good in ["a", "echo", "echo-2", "a-", &"a".repeat(63)] {
            assert_eq!(good.parse::<AgentName>().map(String::from), Ok(good.to_owned()));
        }
        for bad in ["", "-a", "2a", "Echo", "a_b", "a/b", "ä", "a b", &"a".repeat(64)] {
            assert!(bad.parse::<AgentName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bad_name_is_told_the_rule() {
        insta::assert_snapshot!(
            "Echo".parse::<AgentName>().unwrap_err(),
            @"`Echo` cannot name an agent: use 1 to 63 of a-z, 0-9 and `-`, starting with a letter"
        );
    }
}
