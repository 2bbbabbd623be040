//! Projects that are renamed, copied or deleted under their server.

use std::process::Command;

use super::*;

#[tokio::test]
async fn a_renamed_folder_keeps_its_database_and_its_old_name_is_free() {
    for project in [Project::open(), Project::closed()] {
        let address = project.embedded.start().await.unwrap();
        tell(&address, REMEMBER).await;
        let (old, renamed) = (project.root.path().join("project"), project.beside("renamed"));
        fs::rename(old, renamed.dir.parent().unwrap()).unwrap();

        let new = project.embedded.start().await.unwrap();
        let address = renamed.start().await.unwrap();

        assert_ne!(ask(&new, STARTED).await, ask(&address, STARTED).await);
        assert_eq!(ask(&address, RECALL).await, "a mark");
        assert_eq!(home_of(&renamed).record().belongs_to(), renamed.dir.canonicalize().unwrap());
    }
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
        let remembered = "select count(*)::text from pg_tables where tablename = 'remembered'";
        assert_eq!(ask(&address, remembered).await, "0");
        // Where its data was deleted with the folder, Postgres takes up to a
        // minute to notice.
        let killed = rustix::process::kill_process(orphan, rustix::process::Signal::QUIT);
        assert!(matches!(killed, Ok(()) | Err(rustix::io::Errno::SRCH)));
    }
}

#[tokio::test]
async fn a_copied_folder_never_shares_the_server() {
    for project in [Project::open(), Project::closed()] {
        let original = project.embedded.start().await.unwrap();
        tell(&original, REMEMBER).await;
        project.embedded.stop().await.unwrap();
        let copied = copy(&project, "copy");
        let original = project.embedded.start().await.unwrap();

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
    let copied = copy(&project, "copy");

    let err = copied.start().await.unwrap_err();

    assert!(matches!(err, Error::TornCopy { .. }), "{err:?}");
    copied.destroy().await.unwrap();
    assert_eq!(ask(&original, RECALL).await, "a mark");
}

fn copy(project: &Project, name: &str) -> Embedded {
    let root = project.root.path();
    let mut cp = Command::new("cp");
    let output = cp.args(["-a", "project", name]).current_dir(root).output();
    // It may miss files that come and go.
    assert!(root.join(name).is_dir(), "{output:?}");
    project.beside(name)
}
