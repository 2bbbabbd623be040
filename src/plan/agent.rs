//! One agent of a wave file, read field by field.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{
    fields::{Fields, Reading},
    files::beside,
    kind::{Kind, Named, Plain, Set},
    mapping::mapping,
    place::{Place, Span},
    policy::Policy,
    runner::Run,
    values::{checked, text},
    yaml::Node,
};
use crate::model::{AgentName, ArtifactKey, EnvName, Need, WaveName};

mapping! {
    /// An agent: a piece of work, and what does it.
    pub(super) struct AgentFields, "an agent" {
        /// What people call it: one line.
        title: Title,
        /// The agents that must be complete before it starts, or `wave:` and a wave's name for all
        /// agents of that wave.
        #[default = []]
        needs: Set<Need>,
        /// What does the work: exactly one runner.
        #[needed = "run: { exec: [agents/program.sh] }"]
        run: Run,
        /// The task: a path to a file, seen from the folder of this one, or the text itself.
        prompt: DraftPrompt,
        /// Environment variables with their values. Nothing secret: a plan is committed.
        #[default = {}]
        env: Named<EnvName, Plain>,
        /// The names of environment variables whose values come from the environment of
        /// `wavemark`, and are never written down.
        #[default = []]
        secrets: Set<EnvName>,
        /// What must be stored before the agent is complete.
        #[default = []]
        produces: Produces,
        ..policy: Policy,
    }
}

/// An agent as far as it could be read; names and files are not looked up yet.
#[derive(Clone, Debug)]
pub(super) struct DraftAgent {
    pub(super) name: AgentName,
    pub(super) place: Place,
    pub(super) fields: AgentFields,
}

impl DraftAgent {
    /// The agent called `key`. If the rest is bad, its name is known all the
    /// same, so that needs of it are good.
    pub(super) fn read(
        (key, span, node): (&str, Span, &Node),
        cx: &mut Reading<'_>,
    ) -> Option<Self> {
        let name: Option<AgentName> = checked(key, span, cx);
        let what = format!("agent `{key}`");
        let fields = Fields::open(node, &what, &AgentFields::known(), cx);
        let fields = fields.map(|fields| AgentFields::of(&fields, cx)).unwrap_or_default();
        fields.secrets_are_not_in_env(cx);
        let mut agent = Self { name: name?, place: cx.place(span), fields };
        let own = Need::Agent(agent.name.clone());
        agent.leave_out(&own, "itself", cx);
        Some(agent)
    }

    /// Reports that it needs the whole of the wave it is in.
    pub(super) fn leave_own_wave_out(&mut self, wave: &WaveName, cx: &mut Reading<'_>) {
        let what = format!("all of `{wave}`, the wave it is in itself");
        self.leave_out(&Need::Wave(wave.clone()), &what, cx);
    }

    fn leave_out(&mut self, need: &Need, what: &str, cx: &mut Reading<'_>) {
        let needs = self.fields.needs.as_mut();
        if let Some(place) = needs.and_then(|needs| needs.remove(need)) {
            cx.findings
                .error(place, format!("`{}` needs {what}", self.name))
                .hint("name what must be complete before it starts");
        }
    }
}

impl AgentFields {
    fn secrets_are_not_in_env(&self, cx: &mut Reading<'_>) {
        let (Some(secrets), Some(env)) = (&self.secrets, &self.env) else {
            return;
        };
        for (secret, place) in secrets.iter().filter(|(secret, _)| env.0.contains_key(secret)) {
            cx.findings
                .error(place.clone(), format!("`{secret}` is both in `env` and in `secrets`"))
                .hint("keep the one in `secrets`: its value comes from the environment");
        }
    }
}

/// A title: one line that a terminal can show.
#[derive(Clone, Debug)]
pub(super) struct Title(pub(super) String);

impl Title {
    /// The most characters.
    const LONGEST: usize = 200;
}

