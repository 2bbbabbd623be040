//! What a model may read, by address.
//!
//! **Invariant:** an address is parsed into names before a path is made of it,
//! and a name cannot hold a `/` or be `..`.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use rmcp::model::Resource;
use serde::Deserialize;

use super::place;
use crate::{
    model::{AgentName, ArtifactKey, ArtifactType, FeedbackKind, FeedbackNumber},
    runner::dir::RunDir,
};

const SCHEME: &str = "wavemark://";

/// Something that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Prompt,
    Dep(AgentName, ArtifactKey),
    Checkpoint(ArtifactKey),
    Feedback(FeedbackNumber),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SCHEME)?;
        match self {
            Self::Prompt => f.write_str("prompt"),
            Self::Dep(agent, key) => write!(f, "deps/{agent}/{key}"),
            Self::Checkpoint(key) => write!(f, "checkpoints/{key}"),
            Self::Feedback(number) => write!(f, "feedback/{}", number.0),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(uri: &str) -> Result<Self, String> {
        let parse = || {
            let path = uri.strip_prefix(SCHEME)?;
            let (first, rest) = path.split_once('/').unwrap_or((path, ""));
            Some(match first {
                "prompt" if path == first => Self::Prompt,
                "deps" => {
                    let (agent, key) = rest.split_once('/')?;
                    Self::Dep(agent.parse().ok()?, key.parse().ok()?)
                }
                "checkpoints" => Self::Checkpoint(rest.parse().ok()?),
                "feedback" => Self::Feedback(FeedbackNumber(rest.parse().ok()?)),
                _ => return None,
            })
        };
        parse().ok_or_else(|| {
            let uri: String = uri.chars().take(200).collect();
            format!("there is no resource `{uri}`: `resources/list` lists what there is")
        })
    }
}

impl Address {
    /// Where it lies, relative to the run directory.
    fn path(&self) -> PathBuf {
        match self {
            Self::Prompt => "prompt.md".into(),
            Self::Dep(agent, key) => format!("deps/{agent}/{key}").into(),
            Self::Checkpoint(key) => format!("checkpoints/{key}").into(),
            Self::Feedback(number) => format!("feedback/{}.md", number.0).into(),
        }
    }

    pub(super) fn mime_type(&self) -> &'static str {
        match self {
            Self::Prompt | Self::Feedback(_) => "text/markdown",
            Self::Dep(_, key) | Self::Checkpoint(key) => {
                let name = Path::new(key.name.as_str());
                match (name.extension().and_then(|end| end.to_str()), key.kind) {
                    (Some("json"), _) => "application/json",
                    (Some("md"), _) | (None, ArtifactType::Doc | ArtifactType::Prompt) => {
                        "text/markdown"
                    }
                    _ => "text/plain",
                }
            }
        }
    }

    /// What is in it.
    pub(super) fn read(&self, dir: &RunDir) -> Result<String, String> {
        place::read_text(dir, &self.path())
    }
}

/// What of `input.json` says what there is. The file lies where the agent may
/// have changed it.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    pub(super) produces: Vec<ArtifactKey>,
    deps: Vec<ToldDep>,
    checkpoints: Vec<ToldCheckpoint>,
    feedback: Vec<ToldThread>,
}

#[derive(Debug, Deserialize)]
struct ToldDep {
    agent: AgentName,
    title: Option<String>,
    key: ArtifactKey,
    version: i32,
}

#[derive(Debug, Deserialize)]
struct ToldCheckpoint {
    key: ArtifactKey,
    version: i32,
}

#[derive(Debug, Deserialize)]
struct ToldThread {
    number: FeedbackNumber,
    kind: FeedbackKind,
}

impl Told {
    /// Reads `input.json`.
    pub(super) fn read(dir: &RunDir) -> Result<Self, String> {
        let text = place::read_text(dir, Path::new("input.json"))?;
        serde_json::from_str(&text).map_err(|err| format!("`input.json` was changed: {err}"))
    }

