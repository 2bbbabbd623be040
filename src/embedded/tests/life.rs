//! Starting, reaching, stopping and removing a server.

use std::{os::unix::fs::PermissionsExt as _, process::Command, time::Duration};

use super::*;

#[tokio::test]
async fn what_was_stored_survives_a_stop() {
    let project = Project::open();
    assert_eq!(project.embedded.running().unwrap(), None);
    let address = project.embedded.start().await.unwrap();
    tell(&address, REMEMBER).await;
    assert_eq!(project.embedded.running().unwrap().as_ref(), Some(&address));

    assert_eq!(project.embedded.stop().await.unwrap(), Stopped::Now);
    assert_eq!(project.embedded.stop().await.unwrap(), Stopped::WasNotRunning);
    assert_eq!(project.embedded.running().unwrap(), None);

    let address = project.embedded.start().await.unwrap();
    assert_eq!(ask(&address, RECALL).await, "a mark");
    assert_eq!(project.home().path(), project.dir().join("postgres").canonicalize().unwrap());
}

#[tokio::test]
async fn a_folder_that_only_its_owner_can_enter_will_do() {
    let project = Project::closed();

    let address = project.embedded.start().await.unwrap();

    let asked = ask(&address, "select current_database()::text").await;
    assert_eq!(asked, "wavemark");
    let inside = project.home().path().starts_with(project.dir());
    assert_eq!(inside, !rustix::process::geteuid().is_root(), "root's data is elsewhere");
}

/// Whether its data and its sockets are in the folder or elsewhere.
#[tokio::test]
async fn destroying_leaves_nothing() {
    let deep = Project::below("deep/".repeat(30));
    deep.open_up();
    for project in [Project::closed(), deep] {
        project.embedded.start().await.unwrap();

        project.embedded.destroy().await.unwrap();
        project.embedded.destroy().await.unwrap();

        assert_eq!(entries(project.dir()), [".gitignore"]);
        assert_eq!(entries(project.outside.path()), [""; 0]);
    }
}

#[tokio::test]
async fn a_server_is_its_owners_alone_and_outlives_our_session() {
    let project = Project::open();

    let address = project.embedded.start().await.unwrap();

    let mode = fs::metadata(project.home().sockets()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(ask(&address, "show listen_addresses").await, "");
    assert_ne!(session_of(pid_of(&project.home())), session_of(rustix::process::getpid()));
}

/// Read here, because a container's processes may have the session 0, which
/// `rustix` has no value for.
fn session_of(pid: rustix::process::Pid) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, after_the_name) = stat.rsplit_once(')').unwrap();
    after_the_name.split_whitespace().nth(3).unwrap().parse().unwrap()
}

/// The superuser is called as a schema of Wavemark's is.
#[tokio::test]
async fn what_is_made_by_hand_is_made_where_people_look_for_it() {
    let project = Project::open();
    let address = project.embedded.start().await.unwrap();

    tell(&address, "create schema wavemark; create table by_hand ()").await;

    let schema = "select schemaname::text from pg_tables where tablename = 'by_hand'";
    assert_eq!(ask(&address, schema).await, "public");
}

#[tokio::test]
async fn psql_takes_the_address_however_long_the_path() {
    let deep = format!("a, b/{}", "deep/".repeat(30));
    let project = Project::below(deep);
    project.open_up();
    let address = project.embedded.start().await.unwrap();
    let psql = project.embedded.psql().await.unwrap();

    let output = Command::new(psql)
        .arg(address.url())
        .args(["-XAtc", "select current_user || ' in ' || current_database()"])
        .env_clear()
        .output()
        .unwrap();

    assert_eq!(String::from_utf8_lossy(&output.stdout), "wavemark in wavemark\n");
}

/// Plays both parts: with the variable set, it is one of the other processes.
#[tokio::test]
async fn many_tasks_and_processes_start_one_server() {
    const FOLDER: &str = "WAVEMARK_TEST_START";
    if let Some(dir) = std::env::var_os(FOLDER) {
        let address = Embedded::at(Path::new(&dir)).start().await.unwrap();
        println!("<{}>", ask(&address, STARTED).await);
        return;
    }
    let project = Project::open();
    let this = std::env::current_exe().unwrap();
    let name = "embedded::tests::life::many_tasks_and_processes_start_one_server";

    let processes: Vec<_> = (0..4)
        .map(|_| {
            let mut other = Command::new(&this);
            other.args(["--exact", name, "--nocapture"]).env(FOLDER, project.dir());
            // This also waits until its streams are closed, so it would hang if
            // the server had inherited one.
            tokio::task::spawn_blocking(move || other.output().unwrap())
        })
        .collect();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let embedded = project.embedded.clone();
            tokio::spawn(async move { ask(&embedded.start().await.unwrap(), STARTED).await })
        })
        .collect();

    let mut started = Vec::new();
    for process in processes {
        let output = String::from_utf8(process.await.unwrap().stdout).unwrap();
        let answer = output.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
        started.push(answer.unwrap_or_else(|| panic!("no answer in {output}")).0.to_owned());
    }
    for task in tasks {
        started.push(task.await.unwrap());
    }
    let (one, count) = (started[0].clone(), started.len());
    assert_eq!((count, started), (8, vec![one; 8]));
}

/// With the variable set, it plays the process that adopts orphans: it becomes
/// the parent of the server, so waiting for all of its children would be waiting
/// for the server's end.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_process_that_adopts_orphans_can_start_a_server_and_go_on() {
    const FOLDER: &str = "WAVEMARK_TEST_ADOPT";
    if let Some(dir) = std::env::var_os(FOLDER) {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
        let embedded = Embedded::at(Path::new(&dir));
        let address = embedded.start().await.unwrap();
        println!("<{}>", ask(&address, STARTED).await);
        return;
    }
    let project = Project::open();
    let name = "embedded::tests::life::a_process_that_adopts_orphans_can_start_a_server_and_go_on";

    let mut adopter = tokio::process::Command::new(std::env::current_exe().unwrap());
    adopter.args(["--exact", name, "--nocapture"]).env(FOLDER, project.dir()).kill_on_drop(true);
    let ended = tokio::time::timeout(Duration::from_secs(60), adopter.output()).await;

    let output = ended.expect("it waits for the server to end").unwrap();
    assert!(output.status.success(), "{output:?}");
    let address = project.embedded.running().unwrap().expect("the server outlives it");
    let started = format!("<{}>", ask(&address, STARTED).await);
    assert!(String::from_utf8_lossy(&output.stdout).contains(&started), "{output:?}");
}
