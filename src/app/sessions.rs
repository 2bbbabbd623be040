//! Conversations with agent programs that go on in another run.
//!
//! What a run on this machine left in its private folder is found there, however
//! it ended; runs elsewhere find what was stored in the database at its end.

use std::{fs, path::PathBuf};

use tracing::{info, warn};

use super::{apply::Begun, context::Context, equip};
use crate::{
    model::{AgentName, Digest, Epoch, RunId, Subagent},
    runner::{Carried, RunDir, home},
    store::SESSION_BYTES,
};

/// The newest conversation that the run may go on with. Without one, it begins
/// a fresh one.
pub(super) fn carried(cx: &Context, begun: &Begun, subagent: &Subagent) -> Option<Carried> {
    if !begun.claimed.resumes() {
        return None;
    }
    let stored = begun.session.as_ref().filter(|stored| stored.profile == subagent.name);
    let at_least = stored.map_or(Epoch(0), |stored| stored.epoch);
    let here = runs_here(cx, &begun.claimed.agent)
        .into_iter()
        .filter(|(epoch, _)| *epoch >= at_least && *epoch < begun.claimed.epoch)
        .find_map(|(_, dir)| left_in(&dir, subagent));
    here.or_else(|| {
        let stored = stored?;
        Some(Carried { session: stored.session.clone(), files: stored.files.clone() })
    })
}

/// The run directories of an agent on this machine, the newest first.
fn runs_here(cx: &Context, agent: &AgentName) -> Vec<(Epoch, RunDir)> {
    let entries = fs::read_dir(equip::runs_of(cx, agent)).into_iter().flatten().flatten();
    let mut dirs: Vec<(Epoch, RunDir)> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let epoch = name.to_str()?.split('-').next()?.parse().ok()?;
            Some((Epoch(epoch), RunDir::at(entry.path())))
        })
        .collect();
    dirs.sort_by_key(|(epoch, _)| std::cmp::Reverse(*epoch));
    dirs
}

/// What a run left of a conversation.
fn left_in(dir: &RunDir, subagent: &Subagent) -> Option<Carried> {
    let session = dir.left_session()?;
    let folder = sessions_in(dir, subagent)?;
    match home::pack(&folder) {
        Ok(files) => Some(Carried { session, files: files? }),
        Err(err) => {
            warn!("cannot read the conversation in {}: {err}", folder.display());
            None
        }
    }
}

fn sessions_in(dir: &RunDir, subagent: &Subagent) -> Option<PathBuf> {
    let sessions = home::sessions(subagent.profile.home.as_ref()?, &dir.work())?;
    Some(dir.home().join(sessions))
}

/// Keeps what a run in `dir` left, for a run that may be elsewhere. Should that
/// fail, that run begins a fresh conversation.
pub(super) async fn keep(
    cx: &Context,
    agent: &AgentName,
    (run, token): (RunId, Digest),
    dir: &RunDir,
    subagent: &Subagent,
) {
    let Some(Carried { session, files }) = left_in(dir, subagent) else { return };
    if files.len() > SESSION_BYTES {
        info!(agent.name = %agent, "the conversation of `{agent}` is too large to be carried to other machines");
        return;
    }
    if let Err(err) = cx.store.keep_session(run, token, &subagent.name, &session, &files).await {
        warn!(agent.name = %agent, "could not keep the conversation of `{agent}`: {err}");
    }
}

/// Removes what is on this machine of an agent's conversations: its work is
/// done.
pub(super) fn forget(cx: &Context, agent: &AgentName) {
    for (_, dir) in runs_here(cx, agent) {
        let home = dir.home();
        if home.exists()
            && !dir.is_followed()
            && let Err(err) = fs::remove_dir_all(&home)
        {
            warn!("could not remove {}: {err}", home.display());
        }
    }
}
