//! Says what syncing would do, and does nothing.
//!
//! **Invariant:** no row is written, no schema is migrated, and no private
//! Postgres is made for it. Where there is none, everything is new.

use super::{Settings, Workspace, database::look_into_store, outlook::outlook};
use crate::plan::{
    Plan, Problems,
    diff::{Changes, Proposal, Revision, Stored},
};

/// The plan at a revision is none that anything could be compared with.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the plan at `{revision}` has problems itself: {summary}\n{problems}")]
pub struct BadPast {
    revision: String,
    summary: String,
    /// The first of them, a line each.
    problems: String,
}

/// The most problems of an earlier plan that are told.
const MAX_PROBLEMS: usize = 5;

impl BadPast {
    fn new(revision: &str, problems: &Problems) -> Self {
        let lines = problems.to_lines();
        let first: Vec<String> =
            lines.lines().take(MAX_PROBLEMS).map(|line| format!("  {line}")).collect();
        Self {
            revision: revision.to_owned(),
            summary: problems.summary(),
            problems: first.join("\n"),
        }
    }
}

/// What syncing `plan` would do.
pub async fn propose(
    settings: &Settings,
    workspace: &Workspace,
    plan: &Plan,
) -> anyhow::Result<Proposal> {
    let (stored, facts) = match look_into_store(settings, workspace).await? {
        Some(store) => store.stored_plan(&plan.project.name).await?,
        None => (Stored::default(), None),
    };
    let changes = Changes::between(&stored, plan);
    let outlook = outlook(facts, plan, &changes);
    Ok(Proposal::new(plan, changes, outlook))
}

/// What `plan` changes of the plan at the revision called `name`, as if all of
/// that were built. Asks no database.
pub fn propose_against(workspace: &Workspace, plan: &Plan, name: &str) -> anyhow::Result<Proposal> {
    let revision = workspace.revision(name)?;
    let stored = match workspace.plan_at(&revision)? {
        Some(Ok(before)) => Stored::built(&before),
        Some(Err(problems)) => return Err(BadPast::new(name, &problems).into()),
        None => Stored::default(),
    };
    let changes = Changes::between(&stored, plan);
    let revision = Revision { name: name.to_owned(), commit: revision.commit() };
    Ok(Proposal::against(plan, changes, revision))
}
