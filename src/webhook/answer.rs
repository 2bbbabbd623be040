//! What an answer to a launch means.
//!
//! That a request was answered, and how, is evidence about the launch and not
//! about the work: once somebody claimed the run, none of it counts any more.

use serde_json::Value;

use super::Manners;

/// What the answer to a launch means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The work began, or will: what it is called there, if that was said.
    Accepted(Option<String>),
    /// It may have begun, and may not have.
    Unclear(String),
    /// It did not begin, and may another time.
    NotNow(String),
    /// It did not begin, and will not before a person does something.
    Refused(String),
    /// It began, and failed.
    Failed(String),
}

/// An answer of HTTP, as far as it matters.
#[derive(Clone, Debug)]
pub(super) struct Said<'a> {
    pub(super) status: u16,
    pub(super) body: &'a str,
}

/// What an answer means, from somebody with these manners. `hide` takes out of
/// their words what nobody may see: once they are read, because a secret can be
/// written in JSON in many ways, and before they are cut, because of half a secret
/// nothing is known.
pub(super) fn classify(
    manners: Manners,
    said: &Said<'_>,
    hide: &impl Fn(&str) -> String,
) -> Answer {
    let json: Option<Value> = serde_json::from_str(said.body).ok();
    let reference = json.as_ref().and_then(|json| reference(manners, json));
    let reference = reference.map(|reference| hide(&reference));
    let words = words(json.as_ref(), hide);
    let status = said.status;
    match (status, manners) {
        (200, Manners::N8n) if said.body.trim().is_empty() => Answer::Failed(
            "n8n answered 200 with nothing in it: the workflow failed before its Respond node"
                .to_owned(),
        ),
        (200..=299, _) => Answer::Accepted(reference),
        (401 | 403, _) => Answer::Refused(format!(
            "it answered {status}: is `auth` in the plan, and its secret, what it asks for?{words}"
        )),
        (404, Manners::N8n) if json.is_none() => Answer::NotNow(
            "n8n is still starting: it answered 404 before it knew its workflows".to_owned(),
        ),
        (404, Manners::N8n) => Answer::Refused(format!(
            "n8n knows no such webhook: publish the workflow, and let its Webhook node take POST{words}"
        )),
        (409, _) => Answer::Accepted(reference),
        (413, _) => Answer::Refused(format!(
            "it takes no request as large as this (n8n: N8N_PAYLOAD_SIZE_MAX){words}"
        )),
        (408 | 425 | 429 | 502 | 503, _) => {
            Answer::NotNow(format!("it answered {status}: it is busy or not there{words}"))
        }
        (504, _) => Answer::Unclear(format!("a gateway gave up waiting for its answer{words}")),
        (500..=599, Manners::N8n) => Answer::Failed(format!("n8n answered {status}{words}")),
        (500..=599, Manners::Plain) => Answer::Failed(format!("it answered {status}{words}")),
        (300..=399, _) => {
            Answer::Refused(format!("it answered {status}: write the URL that it redirects to"))
        }
        _ => Answer::Refused(format!("it answered {status}{words}")),
    }
}

/// What the work is called there.
fn reference(manners: Manners, json: &Value) -> Option<String> {
    let json = json.as_array().and_then(|items| items.first()).unwrap_or(json);
    let id = ["execution_id", "executionId"].iter().find_map(|name| json.get(name))?;
    let id = match id {
        Value::String(id) => id.clone(),
        Value::Number(id) => id.to_string(),
        _ => return None,
    };
    let good = !id.is_empty() && id.len() <= 190 && !id.contains(char::is_control);
    good.then(|| match manners {
        Manners::N8n => format!("n8n:{id}"),
        Manners::Plain => id,
    })
}

