//! Profiles, `waves/profiles/<name>.yaml`: how agent programs are started and
//! understood. Four are built in, as files of the same kind; one of the
//! project's with the same name stands in for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
    sync::{Arc, LazyLock},
};

use serde_json::{Value as Json, json};

use super::{
    fields::Reading,
    kind::{At, Kind, Named, Plain, Set, Word, choice},
    mapping::mapping,
    place::Span,
    problem::Findings,
    suggest::{Suggester, listed},
    values::{checked, expected, list, number, parsed, scalar},
    yaml::{self, Node, Value},
};
use crate::model::{
    CommandLine, EnvName, EventFormat, Placeholder, Profile, ProfileName, ProgramHome, PromptBy,
    RunnerKind, Template,
};

/// The folder of a project's own profiles.
pub(super) const FOLDER: &str = "waves/profiles/";

const BUILT_IN: [(&str, &str); 4] = [
    ("claude", include_str!("profiles/claude.yaml")),
    ("codex", include_str!("profiles/codex.yaml")),
    ("gemini", include_str!("profiles/gemini.yaml")),
    ("opencode", include_str!("profiles/opencode.yaml")),
];

/// What can stand under `run`, besides the runners that need no profile.
#[derive(Clone, Debug)]
pub(super) struct Profiles(BTreeMap<ProfileName, Option<Profile>>);

impl Profiles {
    /// Those that every project has.
    pub(super) fn built_in() -> Self {
        static READ: LazyLock<Profiles> = LazyLock::new(|| {
            let (mut findings, suggester) = (Findings::default(), Suggester::new());
            let mut profiles = Profiles(BTreeMap::new());
            for (name, text) in BUILT_IN {
                let file = Arc::from(format!("{FOLDER}{name}.yaml"));
                let (none, findings) = (Profiles(BTreeMap::new()), &mut findings);
                let mut cx =
                    Reading { file: &file, findings, suggester: &suggester, profiles: &none };
                if let Ok(Some(root)) = yaml::parse(text) {
                    profiles.read(&root, &mut cx);
                }
            }
            profiles
        });
        READ.clone()
    }

    /// Takes in the profile of a file, called as the file is.
    pub(super) fn read(&mut self, root: &Node, cx: &mut Reading<'_>) {
        if let Some(name) = self.announce(cx) {
            let profile = ProfileFields::read(root, cx).and_then(|fields| fields.finish(root, cx));
            self.0.insert(name, profile);
        }
    }

    /// The name of a profile whose file is there, whatever is in it.
    pub(super) fn announce(&mut self, cx: &mut Reading<'_>) -> Option<ProfileName> {
        let file = cx.file.rsplit('/').next().unwrap_or_default();
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem).to_owned();
        let name: ProfileName = checked(&stem, Span::START, cx)?;
        if RunnerKind::from_str(name.as_str()).is_ok() {
            cx.error(Span::START, format!("`{name}` is a runner of its own"))
                .hint("give the profile another name: that of its file");
            return None;
        }
        self.0.insert(name.clone(), None);
        Some(name)
    }

    /// The profile of that name; without a value if it is bad, which has been
    /// reported.
    pub(super) fn get(&self, name: &str) -> Option<(&ProfileName, Option<&Profile>)> {
        self.0.get_key_value(name).map(|(name, profile)| (name, profile.as_ref()))
    }

    /// The names of all.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(ProfileName::as_str)
    }
}

mapping! {
    /// A profile: how an agent program is started and understood. In its texts, `{prompt}`,
    /// `{prompt_file}`, `{model}`, `{max_turns}`, `{budget_usd}`, `{allow}`, `{session}`, `{dir}`,
    /// `{repo}`, `{home}` and `{work_slug}` are replaced; an agent may set what its profile names.
    pub(super) struct ProfileFields, "a profile" {
        /// The command line of a new conversation. Words in a list of their own are left out when
        /// what they name has no value, and repeated for each tool when they name `{allow}`.
        #[needed = "start: [my-agent, --print, '{prompt}']"]
        start: At<Line>,
        /// The command line that goes on with a conversation; without it, there is always a new one.
        resume: At<Line>,
        /// How the prompt reaches the program.
        #[default = "arg"]
        prompt: PromptBy,
        /// What the program prints, line by line.
        #[default = "none"]
        events: EventFormat,
        /// The exit codes of a good end. With events, the last of them must be good as well.
        #[default = [0]]
        good_exits: Codes,
        /// The variables with its credentials: taken from the environment of `wavemark` where they
        /// are set there, and never written down.
        #[default = []]
        secrets: Set<EnvName>,
        /// Other variables that are taken from there.
        #[default = []]
        inherit: Set<EnvName>,
        /// Variables with their values.
        #[default = {}]
        env: Named<EnvName, Text>,
        /// Files to put into `{home}`, the program's private folder: paths and contents. In `.json`
        /// and `.toml` files, what is replaced has to stand between double quotes.
        #[default = {}]
        files: Named<InnerPath, Plain>,
        /// The folder in which the program keeps its configuration, and what of it is carried.
        home: HomeFields,
    }
}

