//! Profiles: how an agent program such as Claude Code is started and
//! understood, as data, so that another one takes no code.
//!
//! **Invariant:** a held [`Template`] has no placeholder that nobody can fill.
//! What a profile can honour follows from the placeholders that it uses; it is
//! said nowhere else.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use super::{EnvName, ProfileName, Usd, words};

words! {
    /// What a template may name, in braces: `{model}`.
    pub enum Placeholder("placeholder") {
        /// The text of the prompt.
        Prompt = "prompt",
        /// The path of `prompt.md`.
        PromptFile = "prompt_file",
        /// The model.
        Model = "model",
        /// The most answers of the model.
        MaxTurns = "max_turns",
        /// The most money, in US dollars.
        BudgetUsd = "budget_usd",
        /// A tool that may be used without asking; its words are repeated for each.
        Allow = "allow",
        /// The id of the conversation.
        Session = "session",
        /// The run directory.
        Dir = "dir",
        /// The root of the project.
        Repo = "repo",
        /// The program's private folder, in which the profile's files are.
        Home = "home",
        /// The path of the working directory as one word: what is neither a letter nor a digit is a hyphen.
        WorkSlug = "work_slug",
    }
}

words! {
    /// How the prompt reaches the program.
    pub enum PromptBy("way to hand over a prompt") {
        /// As an argument.
        Arg = "arg",
        /// On standard input, which is closed otherwise.
        Stdin = "stdin",
        /// The program is told where the file is.
        File = "file",
    }
}

words! {
    /// What the lines are that the program prints.
    pub enum EventFormat("format of events") {
        /// Those of `claude --output-format stream-json`.
        Claude = "claude",
        /// Those of `codex exec --json`.
        Codex = "codex",
        /// Those of `gemini -o stream-json`.
        Gemini = "gemini",
        /// Those of `opencode run --format json`.
        Opencode = "opencode",
        /// Text for people; the program's exit code is all that tells how it ended.
        None = "none",
    }
}

words! {
    /// How a run goes on after one that did not finish.
    pub enum Resume("way to resume") {
        /// In a fresh conversation, from the checkpoints and with what people said.
        Checkpoints = "checkpoints",
        /// In the same conversation where it can be had, or else from the checkpoints.
        Session = "session",
    }
}

/// A text with placeholders in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template(String);

/// A text names a placeholder that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{{{0}}}` is not a placeholder")]
pub struct UnknownPlaceholder(pub String);

impl Template {
    /// What it names.
    pub fn placeholders(&self) -> BTreeSet<Placeholder> {
        words_in_braces(&self.0).filter_map(|word| word.parse().ok()).collect()
    }

    /// The text with every placeholder replaced; none if one has no value.
    pub fn filled(&self, value: impl Fn(Placeholder) -> Option<String>) -> Option<String> {
        let mut text = String::new();
        let mut rest = self.0.as_str();
        while let Some(start) = rest.find('{') {
            text += &rest[..start];
            rest = &rest[start..];
            let found = rest[1..].split_once('}').map(|(word, after)| (word.parse(), after));
            if let Some((Ok(placeholder), after)) = found {
                text += &value(placeholder)?;
                rest = after;
            } else {
                text += "{";
                rest = &rest[1..];
            }
        }
        Some(text + rest)
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What stands between braces and could be meant as a placeholder. Other braces
/// are plain text: there is JSON on command lines.
fn words_in_braces(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|piece| {
        let (word, _) = piece.split_once('}')?;
        let is_word = !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        is_word.then_some(word)
    })
}

impl FromStr for Template {
    type Err = UnknownPlaceholder;