impl Kind for Title {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        let title = text(node, "a title", cx)?;
        let long = title.chars().count() > Self::LONGEST;
        if title.chars().any(char::is_control) || title.trim().is_empty() || long {
            let rule = "a title is one line of 1 to 200 characters, without control characters";
            cx.error(node.span, rule);
            return None;
        }
        Some(Self(title.to_owned()))
    }

    fn schema() -> Json {
        json!({
            "type": "string",
            "maxLength": Self::LONGEST,
            "pattern": r"^[^\u0000-\u001f\u007f-\u009f]+$",
        })
    }
}

/// A prompt before its file is read.
#[derive(Clone, Debug)]
pub(super) enum DraftPrompt {
    /// The text itself.
    Inline(String),
    /// In the file at `path`, seen from the repo's root.
    File { path: String, place: Place },
}

impl Kind for DraftPrompt {
    /// It is a path when it is a single line that ends in `.md` or `.txt`, or a
    /// single word with a slash.
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        let text = text(node, "a prompt: a path, or the text itself", cx)?;
        let path = !text.contains('\n')
            && (text.ends_with(".md")
                || text.ends_with(".txt")
                || text.contains('/') && !text.contains(char::is_whitespace));
        if path {
            match beside(cx.file, text) {
                Ok(path) => Some(Self::File { path, place: cx.place(node.span) }),
                Err(bad) => {
                    cx.error(node.span, bad.describe(text))
                        .hint("give a path that starts at the folder of this file");
                    None
                }
            }
        } else if text.trim().is_empty() {
            cx.error(node.span, "the prompt is empty").hint("leave `prompt` out, or write one");
            None
        } else {
            Some(Self::Inline(text.to_owned()))
        }
    }

    fn schema() -> Json {
        json!({ "type": "string", "minLength": 1, "examples": ["prompts/my-agent.md"] })
    }
}

/// The artifacts that an agent must store: files that every machine can keep
/// side by side.
#[derive(Clone, Debug, Default)]
pub(super) struct Produces(pub(super) Set<ArtifactKey>);

impl Kind for Produces {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        let keys = Set::<ArtifactKey>::read(node, cx)?;
        let mut folded: BTreeMap<String, &ArtifactKey> = BTreeMap::new();
        for (key, place) in &keys {
            if let Some(other) = folded.insert(key.to_string().to_ascii_lowercase(), key) {
                cx.findings
                    .error(place.clone(), format!("`{key}` and `{other}` differ only in case"))
                    .hint("some machines would take them for the same file: rename one");
            }
            if is_unusual(key.name.as_str()) {
                cx.findings
                    .error(place.clone(), format!("Windows can have no file called `{}`", key.name))
                    .hint("artifacts are committed to git, and people check that out: rename it");
            }
        }
        Some(Self(keys))
    }

    fn schema() -> Json {
        let mut schema = Set::<ArtifactKey>::schema();
        schema["items"]["description"] =
            "An artifact: `schema`, `prompt` or `doc`, a slash, and a file name.".into();
        schema
    }
}

/// Whether Windows keeps this name for a device, or would cut its end off.
fn is_unusual(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = |device| {
        let number = stem.strip_prefix(device);
        number.is_some_and(|number| matches!(number.as_bytes(), [b'1'..=b'9']))
    };
    let device = matches!(stem.as_str(), "con" | "prn" | "aux" | "nul");
    device || numbered("com") || numbered("lpt") || name.ends_with('.')
}

#[cfg(test)]
mod tests {
    use crate::plan::testing::{agent, problems};

