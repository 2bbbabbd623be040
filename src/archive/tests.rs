//! Publishing, seen from outside: the remote as the `git` program sees it.

use super::{
    Error, Written,
    testing::{World, entries, entry, ids},
};

#[test]
fn each_entry_is_one_commit_with_trailers_and_the_time_of_its_row() {
    let world = World::new();
    let batch = [
        entry(1, "doc/summary.md", "first"),
        entry(2, "schema/sheet.json", "{}"),
    ];

    let landed = world.archive().publish(&batch, None).unwrap();

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
    let world = World::new();
    let archive = world.archive();
    let few = entries(0..10);
    let many = entries(10..400);

    archive.publish(&few, None).unwrap();
    let landed = archive.publish(&many, None).unwrap();

    assert_eq!(world.artifacts(), [ids(&few), ids(&many)].concat());
    for (entry, landed) in many.iter().zip(&landed) {
        assert_eq!(
            archive.read(&landed.commit, &landed.path).unwrap(),
            entry.content.as_bytes()
        );
    }
    assert_eq!(
        world
            .git(&["ls-tree", "-r", "--name-only", super::testing::BRANCH])
            .lines()
            .count(),
        400
    );
    world.fsck();
}
