//! One agent of a wave file, read field by field.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    fields::{Fields, Reading, checked, entries, expected, list, parsed, scalar, text},
    files::beside,
    place::{Place, Span},
    policy::{self, Policy},
    suggest::listed,
    yaml::{Node, Value},
};
use crate::model::{AgentName, ArtifactKey, EnvName, Need, Runner, RunnerKind, WaveName};

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

/// The runner, and where its program stands if it is a path.
fn runner(node: &Node, cx: &mut Reading<'_>) -> Option<(Runner, Option<Span>)> {
    let kinds: Vec<&str> = RunnerKind::ALL.iter().map(|kind| kind.as_str()).collect();
    if !matches!(node.value, Value::Map(_)) {
        let problem = expected(node, "a runner with its settings", cx);
        problem.hint("write `run: { exec: [program, argument] }` or `run: { manual: {} }`");
        return None;
    }
    let entries = entries(node, "a runner", cx)?;
    let [(key, span, settings)] = entries.as_slice() else {
        cx.error(node.span, format!("`run` takes exactly one runner, found {}", entries.len()))
            .hint(format!("use one of {}", listed(&kinds)));
        return None;
    };
    let Ok(kind) = key.parse() else {
        let hint = cx.suggester.hint(key, kinds);
        let problem = cx.error(*span, format!("`{key}` is not a runner"));
        hint.map(|hint| problem.hint(hint));
        return None;
    };
    match kind {
        RunnerKind::Exec => exec(settings, cx),
        RunnerKind::Manual if matches!(settings.value, Value::Nothing) => {
            Some((Runner::Manual {}, None))
        }
        RunnerKind::Manual => {
            Fields::open(settings, "`manual`", &[], cx).map(|_| (Runner::Manual {}, None))
        }
    }
}

