//! Publishing to a git host: a token, TLS, rules, and whatever goes wrong. Each
//! story ends with every artifact in git once, or kept out of it for a reason.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::{
    GitHttp, Plan, Project, Rule, Stage, Trick,
    github::{Access, Fault, GitHub, Hit},
    wait_until,
};

const TOKEN: &str = "ghs_16C7e42F292c6912E7710c838347Ae178B4a";
const SECRET: &str = "sk-not-known-to-us-0123456789";

/// A project, and the git host that is the home of its artifacts.
struct Hosted {
    project: Project,
    http: GitHttp,
    repo: PathBuf,
}

impl Hosted {
    fn with(plan: &Plan) -> Self {
        Self::behind(Project::with(plan), GitHttp::serve)
    }

    fn behind(mut project: Project, serve: impl FnOnce(&Path) -> GitHttp) -> Self {
        let hub = project.path("hub");
        let repo = hub.join("acme/waves.git");
        fs::create_dir_all(&repo).unwrap();
        project.git_in(&repo, &["init", "--bare", "--quiet"]);
        project.git_in(&repo, &["config", "http.receivepack", "true"]);
        let http = serve(&hub);
        http.wants(TOKEN);
        project.env("WAVEMARK_GIT_REMOTE", &http.url("acme/waves.git"));
        project.env("GITHUB_TOKEN", TOKEN);
        Self { project, http, repo }
    }

    /// Every artifact is in git once, or kept out of it.
    #[track_caller]
    fn is_sound(&self) {
        let committed = self
            .project
            .sql("select id from artifacts where git_state = 'committed' order by id::text");
        assert_eq!(self.project.committed_in(&self.repo).join("\n"), committed);
        assert_eq!(
            self.project.sql("select count(*) from artifacts where git_state = 'pending'"),
            "0"
        );
        self.project.run(&["verify"]).ok();
        let found = self.project.git_in(&self.repo, &["fsck", "--strict", "--no-dangling"]);
        assert!(found.lines().all(|line| line.starts_with("notice: ")), "{found}");
    }

    /// The names of what is kept out of git: `bad.md (…), worse.md (…)`.
    fn kept_out(&self) -> String {
        self.project.sql(
            "select string_agg(name, ', ' order by seq) from artifacts where git_state = 'blocked'",
        )
    }
}

/// A project that a GitHub App speaks for, at a GitHub and at a git host that
/// knows its tokens.
fn with_app(plan: &Plan, github: &GitHub, permissions: &[(&str, Access)]) -> Hosted {
    let (id, _) = github.install_app("wavy", permissions);
    let mut host = Hosted::with(plan);
    host.http.wants_what(github.doorkeeper());
    let kind = "RSA PRIVATE KEY";
    let body = include_str!("support/app_key.txt");
    let key = format!("-----BEGIN {kind}-----\n{body}-----END {kind}-----\n");
    for (name, value) in [
        ("GITHUB_TOKEN", ""),
        ("GITHUB_API_URL", &github.url()),
        ("GITHUB_REPOSITORY", GitHub::REPO),
        ("WAVEMARK_APP_ID", &id.to_string()),
        ("WAVEMARK_APP_KEY", &key),
        ("WAVEMARK_GITHUB_PAUSE", "0s"),
    ] {
        host.project.env(name, value);
    }
    host
}

/// Two agents, three artifacts.
fn three_docs() -> Plan {
    Plan::new()
        .agent("vision", "produces: [doc/a.md]", "emit doc/a.md one; emit doc/b.md two")
        .agent("echo", "needs: [vision], produces: [doc/a.md]", "emit doc/a.md three")
}

/// One agent with so many artifacts, and others with a secret in them.
fn many_docs(count: usize, poisoned: &[usize]) -> Plan {
    let poisoned: Vec<String> = poisoned.iter().map(|place| format!("n == {place}")).collect();
    let script = format!(
        "awk 'BEGIN {{ for (n = 0; n < {count}; n++) {{
            file = ENVIRON[\"WAVEMARK_OUT\"] \"/doc/f\" n \".md\"
            print \"text \" n (({}) ? \" {SECRET}\" : \"\") > file; close(file)
         }} }}'",
        if poisoned.is_empty() { "0".to_owned() } else { poisoned.join(" || ") }
    );
    Plan::new().agent("vision", "", &script).agent(
        "echo",
        "needs: [vision], produces: [doc/a.md]",
        "emit doc/a.md three",
    )
}

