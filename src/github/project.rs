//! The repository itself: what it is, its labels, its workflows.

use serde::Deserialize;

use super::{Error, Repo, Visit, issue::or_default, visit::Reply};

/// A repository, as GitHub knows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Repository {
    /// Its id, which stays when it is renamed.
    pub id: u64,
    /// What it is called now.
    #[serde(rename = "full_name", deserialize_with = "repo")]
    pub repo: Repo,
    /// Its id for GraphQL.
    #[serde(default, deserialize_with = "or_default")]
    pub node_id: String,
    /// Where people see it.
    #[serde(default, deserialize_with = "or_default")]
    pub html_url: String,
    /// The branch that schedules run on.
    #[serde(default, deserialize_with = "or_default")]
    pub default_branch: String,
    /// Whether only some people see it.
    #[serde(default, deserialize_with = "or_default")]
    pub private: bool,
    /// Whether it can only be read.
    #[serde(default, deserialize_with = "or_default")]
    pub archived: bool,
    /// Whether it has issues.
    #[serde(default, deserialize_with = "or_default")]
    pub has_issues: bool,
    /// What the token may do, as far as its owner goes. A token may still be
    /// allowed less.
    #[serde(default)]
    pub permissions: Option<Permissions>,
}

/// What somebody may do, the highest first; each includes those below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Permissions {
    /// Everything.
    pub admin: bool,
    /// Settings, short of the dangerous ones.
    pub maintain: bool,
    /// Push.
    pub push: bool,
    /// Sort issues.
    pub triage: bool,
    /// See it.
    pub pull: bool,
}

/// A label that issues can have.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Six hexadecimal digits.
    #[serde(default, deserialize_with = "or_default")]
    pub color: String,
    /// What it is for.
    #[serde(default, deserialize_with = "or_default")]
    pub description: String,
}

/// A workflow file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Workflow {
    /// Its name, for people.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// Where it is, such as `.github/workflows/tick.yml`.
    pub path: String,
    /// Whether it runs.
    #[serde(default, deserialize_with = "or_default")]
    pub state: WorkflowState,
}

/// Whether a workflow runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkflowState {
    /// It does.
    Active,
    /// The file is gone.
    Deleted,
    /// It does not, because the repository is a fork.
    DisabledFork,
    /// It does not any more, because nothing happened for 60 days.
    DisabledInactivity,
    /// Somebody switched it off.
    DisabledManually,
    /// Something newer, or it was not said.
    #[default]
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct WorkflowPage {
    workflows: Vec<Workflow>,
}

impl Visit {
    /// The repository, under whatever name it has now.
    pub async fn repository(&mut self) -> Result<Repository, Error> {
        let name = self.repo().clone();
        match self.look_up(&name).await? {
            Reply::Here(repository, _) => {
                self.repo_id = Some(repository.id);
                Ok(repository)
            }
            Reply::Not(answer) if answer.status == 404 => {
                Err(Error::NoSuchRepo { repo: self.repo().clone() })
            }
            Reply::Not(answer) => {
                let route = self.route("", "repository", "metadata: read");
                Err(self.refusal(&route, &answer).await)
            }
        }
    }

    /// What a repository is called now that is or was called `once`; none if there
    /// is none, or none that may be seen.
    pub async fn called_now(&mut self, once: &Repo) -> Result<Option<Repo>, Error> {
        match self.look_up(once).await? {
            Reply::Here(repository, _) => Ok(Some(repository.repo)),
            Reply::Not(answer) if answer.status == 404 => Ok(None),
            Reply::Not(answer) => {
                let route = self.route("", "repository", "metadata: read");
                Err(self.refusal(&route, &answer).await)
            }
        }
    }

    async fn look_up(&mut self, name: &Repo) -> Result<Reply<Repository>, Error> {
        let path = self.github.place.base.path_of(&format!("/repos/{name}"));
        match self.ask(&path).await? {
            // An old name redirects to an id, and that is the end.
            Reply::Not(moved) if moved.is_redirect() => {
                let path = self.redirect(&moved)?;
                self.ask(&path).await
            }
            answer => Ok(answer),
        }
    }

    /// The labels that issues can have.
    pub async fn labels(&mut self) -> Result<Vec<Label>, Error> {
        let route = self.route("/labels?per_page=100", "list of labels", "issues: read");
        self.pages(route, |page: Vec<Label>| page, |_| false).await
    }

    /// The workflows, switched off ones included.
    pub async fn workflows(&mut self) -> Result<Vec<Workflow>, Error> {
        let path = "/actions/workflows?per_page=100";
        let route = self.route(path, "list of workflows", "actions: read");
        self.pages(route, |page: WorkflowPage| page.workflows, |_| false).await
    }
}

fn repo<'de, D: serde::Deserializer<'de>>(name: D) -> Result<Repo, D::Error> {
    String::deserialize(name)?.parse().map_err(serde::de::Error::custom)
}
