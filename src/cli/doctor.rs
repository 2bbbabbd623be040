//! `wavemark doctor`: whether everything is there that a project needs.

use clap::Args;

use super::{Outcome, explain::hint, output};
use crate::app::{self, Settings};

/// Look at everything that this project needs, and change nothing
///
/// The plan, the database and the way to it, GitHub and what the token may do
/// there, the artifact branch, the workflows, this machine. A line for each: how
/// it is, what was found, and what to do next. Everything is looked at, however
/// much of it fails.
///
/// Exits 0 when nothing failed, 1 when something did; warnings do not count.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn doctor(settings: &Settings, args: &DoctorArgs) -> anyhow::Result<Outcome> {
    let view = app::examine(settings, hint).await;
    output::show(args.json, &view, |width| view.render(width))?;
    Ok(if view.is_healthy() { Outcome::Done } else { Outcome::Failed })
}
