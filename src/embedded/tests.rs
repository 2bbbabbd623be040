//! Real servers in temporary folders, and everything that can befall them.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use sqlx::{Connection as _, PgConnection, Row as _};
use tempfile::TempDir;

use super::*;

/// A project of its own, with its own places outside; all gone at the end.
struct Project {
    root: TempDir,
    outside: TempDir,
    embedded: Embedded,
}

impl Project {
    /// In a folder that only its owner can enter.
    fn closed() -> Self {
        Self::below(tempfile::tempdir().unwrap(), "project")
    }

    /// In a folder that anybody can enter.
    fn open() -> Self {
        let project = Self::closed();
        project.open_up();
        project
    }

    /// Lets everybody enter, whatever the umask.
    fn open_up(&self) {
        fs::create_dir_all(self.dir()).unwrap();
        let inside = |dir: &&Path| dir.starts_with(self.root.path());
        self.dir().ancestors().take_while(inside).for_each(|dir| chmod(dir, 0o755));
    }

    fn below(root: TempDir, name: &str) -> Self {
        chmod(root.path(), 0o700);
        let outside = tempfile::tempdir().unwrap();
        chmod(outside.path(), 0o755);
        let mut embedded = Embedded::at(&root.path().join(name).join(".wavemark"));
        embedded.host.homes = vec![outside.path().join("homes")];
        embedded.host.sockets = vec![outside.path().to_owned()];
        Self { root, outside, embedded: embedded.with_settings(&[("fsync", "off")]) }
    }

    /// Another project of the same user on the same machine.
    fn beside(&self, name: &str) -> Embedded {
        Embedded { dir: self.root.path().join(name).join(".wavemark"), ..self.embedded.clone() }
    }

    fn home(&self) -> Home {
        home_of(&self.embedded)
    }

    fn dir(&self) -> &Path {
        &self.embedded.dir
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let folders = fs::read_dir(self.root.path()).into_iter().flatten().flatten();
        let all: Vec<Embedded> = folders
            .map(|it| Embedded { dir: it.path().join(".wavemark"), ..self.embedded.clone() })
            .collect();
        let destroy = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.unwrap();
            for embedded in all {
                match runtime.block_on(embedded.destroy()) {
                    // Such folders run no server.
                    Ok(()) | Err(Error::Foreign { .. }) => {}
                    Err(err) => eprintln!("cannot clean up: {err:?}"),
                }
            }
        };
        std::thread::spawn(destroy).join().unwrap();
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn home_of(embedded: &Embedded) -> Home {
    let folder = Folder::open(&embedded.dir).unwrap().unwrap();
    Home::find(&folder).unwrap().unwrap()
}

/// The first value of the first row.
async fn ask(address: &Address, sql: &'static str) -> String {
    let mut connection = PgConnection::connect_with(&address.connect_options()).await.unwrap();
    let row = sqlx::raw_sql(sql).fetch_one(&mut connection).await.unwrap();
    row.get(0)
}

async fn tell(address: &Address, sql: &'static str) {
    let mut connection = PgConnection::connect_with(&address.connect_options()).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
}

fn pid_of(home: &Home) -> rustix::process::Pid {
    let file = fs::read_to_string(home.data().join("postmaster.pid")).unwrap();
    rustix::process::Pid::from_raw(file.lines().next().unwrap().parse().unwrap()).unwrap()
}

const STARTED: &str = "select pg_postmaster_start_time()::text";
const REMEMBER: &str = "create table remembered as select 'a mark'::text";
const RECALL: &str = "select * from remembered";

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

    assert_eq!(ask(&address, "select current_database()::text").await, "wavemark");
    let inside = project.home().path().starts_with(project.root.path());
    assert_eq!(inside, !rustix::process::geteuid().is_root(), "root's data is elsewhere");
}

#[tokio::test]
async fn only_its_owner_gets_in() {
    let project = Project::open();
    let address = project.embedded.start().await.unwrap();

    let mode = fs::metadata(project.home().sockets()).unwrap().permissions().mode();

    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(ask(&address, "show listen_addresses").await, "");
}

