//! What GitHub runs: the `run:` scripts of the workflows of this repo, run here as
//! real processes, on machines that share nothing but the database and the git host.

use std::{fs, sync::Arc};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    Plan, Project,
    actions::{Actions, Conclusion, Effects, Event, files_of_this_repo},
    github::{Fault, GitHub, Hit, Reason},
    wait_until,
};

/// A project on GitHub, and a folder that its agents can all see.
struct Hosted {
    actions: Actions,
    github: Arc<GitHub>,
    project: Project,
    shared: TempDir,
}

impl Hosted {
    /// With a plan whose scripts find the folder as `SHARED`.
    fn with(plan: impl FnOnce(&str) -> Plan) -> Self {
        Self::edited(plan, |_, text| text)
    }

    fn edited(plan: impl FnOnce(&str) -> Plan, edit: impl Fn(&str, String) -> String) -> Self {
        let shared = TempDir::new().unwrap();
        let mut project = Project::with(&plan(shared.path().to_str().unwrap()));
        let github = Arc::new(GitHub::start());
        let actions = Actions::edited(&mut project, &github, edit);
        Self { actions, github, project, shared }
    }

    /// Something happens on the default branch, and everything that follows.
    #[track_caller]
    fn after(&self, name: &'static str, payload: Value) {
        self.happens(name, payload);
        self.actions.settle(&self.project);
    }

    fn happens(&self, name: &'static str, payload: Value) {
        self.actions.happens(Event::at(name, &self.actions.head(&self.project), payload));
    }

    /// The jobs that ran, in the order of their ends: `tick success`.
    fn jobs(&self) -> Vec<String> {
        let jobs = self.actions.jobs();
        jobs.iter().map(|job| format!("{} {:?}", job.name, job.result).to_lowercase()).collect()
    }

    /// All logs, for who wants to know why.
    fn logs(&self) -> String {
        self.actions.runs().iter().map(ToString::to_string).collect()
    }

    /// Every artifact is in a row and in one commit, with the same bytes.
    #[track_caller]
    fn agrees_with_git(&self) {
        assert_eq!(self.project.committed_in(&self.actions.bare()), self.project.stored());
        self.project.run(&["verify"]).ok();
    }
}

/// Two waves. The first two agents wait for each other; of the next two, one asks.
fn two_waves(shared: &str) -> Plan {
    let meets = |other: &str| {
        format!(
            "touch {shared}/$WAVEMARK_AGENT
             until [ -e {shared}/{other} ]; do [ -d {shared} ]; sleep 0.05; done
             emit doc/$WAVEMARK_AGENT.md done"
        )
    };
    Plan::new()
        .wave("one", "")
        .agent("vision", "produces: [doc/vision.md]", &meets("echo"))
        .agent("echo", "produces: [doc/echo.md]", &meets("vision"))
        .wave("two", "after: [one]")
        .agent(
            "pixel",
            "needs: [vision], produces: [doc/pixel.md]",
            "if grep -q blue \"$WAVEMARK_DIR\"/feedback/* 2>/dev/null; then
                 emit doc/pixel.md blue
             else
                 emit doc/draft.md red
                 wavemark ask 'Which colour?'
             fi",
        )
        .agent("reel", "needs: [vision, echo], produces: [doc/reel.md]", "emit doc/reel.md done")
}

#[test]
fn two_waves_are_built_by_jobs_that_start_the_next_tick_until_a_person_is_needed() {
    let hosted = Hosted::with(two_waves);

    hosted.after("schedule", json!({ "schedule": "17 */6 * * *" }));

    let statuses = "echo complete, pixel feedback, reel complete, vision complete";
    assert_eq!(hosted.project.statuses(), statuses, "{}", hosted.logs());
    let issues = hosted.github.issues();
    assert_eq!(issues.len(), 1, "{}", hosted.logs());
    assert_eq!(issues[0].title, "pixel asks: Which colour?");

    hosted.github.as_user("ann").comment(issues[0].number, "Take blue.");
    hosted.github.as_user("ann").close(issues[0].number, Reason::Completed);
    hosted.after("issues", json!({ "action": "closed", "issue": {} }));

    let statuses = "echo complete, pixel complete, reel complete, vision complete";
    assert_eq!(hosted.project.statuses(), statuses, "{}", hosted.logs());
    for agent in ["echo", "reel", "vision"] {
        assert_eq!(hosted.project.outcomes(agent), "succeeded");
    }
    assert_eq!(hosted.project.outcomes("pixel"), "paused, succeeded");
    assert_eq!(hosted.project.stored().len(), 5);
    hosted.agrees_with_git();
    let failed: Vec<String> =
        hosted.jobs().into_iter().filter(|job| job.ends_with("failure")).collect();
    assert_eq!(failed, [""; 0], "{}", hosted.logs());
    let tick = hosted.actions.job("tick");
    assert!(tick.step("Where things stand").summary.contains("    "), "{}", tick.log());
}

