//! Random runners: every kind of them, and profiles of the project's own.

use std::{collections::BTreeMap, sync::LazyLock};

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::random::{any_duration, any_money, mapping, maybe, one_of};
use crate::plan::profile::Profiles;

/// Profiles by name, as their files say them.
pub(in crate::plan) type ProfileFiles = BTreeMap<&'static str, Value>;

/// Some profiles of the project's own; one stands in for a built-in one.
pub(super) fn any_profiles() -> impl Strategy<Value = ProfileFiles> {
    ["mine", "other-agent", "codex"]
        .map(|name| option::weighted(0.4, any_profile().prop_map(move |profile| (name, profile))))
        .prop_map(|profiles| profiles.into_iter().flatten().collect())
}

/// The settings that a sub-agent may have, with what its profile must name.
const SETTINGS: [(&str, &str); 4] = [
    ("model", "{model}"),
    ("max_turns", "{max_turns}"),
    ("budget_usd", "{budget_usd}"),
    ("allow", "{allow}"),
];

/// A profile that can be used, whatever it names.
fn any_profile() -> impl Strategy<Value = Value> {
    let by =
        select(vec![("arg", Some("{prompt}")), ("stdin", None), ("file", Some("{prompt_file}"))]);
    let names = vec(any::<bool>(), SETTINGS.len());
    let conversations = (any::<bool>(), any::<bool>());
    let rest = mapping(vec![
        ("events", maybe(one_of(["claude", "codex", "gemini", "opencode", "none"]))),
        ("good_exits", maybe(one_of([json!([0]), json!([3, 0, 255])]))),
        ("secrets", maybe(one_of([json!(["MY_KEY"]), json!(["MY_TOKEN", "MY_KEY"])]))),
        ("inherit", maybe(one_of([json!(["MY_URL", "NO_PROXY"])]))),
        ("env", maybe(any_variables())),
        (
            "files",
            maybe(one_of([
                json!({ "settings.json": "{\"dir\":\"{dir}\"}", "config/a.toml": "a = 1\nb = '{repo}'\n" }),
                json!({ "version": 5, "on": true, "empty": "" }),
            ])),
        ),
        ("home", maybe(any_home())),
    ]);
    (by, names, conversations, rest).prop_map(
        |((by, prompt), names, (knows_id, resumes), mut profile)| {
            let settings = SETTINGS.iter().zip(names).filter(|(_, named)| *named);
            let mut words = vec![json!(["--add-dir", "{dir}"])];
            words.extend(
                settings.map(|((setting, value), _)| json!([format!("--{setting}"), value])),
            );
            words.extend(prompt.map(|prompt| json!(prompt)));
            let line = |first: Vec<Value>| json!([first, words.clone()].concat());
            let no_id = profile["events"].is_null() || profile["events"] == "none";
            let start = if knows_id || no_id {
                vec![json!("mine"), json!(["--id={session}", 5])]
            } else {
                vec![json!(["mine", "go"])]
            };
            profile["start"] = line(start);
            profile["prompt"] = if by == "arg" && knows_id { Value::Null } else { json!(by) };
            if resumes {
                profile["resume"] = line(vec![json!("mine"), json!(["again", "{session}"])]);
            }
            profile
        },
    )
}

fn any_home() -> impl Strategy<Value = Value> {
    mapping(vec![
        ("variable", one_of(["MY_HOME"])),
        ("of_user", maybe(one_of([".", ".config/mine"]))),
        ("login", maybe(one_of([json!(["auth.json"]), json!(["b/c.json", "a"])]))),
        ("settings", maybe(one_of([json!(["s.json"]), json!(["d/s.json", "s"])]))),
        ("sessions", maybe(one_of(["sessions", "projects/{work_slug}"]))),
    ])
}

/// Of these, one names a setting.
fn any_variables() -> impl Strategy<Value = Value> {
    one_of([
        json!({ "MY_MODE": "quiet", "MY_LEVEL": 3, "MY_CHECKS": false }),
        json!({ "MY_MODEL": "{model}", "MY_TURNS": "at most {max_turns}" }),
    ])
}

