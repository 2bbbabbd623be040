//! What `wavemark plan` says: everything that somebody should know before the
//! plan is synced.
//!
//! **Invariant:** it is said about one plan, the one whose digest is `hash`, and
//! about the database as it was at one moment. Only with that hash does
//! `wavemark sync --expect` bring about what was shown.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Changes, Counts, Detail, Tense};
use crate::{
    model::{AgentName, Digest, ProjectName},
    plan::Plan,
};

/// The most agents that are named in brief.
pub(super) const MAX_NAMES: usize = 10;
/// The most agents of a chain that are named in brief: an even number.
pub const MAX_CHAIN: usize = 8;

/// What syncing a plan would do, and what would follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// The project.
    pub project: ProjectName,
    /// The digest of the plan, for `wavemark sync --expect`.
    pub hash: Digest,
    /// How many agents each thing happens to.
    pub counts: Counts,
    /// What would change.
    pub changes: Changes,
    /// Whether `wavemark sync` wants `--allow-retire` for it.
    pub retires_most: bool,
    /// What could go on once it is synced.
    pub outlook: Outlook,
    /// The longest chain of agents that wait for each other, the first first.
    pub longest_chain: Vec<AgentName>,
    /// What somebody should look at in the files, a line each.
    pub warnings: Vec<String>,
}

/// What could go on at once when a plan is synced, by what is complete already.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outlook {
    /// Agents that run already, those that leave the plan included.
    pub running: BTreeSet<AgentName>,
    /// Agents that could start at once.
    pub startable: BTreeSet<AgentName>,
    /// Agents that could start once there is room in their pool.
    pub queued: BTreeSet<AgentName>,
    /// Manual agents whose people would be asked to do them.
    pub for_people: BTreeSet<AgentName>,
}

impl Proposal {
    /// What is to be said about `plan`, given what it changes and what follows.
    pub fn new(plan: &Plan, changes: Changes, outlook: Outlook) -> Self {
        Self {
            project: plan.project.name.clone(),
            hash: plan.digest(),
            counts: changes.counts(),
            retires_most: changes.retires_most(),
            changes,
            outlook,
            longest_chain: plan.longest_chain(),
            warnings: plan.warnings.to_lines().lines().map(ToOwned::to_owned).collect(),
        }
    }

    /// For people, without the warnings: what changes, what follows, the hash.
    pub fn to_text(&self, detail: Detail) -> String {
        let mut text = self.changes.to_text(detail, Tense::Future) + "\n";
        let (names, chain) = match detail {
            Detail::Brief => (MAX_NAMES, MAX_CHAIN),
            Detail::Full => (usize::MAX, usize::MAX),
        };
        for sentence in self.outlook.sentences(names, "") {
            text += &format!("{sentence}\n");
        }
        if let Some(steps) = steps(&self.longest_chain, chain, "") {
            text += &format!("the longest chain {steps}\n");
        }
        if self.retires_most {
            text += "more than half of the agents vanish: syncing this needs --allow-retire\n";
        }
        text += &match self.command() {
            Some(command) => format!("to apply exactly this: {command}\n"),
            None => format!("the hash of the plan: {}\n", self.hash),
        };
        text
    }

    /// What does exactly this; none if there is nothing to do.
    pub(super) fn command(&self) -> Option<String> {
        let allow = if self.retires_most { " --allow-retire" } else { "" };
        let command = format!("wavemark sync --expect {}{allow}", self.hash);
        (!self.changes.is_empty()).then_some(command)
    }
}

/// How many steps a chain takes and which, at most `most` of them by name, in
/// these quotes; none if nothing waits for anything.
pub fn steps(chain: &[AgentName], most: usize, quote: &str) -> Option<String> {
    let names: Vec<String> = chain.iter().map(|name| format!("{quote}{name}{quote}")).collect();
    let chain = match names.as_slice() {
        [] | [_] => return None,
        names if names.len() <= most => names.join(" → "),
        names => {
            let (first, last) = (&names[..most / 2], &names[names.len() - most / 2..]);
            let hidden = names.len() - first.len() - last.len();
            format!("{} → ... {hidden} more ... → {}", first.join(" → "), last.join(" → "))
        }
    };
    Some(format!("takes {} steps: {chain}", names.len()))
}

impl Outlook {
    /// What could go on, a line each, with at most `most` names in these quotes.
    pub(super) fn sentences(&self, most: usize, quote: &str) -> Vec<String> {
        let Self { running, startable, queued, for_people } = self;
        let all = [
            (running, "is running", "are running"),
            (startable, "could start at once", "could start at once"),
            (
                queued,
                "could start once its pool has room",
                "could start once their pools have room",
            ),
            (for_people, "would be given to people", "would be given to people"),
        ];
        let mut sentences: Vec<String> = all
            .into_iter()
            .filter(|(agents, ..)| !agents.is_empty())
            .map(|(agents, one, many)| {
                let number = agents.len();
                let (s, what) = if number == 1 { ("", one) } else { ("s", many) };
                format!("{number} agent{s} {what}: {}", first(agents, most, quote))
            })
            .collect();
        if startable.is_empty() {
            sentences.insert(0, "no agent could start at once".to_owned());
        }
        sentences
    }
}

/// The first `most` names, and how many there are beside them.
fn first(agents: &BTreeSet<AgentName>, most: usize, quote: &str) -> String {
    let names: Vec<String> =
        agents.iter().take(most).map(|name| format!("{quote}{name}{quote}")).collect();
    let more = match agents.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    names.join(", ") + &more
}
