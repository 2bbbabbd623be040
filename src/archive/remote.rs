//! Where the artifact branch is pushed to.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use git2::{Repository, RepositoryInitOptions};
use percent_encoding::percent_decode_str;
use secrecy::SecretString;

use super::Error;

/// A git remote: an address, and a token if it wants one.
///
/// `Display` and `Debug` leave out the token, and what stands before an `@` in
/// the URL.
#[derive(Clone)]
pub struct Remote {
    /// A folder, or a URL.
    pub url: String,
    /// Sent as the password to a server that asks.
    pub token: Option<SecretString>,
    /// A file with the certificates of the authorities to believe in, in place
    /// of the system's.
    pub authorities: Option<PathBuf>,
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.url.split_once("://") {
            Some((scheme, rest)) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
                write!(f, "{scheme}://{host}{path}")
            }
            None => f.write_str(&self.url),
        }
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote({self})")
    }
}

/// How a remote is worked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A repository on this machine, opened in place.
    Folder(PathBuf),
    /// A repository behind a server, worked with through a cache.
    Server,
}

impl Remote {
    /// A remote that asks for no token.
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), token: None, authorities: None }
    }

    /// The same repository over https, if this is one of the host at `server`
    /// by ssh: a token opens the one and not the other.
    #[must_use]
    pub fn over_https(self, server: &str) -> Self {
        let host =
            reqwest::Url::parse(server).ok().and_then(|url| Some(url.host_str()?.to_owned()));
        match by_ssh(&self.url) {
            Some((of, path)) if host.is_some_and(|host| of.eq_ignore_ascii_case(&host)) => {
                let url = format!("{}/{path}", server.trim_end_matches('/'));
                tracing::debug!("using {url} with the token in place of {self}");
                Self { url, ..self }
            }
            _ => self,
        }
    }

    /// Whether it is a repository of the server at this URL.
    pub fn is_at(&self, server: &str) -> bool {
        let origin = |url| reqwest::Url::parse(url).ok().map(|url| url.origin());
        origin(&self.url).is_some_and(|of| of.is_tuple() && Some(of) == origin(server))
    }

    /// Whether it is behind a server, which may ask for a token.
    pub fn is_server(&self) -> bool {
        matches!(self.address(), Ok(Address::Server))
    }

    pub(super) fn address(&self) -> Result<Address, Error> {
        let unsupported = |scheme: &str| {
            Err(Error::Unsupported { remote: self.clone(), scheme: scheme.to_owned() })
        };
        match self.url.split_once("://") {
            Some(("file", rest)) => {
                let path = &rest[rest.find('/').unwrap_or(rest.len())..];
                let path = percent_decode_str(path).decode_utf8_lossy();
                Ok(Address::Folder(PathBuf::from(path.as_ref())))
            }
            Some(("http" | "https", _)) => Ok(Address::Server),
            Some((scheme, _)) => unsupported(scheme),
            None if is_scp_like(&self.url) => unsupported("ssh"),
            None => Ok(Address::Folder(PathBuf::from(&self.url))),
        }
    }
}

/// Whether it is `[user@]host:path`, as git decides: a `:` before any `/`.
fn is_scp_like(url: &str) -> bool {
    url.find(':').is_some_and(|colon| !url[..colon].contains('/'))
}

/// Host and path of a repository that is reached by ssh: `user@host:path` or
/// `ssh://user@host:port/path`.
fn by_ssh(url: &str) -> Option<(&str, &str)> {
    let (host, path) = match url.split_once("://") {
        Some(("ssh" | "git+ssh", rest)) => {
            let (host, path) = rest.split_once('/')?;
            (host.split_once(':').map_or(host, |(host, _)| host), path)
        }
        Some(_) => return None,
        None if is_scp_like(url) => url.split_once(':')?,
        None => return None,
    };
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    Some((host, path.trim_start_matches('/')))
}

