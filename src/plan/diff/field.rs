//! What differs between two definitions, two waves, two projects: field by
//! field, in words.
//!
//! The functions take their arguments apart without `..`, so that a new field
//! of the model cannot be forgotten here.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::stored::StoredWave;
use crate::{
    model::{
        Auth, Definition, Digest, Manners, ProjectSettings, Resume, Runner, Subagent, Webhook,
        words,
    },
    plan::{Project, Wave},
};

words! {
    /// A field of an agent.
    pub enum Field("field of an agent") {
        /// What people call it.
        Title = "title",
        /// What must be complete before it starts.
        Needs = "needs",
        /// What does the work.
        Run = "run",
        /// The text of the prompt.
        Prompt = "prompt",
        /// Environment variables.
        Env = "env",
        /// Environment variables that are kept secret.
        Secrets = "secrets",
        /// What must be stored at its end.
        Produces = "produces",
        /// Whether people look at the result.
        Review = "review",
        /// What happens when its inputs change.
        OnStale = "on_stale",
        /// What caps how many run at once.
        Pool = "pool",
        /// Who goes first.
        Priority = "priority",
        /// How long a run may take.
        Timeout = "timeout",
        /// How often it is tried again.
        Retries = "retries",
        /// What its runs may cost together.
        Budget = "budget_usd",
    }
}

impl Field {
    /// Whether it says what the agent *does*: a finished agent is built again
    /// when it changes. The same fields make up [`Definition::work_digest`].
    pub fn is_work(self) -> bool {
        matches!(
            self,
            Self::Run | Self::Prompt | Self::Env | Self::Secrets | Self::Needs | Self::Produces
        )
    }
}

/// How one field changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Edit {
    /// One value is replaced; `None` where there is none.
    Value {
        /// What it was.
        before: Option<String>,
        /// What it will be.
        after: Option<String>,
    },
    /// Items join or leave.
    Items {
        /// Those that join.
        added: Vec<String>,
        /// Those that leave.
        removed: Vec<String>,
    },
}

/// Collects the fields that differ.
struct Edits<K>(BTreeMap<K, Edit>);

impl<K: Ord> Edits<K> {
    fn value(&mut self, key: K, before: Option<impl Display>, after: Option<impl Display>) {
        let before = before.map(|value| value.to_string());
        let after = after.map(|value| value.to_string());
        if before != after {
            self.0.insert(key, Edit::Value { before, after });
        }
    }

    fn items(&mut self, key: K, before: &BTreeSet<String>, after: &BTreeSet<String>) {
        if before != after {
            let added = after.difference(before).cloned().collect();
            let removed = before.difference(after).cloned().collect();
            self.0.insert(key, Edit::Items { added, removed });
        }
    }
}

/// What differs between two definitions.
pub(super) fn of_definitions(before: &Definition, after: &Definition) -> BTreeMap<Field, Edit> {
    if before == after {
        return BTreeMap::new();
    }
    let Definition {
        title,
        needs,
        run,
        prompt,
        env,
        secrets,
        produces,
        review,
        on_stale,
        pool,
        priority,
        timeout,
        retries,
        budget,
    } = before;
    let mut edits = Edits(BTreeMap::new());
    edits.value(Field::Title, title.as_ref(), after.title.as_ref());
    edits.items(Field::Needs, &texts(needs), &texts(&after.needs));
    edits.value(Field::Run, Some(command(run)), Some(command(&after.run)));
    if *prompt != after.prompt {
        let [before, after] = [prompt, &after.prompt].map(|prompt| prompt.as_ref().map(gist));
        edits.0.insert(Field::Prompt, Edit::Value { before, after });
    }
    edits.items(Field::Env, &pairs(env), &pairs(&after.env));
    edits.items(Field::Secrets, &texts(secrets), &texts(&after.secrets));
    edits.items(Field::Produces, &texts(produces), &texts(&after.produces));
    edits.value(Field::Review, Some(review), Some(after.review));
    edits.value(Field::OnStale, Some(on_stale), Some(after.on_stale));
    edits.value(Field::Pool, Some(pool), Some(&after.pool));
    edits.value(Field::Priority, Some(priority), Some(after.priority));
    edits.value(Field::Timeout, Some(span(timeout)), Some(span(&after.timeout)));
    edits.value(Field::Retries, Some(retries), Some(after.retries));
    edits.value(Field::Budget, budget.as_ref(), after.budget.as_ref());
    edits.0
}

/// What differs between a stored and a planned wave.
pub(super) fn of_waves(before: &StoredWave, after: &Wave) -> BTreeMap<String, Edit> {
    let StoredWave { title, after: earlier, position, budget, retired: _ } = before;
    let mut edits = Edits(BTreeMap::new());
    edits.value("title".to_owned(), title.as_ref(), after.title.as_ref());
    edits.items("after".to_owned(), &texts(earlier), &texts(&after.after));
    edits.value("position".to_owned(), Some(position), Some(after.position));
    edits.value("budget_usd".to_owned(), budget.as_ref(), after.budget.as_ref());
    edits.0
}

