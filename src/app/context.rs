//! What a command works with: a project's folder, its database, its archive.

use std::{collections::BTreeMap, ffi::OsString, fmt, path::PathBuf};

use anyhow::Context as _;
use secrecy::SecretString;

use super::{
    database::open_store,
    mail::Mail,
    outside::{self, OnGithub},
    pass::Pass,
    publish::Publisher,
    workspace::Workspace,
};
use crate::{
    archive::Archive,
    github::{Auth, Github},
    model::Manners,
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

    /// Where people see this job of GitHub Actions, if it is one.
    pub(super) fn job(&self) -> Option<String> {
        let [server, repo, run] =
            ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"].map(|name| self.word(name));
        Some(format!("{}/{}/actions/runs/{}", server?, repo?, run?))
    }

    /// Whether this is a step of GitHub Actions, which says so itself.
    pub fn in_actions(&self) -> bool {
        self.word("GITHUB_ACTIONS") == Some("true")
    }

    /// Where GitHub's API is.
    pub(super) fn api_url(&self) -> &str {
        self.word("GITHUB_API_URL").unwrap_or("https://api.github.com")
    }

    /// The id and the key of a GitHub App.
    pub(super) fn github_app(&self) -> Option<(&str, &str)> {
        self.word("WAVEMARK_APP_ID").zip(self.word("WAVEMARK_APP_KEY"))
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

    /// What programs elsewhere are not told of that, if anything: Supabase turns away
    /// whoever sends no key.
    pub(super) fn missing_for_api(&self) -> Option<&'static str> {
        match self.api() {
            None => Some("address to report to"),
            Some(Api { key: None, .. }) if self.word("WAVEMARK_API_URL").is_none() => {
                Some("key to report with")
            }
            Some(_) => None,
        }
    }

    /// Who speaks on GitHub.
    pub(super) fn github_auth(&self) -> anyhow::Result<Option<Auth>> {
        if let Some((id, key)) = self.github_app() {
            return Ok(Some(Auth::app(id, &SecretString::from(key))?));
        }
        Ok(self.word("GITHUB_TOKEN").map(|token| Auth::Token(SecretString::from(token))))
    }

    /// How much is asked of GitHub at a time: what the plan says, unless this
    /// machine says otherwise.
    pub(super) fn manners(&self, planned: &Manners) -> anyhow::Result<Manners> {
        let mut manners = planned.clone();
        if let Some(writes) = self.word("WAVEMARK_GITHUB_WRITES") {
            manners.writes = writes.parse().context("WAVEMARK_GITHUB_WRITES is not a number")?;
        }
        if let Some(pause) = self.word("WAVEMARK_GITHUB_PAUSE") {
            manners.pause = humantime::parse_duration(pause)
                .context("WAVEMARK_GITHUB_PAUSE is not a duration, such as 1s")?;
        }
        if let Some(timeout) = self.word("WAVEMARK_GITHUB_TIMEOUT") {
            manners.timeout = humantime::parse_duration(timeout)
                .context("WAVEMARK_GITHUB_TIMEOUT is not a duration, such as 10s")?;
        }
        Ok(manners)
    }
}

impl Settings {
    /// The repo on GitHub, of whatever project the folder is in, if the
    /// environment says who speaks and where.
    pub(super) fn github(&self) -> anyhow::Result<Option<Github>> {
        match OnGithub::of(self, &self.directory)? {
            Some(place) => place.client(&self.environment, &Manners::default()),
            None => Ok(None),
        }
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
    pub async fn archive(&self) -> anyhow::Result<Archive> {
        let (archive, pass) = self.archive_and_pass()?;
        Ok(archive.with_token(pass.token().await?))
    }

    /// What brings artifacts to the archive.
    pub fn publisher(&self) -> anyhow::Result<Publisher> {
        let (archive, pass) = self.archive_and_pass()?;
        Ok(Publisher::new(self.store.clone(), self.project.id, archive, pass))
    }

    /// The artifact branch, and what opens it.
    fn archive_and_pass(&self) -> anyhow::Result<(Archive, Pass)> {
        let planned = &self.project.settings.github;
        outside::archive(&self.settings, &self.workspace, &self.project.artifact_branch, planned)
    }

    /// The project's repo on GitHub, if the environment says who speaks and
    /// where.
    pub(super) fn github(&self) -> anyhow::Result<Option<Github>> {
        match OnGithub::of(&self.settings, self.workspace.root())? {
            Some(place) => place.client(&self.settings.environment, &self.project.settings.github),
            None => Ok(None),
        }
    }

    /// The project's conversation on GitHub, if the environment says who speaks
    /// and where.
    pub fn mail(&self) -> anyhow::Result<Option<Mail>> {
        let environment = &self.settings.environment;
        if environment.github_auth()?.is_none() {
            return Ok(None);
        }
        let Some(place) = OnGithub::of(&self.settings, self.workspace.root())? else {
            return Ok(None);
        };
        let Some(github) = place.client(environment, &self.project.settings.github)? else {
            return Ok(None);
        };
        let (store, project) = (self.store.clone(), self.project.clone());
        Ok(Some(Mail::new(store, project, github, place.page("/blob"))))
    }

    /// Who is at the keyboard, for the record.
    pub fn user(&self) -> &str {
        &self.settings.environment.user
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn this_machine_may_say_otherwise_than_the_plan() {
        let with = |name: &str, value: &str| Environment {
            variables: BTreeMap::from([(name.to_owned(), value.into())]),
            ..Environment::default()
        };
        let planned = Manners { writes: 7, ..Manners::default() };

        let manners = with("WAVEMARK_GITHUB_PAUSE", "0s").manners(&planned).unwrap();

        assert_eq!(manners, Manners { pause: Duration::ZERO, ..planned.clone() });
        assert_eq!(Environment::default().manners(&planned).unwrap(), planned);
        let wrong = with("WAVEMARK_GITHUB_WRITES", "many").manners(&planned).unwrap_err();
        assert_eq!(wrong.to_string(), "WAVEMARK_GITHUB_WRITES is not a number");
    }

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
