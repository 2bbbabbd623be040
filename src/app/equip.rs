//! From a run that began to everything its program needs: nothing is looked up
//! later.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use secrecy::{ExposeSecret as _, SecretString};
use tracing::warn;

use super::{apply::Begun, context::Context};
use crate::{
    app::sessions::carried,
    model::{AgentName, Definition, EnvName, Profile, Runner, credential},
    runner::{Artifact, Contract, Dep, Host, Input, Launch, Limits, Program, RunDir},
    store::{DatabaseUrl, StoredArtifact},
};

/// The launch of a run, or what a person has to do before there can be one.
pub(super) fn launch(cx: &Context, begun: &Begun) -> Result<Launch, String> {
    let run = &begun.claimed;
    let definition = run.definition.as_ref().map(|definition| &definition.0).ok_or_else(|| {
        format!("`{}` has no definition: add it to a file in waves/ and sync", run.agent)
    })?;
    let program = match &definition.run {
        Runner::Exec(command) => Program::Command(command.clone()),
        Runner::Subagent(subagent) => {
            let prices = &cx.project.settings.prices;
            Program::Subagent {
                carried: carried(cx, begun, subagent).map(Box::new),
                left: definition.budget.map(|budget| budget.less(run.spent)),
                price: subagent.model.as_deref().and_then(|model| prices.get(model).copied()),
                subagent: subagent.clone(),
            }
        }
        Runner::N8n(_) | Runner::Webhook(_) | Runner::Manual {} => {
            return Err(format!("`{}` is no work for a program here", run.agent));
        }
    };
    let (mut env, mut secrets) = (definition.env.clone(), secrets(cx, definition)?);
    let mut hidden = hidden(cx);
    if let Program::Subagent { subagent, .. } = &program {
        let Profile { secrets: names, inherit, .. } = &subagent.profile;
        for (name, value) in names.iter().filter_map(|name| Some((name, variable(cx, name)?))) {
            secrets.entry(name.clone()).or_insert_with(|| SecretString::from(value));
        }
        for (name, value) in inherit.iter().filter_map(|name| Some((name, variable(cx, name)?))) {
            env.entry(name.clone()).or_insert_with(|| value.to_owned());
            if let Some((password, sent)) = credential::in_url(value) {
                hidden.insert(name.to_string(), value.into());
                hidden.insert(format!("the password in {name}"), password.into());
                hidden.insert(format!("the password in {name}, as it is sent"), sent.into());
            }
        }
    }
    Ok(Launch {
        dir: directory(cx, begun),
        repo: cx.workspace.root().to_owned(),
        program,
        input: input(cx, begun, definition),
        env,
        secrets,
        hidden,
        host: host(cx),
        limits: Limits {
            artifact_bytes: cx.project.settings.max_artifact_bytes,
            ..Limits::default()
        },
    })
}

/// Where runs of all agents keep their files on this machine.
pub fn runs_folder(cx: &Context) -> PathBuf {
    cx.workspace.private().join("runs")
}

/// Where this run keeps its files: one folder per claim.
pub(super) fn directory(cx: &Context, begun: &Begun) -> PathBuf {
    let run = &begun.claimed;
    let id = run.id.to_string();
    let short = id.split('-').next().unwrap_or_default();
    runs_of(cx, &run.agent).join(format!("{:06}-{short}", run.epoch.0))
}

/// How many run directories of an agent are kept.
const KEPT: usize = 5;

/// Where the runs of an agent keep their files on this machine.
pub(super) fn runs_of(cx: &Context, agent: &AgentName) -> PathBuf {
    runs_folder(cx).join(agent.as_str())
}

/// Removes the oldest of the run directories in a folder. It blocks.
pub(super) fn prune(runs: &Path) {
    let Ok(entries) = fs::read_dir(runs) else { return };
    let mut dirs: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    // They begin with their epoch.
    dirs.sort();
    let surplus = dirs.len().saturating_sub(KEPT);
    for dir in dirs.drain(..surplus).filter(|dir| !RunDir::at(dir).is_followed()) {
        if let Err(err) = fs::remove_dir_all(&dir) {
            warn!("could not remove the old run directory {}: {err}", dir.display());
        }
    }
}

/// Everything that an agent is told.
pub(super) fn input(cx: &Context, begun: &Begun, definition: &Definition) -> Input {
    let run = &begun.claimed;
    let mut deps: Vec<&StoredArtifact> = begun.deps.iter().collect();
    deps.sort_by(|one, other| one.agent.cmp(&other.agent));
    Input {
        contract: Contract,
        project: cx.project.name.clone(),
        wave: run.wave.clone(),
        agent: run.agent.clone(),
        title: definition.title.clone(),
        run: run.id,
        epoch: run.epoch,
        attempt: run.attempt,
        generation: run.generation,
        deadline: run.deadline_at,
        prompt: definition.prompt.clone(),
        produces: definition.produces.iter().cloned().collect(),
        deps: deps
            .into_iter()
            .map(|dep| Dep {
                agent: dep.agent.clone(),
                title: dep.title.clone(),
                artifact: artifact(dep),
            })
            .collect(),
        checkpoints: begun.checkpoints.iter().map(artifact).collect(),
        feedback: begun.threads.clone(),
    }
}

fn artifact(stored: &StoredArtifact) -> Artifact {
    Artifact {
        key: stored.key.clone(),
        version: stored.version,
        sha256: stored.sha256,
        commit: stored.commit.clone(),
        content: Arc::from(stored.content.as_str()),
    }
}

fn secrets(
    cx: &Context,
    definition: &Definition,
) -> Result<BTreeMap<EnvName, SecretString>, String> {
    definition
        .secrets
        .iter()
        .map(|name| {
            let value = variable(cx, name).ok_or_else(|| {
                format!("the secret {name} is not set: set it in the environment of `wavemark`")
            })?;
            Ok((name.clone(), SecretString::from(value)))
        })
        .collect()
}

/// What the environment of `wavemark` says, if it says something.
fn variable<'a>(cx: &'a Context, name: &EnvName) -> Option<&'a str> {
    let value = cx.settings.environment.variables.get(name.as_str())?;
    value.to_str().filter(|value| !value.is_empty())
}

/// What no agent is given and no log may show.
fn hidden(cx: &Context) -> BTreeMap<String, SecretString> {
    let mut hidden = BTreeMap::new();
    let variable = |name: &str| {
        let value = cx.settings.environment.variables.get(name)?.to_str()?;
        (!value.is_empty()).then(|| SecretString::from(value))
    };
    hidden.extend(variable("GITHUB_TOKEN").map(|token| ("the GitHub token".to_owned(), token)));
    if let Some(url) = &cx.settings.database_url {
        hidden.insert("the database address".to_owned(), url.clone());
        let read = url.expose_secret().parse::<DatabaseUrl>().ok();
        let password = read.and_then(|url| url.password().cloned());
        let password = password.or_else(|| variable("PGPASSWORD"));
        hidden.extend(password.map(|password| ("the database password".to_owned(), password)));
    }
    hidden
}

fn host(cx: &Context) -> Host {
    let variables = &cx.settings.environment.variables;
    Host {
        wavemark: cx.settings.environment.binary.clone(),
        path: variables.get("PATH").cloned().unwrap_or_default(),
        home: variables.get("HOME").cloned(),
        lang: variables.get("LANG").cloned(),
        tz: variables.get("TZ").cloned(),
    }
}
