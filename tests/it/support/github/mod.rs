//! A GitHub for tests: a real socket, a memory, and GitHub's own description
//! of its API as the judge of everything that is said on it.
//!
//! A test has one of its own, made with [`GitHub::start`]: people act on it
//! through [`GitHub::as_user`], programs through [`GitHub::url`] and a token,
//! and [`Fault`]s come between. At the end it fails the test if the client
//! asked for anything that GitHub doesn't know, see [`GitHub::check`].
//!
//! | module | what it is |
//! |---|---|
//! | `world` | what GitHub remembers, and what changes it |
//! | `people`, `api` | the two doors to it: pages and tokens |
//! | `render`, `answer`, `clock` | how it speaks |
//! | `contract`, `schema` | what it may say and hear, from `openapi.json` |
//! | `server`, `http`, `request`, `faults` | the wire, and how it breaks |
//!
//! **Invariant:** what GitHub would not answer is never sent.

mod answer;
mod api;
mod clock;
mod contract;
mod faults;
mod http;
mod people;
mod render;
mod request;
mod schema;
mod server;
mod tests;
mod world;

use std::sync::Arc;

use chrono::TimeDelta;

pub(crate) use self::{
    faults::{Fault, Hit},
    server::Exchange,
    world::{Access, Comment, Dispatch, Issue, Reason, Repo, Role, Token, Workflow},
};
use self::{
    server::Shared,
    world::{App, World, named},
};

/// A fake GitHub, with a public repo `acme/waves` of which `ann` is the admin.
#[derive(Debug)]
pub(crate) struct GitHub {
    shared: Arc<Shared>,
    /// Only the one that the test holds has it.
    _ending: Option<Ending>,
}

impl GitHub {
    /// The first repo.
    pub(crate) const REPO: &str = "acme/waves";

    /// github.com.
    pub(crate) fn start() -> Self {
        Self::serve(false)
    }

    /// A GitHub Enterprise Server: all paths are below `/api/v3`.
    pub(crate) fn start_enterprise() -> Self {
        Self::serve(true)
    }

    fn serve(enterprise: bool) -> Self {
        contract::read();
        let shared = Shared::serve(World::default(), enterprise);
        let github = Self { _ending: Some(Ending(Arc::clone(&shared))), shared };
        github.create_repo(Self::REPO);
        github.add_collaborator("ann", Role::Admin);
        github
    }

    /// Where the API is: what `GITHUB_API_URL` holds.
    pub(crate) fn url(&self) -> String {
        self.shared.base()
    }

    /// Gives out a token.
    pub(crate) fn token(&self, token: Token) -> String {
        self.shared.lock().world.give(token)
    }

    /// What a job of GitHub Actions gets that asks for all that we need.
    pub(crate) fn actions_token(&self) -> String {
        let permissions = ["actions", "contents", "issues", "pull_requests"];
        self.token(Token::of_actions(&permissions.map(|name| (name, Access::Write))))
    }

    /// From now on, nobody gets in with this token.
    pub(crate) fn revoke(&self, token: &str) {
        self.shared.lock().world.tokens.remove(token);
    }

    /// From now on, nobody gets in with a token that an App made.
    pub(crate) fn revoke_tokens_of_apps(&self) {
        self.shared.lock().world.tokens.retain(|_, token| token.expires_at.is_none());
    }

