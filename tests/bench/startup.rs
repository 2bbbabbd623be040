//! Commands that answer at once, and the size of the binary.

use std::{fs, process::Command};

use crate::{
    meter,
    sandbox::{self, WAVEMARK},
    table::{Table, megabytes},
};

/// How often each is tried; the best counts.
const TIMES: u32 = 30;

pub(crate) async fn bench() -> anyhow::Result<()> {
    let agents: String =
        (0..20).map(|n| format!("  agent-{n}: {{ run: {{ exec: [/bin/true] }} }}\n")).collect();
    let files = [
        ("waves/project.yaml", "project: bench\n".to_owned()),
        ("waves/one.yaml", format!("wave: one\nagents:\n{agents}")),
    ];
    sandbox::with(&files, async |sandbox| {
        let nothing = meter::best_of(TIMES, || Ok(Command::new("/bin/true")))?;
        let help = meter::best_of(TIMES, || sandbox.wavemark(&["--help"]))?;
        let look = meter::best_of(TIMES, || sandbox.floor("look"))?;
        let status = meter::best_of(TIMES, || sandbox.wavemark(&["status"]))?;

        let mut table = Table::new("start-up, the floors being `/bin/true` and a look by sqlx");
        table.time("--help", help.wall, nothing.wall, "5 ms");
        table.time("status", status.wall, look.wall, "");
        table.figure("peak memory of status", megabytes(status.peak), "");
        let size = fs::metadata(WAVEMARK)?.len();
        table.figure("size of the binary", megabytes(size / 1024), "");
        table.print();
        Ok(())
    })
    .await
}
