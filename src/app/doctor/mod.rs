//! Examines everything that a project needs, and changes nothing.
//!
//! | file | what it looks at |
//! |---|---|
//! | `plan` | the folder, and the plan in it |
//! | `database` | the way to it, its schema, who may do what in it |
//! | `github` | the token, the repo, what may be done there |
//! | `archive` | whether artifacts could be pushed |
//! | `workflows` | the files that make GitHub run all this |
//! | `machine` | the disk, the private Postgres, the clocks |
//!
//! **Invariant:** everything is looked at, however much of it fails or hangs.
//! What cannot be told because of something else says so.

mod archive;
mod database;
mod github;
mod machine;
mod plan;
mod workflows;

use std::{
    error::Error,
    time::{Duration, SystemTime},
};

use chrono::{DateTime, Utc};

use super::{context::Settings, outside::OnGithub};
use crate::{
    model::Instant,
    report::{DoctorView, Finding, Health},
};

/// How long it may take to look at one thing.
const PATIENCE: Duration = Duration::from_secs(20);

/// A clock that is not ours, and what it showed between two looks at ours.
struct Clock {
    whose: &'static str,
    shows: Instant,
    asked: Instant,
    answered: Instant,
}

/// What somebody can do about an error, if that is known.
pub type Hint = fn(&(dyn Error + 'static)) -> Option<&'static str>;

/// Examines the project in the folder of `settings`, and all that it needs.
pub async fn examine(settings: &Settings, hint: Hint) -> DoctorView {
    let mut exam = Exam { settings, hint, findings: Vec::new(), clocks: Vec::new() };
    let workspace = plan::workspace(&mut exam);
    let plan = workspace.as_ref().and_then(|workspace| plan::plan(&mut exam, workspace));
    let store = database::examine(&mut exam, workspace.as_ref()).await;
    let place = match &workspace {
        Some(workspace) => OnGithub::of(settings, workspace.root()),
        None => OnGithub::of(settings, &settings.directory),
    };
    let repo = github::examine(&mut exam, place, plan.as_ref()).await;
    if let Some(workspace) = &workspace {
        archive::examine(&mut exam, workspace, plan.as_ref()).await;
        workflows::examine(&mut exam, workspace, plan.as_ref(), &repo).await;
        database::last_tick(&mut exam, store.as_ref(), plan.as_ref(), &repo).await;
        machine::examine(&mut exam, workspace).await;
    }
    machine::clocks(&mut exam);
    DoctorView { findings: exam.findings }
}

/// An examination that is going on.
struct Exam<'a> {
    settings: &'a Settings,
    hint: Hint,
    findings: Vec<Finding>,
    clocks: Vec<Clock>,
}

impl Exam<'_> {
    fn note(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    fn ok(&mut self, area: &'static str, check: &'static str, found: impl Into<String>) {
        self.note(Finding::new(area, check, Health::Ok, found));
    }

    fn skip(&mut self, area: &'static str, check: &'static str, why: impl Into<String>) {
        self.note(Finding::new(area, check, Health::Skip, why));
    }

    fn warn(
        &mut self,
        area: &'static str,
        check: &'static str,
        found: impl Into<String>,
        next: impl Into<String>,
    ) {
        self.note(Finding::new(area, check, Health::Warn, found).next(next));
    }

    fn fail(
        &mut self,
        area: &'static str,
        check: &'static str,
        found: impl Into<String>,
        next: impl Into<String>,
    ) {
        self.note(Finding::new(area, check, Health::Fail, found).next(next));
    }

    /// Something went wrong: in words, with what helps if anybody knows.
    fn wrong(&mut self, area: &'static str, check: &'static str, err: impl Into<anyhow::Error>) {
        let err = err.into();
        let finding = Finding::new(area, check, Health::Fail, in_words(&err));
        let hint = err.chain().find_map(self.hint);
        self.note(Finding { next: hint.map(str::to_owned), ..finding });
    }

    /// Notes what another clock showed, given when it was asked.
    fn clock(&mut self, whose: &'static str, shows: Instant, asked: Instant) {
        self.clocks.push(Clock { whose, shows, asked, answered: here() });
    }
}

/// What this machine's clock shows. It decides nothing: it is only compared.
fn here() -> Instant {
    DateTime::<Utc>::from(SystemTime::now())
}

/// Waits for something, but not for ever.
async fn within<T, E: Into<anyhow::Error>>(
    work: impl Future<Output = Result<T, E>>,
) -> anyhow::Result<T> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(anyhow::anyhow!("no answer within {} s", PATIENCE.as_secs())),
    }
}

/// An error and its causes, on one line.
fn in_words(err: &anyhow::Error) -> String {
    let mut text = err.to_string();
    for cause in err.chain().skip(1).map(ToString::to_string) {
        // Some libraries repeat their cause in their own message.
        if !text.ends_with(&cause) {
            text += &format!(": {cause}");
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most so many names, and how many more there are.
fn listed(names: &[String], most: usize) -> String {
    let shown = names.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
