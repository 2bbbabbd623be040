//! Publishing, seen from outside: the remote as the `git` program sees it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Barrier,
    thread,
    time::{Duration, Instant, SystemTime},
};

use proptest::prelude::*;

use super::{
    Archive, Claim, Entry, Error, Landed, Mark, Remote, Written, source_of,
    testing::{BRANCH, Via, World, archive, entries, entry, git, ids},
};

#[test]
fn each_entry_is_one_commit_with_trailers_and_the_time_of_its_row() {
    let world = World::new();
    let batch = [
        entry(1, "doc/summary.md", "first"),
        entry(2, "schema/sheet.json", "{}"),
    ];

    let landed = world
        .archive(Via::Folder, "one")
        .publish(&batch, None)
        .unwrap();

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

        archive.publish(&few, None).unwrap();
        let landed = archive.publish(&many, None).unwrap();

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
fn a_batch_that_was_pushed_but_not_stamped_is_found_again() {
    for via in Via::BOTH {
        let world = World::new();
        let archive = world.archive(via, "one");
        let old = archive.publish(&entries(0..3), None).unwrap();
        let batch = entries(3..6);
        let pushed = archive.publish(&batch, Some(&old[2].commit)).unwrap();

        for known in [None, Some(old[2].commit.as_str()), Some("no commit")] {
            let again = archive.publish(&batch, known).unwrap();

            let places = |landed: &[Landed]| -> Vec<(String, String)> {
                landed
                    .iter()
                    .map(|l| (l.commit.clone(), l.path.clone()))
                    .collect()
            };
            assert_eq!(places(&again), places(&pushed));
            assert!(again.iter().all(|landed| landed.written == Written::Same));
        }
        assert_eq!(world.artifacts(), ids(&entries(0..6)));
    }
}

#[test]
fn a_batch_of_which_some_was_pushed_gets_only_the_rest() {
    for via in Via::BOTH {
        let world = World::new();
        world
            .archive(via, "one")
            .publish(&entries(0..3), None)
            .unwrap();

        let landed = world
            .archive(via, "two")
            .publish(&entries(0..5), None)
            .unwrap();

        let written: Vec<Written> = landed.iter().map(|landed| landed.written).collect();
        assert_eq!(
            written,
            [
                Written::Same,
                Written::Same,
                Written::Same,
                Written::New,
                Written::New
            ]
        );
        assert_eq!(world.artifacts(), ids(&entries(0..5)));
    }
}

#[test]
fn versions_may_go_back_to_what_they_were() {
    let world = World::new();
    let archive = world.archive(Via::Folder, "one");
    let versions = ["A", "B", "A", "A"]
        .iter()
        .zip(1..)
        .map(|(content, n)| entry(n, "doc/a.md", content));

    for version in versions.clone() {
        archive.publish(&[version], None).unwrap();
    }

    assert_eq!(world.artifacts(), ids(&versions.collect::<Vec<_>>()));
    let history = archive.history("foundation/vision/doc/a.md").unwrap();
    let found: Vec<i32> = history
        .iter()
        .filter_map(|commit| Some(commit.mark.as_ref()?.version))
        .collect();
    assert_eq!(found, [4, 3, 2, 1]);
}

#[test]
fn what_people_put_on_the_branch_stays() {
    for via in Via::BOTH {
        let world = World::new();
        let archive = world.archive(via, "one");
        world.somebody_commits("README.md", "hello");
        archive.publish(&entries(0..2), None).unwrap();
        world.somebody_commits("foundation/vision/doc/notes.md", "mine");
        world.somebody_commits("foundation.txt", "sorts between a folder and its entries");

        archive.publish(&entries(2..40), None).unwrap();

        for (path, content) in [
            ("README.md", "hello"),
            ("foundation/vision/doc/notes.md", "mine"),
            ("foundation/vision/doc/file-0.md", "text 0\n"),
        ] {
            assert_eq!(
                world.git(&["cat-file", "blob", &format!("{BRANCH}:{path}")]),
                content
            );
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
    archive
        .publish(&[entry(1, "doc/a.md", "one")], None)
        .unwrap();
    world.somebody_commits(
        "foundation/vision/doc/b.md/c",
        "a folder where a file should be",
    );

    archive
        .publish(&[entry(2, "doc/b.md", "two")], None)
        .unwrap();

    assert_eq!(
        world.files(),
        ["foundation/vision/doc/a.md", "foundation/vision/doc/b.md"]
    );
    world.fsck();
}

#[test]
fn a_forged_trailer_does_not_stand_in_for_an_artifact() {
    let world = World::new();
    let archive = world.archive(Via::Folder, "one");
    let mine = entry(1, "doc/a.md", "mine");
    world.somebody_commits("foundation/vision/doc/a.md", "theirs");
    let clone = world.clone_branch();
    git(
        &clone,
        &[
            "commit",
            "--quiet",
            "--allow-empty",
            "--message",
            &Mark::of(&mine).message(),
        ],
    );
    git(&clone, &["push", "--quiet", "origin", BRANCH]);

    let landed = archive.publish(&[mine], None).unwrap();

    assert_eq!(landed[0].written, Written::New);
    assert_eq!(
        archive.read(&landed[0].commit, &landed[0].path).unwrap(),
        b"mine"
    );
}

#[test]
fn an_agent_that_moved_to_another_wave_gets_no_second_commit() {
    let world = World::new();
    let archive = world.archive(Via::Folder, "one");
    let mut entry = entry(1, "doc/a.md", "text");
    let before = archive.publish(std::slice::from_ref(&entry), None).unwrap();

    entry.wave = "second".parse().unwrap();
    let after = archive.publish(&[entry], None).unwrap();

    assert_eq!(
        (&after[0].commit, &after[0].path),
        (&before[0].commit, &before[0].path)
    );
}

#[test]
fn the_same_entries_on_the_same_parent_are_the_same_commits() {
    let tips = Via::BOTH.map(|via| {
        let world = World::new();
        let archive = world.archive(via, "one");
        archive.publish(&entries(0..5), None).unwrap();
        archive
            .publish(&entries(5..25), None)
            .unwrap()
            .pop()
            .unwrap()
            .commit
    });
    let one_by_one = {
        let world = World::new();
        let archive = world.archive(Via::Folder, "one");
        entries(0..25)
            .iter()
            .map(|entry| {
                archive
                    .publish(std::slice::from_ref(entry), None)
                    .unwrap()
                    .pop()
                    .unwrap()
                    .commit
            })
            .last()
            .unwrap()
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
        let expected: Vec<String> = (0..4)
            .flat_map(|n| ids(&entries(n * 10..n * 10 + 5)))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(world.files().len(), 20);
        world.fsck();
    }
}

/// Contention is an answer that the next tick deals with.
fn until_landed(archive: &Archive, batch: &[Entry]) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match archive.publish(batch, None) {
            Ok(_) => return,
            Err(Error::Contended { .. }) if Instant::now() < deadline => (),
            Err(err) => panic!("{err:?}"),
        }
    }
}

#[test]
fn a_row_whose_content_is_damaged_is_not_published() {
    let world = World::new();
    let mut entry = entry(1, "doc/a.md", "text");
    entry.content = "tex".to_owned();

    let err = world
        .archive(Via::Folder, "one")
        .publish(&[entry], None)
        .unwrap_err();

    assert!(matches!(err, Error::WrongDigest { .. }), "{err:?}");
}

#[test]
fn a_hook_that_refuses_is_heard() {
    for via in Via::BOTH {
        let world = World::new();
        let archive = world.archive(via, "one");
        archive.publish(&entries(0..1), None).unwrap();
        let before = world.log("%H");
        world.hook(
            "pre-receive",
            "cat; echo 'No artifacts on Sundays.' >&2; exit 1",
        );

        let err = archive.publish(&entries(1..3), None).unwrap_err();

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

        let first = archive.publish(&entries(0..3), None);
        assert!(matches!(first, Err(Error::Refused { .. })), "{first:?}");
        archive.publish(&entries(0..3), None).unwrap();

        assert_eq!(world.artifacts(), ids(&entries(0..3)));
    }
}

#[test]
fn a_branch_that_moves_at_the_last_moment_is_built_upon() {
    for via in Via::BOTH {
        let world = World::new();
        let archive = world.archive(via, "one");
        let old = archive.publish(&entries(0..1), None).unwrap();
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

        archive.publish(&entries(1..3), None).unwrap();

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
    archive.publish(&entries(0..1), None).unwrap();

    fs::rename(world.folder(), &away).unwrap();
    let gone = archive.publish(&entries(1..3), None);
    assert!(matches!(gone, Err(Error::Unreachable { .. })), "{gone:?}");
    fs::write(world.folder(), "not a repository").unwrap();
    let wrong = archive.publish(&entries(1..3), None);
    assert!(
        matches!(wrong, Err(Error::NotARepository { .. })),
        "{wrong:?}"
    );
    fs::remove_file(world.folder()).unwrap();
    fs::rename(&away, world.folder()).unwrap();
    archive.publish(&entries(1..3), None).unwrap();

    assert_eq!(world.artifacts(), ids(&entries(0..3)));
}

#[test]
fn a_lock_that_a_dead_process_left_is_removed_and_a_fresh_one_respected() {
    let world = World::new();
    let archive = world.archive(Via::Folder, "one");
    archive.publish(&entries(0..1), None).unwrap();
    let lock = world.folder().join(format!("refs/heads/{BRANCH}.lock"));
    let file = fs::File::create(&lock).unwrap();

    let busy = archive.publish(&entries(1..2), None);
    assert!(matches!(busy, Err(Error::Contended { .. })), "{busy:?}");
    file.set_modified(SystemTime::now() - Duration::from_secs(3_600))
        .unwrap();
    archive.publish(&entries(1..2), None).unwrap();

    assert_eq!(world.artifacts(), ids(&entries(0..2)));
    assert!(!lock.exists());
}

#[test]
fn an_object_that_a_power_cut_emptied_is_written_again() {
    let world = World::new();
    let archive = world.archive(Via::Folder, "one");
    let batch = [entry(1, "doc/a.md", "text")];
    let blob = git2::Oid::hash_object(git2::ObjectType::Blob, b"text")
        .unwrap()
        .to_string();
    let empty = world
        .folder()
        .join("objects")
        .join(&blob[..2])
        .join(&blob[2..]);
    fs::create_dir_all(empty.parent().unwrap()).unwrap();
    fs::write(&empty, "").unwrap();

    archive.publish(&batch, None).unwrap();

    world.fsck();
}

#[test]
fn a_checked_out_branch_is_not_moved_under_its_work_tree() {
    let world = World::new();
    world
        .archive(Via::Folder, "one")
        .publish(&entries(0..1), None)
        .unwrap();
    let clone = world.clone_branch();
    let archive = archive(Remote::at(clone.to_str().unwrap()), world.cache("two"));

    let refused = archive.publish(&entries(1..2), None);
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    git(&clone, &["checkout", "--quiet", "-b", "main"]);
    archive.publish(&entries(1..2), None).unwrap();

    assert_eq!(git(&clone, &["rev-list", "--count", BRANCH]).trim(), "2");
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

#[test]
fn a_publisher_that_is_killed_leaves_nothing_twice_and_nothing_lost() {
    let all = entries(0..60);
    if let Some(folder) = folder_from_parent() {
        let url = fs::read_to_string(folder.join("url")).unwrap();
        let archive = archive(Remote::at(url), folder.join("caches/one"));
        for batch in all.chunks(3) {
            archive.publish(batch, None).unwrap();
        }
        return;
    }
    for via in Via::BOTH {
        let world = World::new();
        fs::write(world.dir.path().join("url"), &world.remote(via).url).unwrap();
        for enough in [1, 9, 20, 40] {
            let name = "a_publisher_that_is_killed_leaves_nothing_twice_and_nothing_lost";
            let mut child = child_of(name, world.dir.path()).spawn().unwrap();
            wait_until(|| world.count() >= enough || child.try_wait().unwrap().is_some());
            child.kill().unwrap();
            child.wait().unwrap();
        }

        world.archive(via, "one").publish(&all, None).unwrap();

        assert_eq!(world.artifacts(), ids(&all));
        world.fsck();
    }
}

fn wait_until(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "it never came");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn the_environment_of_another_git_is_not_looked_at() {
    if let Some(folder) = folder_from_parent() {
        let remote = Remote::at(folder.join("remote.git").to_str().unwrap());
        archive(remote, folder.join("caches/one"))
            .publish(&entries(0..2), None)
            .unwrap();
        let source = source_of(&folder.join("clone")).unwrap().unwrap();
        assert_eq!(source.root.file_name().unwrap(), "clone");
        return;
    }
    let world = World::new();
    world.somebody_commits("README.md", "hello");
    world.clone_branch();
    let elsewhere = world.dir.path().join("elsewhere");

    let child = child_of(
        "the_environment_of_another_git_is_not_looked_at",
        world.dir.path(),
    )
    .env("GIT_DIR", &elsewhere)
    .env("GIT_WORK_TREE", &elsewhere)
    .env("GIT_INDEX_FILE", &elsewhere)
    .env("GIT_OBJECT_DIRECTORY", &elsewhere)
    .env("GIT_NAMESPACE", "elsewhere")
    .output()
    .unwrap();

    assert!(
        child.status.success(),
        "{}",
        String::from_utf8_lossy(&child.stderr)
    );
    assert_eq!(world.count(), 3);
    assert!(!elsewhere.exists());
}

/// What may happen between two looks at the branch.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// So many rows are written; the content is one of three.
    Rows(u32, usize),
    /// The outbox is published, and its rows are stamped.
    Publish,
    /// The outbox is published, and the publisher dies before it can stamp.
    Die,
    /// A publisher dies even before it moves the branch.
    DieEarly,
    /// Somebody pushes to the branch.
    Foreign,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..25_u32, 0..3_usize).prop_map(|(count, content)| Step::Rows(count, content)),
        2 => Just(Step::Publish),
        2 => Just(Step::Die),
        1 => Just(Step::DieEarly),
        1 => Just(Step::Foreign),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_entry_is_one_commit_with_its_bytes(
        steps in prop::collection::vec(any_step(), 1..12),
    ) {
        let world = World::new();
        let archive = world.archive(Via::Folder, "one");
        let mut rows: Vec<(Entry, Option<Landed>)> = Vec::new();
        let mut foreign = 0;
        for step in steps.into_iter().chain([Step::Publish]) {
            let outbox: Vec<Entry> =
                rows.iter().filter(|row| row.1.is_none()).map(|row| row.0.clone()).collect();
            let known = rows.iter().rev().find_map(|row| Some(row.1.as_ref()?.commit.clone()));
            match step {
                Step::Rows(count, content) => {
                    let first = u32::try_from(rows.len()).unwrap();
                    rows.extend((first..first + count).map(|n| {
                        let key = format!("doc/file-{}.md", n % 4);
                        (entry(n, &key, ["A", "B", ""][content]), None)
                    }));
                }
                Step::Publish => {
                    let landed = archive.publish(&outbox, known.as_deref()).unwrap();
                    for (row, landed) in rows.iter_mut().filter(|row| row.1.is_none()).zip(landed) {
                        row.1 = Some(landed);
                    }
                }
                Step::Die => drop(archive.publish(&outbox, known.as_deref()).unwrap()),
                Step::DieEarly => {
                    let repo = archive.repo().unwrap();
                    let head = archive.newest(&repo).unwrap();
                    super::chain::build(&repo, head, &outbox.iter().collect::<Vec<_>>()).unwrap();
                }
                Step::Foreign => {
                    foreign += 1;
                    world.somebody_commits("README.md", &foreign.to_string());
                }
            }
        }

        let all: Vec<Entry> = rows.iter().map(|row| row.0.clone()).collect();
        let found: Vec<String> =
            world.artifacts().into_iter().filter(|id| !id.is_empty()).collect();
        prop_assert_eq!(found, ids(&all));
        let claims: Vec<Claim> = rows
            .iter()
            .filter_map(|(entry, landed)| {
                let Landed { id, commit, path, .. } = landed.clone()?;
                Some(Claim { id, commit, path, sha256: entry.sha256 })
            })
            .collect();
        prop_assert_eq!(claims.len(), all.len());
        prop_assert_eq!(archive.verify(&claims).unwrap(), vec![]);
        world.fsck();
    }
}
