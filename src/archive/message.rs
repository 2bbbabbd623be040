//! What a commit says about the artifact in it.
//!
//! The trailers are the link between a commit and its row, so they say enough
//! to write the row anew. **Invariant:** [`Mark::parse`] of a message made by
//! [`Mark::message`] gives the same mark back.

use std::fmt::Write as _;

use crate::model::{AgentName, ArtifactId, ArtifactKey, Digest, Epoch, RunId, WaveName};

use super::Entry;

/// Which artifact a commit holds, as its trailers say.
///
/// Anybody who can push can write trailers: believe them only when the blob at
/// [`path`](Self::path) has the digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The row's id.
    pub id: ArtifactId,
    /// The wave at the time.
    pub wave: WaveName,
    /// Who made it.
    pub agent: AgentName,
    /// Type and name.
    pub key: ArtifactKey,
    /// Counts from 1 for each agent and key.
    pub version: i32,
    /// The run that made it; none if a person did.
    pub run: Option<RunId>,
    /// The epoch of that run.
    pub epoch: Epoch,
    /// Of the content.
    pub sha256: Digest,
    /// Where it is, if the folder where it should be was full.
    elsewhere: Option<String>,
}

impl Mark {
    pub(super) fn of(entry: &Entry) -> Self {
        Self {
            id: entry.id,
            wave: entry.wave.clone(),
            agent: entry.agent.clone(),
            key: entry.key.clone(),
            version: entry.version,
            run: entry.run,
            epoch: entry.epoch,
            sha256: entry.sha256,
            elsewhere: None,
        }
    }

    /// The same mark of a file that is at `path`.
    pub(super) fn at(self, path: &str) -> Self {
        let elsewhere = (path != self.plain_path()).then(|| path.to_owned());
        Self { elsewhere, ..self }
    }

    /// Where in the commit's tree the content is.
    pub fn path(&self) -> String {
        self.elsewhere.clone().unwrap_or_else(|| self.plain_path())
    }

    fn plain_path(&self) -> String {
        format!("{}/{}/{}", self.wave, self.agent, self.key)
    }

    pub(super) fn message(&self) -> String {
        let Self { id, wave, agent, key, version, run, epoch, sha256, elsewhere } = self;
        let mut text = format!(
            "{agent}: {key} (version {version})\n\n\
             Wavemark-Artifact: {id}\n\
             Wavemark-Wave: {wave}\n\
             Wavemark-Agent: {agent}\n\
             Wavemark-Type: {}\n\
             Wavemark-Name: {}\n\
             Wavemark-Version: {version}\n",
            key.kind, key.name,
        );
        if let Some(run) = run {
            let _infallible = writeln!(text, "Wavemark-Run: {run}");
        }
        text += &format!("Wavemark-Epoch: {epoch}\nWavemark-Sha256: {sha256}\n");
        if let Some(path) = elsewhere {
            let _infallible = writeln!(text, "Wavemark-Path: {path}");
        }
        text
    }

    /// The mark in a commit message; `None` if a person wrote the commit.
    pub(super) fn parse(message: &str) -> Option<Self> {
        // Foreign commits may be many; most are told apart without parsing.
        if !message.contains("\nWavemark-Artifact: ") {
            return None;
        }
        let trailers = git2::message_trailers_strs(message).ok()?;
        let get =
            |name: &str| trailers.iter().find_map(|(key, value)| (key == name).then_some(value));
        let mark = Self {
            id: ArtifactId::from_uuid(get("Wavemark-Artifact")?.parse().ok()?),
            wave: get("Wavemark-Wave")?.parse().ok()?,
            agent: get("Wavemark-Agent")?.parse().ok()?,
            key: ArtifactKey {
                kind: get("Wavemark-Type")?.parse().ok()?,
                name: get("Wavemark-Name")?.parse().ok()?,
            },
            version: get("Wavemark-Version")?.parse().ok()?,
            run: match get("Wavemark-Run") {
                Some(run) => Some(RunId::from_uuid(run.parse().ok()?)),
                None => None,
            },
            epoch: Epoch(get("Wavemark-Epoch")?.parse().ok()?),
            sha256: get("Wavemark-Sha256")?.parse().ok()?,
            elsewhere: None,
        };
        match get("Wavemark-Path") {
            None => Some(mark),
            Some(path) => {
                // Only folders for what is too much may be between.
                let plain: Vec<&str> =
                    path.split('/').filter(|name| !name.starts_with('_')).collect();
                (plain.join("/") == mark.plain_path()).then(|| mark.at(path))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn mark(id: u128, run: Option<u128>, name: &str, numbers: (i32, i32)) -> Mark {
        Mark {
            id: ArtifactId::from_uuid(Uuid::from_u128(id)),
            wave: "foundation".parse().unwrap(),
            agent: "vision".parse().unwrap(),
            key: name.parse().unwrap(),
            version: numbers.0,
            run: run.map(|id| RunId::from_uuid(Uuid::from_u128(id))),
            epoch: Epoch(numbers.1),
            sha256: Digest::of(name),
            elsewhere: None,
        }
    }

    #[test]
    fn a_message_has_a_subject_and_trailers() {
        insta::assert_snapshot!(mark(7, Some(8), "doc/summary.md", (2, 5)).message(), @"
        vision: doc/summary.md (version 2)

        Wavemark-Artifact: 00000000-0000-0000-0000-000000000007
        Wavemark-Wave: foundation
        Wavemark-Agent: vision
        Wavemark-Type: doc
        Wavemark-Name: summary.md
        Wavemark-Version: 2
        Wavemark-Run: 00000000-0000-0000-0000-000000000008
        Wavemark-Epoch: 5
        Wavemark-Sha256: f67a79627f81d2330188ee451d13938e4eee9c802f1db2593b5231e313ffc922
        ");
    }

    #[test]
    fn a_message_without_a_whole_mark_has_none() {
        let whole = mark(7, Some(8), "doc/summary.md", (2, 5)).message();
        for line in whole.lines().skip(2).filter(|line| !line.starts_with("Wavemark-Run")) {
            let partial = whole.replace(&format!("{line}\n"), "");
            assert_eq!(Mark::parse(&partial), None, "without {line}");
        }
        assert_eq!(Mark::parse("Fix a typo\n"), None);
        assert_eq!(Mark::parse(&whole.replace("summary.md", "../../etc")), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_a_message_says_is_read_back(
            id: u128,
            run: Option<u128>,
            name in "(doc|schema|prompt)/[A-Za-z0-9][A-Za-z0-9._-]{0,99}",
            numbers: (i32, i32),
        ) {
            let mark = mark(id, run, &name, numbers);
            prop_assert_eq!(Mark::parse(&mark.message()), Some(mark));
        }
    }
}
