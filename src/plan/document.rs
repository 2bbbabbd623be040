//! What `wavemark plan --json` or `wavemark check --format json` printed, read
//! back from a file that anybody may have written.
//!
//! On a fork's pull request the plan is made by a job that the fork controls,
//! and told to GitHub by another job that must not believe a word of it. So the
//! file is read strictly: nothing unknown, no name that is none, nothing that
//! does not fit together, and not more than [`MAX_FILE`] bytes.
//!
//! **Invariant:** whatever the bytes are, what comes of a [`Document`] is
//! bounded, and what somebody wrote stands in code there. Whether it is true,
//! nobody can tell.

use std::{collections::BTreeSet, sync::Arc};

use serde::Deserialize;

use super::{
    diff::Proposal,
    place::Place,
    problem::{Findings, Problem, Problems, Severity, harmless},
    quote::{MAX_BYTES, code, code_of, fitting, more},
};
use crate::model::Digest;

/// The most bytes that are read.
pub const MAX_FILE: usize = 1024 * 1024;
/// The most problems that are shown.
const MAX_PROBLEMS: usize = 50;
/// The longest text about a problem, in characters.
const MAX_TEXT: usize = 400;
/// More than any plan has.
const MAX_AGENTS: usize = 1_000_000_000;

/// What is to be said about the plan of a pull request.
#[derive(Clone, Debug)]
pub enum Document {
    /// The plan is good, and this is what it would do.
    Proposal(Box<Proposal>),
    /// The plan cannot be used.
    Problems(Problems),
}

/// Why a file is no [`Document`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDocument {
    /// It is too long to be looked at.
    #[error("it has more than {MAX_FILE} bytes")]
    TooLong,
    /// It is not what it should be.
    #[error("it is not what `wavemark plan --json` or `wavemark check --format json` prints: {0}")]
    Unreadable(String),
    /// Its parts say different things.
    #[error("its parts do not fit together: {0}")]
    Inconsistent(&'static str),
    /// It lists problems that keep nobody from using the plan.
    #[error("it lists no error, so the plan is good, and `wavemark plan --json` says what it does")]
    NoError,
}

impl Document {
    /// Reads what somebody wrote.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadDocument> {
        if bytes.len() > MAX_FILE {
            return Err(BadDocument::TooLong);
        }
        let unreadable =
            |err: serde_json::Error| BadDocument::Unreadable(harmless(&err.to_string()));
        if bytes.trim_ascii_start().starts_with(b"[") {
            let told: Vec<Told> = serde_json::from_slice(bytes).map_err(unreadable)?;
            let mut findings = Findings::default();
            for problem in told {
                problem.add_to(&mut findings);
            }
            let problems = findings.finish(&[].into());
            return match problems.errors() {
                0 => Err(BadDocument::NoError),
                _ => Ok(Self::Problems(problems)),
            };
        }
        let proposal: Proposal = serde_json::from_slice(bytes).map_err(unreadable)?;
        fits_together(&proposal)?;
        Ok(Self::Proposal(Box::new(proposal)))
    }

    /// The digest of the plan, if it can be applied.
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Self::Proposal(proposal) => Some(proposal.hash),
            Self::Problems(_) => None,
        }
    }

    /// For a comment on GitHub.
    pub fn to_markdown(&self) -> String {
        match self {
            Self::Proposal(proposal) => proposal.to_markdown(),
            Self::Problems(problems) => problems.to_markdown(),
        }
    }
}

/// Whether what follows from other things is said as it follows from them.
fn fits_together(proposal: &Proposal) -> Result<(), BadDocument> {
    let Proposal { counts, changes, retires_most, against, outlook, .. } = proposal;
    let wrong = |what| Err(BadDocument::Inconsistent(what));
    if changes.unchanged > MAX_AGENTS {
        return wrong("no plan has so many agents");
    }
    if *counts != changes.counts() {
        return wrong("`counts` does not count `changes`");
    }
    if *retires_most != changes.retires_most() {
        return wrong("`retires_most` does not follow from `changes`");
    }
    let order: BTreeSet<_> = changes.order.iter().collect();
    if order.len() != changes.order.len() || !changes.are_of(&order) {
        return wrong("`order` does not list each wave of `changes` once");
    }
    if against.is_some() == outlook.is_some() {
        return wrong("there is an `outlook` exactly where a database was asked");
    }
    Ok(())
}

