//! What stands between `${{` and `}}`: a value, from contexts and a few functions.
//!
//! Compares as GitHub does: loosely, and texts without regard to case. A name that
//! GitHub does not know, or that the workflows here have no use for, is an error of
//! the test: a typing mistake in a workflow is an empty text to GitHub.

use serde_json::{Map, Value, json};

/// What an expression can see.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// `github`, `env`, `steps` and so on, by their names.
    pub(super) contexts: Map<String, Value>,
    /// What `success()`, `failure()` and `cancelled()` are about.
    pub(super) state: State,
}

/// How everything went that came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Good,
    Failed,
    Cancelled,
}

/// The contexts whose gaps are nothing, not mistakes: what is in them differs from
/// event to event, from repo to repo and from step to step.
const OPEN: [&str; 4] = ["github.event", "secrets", "outputs", "env"];

impl Scope {
    /// A text with expressions in it, as a text.
    pub(super) fn text(&self, template: &str) -> String {
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("${{") {
            let (inner, after) = after.split_once("}}").unwrap();
            text += before;
            text += &written(&self.value(inner));
            rest = after;
        }
        text + rest
    }

    /// A value of a workflow: where it is one expression, of any kind.
    pub(super) fn any(&self, value: &Value) -> Value {
        let Some(template) = value.as_str() else { return value.clone() };
        let inner = template.trim().strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}"));
        match inner {
            Some(inner) if !inner.contains("${{") => self.value(inner),
            _ => self.text(template).into(),
        }
    }

    /// Whether the condition of an `if` holds. Unless it asks how things went, they
    /// have to have gone well.
    pub(super) fn holds(&self, condition: Option<&str>) -> bool {
        let good = self.state == State::Good;
        let Some(condition) = condition else { return good };
        let inner = condition.trim();
        let inner = inner.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}"));
        let inner = inner.unwrap_or(condition);
        let asks = ["success()", "failure()", "cancelled()", "always()"];
        let holds = is_true(&self.value(inner));
        holds && (good || asks.iter().any(|word| inner.contains(word)))
    }

    fn value(&self, text: &str) -> Value {
        let mut parser = Parser { scope: self, text, rest: text };
        let value = parser.either();
        parser.skip_space();
        assert!(parser.rest.is_empty(), "what is `{}` in `{text}`?", parser.rest);
        value
    }
}

