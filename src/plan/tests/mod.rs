//! The whole way: files in, a plan or problems out.

mod schema;

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};

use super::{
    Facts, Plan, Problems, read,
    testing::{Style, any_files, check, written},
};

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

fn check_files(files: &BTreeMap<String, Vec<u8>>) -> Result<Plan, Problems> {
    read(files).check(&Facts::default())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

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
    fn any_bytes_get_an_answer(bytes in vec(any::<u8>(), 0..400)) {
        answer(bytes);
    }

    #[test]
    fn any_text_gets_an_answer(text in "[-a-z0-9:\\[\\]{}#&*!|>'\"%@`, \n\t?~<\\\\ä]{0,200}") {
        answer(text.into_bytes());
    }

    #[test]
    fn a_damaged_plan_gets_an_answer(
        files in any_files(),
        style in Style::any(),
        cuts in vec((any::<prop::sample::Index>(), 0..12usize, vec(any::<u8>(), 0..4)), 1..6),
    ) {
        let mut files = written(&files, style);
        for (at, len, insert) in cuts {
            for bytes in files.values_mut() {
                let start = at.index(bytes.len() + 1);
                let end = (start + len).min(bytes.len());
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
    let files = [("waves/project.yaml", bytes.clone()), ("waves/w.yaml", bytes)];
    answered(&files.map(|(path, bytes)| (path.to_owned(), bytes)).into());
}

/// Checks, and writes down what is wrong, in words that a terminal can show.
fn answered(files: &BTreeMap<String, Vec<u8>>) {
    if let Err(problems) = check_files(files) {
        assert!(problems.errors() > 0);
        assert!(problems.to_lines().lines().count() == problems.len());
        let text = problems.to_plain_text();
        let odd = text.chars().find(|&c| c.is_control() && c != '\n');
        assert_eq!(odd, None, "{text}");
    }
}
