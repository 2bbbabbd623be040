//! The whole way: files in, a plan or problems out.

use super::testing::check;

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
