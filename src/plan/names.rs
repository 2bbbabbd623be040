//! Every name that a plan defines, and whether the names it uses are among them.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use super::{
    kind::At, place::Place, policy::Policy, problem::Findings, project, suggest::Suggester,
    wave::DraftWave,
};
use crate::model::{AgentName, Need, PoolName, WaveName};

/// The names that the files of a plan define, and where.
pub(super) struct Names {
    waves: BTreeMap<WaveName, Place>,
    agents: BTreeMap<AgentName, Place>,
    /// `None` if the project could not be read.
    pools: Option<BTreeSet<PoolName>>,
    /// Whether some file could not be read: unknown names may be in it.
    incomplete: bool,
    suggester: Suggester,
}

impl Names {
    /// The names that `waves` define; those defined twice are reported.
    pub(super) fn of(
        waves: &[DraftWave],
        pools: Option<BTreeSet<PoolName>>,
        incomplete: bool,
        suggester: Suggester,
        findings: &mut Findings,
    ) -> Self {
        let mut names =
            Self { waves: BTreeMap::new(), agents: BTreeMap::new(), pools, incomplete, suggester };
        for wave in waves {
            names.define(wave, findings);
        }
        names
    }

    fn define(&mut self, wave: &DraftWave, findings: &mut Findings) {
        if let Some(name) = &wave.name {
            match self.waves.entry(name.clone()) {
                Entry::Vacant(free) => drop(free.insert(wave.place.clone())),
                Entry::Occupied(first) => {
                    findings
                        .error(wave.place.clone(), format!("there is a second wave `{name}`"))
                        .also(first.get().clone(), "the first one")
                        .hint("a wave is one file: rename one of them, or move its agents");
                }
            }
        }
        for agent in &wave.agents {
            match self.agents.entry(agent.name.clone()) {
                Entry::Vacant(free) => drop(free.insert(agent.place.clone())),
                Entry::Occupied(first) => {
                    let what = format!("there is a second agent `{}`", agent.name);
                    findings
                        .error(agent.place.clone(), what)
                        .also(first.get().clone(), "the first one")
                        .hint("agent names are unique in the whole project: rename one");
                }
            }
        }
    }

    /// Reports a need of what there is not.
    pub(super) fn need(&self, need: &Need, place: &Place, findings: &mut Findings) {
        let name = match need {
            Need::Wave(wave) => return self.wave(wave, place, findings),
            Need::Agent(name) => name,
        };
        if self.agents.contains_key(name) || self.incomplete {
            return;
        }
        let hint = if self.waves.contains_key(name.as_str()) {
            Some(format!("it is a wave: write `wave:{name}` to need all of its agents"))
        } else {
            let known = self.agents.keys().map(AgentName::as_str);
            self.suggester.hint(name.as_str(), known)
        };
        let problem = findings.error(place.clone(), format!("there is no agent `{name}`"));
        hint.map(|hint| problem.hint(hint));
    }

    /// Reports a wave that there is not.
    pub(super) fn wave(&self, wave: &WaveName, place: &Place, findings: &mut Findings) {
        if self.waves.contains_key(wave) || self.incomplete {
            return;
        }
        let known = self.waves.keys().map(WaveName::as_str);
        let hint = self.suggester.hint(wave.as_str(), known);
        let problem = findings.error(place.clone(), format!("there is no wave `{wave}`"));
        hint.map(|hint| problem.hint(hint));
    }

    /// Reports a pool that there is not.
    pub(super) fn pool(&self, policy: &Policy, findings: &mut Findings) {
        let (Some(At { value: pool, place }), Some(pools)) = (&policy.pool, &self.pools) else {
            return;
        };
        if pools.contains(pool) {
            return;
        }
        let known = pools.iter().map(PoolName::as_str);
        let hint = match self.suggester.nearest(pool.as_str(), known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("declare it in {}: `pools: {{ {pool}: 4 }}`", project::PATH),
        };
        findings.error(place.clone(), format!("there is no pool `{pool}`")).hint(hint);
    }
}
