//! What a project begins with: its settings, a wave of two agents that really
//! run, and their programs. From then on all of it is the user's.

use crate::model::ProjectName;

/// A file that is written once, and is the user's from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// Below the root of the project.
    pub path: &'static str,
    /// What is in it.
    pub text: String,
    /// Whether it is a program.
    pub is_program: bool,
}

/// Where a project's settings are.
pub const PROJECT_PATH: &str = "waves/project.yaml";

/// The agents of the [first wave](first_wave).
pub const FIRST_AGENTS: [&str; 2] = ["summary", "survey"];

const NAME: &str = "my-project";

/// The settings of a project of this name.
pub fn project(name: &ProjectName) -> Seed {
    let text = include_str!("project.yaml").replace(NAME, name.as_str());
    Seed { path: PROJECT_PATH, text, is_program: false }
}

/// A wave, after the programs of its agents: where it is, they are.
pub fn first_wave() -> Vec<Seed> {
    let seed = |path, text: &str, is_program| Seed { path, text: text.to_owned(), is_program };
    vec![
        seed("waves/agents/survey.sh", include_str!("survey.sh"), true),
        seed("waves/agents/summary.sh", include_str!("summary.sh"), true),
        seed("waves/1-first.yaml", include_str!("first.yaml"), false),
    ]
}

/// The name of a project in a folder or a repo that is called so.
pub fn name_after(called: &str) -> ProjectName {
    let mut name = String::new();
    for letter in called.chars().map(|letter| letter.to_ascii_lowercase()) {
        match letter {
            'a'..='z' => name.push(letter),
            '0'..='9' if !name.is_empty() => name.push(letter),
            _ if name.is_empty() || name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    name.truncate(63);
    let name = name.trim_end_matches('-');
    name.parse().unwrap_or_else(|_| unnamed())
}

#[expect(clippy::expect_used, reason = "a constant, parsed by a test below")]
fn unnamed() -> ProjectName {
    NAME.parse().expect("a slug")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::plan::{self, Facts, Program, Source};

    #[test]
    fn any_folder_gives_a_name() {
        let long = "x".repeat(80);
        for (called, name) in [
            ("waves", "waves"),
            ("My Project", "my-project"),
            ("acme.github.io", "acme-github-io"),
            ("2026_plans__", "plans"),
            ("日本", "my-project"),
            ("", "my-project"),
            (long.as_str(), &long[..63]),
        ] {
            assert_eq!(name_after(called).as_str(), name);
        }
    }

    #[test]
    fn the_first_wave_is_a_good_plan_without_a_warning() {
        let mut seeds = first_wave();
        seeds.push(project(&name_after("acme")));
        let files = seeds
            .iter()
            .filter(|seed| !seed.is_program)
            .map(|seed| (seed.path.to_owned(), Source::Bytes(seed.text.clone().into_bytes())));
        let draft = plan::read(&files.collect::<BTreeMap<_, _>>());
        let programs = draft.wanted().programs.into_iter();
        let programs: BTreeMap<_, _> = programs.map(|path| (path, Program::Executable)).collect();
        let here: Vec<String> = programs.keys().cloned().collect();
        assert_eq!(here, ["waves/agents/summary.sh", "waves/agents/survey.sh"]);
        let plan = draft.check(&Facts { prompts: BTreeMap::new(), programs }).unwrap();
        assert!(plan.warnings.is_empty(), "{}", plan.warnings.to_text());
        assert_eq!(plan.project.name.as_str(), "acme");
        assert!(plan.agents.keys().map(|agent| agent.as_str()).eq(FIRST_AGENTS));
    }
}
