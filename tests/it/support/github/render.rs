//! The state as GitHub's JSON.

use serde_json::{Map, Value, json};

use super::{
    clock,
    world::{
        Comment, Event, Happened, Head, Issue, Label, Pull, Reaction, Repo, Role, User, Workflow,
        World,
    },
};

/// A view of the world from one repo.
pub(super) struct Render<'a> {
    world: &'a World,
    repo: &'a Repo,
    /// Where the repo is in the API.
    api: String,
    /// Where the repo is for people.
    html: String,
}

impl<'a> Render<'a> {
    pub(super) fn new(world: &'a World, repo: usize) -> Self {
        let repo = &world.repos[repo];
        let api = format!("{}/repos/{}", world.base, repo.full_name);
        let html = format!("https://github.com/{}", repo.full_name);
        Self { world, repo, api, html }
    }

    fn user(&self, login: &str) -> Value {
        user(self.world, &self.world.users[login])
    }

    pub(super) fn issue(&self, issue: &Issue) -> Value {
        let api = format!("{}/issues/{}", self.api, issue.number);
        let kind = if issue.is_pull_request { "pull" } else { "issues" };
        let html = format!("{}/{kind}/{}", self.html, issue.number);
        let reason = match &issue.closed {
            Some(closed) => json!(closed.reason.name()),
            None if issue.reopened => json!("reopened"),
            None => Value::Null,
        };
        let labels: Vec<Value> = issue
            .labels
            .iter()
            .map(|name| self.label(&self.repo.labels[&name.to_lowercase()]))
            .collect();
        let mut json = json!({
            "id": issue.id,
            "node_id": format!("I_{}", issue.id),
            "url": api,
            "repository_url": self.api,
            "labels_url": format!("{api}/labels{{/name}}"),
            "comments_url": format!("{api}/comments"),
            "events_url": format!("{api}/events"),
            "timeline_url": format!("{api}/timeline"),
            "html_url": html,
            "number": issue.number,
            "title": issue.title,
            "body": issue.body,
            "user": self.user(&issue.user),
            "labels": labels,
            "state": if issue.closed.is_some() { "closed" } else { "open" },
            "state_reason": reason,
            "locked": issue.locked,
            "active_lock_reason": null,
            "assignee": null,
            "assignees": [],
            "milestone": null,
            "comments": self.repo.comments_on(issue.number).count(),
            "created_at": clock::text(issue.created_at),
            "updated_at": clock::text(issue.updated_at),
            "closed_at": issue.closed.as_ref().map(|closed| clock::text(closed.at)),
            "closed_by": issue.closed.as_ref().map(|closed| self.user(&closed.by)),
            "author_association": self.association(&issue.user),
            "performed_via_github_app": null,
            "reactions": self.reactions(issue.id, &api),
        });
        if issue.is_pull_request {
            json["draft"] = json!(false);
            json["pull_request"] = json!({
                "url": format!("{}/pulls/{}", self.api, issue.number),
                "html_url": html,
                "diff_url": format!("{html}.diff"),
                "patch_url": format!("{html}.patch"),
                "merged_at": null,
            });
        }
        json
    }

