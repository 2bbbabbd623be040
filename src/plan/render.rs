//! Problems as text with snippets, as short lines, and as JSON.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

use super::{
    place::Place,
    problem::{Problem, Problems, Severity},
};

/// The most problems that are shown with a snippet.
const MAX_SNIPPETS: usize = 100;
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
        if parts.is_empty() {
            "no problems".to_owned()
        } else {
            parts.join(", ")
        }
    }

    /// One line per problem, as compilers write them and editors jump to.
    pub fn to_lines(&self) -> String {
        let lines = self.iter().map(
            |Problem {
                 place,
                 severity,
                 what,
                 hint,
                 ..
             }| {
                let hint = hint
                    .as_ref()
                    .map(|hint| format!(" ({hint})"))
                    .unwrap_or_default();
                format!("{place}: {severity}: {what}{hint}\n")
            },
        );
        lines.collect()
    }

    /// For scripts: a list of objects.
    pub fn to_json(&self) -> Value {
        let problem = |problem: &Problem| {
            let Problem {
                place,
                severity,
                what,
                hint,
                also,
            } = problem;
            let also: Vec<Value> = also
                .iter()
                .map(|(place, what)| json!({ "place": place, "what": what }))
                .collect();
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
        let mut group = level
            .primary_title(problem.what.as_str())
            .element(self.snippet(&problem.place, AnnotationKind::Primary, ""));
        for (place, what) in &problem.also {
            group = group.element(self.snippet(place, AnnotationKind::Context, what));
        }
        if let Some(hint) = &problem.hint {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        group
    }

    /// The line of `place`, without the rest of its file: rendering must not
    /// get slower with every line of it.
    fn snippet<'a>(
        &'a self,
        place: &'a Place,
        kind: AnnotationKind,
        label: &'a str,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let text = self.texts.get(&place.file).map_or("", String::as_str);
        let (line, start) = line_at(text, place.start as usize);
        let end = (start + place.len as usize).clamp(start, line.len());
        let line_start = place.line as usize;
        let annotation = kind.span(start..end);
        let annotation = if label.is_empty() {
            annotation
        } else {
            annotation.label(label)
        };
        Snippet::source(line)
            .line_start(line_start)
            .path(&*place.file)
            .annotation(annotation)
    }
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
