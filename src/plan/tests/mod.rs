//! The whole way: files in, a plan or problems out.

mod schema;

use std::collections::{BTreeMap, BTreeSet};

use proptest::{
    collection::vec,
    prelude::*,
    sample::Index,
    strategy::ValueTree as _,
    test_runner::{Config, TestRng, TestRunner},
};

use super::{
    Agent, Facts, Plan, Problems, Project, Source, read,
    testing::{DECLARED, Style, any_files, any_files_one_field_apart, check, said, written},
};
use crate::model::Definition;

const STORY: &str = "
--- waves/project.yaml
project: seed-story
artifacts: { branch: wavemark/artifacts, max_size: 1MiB }
pools: { gpu: 2 }
defaults: { timeout: 1h, retries: 1 }
trust: { role: write }
--- waves/1.yaml
wave: foundation
title: Phase 1
after: []
defaults: { timeout: 30m, pool: gpu }
agents:
  vision:
    title: Vision, the spreadsheet agent
    needs: [brief, \"wave:research\"]
    run:
      exec: [agents/vision.sh, --quick, 5]
    prompt: prompts/vision.md
    env: { REGION: eu, VERSION: 1.10, DRY: no, ON: true }
    secrets: [SHEETS_TOKEN]
    produces: [doc/summary.md, schema/sheet.json]
    review: required
    on_stale: rebuild
    pool: default
    priority: 3
    timeout: 10m
    retries: 3
  brief:
    run: { manual: {} }
    prompt: Write a brief
--- waves/2.yaml
wave: research
agents:
  survey:
    run: { manual: }
--- waves/prompts/vision.md
Look at the sheet.\r
--- agents/vision.sh +x
";

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

#[test]
fn a_good_plan_has_every_default_filled_in() {
    let plan = check(STORY).unwrap();
    insta::assert_snapshot!(json(&plan.project), @r#"
    {
      "name": "seed-story",
      "artifact_branch": "wavemark/artifacts",
      "pools": {
        "default": 8,
        "gpu": 2
      },
      "settings": {
        "grace": 120,
        "infra_retries": 10,
        "backoff": 10,
        "backoff_cap": 1800,
        "stall_timeout": 1800,
        "lease": 120,
        "max_artifact_bytes": 1048576
      },
      "trusted_role": "write"
    }
    "#);
    insta::assert_snapshot!(json(&plan.agents["vision"].definition), @r#"
    {
      "title": "Vision, the spreadsheet agent",
      "needs": [
        "brief",
        "wave:research"
      ],
      "run": {
        "exec": [
          "agents/vision.sh",
          "--quick",
          "5"
        ]
      },
      "prompt": "Look at the sheet.\n",
      "env": {
        "DRY": "no",
        "ON": "true",
        "REGION": "eu",
        "VERSION": "1.10"
      },
      "secrets": [
        "SHEETS_TOKEN"
      ],
      "produces": [
        "schema/sheet.json",
        "doc/summary.md"
      ],
      "review": "required",
      "on_stale": "rebuild",
      "pool": "default",
      "priority": 3,
      "timeout": 600,
      "retries": 3
    }
    "#);
    insta::assert_snapshot!(json(&plan.agents["survey"].definition), @r#"
    {
      "title": null,
      "needs": [],
      "run": {
        "manual": {}
      },
      "prompt": null,
      "env": {},
      "secrets": [],
      "produces": [],
      "review": "none",
      "on_stale": "keep",
      "pool": "default",
      "priority": 0,
      "timeout": 3600,
      "retries": 1
    }
    "#);
    assert!(plan.warnings.is_empty());
}

/// The laws below are about all that can be written.
#[test]
fn random_plans_say_everything_that_is_declared() {
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        TestRng::deterministic_rng(Config::default().rng_algorithm),
    );
    let mut missing = DECLARED.clone();
    assert!(missing.len() > 100, "{missing:?}");
    for _ in 0..1_000 {
        if missing.is_empty() {
            return;
        }
        let files = any_files().new_tree(&mut runner).unwrap().current();
        let said: BTreeSet<_> = files.values().flat_map(said).collect();
        missing.retain(|path| !said.contains(path));
    }
    let missing: Vec<String> = missing
        .iter()
        .map(|path| path.iter().map(ToString::to_string).collect::<Vec<_>>().join("."))
        .collect();
    panic!("no random plan has these:\n{}", missing.join("\n"));
}

fn check_files(files: &BTreeMap<String, Source>) -> Result<Plan, Problems> {
    read(files).check(&Facts::default())
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 2_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_bytes_get_an_answer(bytes in vec(any::<u8>(), 0..400)) {
        answer(bytes);
    }

    #[test]
    fn any_text_gets_an_answer(text in "[-a-z0-9:\\[\\]{}#&*!|>'\"%@`, \n\r\t?~<\\\\ä日\u{301}]{0,200}") {
        answer(text.into_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(160) })]

    #[test]
    fn how_a_plan_is_written_does_not_change_its_digest(
        files in any_files(),
        one in Style::any(),
        other in Style::any(),
    ) {
        let one = check_files(&written(&files, one)).map_err(fail)?;
        let other = check_files(&written(&files, other)).map_err(fail)?;
        prop_assert_eq!(one.digest(), other.digest());
    }

    #[test]
    fn whatever_a_plan_says_else_changes_its_digest(
        [before, after] in any_files_one_field_apart(),
        style in Style::any(),
    ) {
        let before = check_files(&written(&before, style)).map_err(fail)?;
        let after = check_files(&written(&after, style)).map_err(fail)?;
        prop_assert_ne!(before.digest(), after.digest());
    }

    #[test]
    fn a_plan_survives_being_kept_as_json(files in any_files(), style in Style::any()) {
        let plan = check_files(&written(&files, style)).map_err(fail)?;
        for Agent { definition, .. } in plan.agents.values() {
            let kept: Definition = serde_json::from_str(&json(definition)).unwrap();
            prop_assert_eq!(&kept, definition);
            prop_assert_eq!(kept.digest(), definition.digest());
        }
        let kept: Project = serde_json::from_str(&json(&plan.project)).unwrap();
        prop_assert_eq!(kept, plan.project);
    }

    #[test]
    fn a_damaged_plan_gets_an_answer(
        files in any_files(),
        style in Style::any(),
        // The last of these lengths cuts the rest off.
        cuts in vec(
            (any::<Index>(), prop_oneof![9 => 0..12_usize, 1 => Just(99_999_usize)], vec(any::<u8>(), 0..4)),
            1..6,
        ),
    ) {
        let mut files = written(&files, style);
        for (at, len, insert) in cuts {
            for source in files.values_mut() {
                let Source::Bytes(bytes) = source else { unreachable!("so they are written") };
                let start = at.index(bytes.len() + 1);
                let end = usize::min(start + len, bytes.len());
                bytes.splice(start..end, insert.iter().copied());
            }
        }
        answered(&files);
    }
}

fn fail(problems: Problems) -> TestCaseError {
    TestCaseError::fail(problems.to_plain_text())
}

/// Checks a project and a wave that are both `bytes`.
fn answer(bytes: Vec<u8>) {
    let files = ["waves/project.yaml", "waves/w.yaml"];
    answered(&files.map(|path| (path.to_owned(), bytes.as_slice().into())).into());
}

/// Checks, and writes down what is wrong, in words that a terminal can show.
fn answered(files: &BTreeMap<String, Source>) {
    if let Err(problems) = check_files(files) {
        assert!(problems.errors() > 0);
        assert!(problems.to_lines().lines().count() == problems.len());
        let text = problems.to_plain_text();
        let odd = text.chars().find(|&c| c.is_control() && c != '\n');
        assert_eq!(odd, None, "{text}");
    }
}
