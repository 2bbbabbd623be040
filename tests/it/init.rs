//! The first day: a folder becomes a project, and nobody's work is written over.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use wavemark::{
    model::Digest,
    scaffold::{Release, TARGETS},
};

use crate::support::{
    Output, Plan, Project,
    github::{GitHub, Role, Token},
};

const TICK: &str = ".github/workflows/tick.yml";
const ACTION: &str = ".github/actions/wavemark/action.yml";

/// A folder with nothing in it that is a project.
fn blank() -> Project {
    let project = Project::unsynced(&Plan::new());
    for folder in ["waves", "sh"] {
        fs::remove_dir_all(project.path(folder)).unwrap();
    }
    project
}

/// The same in a repo, which is on GitHub.
fn on_github(github: &GitHub, token: &str) -> Project {
    let mut project = blank();
    project.git_in(&project.path("."), &["init", "--quiet"]);
    project.env("GITHUB_API_URL", &github.url());
    project.env("GITHUB_SERVER_URL", "https://github.example");
    project.env("GITHUB_REPOSITORY", GitHub::REPO);
    project.env("GITHUB_TOKEN", token);
    project.env("WAVEMARK_GITHUB_PAUSE", "0s");
    project
}

/// Everything that is in the folder, with what is in it.
fn files(project: &Project) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut left = vec![project.path(".")];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => left.push(path),
                false => {
                    let text = fs::read_to_string(&path).unwrap_or_default();
                    found.push((path.display().to_string(), text));
                }
            }
        }
    }
    found.sort();
    found
}

#[track_caller]
fn says(output: &Output, words: &[&str]) {
    // Wherever lines were broken.
    let text = output.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(text.contains(word), "{word} is not in: {output}");
    }
}

/// Serves the checksums of every target for ever, for one version.
fn releases(version: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/download", listener.local_addr().unwrap());
    let wanted = format!("GET /download/v{version}/SHA256SUMS ");
    let sums: String = (1..)
        .zip(TARGETS)
        .map(|(number, target)| format!("{number:064x}  {}\n", Release::file(target)))
        .collect();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = [0; 2048];
            let length = stream.read(&mut head).unwrap_or(0);
            let known = String::from_utf8_lossy(&head[..length]).starts_with(&wanted);
            let (status, body) =
                if known { ("200 OK", sums.as_str()) } else { ("404 Not Found", "") };
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            drop(stream.write_all(format!("{head}{body}").as_bytes()));
        }
    });
    url
}

#[test]
fn a_plain_folder_becomes_a_project_that_builds_its_first_wave() {
    let project = blank();

    let first = project.run(&["init"]).ok();

    says(&first, &["waves/1-first.yaml", "git init", "wavemark run", "gh secret set DATABASE_URL"]);
    project.run(&["check"]).ok();
    project.run(&["run"]).ok();
    assert_eq!(project.statuses(), "summary complete, survey complete");
    let page = project.run(&["show", "summary", "doc/summary.md"]).ok().stdout;
    assert!(page.contains("of .sh") && page.contains("Say in one page"), "{page}");
    assert_eq!(project.read(".gitignore"), ".wavemark/\n");
    let schema = project.run(&["schema"]).ok().json();
    let mut written: serde_json::Value =
        serde_json::from_str(&project.read("waves/schema.json")).unwrap();
    written.as_object_mut().unwrap().remove("$comment");
    assert_eq!(written, schema);
}

#[test]
fn doing_it_again_changes_nothing_and_a_dry_run_never_does() {
    let project = blank();
    let before = files(&project);
    let dry = project.run(&["init", "--dry-run"]).exits(3);
    assert!(dry.stdout.contains("would write") && dry.stdout.contains(TICK), "{dry}");
    assert_eq!(files(&project), before);

    project.run(&["init"]).ok();
    let after = files(&project);
    project.run(&["init"]).ok();
    assert_eq!(files(&project), after);
    project.run(&["init", "--dry-run"]).ok();
}