    /// A pull request as it is in lists.
    pub(super) fn pull(&self, pull: &Pull) -> Value {
        let Pull { number, head, merged } = pull;
        let issue = &self.repo.issues[number];
        let mut json = self.issue(issue);
        for only_of_issues in [
            "comments",
            "closed_by",
            "events_url",
            "labels_url",
            "performed_via_github_app",
            "pull_request",
            "reactions",
            "repository_url",
            "state_reason",
            "timeline_url",
        ] {
            json.as_object_mut().unwrap().remove(only_of_issues);
        }
        let (api, html) = (&self.api, &self.html);
        let url = format!("{api}/pulls/{number}");
        // Until it is merged, this is a try of GitHub's.
        let commit = merged.as_ref().map_or("f".repeat(40), |merged| merged.commit.clone());
        json["merged_at"] = merged.as_ref().map(|merged| clock::text(merged.at)).into();
        json["merge_commit_sha"] = json!(commit);
        json["auto_merge"] = Value::Null;
        json["requested_reviewers"] = json!([]);
        json["requested_teams"] = json!([]);
        json["url"] = json!(url);
        json["html_url"] = json!(format!("{html}/pull/{number}"));
        json["diff_url"] = json!(format!("{html}/pull/{number}.diff"));
        json["patch_url"] = json!(format!("{html}/pull/{number}.patch"));
        let mut links = Map::new();
        for (name, to) in [
            ("self", url.clone()),
            ("html", format!("{html}/pull/{number}")),
            ("issue", format!("{api}/issues/{number}")),
            ("comments", format!("{api}/issues/{number}/comments")),
            ("commits", format!("{url}/commits")),
            ("statuses", format!("{api}/statuses/{}", head.sha)),
            ("review_comments", format!("{url}/comments")),
            ("review_comment", format!("{api}/pulls/comments{{/number}}")),
        ] {
            links.insert(name.to_owned(), json!({ "href": to }));
            if !matches!(name, "self" | "html") {
                json[format!("{name}_url")] = json!(to);
            }
        }
        json["_links"] = links.into();
        let base = Head {
            owner: self.repo.owner().to_owned(),
            branch: "main".to_owned(),
            sha: "b".repeat(40),
        };
        json["head"] = self.end(head);
        json["base"] = self.end(&base);
        json
    }

    /// A pull request as it is when it is asked for.
    pub(super) fn whole_pull(&self, pull: &Pull) -> Value {
        let mut json = self.pull(pull);
        json["merged"] = json!(pull.merged.is_some());
        json["merged_by"] = pull.merged.as_ref().map(|merged| self.user(&merged.by)).into();
        json["mergeable"] = Value::Null;
        json["mergeable_state"] = json!("unknown");
        json["maintainer_can_modify"] = json!(false);
        json["comments"] = json!(self.repo.comments_on(pull.number).count());
        for count in ["additions", "changed_files", "commits", "deletions", "review_comments"] {
            json[count] = json!(1);
        }
        json
    }

    /// One end of a pull request. A fork has another id than the repo.
    fn end(&self, head: &Head) -> Value {
        let Head { owner, branch, sha } = head;
        let mut repo = self.repository(&Role::Read);
        // Told only of a repo that is asked for.
        for only_alone in ["network_count", "subscribers_count"] {
            repo.as_object_mut().unwrap().remove(only_alone);
        }
        repo["has_downloads"] = json!(true);
        if owner != self.repo.owner() {
            repo["id"] = json!(self.world.users[owner].id + 1_000_000);
            repo["full_name"] = json!(format!("{owner}/{}", self.repo.name()));
            repo["owner"] = self.user(owner);
            repo["fork"] = json!(true);
        }
        json!({
            "label": format!("{owner}:{branch}"),
            "ref": branch,
            "sha": sha,
            "user": self.user(owner),
            "repo": repo,
        })
    }

    pub(super) fn comment(&self, comment: &Comment) -> Value {
        let api = format!("{}/issues/comments/{}", self.api, comment.id);
        let html = format!("{}/issues/{}#issuecomment-{}", self.html, comment.issue, comment.id);
        json!({
            "id": comment.id,
            "node_id": format!("IC_{}", comment.id),
            "url": api,
            "html_url": html,
            "issue_url": format!("{}/issues/{}", self.api, comment.issue),
            "body": comment.body,
            "user": self.user(&comment.user),
            "created_at": clock::text(comment.created_at),
            "updated_at": clock::text(comment.updated_at),
            "author_association": self.association(&comment.user),
            "performed_via_github_app": null,
            "reactions": self.reactions(comment.id, &api),
        })
    }

    pub(super) fn event(&self, event: &Event) -> Value {
        let (name, field, about) = match &event.what {
            Happened::Labeled(name) => ("labeled", "label", self.label_of_event(name)),
            Happened::Unlabeled(name) => ("unlabeled", "label", self.label_of_event(name)),
            Happened::Closed(reason) => ("closed", "state_reason", json!(reason.name())),
            Happened::Reopened => ("reopened", "state_reason", Value::Null),
            Happened::Renamed { from, to } => {
                ("renamed", "rename", json!({ "from": from, "to": to }))
            }
        };
        let mut json = json!({
            "id": event.id,
            "node_id": format!("E_{}", event.id),
            "url": format!("{}/issues/events/{}", self.api, event.id),
            "actor": self.user(&event.actor),
            "event": name,
            "commit_id": null,
            "commit_url": null,
            "created_at": clock::text(event.at),
            "performed_via_github_app": null,
        });
        json[field] = about;
        json
    }

