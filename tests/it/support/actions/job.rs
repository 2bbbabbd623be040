//! One job on a machine of its own: a folder with nothing in it, a token with the
//! permissions that the job asks for, and its steps, one after the other.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use super::{
    Conclusion, Inner, JobRun, StepRun,
    cancel::Cancel,
    event::Event,
    expression::{Scope, State, written},
    script::Script,
    site::{copy, path},
    workflow::{Job, Step, Workflow},
};
use crate::support::{
    github::{Access, GitHub, Token},
    process::Running,
};

/// What a job is part of.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) inner: &'a Inner,
    pub(super) workflow: &'a Workflow,
    pub(super) event: &'a Event,
    pub(super) run: u64,
    pub(super) cancel: &'a Cancel,
}

impl Of<'_> {
    /// What is the same for all jobs of the run.
    pub(super) fn github(&self) -> Map<String, Value> {
        let github = json!({
            "event_name": self.event.name,
            "event": self.event.payload(GitHub::REPO),
            "repository": GitHub::REPO,
            "sha": self.event.sha,
            "ref": self.event.git_ref,
            "ref_name": self.event.ref_name(),
            "run_id": self.run.to_string(),
            "workflow": self.workflow.name,
            "actor": "ann",
            "api_url": self.inner.github.url(),
            "server_url": self.inner.site.http.root(),
        });
        let Value::Object(github) = github else { unreachable!() };
        github
    }

    /// Does the job, and says what came of it.
    pub(super) fn work(self, key: &str, job: &Job, scope: &Scope) -> JobRun {
        let name = scope.text(&job.name);
        let room = self.inner.site.room(self.run, &name);
        let mut machine = Machine::new(self, key, job, scope.clone(), room);
        let steps: Vec<StepRun> = job.steps.iter().map(|step| machine.step(step)).collect();
        let outputs = job.outputs.iter();
        let outputs: BTreeMap<String, String> =
            outputs.map(|(key, value)| (key.clone(), machine.scope.text(value))).collect();
        let result = match machine.scope.state {
            State::Good => Conclusion::Success,
            State::Failed => Conclusion::Failure,
            State::Cancelled => Conclusion::Cancelled,
        };
        JobRun { name, result, outputs, steps }
    }
}

/// A machine while a job is on it.
struct Machine<'a> {
    of: Of<'a>,
    scope: Scope,
    room: PathBuf,
    /// For every process.
    env: BTreeMap<String, String>,
    /// What the log hides.
    masks: Vec<String>,
}

impl<'a> Machine<'a> {
    fn new(of: Of<'a>, key: &str, job: &Job, mut scope: Scope, room: PathBuf) -> Self {
        let token = token(of.inner, job);
        let mut github = of.github();
        fs::write(room.join("files/event.json"), github["event"].to_string()).unwrap();
        let variable = |(name, value): (&String, &Value)| {
            Some((format!("GITHUB_{}", name.to_uppercase()), value.as_str()?.to_owned()))
        };
        let mut env: BTreeMap<String, String> = github.iter().filter_map(variable).collect();
        let place = |inner: &str| path(&room.join(inner)).to_owned();
        let own = [
            ("CI", "true".to_owned()),
            ("GITHUB_ACTIONS", "true".to_owned()),
            ("GITHUB_EVENT_PATH", place("files/event.json")),
            ("GITHUB_JOB", key.to_owned()),
            ("GITHUB_WORKSPACE", place("work")),
            ("HOME", place("home")),
            ("PATH", std::env::var_os("PATH").unwrap().into_string().unwrap()),
            ("RUNNER_ARCH", "X64".to_owned()),
            ("RUNNER_OS", "Linux".to_owned()),
            ("RUNNER_TEMP", place("temp")),
            ("USER", "runner".to_owned()),
        ];
        env.extend(own.map(|(name, value)| (name.to_owned(), value)));
        env.extend(of.inner.machine.clone());
        let mut secrets = of.inner.secrets.clone();
        secrets.insert("GITHUB_TOKEN".to_owned(), token.clone());
        let masks = secrets.values().filter(|value| !value.is_empty()).cloned().collect();
        github.insert("token".to_owned(), token.into());
        let mut add = |name: &str, value: Value| scope.contexts.insert(name.to_owned(), value);
        add("github", github.into());
        add("secrets", json!(secrets));
        add("env", json!({}));
        add("steps", json!({}));
        add("runner", json!({ "temp": place("temp"), "os": "Linux", "arch": "X64" }));
        Self { of, scope, room, env, masks }
    }

    fn step(&mut self, step: &Step) -> StepRun {
        if self.of.cancel.is_asked() {
            self.scope.state = State::Cancelled;
        }
        let mut run = StepRun { title: step.title().to_owned(), ..StepRun::default() };
        let mut outputs = BTreeMap::new();
        if self.scope.holds(step.condition.as_deref()) {
            let success = match (&step.run, &step.uses) {
                (Some(script), None) => self.script(script, step, &mut run, &mut outputs),
                (None, Some(uses)) => self.action(uses, step),
                _ => panic!("`{}` does nothing, or two things", step.title()),
            };
            run.result = if success { Conclusion::Success } else { Conclusion::Failure };
        }
        if self.of.cancel.is_asked() {
            self.scope.state = State::Cancelled;
        } else if run.result == Conclusion::Failure {
            self.scope.state = State::Failed;
        }
        if let Some(id) = &step.id {
            let result = run.result.name();
            self.scope.contexts["steps"][id] =
                json!({ "outcome": result, "conclusion": result, "outputs": outputs });
        }
        run
    }

