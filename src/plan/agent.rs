//! One agent of a wave file, read field by field.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    fields::{Fields, Reading, entries},
    files::beside,
    place::{Place, Span},
    policy::{self, Policy},
    runner::runner,
    values::{checked, list, parsed, scalar, text},
    yaml::Node,
};
use crate::model::{AgentName, ArtifactKey, EnvName, Need, Runner, WaveName};

const FIELDS: [&str; 7] = ["title", "needs", "run", "prompt", "env", "secrets", "produces"];

/// What one item of a list is, and the whole list.
const AGENTS: (&str, &str) = ("the name of an agent", "a list of agent names");
const VARIABLES: (&str, &str) =
    ("the name of an environment variable", "a list of names of environment variables");
const ARTIFACTS: (&str, &str) =
    ("an artifact, such as `doc/summary.md`", "a list of artifacts, such as `doc/summary.md`");

/// An agent as far as it could be read; names and files are not looked up yet.
pub(super) struct DraftAgent {
    pub(super) name: AgentName,
    pub(super) place: Place,
    pub(super) title: Option<String>,
    pub(super) needs: BTreeMap<Need, Place>,
    pub(super) run: Option<Runner>,
    pub(super) program: Option<Place>,
    pub(super) prompt: Option<DraftPrompt>,
    pub(super) env: BTreeMap<EnvName, String>,
    pub(super) secrets: BTreeSet<EnvName>,
    pub(super) produces: BTreeSet<ArtifactKey>,
    pub(super) policy: Policy,
    pub(super) pool: Option<Place>,
}

/// A prompt before its file is read.
pub(super) enum DraftPrompt {
    /// The text itself.
    Inline(String),
    /// In the file at `path`, seen from the repo's root.
    File { path: String, place: Place },
}

impl DraftAgent {
    /// The agent called `key` in `wave`.
    pub(super) fn read(
        (key, span, node): (&str, Span, &Node),
        wave: Option<&WaveName>,
        cx: &mut Reading<'_>,
    ) -> Option<Self> {
        let name: Option<AgentName> = checked(key, span, cx);
        let what = format!("agent `{key}`");
        let known = [&FIELDS[..], &policy::FIELDS].concat();
        let fields = Fields::open(node, &what, &known, cx);
        let Some(fields) = fields else {
            // Its name is known all the same, so that needs of it are good.
            return name.map(|name| Self::empty(name, cx.place(span)));
        };

        let run = fields
            .require("run", "run: { exec: [agents/program.sh] }", cx)
            .and_then(|node| runner(node, cx));
        let (run, program) = run.map_or((None, None), |(run, program)| (Some(run), program));
        let (policy, pool) = Policy::read(&fields, cx);
        let env = fields.get("env").map(|node| env(node, cx)).unwrap_or_default();
        let secrets = set(&fields, "secrets", VARIABLES, cx);
        for (secret, span) in &secrets {
            if env.contains_key(secret) {
                cx.error(*span, format!("`{secret}` is both in `env` and in `secrets`"))
                    .hint("keep the one in `secrets`: its value comes from the environment");
            }
        }
        let draft = Self {
            title: fields.get("title").and_then(|node| title(node, cx)),
            needs: needs(&fields, key, wave, cx),
            run,
            program: program.map(|span| cx.place(span)),
            prompt: fields.get("prompt").and_then(|node| prompt(node, cx)),
            env,
            secrets: secrets.into_keys().collect(),
            produces: produces(&fields, cx),
            policy,
            pool: pool.map(|span| cx.place(span)),
            name: name?,
            place: cx.place(span),
        };
        Some(draft)
    }

    fn empty(name: AgentName, place: Place) -> Self {
        Self {
            name,
            place,
            title: None,
            needs: BTreeMap::new(),
            run: None,
            program: None,
            prompt: None,
            env: BTreeMap::new(),
            secrets: BTreeSet::new(),
            produces: BTreeSet::new(),
            policy: Policy::default(),
            pool: None,
        }
    }
}

/// A title: one line that a terminal can show.
pub(super) fn title(node: &Node, cx: &mut Reading<'_>) -> Option<String> {
    let title = text(node, "a title", cx)?;
    if title.chars().any(char::is_control) || title.trim().is_empty() || title.chars().count() > 200
    {
        cx.error(
            node.span,
            "a title is one line of 1 to 200 characters, without control characters",
        );
        return None;
    }
    Some(title.to_owned())
}

