//! What does the work of an agent: `run`, with exactly one runner under it.

use super::{
    fields::{Fields, Reading, entries},
    place::Span,
    suggest::listed,
    values::{expected, scalar},
    yaml::{Node, Value},
};
use crate::model::{Runner, RunnerKind};

/// The runner, and where its program stands if it is a path.
pub(super) fn runner(node: &Node, cx: &mut Reading<'_>) -> Option<(Runner, Option<Span>)> {
    let kinds: Vec<&str> = RunnerKind::ALL.iter().map(|kind| kind.as_str()).collect();
    if !matches!(node.value, Value::Map(_)) {
        let problem = expected(node, "a runner with its settings", cx);
        problem.hint("write `run: { exec: [program, argument] }` or `run: { manual: {} }`");
        return None;
    }
    let entries = entries(node, "a runner", cx)?;
    let [(key, span, settings)] = entries.as_slice() else {
        cx.error(node.span, format!("`run` takes exactly one runner, found {}", entries.len()))
            .hint(format!("use one of {}", listed(&kinds)));
        return None;
    };
    let Ok(kind) = key.parse() else {
        let hint = cx.suggester.hint(key, kinds);
        let problem = cx.error(*span, format!("`{key}` is not a runner"));
        hint.map(|hint| problem.hint(hint));
        return None;
    };
    match kind {
        RunnerKind::Exec => exec(settings, cx),
        RunnerKind::Manual if matches!(settings.value, Value::Nothing) => {
            Some((Runner::Manual {}, None))
        }
        RunnerKind::Manual => {
            Fields::open(settings, "`manual`", &[], cx).map(|_| (Runner::Manual {}, None))
        }
    }
}

fn exec(node: &Node, cx: &mut Reading<'_>) -> Option<(Runner, Option<Span>)> {
    if let Value::Text(command) = &node.value {
        let words: Vec<&str> = command.split_whitespace().collect();
        expected(node, "a list: the program, then its arguments", cx)
            .hint(format!("no shell is involved; write `exec: [{}]`", words.join(", ")));
        return None;
    }
    let Value::List(items) = &node.value else {
        expected(node, "a list: the program, then its arguments", cx);
        return None;
    };
    let words: Vec<String> =
        items.iter().filter_map(|item| scalar(item, "text", cx)).map(str::to_owned).collect();
    let Some(program) = words.first().filter(|program| !program.trim().is_empty()) else {
        cx.error(node.span, "`exec` names no program")
            .hint("write the program first: `exec: [agents/program.sh, --quick]`");
        return None;
    };
    let at = program.contains('/').then(|| items[0].span);
    (words.len() == items.len()).then_some((Runner::Exec(words), at))
}

#[cfg(test)]
mod tests {
    use crate::plan::testing::problems;

    #[test]
    fn there_is_exactly_one_runner() {
        insta::assert_snapshot!(problems(r#"
--- waves/w.yaml
wave: w
agents:
  a: { run: { exec: ["true"], manual: {} } }
  b: { run: {} }
  c: { run: { exce: ["true"] } }
  d: { run: manual }
  e: { run: { manual: { who: me } } }
"#), @"
        waves/w.yaml:3:13: error: `run` takes exactly one runner, found 2 (use one of `exec` and `manual`)
        waves/w.yaml:4:13: error: `run` takes exactly one runner, found 0 (use one of `exec` and `manual`)
        waves/w.yaml:5:15: error: `exce` is not a runner (did you mean `exec`?)
        waves/w.yaml:6:13: error: expected a runner with its settings, found `manual` (write `run: { exec: [program, argument] }` or `run: { manual: {} }`)
        waves/w.yaml:7:25: error: `who` is not a field of `manual` (`manual` has no fields)
        ");
    }

    #[test]
    fn a_command_is_a_list() {
        insta::assert_snapshot!(problems(r#"
--- waves/w.yaml
wave: w
agents:
  a: { run: { exec: agents/a.sh --quick } }
  b: { run: { exec: [] } }
  c: { run: { exec: [" "] } }
  d: { run: { exec: [echo, [a]] } }
  e: { run: { exec: 5 } }
"#), @"
        waves/w.yaml:3:21: error: expected a list: the program, then its arguments, found `agents/a.sh --quick` (no shell is involved; write `exec: [agents/a.sh, --quick]`)
        waves/w.yaml:4:21: error: `exec` names no program (write the program first: `exec: [agents/program.sh, --quick]`)
        waves/w.yaml:5:21: error: `exec` names no program (write the program first: `exec: [agents/program.sh, --quick]`)
        waves/w.yaml:6:28: error: expected text, found a list
        waves/w.yaml:7:21: error: expected a list: the program, then its arguments, found the number `5`
        ");
    }
}
