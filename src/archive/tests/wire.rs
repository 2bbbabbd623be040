//! The way to a server: tokens, certificates, redirects, and lines that break.

use std::{fs, time::Duration};

use crate::archive::{
    Archive, Error, Remote,
    testing::{BRANCH, GitHttp, Stage, Trick, Via, World, archive, entries, git, ids},
};

const TOKEN: &str = "open-sesame";

/// An archive behind the server of `world`, with the token.
fn trusted(world: &World) -> Archive {
    world.http.wants(TOKEN);
    let remote = Remote { token: Some(TOKEN.into()), ..world.remote(Via::Http) };
    archive(remote, world.cache("one"))
}

#[test]
fn a_line_that_breaks_anywhere_loses_nothing_and_commits_nothing_twice() {
    for stage in Stage::ALL {
        for bytes in [None, Some(0), Some(200)] {
            let world = World::new();
            let other = world.archive(Via::Folder, "two");
            other.publish_all(&entries(0..2), None).unwrap();
            let archive = trusted(&world);
            world.http.once(stage, bytes.map_or(Trick::HangsUp, Trick::BreaksOff));

            let broken = archive.publish_all(&entries(2..20), None);
            if let Err(err) = &broken {
                assert!(matches!(err, Error::Unreachable { .. }), "{stage:?} {bytes:?}: {err:?}");
            }
            world.http.works();
            archive.publish_all(&entries(2..21), None).unwrap();

            assert_eq!(world.artifacts(), ids(&entries(0..21)), "{stage:?} {bytes:?}");
            world.fsck();
        }
    }
}

#[test]
fn a_server_that_dies_after_the_push_had_it_all_the_same() {
    let world = World::new();
    let archive = trusted(&world);
    world.http.once(Stage::Push, Trick::HangsUpAfter);

    let err = archive.publish_all(&entries(0..3), None).unwrap_err();
    assert!(matches!(err, Error::Unreachable { .. }), "{err:?}");
    assert_eq!(world.count(), 3);
    archive.publish_all(&entries(0..3), None).unwrap();

    assert_eq!((world.count(), world.http.asked(Stage::Push)), (3, 1));
}

#[test]
fn a_server_that_takes_its_time_is_waited_for() {
    let world = World::new();
    let archive = trusted(&world);
    for stage in Stage::ALL {
        world.http.once(stage, Trick::Waits(Duration::from_millis(300)));
    }

    archive.publish_all(&entries(0..3), None).unwrap();

    assert_eq!(world.artifacts(), ids(&entries(0..3)));
}

#[test]
fn a_token_that_expires_in_the_middle_is_told_apart() {
    for stage in [Stage::LookToPush, Stage::Push] {
        let world = World::new();
        let archive = trusted(&world);
        let http = world.http.clone();
        world.http.once(stage, Trick::After(Box::new(move || http.wants("another"))));

        let err = archive.publish_all(&entries(0..3), None).unwrap_err();

        assert!(matches!(err, Error::Unauthorized { .. }), "{err:?}");
        assert_eq!(world.count(), 0);
    }
}

