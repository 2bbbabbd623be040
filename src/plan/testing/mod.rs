//! A little language for tests: several files in one text.
//!
//! A line `--- path` starts a file; `--- path +x` is a program that may be
//! executed, `--- path -x` one that may not. Without a `waves/project.yaml`,
//! there is one with only a name.

mod changes;
mod declared;
mod random;
mod runners;
mod style;

use std::collections::BTreeMap;

pub(super) use self::{
    changes::any_files_one_field_apart,
    declared::{DECLARED, said},
    random::any_files,
    style::{Style, written},
};
pub(crate) use self::{changes::any_plans_one_field_apart, random::any_plan};
use super::{Facts, Plan, Problems, Program, read};

/// The plan in `text`, or what is wrong with it.
pub(crate) fn check(text: &str) -> Result<Plan, Problems> {
    let mut files =
        BTreeMap::from([("waves/project.yaml".to_owned(), b"project: demo\n".as_slice().into())]);
    let mut facts = Facts::default();
    for section in text.split("--- ").skip(1) {
        let (header, content) = section.split_once('\n').unwrap();
        match header.trim().split_once(' ') {
            Some((path, "+x")) => drop(facts.programs.insert(path.to_owned(), Program::Executable)),
            Some((path, _)) => drop(facts.programs.insert(path.to_owned(), Program::NotExecutable)),
            None if [".yaml", ".yml", ".toml"].iter().any(|it| header.trim().ends_with(it)) => {
                drop(files.insert(header.trim().to_owned(), content.as_bytes().into()));
            }
            None => {
                facts.prompts.insert(header.trim().to_owned(), content.as_bytes().into());
            }
        }
    }
    let draft = read(&files);
    for program in draft.wanted().programs {
        facts.programs.entry(program).or_insert(Program::Missing);
    }
    draft.check(&facts)
}

/// What is wrong with the plan in `text`, a line each.
pub(super) fn problems(text: &str) -> String {
    found(text).to_lines()
}

/// What is wrong with the plan in `text`, as a person sees it.
pub(super) fn shown(text: &str) -> String {
    found(text).to_plain_text()
}

fn found(text: &str) -> Problems {
    check(text).map_or_else(|problems| problems, |plan| plan.warnings)
}

/// As [`problems`], of one wave file.
pub(super) fn wave(text: &str) -> String {
    problems(&format!("--- waves/w.yaml\n{}", text.trim_start()))
}

/// As [`problems`], of the fields of one agent.
pub(super) fn agent(fields: &str) -> String {
    wave(&format!("wave: w\nagents:\n  a:\n{}", indent(fields.trim())))
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
