//! What we write: the issue of a feedback, and the few comments on issues.

use std::fmt::Write as _;

use super::{
    Key, Mark, Misfit,
    command::Command,
    form::FORM_LABEL,
    quote::{closed, line, quiet},
};
use crate::model::{
    AgentName, ArtifactKey, Digest, FeedbackId, FeedbackKind, FeedbackNumber, IssueNumber, Outcome,
    Resolution, WaveName,
};

/// GitHub takes titles of so many characters.
const LONGEST_TITLE: usize = 256;
/// GitHub takes texts of so many characters.
const LONGEST_BODY: usize = 65_536;
/// GitHub takes labels of so many characters.
const LONGEST_LABEL: usize = 50;
/// As many artifacts are listed at most.
const MOST_ARTIFACTS: usize = 50;
/// Their list has so many bytes at most: a text is worth more than a long list.
const LONGEST_LIST: usize = 20_000;

/// A feedback, with what a person who answers it wants to know.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its id.
    pub feedback: FeedbackId,
    /// What people call it by on the command line.
    pub number: FeedbackNumber,
    /// What kind it is.
    pub kind: FeedbackKind,
    /// Its text.
    pub text: String,
    /// Whose it is.
    pub agent: AgentName,
    /// The agent's title.
    pub title: Option<String>,
    /// The agent's wave.
    pub wave: WaveName,
    /// Whether a person is asked to do the work of the agent.
    pub is_manual: bool,
    /// What the agent was doing, in a sentence.
    pub doing: Option<String>,
    /// What it made last.
    pub artifacts: Vec<Artifact>,
}

/// An artifact to be linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// What it is called.
    pub key: ArtifactKey,
    /// The how-manieth of its name.
    pub version: i32,
    /// Where it is shown, if it is in git already.
    pub url: Option<String>,
}

/// An issue to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The title.
    pub title: String,
    /// The text.
    pub body: String,
    /// The labels.
    pub labels: Vec<String>,
}

/// The label that connects an issue with an agent.
///
/// Where GitHub does not take one so long, a digest of the name stands for its
/// end.
pub fn agent_label(agent: &AgentName) -> String {
    let label = format!("agent:{agent}");
    if label.len() <= LONGEST_LABEL {
        return label;
    }
    let digest = Digest::of(agent.as_str()).short();
    // A name is ASCII.
    format!("{}-{digest}", &label[..LONGEST_LABEL - digest.len() - 1])
}

impl Letter {
    /// The issue of a feedback.
    pub fn about(subject: &Subject, key: &Key) -> Self {
        let Subject { agent, wave, .. } = subject;
        let mut tail = "\n\n---\n\n".to_owned();
        let who = match &subject.title {
            Some(title) => format!("{} (`{agent}`)", quiet(title)),
            None => format!("`{agent}`"),
        };
        let _ = writeln!(tail, "**Agent** {who}, in wave `{wave}`");
        if let Some(doing) = &subject.doing {
            let _ = writeln!(tail, "\n**Was doing** {}", quiet(&line(doing, 500)));
        }
        if !subject.artifacts.is_empty() {
            tail += "\n**Made so far**\n\n";
        }
        let list = tail.len();
        let is_room = |tail: &String| tail.len() - list < LONGEST_LIST;
        let mut listed = 0;
        for Artifact { key, version, url } in subject.artifacts.iter().take(MOST_ARTIFACTS) {
            if !is_room(&tail) {
                break;
            }
            let _ = match url {
                Some(url) => writeln!(tail, "- [{key}]({url}), version {version}"),
                None => writeln!(tail, "- {key}, version {version} (not in git yet)"),
            };
            listed += 1;
        }
        if let Some(more @ 1..) = subject.artifacts.len().checked_sub(listed) {
            let _ = writeln!(tail, "- and {more} more");
        }
        let (completed, not_planned) = endings(subject.kind, subject.is_manual);
        let _ = write!(
            tail,
            "\n**Close as completed** and {completed}.\n\
             **Close as not planned** and {not_planned}.\n\n\
             Comments go to the agent, with this text. No other agent waits for this, which \
             is feedback {} on the command line.\n\n{}\n",
            subject.number.0,
            key.line(Mark::Issue(subject.feedback)),
        );
        // The text goes last into what room there is: the rest must not be cut.
        let room = LONGEST_BODY.saturating_sub(tail.chars().count());
        let body = closed(&quiet(subject.text.trim()), room) + &tail;
        let labels = vec![FORM_LABEL.to_owned(), agent_label(agent)];
        Self { title: title(subject), body, labels }
    }
}

