//! `wavemark db`: the private Postgres.

use std::os::unix::process::CommandExt as _;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

use super::{Outcome, output};
use crate::{
    app::{Settings, Workspace, open_store},
    embedded::{Embedded, Stopped},
};

/// Look after the private Postgres of this project
#[derive(Debug, Args)]
pub(super) struct DbArgs {
    #[command(subcommand)]
    command: DbCommand,
}

#[derive(Debug, Subcommand)]
enum DbCommand {
    /// Start it if need be, and print how to reach it
    Url,
    /// Open psql on it
    Psql {
        /// Arguments for psql
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Stop it
    Stop,
}

pub(super) async fn db(settings: &Settings, args: &DbArgs) -> anyhow::Result<Outcome> {
    let workspace = Workspace::find(&settings.directory)?;
    let embedded = Embedded::at(&workspace.private());
    match &args.command {
        DbCommand::Url => {
            if settings.database_url.is_some() {
                bail!("DATABASE_URL is set, and may hold a password: it is not printed");
            }
            open_store(settings, &workspace).await?;
            output::say(&format!("{}\n", embedded.start().await?.url()))?;
        }
        DbCommand::Psql { args } => {
            if settings.database_url.is_some() {
                bail!(
                    "DATABASE_URL is set, and psql would show its password in the process list: run psql yourself, with PGPASSWORD or a service file"
                );
            }
            let address = embedded.start().await?;
            let psql = embedded.psql().await?;
            let mut command = std::process::Command::new(&psql);
            for name in settings.environment.variables.keys().filter(|name| name.starts_with("PG"))
            {
                // Meant for another server.
                command.env_remove(name);
            }
            let failed = command.arg(address.url()).args(args).exec();
            return Err(failed).with_context(|| format!("cannot start {}", psql.display()));
        }
        DbCommand::Stop => match embedded.stop().await? {
            Stopped::Now => output::say("stopped\n")?,
            Stopped::WasNotRunning => output::say("was not running\n")?,
        },
    }
    Ok(Outcome::Done)
}
