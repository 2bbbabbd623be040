//! Changes for people: counts first, then by wave.

use std::collections::BTreeMap;

use super::{Action, AgentChange, Changes, Counts, Edit, Field, WaveChange};
use crate::{
    model::{AgentName, WaveName},
    plan::problem::harmless,
};

/// The most agents that are listed one by one in brief.
const MAX_AGENTS: usize = 60;
/// The most waves that are listed in brief.
const MAX_WAVES: usize = 40;

/// The most items of a list that are written in brief.
const MAX_ITEMS: usize = 12;

/// How much of the changes is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What fits on a screen or two: counts per wave when there is more.
    Brief,
    /// Every agent.
    Full,
}

/// Whether the changes are yet to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tense {
    /// They are what a sync would do.
    Future,
    /// They are what a sync did.
    Past,
}

impl Tense {
    fn pick<T>(self, future: T, past: T) -> T {
        match self {
            Self::Future => future,
            Self::Past => past,
        }
    }
}

impl Changes {
    /// All in one line, such as `2 to create, 1 to retire; 12 stay as they are`.
    pub fn summary(&self, tense: Tense) -> String {
        if self.is_empty() {
            return format!("nothing to change; {} as they should be", agents(self.unchanged));
        }
        let mut parts = self.counts().words(tense);
        if parts.is_empty() {
            parts.push(tense.pick("only settings to change", "only settings changed").to_owned());
        }
        let stay = if self.unchanged == 1 { "stays as it is" } else { "stay as they are" };
        format!("{}; {} {stay}", parts.join(", "), self.unchanged)
    }

    /// For people: the summary, then what changes wave by wave.
    pub fn to_text(&self, detail: Detail, tense: Tense) -> String {
        let mut text = self.summary(tense) + "\n";
        if self.is_new_project() {
            text += "\nproject (new)\n";
        } else if !self.project.is_empty() {
            text += "\nproject\n";
            for (key, edit) in &self.project {
                text += &format!("  ~ {key}: {}\n", edit.to_text(detail));
            }
        }
        let counts_only = detail == Detail::Brief && self.agents.len() > MAX_AGENTS;
        text += &match counts_only {
            true => self.counts_by_wave(tense),
            false => self.agents_by_wave(detail, tense),
        };
        let moved = self.waves.values().filter(|change| only_order(change)).count();
        if moved > 0 {
            let s = if moved == 1 { "" } else { "s" };
            text += &format!("\n{moved} wave{s} only at another place in the order\n");
        }
        if counts_only {
            text += "\n--full shows every agent\n";
        }
        text
    }

    /// What happens in each wave, in numbers; the first waves only.
    fn counts_by_wave(&self, tense: Tense) -> String {
        let by_wave = self.by_wave();
        let mut text = "\n".to_owned();
        for wave in self.order.iter().take(MAX_WAVES) {
            let agents = by_wave.get(wave).into_iter().flat_map(BTreeMap::values).copied();
            let counts = Counts::of(agents).words(tense).join(", ");
            let colon = if counts.is_empty() { "" } else { ": " };
            text += &heading(wave, self.waves.get(wave), &format!("{colon}{counts}"));
        }
        match self.order.len().saturating_sub(MAX_WAVES) {
            0 => text,
            hidden => format!("{text}... and {hidden} more waves\n"),
        }
    }

    fn agents_by_wave(&self, detail: Detail, tense: Tense) -> String {
        let by_wave = self.by_wave();
        let mut text = String::new();
        for wave in &self.order {
            text.push('\n');
            text += &heading(wave, self.waves.get(wave), "");
            let agents = by_wave.get(wave).into_iter().flatten();
            text.extend(agents.map(|(name, change)| line(name, change, detail, tense)));
        }
        text
    }

    /// Whether the project was never synced: then every setting is new.
    pub(super) fn is_new_project(&self) -> bool {
        let new = |edit: &Edit| matches!(edit, Edit::Value { before: None, .. });
        // There is always a branch, so it was there if anything was.
        self.project.get("artifacts.branch").is_some_and(new)
    }

    /// The agents that change, by wave, with the waves that change themselves.
    pub(super) fn by_wave(&self) -> BTreeMap<&WaveName, BTreeMap<&AgentName, &AgentChange>> {
        let changed = self.waves.iter().filter(|(_, change)| !only_order(change));
        let mut by_wave: BTreeMap<_, BTreeMap<_, _>> =
            changed.map(|(wave, _)| (wave, BTreeMap::new())).collect();
        for (name, change) in &self.agents {
            by_wave.entry(&change.wave).or_default().insert(name, change);
        }
        by_wave
    }
}