    /// What a git server beside it asks: whether a token writes contents now.
    pub(crate) fn doorkeeper(&self) -> impl Fn(&str) -> bool + Send + 'static {
        let shared = Arc::clone(&self.shared);
        move |token| {
            let world = &shared.lock().world;
            let now = world.clock.now();
            let token = world.tokens.get(token);
            let token = token.filter(|token| token.expires_at.is_none_or(|end| end > now));
            token.is_some_and(|token| token.opens("contents") == Access::Write)
        }
    }

    /// Installs a GitHub App: its id, and the id of its installation.
    pub(crate) fn install_app(&self, slug: &str, permissions: &[(&str, Access)]) -> (u64, u64) {
        let world = &mut self.shared.lock().world;
        let (id, installation) = (world.id(), world.id());
        let (slug, permissions) = (slug.to_owned(), named(permissions));
        world.app = Some(App { id, installation, slug, permissions });
        (id, installation)
    }

    /// The owner of the App accepts that it has these permissions now.
    pub(crate) fn permit_app(&self, permissions: &[(&str, Access)]) {
        if let Some(app) = &mut self.shared.lock().world.app {
            app.permissions = named(permissions);
        }
    }

    /// Makes another repo.
    pub(crate) fn create_repo(&self, full_name: &str) {
        self.shared.lock().world.create_repo(full_name);
    }

    /// Changes the settings of the first repo, or what is in it.
    pub(crate) fn repo<T>(&self, act: impl FnOnce(&mut Repo) -> T) -> T {
        act(&mut self.shared.lock().world.repos[0])
    }

    /// Gives somebody a role in the first repo.
    pub(crate) fn add_collaborator(&self, login: &str, role: Role) {
        self.shared.lock().world.user(login);
        self.repo(|repo| repo.roles.insert(login.to_owned(), role));
    }

    /// Puts a workflow into the first repo; with the inputs of its
    /// `workflow_dispatch`, where it has one.
    pub(crate) fn add_workflow(&self, file: &str, dispatch: Option<&[&str]>) {
        let id = self.shared.lock().world.id();
        let dispatch =
            dispatch.map(|inputs| inputs.iter().map(|&input| input.to_owned()).collect());
        let workflow = Workflow { id, file: file.to_owned(), disabled: false, dispatch };
        self.repo(|repo| repo.workflows.push(workflow));
    }

    /// GitHub's clock goes on only by [`GitHub::pass`].
    pub(crate) fn stop_clock(&self) {
        self.shared.lock().world.clock.stop();
    }

    /// Puts GitHub's clock forward, or back.
    pub(crate) fn pass(&self, time: TimeDelta) {
        self.shared.lock().world.clock.pass(time);
    }

    /// From now on, new issues are missing from lists for so long: GitHub
    /// promises that they come, not when.
    pub(crate) fn lists_lag_by(&self, time: TimeDelta) {
        self.shared.lock().world.lag = time;
    }

    /// Breaks calls that fit a pattern like `POST /repos/*/*/issues`, or all
    /// of them with `*`. The first rule that hits counts.
    pub(crate) fn disturb(&self, pattern: &str, hit: Hit, fault: Fault) {
        self.shared.lock().faults.add(pattern, hit, fault);
    }

    /// Lets something happen just before a call is heard: what somebody does
    /// between two calls of a client.
    pub(crate) fn before(
        &self,
        pattern: &str,
        nth: usize,
        act: impl FnOnce(&Self) + Send + 'static,
    ) {
        self.shared.lock().faults.add_interlude(pattern, nth, Box::new(act));
    }

    /// From now on, nothing goes wrong.
    pub(crate) fn recover(&self) {
        self.shared.lock().faults.clear();
    }

    /// The issues of the first repo, pull requests left out.
    pub(crate) fn issues(&self) -> Vec<Issue> {
        self.repo(|repo| {
            repo.issues.values().filter(|issue| !issue.is_pull_request).cloned().collect()
        })
    }

    /// One issue of the first repo.
    pub(crate) fn issue(&self, number: u64) -> Issue {
        self.repo(|repo| repo.issues[&number].clone())
    }

    /// The comments on an issue of the first repo.
    pub(crate) fn comments(&self, number: u64) -> Vec<Comment> {
        self.repo(|repo| repo.comments_on(number).cloned().collect())
    }

    /// The faces under a comment of the first repo, by their names.
    pub(crate) fn reactions(&self, comment: u64) -> Vec<String> {
        self.repo(|repo| {
            let on = repo.reactions.iter().filter(|reaction| reaction.on == comment);
            on.map(|reaction| reaction.content.clone()).collect()
        })
    }

    /// What was dispatched in the first repo.
    pub(crate) fn dispatches(&self) -> Vec<Dispatch> {
        self.repo(|repo| repo.dispatches.clone())
    }

    /// What was asked, and what GitHub did about it.
    pub(crate) fn requests(&self) -> Vec<Exchange> {
        self.shared.lock().exchanges.clone()
    }

    /// The same as text, a line each.
    pub(crate) fn transcript(&self) -> String {
        let lines: Vec<String> = self.requests().iter().map(ToString::to_string).collect();
        lines.join("\n")
    }

    /// Fails if anybody said what is never said to GitHub, or by it.
    #[track_caller]
    pub(crate) fn check(&self) {
        self.shared.check();
    }
}

/// What has to be done once, when the test is over.
#[derive(Debug)]
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.stop();
        if !std::thread::panicking() {
            self.0.check();
        }
    }
}

/// Runs a scenario undisturbed, and then once for every call that it makes and
/// every one of these faults at that call.
///
/// The scenario makes its own calls and its own assertions; it has to make the
/// same calls every time up to the fault.
pub(crate) fn at_every_call(faults: &[Fault], scenario: impl Fn(&GitHub)) {
    let calm = GitHub::start();
    scenario(&calm);
    let calls = calm.requests();
    assert!(!calls.is_empty(), "a scenario that calls nothing");
    for (nth, call) in (1..).zip(&calls) {
        for &fault in faults {
            eprintln!("{fault:?} at call {nth}, {call}");
            let github = GitHub::start();
            github.disturb("*", Hit::Nth(nth), fault);
            scenario(&github);
            let hit = github.requests().get(nth - 1).is_some_and(|call| call.fault.is_some());
            assert!(hit, "the scenario never came to call {nth}");
        }
    }
}