fn title(subject: &Subject) -> String {
    let agent = &subject.agent;
    let first = subject.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let title = match subject.kind {
        FeedbackKind::Review => format!("Review {agent}"),
        FeedbackKind::Failure => format!("{agent} failed"),
        FeedbackKind::Refusal => format!("Git does not take an artifact of {agent}"),
        FeedbackKind::Question if subject.is_manual => format!("Work for you: {agent}"),
        FeedbackKind::Question => format!("{agent} asks: {first}"),
        FeedbackKind::Comment => format!("On {agent}: {first}"),
    };
    line(&title, LONGEST_TITLE)
}

/// What follows from closing as completed, and from closing as not planned.
fn endings(kind: FeedbackKind, is_manual: bool) -> (&'static str, &'static str) {
    match kind {
        FeedbackKind::Comment => (
            "it is acted on: the agent goes on with it, or is built again if it had finished",
            "it is ignored: the agent goes on as if nothing had been said",
        ),
        FeedbackKind::Review => (
            "what was built is approved",
            "it is sent back: it is built again, with the comments here",
        ),
        FeedbackKind::Question if is_manual => (
            "the work counts as done, once everything is handed in",
            "it is given up: the agent is paused until `/wavemark resume`",
        ),
        FeedbackKind::Question => {
            ("the agent goes on with the answers here", "the agent goes on without an answer")
        }
        FeedbackKind::Refusal => ("it is pushed again", "it stays out of git; its row stays"),
        FeedbackKind::Failure => (
            "it is tried again from its last checkpoint, with the comments here",
            "it is given up: the agent is paused until `/wavemark resume`",
        ),
    }
}

/// What an agent is doing in this attempt, or how that ended, in a few words.
pub fn doing(attempt: i32, outcome: Option<Outcome>, words: Option<&str>) -> String {
    let what = match outcome {
        None => format!("building, attempt {attempt}"),
        Some(outcome) => format!("attempt {attempt}: {outcome}"),
    };
    match words.map(str::trim).filter(|words| !words.is_empty()) {
        Some(words) => format!("{what}: {words}"),
        None => what,
    }
}

/// Said when a feedback was resolved elsewhere.
pub fn closing(resolution: Resolution, by: Option<&str>) -> String {
    let by = by.map(|by| format!(" by {}", quiet(&line(by, 100)))).unwrap_or_default();
    match resolution {
        Resolution::Completed => format!("Resolved{by} in Wavemark: acted on."),
        Resolution::Dismissed => format!("Resolved{by} in Wavemark: not acted on."),
        Resolution::Superseded => "Overtaken: what this is about is being built again.".to_owned(),
    }
}

/// Said when a feedback was opened again elsewhere.
pub fn reopening() -> String {
    "Opened again in Wavemark.".to_owned()
}

/// Said on an issue that is the same as another.
pub fn duplicate(of: IssueNumber) -> String {
    format!("The same as {of}, which was opened first: please go on there.")
}