/// What differs between two states of a project; all of it if there was none.
pub(super) fn of_projects(before: Option<&Project>, after: &Project) -> BTreeMap<String, Edit> {
    let (before, after) = (before.map(settings).unwrap_or_default(), settings(after));
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut edits = Edits(BTreeMap::new());
    for key in keys {
        edits.value(key.clone(), before.get(key), after.get(key));
    }
    edits.0
}

/// A project as its file would say it.
fn settings(project: &Project) -> BTreeMap<String, String> {
    let Project { name: _, artifact_branch, pools, settings, trusted_role } = project;
    let ProjectSettings {
        grace,
        infra_retries,
        backoff,
        backoff_cap,
        tick_every,
        stall_timeout,
        lease,
        max_artifact_bytes,
        budget,
        budget_per_day,
        prices,
        github: Manners { writes, pause, timeout },
    } = settings;
    let mut all = BTreeMap::from([
        ("artifacts.branch".to_owned(), artifact_branch.clone()),
        ("artifacts.max_size".to_owned(), format!("{max_artifact_bytes} bytes")),
        ("trust.role".to_owned(), trusted_role.to_string()),
        ("grace".to_owned(), span(grace)),
        ("backoff".to_owned(), span(backoff)),
        ("backoff_cap".to_owned(), span(backoff_cap)),
        ("lease".to_owned(), span(lease)),
        ("stall_timeout".to_owned(), span(stall_timeout)),
        ("tick_every".to_owned(), span(tick_every)),
        ("infra_retries".to_owned(), infra_retries.to_string()),
        ("github.writes".to_owned(), writes.to_string()),
        ("github.pause".to_owned(), span(pause)),
        ("github.timeout".to_owned(), span(timeout)),
    ]);
    let budgets = [("budget_usd", budget), ("budget_usd_per_day", budget_per_day)];
    all.extend(
        budgets
            .into_iter()
            .filter_map(|(key, usd)| Some((key.to_owned(), usd.as_ref()?.to_string()))),
    );
    all.extend(prices.iter().map(|(model, price)| (format!("prices.{model}"), price.to_string())));
    all.extend(pools.iter().map(|(pool, cap)| (format!("pools.{pool}"), cap.to_string())));
    all
}

fn texts<T: Display>(items: &BTreeSet<T>) -> BTreeSet<String> {
    items.iter().map(ToString::to_string).collect()
}

fn pairs<K: Display>(items: &BTreeMap<K, String>) -> BTreeSet<String> {
    items.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

fn span(duration: &Duration) -> String {
    humantime::format_duration(*duration).to_string()
}

fn command(runner: &Runner) -> String {
    match runner {
        // As a list: an argument may hold spaces.
        Runner::Exec(words) => format!("exec {words:?}"),
        Runner::Subagent(subagent) => gist_of(subagent),
        Runner::N8n(webhook) => format!("n8n {}", asked(webhook)),
        Runner::Webhook(webhook) => format!("webhook {}", asked(webhook)),
        Runner::Manual {} => "manual".to_owned(),
    }
}

/// A URL, and how it is asked; secrets are the names of variables.
fn asked(webhook: &Webhook) -> String {
    let Webhook { url, auth, api_key, stop } = webhook;
    let mut parts = Vec::new();
    parts.extend(auth.as_ref().map(|Auth { header, secret }| format!("auth {header} {secret}")));
    parts.extend(api_key.as_ref().map(|key| format!("api_key {key}")));
    parts.extend(stop.as_ref().map(|stop| format!("stop {stop}")));
    match parts.as_slice() {
        [] => url.to_string(),
        parts => format!("{url} ({})", parts.join(", ")),
    }
}

/// A sub-agent as its settings, and something that tells two contents of its
/// profile apart.
fn gist_of(subagent: &Subagent) -> String {
    let Subagent { name, profile, model, max_turns, budget, allow, resume } = subagent;
    let mut parts = Vec::new();
    parts.extend(model.as_ref().map(|model| format!("model {model}")));
    parts.extend(max_turns.map(|turns| format!("max_turns {turns}")));
    parts.extend(budget.map(|money| format!("budget {money}")));
    if !allow.is_empty() {
        parts.push(format!("allow {allow:?}"));
    }
    if *resume != Resume::Checkpoints {
        parts.push(format!("resume {resume}"));
    }
    parts.push(format!("profile {}", Digest::of_json(profile).short()));
    format!("{name} ({})", parts.join(", "))
}

/// A prompt is too long to show: its length, and something that tells two of
/// the same length apart.
fn gist(prompt: &String) -> String {
    let lines = prompt.lines().count();
    let s = if lines == 1 { "" } else { "s" };
    format!("{lines} line{s} ({})", Digest::of(prompt).short())
}