#[tokio::test]
async fn psql_takes_the_address_however_long_the_path() {
    let deep = format!("a, b/{}", "deep/".repeat(30));
    let project = Project::below(tempfile::tempdir().unwrap(), &deep);
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
    let name = "embedded::tests::many_tasks_and_processes_start_one_server";

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

#[tokio::test]
async fn the_server_has_left_our_session() {
    use rustix::process::getsid;
    let project = Project::open();
    project.embedded.start().await.unwrap();

    let pid = pid_of(&project.home());

    assert_ne!(getsid(Some(pid)).unwrap(), getsid(None).unwrap());
}

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
async fn a_half_made_database_is_swept_away() {
    let project = Project::open();
    project.embedded.start().await.unwrap();
    project.embedded.stop().await.unwrap();
    let home = project.home();
    fs::rename(home.data(), home.path().join("initdb-half")).unwrap();
    fs::remove_dir_all(home.path().join("initdb-half/base")).unwrap();

    project.embedded.start().await.unwrap();

    assert!(!home.path().join("initdb-half").exists());
    assert!(home.data().join("base").exists());
}

#[tokio::test]
async fn data_of_another_version_is_left_as_it_is() {
    let mut project = Project::open();
    project.embedded.start().await.unwrap();
    project.embedded.stop().await.unwrap();
    let version = project.home().data().join("PG_VERSION");
    fs::write(&version, "9\n").unwrap();
    // So that nothing is downloaded.
    project.embedded.host.cache = version.join("cache");

    let err = project.embedded.start().await.unwrap_err();

    let Error::NoServer { wanted: Wanted::MakerOf { major: 9, .. }, .. } = &err else {
        panic!("{err:?}")
    };
    assert!(err.hint().unwrap().contains("install that version"));
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
async fn destroying_leaves_nothing() {
    for project in [Project::open(), Project::closed()] {
        project.embedded.start().await.unwrap();

        project.embedded.destroy().await.unwrap();
        project.embedded.destroy().await.unwrap();

        assert_eq!(entries(project.dir()), [".gitignore"]);
        assert_eq!(entries(project.outside.path()), [""; 0]);
    }
}

fn entries(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().flatten();
    names.map(|it| it.file_name().to_string_lossy().into_owned()).collect()
}

#[tokio::test]
async fn deleting_the_folder_starts_afresh() {
    for project in [Project::open(), Project::closed()] {
        let address = project.embedded.start().await.unwrap();
        tell(&address, REMEMBER).await;
        let orphan = pid_of(&project.home());
        fs::remove_dir_all(project.dir()).unwrap();

        let address = project.embedded.start().await.unwrap();

        assert_ne!(pid_of(&project.home()), orphan);
        assert_eq!(
            ask(&address, "select count(*)::text from pg_tables where tablename = 'remembered'")
                .await,
            "0"
        );
        // Postgres itself takes up to a minute to notice.
        let killed = rustix::process::kill_process(orphan, rustix::process::Signal::QUIT);
        assert!(matches!(killed, Ok(()) | Err(rustix::io::Errno::SRCH)));
    }
}

#[tokio::test]
async fn a_server_that_lost_its_socket_or_its_data_is_replaced() {
    let project = Project::open();
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
async fn a_database_that_was_dropped_is_made_again() {
    let project = Project::open();
    let address = project.embedded.start().await.unwrap();
    tell(&address.for_database("postgres"), "drop database wavemark").await;

    let address = project.embedded.start().await.unwrap();

    assert_eq!(ask(&address, "select current_database()::text").await, "wavemark");
}

#[tokio::test]
async fn a_renamed_folder_keeps_its_database() {
    for project in [Project::open(), Project::closed()] {
        let address = project.embedded.start().await.unwrap();
        tell(&address, REMEMBER).await;
        fs::rename(project.root.path().join("project"), project.root.path().join("renamed"))
            .unwrap();
        let renamed = project.beside("renamed");

        let address = renamed.start().await.unwrap();

        assert_eq!(ask(&address, RECALL).await, "a mark");
        assert_eq!(home_of(&renamed).record().belongs_to(), renamed.dir.canonicalize().unwrap());
    }
}

#[tokio::test]
async fn a_copied_folder_never_shares_the_server() {
    for project in [Project::open(), Project::closed()] {
        let original = project.embedded.start().await.unwrap();
        tell(&original, REMEMBER).await;
        project.embedded.stop().await.unwrap();
        copy(project.root.path(), "project", "copy");
        let original = project.embedded.start().await.unwrap();
        let copied = project.beside("copy");

        assert_eq!(copied.running().unwrap(), None);
        assert_eq!(copied.stop().await.unwrap(), Stopped::WasNotRunning);
        let address = copied.start().await.unwrap();

        assert_ne!(ask(&address, STARTED).await, ask(&original, STARTED).await);
        copied.destroy().await.unwrap();
        assert_eq!(ask(&original, RECALL).await, "a mark");
    }
}

#[tokio::test]
async fn a_copy_of_a_running_server_is_refused() {
    let project = Project::open();
    let original = project.embedded.start().await.unwrap();
    tell(&original, REMEMBER).await;
    copy(project.root.path(), "project", "copy");
    let copied = project.beside("copy");

    let err = copied.start().await.unwrap_err();

    assert!(matches!(err, Error::TornCopy { .. }), "{err:?}");
    copied.destroy().await.unwrap();
    assert_eq!(ask(&original, RECALL).await, "a mark");
}

fn copy(root: &Path, from: &str, to: &str) {
    let copied = Command::new("cp").arg("-a").args([from, to]).current_dir(root).output().unwrap();
    // Sockets and files that come and go may be missed.
    assert!(root.join(to).is_dir(), "{copied:?}");
}
