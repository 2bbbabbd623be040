//! The files that Wavemark writes into a repo: what is in them, and whether one
//! may be written.
//!
//! Some are a beginning and the user's from then on ([`project`],
//! [`first_wave`]). The others ([`kept`]) are kept up to date for as long as
//! nobody edits them: the schema of plan files, the issue form, the workflows
//! and the action that brings the binary. Each of these says in its first line
//! who wrote it, and the digest of the rest ([`origin`]). [`Part`]s of them
//! follow from the plan and are kept up to date on their own.
//!
//! **Invariant:** what somebody else wrote, or edited, is never written over;
//! of an edited file, at most the parts between their two lines are.

mod first;
mod mark;
mod part;
mod release;
mod templates;

use std::collections::BTreeSet;

use crate::{
    mail::{FORM_PATH, form},
    model::{AgentName, EnvName},
    plan::schema,
};

pub use first::{FIRST_AGENTS, PROJECT_PATH, Seed, first_wave, name_after, project};
pub use mark::{Origin, origin};
pub use part::Part;
pub use release::{BadChecksums, Release, TARGETS};
use templates::{WORKFLOW_TEXTS, action};

/// The version that writes.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where GitHub looks for workflows, below the root of the repo.
pub const WORKFLOWS: &str = ".github/workflows";

/// The workflow that ticks.
pub const TICK_PATH: &str = ".github/workflows/tick.yml";

/// The action that brings the binary to a job.
pub const ACTION_PATH: &str = ".github/actions/wavemark/action.yml";

/// A file that is kept up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Below the root of the repo.
    pub path: &'static str,
    /// All that is in it, the mark included.
    pub text: String,
}

/// What of a plan shows in these files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// The agents.
    pub agents: BTreeSet<AgentName>,
    /// The secrets that they declare.
    pub secrets: BTreeSet<EnvName>,
    /// What it takes to ask others for work, and for them to report it: the
    /// variables in their URLs, their secrets, and where the database's API is.
    pub webhooks: BTreeSet<EnvName>,
}

/// What is to be done about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is not there: write it.
    Write,
    /// Another version wrote it, or for another plan, and nobody edited it:
    /// write it anew.
    Update,
    /// It was edited; bring only its part up to date, which makes it this.
    Refill(String),
    /// It is as it should be.
    Keep,
    /// It is somebody's own now: leave it alone.
    Edited,
    /// It never was ours: leave it alone.
    Foreign,
    /// A newer version wrote it: leave it alone.
    Newer(String),
}

/// The files that are kept up to date. The action is among them only where it
/// is known which release it is to bring.
pub fn kept(named: &Named, release: Option<&Release>) -> Vec<File> {
    let mut texts = vec![
        // `{:#}` writes the same as `wavemark schema`.
        ("waves/schema.json", format!("{:#}\n", schema::file())),
        (FORM_PATH, form(&named.agents)),
    ];
    texts.extend(WORKFLOW_TEXTS.map(|(path, text)| (path, text.to_owned())));
    texts.extend(release.map(|release| (ACTION_PATH, action(release))));
    texts
        .into_iter()
        .map(|(path, text)| File { path, text: mark::seal(&renew(path, &text, named), VERSION) })
        .collect()
}

/// What is to be done about `file`, given the text that is there.
pub fn step(file: &File, there: Option<&str>, named: &Named) -> Step {
    let Some(there) = there else { return Step::Write };
    match origin(there) {
        _ if there == file.text => Step::Keep,
        Origin::Intact(version) if is_newer(&version) => Step::Newer(version),
        Origin::Intact(_) => Step::Update,
        Origin::Foreign => Step::Foreign,
        Origin::Edited => match renew(file.path, there, named) {
            renewed if renewed == there => Step::Edited,
            renewed => Step::Refill(renewed),
        },
    }
}

/// The files that have parts which follow from the plan.
pub const WITH_PARTS: [&str; 2] = [FORM_PATH, TICK_PATH];

/// The text of a file of ours with the parts that follow from the plan brought up
/// to date, and everything else as it is.
pub fn renew(path: &str, text: &str, named: &Named) -> String {
    let filled = match path {
        FORM_PATH => {
            let lines: Vec<String> = named.agents.iter().map(|name| format!("- {name}")).collect();
            // GitHub does not take a form without a choice.
            if lines.is_empty() { None } else { part::refill(text, Part::Agents, &lines) }
        }
        TICK_PATH => {
            let filled = part::refill(text, Part::Secrets, &handed_on(&named.secrets));
            let text = filled.as_deref().unwrap_or(text);
            part::refill(text, Part::Webhooks, &handed_on(&named.webhooks)).or(filled)
        }
        _ => None,
    };
    filled.unwrap_or_else(|| text.to_owned())
}

/// A line for each secret, as it stands in the environment of a step.
fn handed_on(secrets: &BTreeSet<EnvName>) -> Vec<String> {
    secrets.iter().map(|name| format!("{name}: ${{{{ secrets.{name} }}}}")).collect()
}

/// Whether a version is newer than the one that writes.
fn is_newer(version: &str) -> bool {
    let numbers = |version: &str| -> Option<Vec<u64>> {
        version.split(['.', '-', '+']).take(3).map(|number| number.parse().ok()).collect()
    };
    numbers(version) > numbers(VERSION)
}
