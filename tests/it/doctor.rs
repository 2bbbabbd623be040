//! An examination of everything that a project needs: what is wrong is told with
//! what helps, whatever else is wrong too, and nothing is changed.

use std::fs;

use chrono::TimeDelta;
use serde_json::Value;

use crate::support::{
    GitHttp, Grants, Plan, Project,
    github::{Access, GitHub, Role, Token},
};

const NEEDED: [&str; 4] = ["actions", "contents", "issues", "pull_requests"];

fn plan() -> Plan {
    Plan::new().agent("echo", "produces: [doc/a.md]", "emit doc/a.md one")
}

/// A project that is all that it should be, on this GitHub.
fn on_github(github: &GitHub, token: &str) -> Project {
    let mut project = Project::unsynced(&plan());
    project.env("GITHUB_API_URL", &github.url());
    project.env("GITHUB_REPOSITORY", GitHub::REPO);
    project.env("WAVEMARK_GITHUB_PAUSE", "0s");
    project.env("GITHUB_TOKEN", &github.actions_token());
    project.run(&["init"]).ok();
    // Without a release to download, it is somebody's own.
    let action = project.path(".github/actions/wavemark/action.yml");
    fs::create_dir_all(action.parent().unwrap()).unwrap();
    fs::write(action, "name: built from source\n").unwrap();
    for file in ["tick.yml", "plan.yml", "plan-comment.yml", "sync.yml"] {
        github.add_workflow(file, Some(&[]));
    }
    project.run(&["run"]).ok();
    project.env("GITHUB_ACTIONS", "true");
    project.env("GITHUB_EVENT_NAME", "schedule");
    project.run(&["tick"]).ok();
    project.env("GITHUB_TOKEN", token);
    project
}

/// What one of the checks found: `health: found (next)`.
#[track_caller]
fn told(project: &Project, code: i32, check: &str) -> String {
    let answer = project.run(&["doctor", "--json"]).exits(code).json();
    let checks = answer["checks"].as_array().unwrap();
    let finding = checks.iter().find(|finding| finding["check"] == check);
    let finding = finding.unwrap_or_else(|| panic!("no {check} in {answer:#}"));
    let word = |field: &str| finding[field].as_str().unwrap_or_default().to_owned();
    format!("{}: {} ({})", word("status"), word("found"), word("next"))
}

/// Every check that is not ok.
fn unwell(project: &Project) -> Vec<String> {
    let answer: Value = project.run(&["doctor", "--json"]).json();
    let checks = answer["checks"].as_array().unwrap().iter();
    let unwell = checks.filter(|finding| finding["status"] != "ok");
    unwell.map(|it| format!("{} {}", it["status"], it["check"]).replace('"', "")).collect()
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    // Wherever lines were broken.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(text.contains(word), "{word} is not in: {text}");
    }
}

#[test]
fn on_a_laptop_everything_is_well_or_not_used() {
    let project = Project::on_its_own(&plan());
    project.run(&["run"]).ok();
    let output = project.run(&["doctor"]).ok();
    let bad =
        output.stdout.lines().any(|line| line.contains("  fail  ") || line.contains("  warn  "));
    assert!(!bad, "{output}");
    says(&output.stdout, &["PostgreSQL", "every migration is applied", "not used"]);
}

#[test]
fn a_project_that_was_never_used_is_told_what_to_do_first() {
    let project = Project::elsewhere(&plan());
    let output = project.run(&["doctor"]).ok();
    says(&output.stdout, &["the first command makes a private Postgres"]);
    assert!(!project.path(".wavemark").exists(), "it changes nothing");
}

#[test]
fn a_folder_without_a_project_is_sent_to_init() {
    let project = Project::elsewhere(&plan());
    fs::remove_dir_all(project.path("waves")).unwrap();
    says(&told(&project, 1, "project"), &["fail:", "wavemark init"]);
}

#[test]
fn a_project_on_github_with_all_it_needs_is_well() {
    let github = GitHub::start();
    let project = on_github(&github, &github.actions_token());
    let writes = || github.requests().iter().filter(|it| it.method != "GET").count();
    let before = writes();
    let output = project.run(&["doctor"]).ok();
    assert_eq!(
        unwell(&project),
        ["- API roles", "- Postgres"].map(|it| it.replace('-', "skip")),
        "{output}"
    );
    assert_eq!(writes(), before, "{}", github.transcript());
}

