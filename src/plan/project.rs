//! `waves/project.yaml`: what holds for the whole project.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::{
    fields::Reading,
    kind::{At, Kind, Named, Whole},
    mapping::mapping,
    policy::Policy,
    units::{PerMillion, Size},
    values::text,
    yaml::Node,
};
use crate::model::{Manners, ModelName, PoolName, Price, ProjectName, ProjectSettings, Role, Usd};

/// Where it is, from the repo's root.
pub(super) const PATH: &str = "waves/project.yaml";
/// Where it is looked for by those who write `.yml`.
pub(super) const MISNAMED: &str = "waves/project.yml";
/// The cap of the pool `default` when nobody says otherwise.
const DEFAULT_CAP: u32 = 8;

mapping! {
    /// What holds for the whole project: `waves/project.yaml`.
    pub(super) struct ProjectFields, "the project" {
        /// What the project is called, once in a database.
        #[needed = "project: my-project"]
        project: ProjectName,
        /// Where artifacts go.
        artifacts: Artifacts,
        /// How many agents of each pool run at once.
        #[default = { "default": 8 }]
        pools: Named<PoolName, Whole<1, 10_000>>,
        /// What holds for agents when neither they nor their waves say otherwise.
        defaults: Policy,
        /// How long a run that is to stop for feedback may go on to its next checkpoint.
        #[default = "2m"]
        grace: Duration,
        /// The wait before the first retry; it doubles from there.
        #[default = "10s"]
        backoff: At<Duration>,
        /// The longest wait before a retry.
        #[default = "30m"]
        backoff_cap: At<Duration>,
        /// How long a run that gives no sign of life is left alone.
        #[default = "30m"]
        stall_timeout: Duration,
        /// How often a workflow ticks: more than that without a tick is late.
        #[default = "6h"]
        tick_every: Duration,
        /// How long a machine may be silent before its runs count as lost.
        #[default = "2m"]
        lease: Duration,
        /// How many runs may be lost with their machines before people are asked.
        #[default = 10]
        infra_retries: Whole<0, 1000>,
        /// What all runs may cost together, in US dollars, before a person is asked.
        budget_usd: Usd,
        /// What all runs may cost within 24 hours, in US dollars.
        budget_usd_per_day: Usd,
        /// What models cost, by the names that agents call them by: for programs that tell tokens
        /// and no money.
        #[default = {}]
        prices: Named<ModelName, PriceFields>,
        /// Who may steer agents by issues.
        trust: Trust,
        /// How much is asked of GitHub at a time.
        github: GithubFields,
    }
}

mapping! {
    /// Where artifacts go, and how large they may be.
    pub(super) struct Artifacts, "`artifacts`" {
        /// The branch that artifacts are committed to, which nobody works on.
        #[default = "wavemark/artifacts"]
        branch: Branch,
        /// The largest artifact.
        #[default = "5MiB"]
        max_size: Size,
    }
}

mapping! {
    /// What a million tokens of a model cost, in US dollars.
    pub(super) struct PriceFields, "a price" {
        /// Of input.
        #[needed = "input: 1.25"]
        input: PerMillion,
        /// Of input that was read from a cache; as of any other input where it is left out.
        cached: PerMillion,
        /// Of output and of reasoning.
        #[needed = "output: 10"]
        output: PerMillion,
    }
}

impl PriceFields {
    fn finish(self) -> Option<Price> {
        let PerMillion(input) = self.input?;
        let cached = self.cached.map_or(input, |PerMillion(usd)| usd);
        Some(Price { input, cached, output: self.output?.0 })
    }
}

mapping! {
    /// Who may steer agents by issues.
    pub(super) struct Trust, "`trust`" {
        /// What somebody must be allowed to do in the repo, at least.
        #[default = "triage"]
        role: Role,
    }
}

