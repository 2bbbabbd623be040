//! What does the work of an agent: `run`, with exactly one runner under it.

use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::{
    fields::{Fields, Reading, entries},
    kind::{Kind, Plain},
    mapping::mapping,
    place::Place,
    profile::Profiles,
    subagent,
    suggest::listed,
    values::expected,
    yaml::{Node, Value},
};
use crate::model::{
    Auth, EnvName, HeaderName, ProfileName, Runner, RunnerKind, UrlTemplate, Webhook,
};

/// A runner with its settings.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) runner: Runner,
    /// Where its program stands, if that is a path.
    pub(super) place: Option<Place>,
    /// How long one run may take, if the runner says so.
    pub(super) timeout: Option<Duration>,
}

impl Run {
    /// The path of the program that is to be looked up.
    pub(super) fn program(&self) -> Option<&str> {
        match &self.runner {
            Runner::Exec(words) if self.place.is_some() => words.first().map(String::as_str),
            _ => None,
        }
    }
}

/// What may stand under the name of a runner. A new one is added here, and the
/// rest of this file and the schema follow. Sub-agents go by the name of their
/// profile.
fn settings(kind: RunnerKind) -> Option<Settings> {
    match kind {
        RunnerKind::Exec => Some(Settings::of::<Command>()),
        RunnerKind::Subagent => None,
        RunnerKind::N8n => Some(Settings {
            read: |node, cx| N8nFields::read(node, cx).and_then(N8nFields::run),
            schema: N8nFields::schema,
        }),
        RunnerKind::Webhook => Some(Settings {
            read: |node, cx| WebhookFields::read(node, cx).and_then(WebhookFields::run),
            schema: WebhookFields::schema,
        }),
        RunnerKind::Manual => Some(Settings::of::<Manual>()),
    }
}

/// The runners that go by their own name.
fn kinds() -> impl Iterator<Item = (RunnerKind, Settings)> {
    RunnerKind::ALL.iter().filter_map(|&kind| Some((kind, settings(kind)?)))
}

/// How the settings of one runner are read and described.
struct Settings {
    read: fn(&Node, &mut Reading<'_>) -> Option<Run>,
    schema: fn() -> Json,
}

impl Settings {
    fn of<K: Kind + Into<Run>>() -> Self {
        Self { read: |node, cx| K::read(node, cx).map(Into::into), schema: K::schema }
    }
}

impl Kind for Run {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        if !matches!(node.value, Value::Map(_)) {
            let problem = expected(node, "a runner with its settings", cx);
            problem.hint("write `run: { exec: [program, argument] }` or `run: { manual: {} }`");
            return None;
        }
        let own = kinds().map(|(kind, _)| kind.as_str());
        let words: Vec<&str> = own.chain(cx.profiles.names()).collect();
        let entries = entries(node, "a runner", cx)?;
        let [(key, span, node)] = entries.as_slice() else {
            let what = format!("`run` takes exactly one runner, found {}", entries.len());
            cx.error(node.span, what).hint(format!("use one of {}", listed(&words)));
            return None;
        };
        if let Some((name, profile)) = cx.profiles.get(key) {
            let subagent = subagent::read(name, profile, node, cx)?;
            let runner = Runner::Subagent(Box::new(subagent));
            return Some(Self { runner, place: None, timeout: None });
        }
        let Some(settings) = key.parse().ok().and_then(settings) else {
            let hint = cx.suggester.hint(key, words);
            let problem = cx.error(*span, format!("`{key}` is not a runner"));
            let own = "an agent program of your own gets a profile: waves/profiles/<name>.yaml";
            problem.hint(hint.as_deref().unwrap_or(own));
            return None;
        };
        (settings.read)(node, cx)
    }

    fn schema() -> Json {
        let described = |about: &str, mut schema: Json| {
            let details = schema["description"].as_str().unwrap_or_default();
            schema["description"] = format!("{about} {details}").into();
            schema
        };
        let own = kinds().map(|(kind, settings)| {
            (kind.to_string(), described(kind.about(), (settings.schema)()))
        });
        let about = RunnerKind::Subagent.about();
        let built_in = Profiles::built_in();
        let subagents =
            built_in.names().map(|name| (name.to_owned(), described(about, subagent::schema())));
        json!({
            "type": "object",
            "title": "a runner",
            "properties": own.chain(subagents).collect::<Map<_, _>>(),
            "propertyNames": { "pattern": ProfileName::PATTERN },
            // A project has profiles of its own.
            "additionalProperties": subagent::schema(),
            "minProperties": 1,
            "maxProperties": 1,
        })
    }
}

