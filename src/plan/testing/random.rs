//! Random good plans, and random ways to write the same plan down.

use std::collections::BTreeMap;

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use crate::plan::{Facts, Plan, Source, read};

/// A good plan of the project `random`.
pub(crate) fn any_plan() -> impl Strategy<Value = Plan> {
    (any_files(), Style::any())
        .prop_map(|(files, style)| read(&written(&files, style)).check(&Facts::default()).unwrap())
}

/// The files of a good plan, as values: how they are written is up to
/// [`written`]. Any two use the same few names, so that they overlap.
pub(in crate::plan) fn any_files() -> impl Strategy<Value = BTreeMap<String, Value>> {
    let wave = (vec(any_agent(), 1..5), any::<bool>(), option::of(any_title()));
    (vec(wave, 1..4), any_project(), any::<bool>()).prop_map(|(waves, project, reversed)| {
        let mut files = BTreeMap::from([("waves/project.yaml".to_owned(), project)]);
        let mut number = 0;
        for (place, (agents, barrier, title)) in waves.into_iter().enumerate() {
            let mut members = Map::new();
            for (mut agent, picks) in agents {
                // Only agents before it, so that there is no circle.
                let needs: Vec<String> = picks
                    .into_iter()
                    .filter(|_| number > 0)
                    .map(|pick| format!("a{}", pick % number))
                    .collect::<std::collections::BTreeSet<_>>()
                    .into_iter()
                    .collect();
                agent["needs"] = json!(needs);
                members.insert(format!("a{number}"), agent);
                number += 1;
            }
            let name = if reversed { 9 - place } else { place };
            let after: Vec<String> = match place {
                1.. if barrier => {
                    vec![format!("w{}", if reversed { 10 - place } else { place - 1 })]
                }
                _ => Vec::new(),
            };
            let wave = json!({
                "wave": format!("w{name}"), "title": title, "after": after, "agents": members,
                "budget_usd": if reversed { json!(12.34) } else { Value::Null },
                "defaults": if barrier { json!({ "priority": 5 }) } else { Value::Null },
            });
            files.insert(format!("waves/{place}.yaml"), wave);
        }
        files
    })
}

fn any_project() -> impl Strategy<Value = Value> {
    let durations = (option::of(any_duration()), option::of(any_duration()));
    let limits = (option::of(0..100u32), option::of(select(vec![json!(4096), json!("1 MiB")])));
    (1..4u32, durations, limits, option::of(select(vec!["read", "admin"]))).prop_map(
        |(cap, (grace, timeout), (lost, size), role)| {
            json!({
                "project": "random", "pools": { "gpu": cap }, "grace": grace,
                "defaults": { "timeout": timeout }, "infra_retries": lost,
                "artifacts": { "max_size": size }, "trust": { "role": role },
                "budget_usd": lost.map(|lost| f64::from(lost + 1) / 4.0),
            })
        },
    )
}

fn any_duration() -> impl Strategy<Value = &'static str> {
    select(vec!["90s", "2h", "1h 30m", "3 days"])
}

/// An agent without its needs, and numbers to pick those by.
fn any_agent() -> impl Strategy<Value = (Value, Vec<usize>)> {
    let run = select(vec![json!({ "manual": {} }), json!({ "exec": ["true", "-q", 5] })]);
    let words = (
        option::of(any_title()),
        option::of(select(vec!["Write it.", "Write\nit.\n", "  it: 'is' #1 \\ \"so\"\n"])),
        option::of(select(vec!["none", "required", "parallel"])),
        option::of(select(vec!["default", "gpu"])),
    );
    let rest =
        (option::of(0..3u32), option::of(any_duration()), any::<bool>(), vec(0..20usize, 0..3));
    let order = (option::of(-5..5i32), option::of(select(vec!["keep", "rebuild"])));
    (run, words, rest, order).prop_map(
        |(
            run,
            (title, prompt, review, pool),
            (retries, timeout, env, picks),
            (priority, on_stale),
        )| {
            let mut agent = json!({
                "run": run, "title": title, "prompt": prompt, "review": review, "pool": pool,
                "retries": retries, "timeout": timeout, "priority": priority,
                "on_stale": on_stale,
            });
            if env {
                agent["env"] = json!({ "A": "1", "B": "no: yes", "C": 3, "D": true });
                agent["secrets"] = json!(["TOKEN", "KEY"]);
                agent["produces"] = json!(["doc/a.md", "schema/b.json"]);
                agent["budget_usd"] = json!(2.5);
            }
            (agent, picks)
        },
    )
}