/// Finds the remote of the project in `root`.
///
/// That is `configured` if given, else `origin` of the git repository that
/// contains `root`, else a bare repository at `fallback`, made on demand with
/// `branch` as the one that a plain `git clone` of it shows. A relative path is
/// seen from `root`, or for an `origin` from the top of its work tree.
pub fn remote_of(
    root: &Path,
    configured: Option<&str>,
    fallback: &Path,
    branch: &str,
) -> Result<Remote, Error> {
    if let Some(url) = configured.filter(|url| !url.is_empty()) {
        return Ok(seen_from(root, url));
    }
    if let Some(origin) = origin_of(root)? {
        return Ok(origin);
    }
    make_bare(fallback, branch)?;
    Ok(Remote::at(fallback.to_string_lossy()))
}

/// `origin` of the git repository that contains `path`, if there are such.
pub fn origin_of(path: &Path) -> Result<Option<Remote>, Error> {
    let Some(repo) = super::source::open(path)? else { return Ok(None) };
    let base = repo.workdir().unwrap_or(repo.path()).to_owned();
    match repo.find_remote("origin") {
        Ok(origin) => Ok(Some(seen_from(&base, origin.url()?))),
        Err(err) if err.code() == git2::ErrorCode::NotFound => Ok(None),
        Err(err) => Err(err.into()),
    }
}

fn seen_from(base: &Path, url: &str) -> Remote {
    let remote = Remote::at(url);
    match remote.address() {
        Ok(Address::Folder(path)) if path.is_relative() => {
            Remote::at(base.join(path).to_string_lossy())
        }
        _ => remote,
    }
}

