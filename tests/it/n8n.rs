//! Work that n8n does: launched once more when in doubt, done once.

use rustix::process::Signal;

use crate::support::{
    Grants, N8n, Plan, Project, Rest,
    Turn::{
        self, AnswerLost, Crashes, DiesFirst, Fails, FailsSilently, ForgetsToFinish,
        ForgetsToFinishAndIsSaved, Starting, Twice, Unpublished, Waits,
    },
    wait_until,
};

/// What n8n does, after a program here did something.
fn plan(more: &str) -> Plan {
    Plan::new()
        .setting("grace: 1s")
        .agent("brief", "produces: [doc/brief.md]", "emit doc/brief.md 'Be brief.'")
        .entry("vision", &format!("{}, needs: [brief], produces: [doc/summary.md]", run(more)))
}

/// The runner of an agent that n8n builds.
fn run(more: &str) -> String {
    let n8n = "webhook: \"{env:N8N_URL}/webhook/vision\", \
               auth: { header: X-Wavemark-Secret, secret: N8N_SECRET }, timeout: 10m";
    format!("run: {{ n8n: {{ {n8n}{more} }} }}")
}

/// What a project with an n8n consists of.
struct Stage {
    project: Project,
    n8n: N8n,
    _rest: Rest,
}

fn stage(more: &str, turns: &[Turn]) -> Stage {
    stage_of(&plan(more), turns)
}

fn stage_of(plan: &Plan, turns: &[Turn]) -> Stage {
    let mut project = Project::on_supabase(plan, Grants::Nothing);
    let n8n = N8n::start(turns);
    project.env("N8N_URL", n8n.url());
    project.env("N8N_SECRET", N8n::SECRET);
    project.env("N8N_API_KEY", N8n::API_KEY);
    project.run(&["sync"]).ok();
    let rest = project.rest();
    project.env("WAVEMARK_API_URL", &rest.url());
    Stage { project, n8n, _rest: rest }
}

/// The outcomes of the runs, when nothing more can move, and the details of
/// those that were no success.
#[track_caller]
fn built(stage: &Stage) -> String {
    stage.project.run(&["run", "--poll", "100ms"]).ok();
    assert_eq!(stage.project.statuses(), "brief complete, vision complete");
    let shown = stage.project.run(&["show", "vision", "doc/summary.md"]).ok().stdout;
    assert_eq!(shown.trim_end(), "Built on: Be brief.");
    assert_eq!(stage.project.sql("select count(*) from artifacts where name = 'summary.md'"), "1");
    stage.project.agrees_with_git();
    outcomes(stage)
}

fn outcomes(stage: &Stage) -> String {
    stage.project.sql(
        "select r.outcome || ': ' || r.detail from runs r join agents a on a.id = r.agent_id
         where a.name = 'vision' order by r.epoch",
    )
}

#[test]
fn a_workflow_of_n8n_builds_an_agent() {
    let stage = stage("", &[]);
    let said = stage.project.run(&["run", "--poll", "100ms", "-vv", "--json"]).ok();

    assert_eq!(stage.project.statuses(), "brief complete, vision complete");
    let took = "select extract(epoch from max(finished_at) - min(claimed_at)) from runs";
    let took: f64 = stage.project.sql(took).parse().unwrap();
    let told = said.clone().json()["makespan_seconds"].as_f64().unwrap();
    assert!(told > took - 0.1, "{told} of {took}");
    let executions = stage.n8n.executions();
    assert_eq!(executions.len(), 1);
    let input = &executions[0].input;
    assert_eq!(input["deps"][0]["content"], "Be brief.\n");
    assert_eq!((&input["agent"], &input["epoch"]), (&"vision".into(), &1.into()));
    let token = input["token"].as_str().unwrap();
    for secret in [token, N8n::SECRET, N8n::API_KEY] {
        assert!(!said.stdout.contains(secret) && !said.stderr.contains(secret), "{said}");
    }
    assert_eq!(
        stage.project.sql("select output_summary from agents where name = 'vision'"),
        "Built by n8n."
    );
    stage.project.agrees_with_git();
}

#[test]
fn of_two_executions_of_one_launch_one_does_the_work() {
    let stage = stage("", &[Twice]);
    assert_eq!(built(&stage), "succeeded: everything declared is stored");
    let executions = stage.n8n.executions();
    assert_eq!(executions.len(), 2);
    let turned_away = |last: &str| last.contains("another one works on this run");
    wait_until("both are over", || {
        stage.n8n.executions().iter().all(|one| one.status != "running")
    });
    let executions = stage.n8n.executions();
    assert_eq!(executions.iter().filter(|one| turned_away(&one.last)).count(), 1);
}