#[test]
fn what_somebody_wrote_or_edited_is_left_alone_and_named() {
    let project = blank();
    fs::create_dir_all(project.path(".github/workflows")).unwrap();
    fs::write(project.path(".gitignore"), "/target").unwrap();
    fs::write(project.path(TICK), "name: mine\n").unwrap();
    project.run(&["init"]).ok();
    assert_eq!(project.read(".gitignore"), "/target\n.wavemark/\n");

    let plan = ".github/workflows/plan.yml";
    let edited = project.read(plan).replace("name: plan\n", "name: our plan\n");
    fs::write(project.path(plan), &edited).unwrap();
    let wave = project.read("waves/1-first.yaml").replace("A first look", "Ours");
    fs::write(project.path("waves/1-first.yaml"), &wave).unwrap();
    let said = project.run(&["init"]).ok();

    assert_eq!(project.read(TICK), "name: mine\n");
    assert_eq!(project.read(plan), edited);
    assert_eq!(project.read("waves/1-first.yaml"), wave);
    let left = said.stdout.split("left alone").nth(1).unwrap();
    for named in [TICK, plan] {
        assert!(left.contains(named), "{named}: {said}");
    }
    says(&said, &["is not Wavemark's", "was edited"]);
}

#[test]
fn workflows_for_n8n_are_written_where_they_are_asked_for_and_are_the_users_then() {
    let project = blank();
    project.run(&["init"]).ok();
    assert!(!project.path("waves/n8n").exists());

    let said = project.run(&["init", "--n8n"]).ok();
    says(&said, &["waves/n8n/agent.json", "n8n import:workflow", "have to be published"]);

    for name in ["agent", "error-workflow"] {
        let text = project.read(&format!("waves/n8n/{name}.json"));
        let workflow: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(workflow["nodes"].as_array().is_some_and(|nodes| nodes.len() > 1), "{text}");
    }
    fs::write(project.path("waves/n8n/agent.json"), "{}").unwrap();
    project.run(&["init", "--n8n"]).ok();
    assert_eq!(project.read("waves/n8n/agent.json"), "{}");
    project.run(&["check"]).ok();
}

#[test]
fn what_another_version_wrote_is_brought_up_to_date_unless_that_is_newer() {
    let project = blank();
    project.run(&["init"]).ok();
    let now = project.read(TICK);
    let of_version = |version: &str| {
        let rest = "name: tick, as it was\n";
        let digest = Digest::of(rest);
        format!("# Written by wavemark {version}, sha256 {digest}: and so on\n{rest}")
    };
    for (version, expected) in [("0.0.9", now.clone()), ("999.0.0", of_version("999.0.0"))] {
        fs::write(project.path(TICK), of_version(version)).unwrap();
        let said = project.run(&["init"]).ok();
        assert_eq!(project.read(TICK), expected, "{said}");
    }
}

#[test]
fn a_release_is_pinned_by_its_checksums() {
    let project = blank();
    let without = project.run(&["init"]).ok();
    assert!(without.stdout.contains("--releases"), "{without}");
    assert!(!project.path(ACTION).exists());

    let url = releases(env!("CARGO_PKG_VERSION"));
    project.run(&["init", "--releases", &url]).ok();
    let action = project.read(ACTION);
    for (number, target) in (1..).zip(TARGETS) {
        assert!(action.contains(&format!("{number:064x}  {}", Release::file(target))), "{action}");
    }
    assert!(action.contains(&format!("default: '{url}'")), "{action}");
    // It stays when nobody says where releases are.
    project.run(&["init"]).ok();
    assert_eq!(project.read(ACTION), action);
}

#[test]
fn a_release_that_is_not_there_is_told_and_everything_else_is_written() {
    let project = blank();
    let said = project.run(&["init", "--releases", &releases("999.0.0")]).exits(1);
    says(&said, &["there is no http://127.0.0.1"]);
    assert!(!project.path(ACTION).exists() && project.path(TICK).exists());
    let said = project.run(&["init", "--releases", "http://releases.example"]).exits(1);
    says(&said, &["plain http is for this machine only"]);
}

