//! `wavemark demo`: one night, played in fast motion.
//!
//! Everything in it is real: the example of `waves/`, the embedded Postgres, a
//! git remote, programs that run in parallel, a SIGKILL. Only the person is
//! played, and does what a person would do, with the commands that are shown.

use std::{fs, io, os::unix::fs::PermissionsExt as _, path::Path, pin::pin, time::Duration};

use anyhow::{Context as _, ensure};
use clap::Args;
use include_dir::{Dir, DirEntry, include_dir};
use tokio::sync::mpsc;

use super::{
    Outcome, output,
    run::{go, options},
};
use crate::{
    app::{
        self, Context, Options, Progress, Session, Settings, Until, Workspace, nudge, open_store,
        views,
    },
    embedded::Embedded,
    model::{AgentName, FeedbackKind, Resolution},
    plan::diff::{Detail, Tense},
    report::FeedbackView,
    runner,
    store::Retire,
};

/// The example, as it is in the repo.
static EXAMPLE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/waves");
/// What a piece of work takes in the example, and what it takes here.
const PACE: (&str, &str) = ("PACE: \"1\"", "PACE: \"0.3\"");
/// The agent that gets a remark while it builds.
const REMARKED: &str = "vision";
/// The agent that is killed, and after how many checkpoints.
const KILLED: (&str, u32) = ("reel", 2);
/// How often the database is looked at: a night lasts seconds.
const POLL: Duration = Duration::from_millis(100);

/// Watch a night of building in fast motion
///
/// In a new temporary folder, with the example plan, a private Postgres and a
/// local git remote. Agents build in parallel; one gets a remark and pauses
/// alone, one is killed and comes back at its last checkpoint; in the morning
/// somebody answers and approves, and everything completes. Nothing outside
/// that folder is touched, and no account is needed.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Keep the folder, to look around in it
    #[arg(long)]
    keep: bool,

    /// Take the example's own time: about three times as long
    #[arg(long)]
    slow: bool,
}