/// A problem as it is printed as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    file: String,
    line: u32,
    column: u32,
    severity: Severity,
    what: String,
    hint: Option<String>,
    also: Vec<Also>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Also {
    place: Spot,
    what: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spot {
    file: String,
    line: u32,
    column: u32,
    start: u32,
    len: u32,
}

impl Told {
    /// Adds it to what was found, as harmless as if it had been found here.
    fn add_to(self, findings: &mut Findings) {
        let Self { file, line, column, severity, what, hint, also } = self;
        let place = Spot { file, line, column, start: 0, len: 0 }.place();
        let problem = match severity {
            Severity::Error => findings.error(place, what),
            Severity::Warning => findings.warning(place, what),
        };
        if let Some(hint) = hint {
            problem.hint(hint);
        }
        for Also { place, what } in also {
            problem.also(place.place(), what);
        }
    }
}

impl Spot {
    fn place(self) -> Place {
        let Self { file, line, column, start, len } = self;
        Place { file: Arc::from(harmless(&file)), line, column, start, len }
    }
}

impl Problems {
    /// For a comment on GitHub: the worst first, and not all of them if there
    /// are many.
    pub fn to_markdown(&self) -> String {
        let mut text = format!(
            "**The plan has problems:** {}. Nothing of it can be applied.\n\n",
            self.summary()
        );
        let lines = self.worst_first().take(MAX_PROBLEMS).map(line);
        let (lines, _) = fitting(lines, MAX_BYTES - text.len() - 100);
        text += &lines;
        text += &more(self.len() - lines.lines().count());
        text + "\n`wavemark check` shows all of them with their lines.\n"
    }
}

fn line(problem: &Problem) -> String {
    let Problem { place, severity, what, hint, .. } = problem;
    let hint = hint.as_ref().map(|hint| format!(" (hint: {})", code_of(hint, MAX_TEXT)));
    format!(
        "- {severity} at {}: {}{}\n",
        code(&place.to_string()),
        code_of(what, MAX_TEXT),
        hint.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use serde_json::{Value, json};

    use super::*;
    use crate::plan::{
        diff::{Changes, Outlook, Revision, Stored},
        testing::{any_plan, check},
    };

    const PLAN: &str = "
--- waves/1.yaml
wave: words
agents:
  plan: { run: { manual: } }
  write: { run: { exec: ['true'] }, needs: [plan], title: '@ada <b>|`' }
--- waves/2.yaml
wave: film
after: [words]
agents: { cut: { run: { manual: } } }
";

    fn proposal() -> Proposal {
        let plan = check(PLAN).unwrap();
        let changes = Changes::between(&Stored::default(), &plan);
        Proposal::new(&plan, changes, Outlook::default())
    }

    fn parse(value: &Value) -> Result<Document, BadDocument> {
        Document::parse(value.to_string().as_bytes())
    }

    fn problem(what: &str) -> Value {
        json!({ "file": "waves/w.yaml", "line": 2, "column": 3, "severity": "error",
                "what": what, "hint": null, "also": [] })
    }

    #[test]
    fn problems_are_told_the_worst_first_and_in_code() {
        let mut warning = problem("look <b>here</b> @ada");
        warning["severity"] = json!("warning");
        warning["line"] = json!(1);
        let mut error = problem("`a` is here twice |\n::error::");
        error["hint"] = json!("write `b`");
        let document = parse(&json!([warning, error])).unwrap();
        assert_eq!(document.digest(), None);
        insta::assert_snapshot!(document.to_markdown(), @r"
        **The plan has problems:** 1 error, 1 warning. Nothing of it can be applied.

        - error at `waves/w.yaml:2:3`: `` `a` is here twice \|\n::error:: `` (hint: `` write `b` ``)
        - warning at `waves/w.yaml:1:3`: `look <b>here</b> @ada`

        `wavemark check` shows all of them with their lines.
        ");
    }

    #[test]
    fn of_very_many_problems_some_are_told() {
        let many: Vec<Value> =
            (0..1_000).map(|n| problem(&format!("{n}{}", "`".repeat(500)))).collect();
        let text = parse(&many.into()).unwrap().to_markdown();
        assert!(text.len() < MAX_BYTES && text.contains("... and 9"), "{text}");
    }

    #[test]
    fn what_check_prints_is_read_back() {
        let problems = check("--- waves/w.yaml\nwave: w\nagents: { a: {}, a: { rnu: 1 } }\n");
        let problems = problems.unwrap_err();
        let document = parse(&problems.to_json()).unwrap();
        assert_eq!(document.to_markdown(), problems.to_markdown());
    }

    #[test]
    fn what_no_plan_would_print_is_refused_with_what_is_wrong() {
        let changed = |change: &dyn Fn(&mut Value)| {
            let mut value = serde_json::to_value(proposal()).unwrap();
            change(&mut value);
            parse(&value).map(|_| ()).unwrap_err().to_string()
        };
        let set = |path: &'static str, to: Value| {
            move |value: &mut Value| {
                let (folder, name) = path.rsplit_once('/').unwrap();
                value.pointer_mut(folder).unwrap()[name] = to.clone();
            }
        };
        let refusals = [
            changed(&set("/extra", json!(1))),
            changed(&set("/project", json!("My <b>"))),
            changed(&set("/hash", json!("abc"))),
            changed(&set("/counts/created", json!(4))),
            changed(&set("/retires_most", json!(true))),
            changed(&set("/changes/unchanged", json!(u64::MAX))),
            changed(&set("/changes/order", json!(["film", "words", "film"]))),
            changed(&set("/changes/order", json!(["film"]))),
            changed(&set("/outlook", json!(null))),
            changed(&set("/graph", json!({ "svg": "<script>" }))),
            changed(&set("/graph", json!({ "waves": { "waves": [["a b", 1]], "arrows": [] } }))),
            Document::parse(b"").map(|_| ()).unwrap_err().to_string(),
            Document::parse(b"[]").map(|_| ()).unwrap_err().to_string(),
            Document::parse("[".repeat(100_000).as_bytes()).map(|_| ()).unwrap_err().to_string(),
            Document::parse(&vec![b' '; MAX_FILE + 1]).map(|_| ()).unwrap_err().to_string(),
        ];
        insta::assert_snapshot!(refusals.join("\n"), @r"
        it is not what `wavemark plan --json` or `wavemark check --format json` prints: unknown field `extra`, expected one of `project`, `hash`, `counts`, `against`, `changes`, `retires_most`, `outlook`, `longest_chain`, `warnings`, `graph` at line 1 column 1161
        it is not what `wavemark plan --json` or `wavemark check --format json` prints: `My <b>` cannot name a project: use 1 to 63 of a-z, 0-9 and `-`, starting with a letter at line 1 column 1483
        it is not what `wavemark plan --json` or `wavemark check --format json` prints: `abc` is not a SHA-256: it takes 64 hexadecimal digits at line 1 column 1296
        its parts do not fit together: `counts` does not count `changes`
        its parts do not fit together: `retires_most` does not follow from `changes`
        its parts do not fit together: no plan has so many agents
        its parts do not fit together: `order` does not list each wave of `changes` once
        its parts do not fit together: `order` does not list each wave of `changes` once
        its parts do not fit together: there is an `outlook` exactly where a database was asked
        it is not what `wavemark plan --json` or `wavemark check --format json` prints: unknown variant `svg`, expected `agents` or `waves` at line 1 column 1168
        it is not what `wavemark plan --json` or `wavemark check --format json` prints: `a b` cannot name a wave: use 1 to 63 of a-z, 0-9 and `-`, starting with a letter at line 1 column 1200
        it is not what `wavemark plan --json` or `wavemark check --format json` prints: EOF while parsing a value at line 1 column 0
        it lists no error, so the plan is good, and `wavemark plan --json` says what it does
        it is not what `wavemark plan --json` or `wavemark check --format json` prints: invalid type: sequence, expected a string at line 1 column 2
        it has more than 1048576 bytes
        ");
    }

    /// Words that mean something somewhere.
    fn hostile() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[`|\\\\ @<>!\\[\\]()#\r\n~-]{0,40}",
            Just("<!-- wavemark:plan v1 -->".to_owned()),
            Just("\n```\n# @everybody\n<script>alert(1)</script>".to_owned()),
            Just("</details>".to_owned()),
        ]
    }

    /// What is left of Markdown when its code is taken out.
    fn outside_of_code(text: &str) -> String {
        let mut left = String::new();
        let mut fence: Option<usize> = None;
        for line in text.lines() {
            let ticks = line.len() - line.trim_start_matches('`').len();
            match fence {
                Some(open) if ticks >= open && line.len() == ticks => fence = None,
                Some(_) => {}
                None if ticks >= 3 && !line[ticks..].contains('`') => fence = Some(ticks),
                None => left += &(outside_of_spans(line) + "\n"),
            }
        }
        assert_eq!(fence, None, "an open fence in {text}");
        left
    }

    fn outside_of_spans(line: &str) -> String {
        let ticks = |text: &str| text.len() - text.trim_start_matches('`').len();
        let (mut left, mut rest) = (String::new(), line);
        while let Some(start) = rest.find('`') {
            left += &rest[..start];
            let open = ticks(&rest[start..]);
            rest = &rest[start + open..];
            loop {
                let next = rest.find('`').unwrap_or_else(|| panic!("open code in {line}"));
                let run = ticks(&rest[next..]);
                rest = &rest[next + run..];
                if run == open {
                    break;
                }
            }
        }
        left + rest
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

        #[test]
        fn any_bytes_are_read_to_an_end(bytes in vec(any::<u8>(), 0..200)) {
            prop_assert!(Document::parse(&bytes).is_err());
        }

        #[test]
        fn what_plan_prints_is_rendered_the_same_without_the_plan(plan in any_plan(), against in any::<bool>()) {
            let changes = Changes::between(&Stored::default(), &plan);
            let revision = Revision { name: "main".to_owned(), commit: "0".repeat(40) };
            let proposal = match against {
                true => Proposal::against(&plan, changes, revision),
                false => Proposal::new(&plan, changes, Outlook::default()),
            };
            let document = Document::parse(serde_json::to_string_pretty(&proposal).unwrap().as_bytes()).unwrap();
            prop_assert_eq!(document.digest(), Some(plan.digest()));
            prop_assert_eq!(document.to_markdown(), proposal.to_markdown());
        }

        #[test]
        fn what_a_stranger_wrote_stays_in_code(words in vec(hostile(), 8), count in 1..30_usize) {
            let mut value = serde_json::to_value(proposal()).unwrap();
            value["warnings"] = json!([words[0], words[1]]);
            value["outlook"] = json!(null);
            value["against"] = json!({ "name": words[2], "commit": words[3] });
            value["changes"]["project"] =
                json!({ &words[4]: { "value": { "before": words[5], "after": words[6] } } });
            let items = vec![words[7].clone(); count];
            value["changes"]["agents"]["write"]["fields"] =
                json!({ "env": { "items": { "added": items, "removed": [words[0]] } } });
            let text = parse(&value).unwrap().to_markdown();
            prop_assert!(text.len() < MAX_BYTES);
            let plain = outside_of_code(&text);
            let known = plain.replace("<br>", "").replace("<details>", "").replace("</details>", "")
                .replace("<summary>", "").replace("</summary>", "");
            prop_assert!(!known.contains(['@', '<', '[', '!', '#']), "{}\n---\n{}", known, text);
            prop_assert_eq!(plain.matches("</details>").count(), 1);

            let mut problem = problem(&words[0]);
            problem["file"] = json!(words[1]);
            problem["hint"] = json!(words[2]);
            let text = parse(&json!([problem])).unwrap().to_markdown();
            prop_assert!(!outside_of_code(&text).contains(['@', '<', '[', '!', '#']), "{}", text);
            prop_assert_eq!(text.lines().count(), 5);
        }
    }
}