mapping! {
    /// How much is asked of GitHub at a time.
    pub(super) struct GithubFields, "`github`" {
        /// How many changes are made there in one visit; the next one goes on.
        #[default = 40]
        writes: Whole<1, 500>,
        /// The rest between two changes. GitHub asks for a second.
        #[default = "1s"]
        pause: Duration,
        /// How long an answer is waited for.
        #[default = "30s"]
        timeout: Duration,
    }
}

impl GithubFields {
    fn manners(self) -> Manners {
        let usual = Manners::default();
        Manners {
            writes: self.writes.map_or(usual.writes, Whole::unsigned),
            pause: self.pause.unwrap_or(usual.pause),
            timeout: self.timeout.unwrap_or(usual.timeout),
        }
    }
}

/// What holds for a whole project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// What it is called.
    pub name: ProjectName,
    /// The branch that artifacts are committed to.
    pub artifact_branch: String,
    /// How many agents of each pool may run at once. The pool `default` is
    /// always among them.
    pub pools: BTreeMap<PoolName, u32>,
    /// Durations and limits.
    pub settings: ProjectSettings,
    /// The least that somebody must be allowed to do in the repo to steer
    /// agents through issues.
    pub trusted_role: Role,
}

/// The project as far as its file could be read.
pub(super) struct DraftProject {
    pub(super) name: Option<ProjectName>,
    pub(super) artifact_branch: String,
    pub(super) pools: BTreeMap<PoolName, u32>,
    pub(super) settings: ProjectSettings,
    pub(super) trusted_role: Role,
    pub(super) defaults: Policy,
}

impl DraftProject {
    pub(super) fn read(root: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        let before = cx.findings.len();
        let fields = ProjectFields::read(root, cx)?;
        if cx.findings.len() == before {
            backoff(&fields, cx);
        }
        let mut pools = BTreeMap::from([(PoolName::default_pool(), DEFAULT_CAP)]);
        for (name, cap) in fields.pools.unwrap_or_default().0 {
            pools.insert(name, cap.map_or(DEFAULT_CAP, Whole::unsigned));
        }
        let artifacts = fields.artifacts.unwrap_or_default();
        let default = ProjectSettings::default();
        Some(Self {
            name: fields.project,
            artifact_branch: artifacts.branch.map_or("wavemark/artifacts".to_owned(), |b| b.0),
            pools,
            settings: ProjectSettings {
                grace: fields.grace.unwrap_or(default.grace),
                infra_retries: fields.infra_retries.map_or(default.infra_retries, Whole::unsigned),
                backoff: fields.backoff.map_or(default.backoff, |at| at.value),
                backoff_cap: fields.backoff_cap.map_or(default.backoff_cap, |at| at.value),
                stall_timeout: fields.stall_timeout.unwrap_or(default.stall_timeout),
                lease: fields.lease.unwrap_or(default.lease),
                tick_every: fields.tick_every.unwrap_or(default.tick_every),
                max_artifact_bytes: artifacts.max_size.map_or(default.max_artifact_bytes, |s| s.0),
                budget: fields.budget_usd,
                budget_per_day: fields.budget_usd_per_day,
                prices: (fields.prices.unwrap_or_default().0.into_iter())
                    .filter_map(|(model, price)| Some((model, price?.finish()?)))
                    .collect(),
                github: fields.github.map_or(default.github, GithubFields::manners),
            },
            trusted_role: fields.trust.and_then(|trust| trust.role).unwrap_or(Role::Triage),
            defaults: fields.defaults.unwrap_or_default(),
        })
    }

    /// The project, if its name is known.
    pub(super) fn finish(self) -> Option<Project> {
        Some(Project {
            name: self.name?,
            artifact_branch: self.artifact_branch,
            pools: self.pools,
            settings: self.settings,
            trusted_role: self.trusted_role,
        })
    }
}

