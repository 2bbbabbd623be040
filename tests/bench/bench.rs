//! What Wavemark costs, as a ratio to a floor that is measured in the same run.
//!
//! `cargo bench` measures everything, `cargo bench -- agents idle` some of it. A
//! floor does by the shortest way what cannot be left out: start the programs,
//! commit, push. The machine's speed cancels out of a ratio; where even that is
//! noisy, the server's own counters are printed too.
//!
//! | name | what is measured |
//! |---|---|
//! | `agents` | a thousand agents that do nothing, in ten waves |
//! | `idle` | a tick that finds nothing to do |
//! | `plans` | checking, planning and syncing very large plans |
//! | `checkpoints` | artifacts on their way to git |
//! | `startup` | commands that answer at once, and the size of the binary |
//! | `makespan` | the example's plan, over its critical path |
//!
//! These are no tests: nothing fails because a figure is bad.
#![expect(clippy::print_stdout, reason = "the figures are the output")]

mod agents;
mod checkpoints;
mod floor;
mod idle;
mod makespan;
mod meter;
mod plans;
mod sandbox;
mod server;
mod startup;
mod table;
mod wire;

use std::env;

use anyhow::bail;

const ALL: [&str; 6] = ["agents", "idle", "plans", "checkpoints", "startup", "makespan"];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Cargo adds a flag of its own.
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let ["floor", which, url] = words[..] {
        return floor::run(which, url).await;
    }
    let chosen = if words.is_empty() { &ALL[..] } else { &words };
    for name in chosen {
        match *name {
            "agents" => agents::bench().await?,
            "idle" => idle::bench().await?,
            "plans" => plans::bench().await?,
            "checkpoints" => checkpoints::bench()?,
            "startup" => startup::bench().await?,
            "makespan" => makespan::bench().await?,
            other => bail!("there is no benchmark `{other}`: choose from {}", ALL.join(", ")),
        }
    }
    Ok(())
}
