//! What can only be checked with all files at hand: names, files, circles.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use super::{
    agent::{DraftAgent, DraftPrompt},
    checked::{Agent, Plan, Wave},
    circles,
    draft::Draft,
    files::{BadPath, Facts, Program, PromptFile, beside},
    place::{Place, Span},
    policy::Policy,
    problem::{Findings, Problems},
    secret,
    suggest::Suggester,
};
use crate::model::{AgentName, Definition, Need, OnStale, PoolName, Review, Runner, WaveName};

/// The largest prompt: larger ones belong into files that the agent reads.
const MAX_PROMPT_BYTES: usize = 1024 * 1024;
/// What holds when nobody says otherwise.
const DEFAULT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2 * 60 * 60);
const DEFAULT_RETRIES: u32 = 2;

/// Turns a draft into a plan.
pub(super) fn check(draft: Draft, facts: &Facts) -> Result<Plan, Problems> {
    let Draft {
        project,
        waves: drafts,
        incomplete,
        findings,
        suggester,
        texts,
    } = draft;
    let pools = project
        .as_ref()
        .map(|project| project.pools.keys().cloned().collect());
    let mut names = Names {
        pools,
        ..Names::default()
    };
    let mut checker = Checker {
        findings,
        suggester,
        facts,
    };

    let defaults = project
        .as_ref()
        .map(|project| project.defaults.clone())
        .unwrap_or_default();
    if let Some(project) = &project {
        checker.pool(&project.defaults, project.default_pool.as_ref(), &names);
    }
    for wave in &drafts {
        checker.announce(wave.name.as_ref(), &wave.place, &wave.agents, &mut names);
    }
    names.complete = !incomplete;

    let mut waves = BTreeMap::new();
    let mut agents = BTreeMap::new();
    let mut places = circles::Places::default();
    for (position, draft) in drafts.into_iter().enumerate() {
        checker.pool(&draft.defaults, draft.default_pool.as_ref(), &names);
        let Some(name) = draft.name else { continue };
        for (earlier, place) in &draft.after {
            checker.wave(earlier, place, &names);
            places
                .after
                .insert((name.clone(), earlier.clone()), place.clone());
        }
        let defaults = draft.defaults.or(&defaults);
        let mut members = BTreeSet::new();
        for draft in draft.agents {
            for (need, place) in &draft.needs {
                checker.need(need, place, &names);
                places
                    .needs
                    .insert((draft.name.clone(), need.clone()), place.clone());
            }
            members.insert(draft.name.clone());
            let agent = checker.agent(draft, &name, &defaults, &names);
            agents.entry(agent.name.clone()).or_insert(agent);
        }
        waves.entry(name.clone()).or_insert(Wave {
            name,
            title: draft.title,
            after: draft
                .after
                .into_iter()
                .map(|(earlier, _)| earlier)
                .collect(),
            position: u32::try_from(position).unwrap_or(u32::MAX),
            agents: members,
            place: draft.place,
        });
    }
    circles::report(&waves, &agents, &places, &mut checker.findings);

    let project = project.and_then(super::project::DraftProject::finish);
    let problems = checker.findings.finish(&texts);
    match project {
        Some(project) if problems.errors() == 0 => Ok(Plan {
            project,
            waves,
            agents,
            warnings: problems,
        }),
        _ => Err(problems),
    }
}

/// Every name that a plan defines, and where.
#[derive(Default)]
struct Names {
    waves: BTreeMap<WaveName, Place>,
    agents: BTreeMap<AgentName, Place>,
    /// `None` if the project could not be read.
    pools: Option<BTreeSet<PoolName>>,
    /// Whether a name that is not among them is unknown for sure.
    complete: bool,
}

struct Checker<'a> {
    findings: Findings,
    suggester: Suggester,
    facts: &'a Facts,
}

