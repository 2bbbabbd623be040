//! What an agent is, checked and canonical: what a plan says, what a run pins.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    AgentName, ArtifactKey, BadName, Digest, Manners, ModelName, PoolName, Price, Resume, Subagent,
    Usd, WaveName, Webhook, words,
};

words! {
    /// Whether people look at what an agent built before others may use it.
    pub enum Review("review") {
        /// Nobody needs to look.
        None = "none",
        /// Dependents wait for the approval.
        Required = "required",
        /// Dependents build on it while it is being reviewed.
        Parallel = "parallel",
    }
}

words! {
    /// What happens to a finished agent when what it was built from changes.
    pub enum OnStale("reaction to stale inputs") {
        /// It is kept, and shown as stale.
        Keep = "keep",
        /// It is built again.
        Rebuild = "rebuild",
    }
}

words! {
    /// The name of a runner: how the database and the YAML call it.
    pub enum RunnerKind("runner") {
        /// A program on this machine.
        Exec = "exec",
        /// An agent program on this machine, by its profile.
        Subagent = "subagent",
        /// A workflow of n8n.
        N8n = "n8n",
        /// Whoever is behind a URL.
        Webhook = "webhook",
        /// A person.
        Manual = "manual",
    }
}

/// What does the work of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Runner {
    /// A program and its arguments, started without a shell. A relative
    /// program with a slash is found from the repo's root.
    Exec(Vec<String>),
    /// An agent program, such as Claude Code.
    Subagent(Box<Subagent>),
    /// A workflow of n8n.
    N8n(Webhook),
    /// Whoever is behind a URL.
    Webhook(Webhook),
    /// A person, who hands in what the agent produces.
    Manual {},
}

impl RunnerKind {
    /// Whether it works on the machine of whoever starts it, any machine will
    /// do, and `wavemark build` there is what starts it.
    pub fn needs_a_machine(self) -> bool {
        match self {
            Self::Exec | Self::Subagent => true,
            Self::N8n | Self::Webhook | Self::Manual => false,
        }
    }

    /// Whether what does the work is elsewhere, and followed from anywhere.
    pub fn is_remote(self) -> bool {
        matches!(self, Self::N8n | Self::Webhook)
    }
}

impl Runner {
    /// Which runner it is.
    pub fn kind(&self) -> RunnerKind {
        match self {
            Self::Exec(_) => RunnerKind::Exec,
            Self::Subagent(_) => RunnerKind::Subagent,
            Self::N8n(_) => RunnerKind::N8n,
            Self::Webhook(_) => RunnerKind::Webhook,
            Self::Manual {} => RunnerKind::Manual,
        }
    }

    /// Who is asked over HTTP, if anybody is.
    pub fn webhook(&self) -> Option<&Webhook> {
        match self {
            Self::N8n(webhook) | Self::Webhook(webhook) => Some(webhook),
            Self::Exec(_) | Self::Subagent(_) | Self::Manual {} => None,
        }
    }

    /// Whether a run may go on with the conversation of an earlier one.
    pub fn resumes(&self) -> bool {
        matches!(self, Self::Subagent(subagent) if subagent.resume == Resume::Session)
    }
}

/// What must be there before an agent starts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Need {
    /// One agent.
    Agent(AgentName),
    /// Every agent of a wave.
    Wave(WaveName),
}

impl Need {
    /// The rule, as a regular expression.
    pub fn pattern() -> String {
        format!("^(wave:)?{}", AgentName::PATTERN.trim_start_matches('^'))
    }
}

impl FromStr for Need {
    type Err = BadName;

    fn from_str(need: &str) -> Result<Self, BadName> {
        Ok(match need.strip_prefix("wave:") {
            Some(wave) => Self::Wave(wave.parse()?),
            None => Self::Agent(need.parse()?),
        })
    }
}

impl TryFrom<String> for Need {
    type Error = BadName;

    fn try_from(need: String) -> Result<Self, BadName> {
        need.parse()
    }
}

impl From<Need> for String {
    fn from(need: Need) -> Self {
        need.to_string()
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(name) => name.fmt(f),
            Self::Wave(name) => write!(f, "wave:{name}"),
        }
    }
}

/// The name of an environment variable: `[A-Za-z_][A-Za-z0-9_]*`, and not one
/// that Wavemark sets itself (`WAVEMARK_…`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnvName(String);

/// Why a string cannot name an environment variable of an agent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEnvName {
    /// It is not an identifier.
    #[error(
        "`{0}` cannot name an environment variable: use A-Z, a-z, 0-9 and `_`, not starting with a digit"
    )]
    Shape(String),
    /// Wavemark sets it, or must keep it from agents.
    #[error("`{0}` is Wavemark's own: agents may not set it")]
    Reserved(String),
}

