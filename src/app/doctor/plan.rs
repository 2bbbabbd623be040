//! The folder, and the plan in it.

use super::Exam;
use crate::{app::workspace::Workspace, plan::Plan, report::count};

const AREA: &str = "plan";

/// The folder of the project.
pub(super) fn workspace(exam: &mut Exam<'_>) -> Option<Workspace> {
    match Workspace::find(&exam.settings.directory) {
        Ok(workspace) => Some(workspace),
        Err(err) => {
            let next = "change to a project's folder, or begin one with `wavemark init`";
            exam.fail(AREA, "project", super::in_words(&err), next);
            exam.skip(AREA, "waves", "not looked at: there is no project");
            None
        }
    }
}

/// The plan, if it is a good one.
pub(super) fn plan(exam: &mut Exam<'_>, workspace: &Workspace) -> Option<Plan> {
    let next = "`wavemark check` shows all of it, line by line";
    let problems = match workspace.plan() {
        Ok(Ok(plan)) => {
            let what = format!(
                "{}, {} in {}",
                workspace.root().display(),
                count(plan.agents.len(), "agent"),
                count(plan.waves.len(), "wave")
            );
            exam.ok(AREA, "project", plan.project.name.to_string());
            match plan.warnings.to_lines().lines().next() {
                None => exam.ok(AREA, "waves", what),
                Some(first) => exam.warn(AREA, "waves", format!("{what}; {first}"), next),
            }
            return Some(plan);
        }
        Ok(Err(problems)) => problems,
        Err(err) => {
            exam.wrong(AREA, "project", err);
            exam.skip(AREA, "waves", "not looked at: they cannot be read");
            return None;
        }
    };
    match workspace.project_name() {
        Ok(name) => exam.ok(AREA, "project", name.to_string()),
        Err(err) => exam.fail(AREA, "project", super::in_words(&err), next),
    }
    let lines = problems.to_lines();
    let more = lines.lines().count();
    let first = lines.lines().next().unwrap_or_default();
    exam.fail(AREA, "waves", format!("{}; the first: {first}", count(more, "problem")), next);
    None
}
