//! Publishing to a server, and the cache that it takes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::archive::{
    Archive, Commit, Error, Remote,
    server::MOST_PACKS,
    testing::{BRANCH, Stage, Trick, Via, World, archive, entries, git, ids},
};

/// An archive that shows `token` to a server that wants `open-sesame`.
fn guarded(world: &World, token: Option<&str>) -> Archive {
    world.http.wants("open-sesame");
    let mut remote = world.remote(Via::Http);
    remote.token = token.map(Into::into);
    archive(remote, world.cache("one"))
}

#[test]
fn a_server_that_asks_gets_the_token() {
    let world = World::new();

    guarded(&world, Some("open-sesame")).publish_all(&entries(0..3), None).unwrap();

    assert_eq!(world.artifacts(), ids(&entries(0..3)));
}

#[test]
fn a_wrong_token_is_shown_once() {
    for token in [None, Some("wrong")] {
        let world = World::new();

        let err = guarded(&world, token).publish_all(&entries(0..3), None).unwrap_err();

        assert!(matches!(err, Error::Unauthorized { .. }), "{err:?}");
        let shown: Vec<String> =
            world.http.seen().into_iter().map(|seen| seen.authorization).collect();
        assert_eq!(shown.iter().filter(|it| !it.is_empty()).count(), token.iter().len());
        assert!(shown.len() <= 2, "{shown:?}");
    }
}

