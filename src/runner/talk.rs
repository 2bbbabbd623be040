//! The conversation of a run with an agent program, over one process or a few,
//! one after the other.
//!
//! A program that says it is done and left something out is sent round once
//! with what is missing; one that cannot go on with an earlier conversation
//! begins a fresh one.
//!
//! **Invariant:** a run sends a program round once and begins anew once, so it
//! starts it three times at most.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    clean::without_controls,
    dir::RunDir,
    events::{Before, Complaint, End, Events, Fault, Transcript},
    files,
    home::{self, Home},
    launch::{Carried, Launch, Program},
    prompt,
    redact::Redactor,
    report::{Evidence, Exit},
};
use crate::model::{
    ArtifactKey, CommandLine, EventFormat, Placeholder, Price, PromptBy, Resume, Session,
    SessionId, Subagent, Usage, Usd,
};

/// The longest text that is handed over as an argument: Linux takes 128 KiB.
const LONGEST_ARGUMENT: usize = 100 * 1024;
/// The longest final text that is kept, in bytes.
const TEXT: usize = 64 * 1024;
/// The longest of what a program says that is told within a sentence, in bytes.
const SAID: usize = 1024;
/// The same of the name of a tool.
const TOOL: usize = 100;
/// So many denied tools are named.
const TOOLS: usize = 20;

/// What becomes of what a run did that ends too early.
const KEPT: &str = "what it stored is kept, and it goes on from there";

/// How a program is called next.
#[derive(Debug)]
pub(super) struct Call {
    /// The program and its arguments.
    pub(super) command: Vec<String>,
    /// What it gets on standard input.
    pub(super) stdin: Option<PathBuf>,
}

/// A conversation that is going on.
pub(super) struct Talk {
    subagent: Subagent,
    dir: RunDir,
    repo: PathBuf,
    /// What `prompt.md` says. It is not read again: programs can write there.
    task: String,
    home: Home,
    redactor: Arc<Redactor>,
    /// Whether anything is declared that could show that the work is done.
    declares: bool,
    /// What is left of the agent's own budget.
    left: Option<Usd>,
    /// What its model costs. Claude Code tells what a conversation costs, at its end: what was
    /// computed before would be counted with that.
    price: Option<Price>,
    session: Option<Session>,
    /// Whether the call that is going on goes on with the conversation.
    resumes: bool,
    calls: u32,
    sent_round: bool,
    began_anew: bool,
    told: Told,
}

/// What came of it so far.
#[derive(Default)]
struct Told {
    end: Option<End>,
    text: Option<String>,
    denied: BTreeSet<String>,
    usage: Usage,
}

impl Talk {
    /// Prepares the conversation of `launch`, if its program has one, and how
    /// the program is called first.
    pub(super) fn new(
        launch: &Launch,
        dir: &RunDir,
        redactor: &Arc<Redactor>,
    ) -> io::Result<Option<(Self, Call)>> {
        let Program::Subagent { subagent, carried, left, price } = &launch.program else {
            return Ok(None);
        };
        let profile = &subagent.profile;
        let is_given = |name| launch.secrets.contains_key(name) || launch.env.contains_key(name);
        let has_key = profile.secrets.iter().any(is_given);
        let root = dir.home();
        let value = |word| place(word, dir, &launch.repo);
        let login = launch.host.home.as_deref().filter(|_| !has_key);
        let home = Home::make(root, profile, login, value)?;
        let session = carried.as_ref().and_then(|carried| restore(subagent, dir, &home, carried));
        let mut talk = Self {
            subagent: Subagent::clone(subagent),
            dir: dir.clone(),
            repo: launch.repo.clone(),
            task: fs::read_to_string(dir.prompt())?,
            home,
            redactor: Arc::clone(redactor),
            left: *left,
            declares: !launch.input.produces.is_empty(),
            price: price.filter(|_| profile.events != EventFormat::Claude),
            session,
            resumes: false,
            calls: 0,
            sent_round: false,
            began_anew: false,
            told: Told::default(),
        };
        // Whatever becomes of this run, the next one finds it here.
        talk.record();
        let call = match talk.session {
            Some(_) => talk.go_on(&format!("{}{}", prompt::RESUMED, talk.task))?,
            None => talk.begin(talk.task.clone())?,
        };
        Ok(Some((talk, call)))
    }

