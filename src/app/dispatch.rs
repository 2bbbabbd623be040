//! Starts the workflow that ticks, when its next tick has something to do.
//!
//! A build that lets others start tells nobody: without this, they wait for the
//! next tick of the clock. Two builds that end at once may both start it, which
//! does no harm; none starts it for nothing.

use std::{collections::BTreeMap, fmt, str::FromStr};

use anyhow::Context as _;

use super::{Context, preview};
use crate::engine::Effect;

/// The file name of a workflow, such as `tick.yml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowFile(String);

/// Why a string is not a [`WorkflowFile`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a workflow: give the name of a file in .github/workflows/, such as tick.yml")]
pub struct BadWorkflowFile(String);

impl FromStr for WorkflowFile {
    type Err = BadWorkflowFile;

    fn from_str(path: &str) -> Result<Self, BadWorkflowFile> {
        let file = path.strip_prefix("./").unwrap_or(path);
        let file = file.strip_prefix(".github/workflows/").unwrap_or(file);
        let stem = file.strip_suffix(".yml").or_else(|| file.strip_suffix(".yaml"));
        match stem {
            Some(stem) if !stem.is_empty() && !file.contains('/') => Ok(Self(file.to_owned())),
            _ => Err(BadWorkflowFile(path.to_owned())),
        }
    }
}

impl fmt::Display for WorkflowFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a tick would do that is worth one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// So many agents can start.
    Agents(usize),
    /// People are to be asked or told something on GitHub.
    Mail,
    /// So many artifacts are not in git yet.
    Artifacts(u64),
}

/// Starts `workflow` on the default branch, if its tick would have something to
/// do; says what.
///
/// # Errors
///
/// When the database or GitHub fails. Nothing is lost: what is due is found by
/// whichever tick comes next.
pub async fn dispatch_next(cx: &Context, workflow: &WorkflowFile) -> anyhow::Result<Option<Due>> {
    let Some(due) = due(cx).await? else { return Ok(None) };
    let because = || format!("cannot start {workflow}");
    let github = cx
        .github()
        .with_context(because)?
        .context("GITHUB_TOKEN or GITHUB_REPOSITORY is not set")
        .with_context(because)?;
    let mut visit = github.visit();
    let repository = visit.repository().await.with_context(because)?;
    let branch = &repository.default_branch;
    visit.dispatch(&workflow.0, branch, &BTreeMap::new()).await.with_context(because)?;
    Ok(Some(due))
}

async fn due(cx: &Context) -> anyhow::Result<Option<Due>> {
    let decision = preview(cx).await.context("cannot tell what the next tick would do")?;
    let startable = decision.effects.iter().filter(|effect| effect.is_launch()).count();
    if startable > 0 {
        return Ok(Some(Due::Agents(startable)));
    }
    let asks = decision.effects.iter().any(|effect| matches!(effect, Effect::Ask { .. }));
    if asks || cx.store.mail_is_due(cx.project.id).await? {
        return Ok(Some(Due::Mail));
    }
    let pending = cx.store.pending_count(cx.project.id).await?;
    Ok((pending > 0).then_some(Due::Artifacts(pending)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_is_named_by_its_file() {
        for path in ["tick.yml", ".github/workflows/tick.yml", "./.github/workflows/tick.yml"] {
            assert_eq!(path.parse::<WorkflowFile>().unwrap().to_string(), "tick.yml");
        }
        assert_eq!("tick.yaml".parse::<WorkflowFile>().unwrap().to_string(), "tick.yaml");
        for bad in ["", "tick", ".yml", "a/tick.yml", "../tick.yml", "tick.yml/", "tick.json"] {
            assert!(bad.parse::<WorkflowFile>().is_err(), "{bad}");
        }
        insta::assert_snapshot!("tick".parse::<WorkflowFile>().unwrap_err(), @"`tick` is not a workflow: give the name of a file in .github/workflows/, such as tick.yml");
    }
}
