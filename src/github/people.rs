//! Who may do what.

use serde::{Deserialize, de::IgnoredAny};

use super::{
    Error, User, Visit,
    issue::or_default,
    visit::{Reply, segment},
};
use crate::model::Role;

/// What a classic token may do: words such as `repo` and `workflow`. Other
/// kinds of tokens have none.
pub type Scopes = Vec<String>;

#[derive(Deserialize)]
struct Permission {
    #[serde(default, deserialize_with = "or_default")]
    permission: String,
    #[serde(default, deserialize_with = "or_default")]
    role_name: String,
}

impl Visit {
    /// What somebody may do in the repository; none if nothing. Asked once a
    /// visit.
    pub async fn role(&mut self, login: &str) -> Result<Option<Role>, Error> {
        let key = login.to_lowercase();
        if let Some(role) = self.roles.get(&key) {
            return Ok(*role);
        }
        let path = format!("/collaborators/{}/permission", segment(login));
        let route = self.route(path, login, "metadata: read");
        let role = match self.read::<Permission>(&route).await {
            // An organization may have roles of its own; each stands on one of
            // these.
            Ok((Permission { permission, role_name }, _)) => {
                role_name.parse().or_else(|_| permission.parse()).ok()
            }
            Err(Error::Missing { .. }) => None,
            Err(err) => return Err(err),
        };
        self.roles.insert(key, role);
        Ok(role)
    }

    /// Whose the token is, where it is a person's; a workflow's token and an
    /// App's may not ask.
    pub async fn viewer(&mut self) -> Result<Option<User>, Error> {
        let path = self.github.place.base.path_of("/user");
        match self.ask(&path).await? {
            Reply::Here(user, _) => Ok(Some(user)),
            Reply::Not(answer) if matches!(answer.status, 403 | 404) => Ok(None),
            Reply::Not(answer) => {
                let route = self.route("", "account", "metadata: read");
                Err(self.refusal(&route, &answer).await)
            }
        }
    }

    /// Makes sure that issues may be read.
    pub async fn look_at_issues(&mut self) -> Result<(), Error> {
        let route = self.route("/issues?per_page=1", "list of issues", "issues: read");
        self.read::<IgnoredAny>(&route).await.map(drop)
    }

    /// Makes sure that pull requests may be read.
    pub async fn look_at_pull_requests(&mut self) -> Result<(), Error> {
        let route = self.route("/pulls?per_page=1", "list of pull requests", "pull-requests: read");
        self.read::<IgnoredAny>(&route).await.map(drop)
    }

    /// What the token may do, if it is a classic one and was used already.
    pub fn scopes(&self) -> Option<&Scopes> {
        self.scopes.as_ref()
    }
}