/// A list without repetitions.
fn set<T: std::str::FromStr<Err: std::fmt::Display> + Ord + Clone>(
    fields: &Fields<'_>,
    key: &str,
    (item_wanted, wanted): (&str, &str),
    cx: &mut Reading<'_>,
) -> BTreeMap<T, Span> {
    let mut set: BTreeMap<T, Span> = BTreeMap::new();
    let Some(node) = fields.get(key) else {
        return set;
    };
    for item in list(node, wanted, cx) {
        let Some(value) = parsed::<T>(item, item_wanted, cx) else {
            continue;
        };
        if let Some(&first) = set.get(&value) {
            let first = cx.place(first);
            cx.error(item.span, "this is in the list twice").also(first, "first here");
        } else {
            set.insert(value, item.span);
        }
    }
    set
}

fn needs(
    fields: &Fields<'_>,
    agent: &str,
    wave: Option<&WaveName>,
    cx: &mut Reading<'_>,
) -> BTreeMap<Need, Place> {
    let mut needs = set::<Need>(fields, "needs", AGENTS, cx);
    needs.retain(|need, span| {
        let what = match need {
            Need::Agent(name) if name.as_str() == agent => format!("`{agent}` needs itself"),
            Need::Wave(name) if Some(name) == wave => {
                format!("`{agent}` needs all of `{name}`, the wave it is in itself")
            }
            _ => return true,
        };
        cx.error(*span, what).hint("name what must be complete before it starts");
        false
    });
    needs.into_iter().map(|(need, span)| (need, cx.place(span))).collect()
}

/// A path to a file, or the text itself. It is a path when it is a single line
/// that ends in `.md` or `.txt`, or a single word with a slash.
fn prompt(node: &Node, cx: &mut Reading<'_>) -> Option<DraftPrompt> {
    let text = text(node, "a prompt: a path, or the text itself", cx)?;
    let path = !text.contains('\n')
        && (text.ends_with(".md")
            || text.ends_with(".txt")
            || text.contains('/') && !text.contains(char::is_whitespace));
    if path {
        match beside(cx.file, text) {
            Ok(path) => Some(DraftPrompt::File { path, place: cx.place(node.span) }),
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
        Some(DraftPrompt::Inline(text.to_owned()))
    }
}

fn env(node: &Node, cx: &mut Reading<'_>) -> BTreeMap<EnvName, String> {
    let mut env = BTreeMap::new();
    for (key, span, value) in entries(node, "`env`", cx).unwrap_or_default() {
        let name = checked::<EnvName>(key, span, cx);
        let value = scalar(value, "text, a number or yes or no", cx);
        if let (Some(name), Some(value)) = (name, value) {
            env.insert(name, value.to_owned());
        }
    }
    env
}

fn produces(fields: &Fields<'_>, cx: &mut Reading<'_>) -> BTreeSet<ArtifactKey> {
    let keys = set::<ArtifactKey>(fields, "produces", ARTIFACTS, cx);
    let mut folded: BTreeMap<String, &ArtifactKey> = BTreeMap::new();
    for (key, span) in &keys {
        if let Some(other) = folded.insert(key.to_string().to_ascii_lowercase(), key) {
            cx.error(*span, format!("`{key}` and `{other}` differ only in case"))
                .hint("some machines would take them for the same file: rename one");
        }
    }
    keys.into_keys().collect()
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
        waves/w.yaml:6:5: error: `colour` is not a field of agent `a` (agent `a` may have `title`, `needs`, `run`, `prompt`, `env`, `secrets`, `produces`, `timeout`, `retries`, `pool`, `priority`, `review` and `on_stale`)
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
produces: [doc/a.md, doc/A.md, ../x, doc/.git, image/a, doc/a/b, "doc/a\\b", "doc/a\nb", doc/x, doc/x]
"#), @r#"
        waves/w.yaml:5:16: error: `doc/a.md` and `doc/A.md` differ only in case (some machines would take them for the same file: rename one)
        waves/w.yaml:5:36: error: `..` is not an artifact type: use schema, prompt or doc
        waves/w.yaml:5:42: error: `.git` cannot name an artifact: use 1 to 100 of A-Z, a-z, 0-9, `.`, `_` and `-`, starting with a letter or a digit
        waves/w.yaml:5:52: error: `image` is not an artifact type: use schema, prompt or doc
        waves/w.yaml:5:61: error: `doc/a/b` is not an artifact: write `<type>/<name>`, such as `doc/summary.md`
        waves/w.yaml:5:70: error: `a\b` cannot name an artifact: use 1 to 100 of A-Z, a-z, 0-9, `.`, `_` and `-`, starting with a letter or a digit
        waves/w.yaml:5:82: error: `a\nb` cannot name an artifact: use 1 to 100 of A-Z, a-z, 0-9, `.`, `_` and `-`, starting with a letter or a digit
        waves/w.yaml:5:101: error: this is in the list twice (first here: waves/w.yaml:5:94)
        "#);
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
        waves/w.yaml:7:15: error: expected a whole number, found `high`
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
