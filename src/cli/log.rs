//! `wavemark log`: what an agent printed.

use std::{
    fs,
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use clap::Args;

use super::{Outcome, output};
use crate::{
    app::{Context, Settings, runs_folder},
    model::AgentName,
    runner::RunDir,
};

/// How often a growing log is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Print what the newest run of an agent printed
///
/// From this machine's files if it ran here, else the end of it from the
/// database. Secrets were taken out before anything was written.
#[derive(Debug, Args)]
pub(super) struct LogArgs {
    /// Which agent
    agent: AgentName,

    /// Go on printing while the run goes on
    #[arg(short, long)]
    follow: bool,
}

pub(super) async fn log(settings: Settings, args: &LogArgs) -> anyhow::Result<Outcome> {
    let cx = Context::open(settings).await?;
    let agent = cx.store.agent(cx.project.id, &args.agent).await?;
    let run = cx.store.log_tail(agent.id).await?;
    let (run, tail) = run.with_context(|| format!("{} has not run yet", args.agent))?;
    let folder = runs_folder(&cx).join(args.agent.as_str());
    match newest(&folder, &run.to_string()) {
        Some(dir) => print(&RunDir::at(dir), args.follow).await?,
        None => match tail.filter(|tail| !tail.is_empty()) {
            Some(tail) => output::say(&tail)?,
            None => output::complain(&format!(
                "Nothing is known here of what {0} printed: it ran elsewhere, or said nothing.\n\
                 → see what is known: wavemark why {0}\n",
                args.agent
            )),
        },
    }
    Ok(Outcome::Done)
}

/// The directory of this run, if it ran here.
fn newest(folder: &Path, run: &str) -> Option<PathBuf> {
    let short = run.split('-').next()?;
    let entries = fs::read_dir(folder).ok()?;
    let mut dirs = entries.filter_map(|entry| Some(entry.ok()?.path()));
    dirs.find(|dir| dir.to_string_lossy().ends_with(&format!("-{short}")))
}

async fn print(dir: &RunDir, follow: bool) -> anyhow::Result<()> {
    let [older, newer] = dir.logs();
    if let Ok(text) = fs::read_to_string(&older) {
        output::say(&text)?;
    }
    let mut at = 0;
    loop {
        // Asked before reading: what was written until then is read.
        let goes_on = follow && dir.is_followed();
        at = print_from(&newer, at)?;
        if !goes_on {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Prints what is in the file from `at`; returns where it ends now.
fn print_from(path: &Path, at: u64) -> anyhow::Result<u64> {
    let Ok(mut file) = fs::File::open(path) else { return Ok(at) };
    let length = file.metadata()?.len();
    // A file that shrank was rotated: its older part has another name now.
    let from = if length < at { 0 } else { at };
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    output::say(&String::from_utf8_lossy(&bytes))?;
    Ok(from + bytes.len() as u64)
}