/// Makes a bare repository at `path`, unless something is there.
///
/// It appears whole, by a rename: another process never meets half of one.
fn make_bare(path: &Path, branch: &str) -> Result<(), Error> {
    if path.exists() {
        return Ok(());
    }
    let disk = |source| Error::Disk { path: path.to_owned(), source };
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(disk)?;
    let draft = tempfile::Builder::new().prefix(".remote-").tempdir_in(parent).map_err(disk)?;

    let mut options = RepositoryInitOptions::new();
    options.bare(true).external_template(false).initial_head(branch);
    let repo = Repository::init_opts(draft.path(), &options)?;
    let mut config = repo.config()?;
    // Artifacts are written once: nobody rewrites or deletes their history.
    config.set_bool("receive.denyNonFastForwards", true)?;
    config.set_bool("receive.denyDeletes", true)?;

    match fs::rename(draft.path(), path) {
        Err(err) if err.kind() != io::ErrorKind::DirectoryNotEmpty => Err(disk(err)),
        // Done, or another process was faster.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::testing::{archive, entries, git};

    #[test]
    fn an_address_is_a_folder_or_a_server() {
        let folder = |path: &str| Address::Folder(path.into());
        for (url, address) in [
            ("/srv/a b.git", folder("/srv/a b.git")),
            ("file:///srv/a%20b.git", folder("/srv/a b.git")),
            ("../remote.git", folder("../remote.git")),
            ("./odd:name", folder("./odd:name")),
            ("http://localhost:8080/r.git", Address::Server),
        ] {
            assert_eq!(Remote::at(url).address().unwrap(), address, "{url}");
        }
    }

    #[test]
    fn an_address_that_needs_more_than_is_built_in_is_told_apart() {
        let said = |url: &str| Remote::at(url).address().unwrap_err().to_string();
        insta::assert_snapshot!(said("git@github.com:acme/waves.git"), @"cannot use the git remote git@github.com:acme/waves.git: ssh is not built in");
        insta::assert_snapshot!(said("ssh://git@host/r.git"), @"cannot use the git remote ssh://host/r.git: ssh is not built in");
        insta::assert_snapshot!(said("ftp://host/r.git"), @"cannot use the git remote ftp://host/r.git: ftp is not built in");
    }

    #[test]
    fn a_repository_by_ssh_is_used_over_https_where_the_token_is_of_its_host() {
        let used = |url: &str, server: &str| Remote::at(url).over_https(server).url;
        let github = "https://github.com";
        for url in [
            "git@github.com:acme/waves.git",
            "github.com:/acme/waves.git",
            "ssh://git@github.com/acme/waves.git",
            "ssh://git@GitHub.com:22/acme/waves.git",
        ] {
            assert_eq!(used(url, github), "https://github.com/acme/waves.git", "{url}");
        }
        let ours = "git@git.acme.example:acme/waves.git";
        assert_eq!(
            used(ours, "https://git.acme.example/"),
            "https://git.acme.example/acme/waves.git"
        );
        for url in [ours, "https://github.com/acme/waves.git", "/srv/github.com:a/b", "."] {
            assert_eq!(used(url, github), url);
        }
    }

    #[test]
    fn a_server_is_told_by_scheme_host_and_port() {
        let is_at = |url: &str| Remote::at(url).is_at("https://github.com");
        assert!(is_at("https://github.com/acme/waves.git") && is_at("https://GitHub.com:443/a/b"));
        let others =
            ["http://github.com/a/b", "https://github.com.example/a/b", "/srv/r.git", "file:///r"];
        assert!(!others.into_iter().any(is_at));
    }

    #[test]
    fn a_remote_never_prints_its_secrets() {
        let mut remote = Remote::at("http://me:hunter2@host/r@1.git");
        remote.token = Some("hunter3".into());
        assert_eq!(
            format!("{remote} {remote:?}"),
            "http://host/r@1.git Remote(http://host/r@1.git)"
        );
    }

    const BRANCH: &str = "wavemark/artifacts";

    #[test]
    fn the_remote_is_what_is_configured_else_origin_else_a_folder_of_our_own() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("project");
        fs::create_dir_all(root.join("waves")).unwrap();
        let fallback = root.join(".wavemark/remote.git");
        let find =
            |configured| remote_of(&root.join("waves"), configured, &fallback, BRANCH).unwrap().url;
        let path = |path: &Path| path.to_str().unwrap().to_owned();

        assert_eq!(find(None), path(&fallback));
        git(&root, &["init", "--quiet"]);
        assert_eq!(find(None), path(&fallback));
        git(&root, &["remote", "add", "origin", "../origin.git"]);
        assert!(find(None).ends_with("/project/../origin.git"), "{}", find(None));
        git(&root, &["remote", "set-url", "origin", "http://host/origin.git"]);
        assert_eq!(find(None), "http://host/origin.git");
        assert_eq!(find(Some("")), "http://host/origin.git");
        assert_eq!(find(Some("../r.git")), path(&root.join("waves").join("../r.git")));
        assert_eq!(find(Some("https://host/r.git")), "https://host/r.git");
    }

    #[test]
    fn a_plain_clone_of_our_own_remote_shows_the_artifacts() {
        let dir = tempfile::tempdir().unwrap();
        let fallback = dir.path().join(".wavemark/remote.git");
        let remote = remote_of(dir.path(), None, &fallback, BRANCH).unwrap();
        let again = remote_of(dir.path(), None, &fallback, BRANCH).unwrap();
        assert_eq!(remote.url, again.url);
        archive(remote, dir.path().join("cache")).publish_all(&entries(1..2), None).unwrap();

        git(dir.path(), &["clone", "--quiet", fallback.to_str().unwrap(), "clone"]);

        let shown = dir.path().join("clone/foundation/vision/schema/file-1.md");
        assert_eq!(fs::read_to_string(shown).unwrap(), "text 1\n");
        assert_eq!(git(&fallback, &["config", "receive.denyNonFastForwards"]).trim(), "true");
        assert_eq!(fs::read_dir(dir.path().join(".wavemark")).unwrap().count(), 1);
    }
}
