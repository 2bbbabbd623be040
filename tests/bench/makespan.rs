//! The example's plan with programs that only sleep, over its critical path.
//!
//! Everything that a run takes longer than the longest chain of its agents is
//! ours: deciding, claiming, starting, writing down.

use std::{collections::BTreeMap, time::Duration};

use sqlx::{Connection as _, Row as _};

use crate::{meter, sandbox, table::Table};

/// The agents of the example, how many tenths of a second each takes, and what
/// it needs. Reviews and questions are left out: they take as long as people do.
const AGENTS: [(&str, u64, &[&str]); 9] = [
    ("vision", 20, &[]),
    ("echo", 15, &[]),
    ("pixel", 12, &[]),
    ("reel", 30, &[]),
    ("echo-build", 18, &["echo"]),
    ("pixel-build", 16, &["pixel"]),
    ("reel-build", 20, &["reel", "pixel"]),
    ("social-build", 14, &["vision", "echo-build"]),
    ("launch-pack", 10, &["pixel-build", "reel-build", "social-build"]),
];

pub(crate) async fn bench() -> anyhow::Result<()> {
    let agents: String = AGENTS
        .iter()
        .map(|(name, tenths, needs)| {
            let (seconds, needs) = (*tenths as f64 / 10.0, needs.join(", "));
            format!("  {name}: {{ needs: [{needs}], run: {{ exec: [sleep, \"{seconds}\"] }} }}\n")
        })
        .collect();
    let files = [
        ("waves/project.yaml", "project: bench\n".to_owned()),
        ("waves/one.yaml", format!("wave: one\nagents:\n{agents}")),
    ];
    sandbox::with(&files, async |sandbox| {
        let critical = Duration::from_millis(100 * critical_path());
        let run = meter::run_aside(&mut sandbox.wavemark(&["run"])?)?;
        let mut connection = sandbox.connect().await?;
        let span = "select extract(epoch from max(finished_at) - min(claimed_at))::float8 as span
            from public.runs";
        let span: f64 = sqlx::raw_sql(span).fetch_one(&mut connection).await?.get("span");
        connection.close().await?;

        let mut table = Table::new("makespan of the example, the floor being its critical path");
        table.time("first claim to last end", Duration::from_secs_f64(span), critical, "1.05");
        table.time("`run` from start to exit", run.wall, critical, "1.05");
        table.print();
        Ok(())
    })
    .await
}

/// The longest chain, in tenths of a second. Needs come before who needs them.
fn critical_path() -> u64 {
    let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, tenths, needs) in AGENTS {
        let start = needs.iter().filter_map(|need| ends.get(need)).max().copied();
        ends.insert(name, start.unwrap_or_default() + tenths);
    }
    ends.into_values().max().unwrap_or_default()
}