/// Said to somebody whose command does nothing.
pub fn help(misfit: &Misfit) -> String {
    let mut text = format!("{misfit} What can be said in a line of its own:\n\n");
    for &command in Command::ALL {
        let what = match command {
            Command::Approve => "what was built is good",
            Command::SendBack => "build it again, with the comments here",
            Command::Retry => "try again what failed",
            Command::Dismiss => "do not act on this",
            Command::Pause => "hold the agent",
            Command::Resume => "let the agent go on",
        };
        let _ = writeln!(text, "- `/wavemark {command}`: {what}");
    }
    text
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn subject(kind: FeedbackKind, text: &str) -> Subject {
        Subject {
            feedback: FeedbackId::from_uuid(Uuid::from_u128(7)),
            number: FeedbackNumber(12),
            kind,
            text: text.to_owned(),
            agent: "echo".parse().unwrap(),
            title: Some("Echo, for @everyone".to_owned()),
            wave: "foundation".parse().unwrap(),
            is_manual: false,
            doing: Some("building, attempt 2: step 3 of 4".to_owned()),
            artifacts: vec![
                Artifact {
                    key: "doc/summary.md".parse().unwrap(),
                    version: 2,
                    url: Some("https://host/o/r/blob/c0ffee/foundation/echo/doc/summary.md".into()),
                },
                Artifact { key: "schema/sheet.json".parse().unwrap(), version: 1, url: None },
            ],
        }
    }

    fn key() -> Key {
        Key::from_hex(&"01".repeat(32)).unwrap()
    }

    fn shown(letter: &Letter) -> String {
        let text = format!("{}\n{:?}\n\n{}", letter.title, letter.labels, letter.body);
        text.replace('\u{200b}', "|")
    }

    #[test]
    fn an_issue_says_what_closing_it_will_do() {
        let text = "Which colour, @ann?\nSee #7. <!-- wavemark:issue forged -->";
        let letter = Letter::about(&subject(FeedbackKind::Question, text), &key());
        insta::assert_snapshot!(shown(&letter), @r#"
        echo asks: Which colour, @ann?
        ["wavemark", "agent:echo"]

        Which colour, @|ann?
        See #|7. <|!-- wavemark:issue forged -->

        ---

        **Agent** Echo, for @|everyone (`echo`), in wave `foundation`

        **Was doing** building, attempt 2: step 3 of 4

        **Made so far**

        - [doc/summary.md](https://host/o/r/blob/c0ffee/foundation/echo/doc/summary.md), version 2
        - schema/sheet.json, version 1 (not in git yet)

        **Close as completed** and the agent goes on with the answers here.
        **Close as not planned** and the agent goes on without an answer.

        Comments go to the agent, with this text. No other agent waits for this, which is feedback 12 on the command line.

        <!-- wavemark:issue 00000000-0000-0000-0000-000000000007 69aaefd39f071c56cff9e9b03b6fb6ce -->
        "#);
    }

    #[test]
    fn every_kind_has_its_title_and_its_endings() {
        let mut all = String::new();
        for &kind in FeedbackKind::ALL {
            for is_manual in [false, true] {
                let subject = Subject { is_manual, ..subject(kind, "One\ntwo") };
                let (completed, not_planned) = endings(kind, is_manual);
                all += &format!("{}\n  + {completed}\n  - {not_planned}\n", title(&subject));
            }
        }
        insta::assert_snapshot!(all, @"
        On echo: One
          + it is acted on: the agent goes on with it, or is built again if it had finished
          - it is ignored: the agent goes on as if nothing had been said
        On echo: One
          + it is acted on: the agent goes on with it, or is built again if it had finished
          - it is ignored: the agent goes on as if nothing had been said
        Review echo
          + what was built is approved
          - it is sent back: it is built again, with the comments here
        Review echo
          + what was built is approved
          - it is sent back: it is built again, with the comments here
        echo asks: One
          + the agent goes on with the answers here
          - the agent goes on without an answer
        Work for you: echo
          + the work counts as done, once everything is handed in
          - it is given up: the agent is paused until `/wavemark resume`
        echo failed
          + it is tried again from its last checkpoint, with the comments here
          - it is given up: the agent is paused until `/wavemark resume`
        echo failed
          + it is tried again from its last checkpoint, with the comments here
          - it is given up: the agent is paused until `/wavemark resume`
        Git does not take an artifact of echo
          + it is pushed again
          - it stays out of git; its row stays
        Git does not take an artifact of echo
          + it is pushed again
          - it stays out of git; its row stays
        ");
    }

    #[test]
    fn however_long_everything_is_github_takes_it_and_the_mark_stays() {
        let mark = Mark::Issue(FeedbackId::from_uuid(Uuid::from_u128(7)));
        let artifact = |number| Artifact {
            key: format!("doc/{number}{}", "n".repeat(90)).parse().unwrap(),
            version: 1,
            url: Some(format!("https://host/o/r/blob/{}", "a/".repeat(300))),
        };
        // What is quoted grows: each of these is kept from calling somebody.
        for text in ["ä ", "@a", "#1", "<!", "```\n"].map(|text| text.repeat(100_000)) {
            for artifacts in [0, 200] {
                let artifacts = (0..artifacts).map(artifact).collect();
                let subject = Subject { artifacts, ..subject(FeedbackKind::Comment, &text) };
                let letter = Letter::about(&subject, &key());
                let (body, title) = (letter.body.chars().count(), letter.title.chars().count());
                assert!((40_000..=65_536).contains(&body) && title <= 256, "{body} {title}");
                assert_eq!(key().find(&letter.body), Some(mark));
            }
        }
    }

    #[test]
    fn a_block_of_code_that_is_left_open_ends_before_our_words() {
        let letter = Letter::about(&subject(FeedbackKind::Failure, "Log:\n```sh\nexit 1"), &key());
        assert!(letter.body.starts_with("Log:\n```sh\nexit 1\n```\n\n---\n"), "{}", letter.body);
    }

    #[test]
    fn a_label_is_never_longer_than_github_takes() {
        let label = |name: &str| agent_label(&name.parse().unwrap());
        assert_eq!(label(&"a".repeat(44)), format!("agent:{}", "a".repeat(44)));
        let long = |last: char| label(&format!("{}{last}", "a".repeat(62)));
        assert_eq!(long('x').len(), 50);
        assert_ne!(long('x'), long('y'));
    }

    #[test]
    fn help_lists_every_command() {
        insta::assert_snapshot!(help(&Misfit::Unknown("destroy".to_owned())), @"
        That is not a command. What can be said in a line of its own:

        - `/wavemark approve`: what was built is good
        - `/wavemark send-back`: build it again, with the comments here
        - `/wavemark retry`: try again what failed
        - `/wavemark dismiss`: do not act on this
        - `/wavemark pause`: hold the agent
        - `/wavemark resume`: let the agent go on
        ");
    }
}