#[test]
fn a_host_with_a_token_and_tls_gets_every_artifact() {
    let mut host = Hosted::behind(Project::with(&three_docs()), GitHttp::serve_tls);

    let run = host.project.run(&["run"]).exits(1);
    assert!(run.stderr.contains("nobody who is trusted here vouches for its certificate"), "{run}");
    fs::write(host.project.path("ca.pem"), host.http.ca()).unwrap();
    let ca = host.project.path("ca.pem");
    host.project.env("GIT_SSL_CAINFO", ca.to_str().unwrap());
    let run = host.project.run(&["tick", "-vv"]).ok();

    assert!(!run.stderr.contains(TOKEN), "{run}");
    assert_eq!(host.project.stored().len(), 3);
    host.is_sound();
    // One look, one push; the rest was `verify`.
    assert_eq!(host.http.asked(Stage::Push), 1);
}

#[test]
fn an_artifact_that_the_host_refuses_is_set_aside_and_the_rest_goes_on() {
    let host = Hosted::with(&many_docs(40, &[11]));
    Rule::Secret(SECRET).install(&host.repo);

    host.project.run(&["run"]).ok();

    assert_eq!(host.kept_out(), "f11.md");
    assert_eq!(host.project.stored().len(), 41);
    host.is_sound();
    // Nobody waits for it.
    assert_eq!(host.project.statuses(), "echo complete, vision complete");
    let list = host.project.run(&["feedback", "list"]).ok().stdout;
    assert!(list.contains("#1 refusal of an artifact of vision"), "{list}");
    let thread = host.project.run(&["feedback", "show", "1"]).ok().stdout;
    assert!(
        thread.contains("doc/f11.md version 1") && thread.contains("unblock-secret"),
        "{thread}"
    );
    assert!(host.project.run(&["artifacts"]).ok().stdout.contains("row, kept out of git"));
    assert!(host.project.run(&["events"]).ok().stdout.contains("blocked"));

    // Tried again, and refused again: the person hears of it once more.
    let pushes = host.http.asked(Stage::Push);
    host.project.run(&["tick"]).ok();
    assert_eq!(host.http.asked(Stage::Push), pushes);
    host.project.run(&["feedback", "resolve", "1"]).ok();
    host.project.run(&["tick"]).ok();
    assert_eq!(host.kept_out(), "f11.md");
    let thread = host.project.run(&["feedback", "show", "1"]).ok().stdout;
    assert!(thread.contains("refused again"), "{thread}");
    assert_eq!(host.project.sql("select count(*) from feedback where not resolved"), "1");

    // The host was told to let it in.
    Rule::remove(&host.repo);
    host.project.run(&["feedback", "resolve", "1"]).ok();
    host.project.run(&["tick"]).ok();
    assert_eq!(host.kept_out(), "");
    assert_eq!(host.project.committed_in(&host.repo), host.project.stored());
    host.is_sound();
    assert_eq!(host.project.sql("select count(*) from feedback"), "1");
    assert_eq!(host.project.sql("select max(generation) from agents"), "1");
}

#[test]
fn a_refusal_that_is_dismissed_leaves_the_artifact_out_of_git() {
    let host = Hosted::with(&many_docs(3, &[1]));
    Rule::SecretSomewhere(SECRET).install(&host.repo);
    host.project.run(&["run"]).ok();

    host.project.run(&["feedback", "resolve", "1", "--dismiss"]).ok();
    Rule::remove(&host.repo);
    host.project.run(&["tick"]).ok();

    assert_eq!(host.kept_out(), "f1.md");
    assert_eq!(host.project.statuses(), "echo complete, vision complete");
    host.is_sound();
}