/// What it says itself, on one line that holds no more than people read.
fn words(json: Option<&Value>, hide: &impl Fn(&str) -> String) -> String {
    let said = json.and_then(|json| json.get("message")?.as_str()).unwrap_or_default();
    let said = hide(said);
    let line = said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200);
    let line: String = line.collect();
    if line.trim().is_empty() { line.trim().to_owned() } else { format!(": {}", line.trim()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTML: &str = "<pre>Cannot POST /webhook/vision</pre>";

    fn said(manners: Manners, status: u16, body: &str) -> Answer {
        classify(manners, &Said { status, body }, &ToOwned::to_owned)
    }

    #[test]
    fn the_answers_of_n8n_as_they_were_measured() {
        let cases = [
            (202, r#"{"execution_id": 77}"#),
            (202, r#"[{"executionId": "77"}]"#),
            (200, r#"{"message": "Workflow was started"}"#),
            (200, ""),
            (403, "Authorization data is wrong!"),
            (404, HTML),
            (
                404,
                r#"{"code":404,"message":"The requested webhook \"POST vision\" is not registered."}"#,
            ),
            (413, r#"{"message":"request entity too large"}"#),
            (429, ""),
            (500, r#"{"message":"Error in workflow"}"#),
            // A request that is larger than it takes, too.
            (500, r#"{"code":0,"message":"There was a problem executing the workflow"}"#),
            (422, r#"{"code":422,"message":"Failed to parse request body","hint":"…"}"#),
            (502, ""),
            (504, ""),
            (301, ""),
        ];
        let told: Vec<String> = cases
            .iter()
            .map(|&(status, body)| format!("{status}: {:?}", said(Manners::N8n, status, body)))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        202: Accepted(Some("n8n:77"))
        202: Accepted(Some("n8n:77"))
        200: Accepted(None)
        200: Failed("n8n answered 200 with nothing in it: the workflow failed before its Respond node")
        403: Refused("it answered 403: is `auth` in the plan, and its secret, what it asks for?")
        404: NotNow("n8n is still starting: it answered 404 before it knew its workflows")
        404: Refused("n8n knows no such webhook: publish the workflow, and let its Webhook node take POST: The requested webhook \"POST vision\" is not registered.")
        413: Refused("it takes no request as large as this (n8n: N8N_PAYLOAD_SIZE_MAX): request entity too large")
        429: NotNow("it answered 429: it is busy or not there")
        500: Failed("n8n answered 500: Error in workflow")
        500: Failed("n8n answered 500: There was a problem executing the workflow")
        422: Refused("it answered 422: Failed to parse request body")
        502: NotNow("it answered 502: it is busy or not there")
        504: Unclear("a gateway gave up waiting for its answer")
        301: Refused("it answered 301: write the URL that it redirects to")
        "#);
    }

    #[test]
    fn anybody_else_may_answer_with_nothing() {
        let said = |status, body| said(Manners::Plain, status, body);
        assert_eq!(said(204, ""), Answer::Accepted(None));
        assert_eq!(said(200, r#"{"execution_id": "a"}"#), Answer::Accepted(Some("a".to_owned())));
        assert_eq!(said(409, ""), Answer::Accepted(None));
        assert!(matches!(said(404, HTML), Answer::Refused(_)));
    }

    #[test]
    fn a_secret_is_not_told_however_it_is_written_or_cut() {
        let hide = |text: &str| text.replace("s3cr3t-token", "***");
        let long = "x".repeat(195);
        for (body, told) in [
            (r#"{"message": "got s3cr3t-token"}"#, "it answered 400: got ***"),
            (r#"{"message": "got \u0073\u0033cr3t-token"}"#, "it answered 400: got ***"),
            (
                &format!(r#"{{"message": "{long}s3cr3t-token"}}"#),
                &format!("it answered 400: {long}***"),
            ),
        ] {
            let said = Said { status: 400, body };
            assert_eq!(classify(Manners::Plain, &said, &hide), Answer::Refused(told.to_owned()));
        }
        let said = Said { status: 200, body: r#"{"execution_id": "s3cr3t\u002dtoken"}"# };
        assert_eq!(
            classify(Manners::Plain, &said, &hide),
            Answer::Accepted(Some("***".to_owned()))
        );
    }
}
