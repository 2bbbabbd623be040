//! GitHub Actions, as far as the workflows of this repo need it: runs their `run:`
//! scripts as real processes, jobs side by side, each in a clone of its own.
//!
//! | module | what it is |
//! |---|---|
//! | `workflow`, `expression` | what a workflow file says |
//! | `event` | what happened, and which workflows that starts |
//! | `group`, `cancel` | who has to wait, and who is told to stop |
//! | `job`, `script` | a machine, its steps, the processes of a step |
//! | `command` | what is obeyed of a step's output |
//! | `site` | the repo on its host, and the folders of jobs |
//!
//! Stood in for are the actions: a checkout is a `git fetch`, an artifact is a
//! folder, and the binary is the one that is tested. Whatever else a workflow may
//! say and this does not know is an error of the test.

mod cancel;
mod command;
mod event;
mod expression;
mod group;
mod job;
mod script;
mod site;
mod workflow;

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};

use self::{
    cancel::Cancel,
    expression::{Scope, State},
    group::Groups,
    job::Of,
    site::Site,
    workflow::{Job, Workflow},
};
pub(crate) use self::{command::Effects, event::Event, workflow::yaml};
use super::{Project, github::GitHub};

/// The longest that all that follows from an event may take.
const DEADLINE: Duration = Duration::from_secs(240);

/// How something ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Conclusion {
    #[default]
    Skipped,
    Success,
    Failure,
    Cancelled,
}

impl Conclusion {
    fn name(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A workflow run that is over.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// `tick.yml (schedule)`
    pub(crate) title: String,
    pub(crate) jobs: Vec<JobRun>,
}

/// A job that is over.
#[derive(Clone, Debug, Default)]
pub(crate) struct JobRun {
    pub(crate) name: String,
    pub(crate) result: Conclusion,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) steps: Vec<StepRun>,
}

/// A step that is over.
#[derive(Clone, Debug, Default)]
pub(crate) struct StepRun {
    pub(crate) title: String,
    pub(crate) result: Conclusion,
    /// As people see it.
    pub(crate) log: String,
    pub(crate) summary: String,
    pub(crate) effects: Effects,
}

impl JobRun {
    /// The step with this title.
    #[track_caller]
    pub(crate) fn step(&self, title: &str) -> &StepRun {
        let found = self.steps.iter().find(|step| step.title == title);
        found.unwrap_or_else(|| panic!("{} has no step `{title}`", self.name))
    }

    /// What its steps said, one after the other.
    pub(crate) fn log(&self) -> String {
        let steps = self.steps.iter();
        steps.map(|step| format!("── {}\n{}\n", step.title, step.log)).collect()
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "═══ {}", self.title)?;
        self.jobs
            .iter()
            .try_for_each(|job| writeln!(f, "═ {} {}\n{}", job.name, job.result.name(), job.log()))
    }
}

/// A repo whose workflows run when something happens.
pub(crate) struct Actions {
    inner: Arc<Inner>,
    runs: Mutex<Vec<JoinHandle<()>>>,
    dispatched: Mutex<usize>,
}

/// What all runs share.
struct Inner {
    site: Site,
    github: Arc<GitHub>,
    workflows: Vec<Workflow>,
    groups: Groups,
    secrets: BTreeMap<String, String>,
    /// Variables that every process on every machine has.
    machine: BTreeMap<String, String>,
    last_run: AtomicU64,
    live: Mutex<Vec<(u64, String, Cancel)>>,
    over: Mutex<Vec<Run>>,
}

impl Actions {
    /// The repo of `project`, whose database is a secret. `edit` may change a
    /// workflow, by its name and its text.
    pub(crate) fn edited(
        project: &mut Project,
        github: &Arc<GitHub>,
        edit: impl Fn(&str, String) -> String,
    ) -> Self {
        let site = Site::new(project, edit);
        project.env("WAVEMARK_GIT_REMOTE", site::path(&site.bare()));
        let workflows: Vec<Workflow> = site::FILES.map(|file| site.workflow(file)).into();
        for workflow in &workflows {
            let dispatch = workflow.on.contains_key("workflow_dispatch");
            github.add_workflow(&workflow.file, dispatch.then_some(&[]));
        }
        let machine = [("WAVEMARK_GITHUB_PAUSE", "0s")];
        let inner = Inner {
            site,
            github: Arc::clone(github),
            workflows,
            groups: Groups::default(),
            secrets: BTreeMap::from([("DATABASE_URL".to_owned(), project.database_url())]),
            machine: machine.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            last_run: AtomicU64::new(1_000),
            live: Mutex::default(),
            over: Mutex::default(),
        };
        Self { inner: Arc::new(inner), runs: Mutex::default(), dispatched: Mutex::default() }
    }

    /// Sets a secret of the repo.
    pub(crate) fn secret(&mut self, name: &str, value: &str) {
        let inner = Arc::get_mut(&mut self.inner).expect("before anything runs");
        inner.secrets.insert(name.to_owned(), value.to_owned());
    }

