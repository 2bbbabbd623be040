//! Through a transaction pooler: three connections for everybody, and none of
//! them as anybody left it.

use std::{collections::BTreeMap, thread};

use serde_json::Value;

use crate::support::{Plan, Pooler, Project, Running, wait_until};

const WAVES: usize = 3;
const AGENTS: usize = 6;
const BUILDERS: usize = 3;
const VISITORS: usize = 5;
const ROUNDS: usize = 4;
/// Every so many kills of all connections, the pooler is killed as well.
const RESTART: usize = 5;

/// Stores some pages by command and one as a file, and keeps a copy of each for
/// the test to compare.
const MAKER: &str = "
    for page in 1 2 3; do
        seq -f \"$WAVEMARK_AGENT, page $page, line %g\" 1 200 >\"page-$page.md\"
        wavemark checkpoint doc \"page-$page.md\" \"page-$page.md\"
    done
    emit doc/last.md \"$WAVEMARK_AGENT is done\"
    mkdir -p \"$WAVEMARK_REPO/made/$WAVEMARK_AGENT\"
    cp page-*.md \"$WAVEMARK_OUT/doc/last.md\" \"$WAVEMARK_REPO/made/$WAVEMARK_AGENT/\"
    note built";

/// Makers in waves, each of which needs one of the wave before; and forums, which
/// are talked about and wait until that is over.
fn plan() -> Plan {
    let mut plan = Plan::new().setting("pools: { default: 6 }").program("maker", MAKER);
    for wave in 0..WAVES {
        plan = plan.wave(&format!("wave-{wave}"), "");
        for agent in 0..AGENTS {
            let needs = match wave {
                0 => String::new(),
                _ => format!("m{}-{}", wave - 1, (agent + 1) % AGENTS),
            };
            let fields =
                format!("run: {{ exec: [sh/maker] }}, produces: [doc/last.md], needs: [{needs}]");
            plan = plan.entry(&format!("m{wave}-{agent}"), &fields);
        }
    }
    plan = plan.wave("forums", "").program("forum", "note built");
    for visitor in 0..VISITORS {
        plan = plan.entry(&format!("forum-{visitor}"), "run: { exec: [sh/forum] }");
    }
    plan
}

fn makers() -> impl Iterator<Item = String> {
    (0..WAVES).flat_map(|wave| (0..AGENTS).map(move |agent| format!("m{wave}-{agent}")))
}

/// The plan in a database behind a pooler. Nobody builds the forums.
fn project() -> (Project, Pooler) {
    let mut project = Project::unsynced(&plan());
    let pooler = project.through_pooler();
    project.run(&["sync"]).ok();
    for visitor in 0..VISITORS {
        project.run(&["pause", &format!("forum-{visitor}")]).ok();
    }
    (project, pooler)
}

/// Everything is built, once, and is what its agent made.
fn all_is_built_once(project: &Project) {
    assert_eq!(project.sql("select distinct status from agents where name like 'm%'"), "complete");
    let once = format!("{0}|{0}", WAVES * AGENTS);
    assert_eq!(project.trace().iter().filter(|line| line.word == "built").count(), WAVES * AGENTS);
    assert_eq!(
        project.sql(
            "select count(*), count(distinct agent_id) from runs r
             join agents a on a.id = agent_id where a.name like 'm%'"
        ),
        once
    );
    for maker in makers() {
        for page in ["page-1.md", "page-2.md", "page-3.md", "last.md"] {
            is_as_made(project, &maker, page);
        }
    }
    let pages = (WAVES * AGENTS * 4).to_string();
    assert_eq!(project.sql("select count(*) from artifacts"), pages);
    project.agrees_with_git();
}

/// What the binary shows of a page is what the agent made.
fn is_as_made(project: &Project, maker: &str, page: &str) {
    let shown = project.run(&["show", maker, &format!("doc/{page}")]).ok();
    assert_eq!(shown.stdout, project.read(&format!("made/{maker}/{page}")), "{maker} {page}");
}

