//! What a command works with: a project's folder, its database, its archive.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf};

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::PgConnectOptions;

use super::{publish::Publisher, workspace::Workspace};
use crate::{
    archive::{Archive, Place, Remote, remote_of},
    embedded::Embedded,
    store::{Error as StoreError, Project, Store},
};

/// Where everything is, as the user said it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder to look for the project from.
    pub directory: PathBuf,
    /// The database; the embedded one when absent.
    pub database_url: Option<SecretString>,
    /// The git remote; found out when absent.
    pub git_remote: Option<String>,
    /// What the environment of this process holds.
    pub environment: Environment,
}

/// The environment of this process, read once.
#[derive(Clone, Debug, Default)]
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

/// The database of the project in this folder, its schema up to date.
pub async fn open_store(settings: &Settings, workspace: &Workspace) -> anyhow::Result<Store> {
    if let Some(url) = &settings.database_url {
        let options = url.expose_secret().parse::<PgConnectOptions>();
        return Ok(Store::open(options.map_err(StoreError::BadUrl)?).await?);
    }
    let embedded = Embedded::at(&workspace.private());
    // The usual case, and it costs one connection less than to make sure first.
    if let Ok(Some(address)) = embedded.likely()
        && let Ok(store) = Store::open(address.connect_options()).await
    {
        return Ok(store);
    }
    let address = embedded.start().await.context("cannot start the embedded database")?;
    let options = address.connect_options();
    Ok(Store::open(options).await?)
}

/// The database of the project in this folder as it is, for those who only
/// look: none where the schema, or the private Postgres, was never made.
pub(super) async fn look_into_store(
    settings: &Settings,
    workspace: &Workspace,
) -> anyhow::Result<Option<Store>> {
    let options = match &settings.database_url {
        Some(url) => url.expose_secret().parse::<PgConnectOptions>().map_err(StoreError::BadUrl)?,
        None => {
            let embedded = Embedded::at(&workspace.private());
            if !embedded.is_made()? {
                return Ok(None);
            }
            let address = embedded.start().await.context("cannot start the embedded database")?;
            address.connect_options()
        }
    };
    let store = Store::connect(options).await?;
    Ok(store.has_schema().await?.then_some(store))
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
        let remote = remote_of(
            self.workspace.root(),
            self.settings.git_remote.as_deref(),
            &private.join("remote.git"),
            &self.project.artifact_branch,
        )
        .context("cannot find the git remote")?;
        let token = self.settings.environment.variables.get("GITHUB_TOKEN");
        let token = token.and_then(|token| token.to_str()).map(SecretString::from);
        let archive = Archive::open(Place {
            cache: private.join("artifacts.git"),
            remote: Remote { token, ..remote },
            branch: self.project.artifact_branch.clone(),
        })
        .context("cannot open the archive")?;
        Ok(archive)
    }

    /// What brings artifacts to the archive.
    pub fn publisher(&self) -> anyhow::Result<Publisher> {
        Ok(Publisher::new(self.store.clone(), self.project.id, self.archive()?))
    }

    /// Who is at the keyboard, for the record.
    pub fn user(&self) -> &str {
        &self.settings.environment.user
    }
}