    /// The newest commit of `main`.
    pub(crate) fn head(&self, project: &Project) -> String {
        project.git_in(&self.inner.site.bare(), &["rev-parse", "main"])
    }

    /// Commits the plan of `project` to a branch, and says as what.
    pub(crate) fn commit(&self, project: &Project, branch: &str) -> String {
        self.inner.site.commit(project, branch, "Change the plan")
    }

    /// Commits a file with it the next time.
    pub(crate) fn write(&self, name: &str, text: &str) {
        self.inner.site.write(name, text);
    }

    /// What a pull request from a branch is merged as, to see what would be.
    pub(crate) fn merge(&self, project: &Project, branch: &str, number: u64) -> String {
        self.inner.site.merge(project, branch, number)
    }

    /// The folder of what a run left as an artifact.
    pub(crate) fn artifact(&self, run: u64, name: &str) -> PathBuf {
        self.inner.site.artifact(run, name)
    }

    /// The repo on its host.
    pub(crate) fn bare(&self) -> PathBuf {
        self.inner.site.bare()
    }

    /// Something happens.
    pub(crate) fn happens(&self, event: Event) {
        let inner = Arc::clone(&self.inner);
        self.runs.lock().unwrap().push(thread::spawn(move || inner.react(&event)));
    }

    /// Somebody presses the button to cancel the run with this job.
    #[track_caller]
    pub(crate) fn cancel(&self, job: &str) {
        let live = self.inner.live.lock().unwrap();
        let found = live.iter().find(|(_, name, _)| name == job);
        found.unwrap_or_else(|| panic!("{job} is not running")).2.ask();
    }

    /// Waits until nothing runs any more, and nothing was dispatched either.
    #[track_caller]
    pub(crate) fn settle(&self, project: &Project) {
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < DEADLINE, "it goes on and on: {:#?}", self.inner.live);
            let over = {
                let mut runs = self.runs.lock().unwrap();
                let (over, live) = runs.drain(..).partition(JoinHandle::is_finished);
                *runs = live;
                over
            };
            for run in over {
                if let Err(panic) = run.join() {
                    std::panic::resume_unwind(panic);
                }
            }
            let dispatches = self.inner.github.dispatches();
            let mut dispatched = self.dispatched.lock().unwrap();
            for dispatch in &dispatches[*dispatched..] {
                let event = Event::at("workflow_dispatch", &self.head(project), json!({}));
                self.happens(Event { only: Some(dispatch.what.clone()), ..event });
            }
            *dispatched = dispatches.len();
            if self.runs.lock().unwrap().is_empty() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Every run that is over, in the order of their ends.
    pub(crate) fn runs(&self) -> Vec<Run> {
        self.inner.over.lock().unwrap().clone()
    }

    /// The jobs of runs that are over, the skipped ones left out.
    pub(crate) fn jobs(&self) -> Vec<JobRun> {
        let jobs = self.runs().into_iter().flat_map(|run| run.jobs);
        jobs.filter(|job| job.result != Conclusion::Skipped).collect()
    }

    /// The last job with this name.
    #[track_caller]
    pub(crate) fn job(&self, name: &str) -> JobRun {
        let found = self.jobs().into_iter().rev().find(|job| job.name == name);
        found.unwrap_or_else(|| panic!("{name} never ran"))
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        for (.., cancel) in self.inner.live.lock().unwrap().iter() {
            cancel.ask();
        }
    }
}

impl Inner {
    /// Runs every workflow that the event starts, side by side.
    fn react(&self, event: &Event) {
        thread::scope(|scope| {
            for workflow in self.workflows.iter().filter(|workflow| event.starts(workflow)) {
                scope.spawn(|| {
                    let (run, end) = self.run(workflow, event);
                    if let Some(follow_up) = self.follow_up(workflow, event, run, end) {
                        self.react(&follow_up);
                    }
                });
            }
        });
    }

    /// Runs a workflow: its number, and how it ended.
    fn run(&self, workflow: &Workflow, event: &Event) -> (u64, Conclusion) {
        let run = self.last_run.fetch_add(1, Ordering::SeqCst);
        let cancel = Cancel::default();
        let of = Of { inner: self, workflow, event, run, cancel: &cancel };
        let contexts = Map::from_iter([("github".to_owned(), of.github().into())]);
        let scope = Scope { contexts, state: State::Good };
        let place = workflow
            .concurrency
            .as_ref()
            .map(|it| self.groups.enter(&scope.text(&it.group), &cancel, it.cancel_in_progress));
        let jobs = match place {
            Some(None) => Vec::new(),
            Some(Some(_)) | None => self.all_jobs(of, &scope),
        };
        let end = jobs.iter().map(|job| job.result).max().unwrap_or(Conclusion::Cancelled);
        let title = format!("{} ({})", workflow.file, event.name);
        self.over.lock().unwrap().push(Run { title, jobs });
        (run, end)
    }

