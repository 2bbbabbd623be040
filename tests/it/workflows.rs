//! What GitHub runs: the `run:` scripts of the workflows of this repo, run here as
//! real processes, on machines that share nothing but the database and the git host.

use std::{fs, path::Path, sync::Arc};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    Plan, Project,
    actions::{Actions, Conclusion, Effects, Event, files_of_this_repo},
    github::{GitHub, Reason},
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
        let jobs = self.actions.jobs();
        jobs.iter().map(|job| format!("═══ {}\n{}", job.name, job.log())).collect()
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
