//! Who waits for whom: circles and the longest chain.
//!
//! A wave is two nodes, so that "every agent of this wave waits for every agent
//! of that one" takes a few edges and not their product: its *end*, which waits
//! for all its agents, and its *barrier*, which all its agents wait for.

use std::collections::{BTreeMap, VecDeque};

use super::checked::{Agent, Wave};
use crate::model::{AgentName, Need, WaveName};

/// The most circles that are told in one check.
const MAX_CIRCLES: usize = 20;

/// One node of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step<'a> {
    /// An agent.
    Agent(&'a AgentName),
    /// What a wave's agents wait for when the wave has an `after`.
    Barrier(&'a WaveName),
    /// The moment when all agents of a wave are complete.
    End(&'a WaveName),
}

/// Who waits for whom, by index.
#[derive(Debug)]
pub(super) struct Graph<'a> {
    steps: Vec<Step<'a>>,
    waits_for: Vec<Vec<usize>>,
    waited_for_by: Vec<Vec<usize>>,
}

impl<'a> Graph<'a> {
    pub(super) fn of(
        waves: &'a BTreeMap<WaveName, Wave>,
        agents: &'a BTreeMap<AgentName, Agent>,
    ) -> Self {
        let steps: Vec<Step<'a>> = agents
            .keys()
            .map(Step::Agent)
            .chain(waves.keys().map(Step::Barrier))
            .chain(waves.keys().map(Step::End))
            .collect();
        let index: BTreeMap<Step<'a>, usize> =
            steps.iter().enumerate().map(|(at, &step)| (step, at)).collect();
        let mut waits_for = vec![Vec::new(); steps.len()];
        let mut waited_for_by = vec![Vec::new(); steps.len()];
        let mut add = |from: Step<'_>, to: Step<'_>| {
            // A name that is not known has been reported.
            if let (Some(&from), Some(&to)) = (index.get(&from), index.get(&to)) {
                waits_for[from].push(to);
                waited_for_by[to].push(from);
            }
        };
        for agent in agents.values() {
            let own = Step::Agent(&agent.name);
            add(own, Step::Barrier(&agent.wave));
            add(Step::End(&agent.wave), own);
            for need in &agent.definition.needs {
                match need {
                    Need::Agent(name) => add(own, Step::Agent(name)),
                    Need::Wave(name) => add(own, Step::End(name)),
                }
            }
        }
        for wave in waves.values() {
            for earlier in &wave.after {
                add(Step::Barrier(&wave.name), Step::End(earlier));
            }
        }
        Self { steps, waits_for, waited_for_by }
    }

    /// Circles, each as the steps around it, the first agent by name first.
    pub(super) fn circles(&self) -> Vec<Vec<Step<'a>>> {
        let mut peel = Peel::of(self);
        let mut circles = Vec::new();
        peel.run(self);
        while circles.len() < MAX_CIRCLES {
            let Some(start) = peel.first_left() else {
                break;
            };
            let circle = self.around(self.walk_into_circle(start, &peel), &peel);
            for &at in &circle {
                peel.remove(at);
            }
            peel.run(self);
            circles.push(circle.into_iter().map(|at| self.steps[at]).collect());
        }
        circles
    }

    /// Everything that is left waits for something that is left, so following
    /// that leads into a circle: the first agent on it by name.
    fn walk_into_circle(&self, start: usize, peel: &Peel) -> usize {
        let mut seen = vec![false; self.steps.len()];
        let mut at = start;
        while !seen[at] {
            seen[at] = true;
            at = self.next_left(at, peel).unwrap_or(at);
        }
        let mut first = at;
        let mut around = self.next_left(at, peel).unwrap_or(at);
        while around != at {
            first = first.min(around);
            around = self.next_left(around, peel).unwrap_or(at);
        }
        first
    }

    fn next_left(&self, at: usize, peel: &Peel) -> Option<usize> {
        self.waits_for[at].iter().copied().find(|&next| peel.is_left(next))
    }

    /// The shortest way from `start` back to it.
    fn around(&self, start: usize, peel: &Peel) -> Vec<usize> {
        let mut came_from = vec![None; self.steps.len()];
        let mut queue = VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            for &next in self.waits_for[at].iter().filter(|&&next| peel.is_left(next)) {
                if next == start {
                    let mut path = vec![at];
                    while let Some(before) = came_from[path[path.len() - 1]] {
                        path.push(before);
                    }
                    path.reverse();
                    return path;
                }
                if came_from[next].is_none() {
                    came_from[next] = Some(at);
                    queue.push_back(next);
                }
            }
        }
        vec![start]
    }

    /// The path with the most agents, the first to start first. Only for a
    /// graph without circles.
    pub(super) fn longest_chain(&self) -> Vec<Step<'a>> {
        let mut peel = Peel::of(self);
        let order = peel.run(self);
        let mut best: Vec<(usize, Option<usize>)> = vec![(0, None); self.steps.len()];
        for &at in &order {
            let own = usize::from(matches!(self.steps[at], Step::Agent(_)));
            let before = self.waits_for[at].iter().copied();
            let longest = before.max_by_key(|&before| (best[before].0, std::cmp::Reverse(before)));
            best[at] = (own + longest.map_or(0, |before| best[before].0), longest);
        }
        let last = (0..self.steps.len()).max_by_key(|&at| (best[at].0, std::cmp::Reverse(at)));
        let mut chain = Vec::new();
        let mut at = last;
        while let Some(here) = at {
            chain.push(self.steps[here]);
            at = best[here].1;
        }
        chain.reverse();
        chain
    }
}

