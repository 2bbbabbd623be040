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

const FIELDS: [&str; 7] = [
    "title", "needs", "run", "prompt", "env", "secrets", "produces",
];

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
        let env = fields
            .get("env")
            .map(|node| env(node, cx))
            .unwrap_or_default();
        let secrets = set(&fields, "secrets", "the names of environment variables", cx);
        for (secret, span) in &secrets {
            if env.contains_key(secret) {
                cx.error(
                    *span,
                    format!("`{secret}` is both in `env` and in `secrets`"),
                )
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
    if title.chars().any(char::is_control) || title.trim().is_empty() || title.len() > 200 {
        cx.error(
            node.span,
            "a title is one line of 1 to 200 bytes, without control characters",
        );
        return None;
    }
    Some(title.to_owned())
}

/// A list without repetitions.
fn set<T: std::str::FromStr<Err: std::fmt::Display> + Ord + Clone>(
    fields: &Fields<'_>,
    key: &str,
    wanted: &str,
    cx: &mut Reading<'_>,
) -> BTreeMap<T, Span> {
    let mut set: BTreeMap<T, Span> = BTreeMap::new();
    let Some(node) = fields.get(key) else {
        return set;
    };
    for item in list(node, &format!("a list of {wanted}"), cx) {
        let Some(value) = parsed::<T>(item, &format!("one of {wanted}"), cx) else {
            continue;
        };
        if let Some(&first) = set.get(&value) {
            let first = cx.place(first);
            cx.error(item.span, "this is in the list twice")
                .also(first, "first here");
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
    let mut needs = set::<Need>(fields, "needs", "agent names", cx);
    needs.retain(|need, span| {
        let what = match need {
            Need::Agent(name) if name.as_str() == agent => format!("`{agent}` needs itself"),
            Need::Wave(name) if Some(name) == wave => {
                format!("`{agent}` needs all of `{name}`, the wave it is in itself")
            }
            _ => return true,
        };
        cx.error(*span, what)
            .hint("name what must be complete before it starts");
        false
    });
    needs
        .into_iter()
        .map(|(need, span)| (need, cx.place(span)))
        .collect()
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
        cx.error(
            node.span,
            format!("`run` takes exactly one runner, found {}", entries.len()),
        )
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
        expected(node, "a list: the program, then its arguments", cx).hint(format!(
            "no shell is involved; write `exec: [{}]`",
            words.join(", ")
        ));
        return None;
    }
    let Value::List(items) = &node.value else {
        expected(node, "a list: the program, then its arguments", cx);
        return None;
    };
    let words: Vec<String> = items
        .iter()
        .filter_map(|item| scalar(item, "text", cx))
        .map(str::to_owned)
        .collect();
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
            Ok(path) => Some(DraftPrompt::File {
                path,
                place: cx.place(node.span),
            }),
            Err(bad) => {
                cx.error(node.span, bad.describe(text))
                    .hint("give a path that starts at the folder of this file");
                None
            }
        }
    } else if text.trim().is_empty() {
        cx.error(node.span, "the prompt is empty")
            .hint("leave `prompt` out, or write one");
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
    let keys = set::<ArtifactKey>(
        fields,
        "produces",
        "artifacts, such as `doc/summary.md`",
        cx,
    );
    let mut folded: BTreeMap<String, &ArtifactKey> = BTreeMap::new();
    for (key, span) in &keys {
        if let Some(other) = folded.insert(key.to_string().to_ascii_lowercase(), key) {
            cx.error(*span, format!("`{key}` and `{other}` differ only in case"))
                .hint("some machines would take them for the same file: rename one");
        }
    }
    keys.into_keys().collect()
}
