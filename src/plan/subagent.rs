//! A sub-agent under `run`: an agent program by its profile, and how it goes
//! about its work.

use serde_json::{Value as Json, json};

use super::{
    fields::Reading,
    kind::{At, Kind, Plain, Whole},
    mapping::mapping,
    place::Place,
    suggest::listed,
    values::{expected, list, scalar},
    yaml::{Node, Value},
};
use crate::model::{Placeholder, Profile, ProfileName, Resume, Subagent, Usd};

mapping! {
    /// An agent program, by the profile of that name.
    pub(super) struct SubagentFields, "a sub-agent" {
        /// The model, as the program calls it.
        model: At<ShortText>,
        /// The most answers of the model in one conversation.
        max_turns: At<Whole<1, 100_000>>,
        /// The most US dollars for one conversation.
        budget_usd: At<Usd>,
        /// The tools that it may use without asking, as the program calls them.
        allow: At<Tools>,
        /// How it goes on after a run that did not finish: in a fresh conversation from its
        /// checkpoints, or in the same conversation where it can be had.
        #[default = "checkpoints"]
        resume: At<Resume>,
    }
}

/// Reads the settings of the program that `profile` is about; what it cannot
/// honour is reported. Nothing comes of a profile that is bad itself.
pub(super) fn read(
    name: &ProfileName,
    profile: Option<&Profile>,
    node: &Node,
    cx: &mut Reading<'_>,
) -> Option<Subagent> {
    let fields = match node.value {
        Value::Nothing => SubagentFields::default(),
        _ => SubagentFields::read(node, cx)?,
    };
    let profile = profile?;
    fields.are_honoured(name, profile, cx);
    Some(Subagent {
        name: name.clone(),
        profile: profile.clone(),
        model: fields.model.map(|model| model.value.0),
        max_turns: fields.max_turns.map(|turns| turns.value.unsigned()),
        budget: fields.budget_usd.map(|usd| usd.value),
        allow: fields.allow.map(|tools| tools.value.0).unwrap_or_default(),
        resume: fields.resume.map_or(Resume::Checkpoints, |resume| resume.value),
    })
}

/// The schema of the settings. Which of them a profile honours is beyond it.
pub(super) fn schema() -> Json {
    let mut schema = SubagentFields::schema();
    super::mapping::or_nothing(&mut schema);
    schema
}

impl SubagentFields {
    fn are_honoured(&self, name: &ProfileName, profile: &Profile, cx: &mut Reading<'_>) {
        fn place<T>(field: &Option<At<T>>) -> Option<&Place> {
            field.as_ref().map(|at| &at.place)
        }
        let settings = [
            (Placeholder::Model, place(&self.model)),
            (Placeholder::MaxTurns, place(&self.max_turns)),
            (Placeholder::BudgetUsd, place(&self.budget_usd)),
            (Placeholder::Allow, place(&self.allow)),
        ];
        let honoured: Vec<&str> = settings
            .iter()
            .filter(|(setting, _)| profile.honours(*setting))
            .map(|(setting, _)| setting.as_str())
            .collect();
        for (setting, place) in settings {
            if let Some(place) = place.filter(|_| !profile.honours(setting)) {
                let hint = match honoured.as_slice() {
                    [] => format!(
                        "its profile names no setting; in one of your own, it names `{{{setting}}}`"
                    ),
                    some => format!("it honours {}", listed(some)),
                };
                cx.findings
                    .error(place.clone(), format!("`{name}` cannot honour `{setting}`"))
                    .hint(hint);
            }
        }
        if let Some(resume) = &self.resume
            && resume.value == Resume::Session
            && !profile.carries_sessions()
        {
            cx.findings
                .error(
                    resume.place.clone(),
                    format!("`{name}` cannot go on with a conversation of another run"),
                )
                .hint("leave `resume` out: it goes on from its checkpoints");
        }
    }
}

/// A text of one line that is not empty.
#[derive(Clone, Debug)]
pub(super) struct ShortText(String);

impl Kind for ShortText {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        let text = scalar(node, "a name", cx)?;
        if text.trim().is_empty() || text.starts_with('-') || text.chars().any(char::is_control) {
            cx.error(node.span, "this is one line that does not start with a hyphen");
            return None;
        }
        Some(Self(text.to_owned()))
    }

    fn schema() -> Json {
        let mut schema = Plain::schema();
        schema["pattern"] =
            r"^[^-\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$".into();
        schema
    }
}

