//! What waits for a person: the list, and one thread.

use std::fmt;

use serde::Serialize;

use super::{
    page::{ALERT, BOLD, COMMAND, DIM, PLAIN, Page, Span},
    text::one_line,
    words::{age, count, wait},
};
use crate::model::{AgentName, FeedbackKind, FeedbackNumber, Instant, Resolution, Thread};

/// One open feedback, by its number and kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FeedbackRef {
    /// The number people call it by.
    pub number: FeedbackNumber,
    /// What kind it is.
    pub kind: FeedbackKind,
}

impl FeedbackRef {
    /// The commands with which a person lets go of it, the likelier first.
    pub(super) fn help(self, agent: &AgentName) -> Vec<Help> {
        let resolve = format!("wavemark feedback resolve {}", self.number.0);
        let commands = match self.kind {
            FeedbackKind::Comment => {
                vec![("act on it", resolve.clone()), ("dismiss it", resolve + " --dismiss")]
            }
            FeedbackKind::Review => vec![
                ("approve", format!("wavemark approve {agent}")),
                ("send back", format!("wavemark send-back {agent} \"…\"")),
            ],
            FeedbackKind::Question => vec![("answer", resolve + " --comment \"…\"")],
            FeedbackKind::Failure => vec![
                ("see why", format!("wavemark log {agent}")),
                ("try again", format!("wavemark retry {agent}")),
            ],
            FeedbackKind::Refusal => vec![
                ("push it again", resolve.clone()),
                ("leave it out of git", resolve + " --dismiss"),
            ],
        };
        let help = |(aim, command)| Help { aim, command };
        commands.into_iter().map(help).collect()
    }
}

/// A command that helps, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Help {
    /// What it achieves.
    pub(super) aim: &'static str,
    /// What to type.
    pub(super) command: String,
}

impl Help {
    /// Prints it below what it helps with.
    pub(super) fn print(&self, page: &mut Page, indent: usize) {
        page.item("→ ", indent, COMMAND, &self.to_string());
    }
}

impl fmt::Display for Help {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.aim, self.command)
    }
}

impl fmt::Display for FeedbackRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.number)
    }
}

/// One feedback, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FeedbackView {
    /// The number people call it by.
    pub number: FeedbackNumber,
    /// What kind it is.
    pub kind: FeedbackKind,
    /// Whom it is about.
    pub agent: AgentName,
    /// What it says.
    pub text: String,
    /// Since when it is there.
    pub opened_at: Instant,
    /// How it ended; absent while it is open.
    pub resolution: Option<Resolution>,
    /// How many messages the thread has, the feedback itself included.
    pub messages: u32,
}

impl FeedbackView {
    /// Its number and kind.
    pub fn reference(&self) -> FeedbackRef {
        FeedbackRef { number: self.number, kind: self.kind }
    }

    /// Prints what it says and, while it is open, what to do about it.
    pub(super) fn print(&self, page: &mut Page, now: Instant) {
        let mut heading = vec![
            Span::new(ALERT, format!("{} {}", self.number, self.kind)),
            format!(" {} ", of(self.kind)).into(),
            Span::new(BOLD, self.agent.as_str()),
            Span::new(DIM, format!(", {} ago", age(now, self.opened_at))),
        ];
        if self.messages > 1 {
            let messages = count(self.messages as usize, "message");
            heading.push(Span::new(DIM, format!(", {messages}")));
        }
        if let Some(resolution) = self.resolution {
            heading.push(Span::new(DIM, format!(", {resolution}")));
        }
        page.line(heading);
        page.excerpt(4, &self.text);
        if self.resolution.is_none() {
            for help in self.reference().help(&self.agent) {
                help.print(page, 4);
            }
        }
    }
}

/// What stands between the kind of a feedback and the agent's name.
fn of(kind: FeedbackKind) -> &'static str {
    match kind {
        FeedbackKind::Comment => "on",
        FeedbackKind::Question => "from",
        FeedbackKind::Review | FeedbackKind::Failure => "of",
        FeedbackKind::Refusal => "of an artifact of",
    }
}

/// `wavemark feedback list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FeedbackListView {
    /// When the database was read.
    pub taken_at: Instant,
    /// Every feedback to show, in the order to show them.
    pub feedback: Vec<FeedbackView>,
}

impl FeedbackListView {
    /// The list, in lines of at most `width` columns.
    pub fn render(&self, width: usize) -> String {
        let mut page = Page::new(width);
        for feedback in &self.feedback {
            feedback.print(&mut page, self.taken_at);
        }
        let open = self.feedback.iter().filter(|one| one.resolution.is_none()).count();
        if open == 0 {
            page.line(["Nothing waits for you.".into()]);
        } else {
            page.blank();
            let show = "The whole thread: wavemark feedback show NUMBER";
            page.paragraph(0, PLAIN, &format!("{} for you. {show}", wait(open)));
        }
        page.into_text()
    }
}

