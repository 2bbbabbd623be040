//! What is sent to whoever is asked to do the work of a run.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::{
    app::{apply::Begun, context::Context, equip},
    model::{Auth, Definition, Runner, UrlTemplate, Webhook},
    runner::{Dep, Input},
    webhook::{Manners, Post},
};

/// As much of what others made as goes along with a launch, in bytes. What is
/// more is fetched by whoever needs it: n8n keeps what it is sent.
const BY_VALUE: usize = 1024 * 1024;

/// The webhook of an agent, and whose manners it has.
pub(super) fn asked(definition: &Definition) -> Option<(Manners, &Webhook)> {
    match &definition.run {
        Runner::N8n(webhook) => Some((Manners::N8n, webhook)),
        Runner::Webhook(webhook) => Some((Manners::Plain, webhook)),
        Runner::Exec(_) | Runner::Subagent(_) | Runner::Manual {} => None,
    }
}

/// A launch with all it takes, or what a person has to do before there can be
/// one.
pub(super) fn post(
    cx: &Context,
    begun: &Begun,
    definition: &Definition,
    webhook: &Webhook,
) -> Result<Post, String> {
    let mut body = inputs(&equip::input(cx, begun, definition), definition);
    body["token"] = begun.token.expose().into();
    let api = cx.settings.environment.api();
    body["callback"] = json!({
        "rest": api.as_ref().map(|api| format!("{}/rpc", api.url)),
        "apikey": api.as_ref().and_then(|api| api.key.as_deref()),
        "sql": "select public.run_claim($1, $2, $3)",
    });
    filled(cx, &webhook.url, webhook.auth.as_ref(), begun.claimed.id.to_string(), &body)
}

/// A request with its variables filled in.
pub(super) fn filled(
    cx: &Context,
    url: &UrlTemplate,
    auth: Option<&Auth>,
    key: String,
    body: &Value,
) -> Result<Post, String> {
    let url = url.fill(|name| cx.settings.environment.word(name).map(ToOwned::to_owned))?;
    let auth = match auth {
        Some(auth) => Some((auth.header.as_str().to_owned(), secret(cx, auth.secret.as_str())?)),
        None => None,
    };
    if auth.as_ref().is_some_and(|(_, secret)| !secret.expose_secret().bytes().all(is_visible)) {
        return Err("the secret of `auth` cannot stand in a header: use visible ASCII".to_owned());
    }
    Ok(Post { url: url.into(), auth, key, body: body.to_string().into() })
}

fn is_visible(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte)
}

/// The value of a variable that a plan names.
pub(super) fn secret(cx: &Context, name: &str) -> Result<SecretString, String> {
    let value = cx.settings.environment.word(name).map(SecretString::from);
    value.ok_or_else(|| {
        format!("the secret {name} is not set: set it in the environment of `wavemark`")
    })
}

/// What the agent gets, with what others made as far as that is not too much.
fn inputs(input: &Input, definition: &Definition) -> Value {
    let mut left = BY_VALUE;
    let mut whole = true;
    let mut content = |text: &str| match left.checked_sub(text.len()) {
        Some(less) => {
            left = less;
            Value::from(text)
        }
        None => {
            whole = false;
            Value::Null
        }
    };
    let deps: Vec<Value> = input
        .deps
        .iter()
        .map(|Dep { agent, title, artifact }| {
            json!({
                "agent": agent, "title": title, "key": artifact.key, "version": artifact.version,
                "sha256": artifact.sha256, "commit": artifact.commit,
                "content": content(&artifact.content),
            })
        })
        .collect();
    let checkpoints: Vec<Value> = input
        .checkpoints
        .iter()
        .map(|artifact| {
            json!({
                "key": artifact.key, "version": artifact.version, "sha256": artifact.sha256,
                "commit": artifact.commit, "content": content(&artifact.content),
            })
        })
        .collect();
    json!({
        "contract": input.contract, "project": input.project, "wave": input.wave,
        "agent": input.agent, "title": input.title, "run": input.run, "epoch": input.epoch,
        "attempt": input.attempt, "generation": input.generation, "deadline": input.deadline,
        "prompt": input.prompt, "env": definition.env, "produces": input.produces,
        "deps": deps, "checkpoints": checkpoints, "feedback": input.feedback,
        // What is missing is in the answer of run_inputs.
        "complete": whole,
    })
}
