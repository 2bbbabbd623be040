//! Many processes on one database.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    order::most_at_once,
    support::{Plan, Project, Running},
};

const WAVES: usize = 10;
const AGENTS: usize = 50;
const CAP: usize = 12;
const PROCESSES: usize = 8;

/// 500 agents in 10 waves; those of a wave need three of the one before.
fn crowd() -> Plan {
    let setting = format!("pools: {{ default: {CAP}, few: 2 }}");
    let mut plan = Plan::new().setting(&setting).program("work", "note start; note end");
    for wave in 0..WAVES {
        plan = plan.wave(&format!("wave-{wave}"), "");
        for agent in 0..AGENTS {
            let needs: BTreeSet<String> = match wave {
                0 => BTreeSet::new(),
                _ => [0, 7, 31]
                    .map(|step| format!("a{}-{}", wave - 1, (agent + step) % AGENTS))
                    .into(),
            };
            let needs: Vec<String> = needs.into_iter().collect();
            let pool = if agent % 10 == 0 { "few" } else { "default" };
            let fields =
                format!("run: {{ exec: [sh/work] }}, needs: [{}], pool: {pool}", needs.join(", "));
            plan = plan.entry(&format!("a{wave}-{agent}"), &fields);
        }
    }
    plan
}

/// Counts whenever a run begins, in the transaction that begins it: the times of
/// runs cannot tell, because a transaction has only one.
const WITNESS: &str = "
    create table overruns (pool text, live int);
    create function witness() returns trigger language plpgsql as $$
    begin
        insert into overruns
        select r.pool, count(*) from public.runs r
            join wavemark.pools p on p.project_id = r.project_id and p.name = r.pool
        where r.finished_at is null
        group by r.pool, p.cap having count(*) > p.cap;
        return null;
    end $$;
    create trigger witness after insert on runs execute function witness()";

#[test]
fn eight_processes_build_500_agents_once_each_and_never_exceed_a_pool() {
    let project = Project::with(&crowd());
    project.sql(WITNESS);

    let processes: Vec<Running> =
        (0..PROCESSES).map(|_| project.start(&["run", "--poll", "500ms"])).collect();
    for process in processes {
        process.wait().ok();
    }

    let trace = project.trace();
    let mut starts: BTreeMap<&str, usize> = BTreeMap::new();
    for line in trace.iter().filter(|line| line.word == "start") {
        *starts.entry(&line.agent).or_default() += 1;
    }
    assert_eq!(starts.len(), WAVES * AGENTS);
    let twice: Vec<_> = starts.iter().filter(|(_, count)| **count != 1).collect();
    assert!(twice.is_empty(), "built more than once: {twice:?}");

    let few = |agent: &str| agent.ends_with('0');
    assert!(most_at_once(&trace, few) <= 2, "{}", most_at_once(&trace, few));
    let many = most_at_once(&trace, |agent| !few(agent));
    assert!(many <= CAP, "{many}");

    assert_eq!(project.sql("select pool, live from overruns"), "");
    assert_eq!(
        project.sql("select count(*), count(distinct agent_id), max(epoch) from runs"),
        "500|500|1"
    );
    assert_eq!(project.sql("select distinct status from agents"), "complete");

    // Nobody started before its needs had ended.
    let place: BTreeMap<(&str, &str), usize> = trace
        .iter()
        .enumerate()
        .map(|(place, line)| ((line.agent.as_str(), line.word.as_str()), place))
        .collect();
    let needs = project
        .sql("select a.name, n.name from agents a join agents n on n.id = any (a.dependencies)");
    assert_eq!(needs.lines().count(), 3 * (WAVES - 1) * AGENTS);
    for line in needs.lines() {
        let (agent, need) = line.split_once('|').unwrap();
        assert!(place[&(need, "end")] < place[&(agent, "start")], "{agent} before {need}");
    }
}

#[test]
fn the_work_is_shared_between_processes() {
    // Each waits for the other, so one process with one job cannot do it alone.
    let plan = Plan::new()
        .agent("left", "", "touch \"$WAVEMARK_REPO/gates/left\"; gate right")
        .agent("right", "", "touch \"$WAVEMARK_REPO/gates/right\"; gate left");
    let project = Project::with(&plan);

    let processes = [(); 2].map(|()| project.start(&["run", "--jobs", "1", "--poll", "100ms"]));
    for process in processes {
        process.wait().ok();
    }

    assert_eq!(project.statuses(), "left complete, right complete");
}

#[test]
fn building_the_same_agent_twice_at_once_builds_it_once() {
    let plan = Plan::new().agent("vision", "", "note built; gate go");
    let project = Project::with(&plan);

    let first = project.start(&["build", "vision"]);
    crate::support::wait_until("it is being built", || project.has_noted("vision", "built"));
    let second = project.run(&["build", "vision"]).ok();
    assert!(second.stdout.contains("being built elsewhere"), "{second}");
    project.open("go");
    first.wait().ok();

    let [one, other] = [(); 2].map(|()| project.start(&["build", "vision"]));
    one.wait().ok();
    other.wait().ok();

    assert_eq!(project.trace().len(), 1);
    assert_eq!(project.outcomes("vision"), "succeeded");
}

#[test]
fn two_processes_that_start_one_agent_at_the_same_moment_start_it_once() {
    let plan = Plan::new().agent("vision", "", "note built");
    for _ in 0..3 {
        let project = Project::with(&plan);
        let processes = [(); 3].map(|()| project.start(&["build", "vision"]));
        for process in processes {
            process.wait().ok();
        }
        assert_eq!(project.trace().len(), 1);
        assert_eq!(project.status("vision"), "complete");
    }
}
