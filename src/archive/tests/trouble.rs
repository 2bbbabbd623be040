//! Publishing when the remote is away, says no, or is not what it seems.

use std::fs;

use super::{child_of, folder_from_parent};
use crate::archive::{
    Error, Remote, source_of,
    testing::{BRANCH, Via, World, archive, entries, entry, git, ids},
};

#[test]
fn a_row_whose_content_is_damaged_is_not_published() {
    let world = World::new();
    let mut entry = entry(1, "doc/a.md", "text");
    entry.content = "tex".to_owned();

    let err = world.archive(Via::Folder, "one").publish_all(&[entry], None).unwrap_err();

    assert!(matches!(err, Error::WrongDigest { .. }), "{err:?}");
}

#[test]
fn a_hook_that_refuses_is_heard() {
    for via in Via::BOTH {
        let world = World::new();
        let archive = world.archive(via, "one");
        archive.publish_all(&entries(0..1), None).unwrap();
        let before = world.log("%H");
        world.hook("pre-receive", "cat; echo 'No artifacts on Sundays.' >&2; exit 1");

        let err = archive.publish_all(&entries(1..3), None).unwrap_err();

        assert!(matches!(err, Error::Refused { .. }), "{err:?}");
        let said = err.to_string();
        assert!(
            said.contains("pre-receive hook declined") && said.contains("No artifacts on Sundays."),
            "{said}"
        );
        assert_eq!(world.log("%H"), before);
    }
}

#[test]
fn a_batch_that_was_refused_lands_once_the_remote_agrees() {
    for via in Via::BOTH {
        let world = World::new();
        let archive = world.archive(via, "one");
        world.hook("update", "test -e asked || { touch asked; exit 1; }");

        let first = archive.publish_all(&entries(0..3), None);
        assert!(matches!(first, Err(Error::Refused { .. })), "{first:?}");
        archive.publish_all(&entries(0..3), None).unwrap();

        assert_eq!(world.artifacts(), ids(&entries(0..3)));
    }
}

#[test]
fn a_branch_that_moves_at_the_last_moment_is_built_upon() {
    for via in Via::BOTH {
        let world = World::new();
        let archive = world.archive(via, "one");
        let old = archive.publish_all(&entries(0..1), None).unwrap();
        let tree = format!("{}^{{tree}}", old[0].commit);
        let other = world.git(&["commit-tree", &tree, "-p", &old[0].commit, "-m", "Faster"]);
        let other = other.trim();
        world.hook(
            "pre-receive",
            &format!(
                "test -e moved || {{ touch moved; unset GIT_QUARANTINE_PATH
                git update-ref refs/heads/{BRANCH} {other}; }}"
            ),
        );

        archive.publish_all(&entries(1..3), None).unwrap();

        let subjects = world.log("%s");
        assert_eq!(subjects.lines().nth(1), Some("Faster"), "{subjects}");
        assert_eq!(subjects.lines().count(), 4);
        world.fsck();
    }
}

#[test]
fn a_dead_remote_delays_and_loses_nothing() {
    let world = World::new();
    let away = world.dir.path().join("away");
    let archive = world.archive(Via::Folder, "one");
    archive.publish_all(&entries(0..1), None).unwrap();

    fs::rename(world.folder(), &away).unwrap();
    let gone = archive.publish_all(&entries(1..3), None);
    assert!(matches!(gone, Err(Error::Unreachable { .. })), "{gone:?}");
    fs::write(world.folder(), "not a repository").unwrap();
    let wrong = archive.publish_all(&entries(1..3), None);
    assert!(matches!(wrong, Err(Error::NotARepository { .. })), "{wrong:?}");
    fs::remove_file(world.folder()).unwrap();
    fs::rename(&away, world.folder()).unwrap();
    archive.publish_all(&entries(1..3), None).unwrap();

    assert_eq!(world.artifacts(), ids(&entries(0..3)));
}

#[test]
fn a_checked_out_branch_is_not_moved_under_its_work_tree() {
    let world = World::new();
    world.archive(Via::Folder, "one").publish_all(&entries(0..1), None).unwrap();
    let clone = world.clone_branch();
    let archive = archive(Remote::at(clone.to_str().unwrap()), world.cache("two"));

    let refused = archive.publish_all(&entries(1..2), None);
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    git(&clone, &["checkout", "--quiet", "-b", "main"]);
    archive.publish_all(&entries(1..2), None).unwrap();

    assert_eq!(git(&clone, &["rev-list", "--count", BRANCH]).trim(), "2");
}

#[test]
fn the_environment_of_another_git_is_not_looked_at() {
    if let Some(folder) = folder_from_parent() {
        let remote = Remote::at(folder.join("remote.git").to_str().unwrap());
        archive(remote, folder.join("caches/one")).publish_all(&entries(0..2), None).unwrap();
        let source = source_of(&folder.join("clone")).unwrap().unwrap();
        assert_eq!(source.root.file_name().unwrap(), "clone");
        return;
    }
    let world = World::new();
    world.somebody_commits("README.md", "hello");
    world.clone_branch();
    let elsewhere = world.dir.path().join("elsewhere");

    let child =
        child_of("trouble::the_environment_of_another_git_is_not_looked_at", world.dir.path())
            .env("GIT_DIR", &elsewhere)
            .env("GIT_WORK_TREE", &elsewhere)
            .env("GIT_INDEX_FILE", &elsewhere)
            .env("GIT_OBJECT_DIRECTORY", &elsewhere)
            .env("GIT_NAMESPACE", "elsewhere")
            .output()
            .unwrap();

    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    assert_eq!(world.count(), 3);
    assert!(!elsewhere.exists());
}

#[test]
fn a_branch_in_a_linked_work_tree_is_not_moved_either() {
    let world = World::new();
    let archive = world.archive(Via::Folder, "one");
    archive.publish_all(&entries(0..1), None).unwrap();
    world.git(&["worktree", "add", "--quiet", "../linked", BRANCH]);

    let refused = archive.publish_all(&entries(1..2), None);

    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
}
