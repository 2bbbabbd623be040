//! Tells which agents can never start because they wait for each other.

use std::collections::BTreeMap;

use super::{
    checked::{Agent, Wave},
    graph::{Graph, Step},
    place::Place,
    problem::Findings,
};
use crate::model::{AgentName, Need, WaveName};

/// The most steps of a circle that are told one by one.
const MAX_STEPS: usize = 24;

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
        let need = (0..circle.len()).any(|at| is_need(circle[at], next(at)));
        let problem = findings.error(
            first.clone(),
            format!("these can never start, each waits for the next: {}", path(&circle)),
        );
        for place in written.take(MAX_STEPS) {
            problem.also(place.clone(), "and this");
        }
        problem.hint(match (barrier, need) {
            (true, true) => "a barrier (`after`) contradicts a need: drop one of the two",
            (true, false) => "drop one of these barriers (`after`)",
            (false, _) => "drop one of these needs",
        });
    }
}

/// Whether `from` waits for `to` because it says so under `needs`.
fn is_need(from: Step<'_>, to: Step<'_>) -> bool {
    matches!((from, to), (Step::Agent(_), Step::Agent(_) | Step::End(_)))
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
    if words.len() > MAX_STEPS {
        let left_out = words.len() - MAX_STEPS;
        let middle = MAX_STEPS / 2..MAX_STEPS / 2 + left_out;
        words.splice(middle, [format!("({left_out} more)")]);
    }
    words.join(" -> ")
}

#[cfg(test)]
mod tests {
    use crate::plan::testing::shown;

    #[test]
    fn a_circle_is_told_with_its_whole_path() {
        insta::assert_snapshot!(shown(r#"
--- waves/w.yaml
wave: w
agents:
  a: { run: { manual: }, needs: [b, d] }
  b: { run: { manual: }, needs: [c] }
  c: { run: { manual: }, needs: [a] }
  d: { run: { manual: } }
  e: { run: { manual: }, needs: [f, a] }
  f: { run: { manual: }, needs: [e] }
"#), @"
        error: these can never start, each waits for the next: a -> b -> c -> a
         --> waves/w.yaml:3:34
          |
        3 |   a: { run: { manual: }, needs: [b, d] }
          |                                  ^
          |
         ::: waves/w.yaml:4:34
          |
        4 |   b: { run: { manual: }, needs: [c] }
          |                                  - and this
          |
         ::: waves/w.yaml:5:34
          |
        5 |   c: { run: { manual: }, needs: [a] }
          |                                  - and this
          |
          = hint: drop one of these needs

        error: these can never start, each waits for the next: e -> f -> e
         --> waves/w.yaml:7:34
          |
        7 |   e: { run: { manual: }, needs: [f, a] }
          |                                  ^
          |
         ::: waves/w.yaml:8:34
          |
        8 |   f: { run: { manual: }, needs: [e] }
          |                                  - and this
          |
          = hint: drop one of these needs

        2 errors
        ");
    }

    #[test]
    fn a_circle_through_a_wave_is_told() {
        insta::assert_snapshot!(shown(r#"
--- waves/1.yaml
wave: text
agents:
  write: { run: { manual: }, needs: ["wave:art"] }
--- waves/2.yaml
wave: art
agents:
  draw: { run: { manual: }, needs: [write] }
"#), @r#"
        error: these can never start, each waits for the next: draw -> write -> wave:art -> draw
         --> waves/2.yaml:3:37
          |
        3 |   draw: { run: { manual: }, needs: [write] }
          |                                     ^^^^^
          |
         ::: waves/1.yaml:3:38
          |
        3 |   write: { run: { manual: }, needs: ["wave:art"] }
          |                                      ---------- and this
          |
          = hint: drop one of these needs

        1 error
        "#);
    }

    #[test]
    fn a_barrier_that_contradicts_a_need_is_told() {
        insta::assert_snapshot!(shown(r#"
--- waves/1.yaml
wave: text
agents:
  write: { run: { manual: }, needs: [draw] }
--- waves/2.yaml
wave: art
after: [text]
agents:
  draw: { run: { manual: } }
"#), @"
        error: these can never start, each waits for the next: draw -> (art is after text) -> write -> draw
         --> waves/2.yaml:2:9
          |
        2 | after: [text]
          |         ^^^^
          |
         ::: waves/1.yaml:3:38
          |
        3 |   write: { run: { manual: }, needs: [draw] }
          |                                      ---- and this
          |
          = hint: a barrier (`after`) contradicts a need: drop one of the two

        1 error
        ");
    }

    #[test]
    fn waves_that_come_after_each_other_are_told() {
        insta::assert_snapshot!(shown(r#"
--- waves/1.yaml
wave: text
after: [art]
agents: { write: { run: { manual: } } }
--- waves/2.yaml
wave: art
after: [text]
agents: { draw: { run: { manual: } } }
"#), @"
        error: these can never start, each waits for the next: draw -> (art is after text) -> write -> (text is after art) -> draw
         --> waves/2.yaml:2:9
          |
        2 | after: [text]
          |         ^^^^
          |
         ::: waves/1.yaml:2:9
          |
        2 | after: [art]
          |         --- and this
          |
          = hint: drop one of these barriers (`after`)

        1 error
        ");
    }

    #[test]
    fn a_very_long_circle_is_cut_in_its_middle() {
        let agent = |n| format!("  a{n}: {{ run: {{ manual: }}, needs: [a{}] }}\n", (n + 1) % 300);
        let agents: String = (0..300).map(agent).collect();
        let text = shown(&format!("--- waves/w.yaml\nwave: w\nagents:\n{agents}"));
        assert!(text.contains("next: a0 -> a1 -> "), "{text}");
        assert!(text.contains(" -> a11 -> (277 more) -> a289 -> "), "{text}");
        assert!(text.contains(" -> a299 -> a0\n"), "{text}");
    }
}
