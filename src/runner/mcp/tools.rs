//! What a model is offered to do, and what it asks for when it does.
//!
//! No reader of a schema is trusted to keep to it: arguments are parsed into
//! model types here, and what is wrong with them is said so that a model can
//! put it right.

use std::sync::Arc;

use rmcp::model::{JsonObject, Tool as Offer, ToolAnnotations};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    model::{ArtifactKey, ArtifactType, FileName, Finish, words},
    runner::{BadPercent, Headway, Percent},
};

words! {
    /// A tool that a model is offered.
    pub enum Tool("tool of Wavemark's") {
        /// Read what the run got.
        Inputs = "inputs",
        /// Store an artifact.
        Checkpoint = "checkpoint",
        /// Ask people a question.
        Ask = "ask",
        /// Tell people how far the work is.
        Progress = "progress",
        /// Say how the work ended.
        Finish = "finish",
    }
}

/// What a model asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Call {
    Inputs,
    Checkpoint { key: ArtifactKey, from: Source },
    Ask { question: String },
    Progress(Headway),
    Finish { status: Finish, summary: Option<String> },
}

/// Where the bytes of an artifact are.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    Content(String),
    File(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoArguments {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointArguments {
    #[serde(rename = "type")]
    kind: ArtifactType,
    name: FileName,
    content: Option<String>,
    file: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskArguments {
    question: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProgressArguments {
    percent: Option<f64>,
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FinishArguments {
    status: Finish,
    summary: Option<String>,
}

impl Call {
    /// What a call of `tool` with these arguments asks for, or what is wrong
    /// with them and what to do.
    pub(super) fn parse(tool: Tool, arguments: JsonObject) -> Result<Self, String> {
        let call = match tool {
            Tool::Inputs => read(arguments).map(|NoArguments {}| Self::Inputs),
            Tool::Checkpoint => read(arguments).and_then(checkpoint),
            Tool::Ask => read(arguments).map(|AskArguments { question }| Self::Ask { question }),
            Tool::Progress => read(arguments).and_then(progress),
            Tool::Finish => read(arguments)
                .map(|FinishArguments { status, summary }| Self::Finish { status, summary }),
        };
        call.map_err(|why| format!("nothing was done: {why}. {}", tool.usage()))
    }
}

fn read<T: DeserializeOwned>(arguments: JsonObject) -> Result<T, String> {
    serde_json::from_value(Value::Object(arguments)).map_err(|err| err.to_string())
}

fn checkpoint(arguments: CheckpointArguments) -> Result<Call, String> {
    let CheckpointArguments { kind, name, content, file } = arguments;
    // Some clients fill in everything that a schema names.
    let from = match (content, file.filter(|file| !file.is_empty())) {
        (Some(content), None) => Source::Content(content),
        (None, Some(file)) => Source::File(file),
        (Some(_), Some(_)) => return Err("both `content` and `file` are given".into()),
        (None, None) => return Err("neither `content` nor `file` is given".into()),
    };
    Ok(Call::Checkpoint { key: ArtifactKey { kind, name }, from })
}

fn progress(arguments: ProgressArguments) -> Result<Call, String> {
    let percent = arguments.percent.map(percent).transpose().map_err(|err| err.to_string())?;
    Ok(Call::Progress(Headway { percent, text: arguments.text }))
}

/// Models give fractions of a percent: what is not done yet is not counted.
fn percent(number: f64) -> Result<Percent, BadPercent> {
    match number {
        0.0..=100.0 => Percent::try_from(number as u8),
        _ => Err(BadPercent),
    }
}

impl Tool {
    /// The tool as a client is told of it.
    pub(super) fn offer(self) -> Offer {
        let about = self.annotations();
        Offer::new(self.as_str(), self.description(), Arc::new(self.schema())).annotate(about)
    }

    fn description(self) -> &'static str {
        match self {
            Self::Inputs => {
                "Returns everything this run was given: the task (`input.prompt`), what it must produce \
                 (`input.produces`), artifacts of the agents it builds on (`input.deps`), what it stored in \
                 earlier runs (`input.checkpoints`) and what people said (`input.feedback`), with the paths of \
                 the files. Call it first. Paths within `input` are relative to `paths.directory`."
            }
            Self::Checkpoint => {
                "Stores an artifact for good, and returns its version once it is stored. Do it as soon as \
                 something is worth keeping: if this run is stopped, the next one goes on from there. Storing \
                 the same name again makes a new version; the same bytes again make none."
            }
            Self::Ask => {
                "Asks people a question that only they can answer, and returns its number. Store your work \
                 first and end your turn afterwards: you are started again, with the answer among the \
                 inputs, when somebody has answered. That can take hours, so ask everything at once."
            }
            Self::Progress => {
                "Tells people who watch what you are doing and how far you are. It also shows that you are \
                 still at work, so use it in long tasks. It stores nothing."
            }
            Self::Finish => {
                "Says how the work ended. Call it last, after everything in `input.produces` is stored, and \
                 then end your turn."
            }
        }
    }

    /// What to give it, for who got that wrong.
    fn usage(self) -> &'static str {
        match self {
            Self::Inputs => "`inputs` takes no arguments.",
            Self::Checkpoint => {
                "`checkpoint` takes `type`, `name`, and either `content` or `file`, all of them strings."
            }
            Self::Ask => "`ask` takes `question`, a string.",
            Self::Progress => "`progress` takes `text`, a string, and `percent`, a number.",
            Self::Finish => "`finish` takes `status` and `summary`, both of them strings.",
        }
    }

    /// Nothing that is stored is ever changed or taken away, so none of them
    /// is destructive. Only a question leaves the machine, to people.
    fn annotations(self) -> ToolAnnotations {
        let title = match self {
            Self::Inputs => "Read the inputs",
            Self::Checkpoint => "Store an artifact",
            Self::Ask => "Ask people",
            Self::Progress => "Tell the progress",
            Self::Finish => "Finish",
        };
        ToolAnnotations::with_title(title)
            .read_only(self == Self::Inputs)
            .destructive(false)
            .idempotent(true)
            .open_world(self == Self::Ask)
    }

    fn schema(self) -> JsonObject {
        let (properties, required): (Value, &[&str]) = match self {
            Self::Inputs => (json!({}), &[]),
            Self::Checkpoint => (
                json!({
                    "type": {
                        "type": "string",
                        "enum": ArtifactType::ALL,
                        "description": "What it is: `schema` for a structure (JSON Schema, SQL, a data format), \
                            `prompt` for text meant for a model, `doc` for text meant for people.",
                    },
                    "name": {
                        "type": "string",
                        "pattern": FileName::PATTERN,
                        "description": "What it is called, such as `summary.md`: a file name without a folder. \
                            For `doc/summary.md` in `produces`, the type is `doc` and the name `summary.md`.",
                    },
                    "content": {
                        "type": "string",
                        "description": "The whole text. Give either this or `file`.",
                    },
                    "file": {
                        "type": "string",
                        "description": "Instead of `content`: the path of a file in the run directory that holds \
                            the text, relative to `paths.work`, or absolute.",
                    },
                }),
                &["type", "name"],
            ),
            Self::Ask => (
                json!({
                    "question": {
                        "type": "string",
                        "description": "The question in Markdown, with all that a person needs to answer it \
                            without having seen your work, and what you would do by default.",
                    },
                }),
                &["question"],
            ),
            Self::Progress => (
                json!({
                    "percent": {
                        "type": "number",
                        "minimum": 0,
                        "maximum": 100,
                        "description": "How much of the work is done, if you can tell.",
                    },
                    "text": {
                        "type": "string",
                        "description": "What you are doing, in one short line.",
                    },
                }),
                &["text"],
            ),
            Self::Finish => (
                json!({
                    "status": {
                        "type": "string",
                        "enum": Finish::ALL,
                        "description": "`complete` if the work is done, `failed` if it could not be done, `refused` if \
                            trying again is pointless, `deferred` if it is to be tried again later, `feedback` \
                            if it has to wait for people.",
                    },
                    "summary": {
                        "type": "string",
                        "description": "What you did, or why you could not, in Markdown, for people. With \
                            `feedback` and without an earlier `ask`, this is the question that they are asked.",
                    },
                }),
                &["status"],
            ),
        };
        let schema = json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        });
        match schema {
            Value::Object(schema) => schema,
            _ => JsonObject::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(tool: Tool, arguments: Value) -> Result<Call, String> {
        let Value::Object(arguments) = arguments else { panic!("{arguments}") };
        Call::parse(tool, arguments)
    }

    #[test]
    fn arguments_that_keep_to_the_schema_are_taken() {
        let key: ArtifactKey = "doc/a.md".parse().unwrap();
        let content = Source::Content("text".into());
        let named = json!({ "type": "doc", "name": "a.md", "content": "text" });
        let call = Call::Checkpoint { key: key.clone(), from: content.clone() };
        assert_eq!(parse(Tool::Checkpoint, named), Ok(call));
        // Some clients fill in everything that a schema names.
        let filled = json!({ "type": "doc", "name": "a.md", "content": "text", "file": "" });
        assert_eq!(
            parse(Tool::Checkpoint, filled),
            Ok(Call::Checkpoint { key: key.clone(), from: content })
        );
        let file = json!({ "type": "doc", "name": "a.md", "content": null, "file": "a.md" });
        let from = Source::File("a.md".into());
        assert_eq!(parse(Tool::Checkpoint, file), Ok(Call::Checkpoint { key, from }));

        for (given, line) in [
            (json!({ "percent": 40, "text": "reading" }), "40% reading"),
            (json!({ "percent": 99.9, "text": "reading" }), "99% reading"),
            (json!({ "percent": null, "text": "reading" }), "reading"),
            (json!({ "percent": 100 }), "100%"),
        ] {
            match parse(Tool::Progress, given) {
                Ok(Call::Progress(headway)) => assert_eq!(headway.to_string(), line),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn arguments_that_do_not_are_explained() {
        let said: Vec<String> = [
            (Tool::Inputs, json!({ "all": true })),
            (Tool::Checkpoint, json!({})),
            (Tool::Checkpoint, json!({ "type": "pdf", "name": "a.md", "content": "" })),
            (Tool::Checkpoint, json!({ "type": "doc", "name": "../a.md", "content": "" })),
            (Tool::Checkpoint, json!({ "type": "doc", "name": "a.md" })),
            (
                Tool::Checkpoint,
                json!({ "type": "doc", "name": "a.md", "content": "", "file": "x" }),
            ),
            (Tool::Checkpoint, json!({ "type": "schema", "name": "a.json", "content": {} })),
            (Tool::Ask, json!({ "question": ["What?"] })),
            (Tool::Progress, json!({ "percent": 101, "text": "" })),
            (Tool::Progress, json!({ "percent": -1 })),
            (Tool::Progress, json!({ "percent": "40" })),
            (Tool::Finish, json!({ "status": "done" })),
            (Tool::Finish, json!({ "summary": "Done." })),
        ]
        .into_iter()
        .map(|(tool, given)| parse(tool, given).unwrap_err())
        .collect();
        insta::assert_snapshot!(said.join("\n"), @r#"
        nothing was done: unknown field `all`, there are no fields. `inputs` takes no arguments.
        nothing was done: missing field `type`. `checkpoint` takes `type`, `name`, and either `content` or `file`, all of them strings.
        nothing was done: `pdf` is not an artifact type: use one of schema, prompt, doc. `checkpoint` takes `type`, `name`, and either `content` or `file`, all of them strings.
        nothing was done: `../a.md` cannot name an artifact: use 1 to 100 of A-Z, a-z, 0-9, `.`, `_` and `-`, starting with a letter or a digit. `checkpoint` takes `type`, `name`, and either `content` or `file`, all of them strings.
        nothing was done: neither `content` nor `file` is given. `checkpoint` takes `type`, `name`, and either `content` or `file`, all of them strings.
        nothing was done: both `content` and `file` are given. `checkpoint` takes `type`, `name`, and either `content` or `file`, all of them strings.
        nothing was done: invalid type: map, expected a string. `checkpoint` takes `type`, `name`, and either `content` or `file`, all of them strings.
        nothing was done: invalid type: sequence, expected a string. `ask` takes `question`, a string.
        nothing was done: a percentage is a whole number from 0 to 100. `progress` takes `text`, a string, and `percent`, a number.
        nothing was done: a percentage is a whole number from 0 to 100. `progress` takes `text`, a string, and `percent`, a number.
        nothing was done: invalid type: string "40", expected f64. `progress` takes `text`, a string, and `percent`, a number.
        nothing was done: `done` is not a way to end: use one of complete, failed, refused, deferred, feedback. `finish` takes `status` and `summary`, both of them strings.
        nothing was done: missing field `status`. `finish` takes `status` and `summary`, both of them strings.
        "#);
    }

    #[test]
    fn a_schema_says_what_it_means_without_what_some_models_refuse() {
        for &tool in Tool::ALL {
            let schema = Value::Object(tool.schema());
            let text = schema.to_string();
            for refused in ["anyOf", "oneOf", "allOf", "$ref"] {
                assert!(!text.contains(refused), "{tool}: {refused}");
            }
            for (name, property) in schema["properties"].as_object().unwrap() {
                assert!(property["description"].is_string(), "{tool}: {name}");
            }
            jsonschema::meta::validate(&schema).unwrap();
        }
    }
}