    fn from_str(text: &str) -> Result<Self, UnknownPlaceholder> {
        match words_in_braces(text).find(|word| word.parse::<Placeholder>().is_err()) {
            Some(word) => Err(UnknownPlaceholder(word.to_owned())),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Template {
    type Error = UnknownPlaceholder;

    fn try_from(text: String) -> Result<Self, UnknownPlaceholder> {
        text.parse()
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.0
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A command line in groups of words. A group is left out when something that
/// it names has no value, and repeated when it names a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandLine(pub Vec<Vec<Template>>);

impl CommandLine {
    /// What it names.
    pub fn placeholders(&self) -> BTreeSet<Placeholder> {
        self.0.iter().flatten().flat_map(Template::placeholders).collect()
    }

    /// The words, with each of `allowed` in turn for [`Placeholder::Allow`].
    pub fn filled(
        &self,
        allowed: &[String],
        value: impl Fn(Placeholder) -> Option<String>,
    ) -> Vec<String> {
        let mut words = Vec::new();
        let mut add = |group: &[Template], tool: Option<&String>| {
            let value = |placeholder| match placeholder {
                Placeholder::Allow => tool.cloned(),
                other => value(other),
            };
            let filled: Option<Vec<String>> = group.iter().map(|word| word.filled(value)).collect();
            words.extend(filled.unwrap_or_default());
        };
        for group in &self.0 {
            let repeats =
                group.iter().any(|word| word.placeholders().contains(&Placeholder::Allow));
            if repeats {
                allowed.iter().for_each(|tool| add(group, Some(tool)));
            } else {
                add(group, None);
            }
        }
        words
    }
}

/// The folder in which a program keeps its configuration and conversations:
/// a private one for each agent, instead of the user's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramHome {
    /// The variable that names the folder to the program.
    pub variable: EnvName,
    /// The user's own folder of that kind, seen from `HOME`.
    pub of_user: String,
    /// The files with the user's login, seen from either folder. They are linked
    /// into the private one when no secret of the profile is set.
    pub login: BTreeSet<String>,
    /// The files with the user's settings that such a login needs, seen from either
    /// folder: copied into the private one along with it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub settings: BTreeSet<String>,
    /// Where the conversations are, seen from the folder: what is carried when a
    /// conversation is resumed.
    pub sessions: Option<Template>,
}

/// How a program is started and understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The command line of a new conversation.
    pub start: CommandLine,
    /// The command line that goes on with a conversation, if the program can.
    pub resume: Option<CommandLine>,
    /// How the prompt reaches it.
    pub prompt: PromptBy,
    /// What it prints.
    pub events: EventFormat,
    /// The exit codes of a good end. With events, the last of them must be good
    /// as well.
    pub good_exits: BTreeSet<i32>,
    /// Variables that it gets from the environment of `wavemark` where they are
    /// set, and whose values are never shown.
    pub secrets: BTreeSet<EnvName>,
    /// Variables that it gets from there, too, and that are no secret.
    pub inherit: BTreeSet<EnvName>,
    /// Variables that it gets with these values.
    pub env: BTreeMap<EnvName, Template>,
    /// Files that are put into its private folder: paths and contents.
    pub files: BTreeMap<String, String>,
    /// Its own folder, if it has one.
    pub home: Option<ProgramHome>,
}

impl Profile {
    /// Everything that it names.
    fn named(&self) -> BTreeSet<Placeholder> {
        let env = self.env.values().flat_map(Template::placeholders);
        env.chain(self.start.placeholders()).collect()
    }

    /// Whether a setting has an effect. A program that tells its cost as it goes is
    /// stopped at its budget, whether it knows of one or not.
    pub fn honours(&self, setting: Placeholder) -> bool {
        let is_watched = setting == Placeholder::BudgetUsd && self.events == EventFormat::Opencode;
        is_watched || self.named().contains(&setting)
    }

    /// Whether the program tells tokens and never what they cost.
    pub fn tells_no_money(&self) -> bool {
        matches!(self.events, EventFormat::Codex | EventFormat::Gemini)
    }

    /// Whether a conversation can go on in another run.
    pub fn carries_sessions(&self) -> bool {
        let sessions = self.home.as_ref().and_then(|home| home.sessions.as_ref());
        self.resume.is_some() && sessions.is_some()
    }
}

/// An agent program with its settings, pinned: what the profile said is part of
/// what the agent does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subagent {
    /// What the profile is called.
    pub name: ProfileName,
    /// What it said.
    pub profile: Profile,
    /// The model, as the program calls it.
    pub model: Option<String>,
    /// The most answers of the model in one conversation.
    pub max_turns: Option<u32>,
    /// The most money for one conversation.
    pub budget: Option<Usd>,
    /// The tools that may be used without asking.
    pub allow: Vec<String>,
    /// How it goes on after a run that did not finish.
    pub resume: Resume,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(groups: &[&[&str]]) -> CommandLine {
        let group = |words: &&[&str]| words.iter().map(|word| word.parse().unwrap()).collect();
        CommandLine(groups.iter().map(group).collect())
    }

    #[test]
    fn a_group_of_words_is_left_out_or_repeated_as_a_whole() {
        let line = line(&[
            &["claude"],
            &["-p", "{prompt}"],
            &["--model", "{model}"],
            &["--max-turns={max_turns}"],
            &["--tool", "{allow}"],
        ]);
        let value = |placeholder| match placeholder {
            Placeholder::Prompt => Some("{model} it".to_owned()),
            Placeholder::MaxTurns => Some("3".to_owned()),
            _ => None,
        };
        let words = line.filled(&["Read".to_owned(), "Bash(a b)".to_owned()], value);
        insta::assert_snapshot!(format!("{words:?}"), @r#"["claude", "-p", "{model} it", "--max-turns=3", "--tool", "Read", "--tool", "Bash(a b)"]"#);
        assert!(!line.filled(&[], value).contains(&"--tool".to_owned()));
    }

    #[test]
    fn braces_are_plain_text_unless_they_hold_a_word() {
        let json: Template = r#"{"a": {}, "b": "{home}/x"}"#.parse().unwrap();
        assert_eq!(json.filled(|_| Some("/h".into())).unwrap(), r#"{"a": {}, "b": "/h/x"}"#);
        assert_eq!("{modell}".parse::<Template>(), Err(UnknownPlaceholder("modell".into())));
        assert_eq!("{".parse::<Template>().unwrap().filled(|_| None).as_deref(), Some("{"));
    }
}