impl Counts {
    /// What happens to how many, without what happens to none.
    pub(super) fn words(self, tense: Tense) -> Vec<String> {
        let Self { created, changed, rebuilt, moved, retired, restored, adopted } = self;
        [
            (created, "to create", "created"),
            (changed, "to change", "changed"),
            // Syncing only asks for it.
            (rebuilt, "to build again", "to build again"),
            (moved, "to move", "moved"),
            (restored, "to restore", "restored"),
            (adopted, "to adopt", "adopted"),
            (retired, "to retire", "retired"),
        ]
        .into_iter()
        .filter(|&(number, ..)| number > 0)
        .map(|(number, future, past)| format!("{number} {}", tense.pick(future, past)))
        .collect()
    }
}

impl Edit {
    fn to_text(&self, detail: Detail) -> String {
        match self {
            Self::Value { before, after } => {
                let words = |value: &Option<String>| harmless(value.as_deref().unwrap_or("none"));
                format!("{} -> {}", words(before), words(after))
            }
            Self::Items { added, removed } => {
                let most = if detail == Detail::Brief { MAX_ITEMS } else { usize::MAX };
                let removed = removed.iter().map(|item| format!("-{}", harmless(item)));
                let added = added.iter().map(|item| format!("+{}", harmless(item)));
                let mut all: Vec<String> = removed.chain(added).collect();
                let hidden = all.len().saturating_sub(most);
                all.truncate(most);
                if hidden > 0 {
                    all.push(format!("... and {hidden} more"));
                }
                all.join(" ")
            }
        }
    }
}

impl AgentChange {
    /// What happens to it, a part of a sentence each.
    pub(super) fn words(&self, tense: Tense) -> Vec<String> {
        let mut words = Vec::new();
        match self.action {
            Action::Create => words.push(tense.pick("create", "created").to_owned()),
            Action::Retire => words.push(tense.pick("retire", "retired").to_owned()),
            Action::Restore => words.push(tense.pick("restore", "restored").to_owned()),
            Action::Adopt => words.push(tense.pick("adopt", "adopted").to_owned()),
            Action::Change => (),
        }
        if let Some(from) = &self.moved_from {
            words.push(format!("{} from {from}", tense.pick("move", "moved")));
        }
        if self.rebuild {
            let again = tense.pick("build again", "to be built again");
            let because: Vec<&str> =
                self.rebuild_because().into_iter().map(Field::as_str).collect();
            words.push(match because.join(", ").as_str() {
                "" => again.to_owned(),
                because => format!("{again} because of {because}"),
            });
        } else if self.action == Action::Change && !self.fields.is_empty() {
            words.push(tense.pick("change", "changed").to_owned());
        }
        if self.after_run {
            words.push("once its run has ended".to_owned());
        }
        words
    }

    /// A sign for it.
    pub(super) fn sign(&self) -> char {
        match self.action {
            Action::Create | Action::Restore => '+',
            Action::Retire => '-',
            Action::Adopt | Action::Change => '~',
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

/// A wave, the counts of its agents if they are not listed, and its own fields.
fn heading(wave: &WaveName, change: Option<&WaveChange>, counts: &str) -> String {
    let Some(change) = change else {
        return format!("wave {wave}{counts}\n");
    };
    let what = match change.action {
        Action::Create => " (new)",
        Action::Retire => " (retired)",
        Action::Restore => " (restored)",
        Action::Change | Action::Adopt => "",
    };
    let mut text = format!("wave {wave}{what}{counts}\n");
    for (key, edit) in change.fields.iter().filter(|(key, _)| *key != "position") {
        text += &format!("  ~ {key}: {}\n", edit.to_text(Detail::Brief));
    }
    text
}

/// One agent: a sign, its name, and what happens to it in words.
fn line(name: &AgentName, change: &AgentChange, detail: Detail, tense: Tense) -> String {
    let mut text = format!("  {} {name}: {}\n", change.sign(), change.words(tense).join(", "));
    for (field, edit) in &change.fields {
        text += &format!("      {field}: {}\n", edit.to_text(detail));
    }
    text
}