fn any_title() -> impl Strategy<Value = &'static str> {
    select(vec!["A plain one", "yes", "1.10", "ä: # [b]", "'quoted' & *so*"])
}

/// How a plan is written, where it does not matter: every number gives another
/// order of keys, other comments, other quotes, another mix of block and flow
/// style.
#[derive(Clone, Copy, Debug)]
pub(in crate::plan) struct Style(u64);

impl Style {
    pub(in crate::plan) fn any() -> impl Strategy<Value = Self> {
        (1..u64::MAX).prop_map(Self)
    }

    /// A number below `end`; another one each time (xorshift).
    fn pick(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 32).unwrap() % end
    }

    fn shuffled<T>(&mut self, mut items: Vec<T>) -> Vec<T> {
        for last in (1..items.len()).rev() {
            items.swap(last, self.pick(last + 1));
        }
        items
    }

    fn noise(&mut self) -> &'static str {
        ["", "", "# note\n", "\n", "  # a: [\n"][self.pick(5)]
    }
}

/// The files written in some style, as bytes.
pub(in crate::plan) fn written(
    files: &BTreeMap<String, Value>,
    mut style: Style,
) -> BTreeMap<String, Source> {
    let mut all = BTreeMap::new();
    for (path, value) in files {
        let mut text = String::new();
        block(value, 0, &mut style, &mut text);
        if style.pick(3) == 0 {
            text = text.replace('\n', "\r\n");
        }
        let mark = if style.pick(3) == 0 { "\u{feff}" } else { "" };
        all.insert(path.clone(), format!("{mark}{text}").as_bytes().into());
    }
    all
}

fn block(value: &Value, depth: usize, style: &mut Style, text: &mut String) {
    let Value::Object(map) = value else { unreachable!("a file is a mapping") };
    for (key, value) in style.shuffled(map.iter().collect()) {
        *text += style.noise();
        *text += &"  ".repeat(depth);
        *text += &match style.pick(5) {
            0 => format!("'{key}':"),
            _ => format!("{key}:"),
        };
        match value {
            Value::Object(inner) if !inner.is_empty() && style.pick(3) > 0 => {
                *text += "\n";
                block(value, depth + 1, style, text);
            }
            Value::Array(items) if !items.is_empty() && style.pick(2) > 0 => {
                *text += "\n";
                for item in in_any_order(key, items, style) {
                    *text += &format!("{}- {}\n", "  ".repeat(depth + 1), one_line(item, style));
                }
            }
            Value::Array(items) => {
                let items = in_any_order(key, items, style);
                let items: Vec<String> =
                    items.into_iter().map(|item| one_line(item, style)).collect();
                *text += &format!(" [{}]\n", items.join(", "));
            }
            Value::Null => *text += ["\n", " ~\n", " null\n"][style.pick(3)],
            Value::String(lines) if is_block(lines) && style.pick(2) > 0 => {
                *text += " |\n";
                for line in lines.lines() {
                    *text += &format!("{}{line}\n", "  ".repeat(depth + 1));
                }
            }
            value => {
                let comment = [" # so", ""][style.pick(2)];
                *text += &format!(" {}{comment}\n", one_line(value, style));
            }
        }
    }
}

/// A value in one line: as JSON, which is YAML, or for a text that allows it in
/// single quotes or in none.
fn one_line(value: &Value, style: &mut Style) -> String {
    match (value, style.pick(3)) {
        (Value::String(text), 0) if !text.contains('\n') => {
            format!("'{}'", text.replace('\'', "''"))
        }
        (Value::String(text), 1) if is_plain(text) => text.clone(),
        _ => value.to_string(),
    }
}

/// Whether YAML takes it for a text without quotes.
fn is_plain(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || " /.-".contains(c))
        && !["true", "false", "null"].contains(&text)
}

/// Whether it can be written as a block that ends with its last line.
fn is_block(text: &str) -> bool {
    text.ends_with('\n') && !text.ends_with("\n\n") && !text.starts_with([' ', '\n'])
}

/// The order of a command's words matters; that of all other lists does not.
fn in_any_order<'v>(key: &str, items: &'v [Value], style: &mut Style) -> Vec<&'v Value> {
    let items: Vec<&Value> = items.iter().collect();
    if key == "exec" { items } else { style.shuffled(items) }
}
