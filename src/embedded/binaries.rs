//! Finds the programs of a Postgres: the system's own, else a download.
//!
//! **Invariant:** [`Binaries`] were run by the account that is to use them, so
//! their version is known and that account can reach them.

use std::{
    cmp::Reverse,
    fmt, fs,
    path::{Path, PathBuf},
};

use super::{Error, account::Account, download, host::Host};

/// The oldest major version that our SQL is written for.
const OLDEST: u32 = 15;

/// A version of Postgres.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    pub(super) major: u32,
    minor: u32,
}

impl Version {
    /// Reads what `postgres --version` prints.
    fn parse(line: &str) -> Option<Self> {
        let words = line.split_once("(PostgreSQL)")?.1;
        let number = |text: &str| {
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            text[..digits].parse().ok()
        };
        let (major, rest) = match words.trim().split_once('.') {
            Some((major, rest)) => (major, rest),
            None => (words.trim(), "0"),
        };
        Some(Self { major: number(major)?, minor: number(rest).unwrap_or(0) })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// How the programs came here; the earlier, the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    /// The user's own choice.
    Path,
    /// Where packages put them.
    System,
    /// Fetched by us.
    Download,
}

/// A folder with the programs of one Postgres.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binaries {
    dir: PathBuf,
    pub(super) version: Version,
    origin: Origin,
}

impl Binaries {
    /// Where the program called `name` is, if it came along.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Which versions will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Any that our SQL runs on.
    Supported,
    /// The major version that made the data: no other can read it.
    MakerOf {
        /// The data folder.
        data: PathBuf,
        /// What its `PG_VERSION` says.
        major: u32,
    },
}

impl Wanted {
    fn accepts(&self, version: Version) -> bool {
        match self {
            Self::Supported => version.major >= OLDEST,
            Self::MakerOf { major, .. } => version.major == *major,
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Supported => write!(f, "{OLDEST} or newer"),
            Self::MakerOf { data, major } => {
                write!(f, "{major}, which made the data in {},", data.display())
            }
        }
    }
}

/// Finds programs that will do and that `account` can run, or fetches some.
pub(super) async fn find(
    wanted: &Wanted,
    account: &Account,
    host: &Host,
) -> Result<Binaries, Error> {
    let found = installed(account, host).await;
    if let Some(best) = choose(&found, wanted) {
        return Ok(best.clone());
    }
    let no_server = |source| Error::NoServer {
        wanted: wanted.clone(),
        passed_over: passed_over(&found),
        source,
    };
    let major = match wanted {
        Wanted::Supported => None,
        Wanted::MakerOf { major, .. } => Some(*major),
    };
    let dir = download::fetch(major, &host.cache).await.map_err(no_server)?;
    let fetched = probe(&dir, Origin::Download, account).await;
    fetched.ok_or_else(|| no_server(download::DownloadError::DoesNotRun { dir }))
}

/// The best of the candidates that will do: the user's own before the system's
/// before a download, and of equals the newest.
fn choose<'a>(candidates: &'a [Binaries], wanted: &Wanted) -> Option<&'a Binaries> {
    candidates
        .iter()
        .filter(|it| wanted.accepts(it.version))
        .min_by_key(|it| (it.origin, Reverse(it.version)))
}

/// The programs that [`find`] would find without fetching any.
pub(super) async fn look(wanted: &Wanted, account: &Account, host: &Host) -> Option<Binaries> {
    choose(&installed(account, host).await, wanted).cloned()
}

fn passed_over(found: &[Binaries]) -> String {
    if found.is_empty() {
        return String::new();
    }
    let each = found.iter().map(|it| format!("{} in {}", it.version, it.dir.display()));
    format!(" (there is {})", each.collect::<Vec<_>>().join(", "))
}

/// Every Postgres on this machine that `account` can run.
async fn installed(account: &Account, host: &Host) -> Vec<Binaries> {
    let mut found: Vec<Binaries> = Vec::new();
    for (origin, dir) in places(host) {
        // Links are followed: what is on the PATH is often one to a folder
        // that has the other programs, too.
        let Ok(server) = fs::canonicalize(dir.join("postgres")) else {
            continue;
        };
        let Some(dir) = server.parent() else { continue };
        if found.iter().any(|it| it.dir == dir) {
            continue;
        }
        found.extend(probe(dir, origin, account).await);
    }
    found
}

