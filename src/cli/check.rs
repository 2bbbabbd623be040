//! `wavemark check`: the plan, offline.

use clap::{Args, ValueEnum};

use super::{Outcome, output};
use crate::{
    app::{Settings, Workspace},
    plan::{
        Plan, Problems,
        diff::{MAX_CHAIN, steps},
    },
    report::count,
};

/// Check the plan in `waves/`, offline
///
/// Reports everything that is wrong at once, with file, line and column.
/// Touches neither the database nor the network.
///
/// Exits 0 when the plan is good, 3 when it is not.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// How to report problems
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// With snippets, for people
    Text,
    /// A line each: `file:line:column: error: …`
    Lines,
    /// As data
    Json,
    /// As marks on the lines of a pull request, in GitHub Actions
    Github,
}

pub(super) fn check(settings: &Settings, args: &CheckArgs) -> anyhow::Result<Outcome> {
    let workspace = Workspace::find(&settings.directory)?;
    let checked = workspace.plan()?;
    let (problems, outcome) = match &checked {
        Ok(plan) => (&plan.warnings, Outcome::Done),
        Err(problems) => (problems, Outcome::Found),
    };
    match args.format {
        Format::Json => output::say_json(&problems.to_json())?,
        Format::Lines => output::say(&problems.to_lines())?,
        Format::Github => output::say(&problems.to_github())?,
        Format::Text if problems.is_empty() => {}
        Format::Text => output::say(&problems.to_text())?,
    }
    if let (Ok(plan), Format::Text | Format::Github) = (&checked, args.format) {
        output::say(&good_news(plan))?;
    }
    Ok(outcome)
}

fn good_news(plan: &Plan) -> String {
    let mut news = format!(
        "{} is a good plan: {} in {}, {} can start at once.\n",
        plan.project.name,
        count(plan.agents.len(), "agent"),
        count(plan.waves.len(), "wave"),
        plan.ready_first().len(),
    );
    if let Some(steps) = steps(&plan.longest_chain(), MAX_CHAIN, "") {
        news += &format!("The longest chain {steps}\n");
    }
    news
}

/// The checked plan, or its problems on stderr.
pub(super) fn good_plan(workspace: &Workspace) -> anyhow::Result<Result<Plan, Outcome>> {
    Ok(workspace.plan()?.map_err(|problems: Problems| {
        output::complain(&problems.to_text());
        Outcome::Found
    }))
}
