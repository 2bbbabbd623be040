//! `wavemark schema`: what editors complete and complain by.

use clap::{Args, ValueEnum};

use super::{Outcome, output};
use crate::plan::schema;

/// Print the JSON Schema of the files in `waves/`, for editors
///
/// Keep it beside them with `wavemark schema > waves/schema.json`, and begin
/// each file with `# yaml-language-server: $schema=schema.json`.
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Which files it is for; all of them unless one is named
    file: Option<File>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum File {
    /// Wave files
    Wave,
    /// `waves/project.yaml`
    Project,
    /// Profiles, `waves/profiles/<name>.yaml`
    Profile,
}

pub(super) fn schema(args: &SchemaArgs) -> anyhow::Result<Outcome> {
    output::say_json(&match args.file {
        None => schema::file(),
        Some(File::Wave) => schema::wave(),
        Some(File::Project) => schema::project(),
        Some(File::Profile) => schema::profile(),
    })?;
    Ok(Outcome::Done)
}