    /// What is left in the history of a label that may be gone.
    fn label_of_event(&self, name: &str) -> Value {
        let label = self.repo.labels.get(&name.to_lowercase());
        json!({ "name": name, "color": label.map_or("ededed", |label| &label.color) })
    }

    pub(super) fn label(&self, label: &Label) -> Value {
        json!({
            "id": label.id,
            "node_id": format!("LA_{}", label.id),
            "url": format!("{}/labels/{}", self.api, label.name),
            "name": label.name,
            "color": label.color,
            "default": false,
            "description": label.description,
        })
    }

    pub(super) fn reaction(&self, reaction: &Reaction) -> Value {
        json!({
            "id": reaction.id,
            "node_id": format!("REA_{}", reaction.id),
            "user": self.user(&reaction.user),
            "content": reaction.content,
            "created_at": clock::text(reaction.at),
        })
    }

    fn reactions(&self, on: u64, api: &str) -> Value {
        let on_it = || self.repo.reactions.iter().filter(move |reaction| reaction.on == on);
        let mut json = Map::new();
        json.insert("url".to_owned(), json!(format!("{api}/reactions")));
        json.insert("total_count".to_owned(), json!(on_it().count()));
        for face in ["+1", "-1", "laugh", "confused", "heart", "hooray", "eyes", "rocket"] {
            let count = on_it().filter(|reaction| reaction.content == face).count();
            json.insert(face.to_owned(), json!(count));
        }
        json.into()
    }

    /// Says nothing about permissions: a private member is a `NONE`, too.
    fn association(&self, login: &str) -> &'static str {
        match self.repo.roles.get(login) {
            _ if login == self.repo.owner() => "OWNER",
            Some(Role::Triage | Role::Read) => "CONTRIBUTOR",
            Some(_) => "COLLABORATOR",
            None => "NONE",
        }
    }

    pub(super) fn repository(&self, role: &Role) -> Value {
        let mut json = json!({
            "id": self.repo.id,
            "node_id": format!("R_{}", self.repo.id),
            "name": self.repo.name(),
            "full_name": self.repo.full_name,
            "owner": self.user(self.repo.owner()),
            "private": self.repo.private,
            "archived": self.repo.archived,
            "disabled": false,
            "description": null,
            "homepage": null,
            "language": null,
            "license": null,
            "mirror_url": null,
            "fork": false,
            "default_branch": "main",
            "has_issues": self.repo.has_issues,
            "has_projects": false,
            "has_wiki": false,
            "has_pages": false,
            "has_discussions": false,
            "created_at": clock::text(self.repo.created_at),
            "updated_at": clock::text(self.repo.created_at),
            "pushed_at": clock::text(self.repo.created_at),
            "url": self.api,
            "html_url": self.html,
            "svn_url": self.html,
            "clone_url": format!("{}.git", self.html),
            "git_url": format!("git://github.com/{}.git", self.repo.full_name),
            "ssh_url": format!("git@github.com:{}.git", self.repo.full_name),
            "permissions": {
                "admin": *role >= Role::Admin,
                "maintain": *role >= Role::Maintain,
                "push": *role >= Role::Write,
                "triage": *role >= Role::Triage,
                "pull": *role >= Role::Read,
            },
        });
        for count in ["forks", "forks_count", "network_count", "size", "stargazers_count"] {
            json[count] = json!(0);
        }
        for count in ["subscribers_count", "watchers", "watchers_count"] {
            json[count] = json!(0);
        }
        let open = self.repo.issues.values().filter(|issue| issue.closed.is_none()).count();
        json["open_issues"] = json!(open);
        json["open_issues_count"] = json!(open);
        for (field, path) in REPO_URLS {
            json[field] = json!(format!("{}/{path}", self.api));
        }
        json
    }

    pub(super) fn workflow(&self, workflow: &Workflow) -> Value {
        let path = format!(".github/workflows/{}", workflow.file);
        json!({
            "id": workflow.id,
            "node_id": format!("W_{}", workflow.id),
            "name": workflow.file,
            "path": path,
            "state": if workflow.disabled { "disabled_manually" } else { "active" },
            "created_at": clock::text(self.repo.created_at),
            "updated_at": clock::text(self.repo.created_at),
            "url": format!("{}/actions/workflows/{}", self.api, workflow.id),
            "html_url": format!("{}/blob/main/{path}", self.html),
            "badge_url": format!("{}/workflows/{}/badge.svg", self.html, workflow.file),
        })
    }

    /// Where the run of a dispatched workflow is to be found.
    pub(super) fn run(&self, run: u64) -> Value {
        json!({
            "workflow_run_id": run,
            "run_url": format!("{}/actions/runs/{run}", self.api),
            "html_url": format!("{}/actions/runs/{run}", self.html),
        })
    }

    /// What somebody may do in the repo.
    pub(super) fn permission(&self, login: &str) -> Value {
        let role = self.repo.role(login);
        let mut user = self.user(login);
        user["role_name"] = json!(role.name());
        json!({ "permission": role.permission(), "role_name": role.name(), "user": user })
    }
}