fn exec(node: &Node, cx: &mut Reading<'_>) -> Option<(Runner, Option<Span>)> {
    if let Value::Text(command) = &node.value {
        let words: Vec<&str> = command.split_whitespace().collect();
        expected(node, "a list: the program, then its arguments", cx)
            .hint(format!("no shell is involved; write `exec: [{}]`", words.join(", ")));
        return None;
    }
    let Value::List(items) = &node.value else {
        expected(node, "a list: the program, then its arguments", cx);
        return None;
    };
    let words: Vec<String> =
        items.iter().filter_map(|item| scalar(item, "text", cx)).map(str::to_owned).collect();
    let Some(program) = words.first().filter(|program| !program.trim().is_empty()) else {
        cx.error(node.span, "`exec` names no program")
            .hint("write the program first: `exec: [agents/program.sh, --quick]`");
        return None;
    };
    let at = program.contains('/').then(|| items[0].span);
    (words.len() == items.len()).then_some((Runner::Exec(words), at))
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
        error: `retires` is not a field of agent `a`
         --> waves/w.yaml:5:5
          |
        5 |     retires: 3
          |     ^^^^^^^
          |
          = hint: did you mean `retries`?

        error: `colour` is not a field of agent `a`
         --> waves/w.yaml:6:5
          |
        6 |     colour: blue
          |     ^^^^^^
          |
          = hint: agent `a` may have `title`, `needs`, `run`, `prompt`, `env`, `secrets`, `produces`, `timeout`, `retries`, `pool`, `priority`, `review` and `on_stale`

        2 errors
        ");
    }

    #[test]
    fn an_agent_needs_a_runner() {
        insta::assert_snapshot!(agent(r#"
title: A
"#), @"
        error: agent `a` needs `run`
         --> waves/w.yaml:4:5
          |
        4 |     title: A
          |     ^
          |
          = hint: write `run: { exec: [agents/program.sh] }`

        1 error
        ");
    }

    #[test]
    fn there_is_exactly_one_runner() {
        insta::assert_snapshot!(problems(r#"
--- waves/w.yaml
wave: w
agents:
  a: { run: { exec: ["true"], manual: {} } }
  b: { run: {} }
  c: { run: { exce: ["true"] } }
  d: { run: manual }
  e: { run: { manual: { who: me } } }
"#), @r#"
        error: `run` takes exactly one runner, found 2
         --> waves/w.yaml:3:13
          |
        3 |   a: { run: { exec: ["true"], manual: {} } }
          |             ^
          |
          = hint: use one of `exec` and `manual`

        error: `run` takes exactly one runner, found 0
         --> waves/w.yaml:4:13
          |
        4 |   b: { run: {} }
          |             ^
          |
          = hint: use one of `exec` and `manual`

        error: `exce` is not a runner
         --> waves/w.yaml:5:15
          |
        5 |   c: { run: { exce: ["true"] } }
          |               ^^^^
          |
          = hint: did you mean `exec`?

        error: expected a runner with its settings, found `manual`
         --> waves/w.yaml:6:13
          |
        6 |   d: { run: manual }
          |             ^^^^^^
          |
          = hint: write `run: { exec: [program, argument] }` or `run: { manual: {} }`

        error: `who` is not a field of `manual`
         --> waves/w.yaml:7:25
          |
        7 |   e: { run: { manual: { who: me } } }
          |                         ^^^
          |
          = hint: `manual` has no fields

        5 errors
        "#);
    }

    #[test]
    fn a_command_is_a_list() {
        insta::assert_snapshot!(problems(r#"
--- waves/w.yaml
wave: w
agents:
  a: { run: { exec: agents/a.sh --quick } }
  b: { run: { exec: [] } }
  c: { run: { exec: [" "] } }
  d: { run: { exec: [echo, [a]] } }
  e: { run: { exec: 5 } }
"#), @r#"
        error: expected a list: the program, then its arguments, found `agents/a.sh --quick`
         --> waves/w.yaml:3:21
          |
        3 |   a: { run: { exec: agents/a.sh --quick } }
          |                     ^^^^^^^^^^^^^^^^^^^
          |
          = hint: no shell is involved; write `exec: [agents/a.sh, --quick]`

        error: `exec` names no program
         --> waves/w.yaml:4:21
          |
        4 |   b: { run: { exec: [] } }
          |                     ^
          |
          = hint: write the program first: `exec: [agents/program.sh, --quick]`

        error: `exec` names no program
         --> waves/w.yaml:5:21
          |
        5 |   c: { run: { exec: [" "] } }
          |                     ^
          |
          = hint: write the program first: `exec: [agents/program.sh, --quick]`

        error: expected text, found a list
         --> waves/w.yaml:6:28
          |
        6 |   d: { run: { exec: [echo, [a]] } }
          |                            ^

        error: expected a list: the program, then its arguments, found the number `5`
         --> waves/w.yaml:7:21
          |
        7 |   e: { run: { exec: 5 } }
          |                     ^

        5 errors
        "#);
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
        error: expected a list of agent names, found `b`
         --> waves/w.yaml:3:33
          |
        3 |   a: { run: { manual: }, needs: b }
          |                                 ^
          |
          = hint: write a list: [b]

        error: expected a list of agent names, found the number `3`
         --> waves/w.yaml:4:33
          |
        4 |   b: { run: { manual: }, needs: 3 }
          |                                 ^

        error: `A B` cannot name an agent: use 1 to 63 of a-z, 0-9 and `-`, starting with a letter
         --> waves/w.yaml:5:34
          |
        5 |   c: { run: { manual: }, needs: [A B, 4, [a], a, a] }
          |                                  ^^^
          |
          = hint: did you mean `a-b`?

        error: expected the name of an agent, found the number `4`
         --> waves/w.yaml:5:39
          |
        5 |   c: { run: { manual: }, needs: [A B, 4, [a], a, a] }
          |                                       ^

        error: expected the name of an agent, found a list
         --> waves/w.yaml:5:42
          |
        5 |   c: { run: { manual: }, needs: [A B, 4, [a], a, a] }
          |                                          ^

        error: this is in the list twice
         --> waves/w.yaml:5:50
          |
        5 |   c: { run: { manual: }, needs: [A B, 4, [a], a, a] }
          |                                                  ^
          |
         ::: waves/w.yaml:5:47
          |
        5 |   c: { run: { manual: }, needs: [A B, 4, [a], a, a] }
          |                                               - first here

        6 errors
        ");
    }

    #[test]
    fn nothing_needs_itself_or_its_own_wave() {
        insta::assert_snapshot!(agent(r#"
run: { manual: {} }
needs: [a, "wave:w"]
"#), @r#"
        error: `a` needs itself
         --> waves/w.yaml:5:13
          |
        5 |     needs: [a, "wave:w"]
          |             ^
          |
          = hint: name what must be complete before it starts

        error: `a` needs all of `w`, the wave it is in itself
         --> waves/w.yaml:5:16
          |
        5 |     needs: [a, "wave:w"]
          |                ^^^^^^^^
          |
          = hint: name what must be complete before it starts

        2 errors
        "#);
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
 
"#), @r#"
        error: `../../secret.md` leads out of the repo
         --> waves/w.yaml:3:34
          |
        3 |   a: { run: { manual: }, prompt: ../../secret.md }
          |                                  ^^^^^^^^^^^^^^^
          |
          = hint: give a path that starts at the folder of this file

        error: `/etc/motd` is absolute: other machines have other folders
         --> waves/w.yaml:4:34
          |
        4 |   b: { run: { manual: }, prompt: /etc/motd }
          |                                  ^^^^^^^^^
          |
          = hint: give a path that starts at the folder of this file

        error: the prompt is empty
         --> waves/w.yaml:5:34
          |
        5 |   c: { run: { manual: }, prompt: "" }
          |                                  ^^
          |
          = hint: leave `prompt` out, or write one

        error: there is no file waves/prompts/none.md
         --> waves/w.yaml:6:34
          |
        6 |   d: { run: { manual: }, prompt: prompts/none.md }
          |                                  ^^^^^^^^^^^^^^^
          |
          = hint: a path starts at the folder of this file; to write the text itself, use `prompt: |`

        error: the prompt waves/prompts/empty.md is empty
         --> waves/w.yaml:7:34
          |
        7 |   e: { run: { manual: }, prompt: prompts/empty.md }
          |                                  ^^^^^^^^^^^^^^^^

        error: expected a prompt: a path, or the text itself, found a list
         --> waves/w.yaml:8:34
          |
        8 |   f: { run: { manual: }, prompt: [a.md] }
          |                                  ^

        error: `prompts/` names a folder
         --> waves/w.yaml:9:34
          |
        9 |   g: { run: { manual: }, prompt: prompts/ }
          |                                  ^^^^^^^^
          |
          = hint: give a path that starts at the folder of this file

        7 errors
        "#);
    }

    #[test]
    fn variables_have_plain_names_and_plain_values() {
        insta::assert_snapshot!(agent(r#"
run: { manual: }
env: { A-B: 1, WAVEMARK_RUN: x, C: [1], D: , B: good }
secrets: [B, GITHUB_TOKEN, 1]
"#), @"
        error: `A-B` cannot name an environment variable: use A-Z, a-z, 0-9 and `_`, not starting with a digit
         --> waves/w.yaml:5:12
          |
        5 |     env: { A-B: 1, WAVEMARK_RUN: x, C: [1], D: , B: good }
          |            ^^^

        error: `WAVEMARK_RUN` is Wavemark's own: agents may not set it
         --> waves/w.yaml:5:20
          |
        5 |     env: { A-B: 1, WAVEMARK_RUN: x, C: [1], D: , B: good }
          |                    ^^^^^^^^^^^^

        error: expected text, a number or yes or no, found a list
         --> waves/w.yaml:5:40
          |
        5 |     env: { A-B: 1, WAVEMARK_RUN: x, C: [1], D: , B: good }
          |                                        ^

        error: expected text, a number or yes or no, found nothing
         --> waves/w.yaml:5:46
          |
        5 |     env: { A-B: 1, WAVEMARK_RUN: x, C: [1], D: , B: good }
          |                                              ^

        error: `B` is both in `env` and in `secrets`
         --> waves/w.yaml:6:15
          |
        6 |     secrets: [B, GITHUB_TOKEN, 1]
          |               ^
          |
          = hint: keep the one in `secrets`: its value comes from the environment

        error: `GITHUB_TOKEN` is Wavemark's own: agents may not set it
         --> waves/w.yaml:6:18
          |
        6 |     secrets: [B, GITHUB_TOKEN, 1]
          |                  ^^^^^^^^^^^^

        error: expected the name of an environment variable, found the number `1`
         --> waves/w.yaml:6:32
          |
        6 |     secrets: [B, GITHUB_TOKEN, 1]
          |                                ^

        7 errors
        ");
    }

    #[test]
    fn artifacts_cannot_escape_or_clash() {
        insta::assert_snapshot!(agent(r#"
run: { manual: }
produces: [doc/a.md, doc/A.md, ../x, doc/.git, image/a, doc/a/b, "doc/a\\b", "doc/a\nb", doc/x, doc/x]
"#), @r#"
        error: `doc/a.md` and `doc/A.md` differ only in case
         --> waves/w.yaml:5:16
          |
        5 |     produces: [doc/a.md, doc/A.md, ../x, doc/.git, image/a, doc/a/b, "doc/a\\b", "doc/a\nb", doc/x, doc/x]
          |                ^^^^^^^^
          |
          = hint: some machines would take them for the same file: rename one

        error: `..` is not an artifact type: use schema, prompt or doc
         --> waves/w.yaml:5:36
          |
        5 |     produces: [doc/a.md, doc/A.md, ../x, doc/.git, image/a, doc/a/b, "doc/a\\b", "doc/a\nb", doc/x, doc/x]
          |                                    ^^^^

        error: `.git` cannot name an artifact: use 1 to 100 of A-Z, a-z, 0-9, `.`, `_` and `-`, starting with a letter or a digit
         --> waves/w.yaml:5:42
          |
        5 |     produces: [doc/a.md, doc/A.md, ../x, doc/.git, image/a, doc/a/b, "doc/a\\b", "doc/a\nb", doc/x, doc/x]
          |                                          ^^^^^^^^

        error: `image` is not an artifact type: use schema, prompt or doc
         --> waves/w.yaml:5:52
          |
        5 |     produces: [doc/a.md, doc/A.md, ../x, doc/.git, image/a, doc/a/b, "doc/a\\b", "doc/a\nb", doc/x, doc/x]
          |                                                    ^^^^^^^

        error: `doc/a/b` is not an artifact: write `<type>/<name>`, such as `doc/summary.md`
         --> waves/w.yaml:5:61
          |
        5 |     produces: [doc/a.md, doc/A.md, ../x, doc/.git, image/a, doc/a/b, "doc/a\\b", "doc/a\nb", doc/x, doc/x]
          |                                                             ^^^^^^^

        error: `a\b` cannot name an artifact: use 1 to 100 of A-Z, a-z, 0-9, `.`, `_` and `-`, starting with a letter or a digit
         --> waves/w.yaml:5:70
          |
        5 |     produces: [doc/a.md, doc/A.md, ../x, doc/.git, image/a, doc/a/b, "doc/a\\b", "doc/a\nb", doc/x, doc/x]
          |                                                                      ^^^^^^^^^^

        error: `a\nb` cannot name an artifact: use 1 to 100 of A-Z, a-z, 0-9, `.`, `_` and `-`, starting with a letter or a digit
         --> waves/w.yaml:5:82
          |
        5 |     produces: [doc/a.md, doc/A.md, ../x, doc/.git, image/a, doc/a/b, "doc/a\\b", "doc/a\nb", doc/x, doc/x]
          |                                                                                  ^^^^^^^^^^

        error: this is in the list twice
         --> waves/w.yaml:5:101
          |
        5 |     produces: [doc/a.md, doc/A.md, ../x, doc/.git, image/a, doc/a/b, "doc/a\\b", "doc/a\nb", doc/x, doc/x]
          |                                                                                                     ^^^^^
          |
         ::: waves/w.yaml:5:94
          |
        5 |     produces: [doc/a.md, doc/A.md, ../x, doc/.git, image/a, doc/a/b, "doc/a\\b", "doc/a\nb", doc/x, doc/x]
          |                                                                                              ----- first here

        8 errors
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
        error: `requierd` is not a review: use one of none, required, parallel
         --> waves/w.yaml:5:13
          |
        5 |     review: requierd
          |             ^^^^^^^^
          |
          = hint: did you mean `required`?

        error: expected one of `keep` and `rebuild`, found `true`, which YAML reads as yes or no
         --> waves/w.yaml:6:15
          |
        6 |     on_stale: true
          |               ^^^^

        error: expected a whole number, found `high`
         --> waves/w.yaml:7:15
          |
        7 |     priority: high
          |               ^^^^

        error: -1 is out of range
         --> waves/w.yaml:8:14
          |
        8 |     retries: -1
          |              ^^
          |
          = hint: use 0 to 100

        error: expected a duration with its unit, found the number `30`
         --> waves/w.yaml:9:14
          |
        9 |     timeout: 30
          |              ^^
          |
          = hint: write `30s` for seconds, `30m` for minutes

        error: `GPU` cannot name a pool: use 1 to 63 of a-z, 0-9 and `-`, starting with a letter
          --> waves/w.yaml:10:11
           |
        10 |     pool: GPU
           |           ^^^
           |
           = hint: did you mean `gpu`?

        6 errors
        ");
    }

    #[test]
    fn a_title_is_one_line() {
        insta::assert_snapshot!(agent(r#"
run: { manual: }
title: "a\nb"
"#), @r#"
        error: a title is one line of 1 to 200 characters, without control characters
         --> waves/w.yaml:5:12
          |
        5 |     title: "a\nb"
          |            ^^^^^^

        1 error
        "#);
    }
}