impl Checker<'_> {
    /// Takes in the names that a wave defines.
    fn announce(
        &mut self,
        wave: Option<&WaveName>,
        place: &Place,
        agents: &[DraftAgent],
        names: &mut Names,
    ) {
        if let Some(wave) = wave {
            match names.waves.entry(wave.clone()) {
                Entry::Vacant(free) => drop(free.insert(place.clone())),
                Entry::Occupied(first) => {
                    self.findings
                        .error(place.clone(), format!("there is a second wave `{wave}`"))
                        .also(first.get().clone(), "the first one")
                        .hint("a wave is one file: rename one of them, or move its agents");
                }
            }
        }
        for agent in agents {
            match names.agents.entry(agent.name.clone()) {
                Entry::Vacant(free) => drop(free.insert(agent.place.clone())),
                Entry::Occupied(first) => {
                    let what = format!("there is a second agent `{}`", agent.name);
                    self.findings
                        .error(agent.place.clone(), what)
                        .also(first.get().clone(), "the first one")
                        .hint("agent names are unique in the whole project: rename one");
                }
            }
        }
    }

    fn need(&mut self, need: &Need, place: &Place, names: &Names) {
        let name = match need {
            Need::Wave(wave) => return self.wave(wave, place, names),
            Need::Agent(name) => name,
        };
        if names.agents.contains_key(name) || !names.complete {
            return;
        }
        let hint = if names.waves.contains_key(name.as_str()) {
            Some(format!(
                "it is a wave: write `wave:{name}` to need all of its agents"
            ))
        } else {
            self.suggester
                .hint(name.as_str(), names.agents.keys().map(AgentName::as_str))
        };
        let problem = self
            .findings
            .error(place.clone(), format!("there is no agent `{name}`"));
        hint.map(|hint| problem.hint(hint));
    }

    fn wave(&mut self, wave: &WaveName, place: &Place, names: &Names) {
        if names.waves.contains_key(wave) || !names.complete {
            return;
        }
        let hint = self
            .suggester
            .hint(wave.as_str(), names.waves.keys().map(WaveName::as_str));
        let problem = self
            .findings
            .error(place.clone(), format!("there is no wave `{wave}`"));
        hint.map(|hint| problem.hint(hint));
    }

    fn pool(&mut self, policy: &Policy, place: Option<&Place>, names: &Names) {
        let (Some(pool), Some(place), Some(pools)) = (&policy.pool, place, &names.pools) else {
            return;
        };
        if pools.contains(pool) {
            return;
        }
        let near = self
            .suggester
            .nearest(pool.as_str(), pools.iter().map(PoolName::as_str));
        let hint = near.map_or_else(
            || {
                format!(
                    "declare it in {}: `pools: {{ {pool}: 4 }}`",
                    super::project::PATH
                )
            },
            |near| format!("did you mean `{near}`?"),
        );
        let what = format!("there is no pool `{pool}`");
        self.findings.error(place.clone(), what).hint(hint);
    }

    /// The agent with every default filled in. What could not be read has been
    /// reported; nobody sees what stands in for it here.
    fn agent(
        &mut self,
        draft: DraftAgent,
        wave: &WaveName,
        defaults: &Policy,
        names: &Names,
    ) -> Agent {
        self.pool(&draft.policy, draft.pool.as_ref(), names);
        self.program(&draft);
        let policy = draft.policy.or(defaults);
        let definition = Definition {
            title: draft.title,
            needs: draft.needs.into_keys().collect(),
            run: draft.run.unwrap_or(Runner::Manual {}),
            prompt: draft.prompt.map(|prompt| self.prompt(prompt)),
            env: draft.env,
            secrets: draft.secrets,
            produces: draft.produces,
            review: policy.review.unwrap_or(Review::None),
            on_stale: policy.on_stale.unwrap_or(OnStale::Keep),
            pool: policy.pool.unwrap_or_else(PoolName::default_pool),
            priority: policy.priority.unwrap_or(0),
            timeout: policy.timeout.unwrap_or(DEFAULT_TIMEOUT),
            retries: policy.retries.unwrap_or(DEFAULT_RETRIES),
        };
        Agent {
            name: draft.name,
            wave: wave.clone(),
            definition,
            place: draft.place,
        }
    }

    fn program(&mut self, draft: &DraftAgent) {
        let (Some(Runner::Exec(words)), Some(place)) = (&draft.run, &draft.program) else {
            return;
        };
        let Some(program) = words.first() else { return };
        let found = self.facts.programs.get(program);
        match beside("", program) {
            // Another machine may be the one that runs it.
            Err(BadPath::Absolute) => {
                if matches!(found, Some(Program::Missing | Program::NotExecutable)) {
                    let what = format!("this machine has no program `{program}`");
                    self.findings.warning(place.clone(), what);
                }
            }
            Err(bad) => {
                self.findings
                    .error(place.clone(), bad.describe(program))
                    .hint("give a path that starts at the repo's root");
            }
            Ok(_) => match found {
                None | Some(Program::Executable) => {}
                Some(Program::Missing) => {
                    self.findings
                        .error(place.clone(), format!("there is no program `{program}`"))
                        .hint("a program with a slash is looked for from the repo's root");
                }
                Some(Program::NotExecutable) => {
                    self.findings
                        .error(place.clone(), format!("`{program}` is not executable"))
                        .hint(format!("run `chmod +x {program}` and commit that"));
                }
            },
        }
    }

    /// The text of a prompt: without a byte order mark and with plain line
    /// ends, so that it is the same on every machine.
    fn prompt(&mut self, prompt: DraftPrompt) -> String {
        let (path, place) = match prompt {
            DraftPrompt::Inline(text) => return text,
            DraftPrompt::File { path, place } => (path, place),
        };
        let bytes = match self.facts.prompts.get(&path) {
            Some(PromptFile::Bytes(bytes)) => bytes,
            Some(PromptFile::Unreadable(why)) => {
                self.findings
                    .error(place, format!("cannot read the prompt {path}: {why}"));
                return String::new();
            }
            Some(PromptFile::Missing) | None => {
                self.findings.error(place, format!("there is no file {path}")).hint(
                    "a path starts at the folder of this file; to write the text itself, use `prompt: |`",
                );
                return String::new();
            }
        };
        match prompt_text(bytes) {
            Ok(text) => text,
            Err(why) => {
                let mut problem = self
                    .findings
                    .error(place, format!("the prompt {path} {why}"));
                if let Some(span) = secret_in(bytes) {
                    problem = problem.also(span.within(&path.as_str().into()), "here");
                    problem.hint("take it out, revoke it, and name its variable under `secrets`");
                }
                String::new()
            }
        }
    }
}

fn prompt_text(bytes: &[u8]) -> Result<String, String> {
    if bytes.len() > MAX_PROMPT_BYTES {
        return Err(format!(
            "has {} bytes; the limit is {MAX_PROMPT_BYTES}",
            bytes.len()
        ));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())?;
    if text.contains('\0') {
        return Err("holds a NUL byte: it is not text".to_owned());
    }
    if text.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    if secret_in(bytes).is_some() {
        return Err("holds what looks like a credential".to_owned());
    }
    Ok(text.replace("\r\n", "\n"))
}

fn secret_in(bytes: &[u8]) -> Option<Span> {
    let text = std::str::from_utf8(bytes).ok()?;
    let found = secret::find(text).next()?;
    Some(Span::of_bytes(text, found.start, found.len()))
}