/// Reports a first wait that is longer than the longest.
fn backoff(fields: &ProjectFields, cx: &mut Reading<'_>) {
    let default = ProjectSettings::default();
    let (first, longest) = (fields.backoff.as_ref(), fields.backoff_cap.as_ref());
    let wait = |at: Option<&At<Duration>>, default| at.map_or(default, |at| at.value);
    if wait(first, default.backoff) > wait(longest, default.backoff_cap)
        && let Some(at) = first.or(longest)
    {
        cx.findings
            .error(at.place.clone(), "`backoff` is longer than `backoff_cap`")
            .hint("the wait starts at `backoff` and doubles up to `backoff_cap`");
    }
}

/// The branch that artifacts are committed to.
#[derive(Clone, Debug)]
pub(super) struct Branch(String);

impl Kind for Branch {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        let branch = text(node, "the name of a branch", cx)?;
        let (what, hint) = if !is_branch(branch) {
            let hint =
                "use a-z, 0-9, `-`, `_` and `.` between slashes, such as `wavemark/artifacts`";
            ("is not a good branch name", hint)
        } else if PEOPLES_BRANCHES.contains(&branch) {
            let hint = "give artifacts a branch of their own, such as `wavemark/artifacts`";
            ("is where people work", hint)
        } else {
            return Some(Self(branch.to_owned()));
        };
        cx.error(node.span, format!("`{branch}` {what}")).hint(hint);
        None
    }

    fn schema() -> Json {
        json!({
            "type": "string",
            "maxLength": 200,
            "examples": ["wavemark/artifacts"],
            "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$",
            "not": { "enum": PEOPLES_BRANCHES },
        })
    }
}

/// Branches that are never for artifacts.
const PEOPLES_BRANCHES: [&str; 3] = ["main", "master", "HEAD"];

