//! How things stand with GitHub, where they are not as they should be.

use serde::Serialize;

use super::{
    page::{PLAIN, Page},
    text::one_line,
};
use crate::model::{AgentName, FeedbackNumber, Instant, IssueNumber};

/// What keeps the conversation on GitHub from going on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GithubView {
    /// Until when GitHub wants to be left alone, if that is still to come.
    pub paused_until: Option<Instant>,
    /// Why the last visit did not do all it should have.
    pub trouble: Option<String>,
    /// Issues that are gone while somebody waits for them.
    pub missing: Vec<MissingIssueView>,
}

/// An issue that was deleted or moved away while its feedback is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingIssueView {
    /// The issue.
    pub issue: IssueNumber,
    /// Whose it was.
    pub feedback: FeedbackNumber,
    /// Who waits for it.
    pub agent: AgentName,
}

impl GithubView {
    /// Whether there is nothing to say.
    pub fn is_silent(&self) -> bool {
        *self == Self::default()
    }

    /// A paragraph for each thing there is to say.
    pub(super) fn print(&self, page: &mut Page) {
        if let Some(until) = self.paused_until {
            let until = until.format("%Y-%m-%d %H:%M:%S UTC");
            let text = format!(
                "GitHub wants to be left alone until {until}. The first tick after that goes on."
            );
            page.paragraph(0, PLAIN, &text);
        }
        if let Some(trouble) = &self.trouble {
            let trouble = one_line(trouble);
            page.paragraph(0, PLAIN, &format!("Not all is done on GitHub: {trouble}"));
        }
        for MissingIssueView { issue, feedback, agent } in &self.missing {
            let number = feedback.0;
            let text =
                format!("Issue {issue} of {agent} is gone: wavemark feedback resolve {number}");
            page.paragraph(0, PLAIN, &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_as_it_should_be_is_said_and_what_helps() {
        let view = GithubView {
            paused_until: Some("2026-11-22T17:00:30.5Z".parse().unwrap()),
            trouble: Some("acme/waves is archived (unarchive\n it)".to_owned()),
            missing: vec![MissingIssueView {
                issue: IssueNumber(7),
                feedback: FeedbackNumber(3),
                agent: "vision".parse().unwrap(),
            }],
        };
        let mut page = Page::new(80);
        view.print(&mut page);
        insta::assert_snapshot!(page.into_text(), @"
        GitHub wants to be left alone until 2026-11-22 17:00:30 UTC. The first tick
        after that goes on.
        Not all is done on GitHub: acme/waves is archived (unarchive it)
        Issue #7 of vision is gone: wavemark feedback resolve 3
        ");
        assert!(!view.is_silent() && GithubView::default().is_silent());
    }
}
