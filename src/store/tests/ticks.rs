//! Ticks that were there, and those that were not.

use std::time::Duration;

use crate::{
    model::TickEnd,
    store::{
        Tick,
        sql::{query, query_scalar},
        testing,
    },
};

fn tick(event: &str) -> Tick {
    Tick {
        event: event.to_owned(),
        place: "here".to_owned(),
        took: Duration::from_secs(2),
        end: TickEnd::Done,
        detail: None,
    }
}

#[tokio::test]
async fn a_project_remembers_its_last_tick() {
    let store = testing::store().await;
    let before = store.now().await.unwrap();

    store.record_tick(&store.project, &tick(Tick::TERMINAL)).await.unwrap();

    let project = store.project(&store.project.name).await.unwrap();
    assert!(project.last_tick_at > Some(before), "{project:?}");
    // Nobody expects the next one.
    assert_eq!(store.last_tick(&project).await.unwrap(), None);
}

#[tokio::test]
async fn a_tick_is_told_of_the_one_in_actions_before_it() {
    let store = testing::store().await;
    let failed =
        Tick { end: TickEnd::Failed, detail: Some("no room".to_owned()), ..tick("schedule") };
    assert_eq!(store.record_tick(&store.project, &failed).await.unwrap(), None);
    store
        .tx(async |tx| {
            let sql = "update wavemark.ticks set began_at = began_at - interval '13 hours',
                 ended_at = ended_at - interval '13 hours'";
            Ok(query(sql).execute(tx.conn()).await?)
        })
        .await
        .unwrap();
    store.record_tick(&store.project, &tick(Tick::TERMINAL)).await.unwrap();

    let last = store.last_tick(&store.project).await.unwrap().unwrap();
    let told = store.record_tick(&store.project, &tick("issues")).await.unwrap().unwrap();

    assert_eq!((last.event.as_str(), last.end), ("schedule", TickEnd::Failed));
    assert_eq!(last.detail.as_deref(), Some("no room"));
    assert_eq!(last.late().map(|late| late.as_secs() / 3600), Some(7));
    assert_eq!(told.at, last.at);
    // Before this one began, which was two seconds ago.
    assert!(told.age < last.age, "{told:?} {last:?}");
    let newest = store.last_tick(&store.project).await.unwrap().unwrap();
    assert_eq!((newest.event.as_str(), newest.late()), ("issues", None));
}

#[tokio::test]
async fn old_ticks_are_forgotten_and_not_for_those_at_a_terminal() {
    let store = testing::store().await;
    store.record_tick(&store.project, &tick("schedule")).await.unwrap();
    for event in [Tick::TERMINAL, "schedule"] {
        store
            .tx(async |tx| {
                let sql = "insert into wavemark.ticks
                         (id, project_id, event, place, began_at, ended_at, outcome)
                     select gen_random_uuid(), $1, $2, '', at, at, 'done'
                     from generate_series(now() - interval '400 s', now(), '1 s') at";
                Ok(query(sql).bind(store.project.id).bind(event).execute(tx.conn()).await?)
            })
            .await
            .unwrap();
        store.record_tick(&store.project, &tick(event)).await.unwrap();
        let counts: Vec<i64> = store
            .read(async |tx| {
                let sql = "select count(*) from wavemark.ticks group by event order by event = $1";
                Ok(query_scalar(sql).bind(event).fetch_all(tx.conn()).await?)
            })
            .await
            .unwrap();
        assert_eq!(counts.last(), Some(&300), "{counts:?}");
        assert!(counts.len() == 2 && counts[0] > 0, "{counts:?}");
    }
}