    /// Adds what the profile says to the environment; what is there stays.
    pub(super) fn complete(&self, env: &mut BTreeMap<OsString, OsString>) {
        let profile = &self.subagent.profile;
        let values = profile.env.iter().filter_map(|(name, value)| {
            let value = value
                .filled(|word| place(word, &self.dir, &self.repo).or_else(|| self.setting(word)));
            Some((name.as_str(), OsString::from(value?)))
        });
        let home = profile.home.as_ref();
        let home = home.map(|home| (home.variable.as_str(), self.home.root().into()));
        for (name, value) in values.chain(home) {
            env.entry(name.into()).or_insert(value);
        }
    }

    /// What is to be heard from the next call.
    pub(super) fn events(&self) -> Events {
        Events::new(self.subagent.profile.events)
    }

    /// The program told which conversation it is.
    pub(super) fn is_about(&mut self, id: &SessionId) {
        if self.session.as_ref().is_none_or(|session| session.id != *id) {
            self.session = Some(Session {
                id: id.clone(),
                counted: Usage::default(),
                heard: Usage::default(),
            });
            self.record();
        }
    }

    /// What this run used so far, with what the call that is going on told.
    pub(super) fn used(&self, told: &Transcript) -> Usage {
        let before = match &self.session {
            Some(session) if self.resumes => {
                Before { counted: session.counted, heard: session.heard }
            }
            _ => Before::default(),
        };
        self.told.usage + self.priced(told.used(before))
    }

    /// What was used, with what that costs if the program did not tell.
    fn priced(&self, used: Usage) -> Usage {
        let price = self.price.filter(|_| used.cost.is_none() && !used.is_none());
        Usage { cost: used.cost.or(price.map(|price| price.of(&used))), ..used }
    }

    /// Whether that is all that a run may cost, or more.
    fn has_spent(&self, used: Usage) -> bool {
        self.subagent.budget.zip(used.cost).is_some_and(|(most, cost)| cost.usd >= most)
    }

    /// Whether a call that goes on has used up what a run may cost. Programs that
    /// are told how much that is see to it themselves, and tell no sooner.
    fn overspends(&self, told: &Transcript) -> bool {
        told.end.is_none() && self.has_spent(self.used(told))
    }

    /// Why a call that goes on leads nowhere, or costs too much, if it does.
    pub(super) fn is_hopeless(&self, told: &Transcript) -> Option<Fault> {
        if told.is_hopeless() {
            Some(Fault::Login)
        } else {
            self.overspends(told).then_some(Fault::Budget)
        }
    }

    /// Takes in how a call ended, and why it was given up, if it was.
    pub(super) fn ended(&mut self, told: &Transcript, exit: &Exit, given_up: Option<Fault>) {
        let end = self.judge(told, exit, given_up);
        self.told.usage = self.used(told);
        for tool in &told.denied {
            if self.told.denied.len() < TOOLS {
                self.told.denied.insert(self.fit(tool, TOOL));
            }
        }
        self.told.text = told.text.clone().or(self.told.text.take());
        self.told.end = Some(end);
        if let Some(id) = &told.session {
            self.is_about(id);
        }
        if let Some(session) = &mut self.session {
            match told.counted() {
                Some(counted) => (session.counted, session.heard) = (counted, Usage::default()),
                None => session.heard = session.heard + told.heard(),
            }
            self.record();
        }
        let lost = self.resumes && !told.answered && !self.began_anew;
        if lost
            && matches!(
                self.told.end,
                Some(End::Bad(Fault::NoSession | Fault::Other, _) | End::Open)
            )
        {
            self.session = None;
        }
    }

    /// How to call it again because the conversation that it was to go on with
    /// could not be had.
    pub(super) fn anew(&mut self) -> io::Result<Option<Call>> {
        if !self.resumes || self.session.is_some() || self.began_anew {
            return Ok(None);
        }
        self.began_anew = true;
        self.begin(self.task.clone()).map(Some)
    }

    /// Whether it says that it is done, so that somebody should look.
    pub(super) fn claims_to_be_done(&self) -> bool {
        !self.sent_round
            && self.told.end == Some(End::Good)
            && self.told.denied.is_empty()
            && self.most_of_call() != Some(Usd::default())
    }

    /// How to call it again because of what is missing.
    pub(super) fn send_round(&mut self, missing: &[ArtifactKey]) -> io::Result<Call> {
        self.sent_round = true;
        let note = prompt::missing(missing, self.dir.root());
        if self.session.is_some() && self.subagent.profile.resume.is_some() {
            self.go_on(&note)
        } else {
            self.begin(format!("{}\n{note}", self.task))
        }
    }

