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