fn places(host: &Host) -> Vec<(Origin, PathBuf)> {
    let on_path = host.path.iter().filter(|dir| dir.is_absolute()).cloned();
    let packaged = [
        ("/usr/lib/postgresql", "", "bin"),
        ("/usr", "pgsql-", "bin"),
        ("/usr/local", "pgsql", "bin"),
        ("/opt/homebrew/opt", "postgresql", "bin"),
        ("/usr/local/opt", "postgresql", "bin"),
        ("/home/linuxbrew/.linuxbrew/opt", "postgresql", "bin"),
        ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
    ];
    let packaged = packaged.into_iter().flat_map(|(parent, prefix, sub)| {
        children(Path::new(parent), prefix).into_iter().map(move |dir| dir.join(sub))
    });
    let fetched = children(&host.cache, "").into_iter().map(|dir| dir.join("bin"));
    (on_path.map(|dir| (Origin::Path, dir)))
        .chain(packaged.map(|dir| (Origin::System, dir)))
        .chain(fetched.map(|dir| (Origin::Download, dir)))
        .collect()
}

/// The entries of `parent` whose name begins with `prefix`, in order.
fn children(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

/// Asks the server in `dir` for its version; none if `account` cannot run it.
async fn probe(dir: &Path, origin: Origin, account: &Account) -> Option<Binaries> {
    if !dir.join("initdb").exists() {
        return None;
    }
    let mut command = account.command(dir.join("postgres"), Path::new("/"));
    let output = command.arg("--version").output().await.ok()?;
    let version = Version::parse(&String::from_utf8_lossy(&output.stdout))?;
    Some(Binaries { dir: dir.to_owned(), version, origin })
}

/// The `psql` that belongs to `binaries`, else the first one on the PATH.
pub(super) fn psql(binaries: &Binaries, host: &Host) -> Result<PathBuf, Error> {
    std::iter::once(&binaries.dir)
        .chain(&host.path)
        .map(|dir| dir.join("psql"))
        .find(|psql| psql.is_file())
        .ok_or_else(|| Error::NoPsql { beside: binaries.dir.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(dir: &str, version: &str, origin: Origin) -> Binaries {
        let version = Version::parse(&format!("postgres (PostgreSQL) {version}")).unwrap();
        Binaries { dir: dir.into(), version, origin }
    }

    fn chosen(wanted: &Wanted, candidates: &[Binaries]) -> Option<String> {
        choose(candidates, wanted).map(|it| it.dir.display().to_string())
    }

    fn maker(major: u32) -> Wanted {
        Wanted::MakerOf { data: "/data".into(), major }
    }

    #[test]
    fn versions_are_read_as_packagers_print_them() {
        for (line, read) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", "15.18"),
            ("postgres (PostgreSQL) 17.0", "17.0"),
            ("postgres (PostgreSQL) 18beta1", "18.0"),
            ("postgres (PostgreSQL) 9.6.24", "9.6"),
        ] {
            assert_eq!(Version::parse(line).map(|v| v.to_string()).as_deref(), Some(read));
        }
        assert_eq!(Version::parse("postgres: command not found"), None);
    }

    #[test]
    fn the_newest_of_the_systems_wins_and_the_path_before_it() {
        use Origin::{Download, Path, System};
        let system = [
            candidate("/usr/lib/postgresql/9", "9.6.24", System),
            candidate("/usr/lib/postgresql/15", "15.18", System),
            candidate("/usr/lib/postgresql/16", "16.2", System),
            candidate("/cache/17", "17.4", Download),
        ];
        assert_eq!(chosen(&Wanted::Supported, &system).as_deref(), Some("/usr/lib/postgresql/16"));

        let with_path = [system.as_slice(), &[candidate("/nix", "15.3", Path)]].concat();
        assert_eq!(chosen(&Wanted::Supported, &with_path).as_deref(), Some("/nix"));
    }

    #[test]
    fn too_old_a_server_does_not_do() {
        let old = [candidate("/nix", "14.9", Origin::Path)];
        assert_eq!(chosen(&Wanted::Supported, &old), None);
        assert_eq!(passed_over(&old), " (there is 14.9 in /nix)");
    }

    #[test]
    fn data_is_opened_only_by_the_version_that_made_it() {
        let found = [
            candidate("/usr/lib/postgresql/15", "15.18", Origin::System),
            candidate("/usr/lib/postgresql/16", "16.2", Origin::System),
        ];
        assert_eq!(chosen(&maker(15), &found).as_deref(), Some("/usr/lib/postgresql/15"));
        assert_eq!(chosen(&maker(17), &found), None);
    }
}