#[test]
fn a_permission_that_is_missing_is_named() {
    let github = GitHub::start();
    let mut project = on_github(&github, "");
    github.repo(|repo| repo.private = true);
    for (missing, check) in
        [("issues", "issues"), ("pull_requests", "pull requests"), ("actions", "actions")]
    {
        let rest = NEEDED.into_iter().filter(|it| *it != missing);
        let rest: Vec<(&str, Access)> = rest.map(|it| (it, Access::Write)).collect();
        project.env("GITHUB_TOKEN", &github.token(Token::of_actions(&rest)));
        says(
            &told(&project, 1, check),
            &["fail:", &format!("{}: read", missing.replace('_', "-"))],
        );
    }
}

#[test]
fn what_a_token_may_write_is_told_only_where_it_can_be() {
    let github = GitHub::start();
    let mut project = on_github(&github, &github.actions_token());
    says(&told(&project, 0, "issues"), &["ok:", "cannot be told without writing"]);
    project.env("GITHUB_TOKEN", &github.token(Token::of("ann")));
    says(&told(&project, 0, "issues"), &["ok: may be read and written"]);
    says(&told(&project, 0, "token"), &["of ann", "repo, workflow"]);
    github.add_collaborator("bob", Role::Read);
    project.env("GITHUB_TOKEN", &github.token(Token::of("bob")));
    says(&told(&project, 1, "contents"), &["fail:", "may only read"]);
}

#[test]
fn a_wrong_token_is_told_and_the_rest_is_looked_at_all_the_same() {
    let github = GitHub::start();
    let project = on_github(&github, "ghs_wrong");
    says(
        &told(&project, 1, "token"),
        &["fail:", "did not accept the token", "GITHUB_TOKEN may have expired"],
    );
    says(&told(&project, 1, "repo"), &["skip:", "not looked at"]);
    says(&told(&project, 1, "schema"), &["ok:"]);
}

#[test]
fn a_repo_that_is_archived_has_no_issues_or_is_not_there_is_told() {
    let github = GitHub::start();
    let mut project = on_github(&github, &github.actions_token());
    github.repo(|repo| repo.has_issues = false);
    says(&told(&project, 1, "issues"), &["fail:", "switched off", "settings"]);
    github.repo(|repo| (repo.has_issues, repo.archived) = (true, true));
    says(&told(&project, 1, "repo"), &["fail:", "archived"]);
    project.env("GITHUB_REPOSITORY", "acme/nothing");
    says(&told(&project, 1, "repo"), &["fail:", "no repository acme/nothing"]);
}

#[test]
fn a_workflow_that_is_switched_off_unknown_stale_or_missing_is_told() {
    let github = GitHub::start();
    let project = on_github(&github, &github.actions_token());
    github.repo(|repo| repo.workflows[0].disabled = true);
    says(
        &told(&project, 1, "enabled"),
        &["fail:", "switched off: .github/workflows/tick.yml", "gh workflow enable"],
    );
    github.repo(|repo| drop(repo.workflows.remove(0)));
    says(
        &told(&project, 1, "enabled"),
        &["fail:", "does not know .github/workflows/tick.yml", "main"],
    );

    project.replan(&plan().agent("reel", "secrets: [A_TOKEN]", "true"));
    says(&told(&project, 1, "files"), &["warn:", "tick.yml", "wavemark init"]);
    says(&told(&project, 1, "secrets"), &["fail:", "A_TOKEN"]);
    says(&told(&project, 1, "labels"), &["warn:", "agent:reel", "wavemark init"]);
    project.run(&["init"]).ok();
    says(&told(&project, 1, "secrets"), &["ok:", "A_TOKEN"]);
    fs::remove_file(project.path(".github/workflows/sync.yml")).unwrap();
    says(&told(&project, 1, "files"), &["fail:", "sync.yml"]);
}

#[test]
fn a_table_without_row_security_fails_and_how_to_switch_it_on_is_told() {
    let project = Project::with(&plan());
    project.sql("alter table artifacts disable row level security");
    let said = told(&project, 1, "row security");
    says(
        &said,
        &["fail:", "public.artifacts", "alter table public.artifacts enable row level security"],
    );
    project.sql("alter table artifacts enable row level security");
    says(&told(&project, 0, "row security"), &["ok:"]);
}

