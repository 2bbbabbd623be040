//! Which repository: `owner/name`, as people and remotes write it.

use std::{fmt, str::FromStr};

/// A repository on GitHub.
///
/// Both parts hold only letters, digits, `-`, `_` and `.`, so one is safe in a
/// path and in a URL without escaping.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repo {
    owner: String,
    name: String,
}

/// Why a string is not a [`Repo`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a repository: write it as `owner/name`")]
pub struct BadRepo(String);

impl Repo {
    /// Whose it is: a person's login or an organization's.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// What it is called there.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The repository that a git remote's URL points at, if that is one of the
    /// GitHub with this web host, such as `github.com`.
    ///
    /// Knows `https://…`, `ssh://…` and `git@host:…`, with and without `.git`.
    pub fn of_remote(url: &str, web_host: &str) -> Option<Self> {
        let (authority, path) = match url.split_once("://") {
            Some(("https" | "http" | "ssh" | "git+ssh" | "git", rest)) => rest.split_once('/')?,
            Some(_) => return None,
            None => url.split_once(':').filter(|(host, _)| !host.contains('/'))?,
        };
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let host = match host.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => host,
        };
        // GitHub also takes ssh on the port of https, under this name.
        let same = host.eq_ignore_ascii_case(web_host)
            || host.to_ascii_lowercase().strip_prefix("ssh.").is_some_and(|host| host == web_host);
        let path = path.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        if same { path.parse().ok() } else { None }
    }

    /// Whether both are the same to GitHub, which ignores upper and lower case.
    pub fn is(&self, other: &Self) -> bool {
        self.owner.eq_ignore_ascii_case(&other.owner) && self.name.eq_ignore_ascii_case(&other.name)
    }
}

impl FromStr for Repo {
    type Err = BadRepo;

    fn from_str(text: &str) -> Result<Self, BadRepo> {
        let is_word = |part: &str, more: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
            !part.is_empty() && part.len() <= 100 && part.chars().all(known)
        };
        match text.split_once('/') {
            Some((owner, name))
                if is_word(owner, "-_") && is_word(name, "-_.") && !matches!(name, "." | "..") =>
            {
                Ok(Self { owner: owner.to_owned(), name: name.to_owned() })
            }
            _ => Err(BadRepo(text.to_owned())),
        }
    }
}

impl fmt::Display for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_an_owner_and_a_name() {
        for good in ["acme/waves", "Acme-2/waves.rs", "emu_corp/_x", "a/..."] {
            assert_eq!(good.parse::<Repo>().unwrap().to_string(), good);
        }
        for bad in ["", "acme", "acme/", "/waves", "a/b/c", "a/..", "a/.", "a b/c", "a/b?c", "ä/b"]
        {
            assert!(bad.parse::<Repo>().is_err(), "{bad}");
        }
        insta::assert_snapshot!("acme".parse::<Repo>().unwrap_err(), @"`acme` is not a repository: write it as `owner/name`");
    }

    #[test]
    fn a_remote_of_the_same_host_names_it() {
        for url in [
            "https://github.com/acme/waves",
            "https://github.com/acme/waves.git",
            "https://github.com/acme/waves.git/",
            "https://x-access-token:secret@GitHub.com/acme/waves.git",
            "https://github.com:443/acme/waves",
            "ssh://git@github.com/acme/waves.git",
            "ssh://git@ssh.github.com:443/acme/waves.git",
            "git@github.com:acme/waves.git",
            "github.com:acme/waves",
            "git@github.com:/acme/waves.git",
        ] {
            let repo = Repo::of_remote(url, "github.com").map(|repo| repo.to_string());
            assert_eq!(repo.as_deref(), Some("acme/waves"), "{url}");
        }
    }

    #[test]
    fn a_remote_elsewhere_names_none() {
        for url in [
            "https://gitlab.com/acme/waves",
            "https://github.com.evil.example/acme/waves",
            "https://evil.example/github.com/acme/waves",
            "https://github.com@evil.example/acme/waves",
            "https://github.com/acme",
            "https://github.com/acme/waves/tree/main",
            "git@gitlab.com:acme/waves.git",
            "file:///srv/acme/waves",
            "/srv/github.com:acme/waves",
            "../waves",
            "",
        ] {
            assert_eq!(Repo::of_remote(url, "github.com"), None, "{url}");
        }
    }
}
