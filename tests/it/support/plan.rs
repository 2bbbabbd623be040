//! Writes a plan and its programs, so that a test shows only what it is about.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

/// What every program of a test can do.
const LIBRARY: &str = r#"#!/bin/sh
set -eu
# emit TYPE/NAME TEXT: makes an artifact, at once.
emit() {
    printf '%s\n' "$2" >"$WAVEMARK_OUT/.tmp/emit.$$"
    mv "$WAVEMARK_OUT/.tmp/emit.$$" "$WAVEMARK_OUT/$1"
}
# note WORD: leaves a line in the trace of the project.
note() {
    printf '%s %s %s\n' "$WAVEMARK_AGENT" "$WAVEMARK_EPOCH" "$*" >>"$WAVEMARK_REPO/trace"
}
# gate NAME: waits until the test opens it. Gives up when the test is gone.
gate() {
    until [ -e "$WAVEMARK_REPO/gates/$1" ]; do
        [ -d "$WAVEMARK_REPO/gates" ] || exit 1
        sleep 0.02
    done
}
"#;

/// The plan of a project, in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    settings: Vec<String>,
    waves: Vec<Wave>,
    profiles: Vec<(String, String)>,
    programs: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
struct Wave {
    name: String,
    fields: String,
    agents: Vec<(String, String)>,
}

impl Plan {
    /// A plan with nothing in it. Failed agents are tried again soon.
    pub(crate) fn new() -> Self {
        let plan = Self::default();
        plan.setting("backoff: 1s")
    }

    /// Adds a line to `project.yaml`.
    pub(crate) fn setting(mut self, line: &str) -> Self {
        self.settings.push(line.to_owned());
        self
    }

    /// The agents that follow are in this wave. Without any, in `one`.
    pub(crate) fn wave(mut self, name: &str, fields: &str) -> Self {
        self.waves.push(Wave {
            name: name.to_owned(),
            fields: fields.to_owned(),
            agents: Vec::new(),
        });
        self
    }

    /// Adds an agent with these fields (`needs: [x], retries: 0`) that runs a
    /// shell script.
    pub(crate) fn agent(self, name: &str, fields: &str, script: &str) -> Self {
        let comma = if fields.is_empty() { "" } else { ", " };
        let fields = format!("run: {{ exec: [sh/{name}] }}{comma}{fields}");
        self.program(name, script).entry(name, &fields)
    }

    /// Adds an agent of which all fields are given.
    pub(crate) fn entry(mut self, name: &str, fields: &str) -> Self {
        if self.waves.is_empty() {
            self = self.wave("one", "");
        }
        let wave = self.waves.last_mut().unwrap();
        wave.agents.push((name.to_owned(), fields.to_owned()));
        self
    }

    /// Adds a profile of the project's own.
    pub(crate) fn profile(mut self, name: &str, text: &str) -> Self {
        self.profiles.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Adds a shell script as `sh/NAME`.
    pub(crate) fn program(mut self, name: &str, script: &str) -> Self {
        self.programs.push((name.to_owned(), format!("{LIBRARY}{script}\n")));
        self
    }

    pub(super) fn write(&self, root: &Path) {
        let waves = root.join("waves");
        drop(fs::remove_dir_all(&waves));
        fs::create_dir_all(&waves).unwrap();
        fs::create_dir_all(root.join("sh")).unwrap();
        let settings = self.settings.join("\n");
        fs::write(waves.join("project.yaml"), format!("project: tested\n{settings}\n")).unwrap();
        for wave in &self.waves {
            let agents: Vec<String> = wave
                .agents
                .iter()
                .map(|(name, fields)| format!("  {name}: {{ {fields} }}\n"))
                .collect();
            let text =
                format!("wave: {}\n{}\nagents:\n{}", wave.name, wave.fields, agents.concat());
            fs::write(waves.join(format!("{}.yaml", wave.name)), text).unwrap();
        }
        for (name, text) in &self.profiles {
            let folder = waves.join("profiles");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(format!("{name}.yaml")), text).unwrap();
        }
        for (name, script) in &self.programs {
            let path = root.join("sh").join(name);
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}
