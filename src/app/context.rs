//! What a command works with: a project's folder, its database, its archive.

use std::{collections::BTreeMap, ffi::OsString, fmt, path::PathBuf};

use secrecy::SecretString;

use super::{
    database::open_store,
    mail::Mail,
    outside::{self, OnGithub},
    publish::Publisher,
    workspace::Workspace,
};
use crate::{
    archive::Archive,
    github::{Auth, Github},
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

    /// Whether this is a step of GitHub Actions, which says so itself.
    pub fn in_actions(&self) -> bool {
        self.word("GITHUB_ACTIONS") == Some("true")
    }

    /// Where people see this job of GitHub Actions, if it is one.
    pub(super) fn job(&self) -> Option<String> {
        let [server, repo, run] =
            ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"].map(|name| self.word(name));
        Some(format!("{}/{}/actions/runs/{}", server?, repo?, run?))
    }

    /// Who speaks on GitHub.
    pub(super) fn github_auth(&self) -> anyhow::Result<Option<Auth>> {
        if let (Some(id), Some(key)) = (self.word("WAVEMARK_APP_ID"), self.word("WAVEMARK_APP_KEY"))
        {
            return Ok(Some(Auth::app(id, &SecretString::from(key))?));
        }
        Ok(self.word("GITHUB_TOKEN").map(|token| Auth::Token(SecretString::from(token))))
    }
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
        outside::archive(&self.settings, &self.workspace, &self.project.artifact_branch)
    }

    /// What brings artifacts to the archive.
    pub fn publisher(&self) -> anyhow::Result<Publisher> {
        Ok(Publisher::new(self.store.clone(), self.project.id, self.archive()?))
    }

    /// The project's conversation on GitHub, if the environment says who speaks
    /// and where.
    pub fn mail(&self) -> anyhow::Result<Option<Mail>> {
        let Some((github, web)) = self.github()? else { return Ok(None) };
        let blobs = format!("{web}/blob");
        Ok(Some(Mail::new(self.store.clone(), self.project.clone(), github, blobs)))
    }

    /// The project's repo on GitHub, and where people see it, if the environment
    /// says who speaks and where.
    pub(super) fn github(&self) -> anyhow::Result<Option<(Github, String)>> {
        let environment = &self.settings.environment;
        if environment.github_auth()?.is_none() {
            return Ok(None);
        }
        let Some(place) = OnGithub::of(&self.settings, self.workspace.root())? else {
            return Ok(None);
        };
        Ok(place.client(environment)?.map(|github| (github, place.page(""))))
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
