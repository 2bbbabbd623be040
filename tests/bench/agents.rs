//! A thousand agents that do nothing, in ten waves, three needs each.
//!
//! The floor starts as many programs, eight at a time, and makes two durable
//! commits for each.

use std::fmt::Write as _;

use crate::{
    floor::{AGENTS, IN_FLIGHT},
    meter, sandbox, server,
    table::{Table, megabytes},
};

const WAVES: i32 = 10;
const NEEDS: i32 = 3;

pub(crate) async fn bench() -> anyhow::Result<()> {
    let plan = plan();
    let files: Vec<(&str, String)> =
        plan.iter().map(|(path, text)| (path.as_str(), text.clone())).collect();
    sandbox::with(&files, async |sandbox| {
        let before = server::start_counting(&sandbox.address).await?;
        let floor = meter::run_aside(&mut sandbox.floor("agents")?)?;
        let floor_server = server::counters(&sandbox.address).await? - before;

        let before = server::start_counting(&sandbox.address).await?;
        let ours = meter::run_aside(&mut sandbox.wavemark(&["run"])?)?;
        let server = server::counters(&sandbox.address).await? - before;

        let each = |count: i64| count as f64 / f64::from(AGENTS);
        let kib = |bytes: i64| each(bytes) / 1024.0;
        let mut table = Table::new(format!("{AGENTS} agents in {WAVES} waves, `/bin/true`"));
        table.time("wall", ours.wall, floor.wall, "2, better 1.3");
        let (all, floor_all) = (ours.cpu + server.cpu, floor.cpu + floor_server.cpu);
        table.time("processor", all, floor_all, "2, better 1.3");
        table.time("  here and in agents", ours.cpu, floor.cpu, "");
        table.time("  in Postgres", server.cpu, floor_server.cpu, "");
        table.both("transactions per agent", each(server.commits), each(floor_server.commits), "3");
        let flushes = (each(server.wal_flushes), each(floor_server.wal_flushes));
        table.both("WAL flushes per agent", flushes.0, flushes.1, "2");
        let wal = (kib(server.wal_bytes), kib(floor_server.wal_bytes));
        table.both("WAL per agent, KiB", wal.0, wal.1, "3");
        table.figure("peak memory", megabytes(ours.peak), "25 MB");
        table.print();
        Ok(())
    })
    .await
}

/// Files of a plan in which each agent needs three of the wave before.
fn plan() -> Vec<(String, String)> {
    let per_wave = AGENTS / WAVES;
    let project = format!("project: bench\npools: {{ default: {IN_FLIGHT} }}\n");
    let mut files = vec![("waves/project.yaml".to_owned(), project)];
    for wave in 0..WAVES {
        let mut text = format!("wave: wave-{wave}\nagents:\n");
        for agent in 0..per_wave {
            let needs: Vec<String> = (0..NEEDS)
                .filter(|_| wave > 0)
                .map(|step| format!("a{}-{}", wave - 1, (agent + 7 * step) % per_wave))
                .collect();
            let needs = needs.join(", ");
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "  a{wave}-{agent}: {{ needs: [{needs}], run: {{ exec: [/bin/true] }} }}"
            );
        }
        files.push((format!("waves/{wave}.yaml"), text));
    }
    files
}
