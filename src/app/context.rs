//! What a command works with: a project's folder, its database, its archive.

use std::{collections::BTreeMap, ffi::OsString, fmt, path::PathBuf};

use anyhow::Context as _;
use secrecy::SecretString;

use super::{database::open_store, mail::Mail, publish::Publisher, workspace::Workspace};
use crate::{
    archive::{Archive, Place, Remote, remote_of},
    github::{self, Auth, Github, Repo, web_host},
    store::{Insecure, Project, Store},
};

/// Where everything is, as the user said it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder to look for the project from.
    pub directory: PathBuf,
    /// The database; the embedded one when absent.
    pub database_url: Option<SecretString>,
    /// Authorities for the certificate of its server: PEM, or the path of some.
    pub database_ca: Option<String>,
    /// What to do about a `database_url` that is not safe enough.
    pub insecure: Insecure,
    /// The git remote; found out when absent.
    pub git_remote: Option<String>,
    /// What the environment of this process holds.
    pub environment: Environment,
}

/// The environment of this process, read once.
#[derive(Clone, Default)]
pub struct Environment {
    /// The variables.
    pub variables: BTreeMap<String, OsString>,
    /// The binary that is running.
    pub binary: PathBuf,
    /// What people call this machine.
    pub host: String,
    /// Who is at the keyboard.
    pub user: String,
}

impl Environment {
    /// A variable that is set to some text.
    pub fn word(&self, name: &str) -> Option<&str> {
        self.variables.get(name)?.to_str().filter(|word| !word.is_empty())
    }

    /// Where programs elsewhere call the functions of the database over HTTP.
    pub fn api(&self) -> Option<Api> {
        let url = match (self.word("WAVEMARK_API_URL"), self.word("SUPABASE_URL")) {
            (Some(url), _) => url.trim_end_matches('/').to_owned(),
            (None, Some(url)) => format!("{}/rest/v1", url.trim_end_matches('/')),
            (None, None) => return None,
        };
        let keys = ["WAVEMARK_API_KEY", "SUPABASE_PUBLISHABLE_KEY", "SUPABASE_ANON_KEY"];
        let key = keys.iter().find_map(|name| self.word(name)).map(ToOwned::to_owned);
        Some(Api { url, key })
    }

    /// Who speaks on GitHub.
    fn github_auth(&self) -> anyhow::Result<Option<Auth>> {
        if let (Some(id), Some(key)) = (self.word("WAVEMARK_APP_ID"), self.word("WAVEMARK_APP_KEY"))
        {
            return Ok(Some(Auth::app(id, &SecretString::from(key))?));
        }
        Ok(self.word("GITHUB_TOKEN").map(|token| Auth::Token(SecretString::from(token))))
    }
}

/// The REST API in front of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// Its address, up to `/rest/v1`.
    pub url: String,
    /// What it wants to see of everybody: no secret.
    pub key: Option<String>,
}

/// The names of the variables only: half of a night's secrets are among them.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("variables", &self.variables.keys())
            .field("binary", &self.binary)
            .field("host", &self.host)
            .field("user", &self.user)
            .finish()
    }
}

/// A project, its database and its archive, ready for use.
#[derive(Clone, Debug)]
pub struct Context {
    /// As the user said it.
    pub settings: Settings,
    /// The folder.
    pub workspace: Workspace,
    /// The database.
    pub store: Store,
    /// The project in it.
    pub project: Project,
}

impl Context {
    /// Finds the folder, opens the database, and finds the project in it.
    pub async fn open(settings: Settings) -> anyhow::Result<Self> {
        let workspace = Workspace::find(&settings.directory)?;
        let name = workspace.project_name()?;
        let store = open_store(&settings, &workspace).await?;
        let project = store.project(&name).await?;
        Ok(Self { settings, workspace, store, project })
    }

    /// The artifact branch of the project.
    pub fn archive(&self) -> anyhow::Result<Archive> {
        let private = self.workspace.make_private()?;
        let remote = self.remote()?;
        let archive = Archive::open(Place {
            cache: private.join("artifacts.git"),
            remote: self.with_token(remote),
            branch: self.project.artifact_branch.clone(),
        })
        .context("cannot open the archive")?;
        Ok(archive)
    }