/// Stores one thing, and goes on until it is told to stop; then it is done at once.
fn slow(trap: &str) -> String {
    format!(
        "if [ -e \"$WAVEMARK_DIR/checkpoints/doc/a.md\" ]; then
             emit doc/b.md two
             exit 0
         fi
         {trap}
         setsid sh -c '{trap}; while :; do sleep 0.05; done' &
         emit doc/a.md one
         while :; do sleep 0.05; done"
    )
}

#[test]
fn a_cancelled_job_loses_nothing_and_leaves_nothing_behind() {
    for trap in ["trap \"exit 1\" TERM INT", "trap \"\" TERM INT"] {
        let hosted = Hosted::with(|_| {
            Plan::new().agent("reel", "produces: [doc/a.md, doc/b.md]", &slow(trap))
        });
        hosted.happens("schedule", json!({}));
        wait_until("the checkpoint is stored", || hosted.project.stored().len() == 1);

        hosted.actions.cancel("build reel");
        hosted.actions.settle(&hosted.project);

        let cancelled = hosted.actions.job("build reel");
        assert_eq!(cancelled.result, Conclusion::Cancelled, "{}", hosted.logs());
        assert_eq!(hosted.project.outcomes("reel"), "interrupted", "{}", hosted.logs());
        assert_eq!(hosted.project.alive(), 0);

        hosted.after("schedule", json!({}));

        assert_eq!(hosted.project.status("reel"), "complete", "{}", hosted.logs());
        assert_eq!(hosted.project.outcomes("reel"), "interrupted, succeeded");
        // No attempt was used up.
        assert_eq!(hosted.project.sql("select max(attempt) from runs"), "1");
        assert_eq!(hosted.project.stored().len(), 2);
        hosted.agrees_with_git();
    }
}

/// What an agent may print to be taken for somebody else. Of what comes at once,
/// only the last is shown.
const FORGED: &str = "
for line in '::error file=waves/one.yaml,line=1::forged' '##[error]forged' '##[add-mask]doc' \
    '##[set-output name=agents]evil' '##[add-path]/evil' '::stop-commands::' '##[stop-commands]'; do
    echo \"$line\"
    sleep 0.4
    echo \"$line\" >&2
    sleep 0.4
done
emit doc/loud.md done";

fn loud() -> Plan {
    Plan::new().agent("loud", "produces: [doc/loud.md]", FORGED)
}

#[test]
fn nothing_that_an_agent_prints_is_obeyed() {
    let hosted = Hosted::with(|_| loud());

    hosted.after("schedule", json!({}));

    assert_eq!(hosted.project.status("loud"), "complete", "{}", hosted.logs());
    let build = hosted.actions.job("build loud");
    // It is there for people to read, and nothing came of it.
    assert!(build.step("Build").log.contains("##[error]forged"), "{}", build.log());
    for job in hosted.actions.jobs() {
        for step in &job.steps {
            assert_eq!(step.effects, Effects::default(), "{}", hosted.logs());
        }
    }
}

#[test]
fn without_the_fence_it_would_be() {
    let unfenced = |_: &str, text: String| text.replace("echo \"::stop-commands::$fence\"", ":");
    let hosted = Hosted::edited(|_| loud(), unfenced);

    hosted.after("schedule", json!({}));

    let build = hosted.actions.job("build loud");
    let effects = &build.step("Build").effects;
    assert!(effects.annotations.contains(&"error forged".to_owned()), "{}", build.log());
    assert!(effects.masks.contains("doc"), "{}", build.log());
}

