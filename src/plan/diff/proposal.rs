//! What `wavemark plan` says: everything that somebody should know before the
//! plan is synced.
//!
//! **Invariant:** it is said about one plan, the one whose digest is `hash`, and
//! about the database as it was at one moment, or about one revision of the
//! files. Only with that hash does `wavemark sync --expect` bring about what was
//! shown. It is complete: printed as JSON and read back, it is rendered the same.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Changes, Counts, Detail, Graph, Tense};
use crate::{
    model::{AgentName, Digest, ProjectName},
    plan::{Plan, problem::harmless},
};

/// The most agents that are named in brief.
pub(super) const MAX_NAMES: usize = 10;
/// How much of a commit's name is shown.
const SHORT: usize = 8;
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
    /// What the plan was compared with, if that was not the database.
    pub against: Option<Revision>,
    /// What would change.
    pub changes: Changes,
    /// Whether `wavemark sync` wants `--allow-retire` for it.
    pub retires_most: bool,
    /// What could go on once it is synced, where that is known: it takes a
    /// database.
    pub outlook: Option<Outlook>,
    /// The longest chain of agents that wait for each other, the first first.
    pub longest_chain: Vec<AgentName>,
    /// What somebody should look at in the files, a line each.
    pub warnings: Vec<String>,
    /// The graph of the plan; none if nobody could read it.
    pub graph: Option<Graph>,
}

/// A revision of the repo, the plan of which takes the place of the database's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revision {
    /// As somebody called it, such as `main`.
    pub name: String,
    /// The commit that it was.
    pub commit: String,
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
    /// What is to be said about `plan`, given what it changes in the database and
    /// what follows.
    pub fn new(plan: &Plan, changes: Changes, outlook: Outlook) -> Self {
        Self { outlook: Some(outlook), ..Self::of(plan, changes) }
    }

    /// What is to be said about `plan` without a database, given what it changes
    /// of the plan at a revision.
    pub fn against(plan: &Plan, changes: Changes, revision: Revision) -> Self {
        Self { against: Some(revision), ..Self::of(plan, changes) }
    }

    fn of(plan: &Plan, changes: Changes) -> Self {
        Self {
            project: plan.project.name.clone(),
            hash: plan.digest(),
            counts: changes.counts(),
            retires_most: changes.retires_most(),
            changes,
            against: None,
            outlook: None,
            longest_chain: plan.longest_chain(),
            warnings: plan.warnings.to_lines().lines().map(ToOwned::to_owned).collect(),
            graph: Graph::of(plan),
        }
    }

    /// For people, without the warnings: what changes, what follows, the hash.
    pub fn to_text(&self, detail: Detail) -> String {
        let mut text = self.changes.to_text(detail, Tense::Future) + "\n";
        let (names, chain) = match detail {
            Detail::Brief => (MAX_NAMES, MAX_CHAIN),
            Detail::Full => (usize::MAX, usize::MAX),
        };
        for sentence in self.outlook.iter().flat_map(|outlook| outlook.sentences(names, "")) {
            text += &format!("{sentence}\n");
        }
        if let Some(against) = &self.against {
            text += &format!("{}\n", against.sentence(self.changes.is_new_project(), harmless));
        }
        if let Some(steps) = steps(&self.longest_chain, chain, "") {
            text += &format!("the longest chain {steps}\n");
        }
        if self.retires_most {
            text += "more than half of the agents vanish: syncing this needs --allow-retire\n";
        }
        text += &match self.command() {
            Some(command) => format!("to apply {}: {command}\n", self.what()),
            None => format!("the hash of the plan: {}\n", self.hash),
        };
        text
    }

    /// What its command applies.
    pub(super) fn what(&self) -> &'static str {
        if self.against.is_some() { "this plan" } else { "exactly this" }
    }

    /// What applies it; none if there is nothing to do.
    pub(super) fn command(&self) -> Option<String> {
        let allow = if self.retires_most { " --allow-retire" } else { "" };
        let command = format!("wavemark sync --expect {}{allow}", self.hash);
        (!self.changes.is_empty()).then_some(command)
    }
}

impl Revision {
    /// What the plan was compared with, and what is not known for that reason.
    pub(super) fn sentence(&self, is_new: bool, quoted: impl Fn(&str) -> String) -> String {
        let name = quoted(&self.name);
        let commit: String = self.commit.chars().take(SHORT).collect();
        let commit = quoted(&commit);
        let what = match is_new {
            true => format!("there is no plan at {name} ({commit}), so all of it is new"),
            false => {
                format!("compared with the plan at {name} ({commit}), as if that were built")
            }
        };
        format!("{what}; the database was not asked, so what could start is not known")
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
