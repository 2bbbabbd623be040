//! Checking, planning and syncing very large plans.
//!
//! The floors: the same files parsed as YAML and no more; the same rows written
//! once more in one transaction, without a constraint or an index, from rows
//! that the server has already; the same rows read.

use std::{
    fmt::Write as _,
    process::{Command, Stdio},
};

use anyhow::Context as _;

use crate::{
    meter::{self, Cost},
    sandbox::{self, Sandbox},
    server,
    table::{Table, megabytes},
};

/// How often what can be repeated is tried; the best counts.
const TIMES: u32 = 3;
/// Sizes: agents, and the files that they are in.
const PLANS: [(usize, usize); 2] = [(10_000, 200), (100_000, 1_000)];

pub(crate) async fn bench() -> anyhow::Result<()> {
    for (agents, files) in PLANS {
        let project = ("waves/project.yaml", "project: bench\n".to_owned());
        sandbox::with(&[project], async |sandbox| measure(sandbox, agents, files).await).await?;
    }
    Ok(())
}

async fn measure(sandbox: &Sandbox, agents: usize, files: usize) -> anyhow::Result<()> {
    write(sandbox, agents, files, "one")?;
    let waves = sandbox.path().join("waves");
    let waves = waves.to_str().context("the folder has an odd name")?;

    let parse = cost(sandbox, TIMES, || sandbox::floor("parse", waves)).await?;
    let check = ours(sandbox, TIMES, "check").await?;
    let plan_new = ours(sandbox, TIMES, "plan").await?;
    let sync_new = ours(sandbox, 1, "sync").await?;
    sandbox.sql("vacuum analyze").await?;
    let write_rows = cost(sandbox, TIMES, || sandbox.floor("write")).await?;
    let fetch = cost(sandbox, TIMES, || sandbox.floor("fetch")).await?;
    let plan_same = ours(sandbox, TIMES, "plan").await?;
    let sync_same = ours(sandbox, TIMES, "sync").await?;
    write(sandbox, agents, files, "two")?;
    let plan_all = ours(sandbox, TIMES, "plan").await?;
    let screen = lines(sandbox, &["plan"])?;
    let full = lines(sandbox, &["plan", "--full"])?;
    let sync_all = ours(sandbox, 1, "sync").await?;

    let mut table = Table::new(format!("a plan of {agents} agents in {files} files"));
    let mut row = |what: &str, cost: Cost, floor: Cost, aim: &str| {
        table.time(what, cost.wall, floor.wall, aim);
        table.time("  processor, Postgres included", cost.cpu, floor.cpu, "");
        table.figure("  peak memory", megabytes(cost.peak), "");
    };
    row("check, to parsing the files", check, parse, "1 s for 10,000");
    row("plan, all new, to parsing the files", plan_new, parse, "10 s for 10,000");
    row("sync, all new, to writing the rows", sync_new, write_rows, "10 s for 10,000");
    row("plan, nothing changed, to reading the rows", plan_same, fetch, "");
    row("sync, nothing changed, to reading the rows", sync_same, fetch, "");
    row("plan, all changed, to reading the rows", plan_all, fetch, "10 s for 10,000");
    row("sync, all changed, to writing the rows", sync_all, write_rows, "10 s for 10,000");
    table.figure("lines of a plan, all changed", screen, "a screen or two");
    table.figure("lines of it with --full", full, "");
    table.print();
    Ok(())
}

async fn ours(sandbox: &Sandbox, times: u32, command: &str) -> anyhow::Result<Cost> {
    cost(sandbox, times, || sandbox.wavemark(&[command])).await
}

/// The shortest of `times` runs, with the processor time that Postgres took on
/// average.
async fn cost(
    sandbox: &Sandbox,
    times: u32,
    command: impl FnMut() -> anyhow::Result<Command>,
) -> anyhow::Result<Cost> {
    let before = server::counters(&sandbox.address).await?;
    let cost = meter::best_of(times, command)?;
    let server = server::counters(&sandbox.address).await? - before;
    Ok(Cost { cpu: cost.cpu + server.cpu / times, ..cost })
}

/// How many lines a command prints.
fn lines(sandbox: &Sandbox, args: &[&str]) -> anyhow::Result<usize> {
    let output = sandbox.wavemark(args)?.stdout(Stdio::piped()).output()?;
    Ok(String::from_utf8(output.stdout)?.lines().count())
}

/// Writes a plan in which each agent needs three of the wave before.
fn write(sandbox: &Sandbox, agents: usize, files: usize, word: &str) -> anyhow::Result<()> {
    let per_wave = agents / files;
    for wave in 0..files {
        let mut text = format!("wave: wave-{wave}\ntitle: Wave {wave}\nagents:\n");
        for agent in 0..per_wave {
            let needs: Vec<String> = (0..3)
                .filter(|_| wave > 0)
                .map(|step| format!("a{}-{}", wave - 1, (agent + 7 * step) % per_wave))
                .collect();
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "  a{wave}-{agent}:\n    title: Number {agent} of wave {wave}\n    \
                 needs: [{}]\n    run: {{ exec: [/bin/true] }}\n    \
                 prompt: Do what number {agent} of wave {wave} does, with the word {word}.\n    \
                 env: {{ REGION: eu, WORD: {word} }}\n    produces: [doc/a.md]",
                needs.join(", "),
            );
        }
        sandbox.write(&format!("waves/{wave:04}.yaml"), &text)?;
    }
    Ok(())
}
