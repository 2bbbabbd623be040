//! A tick that finds nothing to do, on plans of three sizes.
//!
//! The floor connects, looks and leaves.

use std::path::Path;

use anyhow::Context as _;

use crate::{
    meter,
    sandbox::{self, Sandbox},
    table::{Table, megabytes},
    wire::Wire,
};

/// How often each is tried; the best counts.
const TIMES: u32 = 7;

/// Plans, each with what adds its agents: one in a hundred is complete, one is
/// held by its operator, and all others wait for that one.
const PLANS: [(&str, &str); 3] = [
    ("200", "select wavemark.fill(200)"),
    ("1,000", "select wavemark.fill(1000)"),
    ("100,000", "select wavemark.fill(100000)"),
];

const FILL: &str = "
    create function wavemark.fill(size int) returns void language sql as $$
        delete from public.agents;
        insert into public.agents (name, runner, wave_id, paused_at)
        select 'held', 'exec', id, now() from public.waves;
        insert into public.agents (
            id, name, runner, wave_id, dependencies, status, built_generation, built_at,
            built_outputs, built_inputs
        )
        select md5('agent-' || n)::uuid, 'agent-' || n, 'exec', w.id,
            array[held.id, md5('agent-' || (n / 2 + 1))::uuid, md5('agent-' || (n / 3 + 1))::uuid],
            case when n % 100 = 0 then 'complete' else 'draft' end,
            case when n % 100 = 0 then 1 end, case when n % 100 = 0 then now() end,
            case when n % 100 = 0 then 0 end, case when n % 100 = 0 then 0 end
        from generate_series(1, size - 1) n, public.waves w, public.agents held
    $$";

pub(crate) async fn bench() -> anyhow::Result<()> {
    let files = [
        ("waves/project.yaml", "project: bench\n".to_owned()),
        (
            "waves/one.yaml",
            "wave: one\nagents: { held: { run: { exec: [/bin/true] } } }\n".to_owned(),
        ),
    ];
    sandbox::with(&files, async |sandbox| {
        sandbox.sql(FILL).await?;
        for (size, fill) in PLANS {
            sandbox.sql(fill).await?;
            sandbox.sql("vacuum analyze").await?;
            measure(sandbox, size).await?;
        }
        Ok(())
    })
    .await
}

async fn measure(sandbox: &Sandbox, size: &str) -> anyhow::Result<()> {
    let floor = meter::best_of(TIMES, || sandbox.floor("look"))?;
    let ours = meter::best_of(TIMES, || sandbox.wavemark(&["tick"]))?;

    let options = sandbox.address.connect_options();
    let socket: &Path = options.get_socket().context("the server has no socket")?;
    let wire = Wire::to(socket)?;
    meter::run_aside(sandbox.wavemark(&["tick"])?.env("DATABASE_URL", wire.url()))?;
    let traffic = wire.take();
    meter::run_aside(&mut sandbox::floor("look", &wire.url())?)?;
    let floor_traffic = wire.take();

    let mut table = Table::new(format!("a tick with nothing to do, {size} agents"));
    table.time("wall", ours.wall, floor.wall, "");
    let count = |table: &mut Table, what: &str, ours: u64, floor: u64| {
        table.both(what, ours as f64, floor as f64, "");
    };
    count(&mut table, "connections", traffic.connections, floor_traffic.connections);
    count(&mut table, "statements", traffic.statements, floor_traffic.statements);
    count(&mut table, "round trips", traffic.round_trips, floor_traffic.round_trips);
    table.figure("peak memory", megabytes(ours.peak), "");
    table.print();
    Ok(())
}
