//! What issues and comments mean, by example and by law.

use proptest::prelude::*;

use super::{Ask, Deed, Edition, Heard, Link, Origin, Place, Rules, of_comment, of_issue};
use crate::model::{
    Account, CloseReason, FeedbackId, FeedbackKind, Instant, Issue, IssueComment, IssueNumber,
    IssueState, Role,
};

const US: i64 = 1;

fn account(login: &str) -> Account {
    let id = if login == "us" { US } else { login.len() as i64 + 100 };
    Account { id, login: login.to_owned(), is_bot: login.ends_with("-bot") }
}

fn at(second: i64) -> Instant {
    Instant::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

fn issue(author: &str, labels: &[&str]) -> Issue {
    Issue {
        number: IssueNumber(7),
        url: "https://host/o/r/issues/7".to_owned(),
        title: "Too red".to_owned(),
        body: "Please, less.\r\n".to_owned(),
        author: Some(account(author)),
        labels: labels.iter().map(|&label| label.to_owned()).collect(),
        state: IssueState::Open,
        closed_by: None,
        created_at: at(0),
        updated_at: at(10),
    }
}

fn closed(issue: Issue, reason: CloseReason, by: Option<&str>) -> Issue {
    Issue { state: IssueState::Closed(reason), closed_by: by.map(account), ..issue }
}

fn link(origin: Origin) -> Link {
    Link {
        feedback: FeedbackId::from_uuid(uuid::Uuid::from_u128(7)),
        agent: "vision".parse().unwrap(),
        kind: FeedbackKind::Comment,
        resolved: false,
        text: "Too red\n\nPlease, less.".to_owned(),
        origin,
        is_open: true,
        seen_at: at(5),
    }
}

fn comment(author: &str, body: &str) -> IssueComment {
    IssueComment {
        id: 70,
        issue: IssueNumber(7),
        author: Some(account(author)),
        body: body.to_owned(),
        created_at: at(8),
        updated_at: at(8),
    }
}

/// A repo in which ann may triage and bob may only read. Labels were given
/// by whom `labelers` says; what was closed was closed by bob.
fn world(labelers: &[(&str, &str)]) -> impl Fn(Ask, &mut Heard) {
    let labelers: Vec<(String, Account)> =
        labelers.iter().map(|(label, by)| ((*label).to_owned(), account(by))).collect();
    move |ask, heard| match ask {
        Ask::Role(login) => {
            let role = match login.as_str() {
                "ann" => Some(Role::Triage),
                "bob" => Some(Role::Read),
                _ => None,
            };
            assert!(heard.roles.insert(login, role).is_none(), "asked twice");
        }
        Ask::Closer(number) => {
            assert!(heard.closers.insert(number, Some(account("bob"))).is_none());
        }
        Ask::Labelers(number) => {
            assert!(heard.labelers.insert(number, labelers.clone()).is_none());
        }
    }
}

/// The deeds, after everything that was asked was answered.
fn settle<T>(
    world: impl Fn(Ask, &mut Heard),
    mut read: impl FnMut(&Rules<'_>, &Heard) -> Result<T, Ask>,
) -> T {
    let agents = ["echo", "vision"].map(|name| name.parse().unwrap()).into();
    let rules = Rules { least: Role::Triage, agents: &agents, us: Some(US) };
    let mut heard = Heard::default();
    loop {
        match read(&rules, &heard) {
            Ok(answer) => return answer,
            Err(ask) => world(ask, &mut heard),
        }
    }
}

fn shown(deeds: &[Deed]) -> String {
    let lines = deeds.iter().map(|deed| match deed {
        Deed::Link(..) => "link".to_owned(),
        Deed::Open { agent, text, author, .. } => format!("open {agent} by {author}: {text:?}"),
        Deed::Retell(_, text) => format!("retell {text:?}"),
        Deed::Say { author, body, .. } => format!("{author} says {body:?}"),
        Deed::Resolve { resolution, by, .. } => format!("{resolution} by {by}"),
        Deed::Reopen(_) => "reopen".to_owned(),
        Deed::Operate { agent, hold, by } => format!("hold {agent}: {hold:?} by {by}"),
        Deed::See { is_open: true, .. } => "see it open".to_owned(),
        Deed::See { is_open: false, .. } => "see it closed".to_owned(),
        Deed::Read { .. } => "read".to_owned(),
        Deed::Answer { reaction, help, .. } => {
            let help = help.as_deref().and_then(|help| help.lines().next());
            format!("answer {reaction} {}", help.unwrap_or_default())
        }
        Deed::Merge { of, .. } => format!("merge into {of}"),
        Deed::Unheeded { by, .. } => format!("{by} is not heeded"),
    });
    lines.map(|line| line.trim().to_owned() + "\n").collect()
}

fn seen(issue: &Issue, place: &Place, labelers: &[(&str, &str)]) -> String {
    shown(&settle(world(labelers), |rules, heard| of_issue(issue, place, rules, heard)))
}

fn heard(comment: &IssueComment, link: &Link) -> String {
    shown(&settle(world(&[]), |rules, heard| of_comment(comment, link, None, rules, heard)))
}

#[test]
fn an_issue_of_somebody_who_counts_becomes_feedback() {
    let labelled = issue("ann", &["agent:vision", "agent:nobody", "bug"]);
    insta::assert_snapshot!(seen(&labelled, &Place::Unknown, &[]), @r#"open vision by @ann: "Too red\n\nPlease, less.""#);
    assert_eq!(seen(&issue("ann", &["bug"]), &Place::Unknown, &[]), "");
    let closed = closed(labelled, CloseReason::Completed, Some("ann"));
    assert_eq!(seen(&closed, &Place::Unknown, &[]), "");
}

#[test]
fn a_form_names_the_agent() {
    let filled_in = Issue {
        body: "### Agent\n\necho\n\n### What should change?\n\nLess red.".to_owned(),
        ..issue("ann", &["wavemark"])
    };
    insta::assert_snapshot!(seen(&filled_in, &Place::Unknown, &[]), @r#"open echo by @ann: "Too red\n\nLess red.""#);
    // The repo has no such label, so GitHub left it out.
    let bare = Issue { labels: [].into(), ..filled_in.clone() };
    assert_eq!(seen(&bare, &Place::Unknown, &[]), seen(&filled_in, &Place::Unknown, &[]));
    let half = Issue { body: "### Agent\n\necho".to_owned(), ..bare };
    assert_eq!(seen(&half, &Place::Unknown, &[]), "");
    let strangers = Issue { author: Some(account("bob")), ..filled_in };
    assert_eq!(seen(&strangers, &Place::Unknown, &[]), "");
}

#[test]
fn a_strangers_issue_waits_for_the_label_of_somebody_who_counts() {
    let labelled = issue("bob", &["agent:vision"]);
    assert_eq!(seen(&labelled, &Place::Unknown, &[]), "");
    assert_eq!(seen(&labelled, &Place::Unknown, &[("agent:vision", "bob")]), "");
    assert_eq!(seen(&labelled, &Place::Unknown, &[("agent:echo", "ann")]), "");
    let vouched = seen(&labelled, &Place::Unknown, &[("agent:vision", "ann")]);
    assert_eq!(vouched, "open vision by @bob: \"Too red\\n\\nPlease, less.\"\n");
}

#[test]
fn closing_resolves_if_it_counts() {
    use CloseReason::{Completed, Duplicate, NotPlanned};
    let mut all = String::new();
    for origin in [Origin::Ours, Origin::Theirs] {
        for (reason, by) in [
            (Completed, Some("ann")),
            (NotPlanned, Some("ann")),
            (Duplicate, Some("ann")),
            (Completed, Some("bob")),
            (Completed, Some("us")),
            (Completed, None),
        ] {
            let issue = closed(issue("bob", &[]), reason, by);
            let deeds = seen(&issue, &Place::Linked(vec![link(origin)]), &[]);
            all +=
                &format!("{origin:?} {reason} by {by:?}: {}\n", deeds.trim().replace('\n', ", "));
        }
    }
    insta::assert_snapshot!(all, @r#"
    Ours completed by Some("ann"): completed by @ann, see it closed
    Ours not_planned by Some("ann"): dismissed by @ann, see it closed
    Ours duplicate by Some("ann"): dismissed by @ann, see it closed
    Ours completed by Some("bob"): @bob is not heeded, see it open
    Ours completed by Some("us"): see it closed
    Ours completed by None: @bob is not heeded, see it open
    Theirs completed by Some("ann"): completed by @ann, see it closed
    Theirs not_planned by Some("ann"): dismissed by @ann, see it closed
    Theirs duplicate by Some("ann"): dismissed by @ann, see it closed
    Theirs completed by Some("bob"): @bob is not heeded, see it open
    Theirs completed by Some("us"): see it closed
    Theirs completed by None: @bob is not heeded, see it open
    "#);
}

#[test]
fn what_was_closed_and_is_open_is_open_again() {
    let link = Link { is_open: false, resolved: true, ..link(Origin::Ours) };
    let deeds = seen(&issue("us", &[]), &Place::Linked(vec![link.clone()]), &[]);
    assert_eq!(deeds, "reopen\nsee it open\n");
    // An answer that GitHub kept for a while.
    let stale = Issue { updated_at: at(4), ..issue("us", &[]) };
    assert_eq!(seen(&stale, &Place::Linked(vec![link]), &[]), "");
}

#[test]
fn the_text_follows_its_author_if_they_count() {
    let edited = Issue { body: "More blue.".to_owned(), ..issue("ann", &["agent:vision"]) };
    let linked = Place::Linked(vec![link(Origin::Theirs)]);
    assert_eq!(seen(&edited, &linked, &[]), "retell \"Too red\\n\\nMore blue.\"\nsee it open\n");
    let strangers = Issue { author: Some(account("bob")), ..edited };
    assert_eq!(seen(&strangers, &linked, &[]), "see it open\n");
}

#[test]
fn another_label_pauses_another_agent() {
    let both = issue("ann", &["agent:vision", "agent:echo"]);
    let deeds = seen(&both, &Place::Linked(vec![link(Origin::Theirs)]), &[]);
    assert_eq!(deeds, "see it open\nopen echo by @ann: \"Too red\\n\\nPlease, less.\"\n");
}

#[test]
fn an_issue_of_ours_is_found_again_and_its_copies_are_closed() {
    let ours = closed(issue("us", &[]), CloseReason::Completed, Some("ann"));
    let found = Place::Found(Link { seen_at: at(-99), ..link(Origin::Ours) });
    assert_eq!(seen(&ours, &found, &[]), "link\ncompleted by @ann\nsee it closed\n");
    let copy = Place::Copy(IssueNumber(3));
    assert_eq!(seen(&issue("us", &[]), &copy, &[]), "merge into #3\n");
    assert_eq!(seen(&ours, &copy, &[]), "");
}

#[test]
fn comments_of_people_who_count_reach_the_agent() {
    let vision = link(Origin::Ours);
    assert_eq!(heard(&comment("ann", "Less red."), &vision), "read\n@ann says \"Less red.\"\n");
    for silent in ["bob", "us", "ci-bot"] {
        assert_eq!(heard(&comment(silent, "/wavemark dismiss"), &vision), "read\n");
    }
}

#[test]
fn commands_are_obeyed_and_answered() {
    let vision = link(Origin::Ours);
    let mut all = String::new();
    for words in ["dismiss", "pause", "resume", "approve", "destroy", ""] {
        let deeds = heard(&comment("ann", &format!("/wavemark {words}")), &vision);
        all += &format!("{words}: {}\n", deeds.trim().replace('\n', ", "));
    }
    insta::assert_snapshot!(all, @"
    dismiss: read, dismissed by @ann, answer +1
    pause: read, hold vision: On by @ann, answer +1
    resume: read, hold vision: Off by @ann, answer +1
    approve: read, answer confused This is a comment: `approve` does not apply to it. What can be said in a line of its own:
    destroy: read, answer confused That is not a command. What can be said in a line of its own:
    : read, answer confused There is no command here. What can be said in a line of its own:
    ");
}

#[test]
fn an_edited_comment_says_something_else_and_commands_nothing() {
    let vision = link(Origin::Ours);
    let first = Edition::of(&comment("ann", "Less red."));
    // In the same second.
    let edited = comment("ann", "More blue.\n/wavemark dismiss");
    let read = |now: &IssueComment, before| {
        shown(&settle(world(&[]), |rules, heard| {
            of_comment(now, &vision, Some(before), rules, heard)
        }))
    };
    assert_eq!(read(&edited, first), "read\n@ann says \"More blue.\"\n");
    assert_eq!(read(&edited, Edition::of(&edited)), "");
    let older = IssueComment { updated_at: at(7), ..edited };
    assert_eq!(read(&older, first), "");
}

fn any_label() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("agent:vision"), Just("agent:echo"), Just("wavemark"), Just("bug")]
}

fn any_state() -> impl Strategy<Value = IssueState> {
    prop_oneof![
        Just(IssueState::Open),
        Just(IssueState::Closed(CloseReason::Completed)),
        Just(IssueState::Closed(CloseReason::NotPlanned)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_word_of_a_stranger_changes_nothing(
        labels in prop::collection::vec(any_label(), 0..4),
        state in any_state(),
        form in any::<bool>(),
        linked in any::<bool>(),
        body in "(/wavemark (approve|dismiss|pause)|.{0,20})",
    ) {
        let form = if form { "### Agent\n\nvision\n\n" } else { "" };
        let issue = Issue {
            body: format!("{form}{body}"),
            state,
            closed_by: Some(account("bob")),
            ..issue("bob", &labels)
        };
        let place = match linked {
            true => Place::Linked(vec![link(Origin::Theirs)]),
            false => Place::Unknown,
        };
        let by_bob: Vec<(&str, &str)> = labels.iter().map(|&label| (label, "bob")).collect();
        let deeds = settle(world(&by_bob), |rules, heard| of_issue(&issue, &place, rules, heard));
        let said = settle(world(&[]), |rules, heard| {
            of_comment(&comment("bob", &body), &link(Origin::Theirs), None, rules, heard)
        });
        for deed in deeds.iter().chain(&said) {
            prop_assert!(
                matches!(
                    deed,
                    Deed::See { is_open: true, .. } | Deed::Unheeded { .. } | Deed::Read { .. }
                ),
                "{deed:?}"
            );
        }
    }
}
