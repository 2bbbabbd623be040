//! Artifacts of 4 KB each, committed and pushed.
//!
//! The floor is git itself: `git fast-import` makes the same commits from one
//! stream, and `git push` delivers them.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use wavemark::{
    archive::{Archive, Entry, Place, Remote},
    model::{ArtifactId, Digest, Epoch, Instant as At, RunId},
};

use crate::{meter, table::Table};

const SIZE: usize = 4096;
const BRANCH: &str = "wavemark/artifacts";
/// Agents in a wave, and artifacts of an agent.
const AGENTS: usize = 100;

pub(crate) fn bench() -> anyhow::Result<()> {
    let mut table = Table::new("checkpoints of 4 KB, committed and pushed");
    for count in [1_000, 10_000] {
        let entries = (0..count).map(entry).collect::<anyhow::Result<Vec<_>>>()?;
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        let floor = floor(folder.path(), &entries)?;
        let ours = ours(folder.path(), &entries)?;
        table.time(&format!("{count} checkpoints"), ours, floor, "");
    }
    table.print();
    Ok(())
}

fn entry(number: usize) -> anyhow::Result<Entry> {
    // Text that differs from its neighbours and does not pack to nothing.
    let line = |line: usize| format!("{}\n", Digest::of(format!("{number}/{line}")));
    let content: String = (0..SIZE / 65).map(line).collect();
    let agent = number % AGENTS;
    Ok(Entry {
        id: ArtifactId::from_uuid(uuid::Uuid::new_v4()),
        wave: format!("wave-{}", agent / 10).parse()?,
        agent: format!("agent-{agent}").parse()?,
        key: format!("doc/part-{}.md", number / AGENTS).parse()?,
        version: 1,
        sha256: Digest::of(&content),
        content,
        run: Some(RunId::random()),
        epoch: Epoch(1),
        created_at: At::UNIX_EPOCH,
    })
}

fn ours(folder: &Path, entries: &[Entry]) -> anyhow::Result<Duration> {
    let remote = folder.join("ours.git");
    git(folder, &["init", "--quiet", "--bare", "ours.git"])?;
    let place = Place {
        cache: folder.join("cache.git"),
        remote: Remote::at(remote.to_string_lossy()),
        branch: BRANCH.to_owned(),
    };
    let began = Instant::now();
    let landed = Archive::open(place)?.publish(entries, None)?.landed;
    let took = began.elapsed();
    ensure!(landed.len() == entries.len(), "not everything was published");
    Ok(took)
}

fn floor(folder: &Path, entries: &[Entry]) -> anyhow::Result<Duration> {
    git(folder, &["init", "--quiet", "--bare", "floor.git"])?;
    git(folder, &["init", "--quiet", "--bare", "import.git"])?;
    let stream = folder.join("stream");
    write_stream(&stream, entries)?;
    let import = folder.join("import.git");
    let mut fast_import = Command::new("git");
    fast_import.args(["fast-import", "--quiet"]).current_dir(&import).stdin(File::open(stream)?);
    let imported = meter::run(&mut fast_import)?;
    let mut push = Command::new("git");
    push.args(["push", "--quiet", "../floor.git", BRANCH]).current_dir(&import);
    let pushed = meter::run(&mut push)?;
    Ok(imported.wall + pushed.wall)
}

fn write_stream(path: &Path, entries: &[Entry]) -> anyhow::Result<()> {
    let mut stream = BufWriter::new(File::create(path)?);
    for entry in entries {
        let Entry { wave, agent, key, content, id, .. } = entry;
        writeln!(stream, "commit refs/heads/{BRANCH}")?;
        writeln!(stream, "committer wavemark <wavemark@users.noreply.github.com> 0 +0000")?;
        let message = format!("{agent}: {key}\n\nWavemark-Artifact: {id}\n");
        writeln!(stream, "data {}\n{message}", message.len())?;
        writeln!(stream, "M 100644 inline {wave}/{agent}/{key}")?;
        writeln!(stream, "data {}\n{content}", content.len())?;
    }
    Ok(stream.flush()?)
}

fn git(folder: &Path, args: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("git");
    command.args(args).current_dir(folder).stdout(Stdio::null());
    meter::run(&mut command).context("is git installed?")?;
    Ok(())
}