/// Takes away, again and again, what waits for nothing that is left.
struct Peel {
    /// How much that is left each node waits for; `None` once it is taken away.
    open: Vec<Option<usize>>,
    free: Vec<usize>,
    from: usize,
}

impl Peel {
    fn of(graph: &Graph<'_>) -> Self {
        let open: Vec<Option<usize>> = graph.waits_for.iter().map(|w| Some(w.len())).collect();
        let free = (0..open.len()).filter(|&at| open[at] == Some(0)).collect();
        Self { open, free, from: 0 }
    }

    /// Goes on until nothing more is free; what it took away, in order.
    fn run(&mut self, graph: &Graph<'_>) -> Vec<usize> {
        let mut order = Vec::new();
        while let Some(at) = self.free.pop() {
            if self.open[at].take().is_none() {
                // Gone already: it was in a circle that was removed.
                continue;
            }
            order.push(at);
            for &waiting in &graph.waited_for_by[at] {
                if let Some(open) = &mut self.open[waiting] {
                    *open -= 1;
                    if *open == 0 {
                        self.free.push(waiting);
                    }
                }
            }
        }
        order
    }

    /// Takes away a node of a circle with the next [`run`](Self::run).
    fn remove(&mut self, at: usize) {
        self.free.push(at);
    }

    fn is_left(&self, at: usize) -> bool {
        self.open[at].is_some()
    }

    fn first_left(&mut self) -> Option<usize> {
        while self.from < self.open.len() && self.open[self.from].is_none() {
            self.from += 1;
        }
        (self.from < self.open.len()).then_some(self.from)
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::testing::check;

    fn chain(text: &str) -> String {
        let chain = check(text).unwrap().longest_chain();
        let names: Vec<&str> = chain.iter().map(crate::model::AgentName::as_str).collect();
        names.join(" -> ")
    }

    #[test]
    fn the_longest_chain_goes_through_needs_waves_and_barriers() {
        insta::assert_snapshot!(chain("
--- waves/1.yaml
wave: one
agents:
  a: { run: { manual: } }
  b: { run: { manual: }, needs: [a] }
  z: { run: { manual: } }
--- waves/2.yaml
wave: two
agents:
  c: { run: { manual: }, needs: ['wave:one'] }
  d: { run: { manual: } }
--- waves/3.yaml
wave: three
after: [two]
agents:
  e: { run: { manual: } }
"), @"a -> b -> c -> e");
    }

    #[test]
    fn of_two_chains_of_one_length_the_first_by_name_is_told() {
        insta::assert_snapshot!(chain("
--- waves/1.yaml
wave: one
agents:
  b: { run: { manual: } }
  a: { run: { manual: } }
"), @"a");
    }

    #[test]
    fn a_plan_without_agents_has_no_chain() {
        assert_eq!(chain(""), "");
    }
}