/// A program and its arguments.
struct Command {
    words: Vec<String>,
    place: Option<Place>,
}

impl From<Command> for Run {
    fn from(Command { words, place }: Command) -> Self {
        Self { runner: Runner::Exec(words), place, timeout: None }
    }
}

impl Kind for Command {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        let wanted = "a list: the program, then its arguments";
        let Value::List(items) = &node.value else {
            let problem = expected(node, wanted, cx);
            if let Value::Text(command) = &node.value {
                let words: Vec<&str> = command.split_whitespace().collect();
                problem.hint(format!("no shell is involved; write `exec: [{}]`", words.join(", ")));
            }
            return None;
        };
        let words: Vec<String> =
            items.iter().filter_map(|item| Plain::read(item, cx)).map(|Plain(word)| word).collect();
        let Some(program) = words.first().filter(|program| !program.trim().is_empty()) else {
            cx.error(node.span, "`exec` names no program")
                .hint("write the program first: `exec: [agents/program.sh, --quick]`");
            return None;
        };
        let place = program.contains('/').then(|| cx.place(items[0].span));
        (words.len() == items.len()).then_some(Self { words, place })
    }

    fn schema() -> Json {
        json!({
            "type": "array",
            "items": Plain::schema(),
            "minItems": 1,
            "examples": [["agents/program.sh", "--quick"]],
            "description": "The program, then its arguments; no shell is involved. A program with \
                            a slash is looked for from the repo's root, another one on the `PATH`.",
        })
    }
}

mapping! {
    /// A header by which the one that is asked knows who asks.
    pub(super) struct AuthFields, "`auth`" {
        /// Which header.
        #[needed = "header: X-Wavemark-Secret"]
        header: HeaderName,
        /// The name of the environment variable that holds its secret.
        #[needed = "secret: N8N_SECRET"]
        secret: EnvName,
    }
}

mapping! {
    /// A workflow that begins with a Webhook node is sent a POST with everything that the agent
    /// gets, and calls the functions of the database.
    pub(super) struct N8nFields, "`n8n`" {
        /// The production URL of its Webhook node. `{env:NAME}` in it is filled in from the
        /// environment of `wavemark`.
        #[needed = "webhook: \"{env:N8N_URL}/webhook/my-agent\""]
        webhook: UrlTemplate,
        /// What the Webhook node asks for: header auth.
        auth: AuthFields,
        /// The name of the environment variable that holds a key of n8n's API: then what n8n says
        /// about an execution counts, too.
        api_key: EnvName,
        /// What is sent a POST when a run is to stop.
        stop: UrlTemplate,
        /// How long one run may take.
        timeout: Duration,
    }
}

mapping! {
    /// Whoever is behind the URL is sent a POST with everything that the agent gets, and calls the
    /// functions of the database.
    pub(super) struct WebhookFields, "`webhook`" {
        /// What is sent a POST. `{env:NAME}` in it is filled in from the environment of
        /// `wavemark`.
        #[needed = "url: https://agents.example.org/my-agent"]
        url: UrlTemplate,
        /// What it asks for to know who asks.
        auth: AuthFields,
        /// What is sent a POST when a run is to stop.
        stop: UrlTemplate,
        /// How long one run may take.
        timeout: Duration,
    }
}

impl AuthFields {
    /// Both, if both are there; what is missing was reported.
    fn both(self) -> Option<Auth> {
        Some(Auth { header: self.header?, secret: self.secret? })
    }
}

/// What was read, if it is enough to ask somebody; if not, that was reported.
fn asked(
    url: Option<UrlTemplate>,
    (auth, api_key, stop): (Option<AuthFields>, Option<EnvName>, Option<UrlTemplate>),
    runner: fn(Webhook) -> Runner,
    timeout: Option<Duration>,
) -> Option<Run> {
    let auth = auth.and_then(AuthFields::both);
    let runner = runner(Webhook { url: url?, auth, api_key, stop });
    Some(Run { runner, place: None, timeout })
}

impl N8nFields {
    fn run(self) -> Option<Run> {
        let more = (self.auth, self.api_key, self.stop);
        asked(self.webhook, more, Runner::N8n, self.timeout)
    }
}

impl WebhookFields {
    fn run(self) -> Option<Run> {
        let more = (self.auth, None, self.stop);
        asked(self.url, more, Runner::Webhook, self.timeout)
    }
}

/// A person, who needs no settings.
struct Manual;

impl From<Manual> for Run {
    fn from(_: Manual) -> Self {
        Self { runner: Runner::Manual {}, place: None, timeout: None }
    }
}

