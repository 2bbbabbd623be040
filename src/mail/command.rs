//! What people tell Wavemark in a comment: `/wavemark approve`.

use super::quote::Fence;
use crate::model::{FeedbackKind, Resolution, words};

words! {
    /// What a person can tell Wavemark in a comment.
    pub enum Command("command") {
        /// What was built is good.
        Approve = "approve",
        /// Build it again, with what is said here.
        SendBack = "send-back",
        /// Try again what failed.
        Retry = "retry",
        /// Do not act on it.
        Dismiss = "dismiss",
        /// Hold the agent.
        Pause = "pause",
        /// Let the agent go on.
        Resume = "resume",
    }
}

/// What a comment says to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing: it is for the agent.
    Nothing,
    /// This.
    Command(Command),
    /// Something that is no command.
    Unknown(String),
}

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// It resolves the feedback.
    Resolve(Resolution),
    /// It holds the agent.
    Pause,
    /// It lets the agent go on.
    Resume,
}

/// Why a command does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// There is no such command.
    Unknown(String),
    /// It is about another kind of feedback.
    OtherKind(Command, FeedbackKind),
    /// The feedback is resolved.
    Resolved(Command),
}

const PREFIX: &str = "/wavemark";

/// Takes `body` apart: what it says to us, and the rest.
///
/// A command is a line of its own. Lines in a code block or a quotation are
/// somebody's example.
pub(super) fn read(body: &str) -> (Said, String) {
    let mut said = Said::Nothing;
    let mut rest = Vec::new();
    let mut fence = Fence::default();
    for line in body.lines() {
        let fenced = fence.read(line);
        match words_of(line) {
            Some(words) if !fenced && said == Said::Nothing => {
                said = words.parse().map_or_else(|_| Said::Unknown(words.clone()), Said::Command);
            }
            _ => rest.push(line),
        }
    }
    (said, rest.join("\n").trim().to_owned())
}

/// The words after the prefix, if a line starts with it, however it is written:
/// phones begin a word with a capital, and four spaces make code of a line.
fn words_of(line: &str) -> Option<String> {
    let text = line.trim_start_matches(' ');
    let (prefix, rest) = text.split_at_checked(PREFIX.len())?;
    (prefix.eq_ignore_ascii_case(PREFIX) && line.len() - text.len() < 4).then_some(())?;
    (rest.is_empty() || rest.starts_with(char::is_whitespace))
        .then(|| rest.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase())
}

/// What `command` does where an open or resolved feedback of this kind is.
pub(super) fn order(command: Command, kind: FeedbackKind, resolved: bool) -> Result<Order, Misfit> {
    use FeedbackKind::{Failure, Refusal, Review};
    use Resolution::{Completed, Dismissed};

    let resolve = |resolution, fits| match (fits, resolved) {
        (false, _) => Err(Misfit::OtherKind(command, kind)),
        (true, true) => Err(Misfit::Resolved(command)),
        (true, false) => Ok(Order::Resolve(resolution)),
    };
    match command {
        Command::Approve => resolve(Completed, kind == Review),
        Command::SendBack => resolve(Dismissed, kind == Review),
        Command::Retry => resolve(Completed, matches!(kind, Failure | Refusal)),
        // To dismiss a review would mean to send it back: that is said by name.
        Command::Dismiss => resolve(Dismissed, kind != Review),
        Command::Pause => Ok(Order::Pause),
        Command::Resume => Ok(Order::Resume),
    }
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(words) if words.is_empty() => f.write_str("There is no command here."),
            Self::Unknown(_) => f.write_str("That is not a command."),
            Self::OtherKind(command, kind) => {
                let what = match kind {
                    FeedbackKind::Comment => "a comment",
                    FeedbackKind::Review => "a review",
                    FeedbackKind::Question => "a question",
                    FeedbackKind::Failure => "a failure",
                    FeedbackKind::Refusal => "a refusal",
                };
                write!(f, "This is {what}: `{command}` does not apply to it.")
            }
            Self::Resolved(command) => {
                write!(f, "This is resolved already: there is nothing to `{command}`.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_line_of_its_own() {
        for (body, said, rest) in [
            ("/wavemark approve", Said::Command(Command::Approve), ""),
            (
                "Good.\r\n/wavemark  Send-Back \r\nMore colour.",
                Said::Command(Command::SendBack),
                "Good.\nMore colour.",
            ),
            ("please /wavemark approve", Said::Nothing, "please /wavemark approve"),
            ("> /wavemark approve", Said::Nothing, "> /wavemark approve"),
            ("```\n/wavemark approve\n```", Said::Nothing, "```\n/wavemark approve\n```"),
            (
                "````\n```\n/wavemark approve\n````",
                Said::Nothing,
                "````\n```\n/wavemark approve\n````",
            ),
            ("```x```\n/wavemark approve", Said::Command(Command::Approve), "```x```"),
            ("  /Wavemark APPROVE", Said::Command(Command::Approve), ""),
            ("    /wavemark approve", Said::Nothing, "/wavemark approve"),
            ("/wavemarks approve", Said::Nothing, "/wavemarks approve"),
            ("/wavemark", Said::Unknown(String::new()), ""),
            ("/wavemark destroy it", Said::Unknown("destroy it".to_owned()), ""),
        ] {
            assert_eq!(read(body), (said, rest.to_owned()), "{body}");
        }
    }

    #[test]
    fn the_first_command_counts() {
        let (said, rest) = read("/wavemark approve\n/wavemark retry");
        assert_eq!((said, rest.as_str()), (Said::Command(Command::Approve), "/wavemark retry"));
    }

    #[test]
    fn a_command_fits_what_it_is_said_about() {
        let mut table = String::new();
        for &command in Command::ALL {
            table += &format!("{command:<9}");
            for &kind in FeedbackKind::ALL {
                let does = match order(command, kind, false) {
                    Ok(Order::Resolve(resolution)) => resolution.as_str(),
                    Ok(Order::Pause) => "pause",
                    Ok(Order::Resume) => "resume",
                    Err(_) => "-",
                };
                table += &format!(" {kind}: {does:<9}");
            }
            table += "\n";
        }
        insta::assert_snapshot!(table, @"
        approve   comment: -         review: completed question: -         failure: -         refusal: -        
        send-back comment: -         review: dismissed question: -         failure: -         refusal: -        
        retry     comment: -         review: -         question: -         failure: completed refusal: completed
        dismiss   comment: dismissed review: -         question: dismissed failure: dismissed refusal: dismissed
        pause     comment: pause     review: pause     question: pause     failure: pause     refusal: pause    
        resume    comment: resume    review: resume    question: resume    failure: resume    refusal: resume
        ");
        let late = order(Command::Approve, FeedbackKind::Review, true);
        assert_eq!(late, Err(Misfit::Resolved(Command::Approve)));
    }
}
