//! `waves/project.yaml`: what holds for the whole project.
//!
//! ```yaml
//! project: seed-story          # the only field that must be there
//! artifacts: { branch: wavemark/artifacts, max_size: 5MiB }
//! pools: { default: 8, gpu: 2 }        # how many agents run at once
//! defaults: { timeout: 2h, retries: 2 } # as in a wave, which overrides them
//! grace: 2m            # for a run that is to stop for feedback
//! backoff: 10s         # before the first retry; doubles up to
//! backoff_cap: 30m
//! stall_timeout: 30m   # without a sign of life
//! lease: 2m            # how long a machine may be silent
//! infra_retries: 10    # lost machines before people are asked
//! trust: { role: triage }  # who may steer by issues, at least
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    fields::{Fields, Reading, entries},
    place::Place,
    policy::Policy,
    units::{duration, size},
    values::{checked, number, parsed, text, word},
    yaml::Node,
};
use crate::model::{PoolName, ProjectName, ProjectSettings, Role};

/// Where it is, from the repo's root.
pub(super) const PATH: &str = "waves/project.yaml";
/// Where it is looked for by those who write `.yml`.
pub(super) const MISNAMED: &str = "waves/project.yml";
/// The cap of the pool `default` when nobody says otherwise.
const DEFAULT_CAP: u32 = 8;
const FIELDS: [&str; 11] = [
    "project",
    "artifacts",
    "pools",
    "defaults",
    "grace",
    "backoff",
    "backoff_cap",
    "stall_timeout",
    "lease",
    "infra_retries",
    "trust",
];

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
    pub(super) default_pool: Option<Place>,
}