    /// Adds to the evidence what is known, and puts the private folder away.
    pub(super) fn finish(mut self, evidence: &mut Evidence) {
        let Told { end, text, denied, usage } = std::mem::take(&mut self.told);
        evidence.end = Some(end.unwrap_or(End::Open));
        evidence.denied = denied;
        // What it wrote down itself counts where its events tell nothing.
        let written = evidence.usage;
        let usage = if usage.is_none() { self.priced(written) } else { usage };
        evidence.usage = Usage { cost: usage.cost.or(written.cost), ..usage };
        evidence.spent = self.has_spent(evidence.usage).then(|| self.spent());
        if evidence.summary.is_none() {
            evidence.summary = text.map(|text| {
                let mut text = self.redactor.redact(&text);
                text.truncate(text.floor_char_boundary(TEXT));
                text
            });
        }
        self.put_away();
    }

    /// Puts the private folder away.
    pub(super) fn put_away(self) {
        let keeps = self.subagent.resume == Resume::Session;
        if let Err(err) = self.home.close(keeps) {
            let dir = self.dir.root().display();
            tracing::warn!("cannot put the private folder in {dir} away: {err}");
        }
    }

    /// A fresh conversation about `text`.
    fn begin(&mut self, text: String) -> io::Result<Call> {
        self.resumes = false;
        self.session = None;
        let start = &self.subagent.profile.start;
        if start.placeholders().contains(&Placeholder::Session) {
            self.is_about(&SessionId::random());
        }
        self.call(self.subagent.profile.start.clone(), text)
    }

    /// `text` as the next thing that is said in the conversation.
    fn go_on(&mut self, text: &str) -> io::Result<Call> {
        self.resumes = true;
        let line = self.subagent.profile.resume.clone();
        let line = line.unwrap_or_else(|| self.subagent.profile.start.clone());
        self.call(line, text.to_owned())
    }

    fn call(&mut self, line: CommandLine, text: String) -> io::Result<Call> {
        if self.calls > 0 {
            self.home.refresh()?;
        }
        self.calls += 1;
        let file = self.dir.root().join(format!("prompt-{}.md", self.calls));
        files::write(&file, text.as_bytes())?;
        let path = file.display().to_string();
        let text = match text.len() > LONGEST_ARGUMENT {
            true => {
                format!("Your task is in the file {path}: read all of it, and do what it says.")
            }
            // No program shall take it for an option.
            false if text.starts_with('-') => format!("\n{text}"),
            false => text,
        };
        let command = line.filled(&self.subagent.allow, |word| match word {
            Placeholder::Prompt => Some(text.clone()),
            Placeholder::PromptFile => Some(path.clone()),
            Placeholder::Session => self.session.as_ref().map(|session| session.id.to_string()),
            word => place(word, &self.dir, &self.repo).or_else(|| self.setting(word)),
        });
        let by_stdin = self.subagent.profile.prompt == PromptBy::Stdin;
        Ok(Call { command, stdin: by_stdin.then_some(file) })
    }

    /// The most that this run may cost, by whichever limit is the lower.
    fn most(&self) -> Option<Usd> {
        self.subagent.budget.into_iter().chain(self.left).min()
    }

    /// The most that the next call may cost: the cost that Claude Code tells is of the
    /// whole conversation, but its limit is one of each call.
    fn most_of_call(&self) -> Option<Usd> {
        let before = self.told.usage.cost.map(|cost| cost.usd).unwrap_or_default();
        self.most().map(|most| most.less(before))
    }

    fn setting(&self, word: Placeholder) -> Option<String> {
        match word {
            Placeholder::Model => self.subagent.model.clone(),
            Placeholder::MaxTurns => self.subagent.max_turns.map(|turns| turns.to_string()),
            // A program that knows its limit stops in time; others are stopped when they told.
            Placeholder::BudgetUsd => self.most_of_call().map(Usd::plain),
            _ => None,
        }
    }

    /// Leaves a note of the conversation, for when nobody sees this run's end.
    fn record(&self) {
        let Some(session) = &self.session else { return };
        let written = serde_json::to_vec(session)
            .map_err(io::Error::other)
            .and_then(|json| files::write(&self.dir.session(), &json));
        if let Err(err) = written {
            tracing::warn!("cannot note the conversation: {err}");
        }
    }

