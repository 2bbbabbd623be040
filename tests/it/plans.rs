//! Plans as people live with them: look, apply, edit, look again.

use std::fs;

use crate::support::{Plan, Project};

fn trio(word: &str) -> Plan {
    Plan::new()
        .wave("research", "title: Look around")
        .agent("vision", &format!("env: {{ WORD: {word} }}"), "true")
        .agent("echo", "needs: [vision]", "true")
        .wave("build", "after: [research]")
        .agent("pixel", &format!("env: {{ WORD: {word} }}"), "gate pixel")
}

/// The hash of the plan as it is now.
fn hash(project: &Project) -> String {
    let plan = project.run(&["plan", "--json"]).ok().json();
    plan["hash"].as_str().unwrap().to_owned()
}

#[test]
fn a_plan_is_looked_at_applied_edited_and_looked_at_again() {
    let project = Project::unsynced(&trio("one"));
    insta::assert_snapshot!(project.run(&["plan"]), @"
    exit 0
    3 to create; 0 stay as they are

    project (new)

    wave build (new)
      + pixel: create

    wave research (new)
      + echo: create
      + vision: create

    1 agent could start at once: vision
    the longest chain takes 3 steps: vision → echo → pixel
    to apply exactly this: wavemark sync --expect <sha-256>
    ");
    let first = hash(&project);
    project.run(&["plan", "--exit-code"]).exits(3);
    insta::assert_snapshot!(project.run(&["sync", "--expect", &first]), @"
    exit 0
    3 created; 0 stay as they are

    project (new)

    wave build (new)
      + pixel: created

    wave research (new)
      + echo: created
      + vision: created
    ");
    project.run(&["plan", "--exit-code"]).exits(0);
    let mut run = project.start(&["run"]);
    crate::support::wait_until("pixel runs", || project.status("pixel") == "building");

    project.replan(
        &trio("two")
            .agent("reel", "pool: gpu", "gate reel")
            .agent("social", "pool: gpu", "gate social")
            .setting("pools: { gpu: 1 }"),
    );
    insta::assert_snapshot!(project.run(&["plan", "--exit-code"]), @"
    exit 3
    2 to create, 2 to change, 2 to build again; 1 stays as it is

    project
      ~ pools.gpu: none -> 1

    wave build
      ~ pixel: build again because of env, once its run has ended
          env: -WORD=one +WORD=two
      + reel: create
      + social: create

    wave research
      ~ vision: build again because of env
          env: -WORD=one +WORD=two

    1 agent is running: pixel
    1 agent could start at once: vision
    the longest chain takes 3 steps: vision → echo → pixel
    to apply exactly this: wavemark sync --expect <sha-256>
    ");
    insta::assert_snapshot!(project.run(&["sync", "--expect", &first]), @"
    exit 1
    error: the plan has moved: `waves/` now has the hash <sha-256>, and not <sha-256>
    hint: nothing was changed; look at `wavemark plan`, and if it is what you want, run the `wavemark sync --expect` that it ends with
    ");
    let second = hash(&project);
    insta::assert_snapshot!(project.run(&["sync", "--expect", &second]), @"
    exit 0
    2 created, 2 changed, 2 to build again; 1 stays as it is

    project
      ~ pools.gpu: none -> 1

    wave build
      ~ pixel: to be built again because of env, once its run has ended
          env: -WORD=one +WORD=two
      + reel: created
      + social: created

    wave research
      ~ vision: to be built again because of env
          env: -WORD=one +WORD=two
    ");
    insta::assert_snapshot!(project.run(&["sync", "--expect", &second]), @"
    exit 0
    nothing to change; 5 agents as they should be
    ");

    insta::assert_snapshot!(project.run(&["plan", "--exit-code"]), @"
    exit 0
    nothing to change; 5 agents as they should be

    1 agent is running: pixel
    1 agent could start at once: vision
    the longest chain takes 3 steps: vision → echo → pixel
    the hash of the plan: <sha-256>
    ");
    assert!(!run.is_over());
    for gate in ["pixel", "reel", "social"] {
        project.open(gate);
    }
    run.wait().ok();
    assert_eq!(project.outcomes("vision"), "succeeded, succeeded");
    assert_eq!(project.outcomes("pixel"), "succeeded, succeeded");
}

#[test]
fn looking_changes_nothing_not_even_an_empty_database() {
    let project = Project::unsynced(&trio("one"));
    let tables = "select count(*) from pg_tables where schemaname !~ '^(pg_|information_)'";

    project.run(&["plan"]).ok();
    assert_eq!(project.sql(tables), "0");

    project.run(&["sync"]).ok();
    let rows = "select md5(string_agg(xmin || t::text, ' ')) from (
        select xmin, t::text as t from projects t union all select xmin, t::text from agents t
    ) t";
    let before = project.sql(rows);
    project.replan(&trio("two"));
    for args in [["plan", "--full"], ["plan", "--json"], ["plan", "--markdown"]] {
        project.run(&args).ok();
    }
    assert_eq!(project.sql(rows), before);
}

#[test]
fn looking_starts_no_private_postgres() {
    let project = Project::on_its_own(&trio("one"));
    project.run(&["db", "stop"]).ok();
    let other = project.path("other");
    fs::create_dir(&other).unwrap();
    fs::create_dir(other.join("waves")).unwrap();
    fs::write(other.join("waves/project.yaml"), "project: other\n").unwrap();

    project.run(&["-C", "other", "plan"]).ok();
    assert!(!other.join(".wavemark").exists());

    // One that is there is asked.
    let plan = project.run(&["plan", "--exit-code"]).exits(0);
    assert!(plan.stdout.starts_with("nothing to change"), "{plan}");
}

#[test]
fn problems_are_told_apart_from_changes() {
    let project = Project::with(&trio("one"));
    fs::write(project.path("waves/x.yaml"), "wave: x\nagents: { echo: {} }\n").unwrap();

    let plan = project.run(&["plan", "--exit-code", "--json"]).exits(1);

    assert_eq!(plan.stdout, "");
    assert!(plan.stderr.contains("there is a second agent `echo`"), "{plan}");
}

#[test]
fn a_database_of_somebody_else_is_told_before_a_sync_is() {
    let project = Project::unsynced(&trio("one"));
    project.sql("create table agents (id int primary key)");

    insta::assert_snapshot!(project.run(&["plan"]), @"
    exit 1
    error: this database already has a table `public.agents` that is not Wavemark's
    hint: give Wavemark a database of its own; nothing was touched
    ");
}

#[test]
fn most_agents_vanish_only_when_that_is_meant() {
    let project = Project::with(&trio("one"));
    project.replan(&Plan::new().wave("research", "title: Look around").agent("echo", "", "true"));
    insta::assert_snapshot!(project.run(&["plan"]), @"
    exit 0
    1 to change, 2 to retire; 0 stay as they are

    wave research
      ~ echo: change
          needs: -vision
      - vision: retire

    wave build (retired)
      - pixel: retire

    1 wave only at another place in the order

    1 agent could start at once: echo
    more than half of the agents vanish: syncing this needs --allow-retire
    to apply exactly this: wavemark sync --expect <sha-256> --allow-retire
    ");

    insta::assert_snapshot!(project.run(&["sync"]), @"
    exit 1
    error: this would retire 2 of the project's agents, more than half of them: `pixel`, `vision`
    hint: nothing was changed; if they are meant to go, `wavemark sync --allow-retire`
    ");
    assert_eq!(project.sql("select count(*) from agents where retired_at is null"), "3");

    insta::assert_snapshot!(project.run(&["sync", "--allow-retire"]), @"
    exit 0
    1 changed, 2 retired; 0 stay as they are

    wave research
      ~ echo: changed
          needs: -vision
      - vision: retired

    wave build (retired)
      - pixel: retired

    1 wave only at another place in the order
    ");
    assert_eq!(project.sql("select count(*) from agents where retired_at is null"), "1");

    project.replan(&trio("one"));
    insta::assert_snapshot!(project.run(&["sync"]), @"
    exit 0
    1 changed, 2 restored; 0 stay as they are

    wave build (restored)
      + pixel: restored

    wave research
      ~ echo: changed
          needs: +vision
      + vision: restored

    1 wave only at another place in the order
    ");
}

#[test]
fn the_old_way_to_look_says_which_is_the_new_one() {
    let project = Project::unsynced(&trio("one"));

    insta::assert_snapshot!(project.run(&["sync", "--dry-run"]), @"
    exit 2
    error: unexpected argument '--dry-run' found

      tip: use `wavemark plan` to see what would change

    Usage: wavemark sync [OPTIONS]

    For more information, try '--help'.
    ");
}

#[test]
fn a_sync_records_the_commit_that_the_plan_is_from_and_its_hash() {
    let project = Project::unsynced(&trio("one"));
    let recorded = "select plan_sha256 || ' ' || coalesce(plan_commit, 'none') from projects";
    let root = project.path(".");
    let git = |args: &[&str]| project.git_in(&root, args);
    git(&["init", "--quiet"]);
    git(&["add", "waves"]);
    git(&["commit", "--quiet", "-m", "A plan"]);

    project.run(&["sync"]).ok();
    let commit = git(&["rev-parse", "HEAD"]);
    assert_eq!(project.sql(recorded), format!("{} {commit}", hash(&project)));

    // What is not committed as it is has no commit.
    project.replan(&trio("two"));
    project.run(&["sync"]).ok();
    assert_eq!(project.sql(recorded), format!("{} none", hash(&project)));
}

#[test]
fn a_comment_on_a_pull_request_is_markdown_that_github_can_take() {
    let project = Project::with(&trio("one"));
    project.replan(&trio("'two | @ada'").agent("reel", "title: '<script>'", "true"));

    insta::assert_snapshot!(project.run(&["plan", "--markdown"]).ok(), @r#"
    exit 0
    **Plan of `tested`:** 1 to create, 2 to change; 1 stays as it is

    | wave | agent | what | fields |
    |---|---|---|---|
    | `build` | ~ `pixel` | change | `env`: `-WORD=one` `+WORD=two \| @ada` |
    | `build` | + `reel` | create |  |
    | `research` | ~ `vision` | change | `env`: `-WORD=one` `+WORD=two \| @ada` |

    - 1 agent could start at once: `vision`
    - the longest chain takes 3 steps: `vision` → `echo` → `pixel`

    <details><summary>The graph of the plan</summary>

    ```mermaid
    flowchart LR
      classDef new stroke:#1a7f37,stroke-width:3px
      classDef changed stroke:#bf8700,stroke-width:3px
      subgraph w0["build"]
        a1["~ pixel"]:::changed
        a2["+ reel"]:::new
      end
      subgraph w1["research"]
        a0["echo"]
        a3["~ vision"]:::changed
      end
      a3 --> a0
      w1 --> w0
    ```

    </details>

    To apply exactly this: `wavemark sync --expect <sha-256>`
    "#);
}
