//! The token, the repo, and what may be done there.
//!
//! What a token may write cannot be told without writing, unless GitHub says so:
//! for a classic token in a header, for an account in the repo itself. What is
//! refused even to be read is told for sure.

use super::{Exam, here, listed, within};
use crate::{
    app::outside::OnGithub,
    github::{Error, Repository, Visit, Workflow},
    mail::{FORM_LABEL, agent_label},
    model::Manners,
    plan::Plan,
    report::count,
};

const AREA: &str = "GitHub";
/// What cannot be told without a repo that can be seen.
const CHECKS: [&str; 6] = ["repo", "issues", "contents", "pull requests", "actions", "labels"];

/// What was seen of the repo, for those who look at other things there.
#[derive(Default)]
pub(super) struct Seen {
    /// Whether there is a repo on GitHub at all.
    place: Option<OnGithub>,
    /// The workflows that GitHub knows; none if that could not be told.
    pub(super) workflows: Option<Vec<Workflow>>,
    /// The branch that schedules run on, if it was told.
    pub(super) default_branch: String,
}

impl Seen {
    /// Whether the project is on GitHub.
    pub(super) fn is_there(&self) -> bool {
        self.place.is_some()
    }

    /// Where people see something of it.
    pub(super) fn page(&self, tail: &str) -> Option<String> {
        Some(self.place.as_ref()?.page(tail))
    }
}

/// Looks at GitHub, if the project is there.
pub(super) async fn examine(
    exam: &mut Exam<'_>,
    place: anyhow::Result<Option<OnGithub>>,
    plan: Option<&Plan>,
) -> Seen {
    let place = match place {
        Ok(Some(place)) => place,
        Ok(None) => {
            exam.skip(
                AREA,
                "token",
                "not used: no git remote is on GitHub, and no GITHUB_REPOSITORY is set",
            );
            return Seen::default();
        }
        Err(err) => {
            exam.wrong(AREA, "token", err);
            return Seen::default();
        }
    };
    let mut seen = Seen { place: Some(place.clone()), ..Seen::default() };
    let github = match place.client(&exam.settings.environment, &Manners::default()) {
        Ok(Some(github)) => github,
        Ok(None) => {
            let found =
                format!("not used: there is no GITHUB_TOKEN to look at {} with", place.repo);
            exam.skip(AREA, "token", found);
            without(exam, "there is no token");
            return seen;
        }
        Err(err) => {
            exam.wrong(AREA, "token", err);
            without(exam, "the token cannot be used");
            return seen;
        }
    };
    let mut visit = github.visit();
    if !token(exam, &mut visit).await {
        without(exam, "GitHub did not take the token");
        return seen;
    }
    let Some(repository) = repo(exam, &mut visit, &place).await else {
        return seen;
    };
    seen.default_branch.clone_from(&repository.default_branch);
    let rights = Rights::of(&visit, &repository);
    let public = !repository.private;
    issues(exam, &mut visit, &repository, &rights, public).await;
    rights.tell(exam, "contents", "contents: write", public);
    let read = within(visit.look_at_pull_requests()).await;
    permission(exam, "pull requests", "pull-requests: write", read, &rights, public);
    let read = within(visit.workflows()).await;
    seen.workflows = read.as_ref().ok().cloned();
    permission(exam, "actions", "actions: write", read.map(drop), &rights, public);
    labels(exam, &mut visit, plan).await;
    seen
}

fn without(exam: &mut Exam<'_>, why: &str) {
    for check in CHECKS {
        exam.skip(AREA, check, format!("not looked at: {why}"));
    }
}

/// Whether GitHub takes the token.
async fn token(exam: &mut Exam<'_>, visit: &mut Visit) -> bool {
    let asked = here();
    let viewer = within(visit.viewer()).await;
    if let Some(time) = visit.github_time() {
        exam.clock("GitHub", time, asked);
    }
    let whose = match viewer {
        Ok(Some(user)) => format!("accepted, of {}", user.login),
        Ok(None) => "accepted, of a workflow or a GitHub App".to_owned(),
        Err(err) => {
            exam.wrong(AREA, "token", err);
            return false;
        }
    };
    let scopes = visit.scopes().map(|scopes| format!(", with the scopes {}", scopes.join(", ")));
    exam.ok(AREA, "token", whose + &scopes.unwrap_or_default());
    true
}