#[test]
fn what_is_said_of_the_database_is_hidden_in_the_log() {
    let project = Plan::new().agent("vision", "", "true");
    let mut hosted = Hosted::with(|_| project);
    let url = hosted.project.database_url().replace("@localhost", ":s3cret-word@localhost");
    hosted.actions.secret("DATABASE_URL", &url);

    hosted.after("schedule", json!({}));

    assert_eq!(hosted.project.status("vision"), "complete", "{}", hosted.logs());
    for (job, step) in [("tick", "Tick"), ("build vision", "Build")] {
        let job = hosted.actions.job(job);
        let masks = &job.step(step).effects.masks;
        assert_eq!(masks.iter().collect::<Vec<_>>(), ["s3cret-word"], "{}", job.log());
    }
    assert!(!hosted.logs().contains("s3cret-word"));
}

#[test]
fn a_tick_that_ends_red_still_names_who_can_start() {
    let hosted = Hosted::with(|_| Plan::new().agent("vision", "", "true"));
    hosted.github.disturb("GET /repos/*/*/issues", Hit::From(1), Fault::BadGateway);

    hosted.after("schedule", json!({}));

    let tick = hosted.actions.job("tick");
    assert_eq!(tick.result, Conclusion::Failure, "{}", tick.log());
    assert_eq!(tick.outputs["agents"], "[\"vision\"]");
    assert_eq!(hosted.project.status("vision"), "complete", "{}", hosted.logs());
}

#[test]
fn without_a_database_the_tick_says_what_to_do_and_starts_nothing() {
    let mut hosted = Hosted::with(|_| Plan::new().agent("vision", "", "true"));
    hosted.actions.secret("DATABASE_URL", "");

    hosted.after("schedule", json!({}));

    assert_eq!(hosted.jobs(), ["tick failure"]);
    let tick = hosted.actions.job("tick");
    let told = &tick.step("Tick").effects.annotations;
    assert!(told.len() == 1 && told[0].contains("Add DATABASE_URL to the secrets"), "{told:?}");
}

#[test]
fn many_events_at_once_are_few_ticks_and_build_nobody_twice() {
    let hosted = Hosted::with(|shared| {
        let script = format!("echo >>{shared}/$WAVEMARK_AGENT; sleep 0.5; emit doc/a.md a");
        (0..3).fold(Plan::new(), |plan, number| {
            plan.agent(&format!("a{number}"), "produces: [doc/a.md]", &script)
        })
    });

    for number in 0..6 {
        match number % 2 {
            0 => hosted.happens("issues", json!({ "action": "opened", "issue": {} })),
            _ => hosted.happens("issue_comment", json!({ "action": "created", "issue": {} })),
        }
    }
    hosted.actions.settle(&hosted.project);

    assert_eq!(hosted.project.statuses(), "a0 complete, a1 complete, a2 complete");
    for agent in ["a0", "a1", "a2"] {
        assert_eq!(hosted.project.outcomes(agent), "succeeded");
        let lines = fs::read_to_string(hosted.shared.path().join(agent)).unwrap();
        assert_eq!(lines.lines().count(), 1);
    }
    hosted.agrees_with_git();
    let failed = hosted.jobs().into_iter().filter(|job| job.ends_with("failure")).count();
    assert_eq!(failed, 0, "{}", hosted.logs());
}

#[test]
fn what_is_no_news_starts_nothing() {
    let hosted = Hosted::with(|_| Plan::new().agent("vision", "", "true"));
    let head = hosted.actions.head(&hosted.project);
    let push = |git_ref: &str, path: &str| {
        hosted.actions.happens(Event {
            git_ref: git_ref.to_owned(),
            paths: vec![path.to_owned()],
            ..Event::at("push", &head, json!({}))
        });
        hosted.actions.settle(&hosted.project);
    };

    push("refs/heads/main", "README.md");
    push("refs/heads/idea", "waves/one.yaml");
    hosted.after("issues", json!({ "action": "assigned", "issue": {} }));
    let comment = json!({ "action": "created", "issue": { "pull_request": { "url": "" } } });
    hosted.after("issue_comment", comment);

    assert_eq!(hosted.jobs(), [""; 0]);
    assert_eq!(hosted.project.status("vision"), "draft");
}