mapping! {
    /// Where a program keeps its configuration and its conversations: a private folder instead of
    /// the user's.
    pub(super) struct HomeFields, "`home`" {
        /// The variable that names the folder to the program.
        #[needed = "variable: MY_AGENT_HOME"]
        variable: EnvName,
        /// The user's own such folder, seen from `HOME`.
        #[default = "."]
        of_user: InnerPath,
        /// Files with the user's login, seen from that folder: linked into the private one when none
        /// of the secrets is set.
        #[default = []]
        login: Set<InnerPath>,
        /// Files with the user's settings that such a login needs, seen from that folder: copied
        /// into the private one along with it, and never back.
        #[default = []]
        settings: Set<InnerPath>,
        /// Where in it conversations are: what is carried with `resume: session`.
        sessions: Text,
    }
}

impl ProfileFields {
    fn finish(self, root: &Node, cx: &mut Reading<'_>) -> Option<Profile> {
        let prompt = self.prompt.unwrap_or(PromptBy::Arg);
        let events = self.events.unwrap_or(EventFormat::None);
        let start = self.start?;
        let named = |line: &At<Line>| line.value.0.placeholders();
        let wanted = match prompt {
            PromptBy::Arg => Some(Placeholder::Prompt),
            PromptBy::File => Some(Placeholder::PromptFile),
            PromptBy::Stdin => None,
        };
        let before = cx.findings.len();
        for line in [Some(&start), self.resume.as_ref()].into_iter().flatten() {
            if let Some(wanted) = wanted.filter(|wanted| !named(line).contains(wanted)) {
                cx.findings
                    .error(line.place.clone(), format!("nothing here names `{{{wanted}}}`"))
                    .hint(format!("with `prompt: {prompt}`, the program gets its task by it"));
            }
        }
        if let Some(resume) = &self.resume {
            let knows_id = named(&start).contains(&Placeholder::Session);
            if !named(resume).contains(&Placeholder::Session) {
                cx.findings
                    .error(resume.place.clone(), "nothing here names `{session}`")
                    .hint("without it, the program cannot know which conversation to go on with");
            } else if !knows_id && events == EventFormat::None {
                cx.findings
                    .error(resume.place.clone(), "nobody knows the id of the conversation")
                    .hint("name `{session}` in `start`, or say what the `events` are");
            }
        }
        let env = self.env.unwrap_or_default().0;
        let profile = Profile {
            start: start.value.0,
            resume: self.resume.map(|line| line.value.0),
            prompt,
            events,
            good_exits: self.good_exits.map_or_else(|| BTreeSet::from([0]), |codes| codes.0),
            secrets: self.secrets.unwrap_or_default().into_keys().collect(),
            inherit: self.inherit.unwrap_or_default().into_keys().collect(),
            env: env.into_iter().filter_map(|(name, value)| Some((name, value?.0))).collect(),
            files: self
                .files
                .unwrap_or_default()
                .0
                .into_iter()
                .filter_map(|(path, content)| Some((path.0, content?.0)))
                .collect(),
            home: self.home.and_then(HomeFields::finish),
        };
        if profile.files.contains_key(".") {
            cx.error(root.span, "`files` has content for the folder itself")
                .hint("name a file in it: `config.json`");
        }
        let twice = profile.secrets.intersection(&profile.inherit).next();
        let twice =
            twice.or_else(|| profile.secrets.iter().find(|it| profile.env.contains_key(it)));
        if let Some(name) = twice {
            cx.error(root.span, format!("`{name}` is both secret and not")).hint("name it once");
        }
        (cx.findings.len() == before).then_some(profile)
    }
}