impl Kind for Manual {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        match node.value {
            Value::Nothing => Some(Self),
            _ => Fields::open(node, "`manual`", &[], cx).map(|_| Self),
        }
    }

    fn schema() -> Json {
        json!({
            "type": ["object", "null"],
            "additionalProperties": false,
            "description": "Somebody hands in what it produces: `wavemark checkpoint`, then \
                            `wavemark finish`.",
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::testing::problems;

    #[test]
    fn there_is_exactly_one_runner() {
        insta::assert_snapshot!(problems(r#"
--- waves/w.yaml
wave: w
agents:
  a: { run: { exec: ["true"], manual: {} } }
  b: { run: {} }
  c: { run: { exce: ["true"] } }
  d: { run: manual }
  e: { run: { manual: { who: me } } }
"#), @"
        waves/w.yaml:3:13: error: `run` takes exactly one runner, found 2 (use one of `exec`, `n8n`, `webhook`, `manual`, `claude`, `codex`, `gemini` and `opencode`)
        waves/w.yaml:4:13: error: `run` takes exactly one runner, found 0 (use one of `exec`, `n8n`, `webhook`, `manual`, `claude`, `codex`, `gemini` and `opencode`)
        waves/w.yaml:5:15: error: `exce` is not a runner (did you mean `exec`?)
        waves/w.yaml:6:13: error: expected a runner with its settings, found `manual` (write `run: { exec: [program, argument] }` or `run: { manual: {} }`)
        waves/w.yaml:7:25: error: `who` is not a field of `manual` (`manual` has no fields)
        ");
    }

    #[test]
    fn a_webhook_is_a_url_that_keeps_a_secret() {
        insta::assert_snapshot!(problems(r#"
--- waves/w.yaml
wave: w
agents:
  a: { run: { n8n: { webhook: "{env:N8N_URL}/webhook/a", auth: { header: X-Wavemark-Secret, secret: N8N_SECRET }, api_key: N8N_API_KEY, stop: "https://x.org/stop", timeout: 2h } } }
  b: { run: { webhook: { url: "https://x.org/b" } } }
  c: { run: { n8n: { webhook: "https://x.org/webhook-test/c" } } }
  d: { run: { n8n: { webhook: "http://x.org/webhook/d" } } }
  e: { run: { webhook: { url: "https://x.org/{agent}" } } }
  f: { run: { n8n: { auth: { header: "X Y" } } } }
  g: { run: { webhook: { url: "https://x.org/g", api_key: KEY } } }
"#), @r#"
        waves/w.yaml:5:31: error: `https://x.org/webhook-test/c` is for one test only: use the production URL, with /webhook/
        waves/w.yaml:6:31: error: `http://x.org/webhook/d` is not encrypted: use https://, as the secrets of a run go there
        waves/w.yaml:7:31: error: `{agent}` is not a variable: write {env:NAME}, with the name of an environment variable
        waves/w.yaml:8:20: error: `n8n` needs `webhook` (write `webhook: "{env:N8N_URL}/webhook/my-agent"`)
        waves/w.yaml:8:28: error: `auth` needs `secret` (write `secret: N8N_SECRET`)
        waves/w.yaml:8:38: error: `X Y` cannot name a header: use 1 to 100 of A-Z, a-z, 0-9 and `-`, starting with a letter (did you mean `x-y`?)
        waves/w.yaml:9:50: error: `api_key` is not a field of `webhook` (`webhook` may have `url`, `auth`, `stop` and `timeout`)
        "#);
    }

    #[test]
    fn a_command_is_a_list() {
        insta::assert_snapshot!(problems(r#"
--- waves/w.yaml
wave: w
agents:
  a: { run: { exec: agents/a.sh --quick } }
  b: { run: { exec: [] } }
  c: { run: { exec: [" "] } }
  d: { run: { exec: [echo, [a]] } }
  e: { run: { exec: 5 } }
"#), @"
        waves/w.yaml:3:21: error: expected a list: the program, then its arguments, found `agents/a.sh --quick` (no shell is involved; write `exec: [agents/a.sh, --quick]`)
        waves/w.yaml:4:21: error: `exec` names no program (write the program first: `exec: [agents/program.sh, --quick]`)
        waves/w.yaml:5:21: error: `exec` names no program (write the program first: `exec: [agents/program.sh, --quick]`)
        waves/w.yaml:6:28: error: expected text, a number or yes or no, found a list
        waves/w.yaml:7:21: error: expected a list: the program, then its arguments, found the number `5`
        ");
    }
}
