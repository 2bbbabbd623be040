//! What an agent program tells by its events: one line of JSON each.
//!
//! The four formats differ in what they call things and in what their figures
//! count; a [`Transcript`] does not.
//!
//! **Invariant:** nothing that is printed is an error here. An event that is
//! not known, a line that is torn and one that is endless change nothing: the
//! programs change every week, and what is printed may be somebody else's text.

mod claude;
mod codex;
mod figures;
mod gemini;
mod lines;
mod opencode;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use self::{
    figures::{count, dollars},
    lines::Lines,
    words::fault,
};
use crate::model::{EventFormat, SessionId, Usage};

/// How often in a row a login may be refused before it is hopeless.
const HOPELESS: u32 = 3;
/// The longest complaint, and the longest name of a tool, that is kept, in bytes, before secrets
/// are taken out of it: none is to be cut in two that is then shown.
const COMPLAINT: usize = 16 * 1024;
/// So many denied tools are kept: whoever is denied more needs another profile.
const DENIED: usize = 20;
/// After how many more lines a complaint is past.
const RECENT: u32 = 20;

/// What went wrong with a conversation, by what can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The provider of the model does not take the login.
    Login,
    /// The most answers were given.
    Turns,
    /// The most money was spent.
    Budget,
    /// There is no conversation to go on with.
    NoSession,
    /// It was denied a tool, and nothing shows that its work is done without.
    Denied,
    /// Anything else.
    Other,
}

/// How a conversation ended, by its own last event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Well, or so it says.
    Good,
    /// Not well: why, and what to do.
    Bad(Fault, String),
    /// It broke off: there is no last event.
    Open,
}

/// What one call of an agent program told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Transcript {
    /// The id of the conversation.
    pub(super) session: Option<SessionId>,
    /// How it ended; none while it goes on, and when it breaks off.
    pub(super) end: Option<End>,
    /// The last thing it said.
    pub(super) text: Option<String>,
    /// The tools it was denied.
    pub(super) denied: BTreeSet<String>,
    /// Whether the model answered at all.
    pub(super) answered: bool,
    /// What this call used, by the program's own count of it.
    call: Usage,
    /// What each answer of the model used, as far as that is told one by one:
    /// some are told more than once.
    answers: BTreeMap<String, Usage>,
    /// What the program counts for the conversation, which may have begun in an
    /// earlier call.
    counted: Option<Usage>,
    /// What it last complained of beside its events, since the model last did
    /// anything.
    pub(super) complaint: Option<Complaint>,
    /// How often in a row the login was refused.
    refusals: u32,
    /// How often it was, by what is printed beside the events: often the same
    /// refusals.
    complaints: u32,
}

/// What a program complains of, beside its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) fault: Fault,
    /// In its own words.
    pub(super) said: String,
    /// How many lines came after that.
    age: u32,
}

/// What a program had counted for a conversation when a call begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Before {
    /// What it told when it last told anything.
    pub(super) counted: Usage,
    /// What was heard of it since: it broke off before it told a count.
    pub(super) heard: Usage,
}

impl Transcript {
    /// Whether the program tries a login again and again that is refused.
    pub(super) fn is_hopeless(&self) -> bool {
        self.refusals.max(self.complaints) >= HOPELESS
    }

    /// What this call used. `before` is what the program had counted for the
    /// conversation when the last call ended.
    ///
    /// Versions of one program differ in whether their figures go on when a
    /// conversation does. Figures that go on are no less than what there was
    /// before and this call's own together; where only money is counted, it is
    /// taken to go on unless it is less than before.
    pub(super) fn used(&self, before: Before) -> Usage {
        let Some(counted) = self.counted else { return self.call };
        if !has_tokens(&counted) {
            return Usage { cost: counted.since(before.counted).cost, ..self.call };
        }
        let heard = Usage { cost: None, ..before.heard };
        let used = if covers(&counted, &(before.counted + heard + self.call)) {
            counted.since(before.counted + heard)
        } else if covers(&counted, &(before.counted + self.call)) {
            counted.since(before.counted)
        } else {
            counted
        };
        Usage { turns: self.call.turns, ..used }
    }

    /// What was heard of this call, if it broke off before the program told a
    /// count.
    pub(super) fn heard(&self) -> Usage {
        if self.counted.is_some() { Usage::default() } else { self.call }
    }

    /// What the program has counted for the conversation so far.
    pub(super) fn counted(&self) -> Option<Usage> {
        self.counted
    }

    fn hear(&mut self, format: EventFormat, event: &Json) -> Option<String> {
        match format {
            EventFormat::Claude => claude::hear(self, event),
            EventFormat::Codex => codex::hear(self, event),
            EventFormat::Gemini => gemini::hear(self, event),
            EventFormat::Opencode => opencode::hear(self, event),
            EventFormat::None => None,
        }
    }

    /// An event names the conversation. A name that is none is passed over: the
    /// program is called with it.
    fn is_about(&mut self, event: &Json, pointer: &str) {
        if let Some(id) = text(event, pointer).and_then(|id| id.parse().ok()) {
            self.session = Some(id);
        }
    }

