//! Changes for people: counts first, then by wave.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{Action, AgentChange, Changes, Counts, Edit, WaveChange};
use crate::{
    model::{AgentName, WaveName},
    plan::problem::harmless,
};

/// The most agents that are listed one by one in brief.
const MAX_AGENTS: usize = 60;
/// The most waves that are listed in brief.
const MAX_WAVES: usize = 40;

/// How much of the changes is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What fits on a screen or two: counts per wave when there is more.
    Brief,
    /// Every agent.
    Full,
}

impl Changes {
    /// All in one line, such as `2 to create, 1 to retire; 12 stay as they are`.
    pub fn summary(&self) -> String {
        if self.is_empty() {
            return format!("nothing to change; {} as they should be", agents(self.unchanged));
        }
        let mut parts = self.counts().words();
        if parts.is_empty() {
            parts.push("only settings to change".to_owned());
        }
        let stay = if self.unchanged == 1 { "stays as it is" } else { "stay as they are" };
        format!("{}; {} {stay}", parts.join(", "), self.unchanged)
    }

    /// For people: the summary, then what changes wave by wave.
    pub fn to_text(&self, detail: Detail) -> String {
        let mut text = self.summary() + "\n";
        if self.is_new_project() {
            text += "\nproject (new)\n";
        } else if !self.project.is_empty() {
            text += "\nproject\n";
            for (key, edit) in &self.project {
                text += &format!("  ~ {key}: {edit}\n");
            }
        }
        let brief = detail == Detail::Brief;
        let by_wave = self.by_wave();
        let shown = if brief { MAX_WAVES } else { by_wave.len() };
        let counts_only = brief && self.agents.len() > MAX_AGENTS;
        let mut hidden = 0;
        for (place, (wave, agents)) in by_wave.iter().enumerate() {
            let change = self.waves.get(*wave);
            if agents.is_empty() && change.is_none_or(only_order) {
                continue;
            }
            if place >= shown {
                hidden += 1;
                continue;
            }
            text += &heading(wave, change);
            if counts_only {
                let counts = Counts::of(agents.values().copied()).words();
                text += &format!("  {}\n", counts.join(", "));
            } else {
                text.extend(agents.iter().map(|(name, change)| line(name, change)));
            }
        }
        if hidden > 0 {
            text += &format!("\n... and {hidden} more waves\n");
        }
        let moved = self.waves.values().filter(|change| only_order(change)).count();
        if moved > 0 {
            let s = if moved == 1 { "" } else { "s" };
            text += &format!("\n{moved} wave{s} only at another place in the order\n");
        }
        text
    }

    /// Whether the project was never synced: then every setting is new.
    fn is_new_project(&self) -> bool {
        let new = |edit: &Edit| matches!(edit, Edit::Value { before: None, .. });
        // There is always a branch, so it was there if anything was.
        self.project.get("artifacts.branch").is_some_and(new)
    }

    fn by_wave(&self) -> BTreeMap<&WaveName, BTreeMap<&AgentName, &AgentChange>> {
        let mut by_wave: BTreeMap<_, BTreeMap<_, _>> =
            self.waves.keys().map(|wave| (wave, BTreeMap::new())).collect();
        for (name, change) in &self.agents {
            by_wave.entry(&change.wave).or_default().insert(name, change);
        }
        by_wave
    }
}

impl Counts {
    /// What happens to how many, without what happens to none.
    fn words(self) -> Vec<String> {
        let Self { created, changed, rebuilt, moved, retired, restored, adopted } = self;
        [
            (created, "to create"),
            (changed, "to change"),
            (rebuilt, "to build again"),
            (moved, "to move"),
            (restored, "to restore"),
            (adopted, "to adopt"),
            (retired, "to retire"),
        ]
        .into_iter()
        .filter(|&(number, _)| number > 0)
        .map(|(number, what)| format!("{number} {what}"))
        .collect()
    }
}

impl std::fmt::Display for Edit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Value { before, after } => {
                let words = |value: &Option<String>| harmless(value.as_deref().unwrap_or("none"));
                write!(f, "{} -> {}", words(before), words(after))
            }
            Self::Items { added, removed } => {
                let signed = |sign: char, items: &[String]| -> Vec<String> {
                    items.iter().map(|item| format!("{sign}{}", harmless(item))).collect()
                };
                let all = [signed('-', removed), signed('+', added)].concat();
                f.write_str(&all.join(" "))
            }
        }
    }
}

fn agents(number: usize) -> String {
    if number == 1 { "1 agent".to_owned() } else { format!("{number} agents") }
}

/// Whether nothing but its place among the waves differs.
fn only_order(change: &WaveChange) -> bool {
    change.action == Action::Change && change.fields.keys().all(|key| key == "position")
}

fn heading(wave: &WaveName, change: Option<&WaveChange>) -> String {
    let mut text = format!("\nwave {wave}");
    let Some(change) = change else {
        return text + "\n";
    };
    text += match change.action {
        Action::Create => " (new)",
        Action::Retire => " (retired)",
        Action::Restore => " (restored)",
        Action::Change | Action::Adopt => "",
    };
    text += "\n";
    for (key, edit) in change.fields.iter().filter(|(key, _)| *key != "position") {
        text += &format!("  ~ {key}: {edit}\n");
    }
    text
}

/// One agent: a sign, its name, and what happens to it in words.
fn line(name: &AgentName, change: &AgentChange) -> String {
    let (sign, mut text) = match change.action {
        Action::Create => ('+', "create".to_owned()),
        Action::Retire => ('-', "retire".to_owned()),
        Action::Restore => ('+', "restore".to_owned()),
        Action::Adopt => ('~', "adopt".to_owned()),
        Action::Change => ('~', String::new()),
    };
    let mut also = |words: String| {
        if !text.is_empty() {
            text += ", ";
        }
        text += &words;
    };
    if let Some(from) = &change.moved_from {
        also(format!("move from {from}"));
    }
    if change.rebuild {
        also("build again".to_owned());
    } else if change.action == Action::Change && !change.fields.is_empty() {
        also("change".to_owned());
    }
    if change.after_run {
        also("once its run has ended".to_owned());
    }
    let mut text = format!("  {sign} {name}: {text}\n");
    for (field, edit) in &change.fields {
        let _ = writeln!(text, "      {field}: {edit}");
    }
    text
}
