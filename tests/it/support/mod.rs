//! What the tests stand on: a project in a folder of its own, its database on
//! the one server of the test run, the binary to use it with, and a GitHub.
//!
//! **Invariant:** nothing here waits for a guessed time. [`wait_until`] looks
//! again and again, and gives up loudly.

pub(crate) mod actions;
mod cutter;
pub(crate) mod elsewhere;
#[allow(dead_code, reason = "some of it is for the unit tests of the archive")]
mod git_http;
#[allow(dead_code, reason = "some of it is for the unit tests of the archive")]
mod git_rules;
pub(crate) mod github;
mod n8n;
mod plan;
mod pooler;
mod process;
mod project;
mod rest;
mod server;
mod supabase;
pub(crate) mod tools;

use std::{
    fs,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

pub(crate) use self::{
    cutter::Cutter,
    git_http::{GitHttp, Stage, Trick},
    git_rules::Rule,
    n8n::{N8n, Request, Turn},
    plan::Plan,
    pooler::Pooler,
    process::{Output, Running},
    project::{Project, Traced},
    rest::Rest,
    supabase::Grants,
};

/// The longest that anything may take: slow machines have two cores and many
/// tests.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < DEADLINE, "waited in vain until {what}");
        sleep(Duration::from_millis(20));
    }
}

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        match path.is_dir() && !path.is_symlink() {
            true => left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path())),
            false => found.push(path),
        }
    }
    found
}
