//! The floors: what cannot be left out, done by the shortest way.
//!
//! Each runs as a program of its own, so that it is measured like ours.

use std::{fs, path::Path, process::Stdio, sync::Arc};

use anyhow::{bail, ensure};
use sqlx::{
    Connection as _, PgConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{process::Command, sync::Semaphore, task::JoinSet};

/// How many agents the floor of `agents` starts.
pub(crate) const AGENTS: i32 = 1000;
/// How many of them are in flight.
pub(crate) const IN_FLIGHT: usize = 8;

/// Runs the floor called `which` on the database at `url`, or on the files in
/// that folder.
pub(crate) async fn run(which: &str, url: &str) -> anyhow::Result<()> {
    match which {
        "agents" => agents(url.parse()?).await,
        "look" => look(url.parse()?).await,
        "parse" => parse(Path::new(url)),
        "write" => execute(url.parse()?, WRITE).await,
        "fetch" => execute(url.parse()?, FETCH).await,
        other => bail!("there is no floor `{other}`"),
    }
}

/// Starts a program for each agent, and commits twice for it: that it runs, and
/// that it ran. Unlike ours, statements are prepared once.
#[expect(clippy::disallowed_methods, reason = "the shortest way, with no pooler in between")]
async fn agents(options: PgConnectOptions) -> anyhow::Result<()> {
    let pool = PgPoolOptions::new().max_connections(4).connect_with(options).await?;
    sqlx::raw_sql("create table floor (id int primary key, status text) with (fillfactor = 70)")
        .execute(&pool)
        .await?;
    let room = Arc::new(Semaphore::new(IN_FLIGHT));
    let mut agents = JoinSet::new();
    for id in 0..AGENTS {
        let (pool, place) = (pool.clone(), Arc::clone(&room).acquire_owned().await?);
        agents.spawn(async move {
            sqlx::query("insert into floor values ($1, 'building')")
                .bind(id)
                .execute(&pool)
                .await?;
            let mut program = Command::new("/bin/true");
            program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            ensure!(program.status().await?.success(), "/bin/true failed");
            sqlx::query("update floor set status = 'complete' where id = $1")
                .bind(id)
                .execute(&pool)
                .await?;
            drop(place);
            Ok(())
        });
    }
    while let Some(agent) = agents.join_next().await {
        agent??;
    }
    pool.close().await;
    Ok(())
}

/// Reads every file in `folder` as YAML.
fn parse(folder: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let text = fs::read_to_string(entry?.path())?;
        serde_yaml::from_str::<serde_json::Value>(&text)?;
    }
    Ok(())
}

/// Writes every row of a plan once more, into tables without any constraint.
const WRITE: &str = "
    begin;
    create table floor_agents as select * from public.agents;
    create table floor_definitions as select * from wavemark.definitions;
    commit;
    drop table floor_agents, floor_definitions";

/// Reads every row of a plan.
const FETCH: &str = "
    select a.*, d.body from public.agents a
    left join wavemark.definitions d on d.sha256 = a.definition_sha256";

async fn execute(options: PgConnectOptions, sql: &'static str) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect_with(&options).await?;
    sqlx::raw_sql(sql).fetch_all(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Connects, looks, and leaves.
async fn look(options: PgConnectOptions) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect_with(&options).await?;
    sqlx::raw_sql("select count(*) from public.projects").execute(&mut connection).await?;
    Ok(connection.close().await?)
}
