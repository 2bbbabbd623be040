//! One story with everything in it, and the record that it leaves: the same
//! wherever it is told, and whatever goes wrong on the way.

use crate::support::{Plan, Project};

/// All that a story leaves, without what differs from time to time: a second try
/// uses up a number, and whether an agent was ready before it was built depends
/// on when somebody looked.
const RECORD: &str = "
    select 'agent', name, status, generation, epoch, built_generation from agents
    union all
    select 'run', a.name, outcome, r.generation, r.epoch, attempt
    from runs r join agents a on a.id = agent_id
    union all
    select 'artifact', a.name, t.name || ' ' || t.git_state || ' ' || md5(content),
        version, t.epoch, bytes
    from artifacts t join agents a on a.id = agent_id
    union all
    select 'feedback', a.name, kind || ' ' || feedback_text || ' ' || coalesce(resolution, 'open'),
        null, null, (select count(*) from feedback_comments c where c.feedback_id = f.id)
    from feedback f join agents a on a.id = agent_id
    union all
    select 'event', coalesce(a.name, ''),
        e.kind || ' ' || regexp_replace(e.detail, '#[0-9]+', '#'), count(*), null, null
    from events e left join agents a on a.id = agent_id where e.kind <> 'ready' group by 1, 2, 3
    order by 1, 2, 3, 4, 5";

/// Agents that do what agents do: make something of what others made, be
/// reviewed, ask, fail.
pub(crate) fn plan() -> Plan {
    Plan::new()
        .agent("vision", "produces: [doc/a.md]", "emit doc/a.md one; emit doc/b.md two")
        .agent("echo", "needs: [vision], produces: [doc/a.md]", "emit doc/a.md three")
        .agent("pixel", "review: required", "emit doc/a.md four")
        .agent(
            "reel",
            "",
            "ls \"$WAVEMARK_DIR\"/feedback/*.md || { wavemark ask 'Which one?'; exit 0; }
             emit doc/a.md five",
        )
        .agent("worn", "retries: 1", "[ \"$WAVEMARK_ATTEMPT\" = 2 ]")
}

/// Lives through the plan, from its first sync until all is complete; returns
/// the record of it.
#[track_caller]
pub(crate) fn tell(project: &Project) -> String {
    let resolve = |agent: &str, words: &[&str]| {
        let number = project.sql(&format!(
            "select number from feedback join agents a on a.id = agent_id
             where a.name = '{agent}' and not resolved"
        ));
        project.run(&[&["feedback", "resolve", &number], words].concat()).ok();
    };
    project.run(&["sync"]).ok();
    project.run(&["run", "--jobs", "1"]).ok();
    project.run(&["approve", "pixel", "--comment", "Fine."]).ok();
    resolve("reel", &["--comment", "The second."]);
    project.run(&["feedback", "add", "echo", "Shorter."]).ok();
    project.run(&["tick"]).ok();
    resolve("echo", &["--comment", "Much shorter."]);
    project.run(&["run", "--jobs", "1"]).ok();
    assert_eq!(project.sql("select distinct status from agents"), "complete");
    project.agrees_with_git();
    project.sql(RECORD)
}