#[test]
fn on_supabase_the_api_may_do_no_more_than_it_should() {
    let project = Project::on_supabase(&plan(), Grants::Everything);
    project.run(&["sync"]).ok();
    says(&told(&project, 0, "API roles"), &["ok:"]);
    project.psql("grant delete on public.artifacts to service_role");
    project.psql("grant select on public.agents to anon");
    let said = told(&project, 1, "API roles");
    says(
        &said,
        &[
            "fail",
            "anon may select public.agents",
            "service_role may delete public.artifacts",
            "revoke",
        ],
    );
}

#[test]
fn an_old_schema_is_told_and_left_as_it_is() {
    let project = Project::with(&plan());
    let history = "wavemark_migrations._sqlx_migrations";
    project.sql(&format!(
        "delete from {history} where version = (select max(version) from {history})"
    ));
    let count = project.sql(&format!("select count(*) from {history}"));
    says(&told(&project, 0, "schema"), &["warn:", "1 migration to be applied", "wavemark sync"]);
    assert_eq!(project.sql(&format!("select count(*) from {history}")), count);
    let never = Project::unsynced(&plan());
    says(&told(&never, 0, "schema"), &["warn:", "no tables yet"]);
    assert_eq!(never.sql("select to_regclass('public.agents') is null"), "t");
}

#[test]
fn a_pooler_is_told_by_what_it_does() {
    let mut project = Project::with(&plan());
    says(&told(&project, 0, "connection"), &["ok:", "direct"]);
    let pooler = project.through_pooler();
    says(&told(&project, 0, "connection"), &["ok:", "transaction pooler"]);
    pooler.spoil();
    says(&told(&project, 0, "connection"), &["ok:", "transaction pooler"]);
}

#[test]
fn a_database_that_cannot_be_reached_fails_and_holds_up_nothing() {
    let mut project = Project::elsewhere(&plan());
    project.env("DATABASE_URL", "postgres://ada:hunter2@127.0.0.1:1/waves");
    let output = project.run(&["doctor"]).exits(1);
    says(
        &output.stdout,
        &["fail", "nothing listens there", "next: check the host", "not looked at"],
    );
    says(&output.stdout, &["1 agent in 1 wave", "1 check failed"]);
    assert!(!format!("{output}").contains("hunter2"), "{output}");
}

#[test]
fn clocks_that_are_apart_are_told() {
    let github = GitHub::start();
    let project = on_github(&github, &github.actions_token());
    says(&told(&project, 0, "clock"), &["ok:", "the database and GitHub"]);
    github.pass(TimeDelta::minutes(10));
    says(&told(&project, 0, "clock"), &["warn:", "behind that of GitHub"]);
}

#[test]
fn a_schedule_that_has_stopped_is_told() {
    let github = GitHub::start();
    let project = on_github(&github, &github.actions_token());
    says(&told(&project, 0, "last tick"), &["ok:", "done"]);
    for (ago, code, health) in [("8 hours", 0, "warn"), ("13 hours", 1, "fail")] {
        project.sql(&format!(
            "update wavemark.ticks set began_at = now() - interval '{ago}', ended_at = now() - interval '{ago}'"
        ));
        says(
            &told(&project, code, "last tick"),
            &[&format!("{health}:"), "gh workflow run tick.yml"],
        );
    }
}

#[test]
fn a_git_host_that_would_refuse_the_push_is_told_before_it_does() {
    let mut project = Project::with(&plan());
    let repo = project.path("hub/acme/waves.git");
    fs::create_dir_all(&repo).unwrap();
    project.git_in(&repo, &["init", "--bare", "--quiet"]);
    project.git_in(&repo, &["config", "http.receivepack", "true"]);
    let host = GitHttp::serve(&project.path("hub"));
    host.wants("ghs_16C7e42F292c6912E7710c838347Ae178B4a");
    project.env("WAVEMARK_GIT_REMOTE", &host.url("acme/waves.git"));
    says(
        &told(&project, 1, "branch"),
        &["fail:", "did not accept the credentials", "GITHUB_TOKEN"],
    );
    project.env("GITHUB_TOKEN", "ghs_16C7e42F292c6912E7710c838347Ae178B4a");
    says(&told(&project, 0, "branch"), &["ok:", "wavemark/artifacts may be pushed"]);
    host.says(403, "Permission to acme/waves.git denied to github-actions[bot].");
    says(&told(&project, 1, "branch"), &["fail:", "denied"]);
    host.works();
    host.says(403, "This repository was archived so it is read-only.");
    says(&told(&project, 1, "branch"), &["fail:", "archived"]);
}
