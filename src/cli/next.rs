//! `--next`: what `build` and `sync` do at their end for what they made possible.

use clap::Args;

use super::{explain, output};
use crate::{
    app::{Context, Due, WorkflowFile, dispatch_next},
    report::count,
};

/// What comes after a command.
#[derive(Debug, Args)]
pub(super) struct NextArgs {
    /// At the end, start this workflow if its tick would have something to do
    ///
    /// On the default branch, and only if agents can start, something is to be
    /// told on GitHub, or artifacts are to be committed; never by a build that ran
    /// nothing itself, as nothing is new then. It takes a GITHUB_TOKEN
    /// with `actions: write`. If that fails, it is said, and the next tick of the
    /// clock sees to it.
    #[arg(long = "next", value_name = "FILE")]
    workflow: Option<WorkflowFile>,
}

impl NextArgs {
    /// Whether a workflow is named.
    pub(super) fn is_wanted(&self) -> bool {
        self.workflow.is_some()
    }

    /// Starts the workflow, if one is named and there is something to do.
    pub(super) async fn dispatch(&self, cx: &Context) {
        let Some(workflow) = &self.workflow else { return };
        match dispatch_next(cx, workflow).await {
            Ok(None) => {}
            Ok(Some(due)) => {
                let why = match due {
                    Due::Agents(number) => format!("{} can start", count(number, "agent")),
                    Due::Mail => "something is to be told on GitHub".to_owned(),
                    Due::Artifacts(number) => {
                        let number = usize::try_from(number).unwrap_or(usize::MAX);
                        format!("{} not in git yet", count(number, "artifact"))
                    }
                };
                output::complain(&format!("started {workflow}: {why}\n"));
            }
            Err(err) => output::complain(&explain::warn(&err)),
        }
    }
}