impl HomeFields {
    fn finish(self) -> Option<ProgramHome> {
        Some(ProgramHome {
            variable: self.variable?,
            of_user: self.of_user.map_or_else(|| ".".to_owned(), |path| path.0),
            login: self.login.unwrap_or_default().into_keys().map(|path| path.0).collect(),
            settings: self.settings.unwrap_or_default().into_keys().map(|path| path.0).collect(),
            sessions: self.sessions.map(|text| text.0),
        })
    }
}

choice!(PromptBy);
choice!(EventFormat);

/// A text with placeholders.
#[derive(Clone, Debug)]
pub(super) struct Text(Template);

impl Kind for Text {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        let text = scalar(node, "text, a number or yes or no", cx)?;
        match text.parse() {
            Ok(template) => Some(Self(template)),
            Err(err) => {
                let words: Vec<&str> = Placeholder::ALL.iter().map(|word| word.as_str()).collect();
                let near = cx.suggester.nearest(&err.0, words.iter().copied());
                let hint = match near {
                    Some(near) => format!("did you mean `{{{near}}}`?"),
                    None => format!("use one of {}", listed(&words)),
                };
                cx.error(node.span, err.to_string()).hint(hint);
                None
            }
        }
    }

    fn schema() -> Json {
        Plain::schema()
    }
}

/// A command line: words, and groups of them.
#[derive(Clone, Debug)]
pub(super) struct Line(CommandLine);

impl Kind for Line {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        let Value::List(items) = &node.value else {
            expected(node, "a list: the program, then its arguments", cx);
            return None;
        };
        let before = cx.findings.len();
        let mut groups = Vec::with_capacity(items.len());
        for item in items {
            let words = match &item.value {
                Value::List(words) => words.as_slice(),
                _ => std::slice::from_ref(item),
            };
            let words = words.iter().filter_map(|word| Text::read(word, cx).map(|text| text.0));
            groups.push(words.collect::<Vec<_>>());
        }
        let program = groups.first().and_then(|words| words.first());
        if program.is_none_or(|program| program.as_str().trim().is_empty())
            || program.is_some_and(|program| !program.placeholders().is_empty())
        {
            cx.error(node.span, "this names no program").hint("write the program first");
        }
        (cx.findings.len() == before).then_some(Self(CommandLine(groups)))
    }

    fn schema() -> Json {
        let mut item = Plain::schema();
        item["type"] = json!(["string", "number", "boolean", "array"]);
        item["items"] = Plain::schema();
        json!({
            "type": "array",
            "items": item,
            "minItems": 1,
            "examples": [["my-agent", ["--model", "{model}"], "{prompt}"]],
        })
    }
}

/// Exit codes.
#[derive(Clone, Debug)]
pub(super) struct Codes(BTreeSet<i32>);

impl Kind for Codes {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        let codes = list(node, "a list of exit codes", cx).iter();
        Some(Self(codes.filter_map(|code| number(code, (0, 255), cx)).collect()))
    }

    fn schema() -> Json {
        json!({
            "type": "array",
            "items": { "type": "integer", "minimum": 0, "maximum": 255 },
            "examples": [[0]],
        })
    }
}

/// A path that stays in the folder that it is seen from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InnerPath(String);

/// A path leads elsewhere, or is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not a path in that folder: use letters, digits, `.`, `_`, `-` and `/`, without `..`"
)]
pub(super) struct BadInnerPath(String);

impl FromStr for InnerPath {
    type Err = BadInnerPath;

    fn from_str(path: &str) -> Result<Self, BadInnerPath> {
        let good = |part: &str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
            !part.is_empty() && part != "." && part != ".." && part.bytes().all(plain)
        };
        match path == "." || path.split('/').all(good) {
            true => Ok(Self(path.to_owned())),
            false => Err(BadInnerPath(path.to_owned())),
        }
    }
}

impl fmt::Display for InnerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Word for InnerPath {
    const ONE: &'static str = "a path in a folder";
    const LIST: &'static str = "a list of paths";
    const EXAMPLES: &'static [&'static str] = &["config/mcp.json"];

    fn pattern() -> String {
        r"^(\.|(?!.*(^|/)\.\.?(/|$))[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*)$".to_owned()
    }
}