/// `wavemark feedback show`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ThreadView {
    /// When the database was read.
    pub taken_at: Instant,
    /// Whom it is about.
    pub agent: AgentName,
    /// All that was said.
    pub thread: Thread,
}

impl ThreadView {
    /// The thread, in lines of at most `width` columns.
    pub fn render(&self, width: usize) -> String {
        let thread = &self.thread;
        let reference = FeedbackRef { number: thread.number, kind: thread.kind };
        let mut page = Page::new(width);
        page.line([
            Span::new(ALERT, format!("{} {}", thread.number, thread.kind)),
            format!(" {} ", of(thread.kind)).into(),
            Span::new(BOLD, self.agent.as_str()),
            ", ".into(),
            match thread.resolution {
                Some(resolution) => resolution.as_str().into(),
                None => "open".into(),
            },
            Span::new(DIM, format!(", {}", count(thread.messages.len(), "message"))),
        ]);
        for message in &thread.messages {
            page.blank();
            page.line([
                Span::new(BOLD, one_line(&message.author)),
                Span::new(DIM, format!(", {} ago", age(self.taken_at, message.at))),
            ]);
            page.paragraph(4, PLAIN, &message.body);
        }
        if thread.resolution.is_none() {
            page.blank();
            for help in reference.help(&self.agent) {
                help.print(&mut page, 0);
            }
        }
        page.into_text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::Message,
        report::sample::{name, now, plain, question, review, seconds_ago},
    };

    fn list(feedback: Vec<FeedbackView>, width: usize) -> String {
        let view = FeedbackListView { taken_at: now(), feedback };
        plain(&view.render(width))
    }

    #[test]
    fn every_kind_says_how_to_let_go_of_it() {
        let of_kind = |number, kind, text: &str| FeedbackView {
            number: FeedbackNumber(number),
            kind,
            text: text.to_owned(),
            ..review()
        };
        let all = vec![
            review(),
            question(),
            of_kind(5, FeedbackKind::Comment, "Use weeks,\nnot months."),
            of_kind(12, FeedbackKind::Failure, "3 runs failed, the last with exit 1."),
        ];
        insta::assert_snapshot!(list(all, 80), @r#"
        #3 review of vision, 3m ago
            A calendar of 5 columns for 4 weeks, ready for Google Sheets.
            → approve: wavemark approve vision
            → send back: wavemark send-back vision "…"
        #4 question from echo-build, 1m ago, 2 messages
            Which voice shall the messages speak with?
            → answer: wavemark feedback resolve 4 --comment "…"
        #5 comment on vision, 3m ago
            Use weeks, not months.
            → act on it: wavemark feedback resolve 5
            → dismiss it: wavemark feedback resolve 5 --dismiss
        #12 failure of vision, 3m ago
            3 runs failed, the last with exit 1.
            → see why: wavemark log vision
            → try again: wavemark retry vision

        4 wait for you. The whole thread: wavemark feedback show NUMBER
        "#);
    }

    #[test]
    fn a_list_at_40_columns() {
        insta::assert_snapshot!(list(vec![question()], 40), @r#"
        #4 question from echo-build, 1m ago, 2 …
            Which voice shall the messages speak
            with?
            → answer: wavemark feedback resolve
              4 --comment "…"

        1 waits for you. The whole thread:
        wavemark feedback show NUMBER
        "#);
    }

    #[test]
    fn what_is_resolved_asks_for_nothing() {
        let resolved = FeedbackView { resolution: Some(Resolution::Completed), ..review() };
        insta::assert_snapshot!(list(vec![resolved], 80), @"
        #3 review of vision, 3m ago, completed
            A calendar of 5 columns for 4 weeks, ready for Google Sheets.
        Nothing waits for you.
        ");
    }

    #[test]
    fn a_thread_keeps_the_lines_of_its_messages() {
        let message = |author: &str, ago, body: &str| Message {
            author: author.to_owned(),
            at: seconds_ago(ago),
            body: body.to_owned(),
        };
        let view = ThreadView {
            taken_at: now(),
            agent: name("echo-build"),
            thread: Thread {
                number: FeedbackNumber(4),
                kind: FeedbackKind::Question,
                resolution: None,
                messages: vec![
                    message("echo-build", 95, "Which voice shall the messages speak with?"),
                    message(
                        "renzo",
                        7300,
                        "Let me think.\r\n\r\n- warm, as if to a neighbour who has just moved in\r\n- 日本語でも、日本語でも、日本語でも\r\n",
                    ),
                ],
            },
        };
        insta::assert_snapshot!(plain(&view.render(50)), @r#"
        #4 question from echo-build, open, 2 messages

        echo-build, 1m ago
            Which voice shall the messages speak with?

        renzo, 2h ago
            Let me think.

            - warm, as if to a neighbour who has just
            moved in
            - 日本語でも、日本語でも、日本語でも

        → answer: wavemark feedback resolve 4 --comment
          "…"
        "#);
    }
}
