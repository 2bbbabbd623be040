//! What people are told when they are asked something.

use crate::{engine::Request, model::AgentName, store::agents::Background};

/// How much of a run's output a person is shown.
const LOG_LINES: usize = 20;

/// The text of a request about `agent`.
pub(super) fn text(agent: &AgentName, request: &Request, background: &Background) -> String {
    let name = match &background.title {
        Some(title) => format!("{title} (`{agent}`)"),
        None => format!("`{agent}`"),
    };
    match request {
        Request::Review { generation } => {
            let mut text = format!("{name} is built and waits for your review.\n");
            if generation.0 > 1 {
                text += &format!("\nIt was built for the {} time.\n", ordinal(generation.0));
            }
            if let Some(summary) = &background.summary {
                text += &format!("\n{}\n", summary.trim());
            }
            text
        }
        Request::Failure { budget, .. } => {
            let mut text = match budget {
                Some(budget) => format!(
                    "{name} has used up its budget: {budget}.\n\nTried again, it goes on from its \
                     last checkpoint and may spend as much once more. For another limit, change its \
                     `budget_usd` in the plan first.\n"
                ),
                None => format!("{name} failed and will not be tried again by itself.\n"),
            };
            if let Some(outcome) = background.outcome {
                let detail = background.detail.as_deref().unwrap_or("nothing more is known");
                text += &format!("\nIts last run: {outcome}: {detail}\n");
            }
            if let Some(tail) = &background.log_tail {
                text += &format!("\nThe end of its output:\n\n{}\n", quoted_tail(tail));
            }
            text
        }
        Request::Budget { scope, limit, .. } => format!(
            "{name} could start, but {scope} is used up: {limit}.\n\nIt and all others under that \
             budget wait. Closed as completed, this allows as much again. For another limit, change \
             `budget_usd` in the plan: what fits it goes on by itself.\n"
        ),
        Request::HandIn { missing, .. } => {
            let mut text = format!("{name} is work for a person.\n");
            if let Some(prompt) = &background.prompt {
                text += &format!("\n{}\n", prompt.trim());
            }
            if !missing.is_empty() {
                text += "\nStill to be handed in:\n\n";
                for key in missing {
                    text += &format!(
                        "- {key}: `wavemark checkpoint --agent {agent} {} {} FILE`\n",
                        key.kind, key.name
                    );
                }
            }
            text += &format!("\nWhen it is done: `wavemark finish --agent {agent}`");
            text
        }
    }
}

fn ordinal(n: i32) -> String {
    match n {
        2 => "second".to_owned(),
        3 => "third".to_owned(),
        n => format!("{n}th"),
    }
}

/// The last lines, each indented so that nothing in them is taken for markup.
fn quoted_tail(tail: &str) -> String {
    let lines: Vec<&str> = tail.lines().collect();
    let from = lines.len().saturating_sub(LOG_LINES);
    let quoted: Vec<String> = lines[from..].iter().map(|line| format!("    {line}")).collect();
    quoted.join("\n")
}

/// Whether what a person is to be asked for has not been overtaken.
pub(super) fn is_current(request: &Request, now: &Background) -> bool {
    match request {
        Request::Failure { epoch, .. } => *epoch == now.epoch && !now.is_built,
        Request::Budget { generation, .. } => *generation == now.generation && !now.is_built,
        Request::Review { generation } | Request::HandIn { generation, .. } => {
            *generation == now.generation
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AgentId, Epoch, Generation, Outcome, ProjectId};

    fn background() -> Background {
        let project = ProjectId::of(&"seed".parse().unwrap());
        Background {
            id: AgentId::of(project, &"echo".parse().unwrap()),
            epoch: Epoch(1),
            generation: Generation(1),
            is_built: false,
            title: Some("Echo".to_owned()),
            prompt: Some("Write the brief.\n".to_owned()),
            summary: Some("A sheet with 3 columns.".to_owned()),
            outcome: Some(Outcome::Failed),
            detail: Some("exited 3".to_owned()),
            log_tail: Some("one\ntwo\n".to_owned()),
        }
    }

    fn request(request: &Request) -> String {
        text(&"echo".parse().unwrap(), request, &background())
    }

    #[test]
    fn a_review_says_how_to_answer() {
        insta::assert_snapshot!(request(&Request::Review { generation: Generation(2) }), @"
        Echo (`echo`) is built and waits for your review.

        It was built for the second time.

        A sheet with 3 columns.
        ");
    }

    #[test]
    fn a_failure_says_what_happened_last() {
        let failure =
            Request::Failure { epoch: Epoch(3), generation: Generation::FIRST, budget: None };
        insta::assert_snapshot!(request(&failure), @"
        Echo (`echo`) failed and will not be tried again by itself.

        Its last run: failed: exited 3

        The end of its output:

            one
            two
        ");
    }

    #[test]
    fn whoever_is_asked_for_money_is_told_what_a_yes_means() {
        let generation = Generation::FIRST;
        let budget = Some("0.50".parse().unwrap());
        let failure = Request::Failure { epoch: Epoch(3), generation, budget };
        insta::assert_snapshot!(request(&failure), @"
        Echo (`echo`) has used up its budget: $0.50.

        Tried again, it goes on from its last checkpoint and may spend as much once more. For another limit, change its `budget_usd` in the plan first.

        Its last run: failed: exited 3

        The end of its output:

            one
            two
        ");
    }

    #[test]
    fn work_for_a_person_says_what_is_missing() {
        insta::assert_snapshot!(request(&Request::HandIn {
            generation: Generation::FIRST,
            asked: 0,
            missing: vec!["doc/brief.md".parse().unwrap()],
        }), @"
        Echo (`echo`) is work for a person.

        Write the brief.

        Still to be handed in:

        - doc/brief.md: `wavemark checkpoint --agent echo doc brief.md FILE`

        When it is done: `wavemark finish --agent echo`
        ");
    }
}
