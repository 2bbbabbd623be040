//! The facts come back as they were stored.

use std::collections::BTreeSet;

use crate::{
    engine::{Agent, Attempts, Build, Feedback, LiveRun, Pool, Snapshot},
    model::{
        Epoch, FeedbackKind, Generation, OnStale, Outcome, PoolName, Resolution, Review,
        RunnerKind, Status, StopReason, Usd,
    },
    store::{
        Known, Maker, Operator,
        testing::{self, TestStore, name},
    },
};

const STORY: &str = "
--- waves/project.yaml
project: demo
pools: { default: 3, gpu: 1 }
infra_retries: 4
--- waves/1-first.yaml
wave: first
agents:
  brief: { run: { manual: {} }, produces: [doc/a.md, doc/b.md] }
--- waves/2-second.yaml
wave: second
after: [first]
agents:
  echo:
    run: { exec: [work] }
    needs: [brief]
    review: parallel
    on_stale: rebuild
    pool: gpu
    priority: 7
    retries: 5
";

async fn story() -> TestStore {
    let mut store = testing::store().await;
    store.given_plan(STORY).await;
    store
}

/// An agent as `STORY` has `echo`, before anything happened to it.
async fn untouched(store: &TestStore) -> Agent {
    let definition = testing::plan(STORY).agents[&name("echo")].definition.clone();
    assert_eq!(store.project.settings.infra_retries, 4);
    Agent {
        wave: "second".parse().unwrap(),
        status: Status::Draft,
        needs: [name("brief")].into(),
        unknown_needs: 0,
        runner: RunnerKind::Exec,
        review: Review::Parallel,
        on_stale: OnStale::Rebuild,
        pool: "gpu".parse().unwrap(),
        priority: 7,
        retries: 5,
        work: Some(definition.work_digest()),
        generation: Generation(1),
        built: None,
        epoch: Epoch(0),
        paused: false,
        retired: false,
        run: None,
        attempts: Attempts::default(),
        budget: None,
        spent: Usd::default(),
        feedback: vec![],
        produces: vec![],
        missing: vec![],
        handed_in: 0,
        asked: 0,
    }
}

/// Lets `echo` begin although `brief` is not there.
async fn lift_the_need(store: &TestStore) {
    store.sql("update agents set dependencies = '{}' where name = 'echo'").await;
}

#[tokio::test]
async fn a_planned_agent_is_as_the_plan_says() {
    let store = story().await;

    let echo = store.facts("echo").await;

    assert_eq!(echo, untouched(&store).await);
}

#[tokio::test]
async fn waves_and_pools_are_as_the_plan_says() {
    let store = story().await;

    let facts = store.all_facts().await;

    let waves = [
        ("first".parse().unwrap(), BTreeSet::new()),
        ("second".parse().unwrap(), ["first".parse().unwrap()].into()),
    ];
    let pool = |cap| Pool { cap, live: 0 };
    let pools = [(PoolName::default_pool(), pool(3)), ("gpu".parse().unwrap(), pool(1))];
    assert_eq!((facts.waves, facts.pools), (waves.into(), pools.into()));
    assert_eq!(facts.settings, store.project.settings);
}

#[tokio::test]
async fn a_live_run_is_there_with_its_moments() {
    let store = story().await;
    lift_the_need(&store).await;
    let run = store.claim("echo").await;
    store.sql("update runs set stop = 'feedback'").await;

    let facts = store.all_facts().await;

    let echo = &facts.agents[&name("echo")];
    let live = LiveRun {
        id: run.id,
        epoch: Epoch(1),
        lease_until: run.claimed.claimed_at + store.project.settings.lease,
        deadline: run.claimed.deadline_at,
        progress_at: run.claimed.claimed_at,
        stop: Some(StopReason::Feedback),
    };
    let gpu: PoolName = "gpu".parse().unwrap();
    assert_eq!((echo.status, echo.epoch, echo.run), (Status::Building, Epoch(1), Some(live)));
    assert_eq!(facts.pools[&gpu], Pool { cap: 1, live: 1 });
}

#[tokio::test]
async fn a_finished_agent_has_a_build_and_the_failures_before_it() {
    let store = story().await;
    lift_the_need(&store).await;
    for outcome in [Outcome::Failed, Outcome::Lost, Outcome::Succeeded] {
        let run = store.claim("echo").await;
        store.makes(&run, "doc/a.md", outcome.as_str()).await;
        store.end(&run, outcome).await;
    }

    let echo = store.facts("echo").await;

    let build = Build {
        generation: Generation(1),
        work: untouched(&store).await.work,
        outputs: 3,
        inputs: 0,
    };
    let Attempts { own, infra, refused, .. } = echo.attempts;
    assert_eq!((echo.built, echo.run), (Some(build), None));
    assert_eq!((own, infra, refused), (1, 1, false));
}

