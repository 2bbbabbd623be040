//! Feedback as issues: what people do on GitHub, and what is written there.
//!
//! | module | what it holds |
//! |---|---|
//! | `faults` | whatever goes wrong on the way, nothing is doubled or lost |
//! | `steering` | who says what, and where both sides changed |

mod faults;
mod steering;

use std::fs;

use chrono::TimeDelta;

use crate::support::{
    Plan, Project,
    github::{Fault, GitHub, Hit, Reason, Role},
};

/// Two agents that are built at once, one of which asks something first.
fn plan() -> Plan {
    Plan::new()
        .agent(
            "vision",
            "produces: [doc/plan.md]",
            "
if grep -q blue \"$WAVEMARK_DIR\"/feedback/* 2>/dev/null; then
    emit doc/plan.md blue
else
    emit doc/draft.md red
    wavemark ask 'Which colour, @ann?'
fi",
        )
        .agent("echo", "produces: [doc/echo.md]", "emit doc/echo.md done")
}

/// A project whose conversation is in the first repo of `github`.
fn project(plan: &Plan, github: &GitHub) -> Project {
    let mut project = Project::unsynced(plan);
    project.env("GITHUB_API_URL", &github.url());
    project.env("GITHUB_REPOSITORY", GitHub::REPO);
    project.env("GITHUB_TOKEN", &github.actions_token());
    project.env("WAVEMARK_GITHUB_PAUSE", "0s");
    // The remote is a folder; only issues are on GitHub here.
    project.run(&["sync"]).ok();
    project
}

/// The issues, a line each: number, state, labels, title.
fn issues(github: &GitHub) -> String {
    let lines = github.issues().into_iter().map(|issue| {
        let state = issue.closed.map_or("open", |closed| closed.reason.name());
        format!("#{} {state} {:?} {}\n", issue.number, issue.labels, issue.title)
    });
    lines.collect()
}

/// What was said on an issue, without marks.
fn comments(github: &GitHub, number: u64) -> Vec<String> {
    let said = github.comments(number).into_iter();
    said.map(|comment| format!("{}: {}", comment.user, comment.body.lines().next().unwrap_or("")))
        .collect()
}

