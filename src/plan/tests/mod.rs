//! The whole way: files in, a plan or problems out.

mod schema;

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::{Value, json};

use super::{
    Facts, Plan, Problems, Source, read,
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
    fn whatever_a_plan_says_else_changes_its_digest(
        mut files in any_files(),
        style in Style::any(),
        file in any::<Index>(),
        change in any::<Index>(),
    ) {
        let before = check_files(&written(&files, style)).map_err(fail)?.digest();
        let file = file.index(files.len());
        change_one_field(files.values_mut().nth(file).unwrap(), change);
        let after = check_files(&written(&files, style)).map_err(fail)?.digest();
        prop_assert_ne!(before, after);
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

/// Gives one field of a file a value that no random plan has.
fn change_one_field(file: &mut Value, pick: Index) {
    let new = |name: &str, value: Value| (name.to_owned(), value);
    if file.get("project").is_some() {
        let (name, value) = pick
            .get(&[
                new("project", json!("other")),
                new("artifacts", json!({ "branch": "other" })),
                new("artifacts", json!({ "max_size": 9999 })),
                new("pools", json!({ "default": 77, "gpu": 77 })),
                new("pools", json!({ "gpu": 77, "other": 1 })),
                new("grace", json!("77s")),
                new("backoff", json!("77s")),
                new("backoff_cap", json!("77m")),
                new("stall_timeout", json!("77s")),
                new("lease", json!("77s")),
                new("tick_every", json!("77s")),
                new("infra_retries", json!(777)),
                new("trust", json!({ "role": "write" })),
            ])
            .clone();
        file[name] = value;
        return;
    }
    let agents = file["agents"].as_object_mut().unwrap();
    let other = |field: &Value, words: [&str; 2]| json!(words[usize::from(field == words[0])]);
    let agent = pick.index(agents.len());
    let agent = agents.values_mut().nth(agent).unwrap();
    let mut changes = vec![
        new("title", json!("Another")),
        new("prompt", json!("Another.")),
        new("run", json!({ "exec": ["true", 5, "-q"] })),
        new("env", json!({ "A": "1", "OTHER": "" })),
        new("secrets", json!(["OTHER"])),
        new("produces", json!(["doc/other.md"])),
        new("timeout", json!("77s")),
        new("retries", json!(77)),
        new("priority", json!(77)),
        new("pool", other(&agent["pool"], ["gpu", "default"])),
        new("review", other(&agent["review"], ["required", "parallel"])),
        new("on_stale", other(&agent["on_stale"], ["rebuild", "keep"])),
    ];
    changes.retain(|(name, value)| !(value == "default" && agent[name].is_null()));
    if agent["needs"].as_array().is_some_and(|needs| !needs.is_empty()) {
        changes.push(new("needs", json!([])));
    }
    let (name, value) = pick.get(&changes).clone();
    agent[name] = value;
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