#[test]
fn the_labels_are_made_once_and_the_secrets_are_named_with_their_place() {
    let github = GitHub::start();
    let project = on_github(&github, &github.actions_token());

    let said = project.run(&["init"]).ok();

    let labels = || github.repo(|repo| repo.labels.keys().cloned().collect::<Vec<_>>().join(" "));
    assert!(labels().contains("agent:summary agent:survey"), "{}", labels());
    assert!(labels().contains("wavemark"), "{}", labels());
    assert_eq!(project.read("waves/project.yaml").lines().nth(2), Some("project: waves"));
    for word in [
        "https://github.example/acme/waves/settings/secrets/actions",
        "gh secret set DATABASE_URL --repo acme/waves",
        "gh secret set WAVEMARK_DATABASE_CA --repo acme/waves",
    ] {
        says(&said, &[word]);
    }
    let writes = github.requests().iter().filter(|it| it.method != "GET").count();
    project.run(&["init"]).ok();
    assert_eq!(github.requests().iter().filter(|it| it.method != "GET").count(), writes);
}

#[test]
fn a_token_that_may_not_make_labels_is_told_and_stops_nothing() {
    let github = GitHub::start();
    github.add_collaborator("bob", Role::Read);
    let project = on_github(&github, &github.token(Token::of("bob")));
    let said = project.run(&["init"]).ok();
    says(&said, &["the labels at GitHub"]);
    assert!(project.path(TICK).exists());
}

#[test]
fn secrets_of_agents_are_handed_on_and_kept_so_by_sync() {
    let project = blank();
    project.run(&["init"]).ok();
    let wave = project.read("waves/1-first.yaml");
    let with = |secrets: &str| {
        wave.replace("    prompt:", &format!("    secrets: [{secrets}]\n    prompt:"))
    };
    fs::write(project.path("waves/1-first.yaml"), with("SHEETS_TOKEN")).unwrap();

    project.run(&["sync"]).ok();

    let line = "          SHEETS_TOKEN: ${{ secrets.SHEETS_TOKEN }}\n";
    assert!(project.read(TICK).contains(line), "{}", project.read(TICK));
    let said = project.run(&["init", "--dry-run"]).ok();
    assert!(said.stdout.contains("gh secret set SHEETS_TOKEN"), "{said}");

    // Also where somebody has edited the rest.
    let edited = project.read(TICK).replace("'17 */6 * * *'", "'11 * * * *'");
    fs::write(project.path(TICK), edited).unwrap();
    fs::write(project.path("waves/1-first.yaml"), with("OTHER_TOKEN")).unwrap();
    project.run(&["init"]).ok();
    let tick = project.read(TICK);
    assert!(tick.contains("'11 * * * *'") && tick.contains("secrets.OTHER_TOKEN }}"), "{tick}");
    assert!(!tick.contains("SHEETS_TOKEN"), "{tick}");
}

#[test]
fn what_webhooks_take_is_handed_on_to_the_job_that_asks_them() {
    let project = blank();
    project.run(&["init"]).ok();
    let n8n = "n8n: { webhook: \"{env:N8N_URL}/webhook/summary\", api_key: N8N_API_KEY,
               auth: { header: X-Wavemark-Secret, secret: N8N_SECRET } }";
    let wave = project.read("waves/1-first.yaml");
    let wave = wave.replace("exec: [waves/agents/summary.sh]", n8n);
    fs::write(project.path("waves/1-first.yaml"), wave).unwrap();

    project.run(&["sync"]).ok();

    let text = project.read(TICK);
    let (tick, build) = text.split_once("\n  build:\n").unwrap();
    let said = project.run(&["init", "--dry-run"]).ok();
    for name in ["N8N_URL", "N8N_SECRET", "N8N_API_KEY", "SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY"]
    {
        let line = format!("          {name}: ${{{{ secrets.{name} }}}}\n");
        assert!(tick.contains(&line) && !build.contains(&line), "{name}: {text}");
        says(&said, &[&format!("gh secret set {name}")]);
    }
}

#[test]
fn a_project_below_the_top_of_a_repo_is_told_that_github_looks_at_the_top() {
    let project = blank();
    project.git_in(&project.path("."), &["init", "--quiet"]);
    let inner = project.path("inner");
    fs::create_dir_all(inner.join("waves")).unwrap();
    let said = project.run(&["-C", inner.to_str().unwrap(), "init"]).ok();
    says(&said, &["at the top of the repo only"]);
    assert!(inner.join("waves/project.yaml").exists() && !inner.join(".github").exists());
}
