//! The environment of an agent, built from nothing.
//!
//! **Invariant:** nothing of this process's own environment gets in. Where
//! Wavemark runs there is a database password and often a token that can push;
//! an agent runs other people's programs on other people's text.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::Path,
};

use chrono::SecondsFormat;
use secrecy::ExposeSecret as _;

use super::{dir::RunDir, launch::Launch};
use crate::model::RunId;

/// The variable by which the processes of a run are recognised.
const RUN: &str = "WAVEMARK_RUN";

/// The entry that every process of `run` has, unless it cleared it.
pub(super) fn mark(run: RunId) -> String {
    format!("{RUN}={run}")
}

/// Every variable an agent gets. `bin` is the folder where `wavemark` is.
///
/// What the definition declares may replace `HOME`, `LANG`, `TZ` and `PATH`,
/// but nothing that starts with `WAVEMARK_`: [`EnvName`](crate::model::EnvName)
/// cannot hold such a name.
pub(super) fn environment(launch: &Launch, bin: &Path) -> BTreeMap<OsString, OsString> {
    let mut env: BTreeMap<OsString, OsString> = BTreeMap::new();
    let mut set = |name: &str, value: &OsStr| {
        env.insert(name.into(), value.to_owned());
    };

    let host = &launch.host;
    set("PATH", &host.path);
    for (name, value) in [("HOME", &host.home), ("LANG", &host.lang), ("TZ", &host.tz)] {
        if let Some(value) = value {
            set(name, value);
        }
    }
    for (name, value) in &launch.env {
        set(name.as_str(), value.as_ref());
    }
    for (name, value) in &launch.secrets {
        set(name.as_str(), value.expose_secret().as_ref());
    }

    let dir = RunDir::at(&launch.dir);
    let input = &launch.input;
    set("WAVEMARK_PROJECT", input.project.as_str().as_ref());
    set("WAVEMARK_WAVE", input.wave.as_str().as_ref());
    set("WAVEMARK_AGENT", input.agent.as_str().as_ref());
    set(RUN, input.run.to_string().as_ref());
    set("WAVEMARK_EPOCH", input.epoch.to_string().as_ref());
    set("WAVEMARK_ATTEMPT", input.attempt.to_string().as_ref());
    set("WAVEMARK_GENERATION", input.generation.to_string().as_ref());
    set("WAVEMARK_DIR", dir.root().as_ref());
    set("WAVEMARK_OUT", dir.out().as_ref());
    set("WAVEMARK_INPUT", dir.input().as_ref());
    set("WAVEMARK_REPO", launch.repo.as_ref());
    let deadline = input.deadline.to_rfc3339_opts(SecondsFormat::Secs, true);
    set("WAVEMARK_DEADLINE", deadline.as_ref());

    let path = env.remove(OsStr::new("PATH")).unwrap_or_default();
    env.insert("PATH".into(), in_front(bin, &path));
    env
}

/// `path` with `folder` searched first.
fn in_front(folder: &Path, path: &OsStr) -> OsString {
    let mut all = folder.as_os_str().to_owned();
    // An empty entry would mean the working directory.
    if !path.is_empty() {
        all.push(":");
        all.push(path);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::RunId, runner::testing::Agent};

    #[tokio::test]
    async fn an_agent_gets_what_was_declared_and_nothing_else() {
        let mut agent = Agent::new("env >$WAVEMARK_OUT/doc/env");
        agent.launch.input.run = RunId::from_uuid(uuid::Uuid::from_u128(7));
        agent.launch.env.insert("REGION".parse().unwrap(), "eu\nwest".into());
        agent.launch.secrets.insert("TOKEN".parse().unwrap(), "hunter22".into());
        agent.launch.host.home = Some("/home/ada".into());
        agent.launch.host.lang = Some("C.UTF-8".into());
        agent.launch.host.tz = Some("Europe/Vienna".into());
        agent.run().await;

        let env = std::fs::read_to_string(agent.dir().join("out/doc/env")).unwrap();
        let env = env.replace(&agent.folder(), "/repo");
        // The shell itself adds these.
        let mut env: Vec<&str> = env
            .lines()
            .filter(|line| !line.starts_with("PWD=") && !line.starts_with("_="))
            .collect();
        env.sort_unstable();
        insta::assert_snapshot!(env.join("\n"), @"
        HOME=/home/ada
        LANG=C.UTF-8
        PATH=/opt/wavemark:/usr/bin:/bin
        REGION=eu
        TOKEN=hunter22
        TZ=Europe/Vienna
        WAVEMARK_AGENT=vision
        WAVEMARK_ATTEMPT=2
        WAVEMARK_DEADLINE=2026-11-22T09:00:00Z
        WAVEMARK_DIR=/repo/runs/1
        WAVEMARK_EPOCH=3
        WAVEMARK_GENERATION=1
        WAVEMARK_INPUT=/repo/runs/1/input.json
        WAVEMARK_OUT=/repo/runs/1/out
        WAVEMARK_PROJECT=story
        WAVEMARK_REPO=/repo
        WAVEMARK_RUN=00000000-0000-0000-0000-000000000007
        WAVEMARK_WAVE=foundation
        west
        ");
    }

    #[test]
    fn a_declared_path_is_the_path_and_still_finds_wavemark() {
        let mut agent = Agent::new("");
        agent.launch.env.insert("PATH".parse().unwrap(), "/only/this".into());
        let env = environment(&agent.launch, Path::new("/opt"));
        assert_eq!(env[OsStr::new("PATH")], "/opt:/only/this");
    }
}
