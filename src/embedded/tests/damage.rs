//! Crashes, leftovers and things in the way.

use super::*;

#[tokio::test]
async fn a_killed_server_recovers_at_the_next_start() {
    let project = Project::open();
    let address = project.embedded.start().await.unwrap();
    tell(&address, REMEMBER).await;

    let pid = pid_of(&project.home());
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();

    let address = project.embedded.start().await.unwrap();
    assert_eq!(ask(&address, RECALL).await, "a mark");
}

#[tokio::test]
async fn a_stranger_with_the_old_pid_is_left_alone() {
    let project = Project::open();
    project.embedded.start().await.unwrap();
    let home = project.home();
    let before = fs::read_to_string(home.data().join("postmaster.pid")).unwrap();
    project.embedded.stop().await.unwrap();
    // Postgres itself would be fooled only by a process of the same user.
    let account = Account::owning(&home.data()).unwrap();
    let mut stranger = account.command("sleep", Path::new("/")).arg("60").spawn().unwrap();
    let (pid, rest) = before.split_once('\n').unwrap();
    assert_ne!(pid, stranger.id().unwrap().to_string());
    let file = home.data().join("postmaster.pid");
    fs::write(&file, format!("{}\n{rest}", stranger.id().unwrap())).unwrap();
    account.give(&file).unwrap();
    chmod(&file, 0o600);

    assert_eq!(project.embedded.running().unwrap(), None);
    assert_eq!(project.embedded.stop().await.unwrap(), Stopped::WasNotRunning);
    project.embedded.start().await.unwrap();

    assert_eq!(stranger.try_wait().unwrap(), None, "it lives");
    assert!(!server::works_in(&stranger.id().unwrap().to_string(), &home.data()));
}

#[tokio::test]
async fn a_server_that_lost_its_database_its_socket_or_its_data_is_mended() {
    let project = Project::open();
    let address = project.embedded.start().await.unwrap();

    tell(&address.for_database("postgres"), "drop database wavemark").await;
    let address = project.embedded.start().await.unwrap();
    tell(&address, REMEMBER).await;

    fs::remove_dir_all(project.home().sockets()).unwrap();
    let address = project.embedded.start().await.unwrap();
    assert_eq!(ask(&address, RECALL).await, "a mark");

    fs::remove_dir_all(project.home().data()).unwrap();
    let address = project.embedded.start().await.unwrap();
    assert_eq!(ask(&address, "select 'a new one'").await, "a new one");
}

#[tokio::test]
async fn data_of_another_version_is_left_as_it_is() {
    let mut project = Project::open();
    let home = empty_home(&project).await;
    fs::create_dir(home.data()).unwrap();
    let version = home.data().join("PG_VERSION");
    fs::write(&version, "9\n").unwrap();
    // So that nothing is downloaded.
    project.embedded.host.cache = version.join("cache");

    let err = project.embedded.start().await.unwrap_err();

    assert!(matches!(err, Error::NoServer { wanted: Wanted::MakerOf { major: 9, .. }, .. }));
    assert_eq!(fs::read_to_string(version).unwrap(), "9\n");
}

#[tokio::test]
async fn a_half_made_database_is_swept_away() {
    let project = Project::open();
    let folder = Folder::open(project.dir()).unwrap().unwrap();
    let account = Account::for_new_data().unwrap();
    let home = place::settle_in(&folder, &account, &[]).await.unwrap();
    let half_made = home.path().join("initdb-half");
    fs::create_dir(&half_made).unwrap();
    fs::write(half_made.join("PG_VERSION"), "15\n").unwrap();

    project.embedded.start().await.unwrap();

    assert!(!half_made.exists());
    assert!(home.data().join("base").exists());
}

#[tokio::test]
async fn a_server_that_ends_at_once_says_why() {
    let project = Project::open();
    let misconfigured = project.embedded.clone().with_settings(&[("max_connections", "none")]);

    let err = misconfigured.start().await.unwrap_err();

    assert!(matches!(err, Error::EndedEarly { .. }), "{err:?}");
    assert!(err.to_string().contains("max_connections"), "{err}");
    project.embedded.start().await.unwrap();
}

#[tokio::test]
async fn data_that_is_not_ours_is_not_touched() {
    let project = Project::open();
    let theirs = project.dir().join("postgres/PG_VERSION");
    fs::create_dir_all(theirs.parent().unwrap()).unwrap();
    fs::write(&theirs, "15\n").unwrap();

    for outcome in [
        project.embedded.start().await.map(drop),
        project.embedded.running().map(drop),
        project.embedded.stop().await.map(drop),
        project.embedded.destroy().await,
    ] {
        assert!(matches!(outcome, Err(Error::Foreign { .. })), "{outcome:?}");
    }
    let kept: Vec<_> = fs::read_dir(theirs.parent().unwrap()).unwrap().flatten().collect();
    assert_eq!((kept.len(), fs::read_to_string(&theirs).unwrap().as_str()), (1, "15\n"));
}

#[tokio::test]
async fn a_file_in_the_way_is_named() {
    let project = Project::open();
    fs::remove_dir_all(project.dir()).unwrap();
    fs::write(project.dir(), "in the way").unwrap();

    let err = project.embedded.start().await.unwrap_err();

    assert!(matches!(&err, Error::File { path, .. } if path == project.dir()), "{err:?}");
}

#[tokio::test]
async fn a_link_to_a_disk_that_is_not_there_is_not_replaced() {
    let project = Project::open();
    let link = project.dir().join("postgres");
    std::os::unix::fs::symlink("/nowhere/to/be/found", &link).unwrap();

    for outcome in [project.embedded.start().await.map(drop), project.embedded.destroy().await] {
        assert!(matches!(outcome, Err(Error::Foreign { .. })), "{outcome:?}");
    }
    assert!(link.is_symlink());
}

/// A home in which no database was made yet.
async fn empty_home(project: &Project) -> Home {
    let folder = Folder::open(project.dir()).unwrap().unwrap();
    let account = Account::for_new_data().unwrap();
    place::settle_in(&folder, &account, &[]).await.unwrap()
}