    fn judge(&self, told: &Transcript, exit: &Exit, given_up: Option<Fault>) -> End {
        let profile = &self.subagent.profile;
        let good_exit = matches!(exit, Exit::Code(code) if profile.good_exits.contains(code));
        let has_events = profile.events != EventFormat::None;
        // What it says of its end while it is being stopped counts if that end is good.
        let given_up = given_up.filter(|_| !good_exit || told.end != Some(End::Good));
        if let Some(fault) = given_up.or_else(|| self.is_hopeless(told)) {
            return self.bad(fault, "again and again");
        }
        match &told.end {
            Some(End::Bad(fault, said)) => self.bad(*fault, said),
            Some(End::Open) | None if good_exit && has_events => End::Open,
            // What it said last was good: how it then went away is another matter.
            Some(End::Good) if matches!(exit, Exit::Signal(_)) => self.good(told),
            Some(End::Good) | None if good_exit => self.good(told),
            Some(End::Good) => match exit {
                Exit::Code(code) => self
                    .bad(Fault::Other, &format!("it said that all went well, and exited {code}")),
                _ => End::Open,
            },
            Some(End::Open) | None => match &told.complaint {
                Some(Complaint { fault, said, .. }) => self.bad(*fault, said),
                None => End::Open,
            },
        }
    }

    /// A good end, unless a tool was denied that it may have taken.
    fn good(&self, told: &Transcript) -> End {
        if self.declares || told.denied.is_empty() {
            return End::Good;
        }
        let tools: Vec<String> = told.denied.iter().map(|tool| self.fit(tool, TOOL)).collect();
        self.bad(Fault::Denied, &tools.join(", "))
    }

    /// What a program said, so that it fits into a sentence of ours.
    fn fit(&self, said: &str, longest: usize) -> String {
        let mut said = self.redactor.redact(without_controls(said).trim());
        if said.len() > longest {
            said.truncate(said.floor_char_boundary(longest));
            said += "…";
        }
        said
    }

    /// That the money is spent, and what to do.
    fn spent(&self) -> String {
        match self.most() {
            Some(left) if self.subagent.budget != Some(left) => format!(
                "spent the {left} that were left of its budget: raise its `budget_usd`, or make \
                 the task smaller; {KEPT}"
            ),
            most => {
                let limit = most.map(|money| format!(" of {money}")).unwrap_or_default();
                format!(
                    "spent the budget{limit} of a run: tried again, it may spend as much; or raise \
                     its `budget_usd`, or make the task smaller; {KEPT}"
                )
            }
        }
    }

    /// What went wrong, and what to do.
    fn bad(&self, fault: Fault, said: &str) -> End {
        let Subagent { name, profile, max_turns, .. } = &self.subagent;
        let said = self.fit(said, SAID);
        let what = match fault {
            Fault::Login => {
                let secrets: Vec<&str> = profile.secrets.iter().map(|name| name.as_str()).collect();
                let set = match secrets.as_slice() {
                    [] => "the variable with its key".to_owned(),
                    names => names.join(" or "),
                };
                format!(
                    "the login of `{name}` is refused ({said}): set {set} in the environment of \
                     `wavemark`, or log in with `{name}` as the user that runs it"
                )
            }
            Fault::Turns => {
                let turns = max_turns.map(|turns| format!("{turns} ")).unwrap_or_default();
                format!(
                    "reached its limit of {turns}turns: raise `max_turns`, or make the task smaller; \
                     {KEPT}"
                )
            }
            Fault::Budget => self.spent(),
            Fault::Denied => format!(
                "was denied {said}, and declares nothing that shows that its work is done without: \
                 name what it needs in `allow`, or what it makes in `produces`"
            ),
            Fault::NoSession | Fault::Other => format!("`{name}` ended badly: {said}"),
        };
        End::Bad(fault, what)
    }
}

/// What stands for the places of a run.
fn place(word: Placeholder, dir: &RunDir, repo: &Path) -> Option<String> {
    let shown = |path: &Path| Some(path.display().to_string());
    match word {
        Placeholder::Dir => shown(dir.root()),
        Placeholder::Repo => shown(repo),
        Placeholder::Home => shown(&dir.home()),
        Placeholder::WorkSlug => Some(home::slug(&dir.work())),
        _ => None,
    }
}

/// Puts an earlier conversation where the program looks for it. Should that
/// fail, there is a fresh one.
fn restore(subagent: &Subagent, dir: &RunDir, home: &Home, carried: &Carried) -> Option<Session> {
    let sessions = home::sessions(subagent.profile.home.as_ref()?, &dir.work())?;
    match home::unpack(&carried.files, &home.root().join(sessions)) {
        Ok(()) => Some(carried.session.clone()),
        Err(err) => {
            tracing::warn!("cannot go on with the earlier conversation: {err}");
            None
        }
    }
}
