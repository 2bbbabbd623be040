//! What agents refer to in other files: their programs and their prompts.

use std::collections::BTreeMap;

use super::{
    agent::DraftPrompt,
    files::{BadPath, Facts, Program, Source, beside},
    place::{Place, Span},
    problem::Findings,
    runner::Run,
    secret,
};

/// The largest prompt: larger texts belong into files that the agent reads.
const MAX_PROMPT_BYTES: usize = 1024 * 1024;

/// The facts about other files, each prompt looked through once.
pub(super) struct Referred<'f> {
    facts: &'f Facts,
    prompts: BTreeMap<&'f str, Result<String, BadPrompt>>,
}

/// What is wrong with a prompt, and where in it if that can be told.
struct BadPrompt {
    what: String,
    hint: &'static str,
    within: Option<Span>,
}

impl<'f> Referred<'f> {
    pub(super) fn of(facts: &'f Facts) -> Self {
        let read = |(path, file): (&'f String, &'f Source)| (path.as_str(), prompt_text(file));
        Self { facts, prompts: facts.prompts.iter().map(read).collect() }
    }

    /// Reports a program that cannot be started.
    pub(super) fn program(&self, run: &Run, findings: &mut Findings) {
        let (Some(program), Some(place)) = (run.program(), &run.place) else {
            return;
        };
        let (what, hint) = match (beside("", program), self.facts.programs.get(program)) {
            // Another machine may be the one that runs it.
            (
                Err(BadPath::Absolute),
                Some(Program::Missing | Program::NotAFile | Program::NotExecutable),
            ) => {
                let what = format!("this machine has no program `{program}`");
                findings.warning(place.clone(), what);
                return;
            }
            (Err(BadPath::Absolute), _) | (Ok(_), None | Some(Program::Executable)) => return,
            (Err(bad), _) => {
                (bad.describe(program), "give a path that starts at the repo's root".to_owned())
            }
            (Ok(_), Some(Program::Missing)) => (
                format!("there is no program `{program}`"),
                "a program with a slash is looked for from the repo's root".to_owned(),
            ),
            (Ok(_), Some(Program::NotAFile)) => {
                (format!("`{program}` is not a file"), "name the program itself".to_owned())
            }
            (Ok(_), Some(Program::NotExecutable)) => (
                format!("`{program}` is not executable"),
                format!("run `chmod +x {program}` and commit that"),
            ),
        };
        findings.error(place.clone(), what).hint(hint);
    }

    /// The text of a prompt; one that is bad is reported.
    pub(super) fn prompt(&self, prompt: DraftPrompt, findings: &mut Findings) -> Option<String> {
        let (path, place) = match prompt {
            DraftPrompt::Inline(text) => return Some(text),
            DraftPrompt::File { path, place } => (path, place),
        };
        match self.prompts.get(path.as_str()) {
            Some(Ok(text)) => return Some(text.clone()),
            Some(Err(bad)) => report(bad, &path, place, findings),
            None => report(&BadPrompt::missing(), &path, place, findings),
        }
        None
    }
}

impl BadPrompt {
    fn new(what: impl Into<String>, hint: &'static str) -> Self {
        Self { what: what.into(), hint, within: None }
    }

    fn missing() -> Self {
        let hint =
            "a path starts at the folder of this file; to write a text here, use `prompt: |`";
        Self::new("does not exist", hint)
    }
}

fn report(bad: &BadPrompt, path: &str, place: Place, findings: &mut Findings) {
    let problem = findings.error(place, format!("the prompt {path} {}", bad.what));
    problem.hint(bad.hint);
    if let Some(span) = bad.within {
        problem.also(span.within(&path.into()), "here");
    }
}

/// The text of a prompt: without a byte order mark and with plain line ends, so
/// that it is the same on every machine.
fn prompt_text(file: &Source) -> Result<String, BadPrompt> {
    let bytes = match file {
        Source::Bytes(bytes) => bytes,
        Source::Missing => return Err(BadPrompt::missing()),
        Source::Unreadable(why) => {
            let what = format!("cannot be read: {why}");
            return Err(BadPrompt::new(what, "it must be a file in the repo"));
        }
    };
    if bytes.len() > MAX_PROMPT_BYTES {
        let what = format!("has {} bytes; the limit is {MAX_PROMPT_BYTES}", bytes.len());
        return Err(BadPrompt::new(what, "let the agent read large texts from files"));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => text,
        _ => return Err(BadPrompt::new("is not UTF-8 text", "save it as UTF-8")),
    };
    if text.trim().is_empty() {
        return Err(BadPrompt::new("is empty", "leave `prompt` out, or write one"));
    }
    if let Some(found) = secret::find(text).next() {
        return Err(BadPrompt {
            what: "holds what looks like a credential".to_owned(),
            hint: "take it out, revoke it, and name its environment variable under `secrets`",
            within: Some(Span::of_bytes(text, found.start, found.len())),
        });
    }
    Ok(text.replace("\r\n", "\n"))
}
