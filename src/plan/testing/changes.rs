//! One field of a plan says something else: whichever is declared.

use std::{collections::BTreeMap, sync::LazyLock};

use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

use super::{
    declared::{DECLARED, Path, Step, kind_of},
    random::{any_files, checked},
    style::Style,
};
use crate::plan::Plan;

type Files = BTreeMap<String, Value>;

/// What all profiles may name: an agent with this one may say everything.
fn line(more: &str) -> Value {
    json!([
        "mine",
        more,
        ["{session}", "{prompt}", "{prompt_file}"],
        ["{model}", "{max_turns}", "{budget_usd}", "{allow}"]
    ])
}

/// Every field in which no other stands, with two values of it.
static LEAVES: LazyLock<Vec<(&Path, Value, Value)>> = LazyLock::new(|| {
    let is_inside = |path: &Path, other: &Path| other != path && other.starts_with(path);
    let leaves = DECLARED.iter().filter(|path| !DECLARED.iter().any(|it| is_inside(path, it)));
    leaves.filter_map(|path| values(path).map(|(old, new)| (path, old, new))).collect()
});

/// The files of two plans that differ in one of the declared fields.
pub(in crate::plan) fn any_files_one_field_apart() -> impl Strategy<Value = [Files; 2]> {
    (any_files(), any::<Index>()).prop_map(|(mut files, which)| {
        let (path, old, new) = which.get(&LEAVES);
        prepare(&mut files);
        let kind = path[0].to_string();
        [old, new].map(|value| {
            let mut files = files.clone();
            let file = files.values_mut().rfind(|file| kind_of(file) == kind).unwrap();
            put(file, &keys(path), value);
            files
        })
    })
}

/// Two good plans that differ in what one of the declared fields says.
pub(crate) fn any_plans_one_field_apart() -> impl Strategy<Value = [Plan; 2]> {
    (any_files_one_field_apart(), Style::any())
        .prop_map(|(files, style)| files.map(|files| checked(&files, style)))
}

/// The keys on the way to a field of the agent and the profile that
/// [`prepare`] adds.
fn keys(path: &Path) -> Vec<&str> {
    let pairs = path.iter().zip(&path[1..]);
    let keys = pairs.filter_map(|(before, step)| match (before, step) {
        (_, Step::Field(name)) => Some(name.as_str()),
        (_, Step::Word(_)) => None,
        (Step::Field(mapping), Step::Named) => Some(match mapping.as_str() {
            "agents" => "z",
            "run" => "mine",
            "pools" => "gpu",
            "prices" => "dear",
            "env" => "ONE_MORE",
            "files" => "one-more",
            _ => panic!("say what can be named in {path:?}"),
        }),
        _ => panic!("nothing is named twice: {path:?}"),
    });
    keys.collect()
}

/// Adds an agent that has no settings of its own, in a wave that has none, with
/// a profile that honours everything.
fn prepare(files: &mut Files) {
    files.retain(|path, _| !path.starts_with("waves/profiles/"));
    let profile = json!({
        "start": line("start"), "resume": line("resume"),
        "home": { "variable": "MY_HOME", "sessions": "sessions" },
    });
    files.insert("waves/profiles/mine.yaml".to_owned(), profile);
    files.get_mut("waves/project.yaml").unwrap()["pools"]["other"] = json!(1);
    files.get_mut("waves/0.yaml").unwrap()["wave"] = json!("zero");
    for wave in files.values_mut().filter(|file| kind_of(file) == "wave") {
        wave["after"] = Value::Null;
        for agent in wave["agents"].as_object_mut().unwrap().values_mut() {
            agent["needs"] = Value::Null;
            let plain = ["exec", "manual", "n8n", "webhook"];
            if !plain.iter().any(|kind| agent["run"].get(kind).is_some()) {
                agent["run"] = json!({ "mine": null });
            }
        }
    }
    let agents = json!({ "z": { "run": { "mine": null } } });
    files.insert("waves/z.yaml".to_owned(), json!({ "wave": "last", "agents": agents }));
}

/// Lets a field say this. A mapping on the way there has what it needs.
fn put(at: &mut Value, steps: &[&str], value: &Value) {
    let Some((&step, rest)) = steps.split_first() else {
        at.clone_from(value);
        return;
    };
    if rest.is_empty() && step == "run" {
        at["run"].clone_from(value);
        return;
    }
    let needed = match step {
        "n8n" => json!({ "webhook": "https://x.org/a" }),
        "webhook" if !rest.is_empty() => json!({ "url": "https://x.org/a" }),
        "auth" => json!({ "header": "X-Secret", "secret": "SECRET" }),
        "dear" => json!({ "input": 1, "cached": 1, "output": 1 }),
        "home" => json!({ "variable": "MY_HOME" }),
        _ => json!({}),
    };
    if step == "run" && at[step].get(rest[0]).is_none() {
        // There is one runner.
        at[step] = json!({});
    }
    if !rest.is_empty() && !at[step].is_object() {
        at[step] = needed;
    }
    put(&mut at[step], rest, value);
}

/// Two values of a field that no random plan has; none where there is but one.
fn values(path: &Path) -> Option<(Value, Value)> {
    let (last, before) = path.split_last()?;
    if let Step::Word(word) = last {
        let others = DECLARED.iter().filter_map(|other| match other.split_last()? {
            (Step::Word(other), parent) if parent == before && other != word => Some(other),
            _ => None,
        });
        return Some((json!(others.min()?), json!(word)));
    }
    let field = match last {
        Step::Named => before.last()?,
        last => last,
    };
    let two = match field.to_string().as_str() {
        "project" | "wave" | "branch" | "title" | "prompt" | "model" | "env" | "files"
        | "of_user" | "sessions" => [json!("one"), json!("other")],
        "secret" | "api_key" | "variable" => [json!("ONE"), json!("OTHER")],
        "header" => [json!("X-One"), json!("X-Other")],
        "webhook" | "url" | "stop" => [json!("https://x.org/one"), json!("{env:URL}/other")],
        "secrets" | "inherit" => [json!(["ONE"]), json!(["OTHER"])],
        "allow" | "login" | "settings" => [json!(["one", "other"]), json!(["other"])],
        "exec" => [json!(["true", "-q", "5"]), json!(["true", "5", "-q"])],
        "start" | "resume" => [line("one"), line("other")],
        "produces" => [json!(["doc/one"]), json!(["doc/other"])],
        "needs" => [json!([]), json!(["a0"])],
        "after" => [json!([]), json!(["zero"])],
        "good_exits" => [json!([0]), json!([0, 7])],
        "max_size" => [json!(9998), json!(9999)],
        "pool" => [json!("default"), json!("other")],
        "pools" | "writes" | "infra_retries" | "retries" | "priority" | "max_turns" => {
            [json!(76), json!(77)]
        }
        "budget_usd" | "budget_usd_per_day" | "input" | "cached" | "output" => {
            [json!(0.76), json!(0.77)]
        }
        "timeout" | "grace" | "stall_timeout" | "tick_every" | "lease" | "pause" | "backoff" => {
            [json!("26s"), json!("27s")]
        }
        "backoff_cap" => [json!("76m"), json!("77m")],
        // It says nothing but that it is there.
        "manual" => return None,
        _ => panic!("say what can stand in {path:?}"),
    };
    let [old, new] = two;
    Some((old, new))
}