/// A pull request, seen by the workflows.
fn pull_request(hosted: &Hosted, number: u64, head: &str, sha: &str) -> Event {
    let (owner, branch) = head.split_once(':').unwrap();
    let repo = format!("{owner}/{}", GitHub::REPO.split_once('/').unwrap().1);
    let merge = hosted.actions.merge(&hosted.project, branch, number);
    let head = json!({
        "ref": branch,
        "sha": sha,
        "repo": { "full_name": repo, "owner": { "login": owner } },
    });
    let payload = json!({
        "action": "opened",
        "pull_request": { "number": number, "head": head },
    });
    Event {
        git_ref: format!("refs/pull/{number}/merge"),
        paths: vec!["waves/one.yaml".to_owned()],
        ..Event::at("pull_request", &merge, payload)
    }
}

fn small(word: &str) -> Plan {
    Plan::new().agent("vision", &format!("env: {{ WORD: {word} }}"), "true")
}

/// Opens a pull request with this plan, and waits until all is said about it.
fn propose(hosted: &Hosted, head: &str, plan: &Plan) -> u64 {
    let branch = head.split_once(':').unwrap().1;
    hosted.project.replan(plan);
    let sha = hosted.actions.commit(&hosted.project, branch);
    let number = hosted.github.as_user("ann").propose("Another plan", head, &sha);
    hosted.actions.happens(pull_request(hosted, number, head, &sha));
    hosted.actions.settle(&hosted.project);
    number
}

fn said(hosted: &Hosted, number: u64) -> String {
    let comments = hosted.github.comments(number);
    assert_eq!(comments.len(), 1, "{}", hosted.logs());
    assert_eq!(comments[0].user, "github-actions[bot]");
    comments[0].body.clone()
}

#[test]
fn a_pull_request_is_told_what_it_would_do_and_merging_it_does_that() {
    let hosted = Hosted::with(|_| small("one"));
    let before = hosted.actions.head(&hosted.project);

    let number = propose(&hosted, "acme:idea", &small("two"));

    assert!(said(&hosted, number).contains("vision"), "{}", hosted.logs());
    let plan = hosted.actions.job("plan");
    assert_eq!(plan.result, Conclusion::Success, "{}", plan.log());
    assert!(plan.step("Plan").summary.contains("vision"), "{}", plan.log());
    assert_eq!(hosted.actions.head(&hosted.project), before);

    // It is merged: what was agreed to is synced, and the tick that follows builds it.
    let merged = hosted.actions.commit(&hosted.project, "main");
    hosted.github.as_user("ann").merge(number, &merged);
    hosted.actions.happens(Event {
        paths: vec!["waves/one.yaml".to_owned()],
        ..Event::at("push", &merged, json!({}))
    });
    hosted.actions.settle(&hosted.project);

    let sync = hosted.actions.job("sync");
    assert_eq!(sync.result, Conclusion::Success, "{}", sync.log());
    assert!(sync.log().contains(&format!("#{number} was merged with the plan")), "{}", sync.log());
    assert_eq!(hosted.project.status("vision"), "complete", "{}", hosted.logs());
    let body = "select body->'env'->>'WORD' from wavemark.definitions order by 1";
    assert!(hosted.project.sql(body).contains("two"));
}

#[test]
fn a_plan_with_problems_is_marked_and_told() {
    let hosted = Hosted::with(|_| small("one"));
    let wrong = Plan::new().agent("vision", "needs: [nobody]", "true");

    let number = propose(&hosted, "acme:idea", &wrong);

    let plan = hosted.actions.job("plan");
    assert_eq!(plan.result, Conclusion::Failure, "{}", plan.log());
    let marks = &plan.step("Check").effects.annotations;
    assert!(marks.len() == 1 && marks[0].starts_with("error waves/one.yaml:"), "{marks:?}");
    assert!(said(&hosted, number).contains("nobody"), "{}", hosted.logs());
}

