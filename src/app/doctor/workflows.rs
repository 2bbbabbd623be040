//! The files that make GitHub run all this: whether they are there, as this
//! version would write them, and switched on.

use std::{collections::BTreeSet, fs};

use super::{Exam, github::Seen, listed};
use crate::{
    app::{sync::named, workspace::Workspace},
    github::WorkflowState,
    plan::Plan,
    scaffold::{self, ACTION_PATH, Named, Step, TICK_PATH, WORKFLOWS},
};

const AREA: &str = "workflows";
const ADD: &str = "`wavemark init`, then commit and push";

/// Looks at the workflows, if the project is on GitHub.
pub(super) async fn examine(
    exam: &mut Exam<'_>,
    workspace: &Workspace,
    plan: Option<&Plan>,
    repo: &Seen,
) {
    if !repo.is_there() {
        return exam.skip(AREA, "files", "not used: the project is not on GitHub");
    }
    let named = plan.map(named);
    files(exam, workspace, named.as_ref());
    secrets(exam, workspace, named.as_ref());
    enabled(exam, repo);
}

/// Whether the files are there, and as they should be.
fn files(exam: &mut Exam<'_>, workspace: &Workspace, named: Option<&Named>) {
    let unknown = Named::default();
    let all = scaffold::kept(named.unwrap_or(&unknown), None);
    let (mut missing, mut stale, mut own) = (Vec::new(), Vec::new(), Vec::new());
    for file in all.iter().filter(|file| file.path.starts_with(WORKFLOWS)) {
        let there = fs::read_to_string(workspace.root().join(file.path)).ok();
        let name = || file.path.to_owned();
        match scaffold::step(file, there.as_deref(), named.unwrap_or(&unknown)) {
            Step::Keep => {}
            Step::Write => missing.push(name()),
            Step::Update | Step::Refill(_) if named.is_none() => {}
            Step::Update | Step::Refill(_) => stale.push(name()),
            Step::Edited | Step::Foreign | Step::Newer(_) => own.push(name()),
        }
    }
    if missing.is_empty() && !workspace.root().join(ACTION_PATH).exists() {
        let found =
            format!("missing: {ACTION_PATH}, which brings this binary to GitHub's machines");
        let next = "`wavemark init`; a binary that is no release itself has to be told where they \
                    are, with `--releases URL`";
        return exam.fail(AREA, "files", found, next);
    }
    match (missing.is_empty(), stale.is_empty(), own.is_empty()) {
        (false, ..) => exam.fail(AREA, "files", format!("missing: {}", listed(&missing, 5)), ADD),
        (_, false, _) => {
            let found = format!("not as this version writes them: {}", listed(&stale, 5));
            exam.warn(AREA, "files", found, ADD);
        }
        (.., false) => {
            let found =
                format!("there; somebody's own, so not kept up to date: {}", listed(&own, 5));
            exam.ok(AREA, "files", found);
        }
        _ => exam.ok(AREA, "files", "there, and up to date"),
    }
}

/// Whether what agents declare as secrets is handed on to them, and what webhooks
/// take to whoever asks them.
fn secrets(exam: &mut Exam<'_>, workspace: &Workspace, named: Option<&Named>) {
    const CHECK: &str = "secrets";
    let Some(named) = named else {
        return exam.skip(AREA, CHECK, "not looked at: the plan is not a good one");
    };
    let Ok(tick) = fs::read_to_string(workspace.root().join(TICK_PATH)) else {
        return exam.skip(AREA, CHECK, "not looked at: there is no tick.yml");
    };
    if named.secrets.is_empty() && named.webhooks.is_empty() {
        return exam.ok(AREA, CHECK, "no agent declares any");
    }
    let (there, missing) = handed_on(&tick, named);
    if missing.is_empty() {
        let found = format!(
            "{} are handed on by tick.yml; whether they are set is told to nobody",
            listed(&there, 5)
        );
        exam.ok(AREA, CHECK, found);
    } else {
        let found = format!("used by an agent and not in tick.yml: {}", listed(&missing, 5));
        exam.fail(
            AREA,
            CHECK,
            found,
            "`wavemark init`, or name them in the `env` of its step `Build`, or `Tick` for those of \
             webhooks; then push",
        );
    }
}

