//! Where this machine and this user keep things: what the environment says,
//! read in one place.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The places outside of a project that the private Postgres may use.
#[derive(Clone, Debug)]
pub(super) struct Host {
    /// Where programs are looked for.
    pub(super) path: Vec<PathBuf>,
    /// Where a downloaded server is kept, for all projects.
    pub(super) cache: PathBuf,
    /// Folders for data that cannot be in its project, best first.
    pub(super) homes: Vec<PathBuf>,
    /// Folders for sockets whose path would be too long, best first. The one
    /// for temporary files comes first, because the one of a session goes away
    /// when its user logs out.
    pub(super) sockets: Vec<PathBuf>,
}

impl Host {
    pub(super) fn current() -> Self {
        let path = env::var_os("PATH").unwrap_or_default();
        let temp = env::temp_dir();
        let (cache, state, runtime) = if rustix::process::geteuid().is_root() {
            // Not root's own folders: the account that runs the server cannot
            // enter them.
            let runtime = Some("/run".into());
            ("/var/cache".into(), "/var/lib".into(), runtime)
        } else {
            let user = env::home_dir().unwrap_or_else(|| temp.clone());
            (
                absolute("XDG_CACHE_HOME").unwrap_or_else(|| user.join(".cache")),
                absolute("XDG_STATE_HOME").unwrap_or_else(|| user.join(".local/state")),
                absolute("XDG_RUNTIME_DIR"),
            )
        };
        Self {
            path: env::split_paths(&path).collect(),
            cache: cache.join("wavemark/postgresql"),
            homes: vec![state.join("wavemark"), temp.join("wavemark")],
            sockets: [Some(temp), runtime, Some("/tmp".into())].into_iter().flatten().collect(),
        }
    }
}

fn absolute(variable: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env::var_os(variable)?);
    Path::is_absolute(&path).then_some(path)
}
