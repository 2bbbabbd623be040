//! The labels by which people say which agent an issue is about.
//!
//! GitHub gives an issue a label only if the repo has one of that name, and
//! people can pick only those that are there.

use std::collections::BTreeSet;

use tracing::{info, warn};

use super::{Settings, Workspace, init::Mode, outside::OnGithub};
use crate::{
    github::{Error, Github},
    mail::{FORM_LABEL, agent_label},
    model::AgentName,
    plan::Plan,
    store::Store,
};

/// The colour of the labels: that of water.
const COLOUR: &str = "1d76db";

/// Makes the labels that are missing. Returns their names.
pub(super) async fn make(
    github: &Github,
    agents: &BTreeSet<AgentName>,
    mode: Mode,
) -> Result<Vec<String>, Error> {
    let mut visit = github.visit();
    let there: BTreeSet<String> =
        visit.labels().await?.into_iter().map(|label| label.name.to_lowercase()).collect();
    let mut made = Vec::new();
    let mut wanted = vec![(FORM_LABEL.to_owned(), "Something waits for a person".to_owned())];
    wanted.extend(
        agents.iter().map(|agent| {
            (agent_label(agent), format!("Pauses the agent {agent} until it is closed"))
        }),
    );
    for (label, description) in wanted {
        if there.contains(&label) {
            continue;
        }
        if mode == Mode::Write {
            visit.ensure_label(&label, COLOUR, &description).await?;
        }
        made.push(label);
    }
    Ok(made)
}

/// Makes the labels of agents that were added to the plan, where somebody can
/// speak on GitHub. A plan is synced without them, too: trouble is only told.
pub async fn keep_labels(settings: &Settings, workspace: &Workspace, store: &Store, plan: &Plan) {
    match keep(settings, workspace, store, plan).await {
        Ok(made) if made.is_empty() => {}
        Ok(made) => info!("made the labels {} on GitHub", made.join(", ")),
        Err(err) => warn!("not all labels are on GitHub, the next sync goes on: {err:#}"),
    }
}

async fn keep(
    settings: &Settings,
    workspace: &Workspace,
    store: &Store,
    plan: &Plan,
) -> anyhow::Result<Vec<String>> {
    let Some(place) = OnGithub::of(settings, workspace.root())? else { return Ok(Vec::new()) };
    let planned = &plan.project.settings.github;
    let Some(github) = place.client(&settings.environment, planned)? else {
        return Ok(Vec::new());
    };
    let project = store.project(&plan.project.name).await?;
    if let Some(until) = store.mail_obstacles(project.id).await?.paused_until {
        anyhow::bail!("GitHub wants to be left alone until {until}");
    }
    Ok(make(&github, &plan.agents.keys().cloned().collect(), Mode::Write).await?)
}