/// Names of tools, in the order in which they are given.
#[derive(Clone, Debug)]
pub(super) struct Tools(Vec<String>);

impl Kind for Tools {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        if let Value::Map(_) | Value::Nothing = node.value {
            expected(node, "a list of tools", cx);
            return None;
        }
        let tools = list(node, "a list of tools", cx).iter();
        Some(Self(tools.filter_map(|tool| ShortText::read(tool, cx)).map(|tool| tool.0).collect()))
    }

    fn schema() -> Json {
        json!({
            "type": "array",
            "items": ShortText::schema(),
            "examples": [["Read", "Edit", "Bash(cargo test:*)"]],
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::testing::problems;

    #[test]
    fn a_setting_that_the_program_cannot_honour_is_a_problem() {
        insta::assert_snapshot!(problems(r#"
--- waves/w.yaml
wave: w
agents:
  a: { run: { claude: { model: sonnet, max_turns: 60, budget_usd: 4, allow: [Read, "Bash(cargo test:*)"], resume: session } } }
  b: { run: { codex: { model: gpt-5, max_turns: 60, allow: [Read], resume: session } } }
  c: { run: { gemini: { budget_usd: 0.5, resume: session } } }
  d: { run: { opencode: } }
  e: { run: { cluade: { model: sonnet } } }
  f: { run: { claude: { modle: sonnet, max_turns: 0, budget_usd: 0, allow: Read, resume: never } } }
  g: { run: { mine: { model: m, resume: session } } }
  h: { run: { theirs: { model: m, max_turns: 3 } } }
  i: { run: { broken: { model: m, max_turns: x } } }
  j: { run: { subagent: { } } }
  k: { run: { claude: { budget_usd: free, model: --yolo } } }
  l: { run: { opencode: { budget_usd: 2, max_turns: 3 } } }
--- waves/profiles/mine.yaml
start: [mine, "{prompt}"]
--- waves/profiles/theirs.yaml
start: [theirs, "{prompt}", "--model={model}"]
--- waves/profiles/broken.yaml
start: [broken, "{prompt}"
"#), @"
        waves/profiles/broken.yaml:1:8: error: not YAML: unclosed bracket '['
        waves/w.yaml:4:49: error: `codex` cannot honour `max_turns` (it honours `model`)
        waves/w.yaml:4:60: error: `codex` cannot honour `allow` (it honours `model`)
        waves/w.yaml:5:37: error: `gemini` cannot honour `budget_usd` (it honours `model`)
        waves/w.yaml:7:15: error: `cluade` is not a runner (did you mean `claude`?)
        waves/w.yaml:8:25: error: `modle` is not a field of a sub-agent (did you mean `model`?)
        waves/w.yaml:8:51: error: 0 is out of range (use 1 to 100000)
        waves/w.yaml:8:66: error: a budget of 0 lets nothing start (leave it out for no limit, or write one such as 4 or 0.25)
        waves/w.yaml:8:76: error: expected a list of tools, found `Read` (write a list: [Read])
        waves/w.yaml:8:90: error: `never` is not a way to resume: use one of checkpoints, session
        waves/w.yaml:9:30: error: `mine` cannot honour `model` (its profile names no setting; in one of your own, it names `{model}`)
        waves/w.yaml:9:41: error: `mine` cannot go on with a conversation of another run (leave `resume` out: it goes on from its checkpoints)
        waves/w.yaml:10:46: error: `theirs` cannot honour `max_turns` (it honours `model`)
        waves/w.yaml:11:46: error: expected a whole number from 1 to 100000, found `x`
        waves/w.yaml:12:15: error: `subagent` is not a runner (there is `exec`, `n8n`, `webhook`, `manual`, `broken`, `claude`, `codex`, `gemini`, `mine`, `opencode` and `theirs`)
        waves/w.yaml:13:37: error: expected an amount in US dollars, such as 4 or 0.25, found `free`
        waves/w.yaml:13:50: error: this is one line that does not start with a hyphen
        waves/w.yaml:14:53: error: `opencode` cannot honour `max_turns` (it honours `model` and `budget_usd`)
        ");
    }
}
