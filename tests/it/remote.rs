//! Without git, with another git, with a git that says no.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::support::{Plan, Project};

fn two_docs() -> Plan {
    Plan::new()
        .agent("vision", "produces: [doc/a.md]", "emit doc/a.md one; emit doc/b.md two")
        .agent("echo", "needs: [vision], produces: [doc/a.md]", "emit doc/a.md three")
}

#[test]
fn a_dead_remote_delays_and_loses_nothing() {
    let mut project = Project::with(&two_docs());
    let missing = project.path("gone/remote.git");
    project.env("WAVEMARK_GIT_REMOTE", missing.to_str().unwrap());

    let run = project.run(&["run"]).exits(1);

    assert!(run.stderr.contains("stored, but not in git yet"), "{run}");
    assert_eq!(project.statuses(), "echo complete, vision complete");
    assert_eq!(project.sql("select distinct git_state from artifacts"), "pending");
    let verify = project.run(&["verify"]).exits(1);
    assert!(verify.stderr.contains("cannot read the artifact branch"), "{verify}");

    fs::create_dir_all(&missing).unwrap();
    project.git_in(&missing, &["init", "--bare", "--quiet"]);
    project.run(&["tick"]).ok();

    assert_eq!(project.committed_in(&missing), project.stored());
    assert_eq!(project.stored().len(), 3);
    project.run(&["verify"]).ok();
}

#[test]
fn the_origin_of_the_repo_is_used_where_there_is_one() {
    let project = Project::with(&two_docs());
    let origin = project.path("origin.git");
    fs::create_dir_all(&origin).unwrap();
    project.git_in(&origin, &["init", "--bare", "--quiet"]);
    let root = project.path(".");
    project.git_in(&root, &["init", "--quiet"]);
    project.git_in(&root, &["remote", "add", "origin", origin.to_str().unwrap()]);

    project.run(&["run"]).ok();

    assert_eq!(project.committed_in(&origin), project.stored());
    assert!(!project.path(".wavemark/remote.git").exists());
    // Nothing but the artifact branch, and no trace in the work tree.
    let refs = project.git_in(&origin, &["for-each-ref", "--format=%(refname)"]);
    assert_eq!(refs, "refs/heads/wavemark/artifacts");
    let files = project.git_in(&origin, &["ls-tree", "-r", "--name-only", "wavemark/artifacts"]);
    assert_eq!(files, "one/echo/doc/a.md\none/vision/doc/a.md\none/vision/doc/b.md");
    assert_eq!(project.git_in(&origin, &["show", "wavemark/artifacts:one/vision/doc/b.md"]), "two");
}

#[test]
fn a_remote_that_refuses_is_noticed_and_asked_again() {
    let mut project = Project::with(&two_docs());
    let remote = project.path("strict.git");
    fs::create_dir_all(&remote).unwrap();
    project.git_in(&remote, &["init", "--bare", "--quiet"]);
    let hook = remote.join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\necho 'not on a Sunday' >&2\nexit 1\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    project.env("WAVEMARK_GIT_REMOTE", remote.to_str().unwrap());

    let run = project.run(&["run"]).exits(1);
    assert!(run.stderr.contains("not in git yet"), "{run}");
    assert_eq!(project.sql("select distinct git_state from artifacts"), "pending");

    fs::remove_file(hook).unwrap();
    project.run(&["tick"]).ok();

    assert_eq!(project.committed_in(&remote), project.stored());
}

#[test]
fn a_branch_that_somebody_else_moved_is_built_upon() {
    let project = Project::with(&two_docs());
    project.run(&["run"]).ok();
    // Somebody pushes a commit of their own to the branch.
    let clone = project.path("clone");
    let remote = project.path(".wavemark/remote.git");
    let to = [remote.to_str().unwrap(), clone.to_str().unwrap()];
    let root = project.path(".");
    project.git_in(&root, &["clone", "--quiet", "-b", "wavemark/artifacts", to[0], to[1]]);
    fs::write(clone.join("README.md"), "What agents made.\n").unwrap();
    project.git_in(&clone, &["add", "README.md"]);
    project.git_in(&clone, &["commit", "--quiet", "-m", "Say what this is"]);
    project.git_in(&clone, &["push", "--quiet"]);

    project.run(&["rebuild", "echo"]).ok();
    project.replan(
        &Plan::new()
            .agent("vision", "produces: [doc/a.md]", "emit doc/a.md one; emit doc/b.md two")
            .agent("echo", "needs: [vision], produces: [doc/a.md]", "emit doc/a.md four"),
    );
    project.run(&["run"]).ok();

    let log = project.git(&["log", "--format=%s", "-2", "wavemark/artifacts"]);
    assert_eq!(log, "echo: doc/a.md (version 2)\nSay what this is");
    assert_eq!(project.git(&["show", "wavemark/artifacts:README.md"]), "What agents made.");
    project.agrees_with_git();
}
