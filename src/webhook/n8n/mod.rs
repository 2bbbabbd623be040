//! What only n8n has: executions that can be looked at, and workflows to begin
//! from.

use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::{Caller, read};

/// What n8n says of an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Execution {
    /// It goes on, or waits for something.
    GoesOn,
    /// It is over, as far as n8n is concerned.
    Succeeded,
    /// It failed, or somebody cancelled it.
    Failed(String),
    /// n8n itself went down in the middle of it.
    Crashed,
    /// n8n knows nothing of it, or not any more.
    Unknown,
}

impl Caller {
    /// Looks at an execution in the n8n that has this webhook.
    ///
    /// # Errors
    ///
    /// In words, when n8n does not say.
    pub async fn execution(
        &self,
        webhook: &str,
        key: &SecretString,
        id: &str,
    ) -> Result<Execution, String> {
        let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let Some((base, _)) = webhook.rsplit_once("/webhook/").filter(|_| plain) else {
            return Err("its URL has no /webhook/ in it, so nobody knows where its API is".into());
        };
        let request = self
            .client
            .request(Method::GET, format!("{base}/api/v1/executions/{id}"))
            .header("X-N8N-API-KEY", key.expose_secret());
        let (status, body) = read(request).await.map_err(|err| super::root(&err))?;
        match status {
            200 => Ok(of_status(&body)),
            404 => Ok(Execution::Unknown),
            401 | 403 => Err(format!("n8n answered {status}: is `api_key` one of its API keys?")),
            other => Err(format!("n8n answered {other}")),
        }
    }
}

fn of_status(body: &str) -> Execution {
    let json: Value = serde_json::from_str(body).unwrap_or_default();
    match json["status"].as_str() {
        Some("success") => Execution::Succeeded,
        Some("crashed") => Execution::Crashed,
        Some("error") => Execution::Failed("n8n says that its workflow failed".to_owned()),
        Some("canceled") => Execution::Failed(
            "n8n says that its workflow was cancelled, or ran too long".to_owned(),
        ),
        _ => Execution::GoesOn,
    }
}

/// Workflows to begin from, to be imported into n8n, by where they go in a repo.
pub fn templates() -> [(&'static str, &'static str); 2] {
    [
        ("waves/n8n/agent.json", include_str!("agent.json")),
        ("waves/n8n/error-workflow.json", include_str!("error-workflow.json")),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_template_is_a_workflow_in_which_everything_is_connected() {
        for (name, text) in templates() {
            let workflow: Value = serde_json::from_str(text).unwrap();
            let nodes = workflow["nodes"].as_array().unwrap();
            let names: BTreeSet<&str> =
                nodes.iter().map(|node| node["name"].as_str().unwrap()).collect();
            assert_eq!(names.len(), nodes.len(), "{name}: two nodes of one name");
            let connections = workflow["connections"].as_object().unwrap();
            let mut reached = BTreeSet::new();
            for (from, to) in connections {
                assert!(names.contains(from.as_str()), "{name}: {from}");
                for one in
                    to["main"].as_array().unwrap().iter().flat_map(|one| one.as_array().unwrap())
                {
                    reached.insert(one["node"].as_str().unwrap());
                }
            }
            assert!(reached.is_subset(&names), "{name}");
            assert_eq!(reached.len() + 1, names.len(), "{name}: all but the trigger are reached");
        }
    }

    #[test]
    fn what_n8n_says_of_an_execution() {
        for (status, meant) in [
            ("success", Execution::Succeeded),
            ("crashed", Execution::Crashed),
            ("waiting", Execution::GoesOn),
            ("running", Execution::GoesOn),
            ("new", Execution::GoesOn),
        ] {
            assert_eq!(of_status(&format!(r#"{{"status": "{status}"}}"#)), meant);
        }
        assert!(matches!(of_status(r#"{"status": "error"}"#), Execution::Failed(_)));
        assert!(matches!(of_status(r#"{"status": "canceled"}"#), Execution::Failed(_)));
    }
}
