//! Real repositories for the tests, with the `git` program as their witness.

// The same server that the tests of the whole product use.
#[path = "../../../tests/it/support/git_http.rs"]
#[allow(dead_code, reason = "some of it is for those")]
mod git_http;
#[path = "../../../tests/it/support/git_rules.rs"]
#[allow(dead_code, reason = "some of it is for those")]
mod git_rules;

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use chrono::DateTime;
use tempfile::TempDir;
use uuid::Uuid;

use super::{Archive, Entry, Error, Landed, Place, Remote};
use crate::model::{ArtifactId, Digest, Epoch, RunId};
pub(super) use git_http::{GitHttp, Stage, Trick};
pub(super) use git_rules::Rule;

pub(super) const BRANCH: &str = "wavemark/artifacts";

/// The two ways to a remote. What holds for one has to hold for the other.
#[derive(Clone, Copy, Debug)]
pub(super) enum Via {
    Folder,
    Http,
}

impl Via {
    pub(super) const BOTH: [Self; 2] = [Self::Folder, Self::Http];
}

/// A remote in a folder of its own, a server before it, and room for caches.
pub(super) struct World {
    pub(super) dir: TempDir,
    pub(super) http: GitHttp,
}

impl World {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "--quiet", "--bare", "--initial-branch", BRANCH, "remote.git"]);
        let http = GitHttp::serve(dir.path());
        Self { dir, http }
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.dir.path().join("remote.git")
    }

    pub(super) fn remote(&self, via: Via) -> Remote {
        match via {
            Via::Folder => Remote::at(self.folder().to_str().unwrap()),
            Via::Http => Remote::at(self.http.url("remote.git")),
        }
    }

    pub(super) fn cache(&self, name: &str) -> PathBuf {
        self.dir.path().join("caches").join(name)
    }

    /// An archive with a cache of its own, as another machine has.
    pub(super) fn archive(&self, via: Via, cache: &str) -> Archive {
        archive(self.remote(via), self.cache(cache))
    }

    /// What git says about the remote.
    pub(super) fn git(&self, args: &[&str]) -> String {
        git(&self.folder(), args)
    }

    /// The branch, oldest commit first, as `format` of `git log` has it.
    pub(super) fn log(&self, format: &str) -> String {
        self.git(&["log", "--reverse", &format!("--format={format}"), "--all"])
    }

    /// The ids of the artifacts on the branch, oldest first.
    pub(super) fn artifacts(&self) -> Vec<String> {
        self.log("%(trailers:key=Wavemark-Artifact,valueonly,separator=%x2C)")
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// How many commits the branch has.
    pub(super) fn count(&self) -> usize {
        let counted = self.git(&["rev-list", "--count", "--all"]);
        counted.trim().parse().unwrap()
    }

    /// Complains unless git finds the remote sound to the last object.
    pub(super) fn fsck(&self) {
        let found = self.git(&["fsck", "--strict", "--full", "--no-dangling", "--no-progress"]);
        assert!(found.lines().all(|line| line.starts_with("notice: ")), "{found}");
    }

    /// Every path on the branch.
    pub(super) fn files(&self) -> Vec<String> {
        let listed = self.git(&["ls-tree", "-r", "--name-only", BRANCH]);
        listed.lines().map(str::to_owned).collect()
    }

    /// A person's clone, with the branch checked out.
    pub(super) fn clone_branch(&self) -> PathBuf {
        let clone = self.dir.path().join("clone");
        git(self.dir.path(), &["clone", "--quiet", self.folder().to_str().unwrap(), "clone"]);
        git(&clone, &["checkout", "--quiet", "-B", BRANCH]);
        clone
    }

    /// What a person does who pushes to the branch. What is in the way goes.
    pub(super) fn somebody_commits(&self, path: &str, content: &str) {
        let length = content.len();
        self.import(&format!("M 100644 inline {path}\ndata {length}\n{content}\n"));
    }

    /// What a person does who changes many files at once, as `git fast-import`
    /// has it.
    pub(super) fn import(&self, changes: &str) {
        let from = match self.count() {
            0 => String::new(),
            _ => format!("from refs/heads/{BRANCH}^0\n"),
        };
        let stream = format!(
            "commit refs/heads/{BRANCH}\n\
             committer Somebody <somebody@example.org> 1790000000 +0000\n\
             data 9\nSay hello\n\
             {from}{changes}"
        );
        let mut command = Command::new("git");
        command.arg("-C").arg(self.folder()).args(["fast-import", "--quiet"]);
        let mut child = isolated(&mut command).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stream.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    pub(super) fn hook(&self, name: &str, script: &str) {
        let path = self.folder().join("hooks").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

impl Archive {
    /// Publishes what is all to land.
    pub(super) fn publish_all(
        &self,
        entries: &[Entry],
        known: Option<&str>,
    ) -> Result<Vec<Landed>, Error> {
        let delivery = self.publish(entries, known)?;
        assert_eq!(delivery.refused, []);
        delivery.trouble.map_or(Ok(delivery.landed), Err)
    }
}

pub(super) fn archive(remote: Remote, cache: PathBuf) -> Archive {
    let branch = BRANCH.to_owned();
    Archive::open(Place { cache, remote, branch }).unwrap()
}

/// Runs git, untouched by the configuration of whoever runs the tests.
pub(super) fn git(dir: &Path, args: &[&str]) -> String {
    let output = isolated(Command::new("git").arg("-C").arg(dir).args(args))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {args:?} in {dir:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

pub(super) fn isolated(command: &mut Command) -> &mut Command {
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_NAME", "Somebody")
        .env("GIT_AUTHOR_EMAIL", "somebody@example.org")
        .env("GIT_COMMITTER_NAME", "Somebody")
        .env("GIT_COMMITTER_EMAIL", "somebody@example.org")
}

/// An entry of agent `vision`; everything about it follows from `number`,
/// except what it is called and what is in it.
pub(super) fn entry(number: u32, key: &str, content: &str) -> Entry {
    Entry {
        id: ArtifactId::from_uuid(Uuid::from_u128(number.into())),
        wave: "foundation".parse().unwrap(),
        agent: "vision".parse().unwrap(),
        key: key.parse().unwrap(),
        version: i32::try_from(number).unwrap(),
        sha256: Digest::of(content),
        content: content.to_owned(),
        run: Some(RunId::from_uuid(Uuid::from_u128(1000 + u128::from(number)))),
        epoch: Epoch(3),
        created_at: DateTime::from_timestamp(1_790_000_000 + i64::from(number), 999_000_000)
            .unwrap(),
    }
}

/// So many entries, spread over a few folders.
pub(super) fn entries(numbers: std::ops::Range<u32>) -> Vec<Entry> {
    let kind = |n: u32| ["doc", "schema", "prompt"][n as usize % 3];
    numbers.map(|n| entry(n, &format!("{}/file-{n}.md", kind(n)), &format!("text {n}\n"))).collect()
}

pub(super) fn ids(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.id.to_string()).collect()
}