pub(super) fn user(world: &World, user: &User) -> Value {
    let api =
        format!("{}/users/{}", world.base, user.login.replace('[', "%5B").replace(']', "%5D"));
    json!({
        "login": user.login,
        "id": user.id,
        "node_id": format!("U_{}", user.id),
        "avatar_url": format!("https://avatars.githubusercontent.com/u/{}", user.id),
        "gravatar_id": "",
        "url": api,
        "html_url": format!("https://github.com/{}", user.login.trim_end_matches("[bot]")),
        "followers_url": format!("{api}/followers"),
        "following_url": format!("{api}/following{{/other_user}}"),
        "gists_url": format!("{api}/gists{{/gist_id}}"),
        "starred_url": format!("{api}/starred{{/owner}}{{/repo}}"),
        "subscriptions_url": format!("{api}/subscriptions"),
        "organizations_url": format!("{api}/orgs"),
        "repos_url": format!("{api}/repos"),
        "events_url": format!("{api}/events{{/privacy}}"),
        "received_events_url": format!("{api}/received_events"),
        "type": if user.is_bot() { "Bot" } else { "User" },
        "site_admin": false,
    })
}

const REPO_URLS: [(&str, &str); 36] = [
    ("archive_url", "{archive_format}{/ref}"),
    ("assignees_url", "assignees{/user}"),
    ("blobs_url", "git/blobs{/sha}"),
    ("branches_url", "branches{/branch}"),
    ("collaborators_url", "collaborators{/collaborator}"),
    ("comments_url", "comments{/number}"),
    ("commits_url", "commits{/sha}"),
    ("compare_url", "compare/{base}...{head}"),
    ("contents_url", "contents/{+path}"),
    ("contributors_url", "contributors"),
    ("deployments_url", "deployments"),
    ("downloads_url", "downloads"),
    ("events_url", "events"),
    ("forks_url", "forks"),
    ("git_commits_url", "git/commits{/sha}"),
    ("git_refs_url", "git/refs{/sha}"),
    ("git_tags_url", "git/tags{/sha}"),
    ("hooks_url", "hooks"),
    ("issue_comment_url", "issues/comments{/number}"),
    ("issue_events_url", "issues/events{/number}"),
    ("issues_url", "issues{/number}"),
    ("keys_url", "keys{/key_id}"),
    ("labels_url", "labels{/name}"),
    ("languages_url", "languages"),
    ("merges_url", "merges"),
    ("milestones_url", "milestones{/number}"),
    ("notifications_url", "notifications{?since,all,participating}"),
    ("pulls_url", "pulls{/number}"),
    ("releases_url", "releases{/id}"),
    ("stargazers_url", "stargazers"),
    ("statuses_url", "statuses/{sha}"),
    ("subscribers_url", "subscribers"),
    ("subscription_url", "subscription"),
    ("tags_url", "tags"),
    ("teams_url", "teams"),
    ("trees_url", "git/trees{/sha}"),
];