/// The variables that `tick.yml` hands on to where they are used, and those that it
/// does not: what agents take goes to the job that builds, the rest to the tick.
fn handed_on(tick: &str, named: &Named) -> (Vec<String>, Vec<String>) {
    let (ticks, builds) = tick.split_once("\n  build:").unwrap_or((tick, tick));
    let agents = named.secrets.iter().map(|name| (name.as_str(), builds));
    let webhooks = named.webhooks.iter().map(|name| (name.as_str(), ticks));
    let used: BTreeSet<(&str, &str)> = agents.chain(webhooks).collect();
    let (there, missing): (Vec<_>, Vec<_>) =
        used.into_iter().partition(|(name, job)| job.contains(&format!("secrets.{name} ")));
    let names = |some: Vec<(&str, &str)>| {
        let names: BTreeSet<&str> = some.into_iter().map(|(name, _)| name).collect();
        names.into_iter().map(ToOwned::to_owned).collect()
    };
    (names(there), names(missing))
}

/// Whether GitHub knows them, and runs them.
fn enabled(exam: &mut Exam<'_>, repo: &Seen) {
    const CHECK: &str = "enabled";
    let Some(known) = &repo.workflows else {
        return exam.skip(AREA, CHECK, "not looked at: GitHub does not tell");
    };
    let ours: Vec<String> = scaffold::kept(&Named::default(), None)
        .into_iter()
        .map(|file| file.path.to_owned())
        .filter(|path| path.starts_with(WORKFLOWS))
        .collect();
    let state = |path: &str| known.iter().find(|it| it.path == path).map(|it| it.state);
    let is_off = |path: &&String| {
        matches!(
            state(path.as_str()),
            Some(
                WorkflowState::DisabledFork
                    | WorkflowState::DisabledInactivity
                    | WorkflowState::DisabledManually
            )
        )
    };
    let off: Vec<String> = ours.iter().filter(is_off).cloned().collect();
    let is_unknown =
        |path: &&String| matches!(state(path.as_str()), None | Some(WorkflowState::Deleted));
    let unknown: Vec<String> = ours.iter().filter(is_unknown).cloned().collect();
    let branch = match repo.default_branch.as_str() {
        "" => "the default branch",
        branch => branch,
    };
    if !off.is_empty() {
        let why =
            match off.iter().any(|path| state(path) == Some(WorkflowState::DisabledInactivity)) {
                true => ", because nothing happened in the repo for 60 days",
                false => "",
            };
        let page = repo.page("/actions").unwrap_or_default();
        let next = format!("enable them at {page}, or with `gh workflow enable`");
        exam.fail(AREA, CHECK, format!("switched off{why}: {}", listed(&off, 5)), next);
    } else if !unknown.is_empty() {
        let found = format!("GitHub does not know {}", listed(&unknown, 5));
        exam.fail(AREA, CHECK, found, format!("commit them, and push them to {branch}"));
    } else {
        exam.ok(AREA, CHECK, format!("all of them, on {branch}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_handed_on_where_it_is_used() {
        let named = Named {
            secrets: ["BOTH", "KEY"].map(|name| name.parse().unwrap()).into(),
            webhooks: ["BOTH", "HOOK"].map(|name| name.parse().unwrap()).into(),
            ..Named::default()
        };
        let handed = |ticks: &str, builds: &str| {
            let env = |names: &str| {
                let line = |name| format!("          {name}: ${{{{ secrets.{name} }}}}\n");
                names.split(' ').map(line).collect::<String>()
            };
            let tick = format!("jobs:\n  tick:\n{}  build:\n{}", env(ticks), env(builds));
            let (there, missing) = handed_on(&tick, &named);
            format!("{}; not {}", there.join(" "), missing.join(" "))
        };
        assert_eq!(handed("BOTH HOOK", "BOTH KEY"), "BOTH HOOK KEY; not ");
        assert_eq!(handed("KEY", "BOTH HOOK KEY"), "BOTH KEY; not BOTH HOOK");
        assert_eq!(handed("HOOKS", "KEY"), "KEY; not BOTH HOOK");
    }
}