#[test]
fn what_a_server_says_is_told_apart() {
    let world = World::new();
    let archive = world.archive(Via::Http, "one");
    let mut said = String::new();
    for status in [401, 403, 404, 429, 500, 503] {
        world.http.says(status, "");
        let err = archive.publish_all(&entries(0..1), None).unwrap_err();
        let kind = format!("{err:?}");
        let kind = kind.split([' ', '(']).next().unwrap_or_default();
        said += &format!("{status}: {kind}\n");
    }
    insta::assert_snapshot!(said, @"
    401: Unauthorized
    403: Forbidden
    404: NoRepository
    429: Unreachable
    500: Unreachable
    503: Unreachable
    ");

    world.http.works();
    archive.publish_all(&entries(0..1), None).unwrap();
    assert_eq!(world.artifacts(), ids(&entries(0..1)));
}

#[test]
fn a_server_that_is_not_there_is_unreachable() {
    let world = World::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let archive = archive(Remote::at(format!("http://{port}/r.git")), world.cache("one"));

    let err = archive.publish_all(&entries(0..1), None).unwrap_err();

    assert!(matches!(err, Error::Unreachable { .. }), "{err:?}");
}

#[test]
fn a_repository_that_is_not_there_is_told_apart() {
    let world = World::new();
    let archive = archive(Remote::at(world.http.url("none.git")), world.cache("one"));

    let err = archive.fetch().unwrap_err();

    assert!(matches!(err, Error::NoRepository { .. }), "{err:?}");
}

#[test]
fn a_damaged_cache_is_made_anew() {
    let damages: [fn(&Path); 6] = [
        |cache| fs::remove_dir_all(cache).unwrap(),
        |cache| fs::remove_dir_all(cache.join("objects")).unwrap(),
        |cache| fs::write(cache.join("HEAD"), "").unwrap(),
        |cache| fs::write(cache.join(format!("refs/heads/{BRANCH}.lock")), "").unwrap(),
        |cache| fs::write(cache.join(format!("refs/heads/{BRANCH}")), "").unwrap(),
        |cache| {
            for file in objects(cache) {
                fs::remove_file(&file).unwrap();
                fs::write(&file, "").unwrap();
            }
        },
    ];
    for (n, damage) in damages.iter().enumerate() {
        let world = World::new();
        let archive = world.archive(Via::Http, "one");
        let landed = archive.publish_all(&entries(0..3), None).unwrap();
        damage(&world.cache("one"));
        let read = archive.read(&landed[0].commit, &landed[0].path).unwrap();
        assert_eq!(read, b"text 0\n", "damage {n}");
        let other = world.archive(Via::Http, "two");
        other.publish_all(&entries(3..4), None).unwrap();
        damage(&world.cache("one"));
        archive.publish_all(&entries(0..6), None).unwrap();

        assert_eq!(world.artifacts(), ids(&entries(0..6)), "damage {n}");
        world.fsck();
    }
}

/// The files that hold an object each.
fn objects(cache: &Path) -> Vec<PathBuf> {
    let inside = |path: &Path| -> Vec<_> {
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    inside(&cache.join("objects"))
        .iter()
        .flat_map(|folder| inside(folder))
        .filter(|path| path.is_file())
        .collect()
}

#[test]
fn a_cache_of_another_server_is_not_believed() {
    let (old, new) = (World::new(), World::new());
    let landed = old.archive(Via::Http, "one").publish_all(&entries(0..3), None).unwrap();
    let archive = archive(new.remote(Via::Http), old.cache("one"));

    let read = archive.read(&landed[0].commit, &landed[0].path);
    assert!(matches!(read, Err(Error::Missing { .. })), "{read:?}");
    archive.publish_all(&entries(0..3), None).unwrap();

    assert_eq!(new.artifacts(), ids(&entries(0..3)));
}

#[test]
fn commits_that_were_taken_off_the_branch_do_not_come_back() {
    let world = World::new();
    let archive = world.archive(Via::Http, "one");
    let landed = archive.publish_all(&entries(0..3), None).unwrap();
    world.git(&["update-ref", &format!("refs/heads/{BRANCH}"), &landed[0].commit]);

    archive.publish_all(&entries(3..4), Some(&landed[2].commit)).unwrap();
    assert_eq!(world.artifacts(), ids(&[entries(0..1), entries(3..4)].concat()));

    world.git(&["update-ref", "-d", &format!("refs/heads/{BRANCH}")]);
    assert_eq!(archive.fetch().unwrap(), None);
    assert_eq!(archive.log(9).unwrap(), []);
    archive.publish_all(&entries(5..6), None).unwrap();
    assert_eq!(world.artifacts(), ids(&entries(5..6)));
}

#[test]
fn commits_that_are_taken_off_just_before_a_push_do_not_come_back() {
    let world = World::new();
    let archive = world.archive(Via::Http, "one");
    let landed = archive.publish_all(&entries(0..3), None).unwrap();
    let (folder, first) = (world.folder(), landed[0].commit.clone());
    let action = move || {
        git(&folder, &["update-ref", &format!("refs/heads/{BRANCH}"), &first]);
    };
    world.http.once(Stage::LookToPush, Trick::After(Box::new(action)));

    archive.publish_all(&entries(3..4), None).unwrap();

    let left = [entries(0..1), entries(3..4)].concat();
    assert_eq!(world.artifacts(), ids(&left));
}

#[test]
fn a_push_that_another_one_overtakes_is_built_upon_it() {
    let world = World::new();
    let archive = world.archive(Via::Http, "one");
    let other = world.archive(Via::Folder, "two");
    let action = move || drop(other.publish_all(&entries(0..2), None).unwrap());
    world.http.once(Stage::LookToPush, Trick::After(Box::new(action)));

    archive.publish_all(&entries(1..3), None).unwrap();

    assert_eq!(world.artifacts(), ids(&entries(0..3)));
    world.fsck();
}

#[test]
fn what_another_machine_pushed_is_fetched_to_be_read() {
    let world = World::new();
    let here = world.archive(Via::Http, "one");
    here.publish_all(&entries(0..1), None).unwrap();
    let there = world.archive(Via::Http, "two").publish_all(&entries(1..3), None).unwrap();

    assert_eq!(here.log(9).unwrap().len(), 1);
    assert_eq!(here.read(&there[1].commit, &there[1].path).unwrap(), b"text 2\n");
    let subjects: Vec<Commit> = here.log(2).unwrap();
    assert_eq!(subjects[0].id, there[1].commit);
}

#[test]
fn a_cache_with_too_many_packs_is_made_anew() {
    let world = World::new();
    let archive = world.archive(Via::Http, "one");
    archive.publish_all(&entries(0..1), None).unwrap();
    let packs = world.cache("one").join("objects/pack");
    for n in 0..=2 * MOST_PACKS {
        fs::write(packs.join(format!("tmp_{n}")), "").unwrap();
    }

    archive.publish_all(&entries(1..2), None).unwrap();

    assert_eq!(world.artifacts(), ids(&entries(0..2)));
    assert!(fs::read_dir(packs).unwrap().count() <= 4);
}
