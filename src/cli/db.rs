//! `wavemark db`: a look into the database, and after the private one.

use std::{fs, os::unix::process::CommandExt as _, path::PathBuf, process};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

use super::{Outcome, output};
use crate::{
    app::{Settings, Workspace, access, open_store},
    embedded::{Embedded, Stopped},
    store::Access,
};

/// Open psql on the database, and look after the private Postgres of this project
#[derive(Debug, Args)]
pub(super) struct DbArgs {
    #[command(subcommand)]
    command: DbCommand,
}

#[derive(Debug, Subcommand)]
enum DbCommand {
    /// Start the private Postgres if need be, and print how to reach it
    Url,
    /// Open psql on the database, the private one or that of DATABASE_URL
    Psql {
        /// Arguments for psql
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Stop the private Postgres
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
            let mut psql = psql(settings, &workspace, &embedded).await?;
            let failed = psql.args(args).exec();
            return Err(failed).with_context(|| format!("cannot start {:?}", psql.get_program()));
        }
        DbCommand::Stop => match embedded.stop().await? {
            Stopped::Now => output::say("stopped\n")?,
            Stopped::WasNotRunning => output::say("was not running\n")?,
        },
    }
    Ok(Outcome::Done)
}

/// psql on the database that every other command uses. Nothing secret is among
/// its arguments: everybody on a machine can see those.
async fn psql(
    settings: &Settings,
    workspace: &Workspace,
    embedded: &Embedded,
) -> anyhow::Result<process::Command> {
    let Some(access) = access(settings)? else {
        let address = embedded.start().await?;
        let mut psql = process::Command::new(embedded.psql().await?);
        for name in settings.environment.variables.keys().filter(|name| name.starts_with("PG")) {
            // Meant for another server.
            psql.env_remove(name);
        }
        psql.arg(address.url());
        return Ok(psql);
    };
    let mut psql = process::Command::new(embedded.psql().await?);
    // As for ourselves: of what the environment says, only credentials count.
    let credentials = ["PGPASSWORD", "PGPASSFILE", "PGSSLCERT", "PGSSLKEY"];
    for name in settings.environment.variables.keys() {
        if name.starts_with("PG") && !credentials.contains(&name.as_str()) {
            psql.env_remove(name);
        }
    }
    let file = authorities_file(workspace, &access)?;
    psql.env_remove("DATABASE_URL").envs(access.psql_variables(file.as_deref()));
    Ok(psql)
}

/// Where psql finds the authorities that are trusted: their own file, or one
/// made of what was in a variable.
fn authorities_file(workspace: &Workspace, access: &Access) -> anyhow::Result<Option<PathBuf>> {
    let Some(authorities) = access.authorities() else {
        return Ok(None);
    };
    if let Some(file) = authorities.file() {
        return Ok(Some(file.to_owned()));
    }
    let file = workspace.make_private()?.join("database-ca.pem");
    fs::write(&file, authorities.pem())
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(Some(file))
}