/// Stricter than git: what needs no quoting anywhere.
fn is_branch(name: &str) -> bool {
    name.len() <= 200
        && name.split('/').all(|part| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
                && !part.contains("..")
                && !part.ends_with('.')
                && !part.ends_with(".lock")
        })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::{
        model::Manners,
        plan::testing::{check, problems},
    };

    #[test]
    fn a_project_has_a_name() {
        insta::assert_snapshot!(problems(r#"
--- waves/project.yaml
pools: {}
"#), @"waves/project.yaml:1:1: error: the project needs `project` (write `project: my-project`)");
    }

    #[test]
    fn how_much_is_asked_of_github_is_a_setting() {
        let yaml = "--- waves/project.yaml\nproject: p\ngithub: { writes: 10, timeout: 1m }\n";
        let read = check(yaml).unwrap().project.settings.github;
        let wanted = Manners { writes: 10, timeout: Duration::from_secs(60), ..Manners::default() };
        assert_eq!(read, wanted);
    }

    #[test]
    fn every_setting_is_checked() {
        insta::assert_snapshot!(problems(r#"
--- waves/project.yaml
project: Seed Story
artifacts: { branch: "-x..y", max_size: 5 GB, brnch: a }
pools: { default: 0, GPU: 2, big: lots, cpu: 20000 }
defaults: { timeout: 400 days, review: maybe, title: A }
grace: 0s
backoff: 1h
backoff_cap: soon
stall_timeout: 1ms
infra_retries: 1.5
trust: { role: owner }
github: { writes: 0, pause: 10ms, timeout: 1, retries: 3 }
prices: { gpt-5: { input: free, output: -1, out: 1 }, "big one": { input: 0, output: 0 }, o3: { input: 1 } }
"#), @"
        waves/project.yaml:1:10: error: `Seed Story` cannot name a project: use 1 to 63 of a-z, 0-9 and `-`, starting with a letter (did you mean `seed-story`?)
        waves/project.yaml:2:22: error: `-x..y` is not a good branch name (use a-z, 0-9, `-`, `_` and `.` between slashes, such as `wavemark/artifacts`)
        waves/project.yaml:2:41: error: `5 GB` is not a size (write it as `500KiB` or `5MiB`)
        waves/project.yaml:2:47: error: `brnch` is not a field of `artifacts` (did you mean `branch`?)
        waves/project.yaml:3:19: error: 0 is out of range (use 1 to 10000)
        waves/project.yaml:3:22: error: `GPU` cannot name a pool: use 1 to 63 of a-z, 0-9 and `-`, starting with a letter (did you mean `gpu`?)
        waves/project.yaml:3:35: error: expected a whole number from 1 to 10000, found `lots`
        waves/project.yaml:3:46: error: 20000 is out of range (use 1 to 10000)
        waves/project.yaml:4:22: error: `400 days` is longer than 365 days (write it as `90s`, `30m` or `2h`)
        waves/project.yaml:4:40: error: `maybe` is not a review: use one of none, required, parallel
        waves/project.yaml:4:47: error: `title` is not a field of `defaults` (`defaults` may have `timeout`, `retries`, `pool`, `priority`, `review`, `on_stale` and `budget_usd`)
        waves/project.yaml:5:8: error: `0s` is no time at all (write it as `90s`, `30m` or `2h`)
        waves/project.yaml:7:14: error: `soon` is not a duration (write it as `90s`, `30m` or `2h`)
        waves/project.yaml:8:16: error: `1ms` is not a duration (write it as `90s`, `30m` or `2h`)
        waves/project.yaml:9:16: error: expected a whole number from 0 to 1000, found the number `1.5`
        waves/project.yaml:10:16: error: `owner` is not a role: use one of read, triage, write, maintain, admin
        waves/project.yaml:11:19: error: 0 is out of range (use 1 to 500)
        waves/project.yaml:11:29: error: `10ms` is not a duration (write it as `90s`, `30m` or `2h`)
        waves/project.yaml:11:44: error: expected a duration with its unit, found the number `1` (write `1s` for seconds, `1m` for minutes)
        waves/project.yaml:11:47: error: `retries` is not a field of `github` (`github` may have `writes`, `pause` and `timeout`)
        waves/project.yaml:12:27: error: expected US dollars for a million tokens, such as 1.25, found `free`
        waves/project.yaml:12:41: error: `-1` is no amount in US dollars: write one such as 4 or 0.25
        waves/project.yaml:12:45: error: `out` is not a field of a price (a price may have `input`, `cached` and `output`)
        waves/project.yaml:12:55: error: `big one` is not the name of a model: use up to 200 of A-Z, a-z, 0-9 and `@._~:/+-`, not starting with one of `:/+-` (did you mean `big-one`?)
        waves/project.yaml:12:95: error: a price needs `output` (write `output: 10`)
        ");
    }

    #[test]
    fn the_longest_wait_is_not_the_shortest() {
        insta::assert_snapshot!(problems(r#"
--- waves/project.yaml
project: p
backoff: 1h
"#), @"waves/project.yaml:2:10: error: `backoff` is longer than `backoff_cap` (the wait starts at `backoff` and doubles up to `backoff_cap`)");
    }

    #[test]
    fn artifacts_have_a_branch_of_their_own() {
        insta::assert_snapshot!(problems(r#"
--- waves/project.yaml
project: p
artifacts: { branch: main, max_size: 1GiB }
"#), @"
        waves/project.yaml:2:22: error: `main` is where people work (give artifacts a branch of their own, such as `wavemark/artifacts`)
        waves/project.yaml:2:38: error: `1GiB` is not a size (write it as `500KiB` or `5MiB`)
        ");
    }

    #[test]
    fn the_other_ending_is_told() {
        let files = [("waves/project.yml".to_owned(), b"project: p".as_slice().into())].into();
        let problems = crate::plan::read(&files).check(&Default::default());
        insta::assert_snapshot!(problems.unwrap_err().to_lines(), @"waves/project.yml:1:1: error: the project's file is called waves/project.yaml (rename this one)");
    }

    #[test]
    fn a_missing_project_is_told_what_to_write() {
        let problems = crate::plan::read(&[].into()).check(&Default::default());
        insta::assert_snapshot!(problems.unwrap_err().to_lines(), @"waves/project.yaml:1:1: error: there is no waves/project.yaml (write one: `project: my-project` is enough)");
    }
}
