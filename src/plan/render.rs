//! Problems as text with snippets, as short lines, for GitHub, and as JSON.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

use super::{
    place::Place,
    problem::{Problem, Problems, Severity},
};

/// The most problems that are shown with a snippet.
const MAX_SNIPPETS: usize = 100;
/// How many errors, and how many warnings, GitHub shows of one step; a job has
/// room for 50 in all.
const GITHUB_SHOWS: usize = 10;
/// The longest line that is shown.
const MAX_LINE_BYTES: usize = 500;

impl Problems {
    /// For a person: each problem with the line it is in, and a last line that
    /// counts them. With terminal colours, which the printer may strip.
    pub fn to_text(&self) -> String {
        self.text(&Renderer::styled())
    }

    /// As [`to_text`](Self::to_text), without colours.
    pub fn to_plain_text(&self) -> String {
        self.text(&Renderer::plain())
    }

    fn text(&self, renderer: &Renderer) -> String {
        let mut text = String::new();
        for problem in self.iter().take(MAX_SNIPPETS) {
            text += &renderer.render(&[self.group(problem)]);
            text += "\n\n";
        }
        if self.len() > MAX_SNIPPETS {
            text += &format!("... and {} more\n\n", self.len() - MAX_SNIPPETS);
        }
        text + &self.summary() + "\n"
    }

    /// How many there are, in words.
    pub fn summary(&self) -> String {
        let (errors, warnings) = (self.errors(), self.len() - self.errors());
        let count = |number: usize, word: &str| match number {
            0 => None,
            1 => Some(format!("1 {word}")),
            _ => Some(format!("{number} {word}s")),
        };
        let parts = [count(errors, "error"), count(warnings, "warning")];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { "no problems".to_owned() } else { parts.join(", ") }
    }

    /// One line per problem, as compilers write them and editors jump to.
    pub fn to_lines(&self) -> String {
        let line = |problem: &Problem| {
            let Problem { place, severity, what, hint, also } = problem;
            let also = also.iter().map(|(place, what)| format!("{what}: {place}"));
            let notes: Vec<String> = hint.clone().into_iter().chain(also).collect();
            match notes.join("; ").as_str() {
                "" => format!("{place}: {severity}: {what}\n"),
                notes => format!("{place}: {severity}: {what} ({notes})\n"),
            }
        };
        self.iter().map(line).collect()
    }

    /// Workflow commands, which GitHub Actions shows beside the lines they are
    /// about; the worst first. GitHub drops what is more than it shows, so the
    /// last one, of a kind of its own, says how much that is.
    pub fn to_github(&self) -> String {
        let of = |severity| self.iter().filter(move |problem| problem.severity == severity);
        let shown =
            of(Severity::Error).take(GITHUB_SHOWS).chain(of(Severity::Warning).take(GITHUB_SHOWS));
        let lines: Vec<String> = shown.map(github_line).collect();
        let summary = self.summary();
        let last = match self.len() - lines.len() {
            _ if self.is_empty() => String::new(),
            0 => format!("{summary}\n"),
            rest => format!(
                "::notice title=Wavemark::... and {rest} more: {summary} in all; `wavemark check` \
                 shows them\n"
            ),
        };
        lines.concat() + &last
    }

    /// For scripts: a list of objects.
    pub fn to_json(&self) -> Value {
        let problem = |problem: &Problem| {
            let Problem { place, severity, what, hint, also } = problem;
            let also: Vec<Value> =
                also.iter().map(|(place, what)| json!({ "place": place, "what": what })).collect();
            json!({
                "file": *place.file,
                "line": place.line,
                "column": place.column,
                "severity": severity,
                "what": what,
                "hint": hint,
                "also": also,
            })
        };
        self.iter().map(problem).collect()
    }

    fn group<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(problem.what.as_str()));
        group = self.show(group, &problem.place, AnnotationKind::Primary, "");
        for (place, what) in &problem.also {
            group = self.show(group, place, AnnotationKind::Context, what);
        }
        if let Some(hint) = &problem.hint {
            group = group.element(Level::HELP.with_name("hint").message(hint.as_str()));
        }
        group
    }

    /// Shows the line of `place` without the rest of its file: rendering must
    /// not get slower with every line of it.
    fn show<'a>(
        &'a self,
        group: Group<'a>,
        place: &'a Place,
        kind: AnnotationKind,
        label: &'a str,
    ) -> Group<'a> {
        let Some(text) = self.texts.get(&place.file) else {
            let origin = Origin::path(&*place.file).line(place.line as usize);
            return group.element(origin.char_column(place.column as usize));
        };
        let (line, start) = line_at(text, place.start as usize);
        let end = (start + place.len as usize).clamp(start, line.len());
        let mut annotation = kind.span(start..end);
        if !label.is_empty() {
            annotation = annotation.label(label);
        }
        let snippet = Snippet::source(line).line_start(place.line as usize);
        group.element(snippet.path(&*place.file).annotation(annotation))
    }
}