    fn script(
        &mut self,
        script: &str,
        step: &Step,
        run: &mut StepRun,
        outputs: &mut BTreeMap<String, String>,
    ) -> bool {
        let files = self.room.join("files");
        let kinds = ["OUTPUT", "ENV", "PATH", "STEP_SUMMARY"];
        let mut env = self.env.clone();
        for kind in kinds {
            let file = files.join(kind);
            fs::write(&file, "").unwrap();
            env.insert(format!("GITHUB_{kind}"), path(&file).to_owned());
        }
        let own = step.env.iter();
        env.extend(own.map(|(name, value)| (name.clone(), written(&self.scope.any(value)))));
        let text = self.scope.text(script);
        let work = self.room.join("work");
        let file = files.join("script.sh");
        let said = Script { text: &text, env, folder: &work, file }.run(self.of.cancel);

        let [output, more_env, more_path, summary] =
            kinds.map(|kind| fs::read_to_string(files.join(kind)).unwrap());
        outputs.extend(said.listener.effects.outputs.clone());
        outputs.extend(pairs(&output));
        self.env.extend(pairs(&more_env));
        for folder in more_path.lines() {
            self.prepend(folder);
        }
        self.masks.extend(said.listener.effects.masks.iter().cloned());
        run.effects = said.listener.effects;
        run.summary = summary;
        run.log =
            self.masks.iter().fold(said.lines.join("\n"), |log, mask| log.replace(mask, "***"));
        said.success
    }

    /// Stands in for the actions that the workflows use.
    fn action(&mut self, uses: &str, step: &Step) -> bool {
        let with = |key: &str| step.with.get(key).map(|value| written(&self.scope.any(value)));
        match uses.split('@').next().unwrap() {
            "actions/checkout" => {
                assert_eq!(with("persist-credentials").as_deref(), Some("false"));
                self.check_out(&with("fetch-depth").unwrap_or_else(|| "1".to_owned()));
                true
            }
            "./.github/actions/wavemark" => {
                self.prepend(path(&self.of.inner.site.bin()));
                true
            }
            "actions/upload-artifact" => {
                let file = PathBuf::from(with("path").unwrap());
                let folder = self.of.inner.site.artifact(self.of.run, &with("name").unwrap());
                if file.exists() {
                    copy(&file, &folder.join(file.file_name().unwrap()));
                }
                file.exists() || with("if-no-files-found").as_deref() != Some("error")
            }
            "actions/download-artifact" => {
                let run = with("run-id").map_or(self.of.run, |run| run.parse().unwrap());
                let folder = self.of.inner.site.artifact(run, &with("name").unwrap());
                if folder.exists() {
                    copy(&folder, Path::new(&with("path").unwrap()));
                }
                folder.exists()
            }
            other => panic!("nothing stands in for {other}"),
        }
    }

    fn check_out(&self, depth: &str) {
        let work = self.room.join("work");
        let git = |args: &[&str]| {
            let mut git = std::process::Command::new("git");
            git.arg("-C").arg(&work).args(args).env("HOME", self.room.join("home"));
            Running::start(&mut git).wait().ok();
        };
        let site = &self.of.inner.site;
        let (bare, url) = (site.bare(), site.http.url(GitHub::REPO));
        git(&["init", "--quiet", "--initial-branch=main"]);
        git(&["remote", "add", "origin", &format!("file://{}", bare.display())]);
        git(&["fetch", "--quiet", "--depth", depth, "origin", &self.of.event.sha]);
        match self.of.event.git_ref.strip_prefix("refs/heads/") {
            Some(branch) => git(&["checkout", "--quiet", "-B", branch, "FETCH_HEAD"]),
            None => git(&["checkout", "--quiet", "--detach", "FETCH_HEAD"]),
        }
        git(&["remote", "set-url", "origin", &url]);
    }

    fn prepend(&mut self, folder: &str) {
        let path = self.env.get_mut("PATH").unwrap();
        *path = format!("{folder}:{path}");
    }
}

/// A token that opens what the job asks for, here and at the git host.
fn token(inner: &Inner, job: &Job) -> String {
    let access = |word: &str| match word {
        "read" => Access::Read,
        "write" => Access::Write,
        other => panic!("what is the permission `{other}`?"),
    };
    let names: Vec<(String, Access)> =
        job.permissions.iter().map(|(name, word)| (name.replace('-', "_"), access(word))).collect();
    let permissions: Vec<(&str, Access)> =
        names.iter().map(|(name, access)| (name.as_str(), *access)).collect();
    let token = inner.github.token(Token::of_actions(&permissions));
    if let Some(contents) = job.permissions.get("contents") {
        inner.site.http.admits(&token, contents == "write");
    }
    token
}

/// What is in a file of `name=value`, or of `name<<END`, lines and `END`.
fn pairs(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        match (line.split_once("<<"), line.split_once('=')) {
            (_, Some((name, value))) if !name.contains("<<") => {
                pairs.push((name.to_owned(), value.to_owned()));
            }
            (Some((name, end)), _) => {
                let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
                pairs.push((name.to_owned(), value.join("\n")));
            }
            _ => assert!(line.is_empty(), "what is `{line}`?"),
        }
    }
    pairs
}
