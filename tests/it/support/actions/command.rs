//! Workflow commands: what GitHub takes from the output of a step.
//!
//! Both of its ways to write one are looked for, the older one anywhere in a line,
//! on both streams. What is said between `stop-commands` and the end of the fence,
//! or of the step, is printed and nothing else.

use std::collections::{BTreeMap, BTreeSet};

/// What a step's output did, beside being printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// Marks on the pull request: `error waves/a.yaml:3 what is wrong`.
    pub(crate) annotations: Vec<String>,
    /// What is hidden in the log from then on.
    pub(crate) masks: BTreeSet<String>,
    /// Set by the old `set-output`.
    pub(crate) outputs: BTreeMap<String, String>,
    /// Every other one.
    pub(crate) others: Vec<String>,
}

/// Listens to one step.
#[derive(Debug, Default)]
pub(super) struct Listener {
    fence: Option<String>,
    pub(super) effects: Effects,
}

/// What GitHub obeys.
const NAMES: [&str; 15] = [
    "add-mask",
    "add-matcher",
    "add-path",
    "debug",
    "echo",
    "endgroup",
    "error",
    "group",
    "notice",
    "remove-matcher",
    "save-state",
    "set-env",
    "set-output",
    "stop-commands",
    "warning",
];

#[derive(Debug, PartialEq, Eq)]
struct Command<'a> {
    name: String,
    properties: BTreeMap<&'a str, String>,
    data: String,
}

impl Listener {
    pub(super) fn hear(&mut self, line: &str) {
        let Some(command) = newer(line).or_else(|| older(line)) else { return };
        if let Some(fence) = &self.fence {
            if command.name.eq_ignore_ascii_case(fence) {
                self.fence = None;
            }
            return;
        }
        let property = |name| command.properties.get(name).cloned().unwrap_or_default();
        match command.name.as_str() {
            "stop-commands" => self.fence = Some(command.data),
            "error" | "warning" | "notice" => {
                let (file, line) = (property("file"), property("line"));
                let place = if file.is_empty() { String::new() } else { format!(" {file}:{line}") };
                let text = format!("{}{place} {}", command.name, command.data);
                self.effects.annotations.push(text);
            }
            "add-mask" => drop(self.effects.masks.insert(command.data)),
            "set-output" => drop(self.effects.outputs.insert(property("name"), command.data)),
            name if NAMES.contains(&name) => self.effects.others.push(line.to_owned()),
            _ => {}
        }
    }
}

/// `::name key=value,key=value::data`
fn newer(line: &str) -> Option<Command<'_>> {
    let (head, data) = line.trim_start().strip_prefix("::")?.split_once("::")?;
    Some(Command::read(head, ',', data))
}

/// `##[name key=value;key=value;]data`, anywhere.
fn older(line: &str) -> Option<Command<'_>> {
    let (_, rest) = line.split_once("##[")?;
    let (head, data) = rest.split_once(']')?;
    Some(Command::read(head, ';', data))
}

impl<'a> Command<'a> {
    fn read(head: &'a str, comma: char, data: &str) -> Self {
        let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
        let pairs = properties.split(comma).filter_map(|pair| pair.split_once('='));
        Self {
            name: name.to_lowercase(),
            properties: pairs.map(|(key, value)| (key.trim(), unescaped(value))).collect(),
            data: unescaped(data),
        }
    }
}

fn unescaped(text: &str) -> String {
    [("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")]
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(lines: &[&str]) -> Effects {
        let mut listener = Listener::default();
        lines.iter().for_each(|line| listener.hear(line));
        listener.effects
    }

    #[test]
    fn commands_are_obeyed_in_both_ways_of_writing_them() {
        let effects = heard(&[
            "  ::error file=a.yaml,line=3::it is%0Awrong",
            "0.1s vision | ##[error]forged",
            "::add-mask::secret",
            "::set-output name=agents::[]",
            "::no-such-thing::",
            "text ::error::in the middle",
        ]);
        assert_eq!(effects.annotations, ["error a.yaml:3 it is\nwrong", "error forged"]);
        assert_eq!(effects.masks, BTreeSet::from(["secret".to_owned()]));
        assert_eq!(effects.outputs["agents"], "[]");
        assert_eq!(effects.others, [""; 0]);
    }

    #[test]
    fn nothing_is_obeyed_behind_a_fence_until_it_is_taken_down() {
        let said = ["::stop-commands::abc", "::error::no", "##[error]no", "::stop-commands::x"];
        assert_eq!(heard(&said), Effects::default());
        let more = [&said[..], &["::ABC::", "::error::yes"]].concat();
        assert_eq!(heard(&more).annotations, ["error yes"]);
    }
}