#[test]
fn what_a_server_says_when_it_denies_access_is_passed_on() {
    let world = World::new();
    let archive = trusted(&world);
    world.http.wants_to_be_read_with(TOKEN);
    let mut told = String::new();
    for words in [
        None,
        Some("Permission to acme/waves.git denied to github-actions[bot]."),
        Some("This repository was archived so it is read-only."),
    ] {
        if let Some(words) = words {
            world.http.works();
            world.http.always(Stage::LookToPush, 403, words);
        }
        let err = archive.publish_all(&entries(0..1), None).unwrap_err();
        let said = err.to_string().replace(&world.http.root(), "<server>");
        told += &format!("{said}\n  {}\n", err.hint().unwrap_or_default());
    }
    insta::assert_snapshot!(told, @"
    the git remote <server>/remote.git denies access: it answers 403: Write access to repository not granted.
      give a token that may write to the repository's contents: in a workflow `permissions: contents: write`
    the git remote <server>/remote.git denies access: it answers 403: Permission to acme/waves.git denied to github-actions[bot].
      give a token that may write to the repository's contents: in a workflow `permissions: contents: write`
    the git remote <server>/remote.git denies access: it answers 403: This repository was archived so it is read-only.
      unarchive the repository, or set WAVEMARK_GIT_REMOTE to another
    ");
}

#[test]
fn a_token_goes_nowhere_else() {
    let world = World::new();
    let archive = trusted(&world);
    let elsewhere = GitHttp::serve(world.dir.path());
    elsewhere.wants(TOKEN);
    for stage in [Stage::Look, Stage::LookToPush, Stage::Fetch, Stage::Push] {
        world.http.works();
        let all = entries(0..3);
        world.http.once(stage, Trick::SendsTo(elsewhere.root()));
        // With something new to fetch.
        let other = world.archive(Via::Folder, "two");
        other.publish_all(&all[..1], None).unwrap();

        let err = archive.publish_all(&all, None).unwrap_err();

        assert!(matches!(err, Error::Moved { .. } | Error::Unreachable { .. }), "{err:?}");
        assert!(!err.to_string().contains(TOKEN));
        fs::remove_dir_all(world.cache("one")).unwrap();
    }
    assert_eq!(elsewhere.seen(), []);
}

#[test]
fn a_repository_that_was_renamed_is_followed_within_its_server() {
    let world = World::new();
    let archive = trusted(&world);
    git(world.dir.path(), &["init", "--quiet", "--bare", "renamed/remote.git"]);
    for stage in [Stage::Look, Stage::LookToPush] {
        world.http.once(stage, Trick::SendsTo(format!("{}/renamed", world.http.root())));
    }

    archive.publish_all(&entries(0..3), None).unwrap();

    let renamed = world.dir.path().join("renamed/remote.git");
    assert_eq!(git(&renamed, &["rev-list", "--count", BRANCH]).trim(), "3");
    assert_eq!(world.count(), 0);
}

#[test]
fn whom_a_server_has_for_a_witness_decides() {
    let world = World::new();
    let told = |http: &GitHttp, ca: Option<&str>| {
        let mut remote = Remote::at(http.url("remote.git"));
        remote.authorities = ca.map(|pem| {
            let file = world.dir.path().join("ca.pem");
            fs::write(&file, pem).unwrap();
            file
        });
        match archive(remote, world.cache("tls")).fetch() {
            Ok(_) => "is trusted".to_owned(),
            Err(err) => err.to_string().replace(&http.root(), "<server>"),
        }
    };
    let good = GitHttp::serve_tls(world.dir.path());
    let named = GitHttp::serve_tls_as(world.dir.path(), "other.example");
    let plain = GitHttp::serve(world.dir.path());
    let answers = [
        told(&good, Some(good.ca())),
        told(&good, Some(named.ca())),
        told(&named, Some(named.ca())),
        told(&good, Some("")),
        told(&plain, None),
    ];
    insta::assert_snapshot!(answers.join("\n"), @"
    is trusted
    cannot trust the git remote <server>/remote.git: nobody who is trusted here vouches for its certificate
    cannot trust the git remote <server>/remote.git: its certificate is for another name
    cannot trust the git remote <server>/remote.git: this machine trusts no certificate authority
    is trusted
    ");
}

#[test]
fn a_token_is_not_sent_where_everybody_can_read_it() {
    // A name of this machine that does not look like it.
    let Ok(host) = rustix::system::uname().nodename().to_str().map(str::to_owned) else { return };
    let world = World::new();
    world.http.wants(TOKEN);
    let url = world.http.url("remote.git").replace("127.0.0.1", &host);
    let remote = Remote { token: Some(TOKEN.into()), ..Remote::at(url) };

    let err = archive(remote, world.cache("one")).fetch().unwrap_err();

    // Where the name leads elsewhere, nobody was asked.
    assert!(matches!(err, Error::Unprotected { .. } | Error::Unreachable { .. }), "{err:?}");
    assert!(world.http.seen().iter().all(|seen| seen.authorization.is_empty()));
}

#[test]
fn a_branch_that_was_moved_by_force_is_built_upon_as_it_is() {
    let world = World::new();
    let archive = trusted(&world);
    let landed = archive.publish_all(&entries(0..20), None).unwrap();
    world.git(&["update-ref", &format!("refs/heads/{BRANCH}"), &landed[4].commit]);
    world.somebody_commits("README.md", "Rewritten");

    archive.publish_all(&entries(20..22), Some(&landed[4].commit)).unwrap();

    let left = [entries(0..5), entries(20..22)].concat();
    let artifacts: Vec<String> =
        world.artifacts().into_iter().filter(|id| !id.is_empty()).collect();
    assert_eq!(artifacts, ids(&left));
    world.fsck();
}