impl EnvName {
    /// Never reach an agent, whatever a definition says.
    const RESERVED: [&'static str; 8] = [
        "DATABASE_URL",
        // Where Wavemark's own password or key may be instead.
        "PGPASSWORD",
        "PGPASSFILE",
        "PGSSLCERT",
        "PGSSLKEY",
        "GITHUB_TOKEN",
        "ACTIONS_RUNTIME_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    ];

    /// The rule, as a regular expression.
    pub fn pattern() -> String {
        format!("^(?!WAVEMARK_|({})$)[A-Za-z_][A-Za-z0-9_]{{0,254}}$", Self::RESERVED.join("|"))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EnvName {
    type Err = BadEnvName;

    fn from_str(name: &str) -> Result<Self, BadEnvName> {
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !starts_well || !plain || name.len() > 255 {
            return Err(BadEnvName::Shape(name.to_owned()));
        }
        if name.starts_with("WAVEMARK_") || Self::RESERVED.contains(&name) {
            return Err(BadEnvName::Reserved(name.to_owned()));
        }
        Ok(Self(name.to_owned()))
    }
}

impl TryFrom<String> for EnvName {
    type Error = BadEnvName;

    fn try_from(name: String) -> Result<Self, BadEnvName> {
        name.parse()
    }
}

impl From<EnvName> for String {
    fn from(name: EnvName) -> Self {
        name.0
    }
}

impl fmt::Display for EnvName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One agent, checked: every default filled in, the prompt read.
///
/// Serialising it gives the canonical form that is hashed and stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// What people call it.
    pub title: Option<String>,
    /// What must be complete before it starts.
    pub needs: BTreeSet<Need>,
    /// What does the work.
    pub run: Runner,
    /// The text of the prompt.
    pub prompt: Option<String>,
    /// Environment variables with their values.
    pub env: BTreeMap<EnvName, String>,
    /// Environment variables whose values come from the runner's environment.
    pub secrets: BTreeSet<EnvName>,
    /// What must be stored before it is complete.
    pub produces: BTreeSet<ArtifactKey>,
    /// Whether people look at the result.
    pub review: Review,
    /// What happens when its inputs change after it finished.
    pub on_stale: OnStale,
    /// What caps how many run at once.
    pub pool: PoolName,
    /// Who goes first when a pool is short: the higher.
    pub priority: i32,
    /// How long one run may take.
    #[serde(with = "seconds")]
    pub timeout: Duration,
    /// How many times it is tried again after a failure of its own.
    pub retries: u32,
    /// What its runs may cost together, before a person is asked.
    #[serde(default, rename = "budget_usd", skip_serializing_if = "Option::is_none")]
    pub budget: Option<Usd>,
}

impl Definition {
    /// The digest of all of it.
    pub fn digest(&self) -> Digest {
        Digest::of_json(self)
    }

    /// The digest of what the agent *does*: a finished agent is built again
    /// when this changes, and not when its title or its priority does.
    pub fn work_digest(&self) -> Digest {
        Digest::of_json(&(
            &self.run,
            &self.prompt,
            &self.env,
            &self.secrets,
            &self.needs,
            &self.produces,
        ))
    }
}

/// What holds for a whole project: from `waves/project.yaml`, with defaults.
///
/// Durations are stored as whole seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectSettings {
    /// How long a run that is to stop for feedback may go on to its next
    /// checkpoint.
    #[serde(with = "seconds")]
    pub grace: Duration,
    /// How many runs may be lost with their machines before people are asked.
    pub infra_retries: u32,
    /// The wait before the first retry; it doubles from there.
    #[serde(with = "seconds")]
    pub backoff: Duration,
    /// The longest wait before a retry.
    #[serde(with = "seconds")]
    pub backoff_cap: Duration,
    /// How long a run that gives no sign of life is left alone.
    #[serde(with = "seconds")]
    pub stall_timeout: Duration,
    /// How often something else than a person is to tick.
    ///
    /// Left out where nobody said otherwise: plans from before it was there have
    /// the digests that they had.
    #[serde(with = "seconds", skip_serializing_if = "is_every_six_hours")]
    pub tick_every: Duration,
    /// How long a supervisor may be silent before its runs count as lost.
    #[serde(with = "seconds")]
    pub lease: Duration,
    /// The largest artifact, in bytes.
    pub max_artifact_bytes: u64,
    /// What all runs may cost together, before a person is asked.
    #[serde(rename = "budget_usd", skip_serializing_if = "Option::is_none")]
    pub budget: Option<Usd>,
    /// What all runs may cost within 24 hours.
    #[serde(rename = "budget_usd_per_day", skip_serializing_if = "Option::is_none")]
    pub budget_per_day: Option<Usd>,
    /// What models cost, for programs that do not tell.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub prices: BTreeMap<ModelName, Price>,
    /// How much is asked of GitHub at a time. Left out where it is as usual, so
    /// that the digest of a plan that says nothing about it stays what it was.
    #[serde(skip_serializing_if = "Manners::are_usual")]
    pub github: Manners,
}

impl Default for ProjectSettings {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(120),
            infra_retries: 10,
            backoff: Duration::from_secs(10),
            backoff_cap: Duration::from_secs(30 * 60),
            stall_timeout: Duration::from_secs(30 * 60),
            tick_every: SIX_HOURS,
            lease: Duration::from_secs(120),
            max_artifact_bytes: 5 * 1024 * 1024,
            budget: None,
            budget_per_day: None,
            prices: BTreeMap::new(),
            github: Manners::default(),
        }
    }
}

const SIX_HOURS: Duration = Duration::from_secs(6 * 3600);

fn is_every_six_hours(every: &Duration) -> bool {
    *every == SIX_HOURS
}

/// A duration as whole seconds.
pub(super) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(in crate::model) fn serialize<S: Serializer>(
        value: &Duration,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_u64(value.as_secs())
    }

    pub(in crate::model) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_never_get_what_is_wavemarks() {
        for reserved in ["WAVEMARK_DATABASE_CA", "DATABASE_URL", "PGPASSWORD", "GITHUB_TOKEN"] {
            assert_eq!(reserved.parse::<EnvName>(), Err(BadEnvName::Reserved(reserved.to_owned())));
        }
        assert!("A-B".parse::<EnvName>().is_err());
        assert!("REGION".parse::<EnvName>().is_ok());
    }

    #[test]
    fn a_need_names_an_agent_or_a_wave() {
        assert_eq!("wave:research".parse(), Ok(Need::Wave("research".parse().unwrap())));
        assert_eq!("brief".parse(), Ok(Need::Agent("brief".parse().unwrap())));
        assert!("wave:".parse::<Need>().is_err());
    }
}