#[test]
fn a_question_is_an_issue_and_closing_it_answers() {
    let github = GitHub::start();
    let project = project(&plan(), &github);

    project.run(&["run"]).ok();

    assert_eq!(project.statuses(), "echo complete, vision feedback");
    insta::assert_snapshot!(issues(&github), @r#"#1 open ["wavemark", "agent:vision"] vision asks: Which colour, @ann?"#);
    let body = github.issue(1).body.unwrap();
    assert!(body.contains("doc/draft.md") && !body.contains("@ann"), "{body}");

    github.as_user("ann").comment(1, "Take blue.");
    github.as_user("ann").close(1, Reason::Completed);
    project.run(&["run"]).ok();

    assert_eq!(project.statuses(), "echo complete, vision complete");
    assert_eq!(
        project.sql("select trim(content, E'\\n') from artifacts where name = 'plan.md'"),
        "blue"
    );
    assert_eq!(issues(&github).lines().count(), 1);
    assert_eq!(comments(&github, 1), ["ann: Take blue."]);
}

#[test]
fn a_tick_without_news_asks_twice_and_writes_nothing() {
    let github = GitHub::start();
    let project = project(&plan(), &github);
    project.run(&["run"]).ok();
    project.run(&["tick"]).ok();
    let before = github.requests().len();

    project.run(&["tick"]).ok();

    let requests = github.requests().split_off(before);
    let shown: Vec<String> = requests.iter().map(ToString::to_string).collect();
    assert!(requests.len() <= 3, "{shown:#?}");
    assert!(shown.iter().all(|request| request.starts_with("GET")), "{shown:#?}");
}

#[test]
fn a_labelled_issue_pauses_one_agent_until_it_is_closed() {
    let github = GitHub::start();
    let project = project(&plan(), &github);
    project.run(&["run"]).ok();
    let remark = github.as_user("ann").open_issue("Louder", "It is too quiet.");
    github.as_user("ann").label(remark, "agent:echo");

    project.run(&["tick"]).ok();
    assert_eq!(project.statuses(), "echo feedback, vision feedback");

    // Not acted on: it goes back to where it was.
    github.as_user("ann").close(remark, Reason::NotPlanned);
    project.run(&["tick"]).ok();
    assert_eq!(project.statuses(), "echo complete, vision feedback");

    // Opened again, and acted on: it is built again with the thread.
    github.as_user("ann").reopen(remark);
    project.run(&["tick"]).ok();
    assert_eq!(project.statuses(), "echo feedback, vision feedback");
    github.as_user("ann").close(remark, Reason::Completed);
    project.run(&["run"]).ok();
    assert_eq!(project.status("echo"), "complete");
    assert_eq!(project.outcomes("echo"), "succeeded, succeeded");
    assert_eq!(github.comments(remark).len(), 0);
}

#[test]
fn a_stranger_changes_nothing_until_somebody_takes_it_up() {
    let github = GitHub::start();
    let project = project(&plan(), &github);
    project.run(&["run"]).ok();
    let mark = github.issue(1).body.unwrap().lines().last().unwrap().to_owned();
    let eve = github.as_user("eve");
    let form = "### Agent\n\necho\n\n### What should change?\n\nEverything.";
    let theirs = eve.fill_form("Mine", &format!("{form}\n\n{mark}"), &["wavemark", "agent:echo"]);
    eve.comment(1, "/wavemark dismiss");
    eve.comment(theirs, "/wavemark pause");

    project.run(&["tick"]).ok();
    assert_eq!(project.statuses(), "echo complete, vision feedback");
    assert_eq!(project.sql("select count(*) from feedback_comments"), "0");

    // What the form put there proves nothing, so she puts it there herself.
    github.pass(TimeDelta::minutes(1));
    github.as_user("ann").unlabel(theirs, "agent:echo");
    github.as_user("ann").label(theirs, "agent:echo");
    project.run(&["tick"]).ok();
    assert_eq!(project.statuses(), "echo feedback, vision feedback");

    eve.close(theirs, Reason::Completed);
    project.run(&["tick"]).ok();
    assert_eq!(project.statuses(), "echo feedback, vision feedback");
    assert_eq!(project.sql("select count(*) from events where kind = 'unheeded'"), "1");
}

#[test]
fn what_is_resolved_here_is_closed_there_and_does_not_bounce() {
    let github = GitHub::start();
    let project = project(&plan(), &github);
    project.run(&["run"]).ok();
    let number = project.sql("select number from feedback");

    project.run(&["feedback", "resolve", &number, "--comment", "blue"]).ok();
    project.run(&["run"]).ok();

    assert_eq!(project.statuses(), "echo complete, vision complete");
    assert!(issues(&github).starts_with("#1 completed"), "{}", issues(&github));
    assert_eq!(
        comments(&github, 1),
        ["github-actions[bot]: Resolved by ada in Wavemark: acted on."]
    );
    for _ in 0..2 {
        project.run(&["tick"]).ok();
    }
    assert_eq!(comments(&github, 1).len(), 1);
    assert_eq!(project.sql("select resolved from feedback"), "t");

    // People own what is open.
    github.as_user("ann").reopen(1);
    project.run(&["tick"]).ok();
    assert_eq!(project.sql("select resolved from feedback"), "f");
    assert!(issues(&github).starts_with("#1 open"));
}

#[test]
fn commands_are_obeyed_and_answered_once() {
    let github = GitHub::start();
    let project = project(&plan(), &github);
    project.run(&["run"]).ok();
    let wrong = github.as_user("ann").comment(1, "/wavemark approve");
    let right = github.as_user("ann").comment(1, "/wavemark dismiss");

    for _ in 0..2 {
        project.run(&["tick"]).ok();
    }

    assert_eq!(github.reactions(wrong), ["confused"]);
    assert_eq!(github.reactions(right), ["+1"]);
    let said = comments(&github, 1);
    let help = said.iter().filter(|said| said.contains("This is a question")).count();
    assert_eq!((help, said.len()), (1, 4), "{said:#?}");
    assert!(issues(&github).starts_with("#1 not_planned"));
}

#[test]
fn a_hundred_and_fifty_changed_issues_are_read_with_pull_requests_among_them() {
    let github = GitHub::start();
    let project = project(&plan(), &github);
    project.run(&["run"]).ok();
    let ann = github.as_user("ann");
    for number in 0..150 {
        match number % 5 {
            0 => drop(ann.open_pull_request("agent:echo")),
            _ => {
                let issue = ann.open_issue("Louder", &format!("Number {number}."));
                ann.label(issue, if number % 2 == 0 { "agent:echo" } else { "bug" });
            }
        }
    }

    // While the second page is asked for, what was on the first one changes: it
    // moves to the end, and something else over the edge of the page.
    github.before("GET /repos/*/*/issues", 2, |github| {
        for number in [4, 8, 12, 16] {
            github.as_user("ann").comment(number, "Still.");
        }
    });

    project.run(&["tick"]).ok();

    let taken = "select count(*) from feedback where author = '@ann'";
    assert_eq!(project.sql(taken), "60");
    project.run(&["tick"]).ok();
    assert_eq!(project.sql(taken), "60");
}

#[test]
fn a_deleted_issue_is_told_and_resolves_nothing() {
    let github = GitHub::start();
    let project = project(&plan(), &github);
    project.run(&["run"]).ok();
    github.as_user("ann").delete_issue(1);
    project.sql("update wavemark.mailboxes set reviewed_at = now() - interval '25 hours'");

    project.run(&["tick"]).ok();

    assert_eq!(project.status("vision"), "feedback");
    assert_eq!(project.sql("select count(*) from events where kind = 'missing'"), "1");
    assert_eq!(github.issues().len(), 0);
    let status = project.run(&["status"]).ok().stdout;
    assert!(status.contains("Issue #1 of vision is gone: wavemark feedback resolve 1"), "{status}");
    project.run(&["feedback", "resolve", "1", "--comment", "blue"]).ok();
    project.run(&["run"]).ok();
    assert_eq!(project.statuses(), "echo complete, vision complete");
}

#[test]
fn an_issue_that_was_moved_away_is_told_and_resolves_nothing() {
    let github = GitHub::start();
    github.create_repo("acme/other");
    let project = project(&plan(), &github);
    project.run(&["run"]).ok();
    github.as_user("ann").transfer(1, "acme/other");
    project.sql("update wavemark.mailboxes set reviewed_at = now() - interval '25 hours'");

    for _ in 0..2 {
        project.run(&["tick"]).ok();
    }

    assert_eq!(project.status("vision"), "feedback");
    let told = project.sql("select detail from events where kind = 'missing'");
    assert!(told.starts_with("issue #1 was moved to"), "{told}");
    assert_eq!(told.lines().count(), 1);
    assert_eq!(github.issues().len(), 0);
}

#[test]
fn so_many_changes_are_made_in_one_visit_as_the_plan_says() {
    let github = GitHub::start();
    let plan = Plan::new()
        .setting("github: { writes: 1 }")
        .agent("vision", "", "wavemark ask 'Which colour?'")
        .agent("echo", "", "wavemark ask 'How loud?'");
    let mut project = project(&plan, &github);
    let before = github.requests().len();

    project.run(&["run"]).ok();
    assert_eq!(github.issues().len(), 1);
    project.run(&["tick"]).ok();
    assert_eq!(github.issues().len(), 2);
    assert!(github.requests().len() > before);

    // This machine goes before the plan.
    project.env("WAVEMARK_GITHUB_WRITES", "2");
    for number in ["1", "2"] {
        project.run(&["feedback", "resolve", number]).ok();
    }
    project.run(&["tick"]).ok();
    let closed = github.issues().iter().filter(|issue| issue.closed.is_some()).count();
    assert_eq!(closed, 1, "a comment and a closing are two changes: {}", github.transcript());
    // They ask again, at the end of the same tick.
    assert_eq!(github.issues().len(), 2, "{}", github.transcript());
}

#[test]
fn a_sync_makes_the_labels_of_agents_that_are_new() {
    let github = GitHub::start();
    let made = || {
        let requests = github.requests().into_iter().filter(|it| it.method == "POST");
        requests.filter(|it| it.path.ends_with("/labels")).count()
    };
    let long = "a".repeat(63);
    let project = project(&plan().agent(&long, "", "wavemark ask 'How long?'"), &github);
    assert_eq!(made(), 4, "{}", github.transcript());

    project.run(&["sync"]).ok();
    assert_eq!(made(), 4, "{}", github.transcript());

    // GitHub takes no label that is as long as this name.
    project.run(&["run"]).ok();
    assert_eq!(github.issues().len(), 2, "{}", github.transcript());
}

#[test]
fn a_rate_limit_stops_github_and_nothing_else() {
    let github = GitHub::start();
    let project = project(&plan(), &github);
    github.disturb("POST /repos/*/*/issues", Hit::From(1), Fault::SecondaryLimit);

    let said = project.run(&["run"]).ok();

    assert_eq!(project.statuses(), "echo complete, vision feedback");
    assert!(said.stderr.contains("left alone until"), "{}", said.stderr);
    let status = project.run(&["status"]).ok().stdout;
    assert!(status.contains("GitHub wants to be left alone until 2"), "{status}");
    github.recover();
    let before = github.requests().len();
    project.run(&["tick"]).ok();
    assert_eq!(github.requests().len(), before);

    project.sql("update wavemark.mailboxes set paused_until = now()");
    project.run(&["tick"]).ok();
    assert_eq!(github.issues().len(), 1);
    let status = project.run(&["status"]).ok().stdout;
    assert!(!status.contains("GitHub"), "{status}");
}

#[test]
fn a_wrong_token_turns_the_tick_red_and_holds_up_nothing() {
    let github = GitHub::start();
    let mut project = project(&plan(), &github);
    project.env("GITHUB_TOKEN", "ghp_wrong");

    let said = project.run(&["run"]).exits(1);

    assert_eq!(project.statuses(), "echo complete, vision feedback");
    assert!(said.stderr.contains("did not accept the token"), "{}", said.stderr);
    assert!(said.stderr.contains("hint: GITHUB_TOKEN may have expired"), "{}", said.stderr);
    assert!(!said.stderr.contains("ghp_wrong"));
    let status = project.run(&["status"]).ok().stdout;
    assert!(status.contains("Not all is done on GitHub: GitHub did not accept"), "{status}");
}

#[test]
fn the_issue_form_offers_the_agents_that_there_are() {
    let project = Project::unsynced(&plan());
    let form = project.path(".github/ISSUE_TEMPLATE/feedback.yml");
    fs::create_dir_all(form.parent().unwrap()).unwrap();
    fs::write(&form, "name: Somebody else's\n").unwrap();
    project.run(&["sync"]).ok();
    assert_eq!(fs::read_to_string(&form).unwrap(), "name: Somebody else's\n");

    let ours = include_str!("../../../.github/ISSUE_TEMPLATE/feedback.yml");
    fs::write(&form, ours).unwrap();
    project.run(&["sync"]).ok();

    let now = fs::read_to_string(&form).unwrap();
    let lines: Vec<&str> = now.lines().map(str::trim).collect();
    let from = lines.iter().position(|line| line.starts_with("# wavemark: agents")).unwrap();
    assert_eq!(
        lines[from - 1..][..6],
        ["options:", lines[from], "- echo", "- vision", "# wavemark: end", "validations:"]
    );
    assert_eq!(ours.lines().next(), now.lines().next());
}

#[test]
fn people_with_any_role_but_too_little_are_strangers() {
    let github = GitHub::start();
    github.add_collaborator("rob", Role::Read);
    github.add_collaborator("tess", Role::Triage);
    let project = project(&plan(), &github);
    project.run(&["run"]).ok();

    github.as_user("rob").comment(1, "Rob says.");
    github.as_user("tess").comment(1, "Tess says.");
    project.run(&["tick"]).ok();

    assert_eq!(
        project.sql("select author || ' ' || body from feedback_comments"),
        "@tess Tess says."
    );
}
