//! What must never leave.

use std::{fs, path::Path};

use crate::support::{Plan, Project, files};

const SECRET: &str = "hunter2-plus-some-more/&=";
const ENCODED: [&str; 3] =
    [SECRET, "aHVudGVyMi1wbHVzLXNvbWUtbW9yZS8mPQ", "hunter2-plus-some-more%2F%26%3D"];

/// The files below `folder` that hold one of the forms of the secret.
fn leaks(folder: &Path) -> Vec<String> {
    holding(folder, &ENCODED)
}

/// The files below `folder` that hold one of `words`.
fn holding(folder: &Path, words: &[&str]) -> Vec<String> {
    let holds = |path: &Path| {
        let bytes = fs::read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        words.iter().any(|form| text.contains(form))
    };
    let found = files(folder).into_iter().filter(|path| holds(path));
    found.map(|path| path.display().to_string()).collect()
}

#[test]
fn a_declared_secret_is_in_no_log_no_row_and_no_message() {
    let plan = Plan::new().agent(
        "vision",
        "retries: 0, secrets: [SHEETS_TOKEN]",
        "echo \"token=$SHEETS_TOKEN\"
         printf %s \"$SHEETS_TOKEN\" | base64
         echo 'url: https://x/?t=hunter2-plus-some-more%2F%26%3D' >&2
         exit 3",
    );
    let mut project = Project::with(&plan);
    project.env("SHEETS_TOKEN", SECRET);

    let run = project.run(&["run", "-vv"]).ok();
    let seen = [
        run.stdout,
        run.stderr,
        project.run(&["log", "vision"]).ok().stdout,
        project.run(&["feedback", "show", "1"]).ok().stdout,
        project.run(&["events"]).ok().stdout,
        project.sql("select log_tail, detail from runs"),
        project.sql("select body from wavemark.definitions"),
        project.sql("select feedback_text from feedback"),
    ];

    for text in &seen {
        for form in ENCODED {
            assert!(!text.contains(form), "{text}");
        }
    }
    assert!(seen[2].contains("token="), "the log is there: {}", seen[2]);
    assert_eq!(leaks(&project.path(".wavemark")), [""; 0]);
}

#[test]
fn a_password_in_what_an_agent_inherits_is_in_no_log_no_row_and_no_message() {
    let plan = Plan::new()
        .profile("mine", "start: [sh/mine]\nprompt: stdin\ninherit: [HTTPS_PROXY]\n")
        .program("mine", "env; echo 'I sent hunter2/more'; exit 3")
        .entry("vision", "run: { mine: {} }, retries: 0");
    let mut project = Project::with(&plan);
    project.env("HTTPS_PROXY", "http://me:hunter2%2Fmore@127.0.0.1:9");

    let run = project.run(&["run", "-vv"]).ok();
    let log = project.run(&["log", "vision"]).ok().stdout;
    let seen = [
        run.stdout,
        run.stderr,
        project.run(&["feedback", "show", "1"]).ok().stdout,
        project.sql("select log_tail, detail from runs"),
        project.sql("select feedback_text from feedback"),
    ];

    assert!(log.contains("HTTPS_PROXY=***") && log.contains("I sent ***"), "{log}");
    for text in seen.iter().chain([&log]) {
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert_eq!(holding(&project.path(".wavemark"), &["hunter2"]), [""; 0]);
}

#[test]
fn a_missing_secret_is_a_failure_that_says_so() {
    let plan = Plan::new()
        .agent("vision", "retries: 5, secrets: [SHEETS_TOKEN]", "note begun")
        .agent("echo", "", "true");
    let mut project = Project::with(&plan);

    project.run(&["run"]).ok();

    assert_eq!(project.statuses(), "echo complete, vision feedback");
    let text = project.run(&["feedback", "show", "1"]).ok().stdout;
    assert!(text.contains("SHEETS_TOKEN is not set"), "{text}");
    assert_eq!(project.trace(), []);

    project.env("SHEETS_TOKEN", SECRET);
    project.run(&["retry", "vision"]).ok();
    project.run(&["run"]).ok();
    assert_eq!(project.status("vision"), "complete");
}

#[test]
fn an_artifact_with_a_secret_is_never_committed_and_raises_feedback() {
    let plan = Plan::new()
        .agent(
            "vision",
            "secrets: [SHEETS_TOKEN], produces: [doc/good.md, doc/bad.md]",
            "emit doc/good.md fine; emit doc/bad.md \"it is $SHEETS_TOKEN\"",
        )
        // Nobody declared this one, but it looks like what it is.
        .agent(
            "echo",
            "produces: [doc/bad.md]",
            "emit doc/bad.md \"ghp_$(printf '0123456789abcdefghijABCDEFGHIJ012345')\"",
        )
        .agent("after", "needs: [echo]", "true");
    let mut project = Project::with(&plan);
    project.env("SHEETS_TOKEN", SECRET);

    project.run(&["run"]).ok();

    assert_eq!(
        project.sql(
            "select string_agg(a.name || ' ' || t.name || ' ' || git_state, ', '
                 order by a.name, t.name)
             from artifacts t join agents a on a.id = agent_id"
        ),
        "echo bad.md blocked, vision bad.md blocked, vision good.md committed"
    );
    assert_eq!(project.statuses(), "after draft, echo feedback, vision feedback");
    assert_eq!(project.committed().len(), 1);
    let log = project.git(&["log", "-p", "wavemark/artifacts"]);
    assert!(!log.contains(SECRET) && !log.contains("ghp_"), "{log}");
    let list = project.run(&["feedback", "list"]).ok().stdout;
    assert!(list.contains("doc/bad.md") && !list.contains(SECRET), "{list}");
    let shown = project.run(&["artifacts"]).ok();
    assert!(shown.stdout.contains("row"), "{shown}");
}

#[test]
fn the_address_of_the_database_reaches_no_agent_and_no_log() {
    let plan = Plan::new().agent(
        "nosy",
        "produces: [doc/a.md]",
        "tr '\\0' '\\n' </proc/$PPID/environ 2>/dev/null | grep GITHUB_TOKEN || true
         emit doc/a.md \"${DATABASE_URL-none} ${GITHUB_TOKEN-none}\"",
    );
    let mut project = Project::with(&plan);
    project.env("GITHUB_TOKEN", "ghs_s3cret_s3cret_s3cret");

    let run = project.run(&["run", "-vv"]).ok();

    assert_eq!(project.run(&["show", "nosy", "doc/a.md"]).ok().stdout, "none none\n");
    let log = project.run(&["log", "nosy"]).ok().stdout;
    for text in [run.stderr, log] {
        assert!(!text.contains("ghs_s3cret_s3cret_s3cret"), "{text}");
        assert!(!text.contains("sslmode=disable"), "{text}");
    }
}
