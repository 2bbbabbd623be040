//! Random ways to write the same plan down.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use crate::plan::Source;

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

/// The order of a command's words and of tools matters; that of all other lists
/// does not.
fn in_any_order<'v>(key: &str, items: &'v [Value], style: &mut Style) -> Vec<&'v Value> {
    let items: Vec<&Value> = items.iter().collect();
    match key {
        "exec" | "start" | "resume" | "allow" => items,
        _ => style.shuffled(items),
    }
}
