//! Real repositories for the tests, with the `git` program as their witness.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use chrono::DateTime;
use tempfile::TempDir;
use uuid::Uuid;

use super::{Archive, Entry, Place, Remote};
use crate::model::{ArtifactId, Digest, Epoch, RunId};

pub(super) const BRANCH: &str = "wavemark/artifacts";

/// A remote in a folder of its own, and room for caches beside it.
pub(super) struct World {
    pub(super) dir: TempDir,
}

impl World {
    pub(super) fn new() -> Self {
        let world = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        git(
            world.dir.path(),
            &[
                "init",
                "--quiet",
                "--bare",
                "--initial-branch",
                BRANCH,
                "remote.git",
            ],
        );
        world
    }

    pub(super) fn remote(&self) -> PathBuf {
        self.dir.path().join("remote.git")
    }

    pub(super) fn cache(&self, name: &str) -> PathBuf {
        self.dir.path().join("caches").join(name)
    }

    /// An archive that opens the remote's folder.
    pub(super) fn archive(&self) -> Archive {
        self.archive_at(Remote::at(self.remote().to_str().unwrap()), "one")
    }

    pub(super) fn archive_at(&self, remote: Remote, cache: &str) -> Archive {
        Archive::open(Place {
            cache: self.cache(cache),
            remote,
            branch: BRANCH.to_owned(),
        })
        .unwrap()
    }

    /// What git says about the remote.
    pub(super) fn git(&self, args: &[&str]) -> String {
        git(&self.remote(), args)
    }

    /// The branch, oldest commit first, as `format` of `git log` has it.
    pub(super) fn log(&self, format: &str) -> String {
        self.git(&["log", "--reverse", &format!("--format={format}"), BRANCH])
    }

    /// The ids of the artifacts on the branch, oldest first.
    pub(super) fn artifacts(&self) -> Vec<String> {
        self.log("%(trailers:key=Wavemark-Artifact,valueonly,separator=%x2C)")
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// Complains unless git finds the remote sound to the last object.
    pub(super) fn fsck(&self) {
        let found = self.git(&[
            "fsck",
            "--strict",
            "--full",
            "--no-dangling",
            "--no-progress",
        ]);
        assert!(
            found.lines().all(|line| line.starts_with("notice: ")),
            "{found}"
        );
    }

    /// What a person does who pushes to the branch.
    pub(super) fn somebody_commits(&self, path: &str, content: &str) {
        let clone = self.dir.path().join("clone");
        git(
            self.dir.path(),
            &["clone", "--quiet", self.remote().to_str().unwrap(), "clone"],
        );
        git(&clone, &["checkout", "--quiet", "-B", BRANCH]);
        fs::create_dir_all(clone.join(path).parent().unwrap()).unwrap();
        fs::write(clone.join(path), content).unwrap();
        git(&clone, &["add", "--all"]);
        git(&clone, &["commit", "--quiet", "--message", "Say hello"]);
        git(&clone, &["push", "--quiet", "origin", BRANCH]);
        fs::remove_dir_all(clone).unwrap();
    }

    pub(super) fn hook(&self, name: &str, script: &str) {
        let path = self.remote().join("hooks").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
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
    numbers
        .map(|n| {
            entry(
                n,
                &format!("{}/file-{n}.md", kind(n)),
                &format!("text {n}\n"),
            )
        })
        .collect()
}

pub(super) fn ids(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.id.to_string()).collect()
}
