//! Publishing, seen from outside: the remote as the `git` program sees it.

mod crash;
mod refusing;
mod server;
mod trouble;
mod wire;

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use super::{
    Archive, Entry, Error, Mark, Written,
    testing::{BRANCH, Via, World, entries, entry, git, ids},
};

#[test]
fn each_entry_is_one_commit_with_trailers_and_the_time_of_its_row() {
    let world = World::new();
    let batch = [entry(1, "doc/summary.md", "first"), entry(2, "schema/sheet.json", "{}")];

    let landed = world.archive(Via::Folder, "one").publish_all(&batch, None).unwrap();

    insta::assert_snapshot!(world.log("%an <%ae>, %cn <%ce>, %at %ct%n%B"), @"
    wavemark <wavemark@users.noreply.github.com>, wavemark <wavemark@users.noreply.github.com>, 1790000001 1790000001
    vision: doc/summary.md (version 1)

    Wavemark-Artifact: 00000000-0000-0000-0000-000000000001
    Wavemark-Wave: foundation
    Wavemark-Agent: vision
    Wavemark-Type: doc
    Wavemark-Name: summary.md
    Wavemark-Version: 1
    Wavemark-Run: 00000000-0000-0000-0000-0000000003e9
    Wavemark-Epoch: 3
    Wavemark-Sha256: a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e

    wavemark <wavemark@users.noreply.github.com>, wavemark <wavemark@users.noreply.github.com>, 1790000002 1790000002
    vision: schema/sheet.json (version 2)

    Wavemark-Artifact: 00000000-0000-0000-0000-000000000002
    Wavemark-Wave: foundation
    Wavemark-Agent: vision
    Wavemark-Type: schema
    Wavemark-Name: sheet.json
    Wavemark-Version: 2
    Wavemark-Run: 00000000-0000-0000-0000-0000000003ea
    Wavemark-Epoch: 3
    Wavemark-Sha256: 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a
    ");
    let commits: Vec<&str> = landed.iter().map(|entry| entry.commit.as_str()).collect();
    assert_eq!(commits, world.log("%H").lines().collect::<Vec<_>>());
    let shown = format!("{}:{}", landed[1].commit, landed[0].path);
    assert_eq!(world.git(&["cat-file", "blob", &shown]), "first");
    world.fsck();
}

#[test]
fn many_entries_are_as_sound_as_few() {
    for via in Via::BOTH {
        let world = World::new();
        let archive = world.archive(via, "one");
        let (few, many) = (entries(0..10), entries(10..120));

        archive.publish_all(&few, None).unwrap();
        let landed = archive.publish_all(&many, None).unwrap();

        assert_eq!(world.artifacts(), [ids(&few), ids(&many)].concat());
        for (entry, landed) in many.iter().zip(&landed) {
            let bytes = archive.read(&landed.commit, &landed.path).unwrap();
            assert_eq!(bytes, entry.content.as_bytes());
        }
        assert_eq!(world.files().len(), 120);
        world.fsck();
    }
}

#[test]
fn versions_may_go_back_to_what_they_were() {
    let world = World::new();
    let archive = world.archive(Via::Folder, "one");
    let versions =
        ["A", "B", "A", "A"].iter().zip(1..).map(|(content, n)| entry(n, "doc/a.md", content));

    for version in versions.clone() {
        archive.publish_all(&[version], None).unwrap();
    }

    assert_eq!(world.artifacts(), ids(&versions.collect::<Vec<_>>()));
    let history = archive.history("foundation/vision/doc/a.md").unwrap();
    let found: Vec<i32> =
        history.iter().filter_map(|commit| Some(commit.mark.as_ref()?.version)).collect();
    assert_eq!(found, [4, 3, 2, 1]);
}

#[test]
fn what_people_put_on_the_branch_stays() {
    for via in Via::BOTH {
        let world = World::new();
        let archive = world.archive(via, "one");
        world.somebody_commits("README.md", "hello");
        archive.publish_all(&entries(0..2), None).unwrap();
        world.somebody_commits("foundation/vision/doc/notes.md", "mine");
        world.somebody_commits("foundation.txt", "sorts between a folder and its entries");

        archive.publish_all(&entries(2..40), None).unwrap();

        for (path, content) in [
            ("README.md", "hello"),
            ("foundation/vision/doc/notes.md", "mine"),
            ("foundation/vision/doc/file-0.md", "text 0\n"),
        ] {
            assert_eq!(world.git(&["cat-file", "blob", &format!("{BRANCH}:{path}")]), content);
        }
        assert_eq!(world.files().len(), 43);
        world.fsck();
    }
}

#[test]
fn an_artifact_gets_its_path_even_if_something_else_is_there() {
    let world = World::new();
    world.somebody_commits("foundation", "a file where a folder should be");
    let archive = world.archive(Via::Folder, "one");
    archive.publish_all(&[entry(1, "doc/a.md", "one")], None).unwrap();
    world.somebody_commits("foundation/vision/doc/b.md/c", "a folder where a file should be");

    archive.publish_all(&[entry(2, "doc/b.md", "two")], None).unwrap();

    assert_eq!(world.files(), ["foundation/vision/doc/a.md", "foundation/vision/doc/b.md"]);
    world.fsck();
}

#[test]
fn a_forged_trailer_does_not_stand_in_for_an_artifact() {
    let world = World::new();
    let archive = world.archive(Via::Folder, "one");
    let mine = entry(1, "doc/a.md", "mine");
    world.somebody_commits("foundation/vision/doc/a.md", "theirs");
    let clone = world.clone_branch();
    git(&clone, &["commit", "--quiet", "--allow-empty", "--message", &Mark::of(&mine).message()]);
    git(&clone, &["push", "--quiet", "origin", BRANCH]);

    let landed = archive.publish_all(&[mine], None).unwrap();

    assert_eq!(landed[0].written, Written::New);
    assert_eq!(archive.read(&landed[0].commit, &landed[0].path).unwrap(), b"mine");
}

#[test]
fn an_agent_that_moved_to_another_wave_gets_no_second_commit() {
    let world = World::new();
    let archive = world.archive(Via::Folder, "one");
    let mut entry = entry(1, "doc/a.md", "text");
    let before = archive.publish_all(std::slice::from_ref(&entry), None).unwrap();

    entry.wave = "second".parse().unwrap();
    let after = archive.publish_all(&[entry], None).unwrap();

    assert_eq!((&after[0].commit, &after[0].path), (&before[0].commit, &before[0].path));
}

#[test]
fn the_same_entries_on_the_same_parent_are_the_same_commits() {
    let tips = Via::BOTH.map(|via| {
        let world = World::new();
        let archive = world.archive(via, "one");
        archive.publish_all(&entries(0..5), None).unwrap();
        archive.publish_all(&entries(5..25), None).unwrap().pop().unwrap().commit
    });
    let one_by_one = {
        let world = World::new();
        let archive = world.archive(Via::Folder, "one");
        for entry in entries(0..25) {
            archive.publish_all(&[entry], None).unwrap();
        }
        archive.fetch().unwrap().unwrap()
    };

    assert_eq!((&tips[0], &tips[0]), (&tips[1], &one_by_one));
}

#[test]
fn publishers_that_race_all_land_and_none_twice() {
    for via in Via::BOTH {
        let world = World::new();
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for n in 0..4 {
                let (world, start) = (&world, &start);
                scope.spawn(move || {
                    // Two machines with two processes each.
                    let archive = world.archive(via, ["one", "two"][n % 2]);
                    let n = u32::try_from(n).unwrap();
                    start.wait();
                    for entry in entries(n * 10..n * 10 + 5) {
                        until_landed(&archive, &[entry]);
                    }
                });
            }
        });

        let mut found = world.artifacts();
        found.sort();
        let expected: Vec<String> =
            (0..4).flat_map(|n| ids(&entries(n * 10..n * 10 + 5))).collect();
        assert_eq!(found, expected);
        assert_eq!(world.files().len(), 20);
        world.fsck();
    }
}

/// Contention is an answer that the next tick deals with.
fn until_landed(archive: &Archive, batch: &[Entry]) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match archive.publish_all(batch, None) {
            Ok(_) => return,
            Err(Error::Contended { .. }) if Instant::now() < deadline => (),
            Err(err) => panic!("{err:?}"),
        }
    }
}

/// Runs the test called `name` again in a process of its own, which finds
/// `WAVEMARK_TEST_FOLDER` in its environment.
fn child_of(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", &format!("archive::tests::{name}"), "--nocapture"])
        .env("WAVEMARK_TEST_FOLDER", folder)
        .stdout(Stdio::null());
    command
}

fn folder_from_parent() -> Option<PathBuf> {
    env::var_os("WAVEMARK_TEST_FOLDER").map(PathBuf::from)
}