    /// The git remote of the project.
    fn remote(&self) -> anyhow::Result<Remote> {
        let private = self.workspace.make_private()?;
        remote_of(
            self.workspace.root(),
            self.settings.git_remote.as_deref(),
            &private.join("remote.git"),
            &self.project.artifact_branch,
        )
        .context("cannot find the git remote")
    }

    /// The remote with what it takes to be let in.
    ///
    /// A token of GitHub's is for the server that it is of, and for a remote that
    /// was named to Wavemark: whatever else `origin` may be does not get to see it.
    fn with_token(&self, remote: Remote) -> Remote {
        let authorities = self.settings.environment.word("GIT_SSL_CAINFO").map(PathBuf::from);
        let remote = Remote { authorities, ..remote };
        let Some(token) = self.settings.environment.word("GITHUB_TOKEN") else { return remote };
        let server =
            self.settings.environment.word("GITHUB_SERVER_URL").unwrap_or("https://github.com");
        let remote = remote.over_https(server);
        let was_named = self.settings.git_remote.as_deref().is_some_and(|url| !url.is_empty());
        match was_named || remote.is_at(server) {
            true => Remote { token: Some(SecretString::from(token)), ..remote },
            false => remote,
        }
    }

    /// What brings artifacts to the archive.
    pub fn publisher(&self) -> anyhow::Result<Publisher> {
        Ok(Publisher::new(self.store.clone(), self.project.id, self.archive()?))
    }

    /// The project's conversation on GitHub, if the environment says who speaks
    /// and where.
    pub fn mail(&self) -> anyhow::Result<Option<Mail>> {
        let environment = &self.settings.environment;
        let Some(auth) = environment.github_auth()? else { return Ok(None) };
        let api_url = environment.word("GITHUB_API_URL").unwrap_or("https://api.github.com");
        let web_host = web_host(api_url)?;
        let Some(repo) = self.repo(&web_host)? else { return Ok(None) };
        let server = environment.word("GITHUB_SERVER_URL").map_or_else(
            || format!("https://{web_host}"),
            |url| url.trim_end_matches('/').to_owned(),
        );
        let blobs = format!("{server}/{repo}/blob");
        let mut settings = github::Settings::new(api_url, repo, auth);
        if let Some(writes) = environment.word("WAVEMARK_GITHUB_WRITES") {
            settings.writes = writes.parse().context("WAVEMARK_GITHUB_WRITES is not a number")?;
        }
        if let Some(pause) = environment.word("WAVEMARK_GITHUB_PAUSE") {
            settings.pause = humantime::parse_duration(pause)
                .context("WAVEMARK_GITHUB_PAUSE is not a duration, such as 1s")?;
        }
        if let Some(patience) = environment.word("WAVEMARK_GITHUB_TIMEOUT") {
            settings.patience = humantime::parse_duration(patience)
                .context("WAVEMARK_GITHUB_TIMEOUT is not a duration, such as 10s")?;
        }
        let github = Github::new(&settings)?;
        Ok(Some(Mail::new(self.store.clone(), self.project.clone(), github, blobs)))
    }

    /// The repo on GitHub: the one that is named, or the one of the git remote.
    fn repo(&self, web_host: &str) -> anyhow::Result<Option<Repo>> {
        if let Some(named) = self.settings.environment.word("GITHUB_REPOSITORY") {
            return Ok(Some(named.parse().context("GITHUB_REPOSITORY names no repository")?));
        }
        let remote = self.remote()?;
        Ok(Repo::of_remote(&remote.url, web_host))
    }

    /// Who is at the keyboard, for the record.
    pub fn user(&self) -> &str {
        &self.settings.environment.user
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_of_the_settings_holds_no_secret() {
        let settings = Settings {
            directory: ".".into(),
            database_url: Some("postgres://ada:hunter2@db.example/waves".into()),
            database_ca: None,
            insecure: Insecure::Refuse,
            git_remote: None,
            environment: Environment {
                variables: BTreeMap::from([("PGPASSWORD".to_owned(), "hunter2".into())]),
                ..Environment::default()
            },
        };
        let text = format!("{settings:?}");
        assert!(text.contains("PGPASSWORD") && !text.contains("hunter2"), "{text}");
    }
}
