//! A plan on its pull request: compared with a branch, said in one comment, and
//! held to it when it is merged.

use std::fs;

use serde_json::{Value, json};

use crate::support::{
    Plan, Project,
    github::{Access, Fault, GitHub, Hit, Token, at_every_call},
};

const BOT: &str = "github-actions[bot]";
const SHA: &str = "1111111111111111111111111111111111111111";
const MERGED: &str = "2222222222222222222222222222222222222222";
const COMMENTS: &str = "POST /repos/*/*/issues/*/comments";

fn duo(word: &str) -> Plan {
    Plan::new().agent("vision", &format!("env: {{ WORD: {word} }}"), "true").agent(
        "echo",
        "needs: [vision]",
        "true",
    )
}

/// A project in a git repo, of which `main` is this plan. No database answers.
fn in_git(plan: &Plan) -> Project {
    let mut project = Project::elsewhere(plan);
    project.env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none");
    git(&project, &["init", "--quiet", "--initial-branch=main"]);
    commit(&project);
    project
}

fn git(project: &Project, args: &[&str]) -> String {
    project.git_in(&project.path("."), args)
}

fn commit(project: &Project) {
    git(project, &["add", "waves", "sh"]);
    git(project, &["commit", "--quiet", "--allow-empty", "--message", "Plan"]);
}

/// Lets the binary speak on `github`, with this token.
fn speaks_on(project: &mut Project, github: &GitHub, token: &str) {
    project.env("GITHUB_API_URL", &github.url());
    project.env("GITHUB_REPOSITORY", GitHub::REPO);
    project.env("GITHUB_TOKEN", token);
    project.env("WAVEMARK_GITHUB_PAUSE", "0s");
    project.env("WAVEMARK_GITHUB_TIMEOUT", "5s");
}

/// A repo with a pull request of Ann's, and a project whose plan is in
/// `plan.json`.
fn proposed(github: &GitHub) -> Project {
    let mut project = in_git(&duo("one"));
    project.replan(&duo("two"));
    say_plan(&project);
    github.as_user("ann").propose("Two", "acme:two", SHA);
    speaks_on(&mut project, github, &github.actions_token());
    project
}

fn say_plan(project: &Project) {
    let plan = project.run(&["plan", "--against", "main", "--json"]).ok();
    fs::write(project.path("plan.json"), plan.stdout).unwrap();
}

/// Who wrote which comments on the pull request: how they begin.
fn comments(github: &GitHub) -> Vec<String> {
    let all = github.comments(1).into_iter();
    all.map(|comment| {
        let hash = regex::Regex::new("[0-9a-f]{64}").unwrap();
        let body = hash.replace(&comment.body, "<sha-256>");
        let begin: Vec<&str> = body.lines().take(2).collect();
        format!("{}: {}", comment.user, begin.join(" "))
    })
    .collect()
}

const SAID: &str = "github-actions[bot]: <!-- wavemark:plan v1 hash=<sha-256> --> **Plan of \
                    `tested`:** 1 to change, 1 to build again; 1 stays as it is";

