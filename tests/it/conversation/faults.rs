//! Whatever goes wrong on the way, nothing is doubled and nothing is lost.

use std::{thread, time::Duration};

use chrono::TimeDelta;

use super::{comments, issues, plan, project};
use crate::support::{
    github::{Fault, GitHub, Hit, Reason},
    wait_until,
};

/// A night in which everything is said that can be said, and things go wrong as
/// [`disturbed`](GitHub::disturb).
fn night(github: &GitHub) {
    night_of(github, || (), || ());
}

/// The same. Before each of its three parts, `disturb` says what goes wrong in
/// the first tick of it, and `after` ends it: the second tick finishes the job.
fn night_of(github: &GitHub, disturb: impl Fn(), after: impl Fn()) {
    let project = project(&plan(), github);
    let settle = || {
        disturb();
        for _ in 0..2 {
            project.run(&["run"]);
            project.sql("update wavemark.mailboxes set paused_until = null");
            after();
        }
    };
    settle();
    assert_eq!(issues(github).lines().count(), 1, "{}", github.transcript());
    let question = github.issues()[0].number;
    let ann = github.as_user("ann");
    let remark = ann.open_issue("Louder", "It is too quiet.");
    ann.label(remark, "agent:echo");
    ann.comment(remark, "/wavemark destroy");
    settle();
    assert_eq!(project.statuses(), "echo feedback, vision feedback");
    ann.comment(question, "Take blue.");
    ann.close(question, Reason::Completed);
    let number = project.sql("select number from feedback where author = '@ann'");
    project.run(&["feedback", "resolve", &number, "--dismiss"]).ok();
    settle();

    assert_eq!(project.statuses(), "echo complete, vision complete", "{}", github.transcript());
    let told = comments(github, remark);
    assert_eq!(told.len(), 3, "{told:#?}\n{}", github.transcript());
    assert_eq!(comments(github, question).len(), 1);
    assert_eq!(project.sql("select count(*) from feedback"), "2");
    assert_eq!(project.sql("select count(*) from feedback_comments"), "1");
    assert_eq!(project.sql("select count(*) from feedback where not resolved"), "0");
    assert_eq!(github.issues().iter().filter(|issue| issue.closed.is_none()).count(), 0);
    project.agrees_with_git();
}

/// Everything that a [`night`] changes on GitHub.
const CHANGES: [(&str, usize); 5] = [
    ("POST /repos/*/*/issues", 1),
    ("POST /repos/*/*/issues/*/comments", 1),
    ("POST /repos/*/*/issues/*/comments", 2),
    ("POST /repos/*/*/issues/comments/*/reactions", 1),
    ("PATCH /repos/*/*/issues/*", 1),
];

#[test]
fn whatever_goes_wrong_with_a_change_nothing_is_doubled_or_lost() {
    let faults = [
        Fault::BadGateway,
        Fault::BadGatewayAfter,
        Fault::DroppedAfter,
        Fault::Truncated,
        Fault::PrimaryLimit,
    ];
    let disturbed = |(change, nth): (&str, usize), fault| {
        eprintln!("{fault:?} at {change}, number {nth}");
        let github = GitHub::start();
        github.disturb(change, Hit::Nth(nth), fault);
        night(&github);
        assert!(github.requests().iter().any(|call| call.fault.is_some()), "it never came to it");
    };
    let cases: Vec<_> =
        CHANGES.iter().flat_map(|&change| faults.map(|fault| (change, fault))).collect();
    let (some, others) = cases.split_at(cases.len() / 2);
    thread::scope(|scope| {
        for cases in [some, others] {
            scope.spawn(move || cases.iter().for_each(|&(change, fault)| disturbed(change, fault)));
        }
    });
}

#[test]
fn a_night_undisturbed_changes_what_it_should() {
    let github = GitHub::start();

    night(&github);

    // But for the labels, which the sync made.
    let changes = github.requests().into_iter();
    let changes = changes.filter(|call| call.method != "GET" && !call.path.ends_with("/labels"));
    assert_eq!(changes.count(), CHANGES.len(), "{}", github.transcript());
}

