//! Finds a place for a new home: in the project if possible.
//!
//! It is not possible if the account that runs the server cannot get there, or
//! if the file system has no owners and permissions. Then the home is outside,
//! and a link in the project leads to it.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use super::{
    Error,
    account::Account,
    folder::Folder,
    home::{Home, remove_dir},
    kinship::same,
    record::Record,
};

/// Makes a home for `folder`, which leads to none: in it, or else below one of
/// `outside`.
pub(super) async fn settle_in(
    folder: &Folder,
    account: &Account,
    outside: &[PathBuf],
) -> Result<Home, Error> {
    let (path, record) = (folder.server(), Record::new(folder.path())?);
    forget_lost(folder, outside)?;
    if account.can_enter(folder.path()).await? && keeps_modes(folder.path()) {
        return Home::create(&path, record, account);
    }
    let parent = usable(outside, account).await?;
    let home = Home::create(&parent.join(record.instance()), record, account)?;
    if path.is_symlink() {
        unlink(folder)?;
    } else {
        // It is empty, else there would be no need for a home.
        remove_dir(&path)?;
    }
    symlink(home.path(), &path).map_err(Error::file("create", &path))?;
    Ok(home)
}

/// Takes away a link of ours to a home that is gone.
pub(super) fn forget_lost(folder: &Folder, outside: &[PathBuf]) -> Result<(), Error> {
    let path = folder.server();
    let Some(target) = fs::read_link(&path).ok().filter(|_| !path.exists()) else {
        return Ok(());
    };
    if !outside.iter().any(|parent| target.starts_with(parent)) {
        // Somebody's disk may not be mounted.
        return Err(Error::Foreign { path });
    }
    tracing::warn!("the database in {} is gone: making a new one", target.display());
    unlink(folder)
}

/// The homes below `outside` that say they belong to `folder`, although it leads
/// to `own`: the folder that they knew was deleted or renamed.
pub(super) fn forgotten(own: &Home, folder: &Folder, outside: &[PathBuf]) -> Vec<Home> {
    let homes = outside.iter().filter(|parent| is_ours(parent)).flat_map(fs::read_dir);
    homes
        .flatten()
        .flatten()
        .filter_map(|entry| Home::at(&entry.path()).ok().flatten())
        .filter(|it| it.record().belongs_to() == folder.path() && !same(it.path(), own.path()))
        .collect()
}

/// Removes the link from `folder` to a home, if there is one.
pub(super) fn unlink(folder: &Folder) -> Result<(), Error> {
    let link = folder.server();
    match link.is_symlink() {
        true => fs::remove_file(&link).map_err(Error::file("remove", link)),
        false => Ok(()),
    }
}

/// Removes those of `outside` in which no home is left.
pub(super) fn tidy(outside: &[PathBuf]) {
    for parent in outside {
        // It fails if there is one.
        drop(fs::remove_dir(parent));
    }
}

/// Whether files in `dir` have an owner and permissions: Postgres insists, and
/// some shared folders of virtual machines do not.
fn keeps_modes(dir: &Path) -> bool {
    let probe = only_for_owner("probe-").tempdir_in(dir);
    let mode = probe.and_then(|probe| Ok(fs::metadata(probe.path())?.permissions().mode()));
    // If even this fails, so will making the home there, with a message.
    mode.map_or(true, |mode| mode & 0o777 == 0o700)
}

/// For making a folder that nobody else can enter, whatever the umask.
pub(super) fn only_for_owner(prefix: &str) -> tempfile::Builder<'_, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).permissions(fs::Permissions::from_mode(0o700));
    builder
}

/// The first of `parents` that we can use and that `account` can enter.
async fn usable(parents: &[PathBuf], account: &Account) -> Result<PathBuf, Error> {
    let mut refused = Error::NoAccount;
    for parent in parents {
        let made = fs::create_dir_all(parent).and_then(|()| match is_ours(parent) {
            true => fs::set_permissions(parent, fs::Permissions::from_mode(0o755)),
            false => {
                Err(io::Error::new(ErrorKind::PermissionDenied, "it belongs to somebody else"))
            }
        });
        match made {
            Ok(()) if account.can_enter(parent).await? => return Ok(parent.clone()),
            Ok(()) => refused = account.cannot_enter(parent),
            Err(err) => refused = Error::file("use", parent)(err),
        }
    }
    Err(refused)
}

/// In a folder such as `/tmp`, somebody else could have been here first.
fn is_ours(dir: &Path) -> bool {
    fs::symlink_metadata(dir).is_ok_and(|meta| meta.is_dir() && Account::Current.owns(&meta))
}
