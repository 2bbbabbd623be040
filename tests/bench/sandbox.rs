//! A project in a folder of its own, with a database server of its own.

use std::{
    env, fs,
    fs::File,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::Context as _;
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use wavemark::embedded::{Address, Embedded};

use crate::meter;

/// The binary that is measured.
pub(crate) const WAVEMARK: &str = env!("CARGO_BIN_EXE_wavemark");

/// A project that was synced, and the server that it was synced to.
pub(crate) struct Sandbox {
    folder: TempDir,
    pub(crate) address: Address,
}

/// Does `work` in a sandbox with these files, and removes it again.
pub(crate) async fn with<T>(
    files: &[(&str, String)],
    work: impl AsyncFnOnce(&Sandbox) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    // Not in /tmp, which may be memory: a commit has to reach a disk.
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
    fs::create_dir(folder.path().join("waves"))?;
    for (path, text) in files {
        fs::write(folder.path().join(path), text)?;
    }
    let server = Embedded::at(&folder.path().join(".wavemark"));
    let done = async {
        let address = server.start().await?;
        let sandbox = Sandbox { folder, address };
        meter::run_aside(&mut sandbox.wavemark(&["sync"])?)?;
        work(&sandbox).await
    }
    .await;
    server.destroy().await?;
    done
}

/// A floor on the database at `url`, as a program of its own.
pub(crate) fn floor(which: &str, url: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(env::current_exe().context("cannot find this program")?);
    command.args(["floor", which, url]).stdin(Stdio::null());
    Ok(command)
}

impl Sandbox {
    /// A command of ours in this project.
    pub(crate) fn wavemark(&self, args: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new(WAVEMARK);
        let log = File::options().create(true).append(true).open(self.path().join("log"))?;
        command.args(args).current_dir(self.path());
        // It may stand in the environment that this was started in.
        command.env_remove("DATABASE_URL").env_remove("WAVEMARK_GIT_REMOTE");
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(command)
    }

    /// A floor on this server, as a program of its own.
    pub(crate) fn floor(&self, which: &str) -> anyhow::Result<Command> {
        floor(which, &self.address.url())
    }

    /// Writes a file of the project.
    pub(crate) fn write(&self, path: &str, text: &str) -> anyhow::Result<()> {
        Ok(fs::write(self.path().join(path), text)?)
    }

    /// Executes SQL on the server.
    pub(crate) async fn sql(&self, sql: &'static str) -> anyhow::Result<()> {
        let mut connection = self.connect().await?;
        sqlx::raw_sql(sql).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    pub(crate) async fn connect(&self) -> anyhow::Result<PgConnection> {
        Ok(PgConnection::connect_with(&self.address.connect_options()).await?)
    }

    /// The folder of the project.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}
