//! What agent programs use and cost, and what follows when that is too much.

use super::{CONVERSATIONS, calls, detail, project, project_with};
use crate::support::{Plan, Project};

#[test]
fn one_that_spends_more_than_it_may_is_stopped_while_it_goes_on() {
    let fields = "run: { claude: {} }, budget_usd: 0.001, produces: [doc/a.md]";
    let script = "[ $calls = 1 ] && replay claude-good && exec sleep 1000
        emit doc/a.md done; replay claude-good";
    let plan = Plan::new().setting("grace: 1s");
    let project = project_with(plan, "claude", fields, script);

    project.run(&["run"]).ok();

    assert_eq!(project.sql("select kind from feedback"), "failure", "{}", detail(&project));
    assert_eq!((project.outcomes("vision"), calls(&project)), ("paused".to_owned(), 1));
    let status = project.run(&["status"]).ok().stdout;
    assert!(status.contains("used: ") && status.contains("tokens in"), "{status}");

    project.run(&["feedback", "resolve", "1"]).ok();
    project.run(&["run"]).ok();
    assert_eq!(project.status("vision"), "complete", "{}", detail(&project));
}

/// Shell that prints a step of OpenCode which cost so many dollars.
const STEP: &str = r#"step() { printf '{"type":"step_start","sessionID":"s","part":{}}\n{"type":"text","sessionID":"s","part":{"text":"Hi."}}\n{"type":"step_finish","sessionID":"s","part":{"reason":"%s","cost":%s,"tokens":{"input":1}}}\n' "$1" "$2"; }
"#;

#[test]
fn a_run_that_spent_its_budget_asks_for_more_and_is_not_tried_again_by_itself() {
    let told = "run: { claude: { budget_usd: 0.3 } }, produces: [doc/a.md]";
    let watched = "run: { opencode: { budget_usd: 0.3 } }, produces: [doc/a.md]";
    let spends = "for i in 1 2 3 4; do step tool-calls 0.1; done; sleep 1000";
    for (program, fields, script) in [
        ("claude", told, "replay claude-budget; exit 1".to_owned()),
        ("opencode", watched, format!("{STEP}{spends}")),
    ] {
        let project = project(program, fields, &script);

        project.run(&["run"]).ok();

        assert_eq!((project.outcomes("vision"), calls(&project)), ("refused".to_owned(), 1));
        let said = project.sql("select kind || ': ' || feedback_text from feedback");
        for word in ["failure: ", "spent the budget of $0.30 of a run", "may spend as much"] {
            assert!(said.contains(word), "{program}: {said}");
        }
        project.run(&["retry", "vision"]).ok();
        project.run(&["run"]).ok();
        assert_eq!(calls(&project), 2);
    }

    // What is over well is over, whatever it cost.
    let script = format!("{STEP}emit doc/a.md done; step stop 0.9");
    let project = project("opencode", watched, &script);
    project.run(&["run"]).ok();
    assert_eq!(project.outcomes("vision"), "succeeded", "{}", detail(&project));
}

#[test]
fn figures_that_nobody_can_hold_hold_up_nobody() {
    let script = format!(
        "{STEP}for i in $(seq 30); do step tool-calls 9.9e8; done; step tool-calls 1e400; step tool-calls NaN
         emit doc/a.md done; step stop -1"
    );
    let plan = Plan::new().setting("budget_usd: 900000000").agent(
        "boast",
        "",
        r#"echo '{"usage":{"output":18446744073709551615,"cost":{"usd_micros":18446744073709551615,"basis":"reported"}}}' >"$WAVEMARK_DIR/result.json""#,
    );
    let project =
        project_with(plan, "opencode", "run: { opencode: {} }, produces: [doc/a.md]", &script);

    project.run(&["run"]).ok();

    assert_eq!(project.statuses(), "boast complete, vision complete", "{}", detail(&project));
    let most = 1_000_000_000_000_000_u64;
    let spent = || project.run(&["status", "--json"]).ok().json()["usage"]["cost"].clone();
    assert_eq!(spent()["usd_micros"], most);
    // What is written by hand may be anything.
    for odd in ["{\"cost\":{\"usd_micros\":\"many\"}}", "{\"cost\":7,\"output\":-1}"] {
        project.sql(&format!("update runs set usage = '{odd}' where agent_id = (select id from agents where name = 'boast')"));
        project.run(&["tick"]).ok();
        assert_eq!(spent()["usd_micros"], most);
    }
}

#[test]
fn what_a_program_without_events_writes_down_of_its_use_counts() {
    let script = r#"emit doc/a.md done
        echo '{"usage":{"turns":2,"cost":{"usd_micros":250000,"basis":"reported"}}}' >"$WAVEMARK_DIR/result.json""#;
    let plan = Plan::new().profile("mine", "start: [mine]\nprompt: stdin\n");
    let project = project_with(plan, "mine", "run: { mine: {} }, produces: [doc/a.md]", script);

    project.run(&["run"]).ok();

    let told = project.run(&["events"]).ok().stdout;
    assert!(told.contains("$0.25, 2 turns"), "{told}");
}

