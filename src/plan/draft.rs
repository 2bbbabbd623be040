//! All files of a plan, read; names and files not yet looked up.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    agent::DraftPrompt,
    check,
    checked::Plan,
    fields::Reading,
    files::{Facts, Source, Wanted},
    place::{Span, Spans},
    problem::{Findings, Problems, harmless},
    profile::{self, Profiles},
    project::{self, DraftProject},
    secret,
    suggest::Suggester,
    wave::DraftWave,
    yaml::{self, Node, Unreadable},
};
use crate::model::ProjectName;

/// The files of a plan after a first reading.
///
/// What is wrong with them is in here and comes out of [`check`](Self::check)
/// together with everything else.
pub struct Draft {
    pub(super) project: Option<DraftProject>,
    pub(super) waves: Vec<DraftWave>,
    /// Whether some wave could not be read at all: unknown names may be in it.
    pub(super) incomplete: bool,
    pub(super) findings: Findings,
    pub(super) suggester: Suggester,
    pub(super) profiles: Profiles,
    pub(super) texts: BTreeMap<Arc<str>, Arc<str>>,
}

/// Reads the YAML files of a plan: those directly in `waves/` and those in
/// `waves/profiles/`, by their path from the repo's root.
///
/// Takes anything, however broken, and comes back in a bounded time.
pub fn read(files: &BTreeMap<String, Source>) -> Draft {
    let mut draft = Draft {
        project: None,
        waves: Vec::new(),
        incomplete: false,
        findings: Findings::default(),
        suggester: Suggester::new(),
        profiles: Profiles::built_in(),
        texts: BTreeMap::new(),
    };
    if !files.contains_key(project::PATH) && !files.contains_key(project::MISNAMED) {
        let start = Span::START.within(&project::PATH.into());
        draft
            .findings
            .error(start, format!("there is no {}", project::PATH))
            .hint("write one: `project: my-project` is enough");
    }
    // First the profiles: waves name them.
    let (profiles, others): (Vec<_>, Vec<_>) =
        files.iter().partition(|(path, _)| path.starts_with(profile::FOLDER));
    let mut named = BTreeMap::new();
    for (path, _) in &profiles {
        let name = path.rsplit_once('.').map_or(path.as_str(), |(name, _)| name);
        if let Some(first) = named.insert(name, path) {
            let what = format!("{} is this profile, too", harmless(first));
            let place = Span::START.within(&harmless(path).into());
            draft.findings.error(place, what).hint("keep one of them");
        }
    }
    for (path, source) in profiles.into_iter().chain(others) {
        draft.read_file(&harmless(path).into(), source);
    }
    draft
}

impl Draft {
    /// What the project is called, if that much can be read.
    pub fn project_name(&self) -> Option<&ProjectName> {
        self.project.as_ref()?.name.as_ref()
    }

    /// The files that the caller should look up for [`check`](Self::check).
    pub fn wanted(&self) -> Wanted {
        let agents = || self.waves.iter().flat_map(|wave| &wave.agents).map(|agent| &agent.fields);
        let prompts: BTreeSet<String> = agents()
            .filter_map(|agent| match &agent.prompt {
                Some(DraftPrompt::File { path, .. }) => Some(path.clone()),
                _ => None,
            })
            .collect();
        let programs = agents().filter_map(|agent| agent.run.as_ref()?.program());
        let programs = programs.map(str::to_owned).collect();
        Wanted { prompts, programs }
    }

    /// The plan, or everything that is wrong with it.
    pub fn check(self, facts: &Facts) -> Result<Plan, Problems> {
        check::check(self, facts)
    }

    fn read_file(&mut self, file: &Arc<str>, source: &Source) {
        if **file == *project::MISNAMED {
            let what = format!("the project's file is called {}", project::PATH);
            self.findings.error(Span::START.within(file), what).hint("rename this one");
            return;
        }
        let is_profile = file.starts_with(profile::FOLDER);
        if is_profile && file.ends_with(".toml") {
            let mut profiles = self.profiles.clone();
            profiles.announce(&mut self.reading(file));
            self.profiles = profiles;
            let what = "a profile is written in YAML, with the ending `.yaml`";
            self.findings
                .error(Span::START.within(file), what)
                .hint("`start = […]` is `start: […]`");
            return;
        }
        let bytes = match source {
            Source::Bytes(bytes) => bytes,
            Source::Missing => return self.unreadable(file, no_file("there is none")),
            Source::Unreadable(why) => return self.unreadable(file, no_file(why)),
        };
        let text = match yaml::decode(bytes) {
            Ok(text) => text,
            Err(problem) => return self.unreadable(file, problem),
        };
        self.texts.insert(Arc::clone(file), text.into());
        let mut cx = self.reading(file);
        secrets(text, &mut cx);
        let root = match yaml::parse(text) {
            Ok(Some(root)) => root,
            Ok(None) => {
                let what = if is_profile { "a profile" } else { "a wave" };
                cx.error(Span::START, "the file is empty")
                    .hint(format!("remove it, or write {what}"));
                return;
            }
            Err(problem) => return self.unreadable(file, problem),
        };
        if **file == *project::PATH {
            self.project = DraftProject::read(&root, &mut cx);
        } else if is_profile {
            let mut profiles = self.profiles.clone();
            profiles.read(&root, &mut self.reading(file));
            self.profiles = profiles;
        } else {
            self.read_wave(&root, file);
        }
    }

    fn read_wave(&mut self, root: &Node, file: &Arc<str>) {
        let mut cx = self.reading(file);
        let wave = DraftWave::read(root, &mut cx);
        self.incomplete |= wave.as_ref().is_none_or(|wave| wave.name.is_none());
        self.waves.extend(wave);
    }

    fn reading<'a>(&'a mut self, file: &'a Arc<str>) -> Reading<'a> {
        Reading {
            file,
            findings: &mut self.findings,
            suggester: &self.suggester,
            profiles: &self.profiles,
        }
    }

    fn unreadable(&mut self, file: &Arc<str>, problem: Unreadable) {
        if file.starts_with(profile::FOLDER) {
            let mut profiles = self.profiles.clone();
            profiles.announce(&mut self.reading(file));
            self.profiles = profiles;
        } else {
            self.incomplete |= **file != *project::PATH;
        }
        let error = self.findings.error(problem.span.within(file), problem.what);
        problem.hint.map(|hint| error.hint(hint));
    }
}

/// Why a file is not even bytes.
fn no_file(why: &str) -> Unreadable {
    Unreadable {
        span: Span::START,
        what: format!("the file cannot be read: {why}"),
        hint: Some("every `.yaml` directly in `waves/` is part of the plan".to_owned()),
    }
}

/// Reports every token in the file, without repeating it.
fn secrets(text: &str, cx: &mut Reading<'_>) {
    let mut spans = Spans::of(text);
    for found in secret::find(text) {
        let span = spans.next(found.start, found.len());
        cx.error(span, "this looks like a credential, and a plan is not secret")
            .hint("take it out, revoke it, and name its environment variable under `secrets`");
    }
}
