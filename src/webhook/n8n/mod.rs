//! What only n8n has: executions that can be looked at, and workflows to begin
//! from.

use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::{Caller, GLANCE, read, root};

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
    /// Looks at an execution in the n8n that has this webhook. `hide` takes out of
    /// an error what nobody may see.
    ///
    /// # Errors
    ///
    /// In words, when n8n does not say.
    pub async fn execution(
        &self,
        webhook: &str,
        key: &SecretString,
        id: &str,
        hide: impl Fn(&str) -> String,
    ) -> Result<Execution, String> {
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err("what it calls itself is not the id of an execution".into());
        }
        let Some((base, _)) = webhook.rsplit_once("/webhook/") else {
            return Err("its URL has no /webhook/ in it, so nobody knows where its API is".into());
        };
        let request = self
            .client
            .request(Method::GET, format!("{base}/api/v1/executions/{id}"))
            .timeout(GLANCE)
            .header("X-N8N-API-KEY", key.expose_secret());
        let (status, body) = read(request).await.map_err(|err| hide(&root(&err)))?;
        match status {
            200 => of_answer(&body),
            404 => Ok(Execution::Unknown),
            401 | 403 => Err(format!("n8n answered {status}: is `api_key` one of its API keys?")),
            other => Err(format!("n8n answered {other}")),
        }
    }
}

/// What an execution is like, by the words that n8n 2 has for it. Whoever says
/// anything else, as the login page of a proxy does, says nothing of a run.
fn of_answer(body: &str) -> Result<Execution, String> {
    let json: Value = serde_json::from_str(body).unwrap_or_default();
    match json["status"].as_str() {
        Some("new" | "running" | "waiting") => Ok(Execution::GoesOn),
        Some("success") => Ok(Execution::Succeeded),
        Some("crashed") => Ok(Execution::Crashed),
        Some("error") => Ok(Execution::Failed("n8n says that its workflow failed".to_owned())),
        Some("canceled") => Ok(Execution::Failed(
            "n8n says that its workflow was cancelled, or ran too long".to_owned(),
        )),
        Some(word) if word.len() < 32 && word.bytes().all(|b| b.is_ascii_alphabetic()) => {
            Err(format!("n8n says that it is `{word}`, which says nothing here"))
        }
        Some(_) => Err("n8n answered with a status that is no word".to_owned()),
        None => Err("n8n answered 200 without a status: is it n8n that answers?".to_owned()),
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
            let nodes: Vec<&Value> = nodes.iter().filter(|node| !is_note(node)).collect();
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

    fn is_note(node: &Value) -> bool {
        node["type"] == "n8n-nodes-base.stickyNote"
    }

    #[test]
    fn a_template_says_what_to_change_and_holds_nothing_of_anybodys() {
        for (name, text) in templates() {
            let workflow: Value = serde_json::from_str(text).unwrap();
            let nodes = workflow["nodes"].as_array().unwrap();
            let notes: String = nodes
                .iter()
                .filter(|node| is_note(node))
                .filter_map(|node| node["parameters"]["content"].as_str())
                .collect();
            for word in ["X-Wavemark-Secret", "*Publish*", "Error workflow"] {
                assert!(notes.contains(word), "{name}: no note says {word}");
            }
            // What n8n gives to what it imports, and what only one n8n knows.
            assert!(workflow.get("id").is_none(), "{name}");
            assert!(nodes.iter().all(|node| node.get("credentials").is_none()), "{name}");
            assert!(workflow["settings"].get("errorWorkflow").is_none(), "{name}");
            // It would be kept with the token in it.
            assert_eq!(workflow["settings"]["saveDataSuccessExecution"], "none", "{name}");
        }
    }

    #[test]
    fn a_call_of_a_template_is_made_again_and_a_run_is_claimed_and_ended_once() {
        let mut calls = BTreeSet::new();
        for (name, text) in templates() {
            let workflow: Value = serde_json::from_str(text).unwrap();
            for node in workflow["nodes"].as_array().unwrap() {
                let Some(url) = node["parameters"]["url"].as_str() else { continue };
                let function = url.rsplit('/').next().unwrap().to_owned();
                assert_eq!(node["retryOnFail"], true, "{name}: {function}");
                assert!(node["maxTries"].as_u64() >= Some(3), "{name}: {function}");
                // However many items the nodes before it give.
                let once = node["executeOnce"] == true;
                let many = function == "run_checkpoint" || function == "run_fail_by_ref";
                assert_eq!(once, !many, "{name}: {function}");
                calls.insert(function);
            }
        }
        let known = ["run_checkpoint", "run_claim", "run_fail_by_ref", "run_finish", "run_inputs"];
        assert_eq!(calls, known.map(ToOwned::to_owned).into());
    }

    #[test]
    fn what_n8n_says_of_an_execution() {
        let told: Vec<String> =
            ["new", "running", "waiting", "success", "error", "canceled", "crashed", "unknown"]
                .iter()
                .map(|word| (word, of_answer(&format!(r#"{{"status": "{word}"}}"#))))
                .map(|(word, said)| format!("{word:<9}{said:?}"))
                .collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        new      Ok(GoesOn)
        running  Ok(GoesOn)
        waiting  Ok(GoesOn)
        success  Ok(Succeeded)
        error    Ok(Failed("n8n says that its workflow failed"))
        canceled Ok(Failed("n8n says that its workflow was cancelled, or ran too long"))
        crashed  Ok(Crashed)
        unknown  Err("n8n says that it is `unknown`, which says nothing here")
        "#);
    }

    #[test]
    fn who_does_not_answer_as_n8n_does_says_nothing() {
        for body in ["<html>Sign in</html>", "", "{}", r#"{"status": 1}"#, r#"{"data": []}"#] {
            assert!(of_answer(body).is_err(), "{body}");
        }
    }

    #[tokio::test]
    async fn nobody_is_asked_about_what_is_no_execution() {
        let caller = Caller::new().unwrap();
        for id in ["", "7/../8", "7?x"] {
            // Nothing listens there.
            let url = "http://127.0.0.1:9/webhook/x";
            let asked = caller.execution(url, &"key".into(), id, ToOwned::to_owned).await;
            let refused = "what it calls itself is not the id of an execution";
            assert_eq!(asked, Err(refused.to_owned()), "{id}");
        }
    }
}