#[tokio::test]
async fn feedback_is_there_until_it_was_acted_on_and_reviews_as_long_as_they_count() {
    let store = story().await;
    store
        .sql(
            "insert into feedback (
                 agent_id, feedback_text, kind, blocking, resolved, resolution, applied_at
             )
             select id, 'x', kind, blocking, resolution is not null, resolution, applied
             from agents, (values
                 ('comment', true, null, null::timestamptz),
                 ('comment', false, 'dismissed', null),
                 ('comment', true, 'completed', now()),
                 ('review', true, 'completed', now())
             ) as feedback (kind, blocking, resolution, applied)
             where name = 'echo'
             order by kind, resolution nulls first",
        )
        .await;
    let of_another_generation = "'review', 9, true, now()";
    store.given_feedback("kind, generation, resolved, applied_at", of_another_generation).await;

    let echo = store.facts("echo").await;

    let plain = Feedback {
        number: echo.feedback[0].number,
        kind: FeedbackKind::Comment,
        blocking: true,
        generation: Generation(1),
        run: None,
        resolution: None,
        applied: false,
    };
    let mut found = echo.feedback;
    found.iter_mut().for_each(|feedback| feedback.number = plain.number);
    found.sort_by_key(|feedback| feedback.resolution);
    let approved = Feedback {
        kind: FeedbackKind::Review,
        resolution: Some(Resolution::Completed),
        applied: true,
        ..plain
    };
    let dismissed = Feedback { blocking: false, resolution: Some(Resolution::Dismissed), ..plain };
    assert_eq!(found, [plain, approved, dismissed]);
}

#[tokio::test]
async fn what_people_have_to_hand_in_is_missing_until_they_did() {
    let store = story().await;
    let (project, brief) = (store.project.id, store.id("brief").await);
    let before = store.facts("brief").await;

    let key = "doc/a.md".parse().unwrap();
    store.keep(project, Maker::Person(brief), &key, "handed in", None).await.unwrap();

    let after = store.facts("brief").await;
    let texts = |keys: &[crate::model::ArtifactKey]| {
        keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!((texts(&before.missing), before.handed_in), ("doc/a.md doc/b.md".to_owned(), 0));
    assert_eq!((texts(&after.missing), after.handed_in), ("doc/b.md".to_owned(), 1));
    assert_eq!(texts(&after.produces), "doc/a.md doc/b.md");
}

#[tokio::test]
async fn how_often_a_person_was_asked_counts_for_one_generation() {
    let store = story().await;
    store
        .sql(
            "insert into feedback (agent_id, feedback_text, kind, request, generation)
             select id, 'x', 'question', 'manual:' || g || ':' || n, g
             from agents, (values (1, 0), (1, 1), (2, 0)) as asked (g, n) where name = 'brief'",
        )
        .await;

    let brief = store.facts("brief").await;

    assert_eq!(brief.asked, 2);
}

#[tokio::test]
async fn a_need_that_left_the_plan_is_unknown() {
    let store = story().await;
    store.sql("update agents set retired_at = now() where name = 'brief'").await;

    let echo = store.facts("echo").await;

    assert_eq!((echo.needs.len(), echo.unknown_needs), (0, 1));
}

#[tokio::test]
async fn an_agent_that_is_held_says_so() {
    let store = story().await;

    store.operate(store.project.id, &name("echo"), Operator::Pause, "ann").await.unwrap();

    assert!(store.facts("echo").await.paused);
}

#[tokio::test]
async fn a_second_look_sees_whatever_changed_since_the_first() {
    let store = story().await;
    let mut known = Known::default();
    let changes = [
        "select 1",
        "update agents set priority = 8 where name = 'echo'",
        "update agents set priority = 8 where name = 'echo'",
        "insert into agents (name) values ('by-hand')",
        "update agents set dependencies = array(select id from agents where name = 'by-hand')
             where name = 'echo'",
        "update agents set name = 'renamed' where name = 'by-hand'",
        "update waves set name = 'third' where name = 'second'",
        "update agents set retired_at = now() where name = 'brief'",
        "update agents set retired_at = null where name = 'brief'",
        "delete from agents where name = 'renamed'",
    ];
    for change in changes {
        store.sql(change).await;
        let (again, ids) = store.look_again(&store.project, &mut known).await.unwrap();
        let (anew, same_ids) = store.snapshot(&store.project).await.unwrap();
        let anew = Snapshot { taken_at: again.taken_at, ..anew };
        assert_eq!((again, ids), (anew, same_ids), "{change}");
    }
}