/// A workflow command. What stands in it is data: nothing in it can end the
/// command or begin another.
fn github_line(problem: &Problem) -> String {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let Problem { place, severity, what, hint, also } = problem;
    let Place { file, line, column, .. } = place;
    let file = data(file).replace(':', "%3A").replace(',', "%2C");
    let mut text = what.clone();
    for (place, what) in also {
        text += &format!("\n{what}: {place}");
    }
    if let Some(hint) = hint {
        text += &format!("\nhint: {hint}");
    }
    format!("::{severity} file={file},line={line},col={column}::{}\n", data(&text))
}

/// The line around byte `at`, and where in it that is.
fn line_at(text: &str, at: usize) -> (&str, usize) {
    let at = text.floor_char_boundary(at);
    let start = text[..at].rfind('\n').map_or(0, |before| before + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let (mut from, mut to) = (0, line.len());
    let at = (at - start).min(to);
    if to > MAX_LINE_BYTES {
        from = line.floor_char_boundary(at.saturating_sub(MAX_LINE_BYTES / 2));
        to = line.floor_char_boundary((from + MAX_LINE_BYTES).min(to));
    }
    (&line[from..to], at - from)
}

#[cfg(test)]
mod tests {
    use crate::plan::{
        Problems,
        testing::{check, shown},
    };

    const TWO: &str = "
--- waves/w.yaml
wave: w
agents: { a: { run: { manual: } }, a: { run: { manual: } }, b: { rnu: { manual: } } }
";

    fn two() -> Problems {
        check(TWO).unwrap_err()
    }

    #[test]
    fn a_person_sees_the_line_and_both_places() {
        insta::assert_snapshot!(shown(TWO), @"
        error: `a` is here twice
         --> waves/w.yaml:2:36
          |
        2 | agents: { a: { run: { manual: } }, a: { run: { manual: } }, b: { rnu: { manual: } } }
          |                                    ^
          |
         ::: waves/w.yaml:2:11
          |
        2 | agents: { a: { run: { manual: } }, a: { run: { manual: } }, b: { rnu: { manual: } } }
          |           - first here

        error: agent `b` needs `run`
         --> waves/w.yaml:2:64
          |
        2 | agents: { a: { run: { manual: } }, a: { run: { manual: } }, b: { rnu: { manual: } } }
          |                                                                ^
          |
          = hint: write `run: { exec: [agents/program.sh] }`

        error: `rnu` is not a field of agent `b`
         --> waves/w.yaml:2:66
          |
        2 | agents: { a: { run: { manual: } }, a: { run: { manual: } }, b: { rnu: { manual: } } }
          |                                                                  ^^^
          |
          = hint: did you mean `run`?

        3 errors
        ");
    }

    #[test]
    fn a_line_is_what_editors_jump_to() {
        insta::assert_snapshot!(two().to_lines(), @"
        waves/w.yaml:2:36: error: `a` is here twice (first here: waves/w.yaml:2:11)
        waves/w.yaml:2:64: error: agent `b` needs `run` (write `run: { exec: [agents/program.sh] }`)
        waves/w.yaml:2:66: error: `rnu` is not a field of agent `b` (did you mean `run`?)
        ");
    }

    #[test]
    fn github_shows_problems_beside_their_lines() {
        insta::assert_snapshot!(two().to_github(), @"
        ::error file=waves/w.yaml,line=2,col=36::`a` is here twice%0Afirst here: waves/w.yaml:2:11
        ::error file=waves/w.yaml,line=2,col=64::agent `b` needs `run`%0Ahint: write `run: { exec: [agents/program.sh] }`
        ::error file=waves/w.yaml,line=2,col=66::`rnu` is not a field of agent `b`%0Ahint: did you mean `run`?
        3 errors
        ");
    }

    #[test]
    fn github_is_told_the_worst_and_how_much_there_is_beside() {
        let agent = |n, program| format!("  a{n}: {{ run: {{ exec: [{program}] }} }}\n");
        let agents: String = (0..12)
            .map(|n| agent(n, "/no/such"))
            .chain((12..25).map(|n| agent(n, "\" \"")))
            .collect();
        let text = check(&format!("--- waves/w.yaml\nwave: w\nagents:\n{agents}"));
        let text = text.unwrap_err().to_github();
        let starts: Vec<&str> = text.lines().map(|line| &line[..line.len().min(9)]).collect();
        assert_eq!(starts[..10], ["::error f"; 10]);
        assert_eq!(starts[10..20], ["::warning"; 10]);
        insta::assert_snapshot!(text.lines().skip(20).collect::<String>(), @"::notice title=Wavemark::... and 5 more: 13 errors, 12 warnings in all; `wavemark check` shows them");
    }

    #[test]
    fn nothing_in_a_file_can_give_github_a_command() {
        let files = "--- waves/a,b:c%0A.yaml
wave: \"x\\r\\n::error::%25\\u2028::warning::\"
";
        insta::assert_snapshot!(check(files).unwrap_err().to_github(), @r"
        ::error file=waves/a%2Cb%3Ac%250A.yaml,line=1,col=1::a wave needs `agents`%0Ahint: write `agents: { my-agent: { run: { exec: [agents/program.sh] } } }`
        ::error file=waves/a%2Cb%3Ac%250A.yaml,line=1,col=7::`x\u{d}\n::error::%2525\u{2028}::warning::` cannot name a wave: use 1 to 63 of a-z, 0-9 and `-`, starting with a letter
        2 errors
        ");
    }

    #[test]
    fn scripts_get_every_place() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&two().to_json()).unwrap(), @r#"
        [
          {
            "also": [
              {
                "place": {
                  "column": 11,
                  "file": "waves/w.yaml",
                  "len": 1,
                  "line": 2,
                  "start": 18
                },
                "what": "first here"
              }
            ],
            "column": 36,
            "file": "waves/w.yaml",
            "hint": null,
            "line": 2,
            "severity": "error",
            "what": "`a` is here twice"
          },
          {
            "also": [],
            "column": 64,
            "file": "waves/w.yaml",
            "hint": "write `run: { exec: [agents/program.sh] }`",
            "line": 2,
            "severity": "error",
            "what": "agent `b` needs `run`"
          },
          {
            "also": [],
            "column": 66,
            "file": "waves/w.yaml",
            "hint": "did you mean `run`?",
            "line": 2,
            "severity": "error",
            "what": "`rnu` is not a field of agent `b`"
          }
        ]
        "#);
    }

    #[test]
    fn a_terminal_gets_colours() {
        let (plain, styled) = (two().to_plain_text(), two().to_text());
        assert_ne!(plain, styled);
        assert_eq!(plain, anstream::adapter::strip_str(&styled).to_string());
    }

    #[test]
    fn a_very_long_line_is_cut_around_its_problem() {
        let title = "x".repeat(2000);
        let plan = format!(
            "--- waves/w.yaml\n{{ wave: w, title: {title}, agents: {{ A: }}, after: [{title}] }}\n"
        );
        let text = shown(&plan);
        assert!(text.lines().all(|line| line.len() < 700), "{text}");
        assert!(text.contains("agents: { A: }"), "{text}");
    }

    #[test]
    fn columns_are_right_whatever_stands_before_them() {
        // A byte order mark, CRLF, a tab, wide and combined characters.
        let plan = "--- waves/w.yaml\n\u{feff}wave: w\r\nagents:\r\n  a:\r\n    title: 日本e\u{301}\r\n    \
                    run:\t{ manual: }\r\n    env: { 日本: 1, \"ab\t\": 2, X: [] }\r\n";
        insta::assert_snapshot!(check(plan).unwrap_err().to_lines(), @r"
        waves/w.yaml:6:12: error: `日本` cannot name an environment variable: use A-Z, a-z, 0-9 and `_`, not starting with a digit
        waves/w.yaml:6:19: error: `ab\u{9}` cannot name an environment variable: use A-Z, a-z, 0-9 and `_`, not starting with a digit
        waves/w.yaml:6:32: error: expected text, a number or yes or no, found a list
        ");
        insta::assert_snapshot!(shown(plan), @r#"
        error: `日本` cannot name an environment variable: use A-Z, a-z, 0-9 and `_`, not starting with a digit
         --> waves/w.yaml:6:12
          |
        6 |     env: { 日本: 1, "ab    ": 2, X: [] }
          |            ^^^^

        error: `ab\u{9}` cannot name an environment variable: use A-Z, a-z, 0-9 and `_`, not starting with a digit
         --> waves/w.yaml:6:19
          |
        6 |     env: { 日本: 1, "ab    ": 2, X: [] }
          |                     ^^^^^^^^

        error: expected text, a number or yes or no, found a list
         --> waves/w.yaml:6:32
          |
        6 |     env: { 日本: 1, "ab    ": 2, X: [] }
          |                                     ^

        3 errors
        "#);
    }

    #[test]
    fn many_problems_are_counted_and_not_all_shown() {
        let agents: String = (0..150).map(|n| format!("  A{n}: {{}}\n")).collect();
        let text = shown(&format!("--- waves/w.yaml\nwave: w\nagents:\n{agents}"));
        insta::assert_snapshot!(text[text.len() - 30..], @"

        ... and 200 more

        300 errors
        ");
    }
}
