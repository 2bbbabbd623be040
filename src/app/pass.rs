//! What opens the git remote: a token that was given, or one of a GitHub App's.
//!
//! An App's token lasts an hour, and a session lasts longer. So whoever talks to
//! the remote asks for the token of that moment; a new one is made when the one
//! before is about to run out, or was turned away.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use secrecy::SecretString;
use tokio::sync::OnceCell;

use super::{context::Settings, outside::OnGithub};
use crate::{github::Github, model::Manners};

/// What opens the git remote.
#[derive(Clone, Debug)]
pub(super) enum Pass {
    /// Nothing: the remote asks for none, or it is nobody's to see one.
    None,
    /// A token that does for ever.
    Token(SecretString),
    /// A GitHub App that makes itself tokens.
    App(Box<App>),
}

/// A GitHub App, made ready when it is first needed: whatever is wrong with it
/// is then in the way of a push, and of nothing else.
#[derive(Clone, Debug)]
pub(super) struct App {
    settings: Settings,
    root: PathBuf,
    planned: Manners,
    github: Arc<OnceCell<Github>>,
}

impl App {
    /// The one that the environment names, for the project in `root`.
    pub(super) fn new(settings: &Settings, root: &Path, planned: &Manners) -> Self {
        Self {
            settings: settings.clone(),
            root: root.to_owned(),
            planned: planned.clone(),
            github: Arc::default(),
        }
    }

    async fn github(&self) -> anyhow::Result<&Github> {
        let make = async || {
            let place = OnGithub::of(&self.settings, &self.root)?;
            let client = place.map(|place| place.client(&self.settings.environment, &self.planned));
            client.transpose()?.flatten().context(
                "a GitHub App has a token for one repository: say which in GITHUB_REPOSITORY",
            )
        };
        self.github.get_or_try_init(make).await
    }
}

impl Pass {
    /// The token of this moment.
    pub(super) async fn token(&self) -> anyhow::Result<Option<SecretString>> {
        match self {
            Self::None => Ok(None),
            Self::Token(token) => Ok(Some(token.clone())),
            Self::App(app) => {
                let token = async { Ok(app.github().await?.token().await?) };
                let token: anyhow::Result<SecretString> = token.await;
                token.map(Some).context("cannot get a token of the GitHub App's for the git remote")
            }
        }
    }

    /// The token was turned away. Says whether there is another one to be had:
    /// GitHub lets no token of an App's live longer than an hour, and a machine
    /// that slept may have missed its end.
    pub(super) fn renew(&self) -> bool {
        let Self::App(app) = self else { return false };
        app.github.get().inspect(|github| github.forget_token()).is_some()
    }
}
