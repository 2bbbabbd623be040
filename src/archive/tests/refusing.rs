//! A remote that does not take some of the artifacts, or any.

use crate::{
    archive::{
        About, Archive, Delivery, Entry, Error,
        testing::{Rule, Stage, Via, World, entries, entry, ids},
    },
    model::ArtifactId,
};

const SECRET: &str = "hunter2hunter2";

/// So many entries, those at `poisoned` with a secret in them.
fn with_secrets(count: u32, poisoned: &[u32]) -> Vec<Entry> {
    (0..count)
        .map(|n| match poisoned.contains(&n) {
            true => entry(n, &format!("doc/file-{n}.md"), &format!("{n} {SECRET}\n")),
            false => entry(n, &format!("doc/file-{n}.md"), &format!("text {n}\n")),
        })
        .collect()
}

fn refused(delivery: &Delivery) -> Vec<ArtifactId> {
    let mut ids: Vec<ArtifactId> = delivery.refused.iter().map(|(id, _)| *id).collect();
    ids.sort();
    ids
}

/// Publishes what is neither in git nor refused until nothing is left, as ticks
/// do, and says how often the remote was asked to move the branch.
fn publish_in_ticks(
    world: &World,
    archive: &Archive,
    entries: &[Entry],
) -> (usize, Vec<ArtifactId>) {
    let mut left = entries.to_vec();
    let mut out = Vec::new();
    while !left.is_empty() {
        let delivery = archive.publish(&left, None).unwrap();
        let done = refused(&delivery);
        assert!(delivery.landed.len() + done.len() > 0, "{:?}", delivery.trouble);
        left.retain(|entry| {
            !done.contains(&entry.id) && !delivery.landed.iter().any(|it| it.id == entry.id)
        });
        out.extend(done);
    }
    (world.http.asked(Stage::Push), out)
}

#[test]
fn an_artifact_that_the_host_names_is_left_out_at_once() {
    for via in Via::BOTH {
        let world = World::new();
        Rule::Secret(SECRET).install(&world.folder());
        let all = with_secrets(100, &[60]);

        let delivery = world.archive(via, "one").publish(&all, None).unwrap();

        assert_eq!(refused(&delivery), [all[60].id]);
        assert_eq!(delivery.refused[0].1.about(), About::Secret);
        assert!(delivery.trouble.is_none());
        let good = [&all[..60], &all[61..]].concat();
        assert_eq!(world.artifacts(), ids(&good));
        assert!(world.http.asked(Stage::Push) <= 2);
    }
}

#[test]
fn an_artifact_that_is_not_named_is_found_in_few_pushes() {
    for (count, poisoned, most) in [(1_000, &[777][..], 12), (100, &[3, 77][..], 16)] {
        let world = World::new();
        Rule::SecretSomewhere(SECRET).install(&world.folder());
        let all = with_secrets(count, poisoned);

        let delivery = world.archive(Via::Http, "one").publish(&all, None).unwrap();

        let bad: Vec<ArtifactId> = poisoned.iter().map(|at| all[*at as usize].id).collect();
        assert_eq!(refused(&delivery), bad);
        assert!(delivery.trouble.is_none());
        assert_eq!(world.count(), all.len() - bad.len());
        assert!(world.http.asked(Stage::Push) <= most, "{}", world.http.asked(Stage::Push));
        world.fsck();
    }
}

#[test]
fn when_every_artifact_is_refused_each_is_in_the_end() {
    for (rule, most) in [(Rule::Secret(SECRET), 4), (Rule::SecretSomewhere(SECRET), 40)] {
        let world = World::new();
        rule.install(&world.folder());
        let all = with_secrets(20, &(0..20).collect::<Vec<_>>());
        let archive = world.archive(Via::Http, "one");

        let (pushes, out) = publish_in_ticks(&world, &archive, &all);

        assert_eq!((out.len(), world.count()), (20, 0));
        assert!(pushes <= most, "{rule:?}: {pushes}");
    }
}

#[test]
fn a_path_that_is_not_wanted_is_left_out() {
    let world = World::new();
    Rule::Path("foundation/vision/doc/file-2.md").install(&world.folder());
    let all = with_secrets(5, &[]);

    let delivery = world.archive(Via::Http, "one").publish(&all, None).unwrap();

    assert_eq!(refused(&delivery), [all[2].id]);
    assert_eq!(delivery.refused[0].1.about(), About::Path);
    assert_eq!(world.count(), 4);
}

#[test]
fn a_reason_nobody_has_heard_of_counts_if_others_are_taken() {
    for via in Via::BOTH {
        let world = World::new();
        Rule::Taste(SECRET).install(&world.folder());
        let all = with_secrets(20, &[7]);

        let delivery = world.archive(via, "one").publish(&all, None).unwrap();

        assert_eq!(refused(&delivery), [all[7].id]);
        assert_eq!((world.count(), delivery.trouble.is_none()), (19, true));
    }
}

#[test]
fn a_rule_against_everything_blames_no_artifact() {
    for rule in [Rule::Branch, Rule::Whim] {
        for via in Via::BOTH {
            let world = World::new();
            rule.install(&world.folder());
            let all = entries(0..20);
            let archive = world.archive(via, "one");

            let delivery = archive.publish(&all, None).unwrap();

            assert_eq!((delivery.landed.len(), delivery.refused.len()), (0, 0));
            let trouble = delivery.trouble.unwrap();
            assert!(matches!(trouble, Error::Refused { .. }), "{trouble:?}");
            assert!(world.http.asked(Stage::Push) <= 6, "{}", world.http.asked(Stage::Push));
            Rule::remove(&world.folder());
            archive.publish_all(&all, None).unwrap();
            assert_eq!(world.artifacts(), ids(&all));
        }
    }
}

#[test]
fn a_file_that_hosts_do_not_take_is_not_even_tried() {
    let world = World::new();
    let large = Entry { content: "x".repeat(51 * 1024 * 1024), ..entry(1, "doc/large.md", "") };
    let small = entry(2, "doc/small.md", "x");

    let delivery =
        world.archive(Via::Folder, "one").publish(&[large.clone(), small], None).unwrap();

    assert_eq!(refused(&delivery), [large.id]);
    insta::assert_snapshot!(delivery.refused[0].1, @"it has 51 MiB, and git hosts take 50 MiB at most");
    assert_eq!(world.count(), 1);
}
