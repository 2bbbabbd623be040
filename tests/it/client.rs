//! The client of GitHub against GitHub's own description of its API.
//!
//! A [`GitHub`] fails the test if it is asked for anything that the description
//! does not have, in any part of a request.

use std::{collections::BTreeMap, time::Duration};

use wavemark::{
    github::{
        Auth, CloseReason, Error, Found, Github, NewIssue, Reaction, Settings, State, StateReason,
        UserKind, Visit, WorkflowState,
    },
    model::{Manners, Role},
};

use crate::support::github::{Access, Fault, GitHub, Hit, Token};

fn visit(github: &GitHub, token: String) -> Visit {
    let repo = GitHub::REPO.parse().unwrap();
    let settings = Settings {
        manners: Manners {
            pause: Duration::ZERO,
            timeout: Duration::from_secs(10),
            ..Manners::default()
        },
        backoff: Duration::from_millis(1),
        ..Settings::new(github.url(), repo, Auth::Token(token.into()))
    };
    Github::new(&settings).unwrap().visit()
}

fn new_issue() -> NewIssue {
    NewIssue { title: "vision waits".into(), body: "Why?".into(), labels: vec!["wavemark".into()] }
}

#[tokio::test]
async fn every_call_of_the_client_is_one_that_github_describes() {
    for github in [GitHub::start(), GitHub::start_enterprise()] {
        github.add_workflow("tick.yml", Some(&["agent"]));
        github.create_repo("acme/other");
        let mut visit = visit(&github, github.actions_token());

        visit.ensure_label("wavemark", "ededed", "Waits for a person").await.unwrap();
        visit.ensure_label("wavemark", "ededed", "Waits for a person").await.unwrap();
        assert_eq!(visit.labels().await.unwrap()[0].name, "wavemark");

        let issue = visit.create_issue(&new_issue()).await.unwrap();
        let number = issue.number;
        assert_eq!((issue.state, issue.user.unwrap().kind), (State::Open, UserKind::Bot));
        visit.add_labels(number, &["agent:echo".to_owned()]).await.unwrap();
        visit.set_labels(number, &["agent:vision".to_owned()]).await.unwrap();
        github.as_user("ann").label(number, "agent:reel");
        let labelings = visit.labelings(number).await.unwrap();
        assert_eq!(labelings.last().unwrap().label, "agent:reel");
        assert_eq!(labelings.last().unwrap().actor.as_ref().unwrap().login, "ann");

        visit.rewrite_issue(number, "vision asks", "Why not?").await.unwrap();
        visit.close_issue(number, CloseReason::Completed).await.unwrap();
        visit.reopen_issue(number).await.unwrap();
        let closed = visit.close_issue(number, CloseReason::NotPlanned).await.unwrap();
        assert_eq!(closed.state_reason, Some(StateReason::NotPlanned));
        assert_eq!(visit.issue(number).await.unwrap(), Found::Here(closed.clone()));
        assert!(visit.unlisted_issues().await.unwrap().is_empty());

        let comment = visit.comment(number, "hi").await.unwrap();
        let edited = visit.edit_comment(comment.id, "hello").await.unwrap();
        visit.react(comment.id, Reaction::PlusOne).await.unwrap();
        visit.react(comment.id, Reaction::Eyes).await.unwrap();
        assert_eq!(edited.issue, Some(number));
        assert_eq!(visit.comments(number, None).await.unwrap()[0].body, "hello");
        let since = Some(comment.created_at);
        assert_eq!(visit.comments_since(since).await.unwrap()[0].id, comment.id);
        visit.delete_comment(comment.id).await.unwrap();

        let inputs = BTreeMap::from([("agent".to_owned(), "echo".to_owned())]);
        visit.dispatch("tick.yml", "main", &inputs).await.unwrap();
        assert_eq!(github.dispatches().len(), 1);
        assert_eq!(visit.workflows().await.unwrap()[0].state, WorkflowState::Active);

        assert!(visit.repository().await.unwrap().has_issues);
        assert_eq!(visit.role("ann").await.unwrap(), Some(Role::Admin));
        assert_eq!(visit.viewer().await.unwrap(), None, "a workflow's token may not ask");

        let moved = github.as_user("ann").open_issue("a", "b");
        github.as_user("ann").transfer(moved, "acme/other");
        let gone = github.as_user("ann").open_issue("a", "b");
        github.as_user("ann").delete_issue(gone);
        assert!(matches!(visit.issue(moved).await.unwrap(), Found::Moved { .. }));
        assert_eq!(visit.issue(gone).await.unwrap(), Found::Gone);
        assert!(matches!(visit.comment(gone, "hi").await, Err(Error::Missing { .. })));
    }
}

#[tokio::test]
async fn a_hundred_and_fifty_changes_are_read_page_by_page() {
    let github = GitHub::start();
    github.stop_clock();
    for number in 0..150 {
        match number % 10 {
            0 => github.as_user("ann").open_pull_request("code"),
            _ => github.as_user("bob").open_issue("a", "b"),
        };
        github.pass(chrono::TimeDelta::seconds(1));
    }
    // While the first page is on its way, somebody edits an issue on it.
    github.before("GET /repos/*/*/issues", 2, |github| github.as_user("bob").edit(2, "c"));
    let mut visit = visit(&github, github.actions_token());

    let changes = visit.issues_since(None).await.unwrap();

    let mut numbers: Vec<u64> = changes.issues.iter().map(|issue| issue.number).collect();
    assert_eq!(numbers.pop(), Some(2), "what changed last comes last");
    let expected: Vec<u64> = (1..=150).filter(|number| number % 10 != 1 && *number != 2).collect();
    assert_eq!(numbers, expected);
    assert_eq!(visit.requests(), 2);
    assert_eq!(visit.issues_since(changes.up_to).await.unwrap().issues.len(), 1);
}

#[tokio::test]
async fn whatever_goes_wrong_the_client_knows_whether_it_wrote() {
    let is_done = |fault| matches!(fault, Fault::LastOne | Fault::Late(_));
    for fault in
        Fault::all(Duration::from_millis(10)).into_iter().filter(|it| *it != Fault::Hanging)
    {
        let github = GitHub::start();
        github.disturb("POST /repos/*/*/issues", Hit::Nth(1), fault);
        let mut visit = visit(&github, github.actions_token());

        let said = visit.create_issue(&new_issue()).await;

        let made = github.issues().len();
        match &said {
            Ok(_) => assert_eq!((made, is_done(fault)), (1, true), "{fault:?}"),
            Err(Error::Unknown(_)) => assert!(made <= 1, "{fault:?}: {made}"),
            Err(Error::RateLimited { wait }) => {
                assert_eq!(made, 0, "{fault:?}");
                let wait = i64::try_from(wait.as_secs()).unwrap();
                assert!((Fault::RETRY_SECS..=Fault::RESET_SECS).contains(&wait), "{wait}");
            }
            Err(err) => panic!("{fault:?}: {err:?}"),
        }
        let posts = github.requests().len();
        assert_eq!(posts, 1, "{fault:?}: {}", github.transcript());
    }
}

#[tokio::test]
async fn a_token_that_may_only_read_is_told_what_it_lacks() {
    let github = GitHub::start();
    let token = github.token(Token::of_actions(&[("issues", Access::Read)]));
    let mut visit = visit(&github, token);
    let err = visit.create_issue(&new_issue()).await.unwrap_err();
    insta::assert_snapshot!(err, @"the token lacks a permission for acme/waves: issues: write (GitHub says: Resource not accessible by integration)");
}