    /// The model gave an answer, or a part of one: what it used so far.
    fn answered_for(&mut self, id: &str, used: Usage) {
        self.answered = true;
        let before = self.answers.insert(id.to_owned(), used).unwrap_or_default();
        self.call = self.call.since(before) + used;
    }

    /// A line that is no event; returns what it complains of, if it does.
    fn complained(&mut self, line: &str) -> Option<Fault> {
        let fault = fault(line, None);
        if fault == Fault::Other {
            self.complaint.take_if(|complaint| {
                complaint.age += 1;
                complaint.age >= RECENT
            });
            return None;
        }
        let said = start(line.trim()).to_owned();
        self.complaint = Some(Complaint { fault, said, age: 0 });
        Some(fault)
    }

    fn refused(&mut self, status: Option<u64>) {
        self.refusals = match status {
            Some(401 | 403) => self.refusals + 1,
            _ => 0,
        };
    }

    /// A tool was denied.
    fn was_denied(&mut self, tool: &str) {
        if self.denied.len() < DENIED {
            self.denied.insert(start(tool).to_owned());
        }
    }

    /// The model did something: what was complained of is past.
    fn acted(&mut self) {
        self.answered = true;
        (self.refusals, self.complaints) = (0, 0);
        self.complaint = None;
    }

    /// The model said something.
    fn said(&mut self, text: &str) -> Option<String> {
        self.acted();
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        self.text = Some(text.to_owned());
        text.lines().next_back().map(str::to_owned)
    }

    /// The model used a tool.
    fn tool(&mut self, name: &str, input: &Json) -> Option<String> {
        self.acted();
        let known = ["command", "file_path", "path", "pattern", "url", "query", "description"];
        let detail = known.iter().find_map(|key| input.get(key)?.as_str());
        let line = detail.and_then(|detail| detail.trim().lines().next()).unwrap_or_default();
        Some(format!("[{name}] {line}").trim_end().to_owned())
    }
}

/// The start of a text, as much of it as is kept.
fn start(text: &str) -> &str {
    &text[..text.floor_char_boundary(COMPLAINT)]
}

fn has_tokens(usage: &Usage) -> bool {
    !Usage { turns: 0, cost: None, ..*usage }.is_none()
}

/// Whether no figure of `whole` is less than that of `part`.
fn covers(whole: &Usage, part: &Usage) -> bool {
    let figures = |it: &Usage| {
        let cost = it.cost.map_or(0, |cost| cost.usd.micros());
        [it.uncached_input, it.cache_read, it.cache_write, it.output, it.reasoning, cost]
    };
    figures(whole).into_iter().zip(figures(part)).all(|(whole, part)| whole >= part)
}

/// Reads what a program prints.
pub(super) struct Events {
    format: EventFormat,
    lines: Lines,
    aside: Lines,
    transcript: Transcript,
}

impl Events {
    pub(super) fn new(format: EventFormat) -> Self {
        let (lines, aside) = <(Lines, Lines)>::default();
        Self { format, lines, aside, transcript: Transcript::default() }
    }

    /// Takes what was printed; returns what people should see of it, by lines.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let Self { format, lines, transcript, .. } = self;
        let complete = lines.push(bytes);
        complete.iter().filter_map(|line| hear_line(*format, transcript, line)).collect()
    }

    /// Takes the last line, which may have no end.
    pub(super) fn finish(&mut self) -> Vec<String> {
        let (rest, aside) = (self.lines.finish(), self.aside.finish());
        if let Some(line) = aside {
            self.transcript.complained(&String::from_utf8_lossy(&line));
        }
        rest.iter().filter_map(|line| hear_line(self.format, &mut self.transcript, line)).collect()
    }

    /// Takes what was printed beside the events.
    pub(super) fn push_aside(&mut self, bytes: &[u8]) {
        let Self { format, aside, transcript, .. } = self;
        let lines = aside.push(bytes);
        let lines = lines.iter().map(|line| String::from_utf8_lossy(line));
        let faults: Vec<Fault> = lines.filter_map(|line| transcript.complained(&line)).collect();
        // One complaint can have many lines; and where the model answered, it is
        // about something else.
        let counts = *format != EventFormat::None && !transcript.answered;
        transcript.complaints += u32::from(counts && faults.contains(&Fault::Login));
    }

    /// What was told so far.
    pub(super) fn transcript(&self) -> &Transcript {
        &self.transcript
    }
}

fn hear_line(format: EventFormat, transcript: &mut Transcript, line: &[u8]) -> Option<String> {
    if format != EventFormat::None
        && let Some(event @ Json::Object(_)) = figures::parse(line)
    {
        return transcript.hear(format, &event);
    }
    // No event: for people, as it is.
    let text = String::from_utf8_lossy(line);
    let torn = format != EventFormat::None && text.trim_start().starts_with('{');
    if !torn {
        transcript.complained(&text);
    }
    (!torn && !text.trim().is_empty()).then(|| text.trim_end().to_owned())
}

/// A text of an event, by a JSON pointer.
fn text<'e>(event: &'e Json, pointer: &str) -> Option<&'e str> {
    event.pointer(pointer)?.as_str()
}

#[cfg(test)]
mod tests;