#[test]
fn a_plan_is_compared_with_a_branch_and_no_database_is_asked() {
    let project = in_git(&duo("one"));
    insta::assert_snapshot!(project.run(&["plan", "--against", "main", "--exit-code"]), @"
    exit 0
    nothing to change; 2 agents as they should be

    compared with the plan at main (<digest>), as if that were built; the database was not asked, so what could start is not known
    the longest chain takes 2 steps: vision → echo
    the hash of the plan: <sha-256>
    ");

    project.replan(&duo("two").agent("reel", "", "true"));
    insta::assert_snapshot!(project.run(&["plan", "--against", "HEAD", "--exit-code"]), @"
    exit 3
    1 to create, 1 to change, 1 to build again; 1 stays as it is

    wave one
      + reel: create
      ~ vision: build again because of env
          env: -WORD=one +WORD=two

    compared with the plan at HEAD (<digest>), as if that were built; the database was not asked, so what could start is not known
    the longest chain takes 2 steps: vision → echo
    to apply this plan: wavemark sync --expect <sha-256>
    ");
    commit(&project);
    project.run(&["plan", "--against", "HEAD", "--exit-code"]).exits(0);
    let before = git(&project, &["rev-parse", "HEAD~1"]);
    for revision in ["HEAD^1", "main~1", &before] {
        project.run(&["plan", "--against", revision, "--exit-code"]).exits(3);
    }
    // What the programs were at that time is of no interest.
    git(&project, &["rm", "--quiet", "-r", "--cached", "sh"]);
    commit(&project);
    project.run(&["plan", "--against", "HEAD", "--exit-code"]).exits(0);
}

#[test]
fn a_plan_at_a_revision_has_the_profiles_of_that_revision() {
    let project = in_git(&duo("one"));
    let mine = project.path("waves/profiles/mine.yaml");
    project.replan(&duo("one").entry("other", "run: { mine: {} }, prompt: Do it."));
    fs::create_dir(mine.parent().unwrap()).unwrap();
    fs::write(&mine, "start: [sh, '{prompt}']\n").unwrap();
    commit(&project);
    project.run(&["plan", "--against", "HEAD", "--exit-code"]).exits(0);

    fs::write(&mine, "start: [sh, -e, '{prompt}']\n").unwrap();
    project.run(&["plan", "--against", "HEAD", "--exit-code"]).exits(3);
}

#[test]
fn a_revision_without_a_good_plan_is_told() {
    let project = in_git(&duo("one"));
    let good = git(&project, &["rev-parse", "HEAD"]);
    insta::assert_snapshot!(project.run(&["plan", "--against", "no/such"]), @"
    exit 1
    error: git knows no revision `no/such`
    hint: is it spelled so, and was it fetched? `git fetch origin`
    ");

    git(&project, &["rm", "--quiet", "-r", "--cached", "waves"]);
    git(&project, &["commit", "--quiet", "--message", "Nothing"]);
    insta::assert_snapshot!(project.run(&["plan", "--against", "HEAD"]), @"
    exit 0
    2 to create; 0 stay as they are

    project (new)

    wave one (new)
      + echo: create
      + vision: create

    there is no plan at HEAD (<digest>), so all of it is new; the database was not asked, so what could start is not known
    the longest chain takes 2 steps: vision → echo
    to apply this plan: wavemark sync --expect <sha-256>
    ");

    fs::write(project.path("waves/one.yaml"), "wave: one\nagents: { a: { rnu: 1 } }\n").unwrap();
    commit(&project);
    project.replan(&duo("one"));
    insta::assert_snapshot!(project.run(&["plan", "--against", "HEAD"]), @"
    exit 1
    error: the plan at `HEAD` has problems itself: 2 errors
      waves/one.yaml:2:14: error: agent `a` needs `run` (write `run: { exec: [agents/program.sh] }`)
      waves/one.yaml:2:16: error: `rnu` is not a field of agent `a` (did you mean `run`?)
    hint: compare with an earlier revision, such as its parent
    ");
    project.run(&["plan", "--against", &good]).ok();

    commit(&project);
    let shallow = project.path("shallow");
    let url = format!("file://{}", project.path(".").display());
    git(&project, &["clone", "--quiet", "--depth=1", &url, shallow.to_str().unwrap()]);
    insta::assert_snapshot!(project.run(&["-C", "shallow", "plan", "--against", "HEAD~1"]), @"
    exit 1
    error: git knows no revision `HEAD~1` in this shallow clone
    hint: fetch it: `git fetch --unshallow`; with actions/checkout, `fetch-depth: 0`
    ");
    let outside = Project::elsewhere(&duo("one"));
    insta::assert_snapshot!(outside.run(&["plan", "--against", "HEAD"]), @"
    exit 1
    error: <folder> is not in a git repository
    hint: leave `--against` out to compare with the database
    ");
}

#[test]
fn a_pull_request_gets_one_comment_that_is_kept_up_to_date() {
    let github = GitHub::start();
    let project = proposed(&github);
    let comment = || project.run(&["comment", "plan.json", "--pull-request", "1"]).ok().stdout;

    assert_eq!(comment(), "commented on #1\n");
    let markdown = project.run(&["plan", "--against", "main", "--markdown"]).ok().stdout;
    let body = github.comments(1)[0].body.clone();
    let (mark, text) = body.split_once('\n').unwrap();
    assert_eq!(text, markdown);
    let hash = project.run(&["plan", "--against", "main", "--json"]).ok().json()["hash"].clone();
    assert_eq!(mark, format!("<!-- wavemark:plan v1 hash={} -->", hash.as_str().unwrap()));

    let before = github.requests().len();
    assert_eq!(comment(), "the comment on #1 says so already\n");
    let asked = github.requests().split_off(before);
    assert!(asked.iter().all(|call| call.method == "GET"), "{asked:#?}");

    project.replan(&duo("three"));
    say_plan(&project);
    assert_eq!(comment(), "edited the comment on #1\n");
    assert_eq!(github.comments(1).len(), 1);
    assert_ne!(github.comments(1)[0].body, body);
}

#[test]
fn a_plan_with_problems_is_told_too() {
    let github = GitHub::start();
    let project = proposed(&github);
    project.run(&["comment", "plan.json", "--pull-request", "1"]).ok();
    fs::write(project.path("waves/one.yaml"), "wave: one\nagents: { '@ann': { rnu: 1 } }\n")
        .unwrap();
    let problems = project.run(&["check", "--format", "json"]).exits(3);
    fs::write(project.path("problems.json"), problems.stdout).unwrap();

    project.run(&["comment", "problems.json", "--pull-request", "1"]).ok();

    assert_eq!(github.comments(1).len(), 1);
    insta::assert_snapshot!(github.comments(1)[0].body, @"
    <!-- wavemark:plan v1 -->
    **The plan has problems:** 3 errors. Nothing of it can be applied.

    - error at `waves/one.yaml:2:11`: `` `@ann` cannot name an agent: use 1 to 63 of a-z, 0-9 and `-`, starting with a letter ``
    - error at `waves/one.yaml:2:19`: `` agent `@ann` needs `run` `` (hint: `` write `run: { exec: [agents/program.sh] }` ``)
    - error at `waves/one.yaml:2:21`: `` `rnu` is not a field of agent `@ann` `` (hint: ``did you mean `run`?``)

    `wavemark check` shows all of them with their lines.
    ");

    fs::write(project.path("empty.json"), "[]").unwrap();
    insta::assert_snapshot!(project.run(&["comment", "empty.json", "--pull-request", "1"]), @"
    exit 1
    error: cannot use empty.json
      because it lists no error, so the plan is good, and `wavemark plan --json` says what it does
    ");
}

#[test]
fn a_job_that_trusts_nothing_finds_the_pull_request_by_its_head() {
    let github = GitHub::start();
    let project = proposed(&github);
    let other = "3333333333333333333333333333333333333333";
    github.as_user("mallory").propose("Mine", "mallory:two", other);
    let comment = |head: &str, sha: &str| {
        project.run(&["comment", "plan.json", "--head", head, "--sha", sha]).ok().stdout
    };

    assert_eq!(comment("acme:two", SHA), "commented on #1\n");
    assert_eq!(comment("Mallory:two", other), "commented on #2\n");
    assert!(github.comments(2)[0].body.contains("a job of the fork"));
    assert!(!github.comments(1)[0].body.contains("a job of the fork"));

    github.as_user("mallory").push(2, MERGED);
    let before = github.comments(2)[0].clone();
    insta::assert_snapshot!(comment("mallory:two", other), @"said nothing: 2222222222222222222222222222222222222222 was pushed to #2 meanwhile, and its own job comments");
    insta::assert_snapshot!(comment("mallory:three", other), @"said nothing: no open pull request comes from mallory:three");
    assert_eq!(github.comments(2)[0].body, before.body);
    github.as_user("mallory").propose("Again", "mallory:two", other);
    let several = ["comment", "plan.json", "--head", "mallory:two", "--sha", other];
    insta::assert_snapshot!(project.run(&several), @"
    exit 1
    error: several open pull requests come from mallory:two: #3, #2
    hint: say which one with --pull-request
    ");
    project.run(&["comment", "plan.json", "--head", "acme:two"]).exits(2);
    project.run(&["comment", "plan.json", "--head", "two", "--sha", other]).exits(2);
    project.run(&["comment", "plan.json"]).exits(2);
}

#[test]
fn a_comment_of_a_stranger_with_our_mark_is_left_alone() {
    let github = GitHub::start();
    let project = proposed(&github);
    let forged = format!("<!-- wavemark:plan v1 hash={} -->\nAll is well.", "0".repeat(64));
    github.as_user("mallory").comment(1, &forged);

    project.run(&["comment", "plan.json", "--pull-request", "1"]).ok();
    project.run(&["comment", "plan.json", "--pull-request", "1"]).ok();

    assert_eq!(github.comments(1)[0].body, forged);
    assert_eq!(comments(&github)[1..], [SAID]);
}

#[test]
fn whoever_breaks_in_there_is_one_comment_in_the_end() {
    let faults = [
        Fault::BadGateway,
        Fault::BadGatewayAfter,
        Fault::Dropped,
        Fault::DroppedAfter,
        Fault::Truncated,
        Fault::LastOne,
        Fault::SecondaryLimit,
    ];
    let project = std::sync::Mutex::new(in_git(&duo("one")));
    {
        let project = project.lock().unwrap();
        project.replan(&duo("two"));
        say_plan(&project);
    }
    at_every_call(&faults, |github| {
        github.as_user("ann").propose("Two", "acme:two", SHA);
        let mut project = project.lock().unwrap();
        speaks_on(&mut project, github, &github.actions_token());
        let comment = || project.run(&["comment", "plan.json", "--pull-request", "1"]);
        if comment().code != 0 {
            comment().ok();
        }
        assert_eq!(comments(github), [SAID]);
    });
}

#[test]
fn of_two_jobs_at_once_one_comment_remains() {
    let github = GitHub::start();
    let project = proposed(&github);
    github.before(COMMENTS, 1, |github| {
        let other = "<!-- wavemark:plan v1 -->\nAn older plan.";
        github.as_user(BOT).comment(1, other);
    });

    project.run(&["comment", "plan.json", "--pull-request", "1"]).ok();

    assert_eq!(comments(&github), [SAID]);
    let both = [1, 2].map(|_| project.start(&["comment", "plan.json", "--pull-request", "1"]));
    for one in both {
        one.wait().ok();
    }
    assert_eq!(comments(&github), [SAID]);
}

#[test]
fn an_app_and_a_person_know_their_own_comments() {
    let github = GitHub::start();
    let mut project = proposed(&github);
    let write = [("pull_requests", Access::Write)];
    github.add_collaborator("ben", crate::support::github::Role::Write);
    // A token of an App that does not say whose it is.
    let app = Token { login: "waves[bot]".to_owned(), ..Token::of_actions(&write) };
    for (who, token) in [("ben", Token::of_with("ben", &write)), ("waves[bot]", app)] {
        speaks_on(&mut project, &github, &github.token(token));
        for _ in 0..2 {
            project.run(&["comment", "plan.json", "--pull-request", "1"]).ok();
            let theirs = comments(&github).into_iter().filter(|said| said.starts_with(who));
            assert_eq!(theirs.count(), 1);
        }
    }
}

#[test]
fn what_github_does_not_allow_is_told_with_what_to_do() {
    let github = GitHub::start();
    let mut project = proposed(&github);
    let comment = |project: &Project, number: &str| {
        project.run(&["comment", "plan.json", "--pull-request", number])
    };
    insta::assert_snapshot!(comment(&project, "7"), @"
    exit 1
    error: there is no pull request 7 in acme/waves
    ");
    github.as_user("ann").lock(1);
    insta::assert_snapshot!(comment(&project, "1"), @"
    exit 1
    error: cannot comment on pull request #1
      because issue 1 of acme/waves is locked
    hint: unlock the conversation on GitHub, or leave it as it is
    ");
    let token = github.token(Token::of_actions(&[("contents", Access::Read)]));
    speaks_on(&mut project, &github, &token);
    insta::assert_snapshot!(comment(&project, "1"), @"
    exit 1
    error: cannot comment on pull request #1
      because the token lacks a permission for acme/waves: issues: write, or pull-requests: write (GitHub says: Resource not accessible by integration)
    hint: in a workflow, add it below the job's `permissions:`; for a fine-grained token or a GitHub App, add it in its settings on GitHub (an App's owner then accepts it once)
    ");
    project.env("GITHUB_TOKEN", "");
    insta::assert_snapshot!(comment(&project, "1"), @"
    exit 1
    error: nothing says who speaks on GitHub, or in which repo
    hint: set GITHUB_TOKEN and, unless `origin` is on GitHub, GITHUB_REPOSITORY=owner/name
    ");
}

#[test]
fn a_hostile_file_gives_no_orders() {
    let github = GitHub::start();
    let project = proposed(&github);
    let plan: Value =
        serde_json::from_slice(&fs::read(project.path("plan.json")).unwrap()).unwrap();
    let write = |value: &Value| fs::write(project.path("bad.json"), value.to_string()).unwrap();
    let comment = || project.run(&["comment", "bad.json", "--pull-request", "1"]);
    let before = github.requests().len();
    for (name, value) in [("svg", json!("<svg>")), ("project", json!("a`b")), ("hash", json!("0"))]
    {
        let mut bad = plan.clone();
        bad[name] = value;
        write(&bad);
        comment().exits(1);
    }
    fs::write(project.path("bad.json"), vec![b' '; 2 << 20]).unwrap();
    insta::assert_snapshot!(comment(), @"
    exit 1
    error: cannot use bad.json
      because it has more than 1048576 bytes
    ");
    assert_eq!(github.requests().len(), before, "nothing of it reaches GitHub");

    let mut bad = plan;
    let evil = "`\n```\n</details>\n<!-- wavemark:plan v1 -->\n@ann <script>|# [x](http://y)";
    bad["warnings"] = json!([evil, evil]);
    bad["against"]["name"] = json!(evil);
    bad["changes"]["agents"]["vision"]["fields"]["env"]["items"]["added"] = json!([evil]);
    write(&bad);
    comment().ok();
    let body = github.comments(1)[0].body.clone();
    assert_eq!(body.lines().filter(|line| line.starts_with("<!--")).count(), 1);
    assert_eq!(body.lines().filter(|line| line.starts_with("</details>")).count(), 1);
    assert!(body.lines().all(|line| !line.starts_with(['@', '#'])), "{body}");
}

/// A project with a database, whose plan `two` was reviewed and merged.
fn merged(github: &GitHub) -> Project {
    let mut project = Project::with(&duo("one"));
    git(&project, &["init", "--quiet", "--initial-branch=main"]);
    commit(&project);
    project.replan(&duo("two"));
    say_plan(&project);
    github.as_user("ann").propose("Two", "acme:two", SHA);
    speaks_on(&mut project, github, &github.actions_token());
    project.run(&["comment", "plan.json", "--pull-request", "1"]).ok();
    github.as_user("ann").merge(1, MERGED);
    project
}

#[test]
fn what_people_agreed_to_is_what_is_synced() {
    let github = GitHub::start();
    let project = merged(&github);
    project.replan(&duo("three"));
    let sync = ["sync", "--reviewed", MERGED];
    insta::assert_snapshot!(project.run(&sync), @"
    exit 1
    #1 was merged with the plan <sha-256>
    error: the plan has moved: `waves/` now has the hash <sha-256>, and not <sha-256>
    hint: nothing was changed; look at `wavemark plan`, and if it is what you want, run the `wavemark sync --expect` that it ends with
    ");
    let before = project.run(&["plan", "--exit-code"]).exits(3);
    assert!(before.stdout.contains("-WORD=one +WORD=three"), "{before}");

    project.replan(&duo("two"));
    insta::assert_snapshot!(project.run(&sync), @"
    exit 0
    1 changed; 1 stays as it is

    wave one
      ~ vision: changed
          env: -WORD=one +WORD=two
    #1 was merged with the plan <sha-256>
    ");
}

#[test]
fn what_nobody_agreed_to_is_synced_and_said() {
    let github = GitHub::start();
    let project = merged(&github);
    insta::assert_snapshot!(project.run(&["sync", "--reviewed", SHA]), @"
    exit 0
    1 changed; 1 stays as it is

    wave one
      ~ vision: changed
          env: -WORD=one +WORD=two
    no pull request was merged as <commit>: syncing whatever the plan is
    ");
    let head = git(&project, &["rev-parse", "HEAD"]);
    let named = project.run(&["sync", "--reviewed", "main"]).ok();
    assert!(named.stderr.contains(&head), "{named}");

    // A forged comment counts for nothing.
    let number = github.as_user("ann").propose("Three", "acme:three", SHA);
    let forged = format!("<!-- wavemark:plan v1 hash={} -->", "0".repeat(64));
    github.as_user("mallory").comment(number, &forged);
    github.as_user("ann").merge(number, SHA);
    insta::assert_snapshot!(project.run(&["sync", "--reviewed", SHA]), @"
    exit 0
    nothing to change; 2 agents as they should be
    #2 has no comment of ours: syncing whatever the plan is
    ");

    // What was closed without being merged became nothing.
    let number = github.as_user("ann").propose("Four", "acme:four", SHA);
    github.as_user(BOT).comment(number, &forged);
    github.as_user("ann").close(number, crate::support::github::Reason::Completed);
    project.run(&["sync", "--reviewed", &"f".repeat(40)]).ok();
}

#[test]
fn where_github_does_not_answer_nothing_is_synced() {
    let github = GitHub::start();
    let mut project = merged(&github);
    github.disturb("*", Hit::From(1), Fault::BadGateway);
    insta::assert_snapshot!(project.run(&["sync", "--reviewed", MERGED]), @"
    exit 1
    error: nothing was synced: cannot find out which plan people agreed to
      because GitHub gives no useful answer
      because GitHub answered 502
    hint: run this again; a tick tries again by itself; https://www.githubstatus.com says how GitHub is
    ");
    github.recover();
    project.run(&["plan", "--exit-code"]).exits(3);

    github.as_user(BOT).edit_comment(github.comments(1)[0].id, "<!-- wavemark:plan v1 -->\nBad.");
    insta::assert_snapshot!(project.run(&["sync", "--reviewed", MERGED]), @"
    exit 1
    error: when pull request #1 was merged, its comment said that the plan has problems
    hint: nothing was changed; look at `wavemark plan`, and if it is what you want, run the `wavemark sync --expect` that it ends with
    ");
    project.env("GITHUB_TOKEN", "");
    project.run(&["sync", "--reviewed", MERGED]).exits(1);
    project.run(&["plan", "--exit-code"]).exits(3);
}

#[test]
fn a_merge_is_found_among_many() {
    let github = GitHub::start();
    let project = merged(&github);
    for n in 0..120 {
        let number = github.as_user("ann").propose("Other", &format!("acme:b{n}"), SHA);
        github.as_user("ann").merge(number, &format!("{n:040x}"));
    }
    let synced = project.run(&["sync", "--reviewed", MERGED]).ok();
    assert!(synced.stderr.contains("#1 was merged with the plan"), "{synced}");
}
