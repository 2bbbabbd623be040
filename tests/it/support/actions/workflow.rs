//! A workflow file, as far as the workflows here go: any other word in it is an
//! error of the test.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;
use serde_json::Value;

/// Values by their names, of any kind, with expressions in them.
pub(super) type Values = BTreeMap<String, Value>;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Workflow {
    #[serde(skip)]
    pub(super) file: String,
    pub(super) name: String,
    pub(super) on: BTreeMap<String, Value>,
    pub(super) permissions: BTreeMap<String, String>,
    pub(super) defaults: Defaults,
    pub(super) concurrency: Option<Concurrency>,
    pub(super) jobs: BTreeMap<String, Job>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Defaults {
    pub(super) run: Shell,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shell {
    pub(super) shell: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Concurrency {
    pub(super) group: String,
    pub(super) cancel_in_progress: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Job {
    pub(super) name: String,
    pub(super) needs: Option<String>,
    #[serde(rename = "if")]
    pub(super) condition: Option<String>,
    pub(super) runs_on: String,
    pub(super) timeout_minutes: u32,
    pub(super) concurrency: Option<Concurrency>,
    pub(super) permissions: BTreeMap<String, String>,
    pub(super) strategy: Option<Strategy>,
    #[serde(default)]
    pub(super) outputs: BTreeMap<String, String>,
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Strategy {
    pub(super) fail_fast: bool,
    pub(super) matrix: Values,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Step {
    pub(super) name: Option<String>,
    pub(super) id: Option<String>,
    #[serde(rename = "if")]
    pub(super) condition: Option<String>,
    pub(super) timeout_minutes: Option<u32>,
    #[serde(default)]
    pub(super) env: Values,
    pub(super) run: Option<String>,
    pub(super) uses: Option<String>,
    #[serde(default)]
    pub(super) with: Values,
}

/// YAML as GitHub reads it: `on` is a text.
pub(crate) fn yaml<T: serde::de::DeserializeOwned>(text: &str) -> T {
    let options = serde_yaml::options! { strict_booleans: true };
    serde_yaml::from_str_with_options(text, options).unwrap_or_else(|err| panic!("{err}"))
}

impl Workflow {
    /// The one in this file.
    pub(super) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|err| panic!("{path:?}: {err}"));
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        let workflow = Self { file, ..yaml(&text) };
        assert!(workflow.permissions.is_empty(), "{}: each job asks for its own", workflow.file);
        assert_eq!(workflow.defaults.run.shell, "bash");
        for job in workflow.jobs.values() {
            assert!(job.timeout_minutes <= 360 && job.runs_on == "ubuntu-24.04");
            let steps = job.steps.iter().filter_map(|step| step.timeout_minutes);
            assert!(steps.max().is_none_or(|minutes| minutes < job.timeout_minutes));
            assert!(job.strategy.as_ref().is_none_or(|strategy| !strategy.fail_fast));
        }
        workflow
    }
}

impl Step {
    /// What people call it.
    pub(super) fn title(&self) -> &str {
        let uses = self.uses.as_deref();
        self.name.as_deref().or(uses).unwrap_or("run")
    }
}