    fn all_jobs(&self, of: Of<'_>, scope: &Scope) -> Vec<JobRun> {
        let mut done: BTreeMap<&str, Vec<JobRun>> = BTreeMap::new();
        let all = &of.workflow.jobs;
        while done.len() < all.len() {
            let due: Vec<(&String, &Job)> = all
                .iter()
                .filter(|(key, job)| {
                    let is_met = |need: &String| done.contains_key(need.as_str());
                    !done.contains_key(key.as_str()) && job.needs.as_ref().is_none_or(is_met)
                })
                .collect();
            assert!(!due.is_empty(), "jobs wait for each other");
            let ended: Vec<(&str, Vec<JobRun>)> = thread::scope(|threads| {
                let threads: Vec<_> = due
                    .into_iter()
                    .map(|(key, job)| {
                        let needs = job.needs.as_ref().map(|need| (need, &done[need.as_str()]));
                        let scope = with_needs(scope, needs, of.cancel);
                        threads.spawn(move || (key.as_str(), self.one_job(of, key, job, scope)))
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            done.extend(ended);
        }
        done.into_values().flatten().collect()
    }

    /// A job, once for each value of its matrix.
    fn one_job(&self, of: Of<'_>, key: &str, job: &Job, scope: Scope) -> Vec<JobRun> {
        if !scope.holds(job.condition.as_deref()) {
            return vec![JobRun { name: key.to_owned(), ..JobRun::default() }];
        }
        let scopes = match &job.strategy {
            None => vec![scope],
            Some(strategy) => {
                let (name, values) = strategy.matrix.iter().next().unwrap();
                assert_eq!(strategy.matrix.len(), 1, "a matrix of more than one word");
                let values = scope.any(values);
                let values = values.as_array().unwrap();
                assert!((1..=256).contains(&values.len()), "a matrix of {} jobs", values.len());
                let with = |value: &Value| {
                    let mut scope = Scope { state: State::Good, ..scope.clone() };
                    scope.contexts.insert("matrix".to_owned(), json!({ name: value }));
                    scope
                };
                values.iter().map(with).collect()
            }
        };
        thread::scope(|threads| {
            let threads: Vec<_> = scopes
                .into_iter()
                .map(|scope| {
                    let scope = Scope { state: State::Good, ..scope };
                    threads.spawn(move || self.in_turn(of, key, job, &scope))
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    /// Does a job when its group lets it.
    fn in_turn(&self, of: Of<'_>, key: &str, job: &Job, scope: &Scope) -> JobRun {
        let name = scope.text(&job.name);
        // Whoever loses its place in the group loses nothing else of its run.
        let own = Cancel::default();
        let place = job
            .concurrency
            .as_ref()
            .map(|it| self.groups.enter(&scope.text(&it.group), &own, it.cancel_in_progress));
        if let Some(None) = place {
            return JobRun { name, result: Conclusion::Cancelled, ..JobRun::default() };
        }
        self.live.lock().unwrap().push((of.run, name.clone(), of.cancel.clone()));
        let done = of.work(key, job, scope);
        self.live.lock().unwrap().retain(|(run, live, _)| (*run, live) != (of.run, &name));
        done
    }

    /// What the end of a run starts.
    fn follow_up(
        &self,
        workflow: &Workflow,
        event: &Event,
        run: u64,
        end: Conclusion,
    ) -> Option<Event> {
        let head = event.payload.get("pull_request")?.get("head")?;
        let payload = json!({
            "action": "completed",
            "workflow_run": {
                "id": run,
                "name": workflow.name,
                "event": event.name,
                "conclusion": end.name(),
                "head_branch": head["ref"],
                "head_sha": head["sha"],
                "head_repository": head["repo"],
            },
        });
        let head = fs::read_to_string(self.site.bare().join("refs/heads/main")).unwrap();
        Some(Event::at("workflow_run", head.trim(), payload))
    }
}

/// What a job sees of the one that it needs.
fn with_needs(scope: &Scope, needs: Option<(&String, &Vec<JobRun>)>, cancel: &Cancel) -> Scope {
    let mut scope = scope.clone();
    let Some((name, jobs)) = needs else { return scope };
    let end = jobs.iter().map(|job| job.result).max().unwrap();
    let outputs: BTreeMap<String, String> =
        jobs.iter().flat_map(|job| job.outputs.clone()).collect();
    let needs = json!({ name: { "result": end.name(), "outputs": outputs } });
    scope.contexts.insert("needs".to_owned(), needs);
    scope.state = match end {
        _ if cancel.is_asked() => State::Cancelled,
        Conclusion::Success => State::Good,
        _ => State::Failed,
    };
    scope
}

/// The workflows and actions of this repo, by their paths.
pub(crate) fn files_of_this_repo() -> Vec<(PathBuf, Value)> {
    let github = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github");
    let mut left = vec![github.join("workflows"), github.join("actions")];
    let mut files = Vec::new();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let text = fs::read_to_string(&path).unwrap();
            files.push((path, yaml(&text)));
        }
    }
    files.sort_by(|(one, _), (other, _)| one.cmp(other));
    files
}