impl Kind for InnerPath {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        parsed(node, Self::ONE, cx)
    }

    fn schema() -> Json {
        Self::one()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::problems;

    #[test]
    fn the_built_in_profiles_are_good() {
        let profiles = Profiles::built_in();
        let good = |name: &str| profiles.get(name).is_some_and(|(_, profile)| profile.is_some());
        assert!(BUILT_IN.iter().all(|(name, _)| good(name)), "{profiles:?}");
    }

    #[test]
    fn a_profile_is_checked_like_a_plan() {
        insta::assert_snapshot!(problems(r#"
--- waves/profiles/mine.yaml
start: [mine, "{promt}", [a, "{modle}"], "{x}", '{"a":1}']
resume: [mine, "{prompt}"]
promt: stdin
events: cluade
secrets: [A B]
good_exits: [zero, 300]
files: { ../x: y }
home: { login: [auth.json] }
--- waves/profiles/other.yaml
start: [other, go]
resume: [other, "{prompt}"]
--- waves/profiles/third.yaml
start: [third, "{prompt}"]
resume: [third, "{session}", "{prompt}"]
--- waves/profiles/n8n.yaml
start: [n8n, "{prompt}"]
--- waves/profiles/My_Own.yaml
start: ["{prompt}"]
--- waves/profiles/list.yaml
- a
--- waves/profiles/dot.yaml
start: [dot, "{prompt}"]
files: { ".": x }
--- waves/profiles/none.yaml
--- waves/profiles/old.toml
start = ["old"]
--- waves/profiles/twice.yaml
start: [twice, "{prompt}"]
--- waves/profiles/twice.yml
start: [two, "{prompt}"]
--- waves/w.yaml
wave: w
agents: { a: { run: { old: {} } } }
"#), @"
        waves/profiles/My_Own.yaml:1:1: error: `My_Own` cannot name a profile: use 1 to 63 of a-z, 0-9 and `-`, starting with a letter (did you mean `my-own`?)
        waves/profiles/dot.yaml:1:1: error: `files` has content for the folder itself (name a file in it: `config.json`)
        waves/profiles/list.yaml:1:1: error: expected a profile, as `key: value` lines, found a list
        waves/profiles/mine.yaml:1:15: error: `{promt}` is not a placeholder (did you mean `{prompt}`?)
        waves/profiles/mine.yaml:1:30: error: `{modle}` is not a placeholder (did you mean `{model}`?)
        waves/profiles/mine.yaml:1:42: error: `{x}` is not a placeholder (use one of `prompt`, `prompt_file`, `model`, `max_turns`, `budget_usd`, `allow`, `session`, `dir`, `repo`, `home` and `work_slug`)
        waves/profiles/mine.yaml:3:1: error: `promt` is not a field of a profile (did you mean `prompt`?)
        waves/profiles/mine.yaml:4:9: error: `cluade` is not a format of events: use one of claude, codex, gemini, opencode, none (did you mean `claude`?)
        waves/profiles/mine.yaml:5:11: error: `A B` cannot name an environment variable: use A-Z, a-z, 0-9 and `_`, not starting with a digit
        waves/profiles/mine.yaml:6:14: error: expected a whole number from 0 to 255, found `zero`
        waves/profiles/mine.yaml:6:20: error: 300 is out of range (use 0 to 255)
        waves/profiles/mine.yaml:7:10: error: `../x` is not a path in that folder: use letters, digits, `.`, `_`, `-` and `/`, without `..` (did you mean `---x`?)
        waves/profiles/mine.yaml:8:7: error: `home` needs `variable` (write `variable: MY_AGENT_HOME`)
        waves/profiles/n8n.yaml:1:1: error: `n8n` is a runner of its own (give the profile another name: that of its file)
        waves/profiles/none.yaml:1:1: error: the file is empty (remove it, or write a profile)
        waves/profiles/old.toml:1:1: error: a profile is written in YAML, with the ending `.yaml` (`start = […]` is `start: […]`)
        waves/profiles/other.yaml:1:8: error: nothing here names `{prompt}` (with `prompt: arg`, the program gets its task by it)
        waves/profiles/other.yaml:2:9: error: nothing here names `{session}` (without it, the program cannot know which conversation to go on with)
        waves/profiles/third.yaml:2:9: error: nobody knows the id of the conversation (name `{session}` in `start`, or say what the `events` are)
        waves/profiles/twice.yml:1:1: error: waves/profiles/twice.yaml is this profile, too (keep one of them)
        ");
    }
}