pub(super) async fn demo(mut settings: Settings, args: &DemoArgs) -> anyhow::Result<Outcome> {
    let folder = tempfile::Builder::new()
        .prefix("wavemark-demo-")
        .disable_cleanup(true)
        .tempdir()
        .context("cannot make a temporary folder")?;
    let folder = folder.path().to_owned();
    settings.directory.clone_from(&folder);
    settings.database_url = None;
    settings.git_remote = None;

    let played = play(&settings, args, &folder).await;
    if args.keep {
        output::say(&format!(
            "\nThe folder stays. Look around in it:\n\n  cd {}\n  wavemark status\n  \
             wavemark why launch-pack\n  wavemark show vision doc/calendar.md\n  \
             wavemark db stop\n",
            folder.display()
        ))?;
    } else {
        let embedded = Embedded::at(&folder.join(".wavemark"));
        embedded.destroy().await.context("cannot remove the database of the demo")?;
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    played
}

async fn play(settings: &Settings, args: &DemoArgs, folder: &Path) -> anyhow::Result<Outcome> {
    unpack(&EXAMPLE, &folder.join("waves"), args.slow)?;
    chapter(&format!("A new project in {}", folder.display()), "wavemark sync")?;
    let workspace = Workspace::find(folder)?;
    let store = open_store(settings, &workspace).await?;
    let plan = workspace.plan()?.map_err(|problems| anyhow::anyhow!(problems.to_text()))?;
    let synced = app::sync(&store, &workspace, &plan, Retire::AtMostHalf).await?;
    output::say(&synced.changes.to_text(Detail::Brief, Tense::Past))?;
    let cx = Context::open(settings.clone()).await?;

    chapter("23:00. You go to sleep", "wavemark run")?;
    let mut sessions = vec![night(&cx).await?];
    let mut hour = 7;
    loop {
        ensure!(!sessions.iter().any(|session| session.interrupted), "interrupted");
        let open = views::feedback(&cx, None, false).await?.feedback;
        if open.is_empty() {
            break;
        }
        ensure!(sessions.len() < 10, "the demo does not come to an end: this is a bug");
        chapter(
            &format!("{hour:02}:00. You look at what waits for you"),
            "wavemark feedback list",
        )?;
        output::say(&views::feedback(&cx, None, false).await?.render(output::width()))?;
        output::say("\n")?;
        for feedback in &open {
            answer(&cx, feedback).await?;
        }
        nudge(&cx).await?;
        chapter("Everything that waited goes on", "wavemark run")?;
        sessions.push(build_all(&cx, &mut |_| ()).await?);
        hour += 1;
    }
    epilogue(&cx, &sessions).await
}

/// One night, and what happens in it to two of the agents.
async fn night(cx: &Context) -> anyhow::Result<Session> {
    let (send, mut seen) = mpsc::unbounded_channel();
    let mut tell = |progress: &Progress| {
        // The receiver lives as long as this.
        send.send(progress.clone()).ok();
    };
    let mut session = pin!(build_all(cx, &mut tell));
    let mut remarked = false;
    let mut stored = 0;
    loop {
        let progress = tokio::select! {
            session = &mut session => return session,
            Some(progress) = seen.recv() => progress,
        };
        let Progress::Stored(agent, ..) = progress else { continue };
        if agent.as_str() == REMARKED && !remarked {
            remarked = true;
            remark(cx, &agent).await?;
        } else if agent.as_str() == KILLED.0 {
            stored += 1;
            if stored == KILLED.1 {
                kill(cx, &agent).await?;
            }
        }
    }
}

async fn build_all(cx: &Context, tell: &mut dyn FnMut(&Progress)) -> anyhow::Result<Session> {
    go(cx, Options { poll: POLL, ..options(Until::Quiet) }, tell).await
}

/// Somebody cannot sleep, and has a thought.
async fn remark(cx: &Context, agent: &AgentName) -> anyhow::Result<()> {
    let text = "Four weeks are not enough.\n\n- Weeks: 6";
    narrate(&format!("somebody says: wavemark feedback add {agent} \"Four weeks …\""));
    cx.store.remark(cx.project.id, agent, text, "you").await?;
    Ok(())
}

/// A machine dies, or the kernel runs out of memory.
async fn kill(cx: &Context, agent: &AgentName) -> anyhow::Result<()> {
    let handle = cx.store.agent(cx.project.id, agent).await?;
    if let Some((run, _)) = cx.store.log_tail(handle.id).await? {
        let killed = runner::kill_leftovers(run);
        narrate(&format!("a stranger sends SIGKILL to {killed} processes of {agent}"));
    }
    Ok(())
}

/// What a person does about what waits, as the command line says it.
async fn answer(cx: &Context, feedback: &FeedbackView) -> anyhow::Result<()> {
    let FeedbackView { number, agent, .. } = feedback;
    let (command, comment) = match feedback.kind {
        FeedbackKind::Review => (format!("wavemark approve {agent}"), None),
        FeedbackKind::Question => {
            let answer = "Warm, brief, and never shouting.";
            (format!("wavemark feedback resolve {} --comment \"{answer}\"", number.0), Some(answer))
        }
        FeedbackKind::Comment | FeedbackKind::Refusal => {
            (format!("wavemark feedback resolve {}", number.0), None)
        }
        FeedbackKind::Failure => (format!("wavemark retry {agent}"), None),
    };
    output::say(&format!("$ {command}\n"))?;
    cx.store.resolve(cx.project.id, *number, Resolution::Completed, comment, "you").await?;
    Ok(())
}

async fn epilogue(cx: &Context, sessions: &[Session]) -> anyhow::Result<Outcome> {
    chapter("Where everything stands", "wavemark status")?;
    let status = views::status(cx).await?;
    output::say(&status.render(output::width()))?;

    chapter("Who built when", "")?;
    output::say(&views::timeline(cx).await?.render(output::width()))?;

    chapter("Every checkpoint is a commit", "git log wavemark/artifacts")?;
    let archive = cx.archive().await?;
    let log = tokio::task::spawn_blocking(move || archive.log(usize::MAX)).await??;
    let lines: Vec<String> = log
        .iter()
        .map(|commit| format!("{} {}\n", commit.id.get(..8).unwrap_or_default(), commit.subject))
        .collect();
    output::say(&lines.concat())?;

    chapter("Every artifact is the same in its row and in its commit", "wavemark verify")?;
    let comparison = views::comparison(cx).await?;
    output::say(&comparison.render(output::width()))?;

    chapter("Parallel against one after the other, as measured", "")?;
    let together: Duration = sessions.iter().map(|session| session.makespan).sum();
    let apart: Duration =
        sessions.iter().flat_map(|session| &session.ended).map(|run| run.took).sum();
    output::say(&format!(
        "{} runs took {:.1} s together, and were done in {:.1} s: {:.1} times faster than one\n\
         after the other, the time in which you slept not counted.\n",
        sessions.iter().map(|session| session.ended.len()).sum::<usize>(),
        apart.as_secs_f64(),
        together.as_secs_f64(),
        apart.as_secs_f64() / together.as_secs_f64(),
    ))?;

    let totals = status.totals();
    let complete = totals.complete == totals.agents;
    ensure!(complete, "the demo ended before everything was complete: this is a bug");
    ensure!(comparison.agrees(), "rows and commits differ: this is a bug");
    output::say(
        "\nEverything is complete. Where to look next: `waves/` is the plan you just saw,\n\
         README.md says how to write your own, `wavemark --help` lists the commands.\n",
    )?;
    Ok(Outcome::Done)
}

/// Writes the example into `to`.
fn unpack(from: &Dir<'_>, to: &Path, slow: bool) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in from.entries() {
        let Some(name) = entry.path().file_name() else { continue };
        let target = to.join(name);
        match entry {
            DirEntry::Dir(folder) => unpack(folder, &target, slow)?,
            DirEntry::File(file) => write(&target, file.contents(), slow)
                .with_context(|| format!("cannot write {}", target.display()))?,
        }
    }
    Ok(())
}

fn write(target: &Path, contents: &[u8], slow: bool) -> io::Result<()> {
    match std::str::from_utf8(contents) {
        Ok(text) if !slow => fs::write(target, text.replace(PACE.0, PACE.1))?,
        _ => fs::write(target, contents)?,
    }
    if target.extension().is_some_and(|end| end == "sh") {
        fs::set_permissions(target, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// The title of what comes, and the command that does it.
fn chapter(title: &str, command: &str) -> anyhow::Result<()> {
    let (bold, plain) = (anstyle::Style::new().bold(), anstyle::Reset);
    output::say(&format!("\n{bold}── {title}{plain}\n"))?;
    if !command.is_empty() {
        output::say(&format!("$ {command}\n"))?;
    }
    Ok(())
}

/// Something that happens while agents work.
fn narrate(text: &str) {
    output::complain(&format!("          ── {text}\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_says_its_pace_where_the_demo_looks_for_it() {
        let text: String = EXAMPLE.files().filter_map(|file| file.contents_utf8()).collect();
        assert!(text.contains(PACE.0));
    }
}