#[test]
fn what_hits_everything_is_said_and_sets_nothing_aside() {
    let mut host = Hosted::with(&three_docs());
    let mut told = String::new();
    let mut tick = |host: &Hosted, word: &str| {
        let tick = host.project.run(&[word]).exits(1);
        assert_eq!(
            host.project.sql("select distinct git_state from artifacts"),
            "pending",
            "{tick}"
        );
        assert_eq!(host.project.sql("select count(*) from feedback"), "0");
        let said = tick.stderr.replace(&host.http.root(), "<host>");
        let starts = ["error: ", "  because ", "hint: "];
        let lines = said.lines().filter(|line| starts.iter().any(|start| line.starts_with(start)));
        told += &lines.collect::<Vec<_>>().join("\n");
        told += "\n\n";
    };
    Rule::Branch.install(&host.repo);
    tick(&host, "run");
    Rule::remove(&host.repo);
    host.http.wants_to_be_read_with(TOKEN);
    tick(&host, "tick");
    host.http.wants("another");
    tick(&host, "tick");
    host.http.always(Stage::LookToPush, 403, "This repository was archived so it is read-only.");
    host.http.wants(TOKEN);
    tick(&host, "tick");
    host.http.says(404, "Repository not found.");
    tick(&host, "tick");
    host.http.says(503, "Down for maintenance.");
    tick(&host, "tick");
    host.project.env("GITHUB_TOKEN", "");
    host.http.works();
    tick(&host, "tick");
    insta::assert_snapshot!(told, @"
    error: some artifacts are stored, but not in git yet
      because cannot push artifacts to git
      because the git remote <host>/acme/waves.git refused branch `wavemark/artifacts`: pre-receive hook declined: error: GH006: Protected branch update failed for refs/heads/wavemark/artifacts.; error: Changes must be made through a pull request.
    hint: take the artifact branch out of the rules for branches, or let the token bypass them

    error: some artifacts are stored, but not in git yet
      because cannot push artifacts to git
      because the git remote <host>/acme/waves.git denies access: it answers 403: Write access to repository not granted.
    hint: give a token that may write to the repository's contents: in a workflow `permissions: contents: write`

    error: some artifacts are stored, but not in git yet
      because cannot push artifacts to git
      because the git remote <host>/acme/waves.git did not accept the credentials
    hint: set GITHUB_TOKEN to a token that may write to the repository's contents, or let the GitHub App do so; it is shown to the host of GITHUB_SERVER_URL, and to that of WAVEMARK_GIT_REMOTE

    error: some artifacts are stored, but not in git yet
      because cannot push artifacts to git
      because the git remote <host>/acme/waves.git denies access: it answers 403: This repository was archived so it is read-only.
    hint: unarchive the repository, or set WAVEMARK_GIT_REMOTE to another

    error: some artifacts are stored, but not in git yet
      because cannot push artifacts to git
      because there is no git repository at <host>/acme/waves.git, or none that may be seen with this token
    hint: check WAVEMARK_GIT_REMOTE or `origin`, and what the token is for

    error: some artifacts are stored, but not in git yet
      because cannot push artifacts to git
      because cannot reach the git remote <host>/acme/waves.git
      because it answers 503: Down for maintenance.
    hint: nothing is lost: artifacts stay in the database and are pushed later

    error: some artifacts are stored, but not in git yet
      because cannot push artifacts to git
      because the git remote <host>/acme/waves.git did not accept the credentials
    hint: set GITHUB_TOKEN to a token that may write to the repository's contents, or let the GitHub App do so; it is shown to the host of GITHUB_SERVER_URL, and to that of WAVEMARK_GIT_REMOTE
    ");

    host.project.env("GITHUB_TOKEN", TOKEN);
    host.project.run(&["tick"]).ok();
    assert_eq!(host.project.committed_in(&host.repo), host.project.stored());
    host.is_sound();
}

#[test]
fn a_push_whose_answer_is_lost_is_not_made_again() {
    for trick in [Trick::HangsUpAfter, Trick::HangsUp, Trick::BreaksOff(120)] {
        let host = Hosted::with(&three_docs());
        let name = format!("{trick:?}");
        host.http.once(Stage::Push, trick);

        let run = host.project.run(&["run"]);
        host.project.run(&["tick"]).ok();

        assert!(run.to_string().contains("complete"), "{name}: {run}");
        assert_eq!(host.project.committed_in(&host.repo), host.project.stored(), "{name}");
        host.is_sound();
    }
}

#[test]
fn a_checkout_with_no_history_publishes_all_the_same() {
    let mut host = Hosted::with(&three_docs());
    // The definitions, with a history, on the branch that is checked out.
    let author = host.project.path("author");
    fs::create_dir(&author).unwrap();
    host.project.git_in(&author, &["init", "--quiet", "-b", "main"]);
    for n in ["one", "two", "three"] {
        fs::create_dir_all(author.join("waves")).unwrap();
        fs::write(author.join("waves/notes.md"), n).unwrap();
        host.project.git_in(&author, &["add", "."]);
        host.project.git_in(&author, &["commit", "--quiet", "-m", n]);
    }
    host.project.git_in(&author, &["push", "--quiet", host.repo.to_str().unwrap(), "main"]);
    let url = host.http.url("acme/waves.git");
    let with_token = url.replace("://", &format!("://x-access-token:{TOKEN}@"));
    let root = host.project.path(".");
    host.project.git_in(&root, &["init", "--quiet"]);
    host.project.git_in(&root, &["fetch", "--quiet", "--depth=1", &with_token, "main"]);
    host.project.git_in(&root, &["reset", "--quiet", "FETCH_HEAD"]);
    host.project.git_in(&root, &["remote", "add", "origin", &url]);
    assert!(host.project.path(".git/shallow").exists());
    host.project.env("WAVEMARK_GIT_REMOTE", "");
    host.project.env("GITHUB_SERVER_URL", &host.http.root());

    host.project.run(&["run"]).ok();

    assert_eq!(host.project.committed_in(&host.repo), host.project.stored());
    host.is_sound();
    // And once more, from a machine that has nothing yet.
    fs::remove_dir_all(host.project.path(".wavemark/artifacts.git")).unwrap();
    host.project.run(&["rebuild", "echo"]).ok();
    host.project.run(&["run"]).ok();
    host.is_sound();
    let heads = host.project.git_in(&host.repo, &["for-each-ref", "--format=%(refname:short)"]);
    assert_eq!(heads, "main\nwavemark/artifacts");
}

#[test]
fn a_repository_by_ssh_is_reached_with_the_token_or_not_at_all() {
    let mut host = Hosted::with(&three_docs());
    let root = host.project.path(".");
    host.project.git_in(&root, &["init", "--quiet"]);
    host.project.env("WAVEMARK_GIT_REMOTE", "");
    host.project.env("GITHUB_SERVER_URL", &host.http.root());
    let origin =
        host.http.root().replace("http://127.0.0.1", "ssh://git@127.0.0.1") + "/acme/waves.git";
    host.project
        .git_in(&root, &["remote", "add", "origin", "git@elsewhere.example:acme/waves.git"]);

    let run = host.project.run(&["run"]).exits(1);
    assert!(run.stderr.contains("use the https:// URL of the repository"), "{run}");
    host.project.git_in(&root, &["remote", "set-url", "origin", &origin]);
    host.project.run(&["run"]).ok();

    assert_eq!(host.project.committed_in(&host.repo), host.project.stored());
    host.is_sound();
}

#[test]
fn a_token_of_github_is_not_shown_to_another_host() {
    let mut host = Hosted::with(&three_docs());
    let root = host.project.path(".");
    host.project.git_in(&root, &["init", "--quiet"]);
    host.project.git_in(&root, &["remote", "add", "origin", &host.http.url("acme/waves.git")]);
    host.project.env("WAVEMARK_GIT_REMOTE", "");

    host.project.run(&["run"]).exits(1);

    assert!(host.http.asked(Stage::Look) > 0);
    assert!(host.http.seen().iter().all(|seen| seen.authorization.is_empty()));
}

#[test]
fn a_github_app_pushes_with_a_token_of_its_own_and_with_another_after_that_one() {
    let github = GitHub::start();
    let plan = Plan::new().agent(
        "vision",
        "produces: [doc/a.md]",
        "emit doc/draft.md one; gate second; emit doc/a.md two",
    );
    let host = with_app(&plan, &github, &[("contents", Access::Write), ("issues", Access::Write)]);

    let run = host.project.start(&["run"]);
    wait_until("the first artifact is in git", || {
        host.project.sql("select count(*) from artifacts where git_state = 'committed'") == "1"
    });
    github.revoke_tokens_of_apps();
    host.project.open("second");
    let run = run.wait().ok();

    assert_eq!(host.project.committed_in(&host.repo), host.project.stored());
    assert_eq!(host.project.stored().len(), 2);
    assert!(!run.to_string().contains("ghs_"), "{run}");
    host.is_sound();
}

#[test]
fn a_github_app_that_gets_no_token_holds_up_the_push_and_nothing_else() {
    let github = GitHub::start();
    let host = with_app(&three_docs(), &github, &[("issues", Access::Write)]);

    let run = host.project.run(&["run"]).exits(1);

    assert_eq!(host.project.statuses(), "echo complete, vision complete");
    assert_eq!(host.project.sql("select distinct git_state from artifacts"), "pending", "{run}");
    assert!(run.stderr.contains("did not accept the credentials"), "{run}");
    assert!(run.stderr.contains("let the GitHub App"), "{run}");

    github.disturb("POST /app/installations/*/access_tokens", Hit::From(1), Fault::BadGateway);
    let tick = host.project.run(&["tick"]).exits(1);
    assert!(tick.stderr.contains("cannot get a token of the GitHub App's"), "{tick}");
    assert_eq!(host.project.sql("select distinct git_state from artifacts"), "pending", "{tick}");

    github.recover();
    github.permit_app(&[("contents", Access::Write), ("issues", Access::Write)]);
    host.project.run(&["tick"]).ok();
    host.is_sound();
}

#[test]
fn a_large_artifact_is_pushed_and_git_hosts_wish_is_told() {
    let host = Hosted::with(&Plan::new().agent(
        "vision",
        "produces: [doc/a.md]",
        "head -c 1200000 /dev/zero | tr '\\0' x > \"$WAVEMARK_OUT/doc/big.md\"; emit doc/a.md one",
    ));

    let run = host.project.run(&["run"]).ok();

    assert!(run.stderr.contains("git hosts ask for at most 1 MiB a file"), "{run}");
    assert_eq!(host.project.stored().len(), 2);
    host.is_sound();
}