#[test]
fn what_a_program_does_not_say_it_costs_follows_from_the_price_of_its_model() {
    let fields =
        "run: { codex: { model: big } }, budget_usd: 0.002, retries: 5, produces: [doc/a.md]";
    let script = "[ $calls = 1 ] || emit doc/a.md done; replay codex-good";
    // 2000 tokens in, 400 more from the cache, and 100 out.
    let plan = Plan::new().setting("prices: { big: { input: 1, cached: 0.5, output: 2 } }");
    let project = project_with(plan, "codex", fields, script);

    project.run(&["run"]).ok();

    let cost = "select usage ->> 'cost' from runs order by epoch desc limit 1";
    let told = project.sql(cost);
    assert_eq!(told, r#"{"basis": "computed", "usd_micros": 2400}"#);
    assert_eq!(calls(&project), 1, "there is no money to send it round");
    assert_eq!(project.outcomes("vision"), "failed");
    let asked = project.sql("select feedback_text from feedback");
    assert!(asked.contains("has used up its budget: $0.002"), "{asked}");

    project.run(&["feedback", "resolve", "1"]).ok();
    project.run(&["run"]).ok();
    assert_eq!(project.status("vision"), "complete", "{}", detail(&project));
}

#[test]
fn a_program_that_knows_limits_is_told_what_is_left_of_its_agents_budget() {
    let fields = "run: { claude: {} }, budget_usd: 1, produces: [doc/a.md]";
    let script = "[ $calls -lt 3 ] || emit doc/a.md done; replay claude-good";
    let project = project("claude", fields, script);

    project.run(&["run"]).ok();

    assert_eq!(project.outcomes("vision"), "failed, succeeded", "{}", detail(&project));
    // The second call is of the same run.
    let spent = project.sql("select usage #>> '{cost,usd_micros}' from runs where epoch = 1");
    assert_eq!(limits(&project), [1_000_000, 991_120, 1_000_000 - spent.parse::<u64>().unwrap()]);
}

#[test]
fn the_budget_of_a_run_is_the_same_when_an_earlier_conversation_goes_on() {
    let fields = "run: { claude: { budget_usd: 1, resume: session } }, produces: [doc/a.md]";
    let (_, _, file) = CONVERSATIONS[0];
    let script = format!(
        "if [ $calls = 1 ]; then
            it=\"{file}\"; mkdir -p \"$(dirname \"$it\")\"; echo x >\"$it\"; replay claude-good; exit 3
        fi
        emit doc/a.md done; replay claude-resumed"
    );
    let project = project("claude", fields, &script);

    project.run(&["run"]).ok();

    assert_eq!(project.outcomes("vision"), "failed, succeeded", "{}", detail(&project));
    assert!(project.read("said").contains("--resume\n"));
    assert_eq!(limits(&project), [1_000_000, 1_000_000]);
}

/// Whatever it says of its end.
#[test]
fn a_run_that_fails_and_cost_what_it_may_asks_before_another_one_does() {
    let end = r#"{"type":"result","subtype":"error_during_execution","is_error":true,"result":"a bad day","total_cost_usd":3.0}"#;
    for script in [format!("echo '{end}'; exit 1"), "replay claude-good".to_owned()] {
        let budget = if script.starts_with("echo") { "1" } else { "0.001" };
        let fields = format!(
            "run: {{ claude: {{ budget_usd: {budget} }} }}, produces: [doc/a.md], retries: 9"
        );
        let project = project("claude", &fields, &script);

        project.run(&["run"]).ok();

        assert_eq!(project.outcomes("vision"), "refused", "{}", detail(&project));
        assert_eq!(calls(&project), 1);
        let detail = detail(&project);
        assert!(detail.contains("; it spent the budget of $"), "{detail}");
    }
}

#[test]
fn nobody_is_sent_round_without_money() {
    let fields = "run: { claude: {} }, produces: [doc/a.md], budget_usd: 0.001, retries: 9";
    let project = project("claude", fields, "replay claude-good");
    project.run(&["run"]).ok();
    assert_eq!(project.outcomes("vision"), "failed", "{}", detail(&project));
    assert_eq!(calls(&project), 1);
    let asked = project.sql("select feedback_text from feedback");
    assert!(asked.contains("has used up its budget: $0.001"), "{asked}");
}

/// The limits that Claude Code was told, in millionths of a dollar.
fn limits(project: &Project) -> Vec<u64> {
    let said = project.read("said");
    let limits = said.split("--max-budget-usd\n").skip(1).filter_map(|it| it.lines().next());
    limits.map(|limit| (limit.parse::<f64>().unwrap() * 1e6).round() as u64).collect()
}
