//! A release of Wavemark: where it is, and the digests of what is in it.

use std::{collections::BTreeMap, fmt};

use crate::model::Digest;

/// The targets that a release is built for.
pub const TARGETS: [&str; 4] = [
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-musl",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
];

/// A release, pinned: nothing else than these bytes will be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Where releases are, such as `https://github.com/acme/wavemark/releases/download`.
    pub releases: String,
    /// Which one, without the `v`.
    pub version: String,
    /// Of each [target's](TARGETS) archive.
    pub digests: BTreeMap<&'static str, Digest>,
}

/// What is wrong with a list of checksums.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadChecksums {
    /// It names some file twice, with different digests.
    #[error("it says two things about {0}")]
    Twice(String),
    /// It says nothing of a file that a release has.
    #[error("it says nothing of {0}")]
    Missing(String),
}

impl Release {
    /// The name of a target's archive.
    pub fn file(target: &str) -> String {
        format!("wavemark-{target}.tar.gz")
    }

    /// Reads a list as `sha256sum` writes it.
    pub fn read(releases: &str, version: &str, sums: &str) -> Result<Self, BadChecksums> {
        let mut found: BTreeMap<&str, Digest> = BTreeMap::new();
        for line in sums.lines() {
            let Some((digest, name)) = line.trim().split_once(char::is_whitespace) else {
                continue;
            };
            let Ok(digest) = digest.to_ascii_lowercase().parse() else { continue };
            // A star is for a file that was read as bytes.
            let name = name.trim_start().trim_start_matches('*').trim_start_matches("./");
            if found.insert(name, digest).is_some_and(|before| before != digest) {
                return Err(BadChecksums::Twice(name.to_owned()));
            }
        }
        let digest = |target: &'static str| {
            let name = Self::file(target);
            let digest = found.get(name.as_str()).copied();
            digest.map(|digest| (target, digest)).ok_or(BadChecksums::Missing(name))
        };
        Ok(Self {
            releases: releases.trim_end_matches('/').to_owned(),
            version: version.to_owned(),
            digests: TARGETS.into_iter().map(digest).collect::<Result<_, _>>()?,
        })
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/v{}", self.releases, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(skip: usize) -> String {
        let lines = TARGETS.iter().skip(skip).enumerate();
        lines.map(|(at, target)| format!("{at:064x}  {}\n", Release::file(target))).collect()
    }

    #[test]
    fn the_checksums_of_every_target_are_read() {
        let text = format!("{}{:064X} *./wavemark.spdx.json\nnot a line\n", sums(0), 9);
        let release = Release::read("https://a.example/download/", "1.2.3", &text).unwrap();
        assert_eq!(release.to_string(), "https://a.example/download/v1.2.3");
        assert_eq!(release.digests.len(), 4);
        assert!(release.digests["aarch64-apple-darwin"].to_string().ends_with('3'));
    }

    #[test]
    fn a_list_that_cannot_be_pinned_is_refused() {
        let read = |text: &str| Release::read("x", "1", text).unwrap_err().to_string();
        insta::assert_snapshot!(read(&sums(1)), @"it says nothing of wavemark-x86_64-unknown-linux-musl.tar.gz");
        insta::assert_snapshot!(read("<html>Not found</html>"), @"it says nothing of wavemark-x86_64-unknown-linux-musl.tar.gz");
        let twice = format!("{}{:064x}  {}\n", sums(0), 7, Release::file(TARGETS[0]));
        insta::assert_snapshot!(read(&twice), @"it says two things about wavemark-x86_64-unknown-linux-musl.tar.gz");
    }
}