/// What a visitor does, as often as it likes, with all answers checked.
fn visit(project: &Project, visitor: usize) {
    let forum = format!("forum-{visitor}");
    let names: Vec<String> =
        (0..VISITORS).map(|visitor| format!("forum-{visitor}")).chain(makers()).collect();
    let mut said: BTreeMap<i64, String> = BTreeMap::new();
    for round in 0..ROUNDS {
        let text = format!("{forum} for the {round}. time");
        let added = project.run(&["feedback", "add", &forum, &text, "--json"]).ok().json();
        let number = added["number"].as_i64().unwrap();
        assert_eq!(said.insert(number, text), None, "number {number} was given twice");

        let listed = project.run(&["feedback", "list", &forum, "--json"]).ok().json();
        let texts: BTreeMap<i64, String> = listed["feedback"]
            .as_array()
            .unwrap()
            .iter()
            .inspect(|one| assert_eq!(one["agent"], *forum))
            .map(|one| (one["number"].as_i64().unwrap(), text_of(&one["text"])))
            .collect();
        assert_eq!(texts, said);

        let status = project.run(&["status", "--json"]).ok().json();
        let mut seen: Vec<String> = (status["waves"].as_array().unwrap().iter())
            .flat_map(|wave| wave["agents"].as_array().unwrap())
            .map(|agent| text_of(&agent["name"]))
            .collect();
        seen.sort();
        assert_eq!(seen, names);

        project.run(&["sync"]).ok();
        let tick = project.run(&["tick"]);
        // On a slow machine it may give up waiting for whoever publishes.
        assert!(tick.code == 0 || tick.stderr.contains("publishing for long"), "{tick}");

        let artifacts = project.run(&["artifacts", "--json"]).ok().json();
        let artifacts = artifacts["artifacts"].as_array().unwrap();
        if let Some(one) = artifacts.get(visitor * artifacts.len() / VISITORS) {
            let key = text_of(&one["key"]);
            let shown = project.run(&["show", &text_of(&one["agent"]), &key]).ok();
            assert!(shown.stdout.starts_with(&text_of(&one["agent"])), "{shown}");
        }
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn build(project: &Project) -> Vec<Running> {
    (0..BUILDERS).map(|_| project.start(&["run", "--poll", "200ms"])).collect()
}

#[test]
fn eight_processes_share_three_connections_and_each_gets_its_own_answers() {
    let (project, pooler) = project();
    pooler.spoil();

    let builders = build(&project);
    thread::scope(|scope| {
        for visitor in 0..VISITORS {
            let project = &project;
            scope.spawn(move || visit(project, visitor));
        }
    });
    for builder in builders {
        builder.wait().ok();
    }

    all_is_built_once(&project);
    let remarks = "select count(*), count(distinct feedback_text) from feedback";
    assert_eq!(project.sql(remarks), format!("{0}|{0}", VISITORS * ROUNDS));
}

#[test]
fn four_processes_migrate_an_empty_database_together() {
    for _ in 0..4 {
        let mut project = Project::unsynced(&Plan::new().agent("echo", "", "note built"));
        let pooler = project.through_pooler();
        pooler.spoil();

        let processes = [(); 4].map(|()| project.start(&["sync"]));
        for process in processes {
            process.wait().ok();
        }

        project.run(&["run"]).ok();
        assert_eq!(project.statuses(), "echo complete");
        assert_eq!(project.trace().len(), 1);
    }
}

#[test]
fn whoever_works_goes_on_when_connections_are_killed_and_the_pooler_with_them() {
    let (project, mut pooler) = project();

    let mut builders = build(&project);
    let mut kills = 0;
    let mut before = String::new();
    wait_until("everything is built", || {
        // Only when something was done since the last time: nobody works through
        // a storm that never lets up.
        let done = project.sql(
            "select (select count(*) from artifacts) + (select count(*) from runs)
                 + (select count(*) from runs where finished_at is not null)",
        );
        if done != before {
            before = done;
            kills += 1;
            if kills % RESTART == 0 {
                pooler.restart();
            }
            project.sql(
                "select pg_terminate_backend(pid) from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid()",
            );
        }
        builders.iter_mut().all(Running::is_over)
    });
    for builder in builders {
        builder.wait().ok();
    }

    all_is_built_once(&project);
}