#[test]
fn two_ticks_at_once_open_one_issue() {
    let github = GitHub::start();
    let project = project(&plan(), &github);
    let mut alone = project.command();
    alone.env_remove("GITHUB_TOKEN");
    assert!(alone.arg("run").output().unwrap().status.success());
    assert_eq!(github.issues().len(), 0);

    let ticks: Vec<_> = (0..3).map(|_| project.start(&["tick"])).collect();
    for tick in ticks {
        tick.wait().ok();
    }

    assert_eq!(github.issues().len(), 1);
}

#[test]
fn a_tick_that_is_killed_between_the_post_and_the_commit_opens_no_second_issue() {
    for fault in [Fault::Late(Duration::from_secs(3600)), Fault::Hanging] {
        let github = GitHub::start();
        let mut project = project(&plan(), &github);
        project.env("WAVEMARK_GITHUB_TIMEOUT", "1h");
        github.disturb("POST /repos/*/*/issues", Hit::Nth(1), fault);
        let run = project.start(&["run"]);
        wait_until("the issue is being opened", || {
            project.sql("select count(*) from wavemark.issues where number is null") == "1"
                && github.transcript().contains("POST")
        });
        run.kill();

        // The dead process is waited for as long as it could still be at it.
        project.sql("update wavemark.mailboxes set holder_until = now()");
        project.run(&["tick"]).ok();

        assert_eq!(github.issues().len(), 1, "{fault:?}: {}", github.transcript());
        assert_eq!(project.sql("select count(*) from wavemark.issues where number = 1"), "1");
    }
}

#[test]
fn whatever_goes_wrong_at_any_call_the_next_tick_finishes_the_job() {
    const STEP: usize = 3;
    let faults = [
        Fault::BadGateway,
        Fault::BadGatewayAfter,
        Fault::Dropped,
        Fault::DroppedAfter,
        Fault::Truncated,
        Fault::ErrorPage,
        Fault::LastOne,
        Fault::Late(Duration::from_millis(200)),
    ];
    let disturbed = |fault, first| {
        eprintln!("{fault:?} at every call number {first} + {STEP}n");
        let github = GitHub::start();
        let every = Hit::Every { first, step: STEP };
        night_of(&github, || github.disturb("*", every, fault), || github.recover());
        assert!(github.requests().iter().any(|call| call.fault.is_some()), "it never came to it");
    };
    let cases: Vec<_> =
        faults.iter().flat_map(|&fault| (1..=STEP).map(move |first| (fault, first))).collect();
    let (some, others) = cases.split_at(cases.len() / 2);
    thread::scope(|scope| {
        for cases in [some, others] {
            scope.spawn(move || cases.iter().for_each(|&(fault, first)| disturbed(fault, first)));
        }
    });
}

#[test]
fn an_issue_that_no_list_shows_yet_is_not_opened_again() {
    let github = GitHub::start();
    let project = project(&plan(), &github);
    github.lists_lag_by(TimeDelta::hours(1));
    github.disturb("POST /repos/*/*/issues", Hit::Nth(1), Fault::BadGatewayAfter);
    let said = project.run(&["run"]).exits(1);
    assert!(said.stderr.contains("looks whether it was made before it tries again"), "{said}");

    project.run(&["tick"]).ok();

    assert_eq!(github.issues().len(), 1, "{}", github.transcript());
    assert_eq!(project.sql("select number from wavemark.issues"), "1");
}

#[test]
fn a_tick_that_is_killed_while_it_comments_says_nothing_twice() {
    for fault in [Fault::Late(Duration::from_secs(3600)), Fault::Hanging] {
        let github = GitHub::start();
        let mut project = project(&plan(), &github);
        project.run(&["run"]).ok();
        project.env("WAVEMARK_GITHUB_TIMEOUT", "1h");
        project.run(&["feedback", "resolve", "1", "--comment", "blue"]).ok();
        github.disturb("POST /repos/*/*/issues/*/comments", Hit::Nth(1), fault);
        let tick = project.start(&["tick"]);
        wait_until("the comment is being made", || {
            github.transcript().contains("/comments 201")
                || github.transcript().contains("/comments not done")
        });
        tick.kill();

        project.sql("update wavemark.mailboxes set holder_until = now()");
        project.run(&["run"]).ok();

        assert_eq!(comments(&github, 1).len(), 1, "{fault:?}: {}", github.transcript());
        assert!(issues(&github).starts_with("#1 completed"), "{}", issues(&github));
    }
}
