//! What an agent is told: the contents of `input.json`, version 1.
//!
//! Programs written by other people read this file, so a field is never renamed
//! or given another meaning; what is new is added. Bytes are not in it: they lie
//! beside it as files, and `path` says where.

use std::sync::Arc;

use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use crate::model::{
    AgentName, ArtifactKey, Digest, Epoch, Generation, Instant, ProjectName, RunId, Thread,
    WaveName,
};

/// Everything an agent gets to know, and the bytes that go with it.
///
/// It becomes `input.json`, `prompt.md`, `deps/`, `checkpoints/` and
/// `feedback/` in the run directory.
#[derive(Clone, Debug, Serialize)]
pub struct Input {
    /// The version of this contract.
    pub contract: Contract,
    /// The project.
    pub project: ProjectName,
    /// The wave that the agent is in.
    pub wave: WaveName,
    /// The agent.
    pub agent: AgentName,
    /// What people call the agent.
    pub title: Option<String>,
    /// The id of this run.
    pub run: RunId,
    /// The fencing token of this run: one higher at every claim.
    pub epoch: Epoch,
    /// Which try this is, from 1, within the generation.
    pub attempt: i32,
    /// One higher whenever a finished agent is to be built again.
    pub generation: Generation,
    /// When the run will be stopped.
    pub deadline: Instant,
    /// The definition's prompt; `prompt.md` has it with everything else.
    pub prompt: Option<String>,
    /// What must be stored before the agent is complete.
    pub produces: Vec<ArtifactKey>,
    /// What the agents that this one needs have made.
    pub deps: Vec<Dep>,
    /// What this agent stored in earlier runs: the newest of each.
    pub checkpoints: Vec<Artifact>,
    /// What people said, whole threads, the oldest first.
    pub feedback: Vec<Thread>,
}

/// The version of the contract: always 1, until one that breaks agents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contract;

impl Serialize for Contract {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u8(1)
    }
}

/// A stored artifact, with its bytes.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// What it is called.
    pub key: ArtifactKey,
    /// Which version of it, from 1.
    pub version: i32,
    /// The SHA-256 of the bytes.
    pub sha256: Digest,
    /// The git commit that holds it; absent while it is not pushed.
    pub commit: Option<String>,
    /// The bytes: a file in the run directory, not a field of the JSON.
    pub content: Arc<str>,
}

impl Artifact {
    /// Where an own artifact lies, relative to the run directory.
    pub fn path(&self) -> String {
        format!("checkpoints/{}", self.key)
    }

    fn serialize<S: Serializer>(
        &self,
        to: S,
        of: Option<(&AgentName, Option<&str>)>,
        path: &str,
    ) -> Result<S::Ok, S::Error> {
        let mut json = to.serialize_struct("Artifact", 7)?;
        if let Some((agent, title)) = of {
            json.serialize_field("agent", agent)?;
            json.serialize_field("title", &title)?;
        }
        json.serialize_field("key", &self.key)?;
        json.serialize_field("version", &self.version)?;
        json.serialize_field("sha256", &self.sha256)?;
        json.serialize_field("commit", &self.commit)?;
        json.serialize_field("path", path)?;
        json.end()
    }
}

impl Serialize for Artifact {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.serialize(to, None, &self.path())
    }
}

/// An artifact of an agent that this one needs.
#[derive(Clone, Debug)]
pub struct Dep {
    /// Who made it.
    pub agent: AgentName,
    /// What people call the agent that made it.
    pub title: Option<String>,
    /// What it made.
    pub artifact: Artifact,
}

impl Dep {
    /// Where it lies, relative to the run directory.
    pub fn path(&self) -> String {
        format!("deps/{}/{}", self.agent, self.artifact.key)
    }
}

impl Serialize for Dep {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let of = (&self.agent, self.title.as_deref());
        self.artifact.serialize(to, Some(of), &self.path())
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing;

    #[test]
    fn input_json_is_version_1_of_the_contract() {
        let json = serde_json::to_string_pretty(&testing::input()).unwrap();
        insta::assert_snapshot!(json, @r#"
        {
          "contract": 1,
          "project": "story",
          "wave": "foundation",
          "agent": "vision",
          "title": "Vision, the spreadsheet agent",
          "run": "00000000-0000-0000-0000-000000000007",
          "epoch": 3,
          "attempt": 2,
          "generation": 1,
          "deadline": "2026-11-22T09:00:00Z",
          "prompt": "Describe the sheet.\n",
          "produces": [
            "doc/summary.md",
            "schema/sheet.json"
          ],
          "deps": [
            {
              "agent": "brief",
              "title": "The brief",
              "key": "doc/brief.md",
              "version": 4,
              "sha256": "d7a09c90916a99990029cc174f4c9ad0ff7f7452df8a7c22fc4c45d15b02d0a2",
              "commit": "9fceb02d0ae598e95dc970b74767f19372d61af8",
              "path": "deps/brief/doc/brief.md"
            }
          ],
          "checkpoints": [
            {
              "key": "schema/sheet.json",
              "version": 4,
              "sha256": "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356",
              "commit": "9fceb02d0ae598e95dc970b74767f19372d61af8",
              "path": "checkpoints/schema/sheet.json"
            }
          ],
          "feedback": [
            {
              "number": 7,
              "kind": "question",
              "resolution": "completed",
              "messages": [
                {
                  "author": "vision",
                  "at": "2026-11-22T08:30:00Z",
                  "body": "Which region?"
                },
                {
                  "author": "ada",
                  "at": "2026-11-22T08:30:00Z",
                  "body": "The EU.\n\n```\neu-west-1\n```"
                }
              ]
            }
          ]
        }
        "#);
    }
}
