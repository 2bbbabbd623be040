//! `wavemark init`: the first day of a project.

use clap::Args;

use super::{Outcome, output};
use crate::app::{self, Beginning, Mode, N8n, Settings};

/// Begin a project in this repo or folder
///
/// Writes `waves/` with a first wave that really runs, what editors need, the
/// issue form and the workflows of GitHub, and makes the labels there if
/// GITHUB_TOKEN is set. Asks nothing. Never writes over what it did not write,
/// or what somebody has edited since: such files are named. Run it again at any
/// time, to bring the others up to date.
///
/// Ends with the secrets to set, and where, and what to do next.
///
/// Exits 0 when done, 1 when the release was not to be had (everything else is
/// written all the same); with `--dry-run`, 3 when there would be something to do.
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// Only print what it would write
    #[arg(long)]
    dry_run: bool,

    /// Where releases of Wavemark are; those of this binary if it is one
    ///
    /// The workflows download this version from there, and run it only if it has
    /// the checksum that it has today.
    #[arg(long, value_name = "URL")]
    releases: Option<String>,

    /// Write two workflows to import into n8n, too: one for an agent, one for its errors
    #[arg(long)]
    n8n: bool,
}

pub(super) async fn init(settings: &Settings, args: &InitArgs) -> anyhow::Result<Outcome> {
    let mode = if args.dry_run { Mode::Preview } else { Mode::Write };
    let n8n = if args.n8n { N8n::Begin } else { N8n::Leave };
    let beginning = Beginning { releases: args.releases.clone(), n8n, mode };
    let view = app::init(settings, &beginning).await?;
    output::say(&view.render(output::width()))?;
    if let Some(trouble) = &view.trouble {
        output::complain(&format!("error: no release is pinned\n  because {trouble}\n"));
        return Ok(Outcome::Failed);
    }
    Ok(match args.dry_run && view.is_busy() {
        true => Outcome::Found,
        false => Outcome::Done,
    })
}