    /// Everything that can be read.
    pub(super) fn resources(&self) -> Vec<Resource> {
        let prompt = resource(
            Address::Prompt,
            "prompt.md",
            "The task, with everything that belongs to it".into(),
        );
        let deps = self.deps.iter().map(|dep| {
            let title = dep.title.as_deref().map(|title| format!(": {title}")).unwrap_or_default();
            let about = format!("Version {} of what `{}` made{title}", dep.version, dep.agent);
            let address = Address::Dep(dep.agent.clone(), dep.key.clone());
            resource(address, &format!("{}/{}", dep.agent, dep.key), about)
        });
        let own = self.checkpoints.iter().map(|own| {
            let about = format!("Version {}, which you stored in an earlier run", own.version);
            resource(Address::Checkpoint(own.key.clone()), &own.key.to_string(), about)
        });
        let feedback = self.feedback.iter().map(|thread| {
            let about = format!("What people said in {}, a {}", thread.number, thread.kind);
            let name = format!("feedback {}", thread.number);
            resource(Address::Feedback(thread.number), &name, about)
        });
        std::iter::once(prompt).chain(deps).chain(own).chain(feedback).collect()
    }
}

fn resource(address: Address, name: &str, about: String) -> Resource {
    Resource::new(address.to_string(), name)
        .with_description(about)
        .with_mime_type(address.mime_type())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::testing;

    #[test]
    fn everything_that_a_run_was_given_is_listed_and_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RunDir::at(folder.path().join("1"));
        dir.create(&testing::input(), Path::new("/")).unwrap();

        let listed = Told::read(&dir).unwrap().resources();

        let lines: Vec<String> = listed
            .iter()
            .map(|one| {
                let address: Address = one.uri.parse().unwrap();
                let length = address.read(&dir).unwrap().len();
                let mime_type = one.mime_type.as_deref().unwrap();
                let about = one.description.as_deref().unwrap();
                format!("{} ({mime_type}, {length} bytes), {}: {about}", one.uri, one.name)
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @"
        wavemark://prompt (text/markdown, 1564 bytes), prompt.md: The task, with everything that belongs to it
        wavemark://deps/brief/doc/brief.md (text/markdown, 21 bytes), brief/doc/brief.md: Version 4 of what `brief` made: The brief
        wavemark://checkpoints/schema/sheet.json (application/json, 3 bytes), schema/sheet.json: Version 4, which you stored in an earlier run
        wavemark://feedback/7 (text/markdown, 171 bytes), feedback #7: What people said in #7, a question
        ");
    }

    #[test]
    fn an_address_is_what_it_is_written_as() {
        for uri in [
            "wavemark://prompt",
            "wavemark://deps/brief/doc/a.md",
            "wavemark://checkpoints/schema/sheet.json",
            "wavemark://feedback/7",
        ] {
            assert_eq!(uri.parse::<Address>().unwrap().to_string(), uri);
        }
    }

    #[test]
    fn nothing_else_has_an_address() {
        for uri in [
            "",
            "prompt",
            "wavemark://",
            "wavemark://prompt/",
            "wavemark://input.json",
            "wavemark://deps/brief",
            "wavemark://deps/../doc/a.md",
            "wavemark://deps/brief/doc/../../../input.json",
            "wavemark://deps/brief/doc/..",
            "wavemark://deps/brief/doc/%2e%2e",
            "wavemark://checkpoints/doc/../../x",
            "wavemark://feedback/../prompt",
            "wavemark://feedback/7.md",
            "wavemark://feedback/",
            "file:///etc/passwd",
            "WAVEMARK://prompt",
        ] {
            let err = uri.parse::<Address>().unwrap_err();
            assert!(err.contains("resources/list"), "{uri}: {err}");
        }
    }

    #[test]
    fn what_an_artifact_is_shows_in_its_name() {
        for (key, mime_type) in [
            ("doc/a.md", "text/markdown"),
            ("doc/notes", "text/markdown"),
            ("prompt/fill", "text/markdown"),
            ("schema/a.json", "application/json"),
            ("doc/a.json", "application/json"),
            ("schema/a.sql", "text/plain"),
            ("schema/a", "text/plain"),
            ("doc/a.txt", "text/plain"),
        ] {
            assert_eq!(Address::Checkpoint(key.parse().unwrap()).mime_type(), mime_type, "{key}");
        }
    }
}