async fn repo(exam: &mut Exam<'_>, visit: &mut Visit, place: &OnGithub) -> Option<Repository> {
    let found = match within(visit.repository()).await {
        Ok(found) => found,
        Err(err) => {
            exam.wrong(AREA, "repo", err);
            for check in &CHECKS[1..] {
                exam.skip(AREA, check, "not looked at: the repo cannot be seen");
            }
            return None;
        }
    };
    let branch = match found.default_branch.as_str() {
        "" => String::new(),
        branch => format!(", default branch {branch}"),
    };
    let kind = if found.private { "private" } else { "public" };
    if found.archived {
        exam.wrong(AREA, "repo", Error::Archived { repo: place.repo.clone() });
    } else if !found.repo.is(&place.repo) {
        let renamed = Error::Renamed { repo: place.repo.clone(), to: found.repo.to_string() };
        exam.wrong(AREA, "repo", renamed);
    } else {
        exam.ok(AREA, "repo", format!("{}, {kind}{branch}", found.repo));
    }
    Some(found)
}

/// What may be written, as far as GitHub says it.
enum Rights {
    /// Everything in this repo: a classic token of somebody who may.
    All,
    /// Nothing: this is why, and what to do.
    Nothing(String, &'static str),
    /// It does not say.
    Untold,
}

impl Rights {
    fn of(visit: &Visit, repository: &Repository) -> Self {
        let may_push =
            repository.permissions.is_none_or(|may| may.push || may.maintain || may.admin);
        if let Some(scopes) = visit.scopes() {
            let has = |scope: &str| scopes.iter().any(|it| it == scope);
            if !has("repo") && (repository.private || !has("public_repo")) {
                return Self::Nothing(
                    "the token lacks the scope `repo`".to_owned(),
                    "make a new token, with the scopes `repo` and `workflow`",
                );
            }
            if may_push {
                return Self::All;
            }
        }
        // What the account may do says little of a program, which has no role.
        match may_push {
            true => Self::Untold,
            false => Self::Nothing(
                "whoever the token is of may only read this repo".to_owned(),
                "have somebody give them the role Write, or use another token",
            ),
        }
    }

    /// Says so, of something that may be read.
    fn tell(&self, exam: &mut Exam<'_>, check: &'static str, needs: &str, public: bool) {
        match self {
            Self::All => exam.ok(AREA, check, "may be read and written"),
            Self::Nothing(why, next) => exam.fail(AREA, check, why.clone(), *next),
            Self::Untold => {
                let read = match public {
                    true => "may be read, as everybody may",
                    false => "may be read",
                };
                exam.ok(
                    AREA,
                    check,
                    format!(
                        "{read}; whether the token has `{needs}` cannot be told without writing"
                    ),
                );
            }
        }
    }
}

fn permission(
    exam: &mut Exam<'_>,
    check: &'static str,
    needs: &str,
    read: anyhow::Result<()>,
    rights: &Rights,
    public: bool,
) {
    match read {
        Ok(()) => rights.tell(exam, check, needs, public),
        Err(err) => exam.wrong(AREA, check, err),
    }
}

async fn issues(
    exam: &mut Exam<'_>,
    visit: &mut Visit,
    repository: &Repository,
    rights: &Rights,
    public: bool,
) {
    if !repository.has_issues {
        let disabled = Error::IssuesDisabled { repo: repository.repo.clone() };
        return exam.wrong(AREA, "issues", disabled);
    }
    let read = within(visit.look_at_issues()).await;
    permission(exam, "issues", "issues: write", read, rights, public);
}

async fn labels(exam: &mut Exam<'_>, visit: &mut Visit, plan: Option<&Plan>) {
    let Some(plan) = plan else {
        return exam.skip(AREA, "labels", "not looked at: the plan is not a good one");
    };
    let there = match within(visit.labels()).await {
        Ok(there) => there,
        Err(err) => return exam.wrong(AREA, "labels", err),
    };
    let mut wanted = vec![FORM_LABEL.to_owned()];
    wanted.extend(plan.agents.keys().map(agent_label));
    let is_there = |label: &String| there.iter().any(|it| it.name.eq_ignore_ascii_case(label));
    let total = wanted.len();
    let missing: Vec<String> = wanted.into_iter().filter(|label| !is_there(label)).collect();
    if missing.is_empty() {
        exam.ok(AREA, "labels", format!("{}, all there", count(total, "label")));
    } else {
        let found = format!("missing: {}", listed(&missing, 5));
        exam.warn(AREA, "labels", found, "`wavemark init` makes them");
    }
}