#[test]
fn an_answer_that_is_lost_is_not_waited_for() {
    let stage = stage("", &[AnswerLost]);
    assert_eq!(built(&stage), "succeeded: everything declared is stored");
    assert_eq!(stage.n8n.executions().len(), 1);
}

#[test]
fn what_may_pass_is_tried_again() {
    let stage = stage("", &[Starting, DiesFirst, Fails, Crashes]);
    insta::assert_snapshot!(built(&stage), @"
    lost: not started: n8n is still starting: it answered 404 before it knew its workflows
    failed: n8n answered 200 with nothing in it: the workflow failed before its Respond node
    failed: said that it failed: Sheet: The sheet is gone
    lost: nobody saw it end: n8n was cut off while it worked on it: Sheet: Workflow did not finish
    succeeded: everything declared is stored
    ");
}

#[test]
fn what_n8n_says_counts_where_there_is_a_key() {
    let stage = stage(", api_key: N8N_API_KEY", &[FailsSilently, ForgetsToFinishAndIsSaved]);
    insta::assert_snapshot!(built(&stage), @"
    failed: n8n says that its workflow failed
    failed: n8n says that it succeeded, but it never called run_finish
    succeeded: everything declared is stored
    ");
}

#[test]
fn one_tick_judges_what_n8n_says_now() {
    let stage = stage(", api_key: N8N_API_KEY", &[FailsSilently]);
    stage.project.run(&["tick"]).ok();
    stage.project.run(&["tick"]).ok();
    wait_until("it is over", || stage.n8n.executions()[0].status == "error");
    stage.project.run(&["tick"]).ok();
    assert_eq!(outcomes(&stage), "failed: n8n says that its workflow failed");
}

#[test]
fn an_n8n_that_never_answers_holds_nothing_up_here() {
    const COUNT: usize = 4;
    let remote = run(", api_key: N8N_API_KEY");
    let plan = Plan::new().setting("lease: 5s").agent("local", "", "note began; gate open");
    let plan = (0..COUNT).fold(plan, |plan, i| plan.entry(&format!("remote-{i}"), &remote));
    let stage = stage_of(&plan, &[Waits; COUNT]);
    stage.n8n.falls_silent();
    let run = stage.project.start(&["run", "--poll", "100ms"]);
    wait_until("n8n is asked about all", || stage.n8n.unanswered() >= COUNT);
    let lived = "select count(*) from runs r join agents a on a.id = r.agent_id
        where a.name = 'local' and r.lease_until > r.claimed_at + interval '12 seconds'";
    wait_until("its lease was prolonged", || stage.project.sql(lived) == "1");
    stage.project.open("open");
    wait_until("it is done", || stage.project.status("local") == "complete");
    assert_eq!(stage.project.outcomes("local"), "succeeded");

    run.signal(Signal::INT);
    run.wait().exits(1);
    let left = "select count(*) from runs where remote and finished_at is null";
    assert_eq!(stage.project.sql(left), COUNT.to_string());
}

/// Ticks can be hours apart, and a workflow may say nothing for as long.
#[test]
fn an_execution_that_goes_on_is_not_lost_between_two_ticks() {
    let plan = plan(", api_key: N8N_API_KEY").setting("lease: 5s").setting("stall_timeout: 2s");
    let stage = stage_of(&plan, &[Waits]);
    let count = |what: &str| stage.project.sql(&format!("select count(*) from runs where {what}"));
    stage.project.run(&["tick"]).ok();
    stage.project.run(&["tick"]).ok();
    wait_until("somebody works on it", || count("remote and reference is not null") == "1");
    for command in [&["tick"][..], &["feedback", "add", "vision", "So far, so good."], &["tick"]] {
        wait_until("its lease ran out", || count("remote and lease_until < now()") == "1");
        stage.project.run(command);
        assert_eq!(count("remote and finished_at is null"), "1", "{command:?}");
    }
    stage.n8n.let_go();
    wait_until("it says how it ended", || count("reported is not null") == "1");
    stage.project.run(&["tick"]).ok();
    assert_eq!(count("remote and outcome is distinct from 'succeeded'"), "0");
}

#[test]
fn an_execution_that_n8n_forgot_is_not_waited_for() {
    let stage = stage_of(&plan(", api_key: N8N_API_KEY").setting("lease: 5s"), &[ForgetsToFinish]);
    insta::assert_snapshot!(built(&stage), @"
    lost: nobody saw it end: n8n does not know its execution any more, and it never called run_finish; or `api_key` belongs to somebody who cannot see it
    succeeded: everything declared is stored
    ");
}

#[test]
fn what_needs_a_person_is_not_tried_again() {
    let unpublished = stage("", &[Unpublished]);
    unpublished.project.run(&["run", "--poll", "100ms"]).ok();
    let mut told = vec![outcomes(&unpublished)];

    let mut wrong = stage("", &[]);
    wrong.project.env("N8N_SECRET", "nonsense");
    wrong.project.run(&["run", "--poll", "100ms"]).ok();
    told.push(outcomes(&wrong));

    let mut unset = stage("", &[]);
    unset.project.env("N8N_SECRET", "");
    unset.project.run(&["run", "--poll", "100ms"]).ok();
    told.push(outcomes(&unset));

    let mut plain = stage("", &[]);
    plain.project.env("N8N_URL", "http://n8n.example.org");
    plain.project.run(&["run", "--poll", "100ms"]).ok();
    told.push(outcomes(&plain));
    assert_eq!(plain.project.statuses(), "brief complete, vision feedback");

    insta::assert_snapshot!(told.join("\n"), @r#"
    refused: n8n knows no such webhook: publish the workflow, and let its Webhook node take POST: The requested webhook "POST vision" is not registered.
    refused: it answered 403: is `auth` in the plan, and its secret, what it asks for?
    refused: the secret N8N_SECRET is not set: set it in the environment of `wavemark`
    refused: {env:N8N_URL}/webhook/vision comes out unencrypted: use https://, as the secrets of a run go there
    "#);
}

#[test]
fn that_nobody_is_told_where_to_report_is_said() {
    let mut stage = stage("", &[Unpublished]);
    let words = "`vision` is told no address to report to: set SUPABASE_URL";
    stage.project.env("WAVEMARK_API_URL", "");
    let said = stage.project.run(&["run", "--poll", "100ms"]).ok();
    assert_eq!(said.stderr.matches(words).count(), 1, "{said}");

    stage.project.env("WAVEMARK_API_URL", "http://127.0.0.1:9");
    stage.project.run(&["retry", "vision"]).ok();
    let said = stage.project.run(&["tick"]).ok();
    assert!(!said.stderr.contains(words), "{said}");
}

#[test]
fn a_tick_launches_and_leaves_and_another_one_judges() {
    let stage = stage("", &[Waits]);
    stage.project.run(&["tick"]).ok();
    stage.project.run(&["tick"]).ok();
    assert_eq!(stage.project.statuses(), "brief complete, vision building");
    let told = stage.project.run(&["build", "vision"]).ok();
    assert!(told.stdout.contains("being built elsewhere"), "{told}");

    stage.n8n.let_go();
    wait_until("it is done", || stage.n8n.executions()[0].status == "success");
    assert_eq!(stage.project.status("vision"), "building");
    stage.project.run(&["tick"]).ok();

    assert_eq!(stage.project.statuses(), "brief complete, vision complete");
    stage.project.agrees_with_git();
}

#[test]
fn a_run_that_is_stopped_elsewhere_writes_nothing_more() {
    let stage = stage(", stop: \"{env:N8N_URL}/webhook/stop\"", &[Waits]);
    stage.project.run(&["tick"]).ok();
    stage.project.run(&["tick"]).ok();
    wait_until("it is claimed", || {
        stage.project.sql("select count(*) from runs where reference is not null") == "1"
    });
    stage.project.run(&["feedback", "add", "vision", "Shorter."]).ok();
    stage
        .project
        .sql("update runs set stop_at = stop_at - interval '1 hour' where stop is not null");
    stage.project.run(&["tick"]).ok();

    assert_eq!(stage.project.outcomes("vision"), "paused");
    let stops = stage.n8n.stops();
    assert_eq!((stops.len(), &stops[0]["reason"]), (1, &"feedback".into()));
    assert_eq!(stops[0]["reference"], "n8n:1");

    stage.n8n.let_go();
    wait_until("it is turned away", || stage.n8n.executions()[0].status == "error");
    assert!(stage.n8n.executions()[0].last.contains("the run has ended: paused"));
    assert_eq!(stage.project.sql("select count(*) from artifacts where name = 'summary.md'"), "0");
}
