//! Publishing to a git host: a token, TLS, rules, and whatever goes wrong. Each
//! story ends with every artifact in git once, or kept out of it for a reason.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use crate::support::{GitHttp, Plan, Project, Rule, Running, Stage, Trick};

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

    fn behind(mut project: Project, serve: impl FnOnce(&std::path::Path) -> GitHttp) -> Self {
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