/// Evaluates while it reads.
struct Parser<'a> {
    scope: &'a Scope,
    text: &'a str,
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn either(&mut self) -> Value {
        let mut value = self.both();
        while self.takes("||") {
            let other = self.both();
            value = if is_true(&value) { value } else { other };
        }
        value
    }

    fn both(&mut self) -> Value {
        let mut value = self.comparison();
        while self.takes("&&") {
            let other = self.comparison();
            value = if is_true(&value) { other } else { value };
        }
        value
    }

    fn comparison(&mut self) -> Value {
        let left = self.opposite();
        if self.takes("==") {
            return equal(&left, &self.opposite()).into();
        }
        if self.takes("!=") {
            return (!equal(&left, &self.opposite())).into();
        }
        left
    }

    fn opposite(&mut self) -> Value {
        self.skip_space();
        if self.rest.starts_with('!') && !self.rest.starts_with("!=") {
            self.rest = &self.rest[1..];
            return (!is_true(&self.opposite())).into();
        }
        self.single()
    }

    fn single(&mut self) -> Value {
        if self.takes("(") {
            let value = self.either();
            assert!(self.takes(")"), "a bracket is open in `{}`", self.text);
            return value;
        }
        if self.rest.starts_with('\'') {
            return self.quoted().into();
        }
        let word = self.word();
        assert!(!word.is_empty(), "something is missing before `{}` in `{}`", self.rest, self.text);
        match word {
            "true" | "false" => (word == "true").into(),
            "null" => Value::Null,
            _ if self.rest.starts_with('(') => self.call(word),
            _ if word.starts_with(|c: char| c.is_ascii_digit()) => {
                word.parse::<f64>().unwrap().into()
            }
            _ => self.path(word),
        }
    }

    fn quoted(&mut self) -> String {
        let mut text = String::new();
        loop {
            let (part, rest) = self.rest[1..].split_once('\'').expect("a quote is open");
            text += part;
            self.rest = rest;
            if !rest.starts_with('\'') {
                return text;
            }
            text.push('\'');
        }
    }

    fn path(&mut self, name: &str) -> Value {
        let mut path = name.to_owned();
        let context = self.scope.contexts.get(name);
        let mut value =
            context.unwrap_or_else(|| panic!("there is no `{name}` here: `{}`", self.text)).clone();
        let mut open = OPEN.contains(&name);
        while self.rest.starts_with('.') {
            self.rest = &self.rest[1..];
            let key = self.word();
            let found = value.as_object().and_then(|object| {
                object.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, it)| it)
            });
            path = format!("{path}.{key}");
            assert!(open || found.is_some(), "there is no `{path}`: `{}`", self.text);
            open |= OPEN.contains(&path.as_str()) || OPEN.contains(&key);
            value = found.cloned().unwrap_or(Value::Null);
        }
        value
    }

    fn call(&mut self, name: &str) -> Value {
        let mut given = Vec::new();
        assert!(self.takes("("));
        while !self.takes(")") {
            given.push(self.either());
            self.takes(",");
        }
        let state = self.scope.state;
        match (name, given.as_slice()) {
            ("always", []) => true.into(),
            ("success", []) => (state == State::Good).into(),
            ("failure", []) => (state == State::Failed).into(),
            ("cancelled", []) => (state == State::Cancelled).into(),
            ("fromJSON", [text]) => serde_json::from_str(&written(text))
                .unwrap_or_else(|err| panic!("fromJSON of `{}`: {err}", written(text))),
            ("toJSON", [value]) => value.to_string().into(),
            ("contains", [Value::Array(list), item]) => {
                list.iter().any(|it| equal(it, item)).into()
            }
            ("contains", [text, part]) => {
                written(text).to_lowercase().contains(&written(part).to_lowercase()).into()
            }
            ("format", [template, values @ ..]) => {
                let filled = (0..).zip(values).fold(written(template), |text, (place, value)| {
                    text.replace(&format!("{{{place}}}"), &written(value))
                });
                filled.into()
            }
            _ => panic!("`{name}` of {} is not known here: `{}`", given.len(), self.text),
        }
    }

    fn word(&mut self) -> &'a str {
        let of_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let end = self.rest.find(|c| !of_word(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn takes(&mut self, sign: &str) -> bool {
        self.skip_space();
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        let taken = rest.is_some();
        self.skip_space();
        taken
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }
}

/// As it stands in a text.
pub(super) fn written(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string().trim_end_matches(".0").to_owned(),
        other => other.to_string(),
    }
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::String(left), Value::String(right)) => left.to_lowercase() == right.to_lowercase(),
        (left, right) if left == right => true,
        (left, right) => number(left).is_some_and(|value| number(right) == Some(value)),
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Null => Some(0.0),
        Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
        Value::Number(number) => number.as_f64(),
        Value::String(text) if text.trim().is_empty() => Some(0.0),
        Value::String(text) => text.trim().parse().ok(),
        Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(state: State) -> Scope {
        let contexts = json!({
            "github": { "event_name": "push", "event": { "number": 7 }, "sha": "abc" },
            "needs": { "tick": { "outputs": { "agents": "[\"a\",\"b\"]" }, "result": "failure" } },
            "secrets": { "KEY": "it's" },
        });
        let Value::Object(contexts) = contexts else { panic!() };
        Scope { contexts, state }
    }

    #[test]
    fn expressions_are_what_github_takes_them_for() {
        let good = scope(State::Good);
        for (text, value) in [
            ("${{ github.event.number }}!", "7!"),
            ("${{ secrets.KEY }}${{ secrets.NONE }}", "it's"),
            ("${{ github.event.issue.pull_request == null }}", "true"),
            ("${{ github.event_name == 'PUSH' && 'yes' || 'no' }}", "yes"),
            ("${{ !(github.sha != 'abc') }}", "true"),
            ("${{ format('{0}-{1}', 'it''s', 2) }}", "it's-2"),
            ("${{ contains(fromJSON(needs.tick.outputs.agents), 'b') }}", "true"),
            ("${{ needs.tick.outputs.nothing }}", ""),
            ("${{ toJSON(github.event) }}", "{\"number\":7}"),
        ] {
            assert_eq!(good.text(text), value, "{text}");
        }
        assert_eq!(good.any(&json!("${{ fromJSON('[1]') }}")), json!([1]));
    }

    #[test]
    fn a_condition_asks_for_success_unless_it_says_otherwise() {
        let (good, failed) = (scope(State::Good), scope(State::Failed));
        let cancelled = scope(State::Cancelled);
        let told = |condition| [&good, &failed, &cancelled].map(|scope| scope.holds(condition));
        assert_eq!(told(None), [true, false, false]);
        assert_eq!(told(Some("github.sha == 'abc'")), [true, false, false]);
        assert_eq!(told(Some("${{ !cancelled() && github.sha }}")), [true, true, false]);
        assert_eq!(told(Some("always()")), [true, true, true]);
        assert_eq!(told(Some("failure()")), [false, true, false]);
    }

    #[test]
    #[should_panic(expected = "there is no `needs.tock`")]
    fn a_name_that_is_mistyped_is_an_error() {
        scope(State::Good).text("${{ needs.tock.outputs.agents }}");
    }
}
