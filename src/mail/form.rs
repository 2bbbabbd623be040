//! The form in which people open an issue about an agent.
//!
//! Its answers arrive as Markdown, a heading each. Whoever fills it in gets its
//! label, so neither proves anything: the author must count.

use crate::model::AgentName;

/// The label of every issue that Wavemark opens or its form opened.
pub const FORM_LABEL: &str = "wavemark";

/// Where GitHub looks for it, below the root of the repo.
pub const FORM_PATH: &str = ".github/ISSUE_TEMPLATE/feedback.yml";

const AGENT: &str = "Agent";
const WHAT: &str = "What should change?";
const NO_ANSWER: &str = "_No response_";

/// The issue form that offers `agents`, as GitHub reads it. The lines around them
/// say that they are kept up to date.
pub fn form<'a>(agents: impl IntoIterator<Item = &'a AgentName>) -> String {
    let options: String = agents.into_iter().map(|agent| format!("        - {agent}\n")).collect();
    format!(
        "\
name: Feedback on an agent
description: Say what should change. The agent pauses until this issue is closed.
labels: [{FORM_LABEL}]
body:
  - type: dropdown
    id: agent
    attributes:
      label: {AGENT}
      options:
        # wavemark: agents of the plan, kept by `wavemark sync`
{options}        # wavemark: end
    validations:
      required: true
  - type: textarea
    id: what
    attributes:
      label: {WHAT}
      description: The agent gets this, and every comment on the issue, as its input.
    validations:
      required: true
"
    )
}

/// The agent that a filled-in form names, and what it says about it.
pub(super) fn answers(body: &str) -> Option<(AgentName, String)> {
    let agent = answer(body, AGENT)?.parse().ok()?;
    Some((agent, answer(body, WHAT).unwrap_or_default()))
}

/// What stands under the heading `label`: up to the next heading of the form,
/// so that headings in the answer are part of it.
fn answer(body: &str, label: &str) -> Option<String> {
    let mut lines = body.lines().map(str::trim_end);
    lines.find(|line| line.strip_prefix("### ") == Some(label))?;
    let headings = [AGENT, WHAT];
    let is_next =
        |line: &&str| line.strip_prefix("### ").is_some_and(|heading| headings.contains(&heading));
    let lines: Vec<&str> = lines.take_while(|line| !is_next(line)).collect();
    let text = lines.join("\n").trim().to_owned();
    (!text.is_empty() && text != NO_ANSWER).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_offers_the_agents() {
        let agents: Vec<AgentName> = ["echo", "vision"].map(|name| name.parse().unwrap()).into();
        insta::assert_snapshot!(form(&agents), @"
        name: Feedback on an agent
        description: Say what should change. The agent pauses until this issue is closed.
        labels: [wavemark]
        body:
          - type: dropdown
            id: agent
            attributes:
              label: Agent
              options:
                # wavemark: agents of the plan, kept by `wavemark sync`
                - echo
                - vision
                # wavemark: end
            validations:
              required: true
          - type: textarea
            id: what
            attributes:
              label: What should change?
              description: The agent gets this, and every comment on the issue, as its input.
            validations:
              required: true
        ");
    }

    #[test]
    fn what_was_filled_in_is_read() {
        let body = "### Agent\r\n\r\nvision\r\n\r\n### What should change?\r\n\r\nLess red.\r\n\r\n### Why\r\n\r\nIt hurts.\r\n";
        let (agent, what) = answers(body).unwrap();
        assert_eq!(
            (agent.as_str(), what.as_str()),
            ("vision", "Less red.\n\n### Why\n\nIt hurts.")
        );
    }

    #[test]
    fn what_is_no_form_is_none() {
        for body in ["", "vision", "### Agent\n\n_No response_\n", "### Agent\n\nNo Such Name\n"] {
            assert_eq!(answers(body), None, "{body}");
        }
    }
}
