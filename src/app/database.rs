//! Which database: the one that the user named, or a private one.

use anyhow::Context as _;
use secrecy::ExposeSecret as _;

use super::{context::Settings, workspace::Workspace};
use crate::{
    embedded::Embedded,
    store::{Access, Authorities, Error as StoreError, Store},
};

/// How the database that the user named is reached, if one was named.
///
/// # Errors
///
/// Whatever is wrong with what the user said; nothing is connected to.
pub fn access(settings: &Settings) -> Result<Option<Access>, StoreError> {
    // sqlx would take it over for every connection, and cannot be told not to.
    let options = settings.environment.variables.get("PGOPTIONS");
    if options.is_some_and(|options| !options.is_empty()) {
        return Err(StoreError::SessionOptions);
    }
    let Some(url) = &settings.database_url else {
        return Ok(None);
    };
    let url = url.expose_secret().parse().map_err(StoreError::BadUrl)?;
    let authorities = settings
        .database_ca
        .as_deref()
        .map(|value| Authorities::read(value, &settings.directory))
        .transpose()
        .map_err(|source| StoreError::BadAuthorities { setting: "WAVEMARK_DATABASE_CA", source })?;
    Access::new(url, authorities, settings.insecure, &settings.directory).map(Some)
}

/// The database of the project in this folder, its schema up to date.
pub async fn open_store(settings: &Settings, workspace: &Workspace) -> anyhow::Result<Store> {
    if let Some(access) = access(settings)? {
        return Ok(Store::open(access.target()).await?);
    }
    let embedded = Embedded::at(&workspace.private());
    // The usual case, and it costs one connection less than to make sure first.
    if let Ok(Some(address)) = embedded.likely()
        && let Ok(store) = Store::open(address.connect_options()).await
    {
        return Ok(store);
    }
    let address = embedded.start().await.context("cannot start the embedded database")?;
    Ok(Store::open(address.connect_options()).await?)
}

/// The database of the project in this folder as it is, for those who only
/// look: none where the schema, or the private Postgres, was never made.
pub(super) async fn look_into_store(
    settings: &Settings,
    workspace: &Workspace,
) -> anyhow::Result<Option<Store>> {
    let store = match access(settings)? {
        Some(access) => Store::connect(access.target()).await?,
        None => {
            let embedded = Embedded::at(&workspace.private());
            if !embedded.is_made()? {
                return Ok(None);
            }
            let address = embedded.start().await.context("cannot start the embedded database")?;
            Store::connect(address.connect_options()).await?
        }
    };
    Ok(store.has_schema().await?.then_some(store))
}
