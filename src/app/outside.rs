//! Where a project meets the world outside of its folder: the git remote that
//! artifacts go to, and the repo on GitHub.
//!
//! Found out from the settings and the folder alone, so that it can be asked
//! before there is a database.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use secrecy::SecretString;

use super::{
    context::{Environment, Settings},
    pass::{App, Pass},
    workspace::Workspace,
};
use crate::{
    archive::{Archive, Place, Remote, named_remote, remote_of},
    github::{self, Github, Repo, web_host},
    model::Manners,
};

/// A repo on GitHub, and whether anybody can speak there.
#[derive(Clone, Debug)]
pub(super) struct OnGithub {
    /// Which one.
    pub(super) repo: Repo,
    /// Where people see GitHub, without a slash at its end.
    pub(super) server: String,
    api_url: String,
}

impl OnGithub {
    /// The repo that the environment names, or that of the git remote; none if
    /// neither is one of this GitHub.
    pub(super) fn of(settings: &Settings, root: &Path) -> anyhow::Result<Option<Self>> {
        let environment = &settings.environment;
        let api_url = environment.api_url();
        let web_host = web_host(api_url)?;
        let repo = match environment.word("GITHUB_REPOSITORY") {
            Some(named) => Some(named.parse().context("GITHUB_REPOSITORY names no repository")?),
            None => {
                let remote = named_remote(root, settings.git_remote.as_deref())
                    .context("cannot find the git remote")?;
                remote.and_then(|remote| Repo::of_remote(&remote.url, &web_host))
            }
        };
        let server = environment.word("GITHUB_SERVER_URL").map_or_else(
            || format!("https://{web_host}"),
            |url| url.trim_end_matches('/').to_owned(),
        );
        Ok(repo.map(|repo| Self { repo, server, api_url: api_url.to_owned() }))
    }

    /// Somebody who can speak there, if the environment says who; `planned` is how
    /// much is asked at a time.
    pub(super) fn client(
        &self,
        environment: &Environment,
        planned: &Manners,
    ) -> anyhow::Result<Option<Github>> {
        let Some(auth) = environment.github_auth()? else { return Ok(None) };
        let manners = environment.manners(planned)?;
        let usual = github::Settings::new(&self.api_url, self.repo.clone(), auth);
        Ok(Some(Github::new(&github::Settings { manners, ..usual })?))
    }

    /// Where people see the repo, or something below it.
    pub(super) fn page(&self, tail: &str) -> String {
        format!("{}/{}{tail}", self.server, self.repo)
    }
}

/// The branch that the artifacts of a project are pushed to, and what opens it.
pub(super) fn archive(
    settings: &Settings,
    workspace: &Workspace,
    branch: &str,
    planned: &Manners,
) -> anyhow::Result<(Archive, Pass)> {
    let private = workspace.make_private()?;
    let remote = remote_of(
        workspace.root(),
        settings.git_remote.as_deref(),
        &private.join("remote.git"),
        branch,
    )
    .context("cannot find the git remote")?;
    at(settings, workspace, remote, branch, planned)
}

/// The same if the remote is somebody's, and not one that Wavemark makes for
/// itself. Makes nothing.
pub(super) fn named_archive(
    settings: &Settings,
    workspace: &Workspace,
    branch: &str,
) -> anyhow::Result<Option<(Archive, Pass)>> {
    let remote = named_remote(workspace.root(), settings.git_remote.as_deref())
        .context("cannot find the git remote")?;
    let planned = Manners::default();
    remote.map(|remote| at(settings, workspace, remote, branch, &planned)).transpose()
}

fn at(
    settings: &Settings,
    workspace: &Workspace,
    remote: Remote,
    branch: &str,
    planned: &Manners,
) -> anyhow::Result<(Archive, Pass)> {
    let app = || App::new(settings, workspace.root(), planned);
    let (remote, pass) = let_in(settings, remote, app);
    let cache = workspace.private().join("artifacts.git");
    let archive = Archive::open(Place { cache, remote, branch: branch.to_owned() })
        .context("cannot open the archive")?;
    Ok((archive, pass))
}

/// The remote as it is reached, and what it takes to be let in.
///
/// A token of GitHub's is for the server that it is of, and for a remote that
/// was named to Wavemark: whatever else `origin` may be does not get to see it.
fn let_in(settings: &Settings, remote: Remote, app: impl FnOnce() -> App) -> (Remote, Pass) {
    let environment = &settings.environment;
    let authorities = environment.word("GIT_SSL_CAINFO").map(PathBuf::from);
    let remote = Remote { authorities, ..remote };
    let pass = match environment.word("GITHUB_TOKEN") {
        Some(token) => Pass::Token(SecretString::from(token)),
        None if environment.github_app().is_some() => Pass::App(Box::new(app())),
        None => return (remote, Pass::None),
    };
    let server = environment.word("GITHUB_SERVER_URL").unwrap_or("https://github.com");
    let remote = remote.over_https(server);
    let was_named = settings.git_remote.as_deref().is_some_and(|url| !url.is_empty());
    match remote.is_server() && (was_named || remote.is_at(server)) {
        true => (remote, pass),
        false => (remote, Pass::None),
    }
}