/// What an agent asks for, before it is known which profiles there are.
#[derive(Clone, Debug)]
pub(super) enum AnyRun {
    /// A runner that goes by its own name.
    Plain(Value),
    /// A sub-agent: which, and what it is set to as far as its profile lets it.
    Subagent { which: prop::sample::Index, settings: Value },
}

pub(super) fn any_run() -> impl Strategy<Value = AnyRun> {
    let auth = || {
        mapping(vec![
            ("header", one_of(["X-Wavemark-Secret", "Authorization"])),
            ("secret", one_of(["N8N_SECRET", "HOOK_SECRET"])),
        ])
    };
    let url =
        || one_of(["https://x.example.org/webhook/a?b=1", "{env:N8N_URL}/webhook/{env:N8N_PATH}"]);
    let stop = || maybe(one_of(["https://x.example.org/stop", "{env:N8N_URL}/webhook/stop"]));
    let n8n = mapping(vec![
        ("webhook", url()),
        ("auth", maybe(auth())),
        ("api_key", maybe(one_of(["N8N_API_KEY"]))),
        ("stop", stop()),
        ("timeout", maybe(any_duration())),
    ]);
    let webhook = mapping(vec![
        ("url", url()),
        ("auth", maybe(auth())),
        ("stop", stop()),
        ("timeout", maybe(any_duration())),
    ]);
    let settings = mapping(vec![
        ("model", maybe(one_of([json!("sonnet"), json!("anthropic/claude 4.5: 'x'"), json!(5)]))),
        ("max_turns", maybe((1..200).prop_map(Value::from))),
        ("budget_usd", maybe(any_money())),
        ("allow", maybe(one_of([json!([]), json!(["Read", "Bash(cargo test:*)", "Read"])]))),
        ("resume", maybe(one_of(["checkpoints", "session"]))),
    ]);
    let plain =
        |kind: &'static str| move |settings: Value| AnyRun::Plain(json!({ kind: settings }));
    prop_oneof![
        2 => one_of([json!({}), Value::Null]).prop_map(plain("manual")),
        2 => one_of([json!(["true", "-q", 5]), json!(["echo"])]).prop_map(plain("exec")),
        2 => n8n.prop_map(plain("n8n")),
        2 => webhook.prop_map(plain("webhook")),
        4 => (any::<prop::sample::Index>(), settings)
            .prop_map(|(which, settings)| AnyRun::Subagent { which, settings }),
    ]
}

impl AnyRun {
    /// What stands under `run`, where there are these profiles besides those
    /// that are built in.
    pub(super) fn with(self, own: &ProfileFiles) -> Value {
        let (which, settings) = match self {
            Self::Plain(run) => return run,
            Self::Subagent { which, settings } => (which, settings),
        };
        let built_in = BUILT_IN.iter().map(|(name, profile)| (name.as_str(), profile));
        let own = own.iter().map(|(name, profile)| (*name, profile));
        let all: BTreeMap<&str, &Value> = built_in.chain(own).collect();
        let all = Vec::from_iter(all);
        let (name, profile) = which.get(&all);
        let Value::Object(settings) = settings else { unreachable!("so they are made") };
        let settings: Map<String, Value> =
            settings.into_iter().filter(|(key, value)| honours(profile, (key, value))).collect();
        let is_plain = settings.values().all(Value::is_null);
        let settings = if is_plain { Value::Null } else { settings.into() };
        json!({ *name: settings })
    }
}

/// The profiles that every project has.
pub(super) static BUILT_IN: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let all = Profiles::built_in();
    let profile = |name: &str| Some((name.to_owned(), json!(all.get(name)?.1?)));
    all.names().filter_map(profile).collect()
});

/// Whether an agent with this profile may say this.
pub(in crate::plan) fn honours(profile: &Value, (setting, value): (&String, &Value)) -> bool {
    let named = format!("{}{}", profile["start"], profile["env"]);
    match SETTINGS.iter().find(|(name, _)| name == setting) {
        Some((_, placeholder)) => named.contains(placeholder),
        // How it goes on: in its conversation, if that is carried.
        None => {
            value != "session"
                || !(profile["resume"].is_null() || profile["home"]["sessions"].is_null())
        }
    }
}
