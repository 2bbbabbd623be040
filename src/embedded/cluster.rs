//! Makes the data directory.
//!
//! **Invariant:** `data` in a home is complete. `initdb` works in a folder of
//! another name, which is renamed when it is done; one that a crash left behind
//! is ours, and is swept away.

use std::{
    fs::{self, File},
    path::Path,
};

use super::{
    Error,
    account::Account,
    address::USER,
    binaries::{Binaries, Wanted},
    home::{Home, remove_dir},
    place::only_for_owner,
};

const UNFINISHED: &str = "initdb-";

/// Which versions can open the data in `home`, if it has any.
pub(super) fn wanted(home: &Home) -> Result<Wanted, Error> {
    let data = home.data();
    if !data.exists() {
        return Ok(Wanted::Supported);
    }
    let path = data.join("PG_VERSION");
    let version = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
    match version.trim().parse() {
        Ok(major) => Ok(Wanted::MakerOf { data, major }),
        Err(_) => Err(Error::Foreign { path }),
    }
}

/// Whether power cuts must be survived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    Durable,
    /// For servers that are thrown away.
    Throwaway,
}

/// Makes the data directory of `home`, which has none.
pub(super) async fn create(
    home: &Home,
    account: &Account,
    binaries: &Binaries,
    durability: Durability,
) -> Result<(), Error> {
    sweep(home.path());
    let unfinished = only_for_owner(UNFINISHED).tempdir_in(home.path());
    let unfinished = unfinished.map_err(Error::file("create a folder in", home.path()))?;
    account.give(unfinished.path())?;

    let mut outcome = initdb(unfinished.path(), account, binaries, durability, "C.UTF-8").await?;
    if outcome.as_ref().is_err_and(|output| output.contains("locale")) {
        // macOS has no C.UTF-8. `C` sorts the same.
        outcome = initdb(unfinished.path(), account, binaries, durability, "C").await?;
    }
    outcome.map_err(|output| Error::Init { home: home.path().to_owned(), output })?;

    let (unfinished, data) = (unfinished.keep(), home.data());
    fs::rename(&unfinished, &data).map_err(Error::file("create", data))?;
    // What the server will acknowledge must not be lost with this rename.
    let flushed = File::open(home.path()).and_then(|home| home.sync_all());
    flushed.map_err(Error::file("flush", home.path()))
}

/// Runs `initdb`; if it fails, what it said is the inner error.
async fn initdb(
    data: &Path,
    account: &Account,
    binaries: &Binaries,
    durability: Durability,
    locale: &str,
) -> Result<Result<(), String>, Error> {
    let program = binaries.program("initdb");
    let mut command = account.command(&program, data);
    command.arg("--pgdata").arg(data).arg(format!("--username={USER}"));
    command.arg("--encoding=UTF8").arg(format!("--locale={locale}"));
    // Only who can enter the socket directory gets as far as this.
    command.args(["--auth-local=trust", "--auth-host=reject", "--no-instructions"]);
    if durability == Durability::Throwaway {
        command.arg("--no-sync");
    }
    let output = command.output().await;
    let output = output.map_err(|err| account.cannot_run(&program.display().to_string(), err))?;
    Ok(match output.status.success() {
        true => Ok(()),
        false => Err(super::log::last_lines(&String::from_utf8_lossy(&output.stderr))),
    })
}

/// Removes what earlier attempts left. One that is still dying may resist; its
/// remains are swept next time.
fn sweep(home: &Path) {
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes())
            && let Err(err) = remove_dir(&entry.path())
        {
            tracing::debug!("left a half-made database alone: {err}");
        }
    }
}
