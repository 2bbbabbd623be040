//! Publishing when publishers die: nothing twice, nothing lost.

use std::{
    fs, thread,
    time::{Duration, Instant, SystemTime},
};

use proptest::prelude::*;

use super::{child_of, folder_from_parent};
use crate::archive::{
    Claim, Entry, Error, Landed, Remote, Written, chain,
    testing::{BRANCH, Via, World, archive, entries, entry, ids},
};

#[test]
fn a_batch_that_was_pushed_but_not_stamped_is_found_again() {
    for via in Via::BOTH {
        let world = World::new();
        let archive = world.archive(via, "one");
        let old = archive.publish_all(&entries(0..3), None).unwrap();
        let batch = entries(3..6);
        let pushed = archive.publish_all(&batch, Some(&old[2].commit)).unwrap();

        for known in [None, Some(old[2].commit.as_str()), Some("no commit")] {
            let again = archive.publish_all(&batch, known).unwrap();

            let places = |landed: &[Landed]| -> Vec<(String, String)> {
                landed.iter().map(|l| (l.commit.clone(), l.path.clone())).collect()
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
        world.archive(via, "one").publish_all(&entries(0..3), None).unwrap();

        let landed = world.archive(via, "two").publish_all(&entries(0..5), None).unwrap();

        let written: Vec<Written> = landed.iter().map(|landed| landed.written).collect();
        assert_eq!(
            written,
            [Written::Same, Written::Same, Written::Same, Written::New, Written::New]
        );
        assert_eq!(world.artifacts(), ids(&entries(0..5)));
    }
}

#[test]
fn a_lock_that_a_dead_process_left_is_removed_and_a_fresh_one_respected() {
    let world = World::new();
    let archive = world.archive(Via::Folder, "one");
    archive.publish_all(&entries(0..1), None).unwrap();
    let lock = world.folder().join(format!("refs/heads/{BRANCH}.lock"));
    let file = fs::File::create(&lock).unwrap();

    let busy = archive.publish_all(&entries(1..2), None);
    assert!(matches!(busy, Err(Error::Contended { .. })), "{busy:?}");
    file.set_modified(SystemTime::now() - Duration::from_secs(3_600)).unwrap();
    archive.publish_all(&entries(1..2), None).unwrap();

    assert_eq!(world.artifacts(), ids(&entries(0..2)));
    assert!(!lock.exists());
}

#[test]
fn an_object_that_a_power_cut_emptied_is_written_again() {
    let world = World::new();
    let archive = world.archive(Via::Folder, "one");
    let batch = [entry(1, "doc/a.md", "text")];
    let blob = git2::Oid::hash_object(git2::ObjectType::Blob, b"text").unwrap().to_string();
    let empty = world.folder().join("objects").join(&blob[..2]).join(&blob[2..]);
    fs::create_dir_all(empty.parent().unwrap()).unwrap();
    fs::write(&empty, "").unwrap();

    archive.publish_all(&batch, None).unwrap();

    world.fsck();
}

#[test]
fn a_publisher_that_is_killed_leaves_nothing_twice_and_nothing_lost() {
    let all = entries(0..60);
    if let Some(folder) = folder_from_parent() {
        let url = fs::read_to_string(folder.join("url")).unwrap();
        let archive = archive(Remote::at(url), folder.join("caches/one"));
        for batch in all.chunks(3) {
            archive.publish_all(batch, None).unwrap();
        }
        return;
    }
    for via in Via::BOTH {
        let world = World::new();
        fs::write(world.dir.path().join("url"), &world.remote(via).url).unwrap();
        for enough in [1, 9, 20, 40] {
            let name = "crash::a_publisher_that_is_killed_leaves_nothing_twice_and_nothing_lost";
            let mut child = child_of(name, world.dir.path()).spawn().unwrap();
            wait_until(|| world.count() >= enough || child.try_wait().unwrap().is_some());
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(world.count() >= enough, "the child did nothing");
        }

        world.archive(via, "one").publish_all(&all, None).unwrap();

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
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 32, ..ProptestConfig::default() })]

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
                    let landed = archive.publish_all(&outbox, known.as_deref()).unwrap();
                    for (row, landed) in rows.iter_mut().filter(|row| row.1.is_none()).zip(landed) {
                        row.1 = Some(landed);
                    }
                }
                Step::Die => drop(archive.publish_all(&outbox, known.as_deref()).unwrap()),
                Step::DieEarly => {
                    let repo = archive.repo().unwrap();
                    let head = archive.newest(&repo).unwrap();
                    chain::build(&repo, head, &outbox.iter().collect::<Vec<_>>()).unwrap();
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
