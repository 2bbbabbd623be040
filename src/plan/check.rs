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
    let Draft { project, waves: drafts, incomplete, findings, suggester, texts } = draft;
    let pools = project.as_ref().map(|project| project.pools.keys().cloned().collect());
    let mut names = Names { pools, ..Names::default() };
    let mut checker = Checker { findings, suggester, facts };

    let defaults = project.as_ref().map(|project| project.defaults.clone()).unwrap_or_default();
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
            places.after.insert((name.clone(), earlier.clone()), place.clone());
        }
        let defaults = draft.defaults.or(&defaults);
        let mut members = BTreeSet::new();
        for draft in draft.agents {
            for (need, place) in &draft.needs {
                checker.need(need, place, &names);
                places.needs.insert((draft.name.clone(), need.clone()), place.clone());
            }
            members.insert(draft.name.clone());
            let agent = checker.agent(draft, &name, &defaults, &names);
            agents.entry(agent.name.clone()).or_insert(agent);
        }
        waves.entry(name.clone()).or_insert(Wave {
            name,
            title: draft.title,
            after: draft.after.into_iter().map(|(earlier, _)| earlier).collect(),
            position: u32::try_from(position).unwrap_or(u32::MAX),
            agents: members,
            place: draft.place,
        });
    }
    circles::report(&waves, &agents, &places, &mut checker.findings);

    let project = project.and_then(super::project::DraftProject::finish);
    let problems = checker.findings.finish(&texts);
    match project {
        Some(project) if problems.errors() == 0 => {
            Ok(Plan { project, waves, agents, warnings: problems })
        }
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
            Some(format!("it is a wave: write `wave:{name}` to need all of its agents"))
        } else {
            self.suggester.hint(name.as_str(), names.agents.keys().map(AgentName::as_str))
        };
        let problem = self.findings.error(place.clone(), format!("there is no agent `{name}`"));
        hint.map(|hint| problem.hint(hint));
    }

    fn wave(&mut self, wave: &WaveName, place: &Place, names: &Names) {
        if names.waves.contains_key(wave) || !names.complete {
            return;
        }
        let hint = self.suggester.hint(wave.as_str(), names.waves.keys().map(WaveName::as_str));
        let problem = self.findings.error(place.clone(), format!("there is no wave `{wave}`"));
        hint.map(|hint| problem.hint(hint));
    }

    fn pool(&mut self, policy: &Policy, place: Option<&Place>, names: &Names) {
        let (Some(pool), Some(place), Some(pools)) = (&policy.pool, place, &names.pools) else {
            return;
        };
        if pools.contains(pool) {
            return;
        }
        let near = self.suggester.nearest(pool.as_str(), pools.iter().map(PoolName::as_str));
        let hint = near.map_or_else(
            || format!("declare it in {}: `pools: {{ {pool}: 4 }}`", super::project::PATH),
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
        Agent { name: draft.name, wave: wave.clone(), definition, place: draft.place }
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
                self.findings.error(place, format!("cannot read the prompt {path}: {why}"));
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
                let mut problem = self.findings.error(place, format!("the prompt {path} {why}"));
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
        return Err(format!("has {} bytes; the limit is {MAX_PROMPT_BYTES}", bytes.len()));
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

#[cfg(test)]
mod tests {
    use crate::plan::testing::{agent, problems};

    #[test]
    fn names_are_unique_across_files() {
        insta::assert_snapshot!(problems(r#"
--- waves/1.yaml
wave: a
agents: { x: { run: { manual: } } }
--- waves/2.yaml
wave: a
agents: { x: { run: { manual: } } }
"#), @"
        error: there is a second wave `a`
         --> waves/2.yaml:1:7
          |
        1 | wave: a
          |       ^
          |
         ::: waves/1.yaml:1:7
          |
        1 | wave: a
          |       - the first one
          |
          = hint: a wave is one file: rename one of them, or move its agents

        error: there is a second agent `x`
         --> waves/2.yaml:2:11
          |
        2 | agents: { x: { run: { manual: } } }
          |           ^
          |
         ::: waves/1.yaml:2:11
          |
        2 | agents: { x: { run: { manual: } } }
          |           - the first one
          |
          = hint: agent names are unique in the whole project: rename one

        2 errors
        ");
    }

    #[test]
    fn unknown_names_are_told_with_the_nearest() {
        insta::assert_snapshot!(problems(r#"
--- waves/1.yaml
wave: words
after: [pictures]
defaults: { pool: gpu }
agents:
  writer: { run: { manual: }, needs: [editr, words, "wave:wrods", nobody] }
  editor: { run: { manual: }, pool: defualt }
"#), @r#"
        error: there is no wave `pictures`
         --> waves/1.yaml:2:9
          |
        2 | after: [pictures]
          |         ^^^^^^^^
          |
          = hint: there is `words`

        error: there is no pool `gpu`
         --> waves/1.yaml:3:19
          |
        3 | defaults: { pool: gpu }
          |                   ^^^
          |
          = hint: declare it in waves/project.yaml: `pools: { gpu: 4 }`

        error: there is no agent `editr`
         --> waves/1.yaml:5:39
          |
        5 |   writer: { run: { manual: }, needs: [editr, words, "wave:wrods", nobody] }
          |                                       ^^^^^
          |
          = hint: did you mean `editor`?

        error: there is no agent `words`
         --> waves/1.yaml:5:46
          |
        5 |   writer: { run: { manual: }, needs: [editr, words, "wave:wrods", nobody] }
          |                                              ^^^^^
          |
          = hint: it is a wave: write `wave:words` to need all of its agents

        error: there is no wave `wrods`
         --> waves/1.yaml:5:53
          |
        5 |   writer: { run: { manual: }, needs: [editr, words, "wave:wrods", nobody] }
          |                                                     ^^^^^^^^^^^^
          |
          = hint: did you mean `words`?

        error: there is no agent `nobody`
         --> waves/1.yaml:5:67
          |
        5 |   writer: { run: { manual: }, needs: [editr, words, "wave:wrods", nobody] }
          |                                                                   ^^^^^^
          |
          = hint: there is `editor` and `writer`

        error: there is no pool `defualt`
         --> waves/1.yaml:6:37
          |
        6 |   editor: { run: { manual: }, pool: defualt }
          |                                     ^^^^^^^
          |
          = hint: did you mean `default`?

        7 errors
        "#);
    }

    #[test]
    fn a_name_is_not_unknown_while_a_file_cannot_be_read() {
        insta::assert_snapshot!(problems(r#"
--- waves/1.yaml
wave: a
agents: { x: { run: { manual: }, needs: [y] } }
--- waves/2.yaml
wave: [
"#), @"
        error: not YAML: unclosed bracket '['
         --> waves/2.yaml:1:7
          |
        1 | wave: [
          |       ^

        1 error
        ");
    }

    #[test]
    fn programs_are_looked_for() {
        insta::assert_snapshot!(problems(r#"
--- waves/1.yaml
wave: a
agents:
  a: { run: { exec: [agents/a.sh] } }
  b: { run: { exec: [agents/b.sh] } }
  c: { run: { exec: [agents/c.sh] } }
  d: { run: { exec: [../d.sh] } }
  e: { run: { exec: [on-the-path] } }
--- agents/a.sh +x
--- agents/b.sh -x
"#), @"
        error: `agents/b.sh` is not executable
         --> waves/1.yaml:4:22
          |
        4 |   b: { run: { exec: [agents/b.sh] } }
          |                      ^^^^^^^^^^^
          |
          = hint: run `chmod +x agents/b.sh` and commit that

        error: there is no program `agents/c.sh`
         --> waves/1.yaml:5:22
          |
        5 |   c: { run: { exec: [agents/c.sh] } }
          |                      ^^^^^^^^^^^
          |
          = hint: a program with a slash is looked for from the repo's root

        error: `../d.sh` leads out of the repo
         --> waves/1.yaml:6:22
          |
        6 |   d: { run: { exec: [../d.sh] } }
          |                      ^^^^^^^
          |
          = hint: give a path that starts at the repo's root

        3 errors
        ");
    }

    #[test]
    fn a_program_of_another_machine_is_only_a_warning() {
        insta::assert_snapshot!(agent(r#"
run: { exec: [/opt/tool/bin/build] }
"#), @"
        warning: this machine has no program `/opt/tool/bin/build`
         --> waves/w.yaml:4:19
          |
        4 |     run: { exec: [/opt/tool/bin/build] }
          |                   ^^^^^^^^^^^^^^^^^^^

        1 warning
        ");
    }

    #[test]
    fn a_credential_is_told_and_never_shown() {
        insta::assert_snapshot!(problems(r#"
--- waves/1.yaml
wave: a # ghp_0123456789abcdefghijklmnopqrstuvwxyz
agents:
  ghp_0123456789abcdefghijklmnopqrstuvwxyz:
    run: { exec: [env, AKIAIOSFODNN7EXAMPLE] }
  b: { run: { manual: }, prompt: p.md }
--- waves/p.md
Use
sk-ant-api03-0123456789abcdefghijklmnop
please.
"#), @"
        error: this looks like a credential, and a plan is not secret
         --> waves/1.yaml:1:11
          |
        1 | wave: a # ****************************************
          |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
          = hint: take it out, revoke it, and name its environment variable under `secrets`

        error: `****************************************` cannot name an agent: use 1 to 63 of a-z, 0-9 and `-`, starting with a letter
         --> waves/1.yaml:3:3
          |
        3 |   ****************************************:
          |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

        error: this looks like a credential, and a plan is not secret
         --> waves/1.yaml:3:3
          |
        3 |   ****************************************:
          |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
          = hint: take it out, revoke it, and name its environment variable under `secrets`

        error: this looks like a credential, and a plan is not secret
         --> waves/1.yaml:4:24
          |
        4 |     run: { exec: [env, ********************] }
          |                        ^^^^^^^^^^^^^^^^^^^^
          |
          = hint: take it out, revoke it, and name its environment variable under `secrets`

        error: the prompt waves/p.md holds what looks like a credential
         --> waves/1.yaml:5:34
          |
        5 |   b: { run: { manual: }, prompt: p.md }
          |                                  ^^^^
          |
         ::: waves/p.md:2:1
          |
        2 |
          | - here
          |
          = hint: take it out, revoke it, and name its variable under `secrets`

        5 errors
        ");
    }
}
