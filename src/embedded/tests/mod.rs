//! Real servers in temporary folders, and everything that can befall them.

mod damage;
mod folders;
mod life;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

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
        Self::below("project")
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

    /// The project called `name` in a folder that only its owner can enter.
    fn below(name: impl AsRef<Path>) -> Self {
        let root = tempfile::tempdir().unwrap();
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
        let folders = entries(self.root.path()).into_iter();
        let beside = folders.map(|name| self.beside(&name));
        let all: Vec<Embedded> = beside.chain([self.embedded.clone()]).collect();
        let destroy = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.unwrap();
            for embedded in all {
                match runtime.block_on(embedded.destroy()) {
                    // Folders that were spoilt on purpose run no server.
                    Ok(()) | Err(Error::Foreign { .. } | Error::File { .. }) => {}
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

/// The names of what is in `dir`.
fn entries(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().flatten();
    names.map(|it| it.file_name().to_string_lossy().into_owned()).collect()
}
