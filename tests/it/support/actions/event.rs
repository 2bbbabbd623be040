//! What happened, and which workflows it starts.

use serde_json::{Value, json};

use super::workflow::Workflow;

/// Something that happened in the repo.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// `issues`, `push` and so on.
    pub(crate) name: &'static str,
    pub(crate) payload: Value,
    /// The commit that its workflows run at.
    pub(crate) sha: String,
    /// The branch, or whatever else the commit is of.
    pub(crate) git_ref: String,
    /// The files that it changed.
    pub(crate) paths: Vec<String>,
    /// The only workflow that it starts, where it names one.
    pub(crate) only: Option<String>,
}

impl Event {
    /// On the default branch, with nothing more to say.
    pub(crate) fn at(name: &'static str, sha: &str, payload: Value) -> Self {
        Self {
            name,
            payload,
            sha: sha.to_owned(),
            git_ref: "refs/heads/main".to_owned(),
            paths: Vec::new(),
            only: None,
        }
    }

    /// The payload, with what all of them have.
    pub(super) fn payload(&self, repo: &str) -> Value {
        let mut payload = self.payload.clone();
        payload["repository"] = json!({ "full_name": repo, "default_branch": "main" });
        payload
    }

    /// The branch by its short name.
    pub(super) fn ref_name(&self) -> &str {
        let name = self.git_ref.strip_prefix("refs/heads/");
        name.or(self.git_ref.strip_prefix("refs/")).unwrap_or(&self.git_ref)
    }

    /// Whether it starts this workflow.
    pub(super) fn starts(&self, workflow: &Workflow) -> bool {
        let Some(trigger) = workflow.on.get(self.name) else { return false };
        let known = ["types", "branches", "paths", "workflows"];
        if let Some(object) = trigger.as_object() {
            let stranger = object.keys().find(|key| !known.contains(&key.as_str()));
            assert_eq!(stranger, None, "what does that say in {}?", workflow.file);
        }
        let listed = |key: &str, is: &dyn Fn(&str) -> bool| {
            let list = trigger.get(key).and_then(Value::as_array);
            list.is_none_or(|list| list.iter().filter_map(Value::as_str).any(is))
        };
        let action = self.payload["action"].as_str();
        let by_default = self.name != "pull_request"
            || trigger.get("types").is_some()
            || action != Some("closed");
        self.only.as_ref().is_none_or(|only| *only == workflow.file)
            && by_default
            && listed("types", &|kind| action == Some(kind))
            && listed("branches", &|glob| fits(glob, self.ref_name()))
            && listed("paths", &|glob| self.paths.iter().any(|path| fits(glob, path)))
            && listed("workflows", &|name| self.payload["workflow_run"]["name"] == name)
    }
}

/// Whether a path or a branch fits a pattern that ends with `**`.
fn fits(glob: &str, name: &str) -> bool {
    let start = glob.strip_suffix("**").unwrap_or_else(|| panic!("another pattern: {glob}"));
    name.starts_with(start)
}