impl DraftProject {
    pub(super) fn read(root: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        let fields = Fields::open(root, "the project", &FIELDS, cx)?;
        let name = fields
            .require("project", "project: my-project", cx)
            .and_then(|node| parsed(node, "the name of the project", cx));
        let mut settings = ProjectSettings::default();
        let artifact_branch = artifacts(&fields, &mut settings, cx);
        durations(&fields, &mut settings, cx);
        let (defaults, default_pool) = Policy::read_defaults(&fields, cx);
        let default_pool = default_pool.map(|span| cx.place(span));
        Some(Self {
            name,
            artifact_branch: artifact_branch.unwrap_or_else(|| "wavemark/artifacts".to_owned()),
            pools: pools(&fields, cx),
            settings,
            trusted_role: trusted_role(&fields, cx).unwrap_or(Role::Triage),
            defaults,
            default_pool,
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

fn durations(fields: &Fields<'_>, settings: &mut ProjectSettings, cx: &mut Reading<'_>) {
    let mut all_read = true;
    for (key, setting) in [
        ("grace", &mut settings.grace),
        ("backoff", &mut settings.backoff),
        ("backoff_cap", &mut settings.backoff_cap),
        ("stall_timeout", &mut settings.stall_timeout),
        ("lease", &mut settings.lease),
    ] {
        let Some(node) = fields.get(key) else {
            continue;
        };
        match duration(node, cx) {
            Some(found) => *setting = found,
            None => all_read = false,
        }
    }
    let retries = fields.get("infra_retries");
    if let Some(retries) = retries.and_then(|node| {
        number(node, "a whole number: how many lost machines to put up with", (0, 1000), cx)
    }) {
        settings.infra_retries = retries;
    }
    if all_read && settings.backoff > settings.backoff_cap {
        let at = fields.get("backoff").or_else(|| fields.get("backoff_cap"));
        if let Some(node) = at {
            cx.error(node.span, "`backoff` is longer than `backoff_cap`")
                .hint("the wait starts at `backoff` and doubles up to `backoff_cap`");
        }
    }
}

fn artifacts(
    fields: &Fields<'_>,
    settings: &mut ProjectSettings,
    cx: &mut Reading<'_>,
) -> Option<String> {
    let node = fields.get("artifacts")?;
    let fields = Fields::open(node, "`artifacts`", &["branch", "max_size"], cx)?;
    if let Some(bytes) = fields.get("max_size").and_then(|node| size(node, cx)) {
        settings.max_artifact_bytes = bytes;
    }
    let node = fields.get("branch")?;
    let branch = text(node, "the name of a branch", cx)?;
    if !is_branch(branch) {
        cx.error(node.span, format!("`{branch}` is not a good branch name"))
            .hint("use a-z, 0-9, `-`, `_` and `.` between slashes, such as `wavemark/artifacts`");
        return None;
    }
    if ["main", "master", "HEAD"].contains(&branch) {
        cx.error(node.span, format!("`{branch}` is where people work"))
            .hint("give artifacts a branch of their own, such as `wavemark/artifacts`");
        return None;
    }
    Some(branch.to_owned())
}

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

fn pools(fields: &Fields<'_>, cx: &mut Reading<'_>) -> BTreeMap<PoolName, u32> {
    let mut pools = BTreeMap::from([(PoolName::default_pool(), DEFAULT_CAP)]);
    let declared = fields.get("pools").and_then(|node| entries(node, "`pools`", cx));
    for (key, span, node) in declared.unwrap_or_default() {
        let name = checked(key, span, cx);
        let cap = number(node, "a whole number: how many agents may run at once", (1, 10_000), cx);
        if let Some(name) = name {
            pools.insert(name, cap.unwrap_or(DEFAULT_CAP));
        }
    }
    pools
}

fn trusted_role(fields: &Fields<'_>, cx: &mut Reading<'_>) -> Option<Role> {
    let node = fields.get("trust")?;
    let fields = Fields::open(node, "`trust`", &["role"], cx)?;
    fields.get("role").and_then(|node| word(node, Role::ALL, cx))
}

#[cfg(test)]
mod tests {
    use crate::plan::testing::problems;

    #[test]
    fn a_project_has_a_name() {
        insta::assert_snapshot!(problems(r#"
--- waves/project.yaml
pools: {}
"#), @"waves/project.yaml:1:1: error: the project needs `project` (write `project: my-project`)");
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
"#), @"
        waves/project.yaml:1:10: error: `Seed Story` cannot name a project: use 1 to 63 of a-z, 0-9 and `-`, starting with a letter (did you mean `seed-story`?)
        waves/project.yaml:2:22: error: `-x..y` is not a good branch name (use a-z, 0-9, `-`, `_` and `.` between slashes, such as `wavemark/artifacts`)
        waves/project.yaml:2:41: error: `5 GB` is not a size (write it as `500KiB` or `5MiB`)
        waves/project.yaml:2:47: error: `brnch` is not a field of `artifacts` (did you mean `branch`?)
        waves/project.yaml:3:19: error: 0 is out of range (use 1 to 10000)
        waves/project.yaml:3:22: error: `GPU` cannot name a pool: use 1 to 63 of a-z, 0-9 and `-`, starting with a letter (did you mean `gpu`?)
        waves/project.yaml:3:35: error: expected a whole number: how many agents may run at once, found `lots`
        waves/project.yaml:3:46: error: 20000 is out of range (use 1 to 10000)
        waves/project.yaml:4:22: error: `400 days` is longer than 365 days (write it as `90s`, `30m` or `2h`)
        waves/project.yaml:4:40: error: `maybe` is not a review: use one of none, required, parallel
        waves/project.yaml:4:47: error: `title` is not a field of `defaults` (`defaults` may have `timeout`, `retries`, `pool`, `priority`, `review` and `on_stale`)
        waves/project.yaml:5:8: error: `0s` is not a whole number of seconds, from 1 on (write it as `90s`, `30m` or `2h`)
        waves/project.yaml:7:14: error: `soon` is not a duration (write it as `90s`, `30m` or `2h`)
        waves/project.yaml:8:16: error: `1ms` is not a whole number of seconds, from 1 on (write it as `90s`, `30m` or `2h`)
        waves/project.yaml:9:16: error: expected a whole number: how many lost machines to put up with, found the number `1.5`
        waves/project.yaml:10:16: error: `owner` is not a role: use one of read, triage, write, maintain, admin
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
        let files = [("waves/project.yml".to_owned(), b"project: p".to_vec())].into();
        let problems = crate::plan::read(&files).check(&Default::default());
        insta::assert_snapshot!(problems.unwrap_err().to_lines(), @"waves/project.yml:1:1: error: the project's file is called waves/project.yaml (rename this one)");
    }

    #[test]
    fn a_missing_project_is_told_what_to_write() {
        let problems = crate::plan::read(&[].into()).check(&Default::default());
        insta::assert_snapshot!(problems.unwrap_err().to_lines(), @"waves/project.yaml:1:1: error: there is no waves/project.yaml (write one: `project: my-project` is enough)");
    }
}