#[test]
fn a_fork_gets_no_secrets_and_its_comment_is_written_by_another_run() {
    let hosted = Hosted::with(|_| small("one"));

    let number = propose(&hosted, "eve:idea", &small("two"));

    let fork = hosted.actions.job("plan of a fork");
    assert_eq!(fork.result, Conclusion::Success, "{}", fork.log());
    assert!(fork.step("Plan").summary.contains("vision"), "{}", fork.log());
    assert_eq!(hosted.actions.job("comment").result, Conclusion::Success, "{}", hosted.logs());
    assert!(said(&hosted, number).contains("vision"), "{}", hosted.logs());
    assert!(!hosted.jobs().iter().any(|job| job.starts_with("plan success")));
}

#[test]
fn what_a_fork_left_is_taken_for_nothing_but_a_plan() {
    let hosted = Hosted::with(|_| small("one"));
    let sha = "1".repeat(40);
    let number = hosted.github.as_user("eve").propose("Mine", "eve:idea", &sha);
    let forged = |run: u64| {
        let head = json!({ "full_name": "eve/waves", "owner": { "login": "eve" } });
        let payload = json!({
            "action": "completed",
            "workflow_run": {
                "id": run, "name": "plan", "event": "pull_request", "conclusion": "success",
                "head_branch": "idea", "head_sha": sha, "head_repository": head,
            },
        });
        hosted.after("workflow_run", payload);
        hosted.actions.job("comment").result
    };
    let leave = |run: u64, name: &str, text: &str| {
        let folder = hosted.actions.artifact(run, "plan");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), text).unwrap();
    };
    // Nothing, another name, one more file, too much, and no plan.
    leave(2, "other.json", "{}");
    leave(3, "plan.json", "[]");
    leave(3, "::add-mask::a", "");
    leave(4, "plan.json", &" ".repeat(1_048_577));
    leave(5, "plan.json", "::error::forged");

    for run in 1..=5 {
        assert_eq!(forged(run), Conclusion::Failure, "{run}: {}", hosted.logs());
    }

    assert_eq!(hosted.github.comments(number).len(), 0);
    for job in hosted.actions.jobs() {
        for step in &job.steps {
            assert_eq!(step.effects, Effects::default(), "{}", hosted.logs());
        }
    }
}

#[test]
fn an_issue_form_that_is_out_of_date_is_told_and_not_pushed() {
    let hosted = Hosted::with(|_| small("one"));
    let form = include_str!("../../.github/ISSUE_TEMPLATE/feedback.yml");
    hosted.actions.write(".github/ISSUE_TEMPLATE/feedback.yml", form);
    let head = hosted.actions.commit(&hosted.project, "main");

    hosted.actions.happens(Event {
        only: Some("sync.yml".to_owned()),
        ..Event::at("workflow_dispatch", &head, json!({}))
    });
    hosted.actions.settle(&hosted.project);

    let sync = hosted.actions.job("sync");
    assert_eq!(sync.result, Conclusion::Success, "{}", sync.log());
    let step = sync.step("Whether the issue form lists these agents");
    assert!(step.summary.contains("-        - pixel"), "{}", step.summary);
    assert_eq!(step.effects.annotations.len(), 1);
    assert_eq!(hosted.actions.head(&hosted.project), head);
}

#[test]
fn every_action_that_is_used_is_known_and_pinned() {
    let known = [
        "actions/attest-build-provenance",
        "actions/cache/restore",
        "actions/cache/save",
        "actions/checkout",
        "actions/download-artifact",
        "actions/upload-artifact",
    ];
    let mut seen = 0;
    for (path, file) in files_of_this_repo() {
        let jobs = file["jobs"].as_object().map(|jobs| jobs.values().cloned().collect::<Vec<_>>());
        for part in jobs.unwrap_or_else(|| vec![file["runs"].clone()]) {
            for step in part["steps"].as_array().unwrap() {
                let Some(uses) = step["uses"].as_str() else { continue };
                seen += 1;
                if uses == "./.github/actions/wavemark" {
                    continue;
                }
                let (name, hash) = uses.split_once('@').unwrap();
                let pinned = hash.len() == 40 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
                assert!(known.contains(&name) && pinned, "{}: {uses}", path.display());
            }
        }
    }
    assert!(seen > 20, "is this where the workflows are?");
}
