//! Tells which agents can never start because they wait for each other.

use std::collections::BTreeMap;

use super::{
    checked::{Agent, Wave},
    graph::{Graph, Step},
    place::Place,
    problem::Findings,
};
use crate::model::{AgentName, Need, WaveName};

/// Where each need and each barrier is written.
#[derive(Default)]
pub(super) struct Places {
    pub(super) needs: BTreeMap<(AgentName, Need), Place>,
    pub(super) after: BTreeMap<(WaveName, WaveName), Place>,
}

impl Places {
    /// Where it is written that `from` waits for `to`.
    fn of(&self, from: Step<'_>, to: Step<'_>) -> Option<&Place> {
        match (from, to) {
            (Step::Agent(agent), Step::Agent(need)) => {
                self.needs.get(&(agent.clone(), Need::Agent(need.clone())))
            }
            (Step::Agent(agent), Step::End(need)) => {
                self.needs.get(&(agent.clone(), Need::Wave(need.clone())))
            }
            (Step::Barrier(wave), Step::End(earlier)) => {
                self.after.get(&(wave.clone(), earlier.clone()))
            }
            _ => None,
        }
    }
}

/// Reports every circle with its whole path.
pub(super) fn report(
    waves: &BTreeMap<WaveName, Wave>,
    agents: &BTreeMap<AgentName, Agent>,
    places: &Places,
    findings: &mut Findings,
) {
    for circle in Graph::of(waves, agents).circles() {
        let next = |at: usize| circle[(at + 1) % circle.len()];
        let mut written = (0..circle.len()).filter_map(|at| places.of(circle[at], next(at)));
        let Some(first) = written.next() else {
            continue;
        };
        let barrier = circle.iter().any(|step| matches!(step, Step::Barrier(_)));
        let problem = findings.error(
            first.clone(),
            format!(
                "these wait for each other and can never start: {}",
                path(&circle)
            ),
        );
        for place in written {
            problem.also(place.clone(), "and this");
        }
        problem.hint(if barrier {
            "a barrier (`after`) and a need contradict each other: drop one of the two"
        } else {
            "drop one of these needs"
        });
    }
}

/// The way around, as people say it.
fn path(circle: &[Step<'_>]) -> String {
    let mut words: Vec<String> = Vec::new();
    for (at, step) in circle.iter().enumerate() {
        let before = circle[(at + circle.len() - 1) % circle.len()];
        match step {
            Step::Agent(name) => words.push(name.to_string()),
            Step::End(wave) => match before {
                Step::Barrier(own) => words.push(format!("({own} is after {wave})")),
                _ => words.push(format!("wave:{wave}")),
            },
            Step::Barrier(_) => {}
        }
    }
    words.extend(words.first().cloned());
    words.join(" -> ")
}
