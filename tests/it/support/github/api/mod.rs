//! The API: who asks, may they, and what the answer is.
//!
//! The order of refusals is GitHub's: a wrong token (401), a repo that the
//! token can't see (404), a repo that is read-only (403), a permission that
//! the token lacks (403), and only then what the request is about.

mod actions;
mod apps;
mod comments;
mod issues;
mod labels;
mod list;
mod people;
mod pulls;
mod routes;

use serde_json::Value;

use super::{
    answer::Answer,
    clock,
    contract::Operation,
    render::Render,
    request::Request,
    world::{Access, Gone, Repo, Role, Token, World},
};

/// An answer, or the refusal that comes before it.
type Outcome = Result<Answer, Answer>;

/// A request whose sender is known.
struct Call<'a> {
    world: &'a mut World,
    request: &'a Request,
    /// What stands in the gaps of the operation's path.
    gaps: &'a [String],
    token: Token,
    /// The repo that it is about; the first one where it is about none.
    repo: usize,
}

/// Does what is asked for, and answers.
pub(super) fn answer(
    world: &mut World,
    operation: &Operation,
    request: &Request,
    gaps: &[String],
) -> Answer {
    let date = clock::http_date(world.clock.now());
    let reset = world.clock.now().timestamp() + 3_600;
    let answered = try_answer(world, operation, request, gaps);
    answered
        .unwrap_or_else(|refused| refused)
        .with("date", date)
        .with("x-github-request-id", "FAKE:0:0:0:0")
        .with("x-ratelimit-limit", 5_000)
        .with("x-ratelimit-remaining", 4_999)
        .with("x-ratelimit-used", 1)
        .with("x-ratelimit-reset", reset)
        .with("x-ratelimit-resource", "core")
}

fn try_answer(
    world: &mut World,
    operation: &Operation,
    request: &Request,
    gaps: &[String],
) -> Outcome {
    if let Some(handler) = routes::of_app(&operation.name) {
        return handler(world, request, gaps);
    }
    let Some((needs, handler)) = routes::of_token(&operation.name) else {
        panic!("the fake GitHub has no answer to {} yet: add one to `api/`", operation.name);
    };
    let token = token(world, request)?;
    let repo = match gaps {
        [owner, name, ..] if operation.name.contains("/repos/{owner}/{repo}") => {
            visible(world, &token, &format!("{owner}/{name}")).ok_or_else(Answer::not_found)?
        }
        _ => 0,
    };
    let writes = request.method != "GET";
    let mut call = Call { world, request, gaps, token, repo };
    if writes && call.repo().archived {
        return Err(Answer::error(403, "Repository was archived so is read-only."));
    }
    let classic = call.token.permissions.is_none();
    let access = needs.access.name();
    // What is said on a pull request, either permission opens.
    let of_pulls = operation.name.contains("/comments") && needs.what == "issues";
    let accepted = match of_pulls {
        true => format!("issues={access}; pull_requests={access}"),
        false => format!("{}={access}", needs.what),
    };
    let opens = |what| call.token.opens(what) >= needs.access;
    let allowed = opens(needs.what) || (of_pulls && call.is_on_pull() && opens("pull_requests"));
    let public = !writes && !call.repo().private && needs.of_repo;
    let answered = if public || allowed {
        handler(&mut call)
    } else {
        let whom = if call.token.of_app { "integration" } else { "personal access token" };
        Err(Answer::error(403, &format!("Resource not accessible by {whom}")))
    };
    // A classic token is told what it may do, any other what it would have to.
    let mark = |answer: Answer| match classic {
        true => answer.with("x-oauth-scopes", "repo, workflow"),
        false => answer.with("x-accepted-github-permissions", &accepted),
    };
    answered.map(mark).map_err(mark)
}

fn token(world: &World, request: &Request) -> Result<Token, Answer> {
    let known = request.token.as_ref().and_then(|token| world.tokens.get(token));
    let live = known.filter(|token| token.expires_at.is_none_or(|end| end > world.clock.now()));
    live.cloned().ok_or_else(|| Answer::error(401, "Bad credentials"))
}

/// A repo that a token can see.
fn visible(world: &World, token: &Token, name: &str) -> Option<usize> {
    let repo = world.find(name)?;
    let sees = token.of_app || world.repos[repo].role(&token.login) > Role::None;
    sees.then_some(repo)
}

impl Call<'_> {
    fn repo(&self) -> &Repo {
        &self.world.repos[self.repo]
    }

    fn render(&self) -> Render<'_> {
        Render::new(self.world, self.repo)
    }

    fn login(&self) -> String {
        self.token.login.clone()
    }

    /// What the sender may do in the repo.
    fn role(&self) -> Role {
        if self.token.of_app { Role::Write } else { self.repo().role(&self.token.login) }
    }

    fn at_least(&self, role: &Role) -> Result<(), Answer> {
        if self.role() >= *role {
            return Ok(());
        }
        Err(Answer::error(403, "Must have admin rights to Repository."))
    }

    /// Whether this is about a pull request, or about a comment on one.
    fn is_on_pull(&self) -> bool {
        let Some(Ok(number)) = self.gaps.get(2).map(|gap| gap.parse::<u64>()) else {
            return false;
        };
        let comment = self.repo().comments.get(&number).map(|comment| comment.issue);
        self.repo().pulls.contains_key(&comment.unwrap_or(number))
    }

    /// The number in the third gap, of an issue that is there.
    fn issue(&self) -> Result<u64, Answer> {
        let number: u64 = self.gaps[2].parse().map_err(|_| Answer::not_found())?;
        match (self.repo().issues.get(&number), self.repo().gone.get(&number)) {
            (Some(issue), _) if !self.repo().has_issues && !issue.is_pull_request => {
                Err(Answer::error(410, "Issues are disabled for this repo"))
            }
            (Some(_), _) => Ok(number),
            (None, Some(Gone::Deleted)) => Err(Answer::error(410, "This issue was deleted")),
            (None, Some(Gone::Transferred(to, number))) => Err(self.moved(to, *number)),
            (None, None) => Err(Answer::not_found()),
        }
    }

    /// Sends the client after an issue, if it may see where that went.
    fn moved(&self, to: &str, number: u64) -> Answer {
        let Some(repo) = visible(self.world, &self.token, to) else {
            return Answer::not_found();
        };
        let id = self.world.repos[repo].id;
        let rest: String = self.request.segments[5..].iter().map(|s| format!("/{s}")).collect();
        let url = format!("{}/repositories/{id}/issues/{number}{rest}", self.world.base);
        let mut answer = Answer::error(301, "Moved Permanently").with("location", &url);
        if let Some(body) = answer.body.as_mut() {
            body["url"] = Value::from(url);
        }
        answer
    }
}