    #[test]
    fn unknown_fields_are_told_with_the_nearest() {
        insta::assert_snapshot!(agent(r#"
run: { manual: {} }
retires: 3
colour: blue
"#), @"
        waves/w.yaml:5:5: error: `retires` is not a field of agent `a` (did you mean `retries`?)
        waves/w.yaml:6:5: error: `colour` is not a field of agent `a` (agent `a` may have `title`, `needs`, `run`, `prompt`, `env`, `secrets`, `produces`, `timeout`, `retries`, `pool`, `priority`, `review`, `on_stale` and `budget_usd`)
        ");
    }

    #[test]
    fn an_agent_needs_a_runner() {
        insta::assert_snapshot!(agent(r#"
title: A
"#), @"waves/w.yaml:4:5: error: agent `a` needs `run` (write `run: { exec: [agents/program.sh] }`)");
    }

    #[test]
    fn needs_are_a_list_of_names() {
        insta::assert_snapshot!(problems(r#"
--- waves/w.yaml
wave: w
agents:
  a: { run: { manual: }, needs: b }
  b: { run: { manual: }, needs: 3 }
  c: { run: { manual: }, needs: [A B, 4, [a], a, a] }
"#), @"
        waves/w.yaml:3:33: error: expected a list of agent names, found `b` (write a list: [b])
        waves/w.yaml:4:33: error: expected a list of agent names, found the number `3`
        waves/w.yaml:5:34: error: `A B` cannot name an agent: use 1 to 63 of a-z, 0-9 and `-`, starting with a letter (did you mean `a-b`?)
        waves/w.yaml:5:39: error: expected the name of an agent, found the number `4`
        waves/w.yaml:5:42: error: expected the name of an agent, found a list
        waves/w.yaml:5:50: error: this is in the list twice (first here: waves/w.yaml:5:47)
        ");
    }

    #[test]
    fn nothing_needs_itself_or_its_own_wave() {
        insta::assert_snapshot!(agent(r#"
run: { manual: {} }
needs: [a, "wave:w"]
"#), @"
        waves/w.yaml:5:13: error: `a` needs itself (name what must be complete before it starts)
        waves/w.yaml:5:16: error: `a` needs all of `w`, the wave it is in itself (name what must be complete before it starts)
        ");
    }

    #[test]
    fn a_prompt_stays_in_the_repo_and_is_not_empty() {
        insta::assert_snapshot!(problems(r#"
--- waves/w.yaml
wave: w
agents:
  a: { run: { manual: }, prompt: ../../secret.md }
  b: { run: { manual: }, prompt: /etc/motd }
  c: { run: { manual: }, prompt: "" }
  d: { run: { manual: }, prompt: prompts/none.md }
  e: { run: { manual: }, prompt: prompts/empty.md }
  f: { run: { manual: }, prompt: [a.md] }
  g: { run: { manual: }, prompt: prompts/ }
--- waves/prompts/empty.md
 
"#), @"
        waves/w.yaml:3:34: error: `../../secret.md` leads out of the repo (give a path that starts at the folder of this file)
        waves/w.yaml:4:34: error: `/etc/motd` is absolute: other machines have other folders (give a path that starts at the folder of this file)
        waves/w.yaml:5:34: error: the prompt is empty (leave `prompt` out, or write one)
        waves/w.yaml:6:34: error: the prompt waves/prompts/none.md does not exist (a path starts at the folder of this file; to write a text here, use `prompt: |`)
        waves/w.yaml:7:34: error: the prompt waves/prompts/empty.md is empty (leave `prompt` out, or write one)
        waves/w.yaml:8:34: error: expected a prompt: a path, or the text itself, found a list
        waves/w.yaml:9:34: error: `prompts/` names a folder (give a path that starts at the folder of this file)
        ");
    }

    #[test]
    fn variables_have_plain_names_and_plain_values() {
        insta::assert_snapshot!(agent(r#"
run: { manual: }
env: { A-B: 1, WAVEMARK_RUN: x, C: [1], D: , B: good }
secrets: [B, GITHUB_TOKEN, 1]
"#), @"
        waves/w.yaml:5:12: error: `A-B` cannot name an environment variable: use A-Z, a-z, 0-9 and `_`, not starting with a digit
        waves/w.yaml:5:20: error: `WAVEMARK_RUN` is Wavemark's own: agents may not set it
        waves/w.yaml:5:40: error: expected text, a number or yes or no, found a list
        waves/w.yaml:5:46: error: expected text, a number or yes or no, found nothing
        waves/w.yaml:6:15: error: `B` is both in `env` and in `secrets` (keep the one in `secrets`: its value comes from the environment)
        waves/w.yaml:6:18: error: `GITHUB_TOKEN` is Wavemark's own: agents may not set it
        waves/w.yaml:6:32: error: expected the name of an environment variable, found the number `1`
        ");
    }

    #[test]
    fn artifacts_cannot_escape_or_clash() {
        insta::assert_snapshot!(agent(r#"
run: { manual: }
produces: [doc/a.md, doc/A.md, ../x, doc/.git, image/a, doc/a/b, "doc/a\\b", "doc/a\nb", doc/x, doc/x, doc/CON.md, doc/lpt1, schema/aux, doc/com, doc/a.]
"#), @r"
        waves/w.yaml:5:16: error: `doc/a.md` and `doc/A.md` differ only in case (some machines would take them for the same file: rename one)
        waves/w.yaml:5:36: error: `..` is not an artifact type: use schema, prompt or doc
        waves/w.yaml:5:42: error: `.git` cannot name an artifact: use 1 to 100 of A-Z, a-z, 0-9, `.`, `_` and `-`, starting with a letter or a digit
        waves/w.yaml:5:52: error: `image` is not an artifact type: use schema, prompt or doc
        waves/w.yaml:5:61: error: `doc/a/b` is not an artifact: write `<type>/<name>`, such as `doc/summary.md`
        waves/w.yaml:5:70: error: `a\b` cannot name an artifact: use 1 to 100 of A-Z, a-z, 0-9, `.`, `_` and `-`, starting with a letter or a digit
        waves/w.yaml:5:82: error: `a\nb` cannot name an artifact: use 1 to 100 of A-Z, a-z, 0-9, `.`, `_` and `-`, starting with a letter or a digit
        waves/w.yaml:5:101: error: this is in the list twice (first here: waves/w.yaml:5:94)
        waves/w.yaml:5:108: error: Windows can have no file called `CON.md` (artifacts are committed to git, and people check that out: rename it)
        waves/w.yaml:5:120: error: Windows can have no file called `lpt1` (artifacts are committed to git, and people check that out: rename it)
        waves/w.yaml:5:130: error: Windows can have no file called `aux` (artifacts are committed to git, and people check that out: rename it)
        waves/w.yaml:5:151: error: Windows can have no file called `a.` (artifacts are committed to git, and people check that out: rename it)
        ");
    }

    #[test]
    fn policies_are_words_and_numbers_with_units() {
        insta::assert_snapshot!(agent(r#"
run: { manual: }
review: requierd
on_stale: true
priority: high
retries: -1
timeout: 30
pool: GPU
"#), @"
        waves/w.yaml:5:13: error: `requierd` is not a review: use one of none, required, parallel (did you mean `required`?)
        waves/w.yaml:6:15: error: expected one of `keep` and `rebuild`, found `true`, which YAML reads as yes or no
        waves/w.yaml:7:15: error: expected a whole number from -1000000 to 1000000, found `high`
        waves/w.yaml:8:14: error: -1 is out of range (use 0 to 100)
        waves/w.yaml:9:14: error: expected a duration with its unit, found the number `30` (write `30s` for seconds, `30m` for minutes)
        waves/w.yaml:10:11: error: `GPU` cannot name a pool: use 1 to 63 of a-z, 0-9 and `-`, starting with a letter (did you mean `gpu`?)
        ");
    }

    #[test]
    fn a_title_is_one_line() {
        insta::assert_snapshot!(agent(r#"
run: { manual: }
title: "a\nb"
"#), @"waves/w.yaml:5:12: error: a title is one line of 1 to 200 characters, without control characters");
    }
}
