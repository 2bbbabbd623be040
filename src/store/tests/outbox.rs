//! Artifacts on their way to git.

use std::time::Duration;

use uuid::Uuid;

use crate::{
    model::Status::Ready,
    store::{
        Pending, Stamp,
        testing::{self, TestStore, at_once},
    },
};

const LEASE: Duration = Duration::from_secs(60);

/// A store with these artifacts, all of one agent.
async fn with_artifacts(names: &[&str]) -> TestStore {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;
    for name in names {
        store.makes(&run, &format!("doc/{name}"), name).await;
    }
    store
}

async fn pending(store: &TestStore, limit: u32) -> Vec<String> {
    let rows = store.pending(store.project.id, limit).await.unwrap();
    rows.iter().map(|row| row.name.to_string()).collect()
}

async fn leads(store: &TestStore, who: Uuid) -> bool {
    store.lead_publishing(store.project.id, who, LEASE).await.unwrap()
}

#[tokio::test]
async fn one_publisher_leads_until_its_lease_runs_out() {
    let store = testing::store().await;
    let (ann, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));

    let meanwhile = (leads(&store, ann).await, leads(&store, bob).await, leads(&store, ann).await);
    store.sql("update projects set publisher_until = now() - interval '1 second'").await;
    let afterwards = (leads(&store, bob).await, leads(&store, ann).await);

    assert_eq!((meanwhile, afterwards), ((true, false, true), (true, false)));
}

#[tokio::test]
async fn of_many_would_be_publishers_one_leads() {
    let store = testing::store().await;

    let mut candidates = vec![];
    for number in 1..=8 {
        let (own, project) = (store.elsewhere().await, store.project.id);
        candidates.push(async move {
            own.lead_publishing(project, Uuid::from_u128(number), LEASE).await.unwrap()
        });
    }
    let leads = at_once(candidates).await.into_iter().filter(|leads| *leads).count();

    assert_eq!(leads, 1);
}

#[tokio::test]
async fn only_who_leads_can_step_down() {
    let store = testing::store().await;
    let (ann, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
    leads(&store, ann).await;

    store.stop_publishing(store.project.id, bob).await.unwrap();
    let too_early = leads(&store, bob).await;
    store.stop_publishing(store.project.id, ann).await.unwrap();
    let then = leads(&store, bob).await;

    assert_eq!((too_early, then), (false, true));
}

#[tokio::test]
async fn the_oldest_artifacts_are_published_first() {
    let store = with_artifacts(&["c", "a", "b"]).await;

    let all = pending(&store, 9).await;
    let some = pending(&store, 2).await;

    assert_eq!((all.join(" "), some.join(" ")), ("c a b".to_owned(), "c a".to_owned()));
}

#[tokio::test]
async fn what_is_published_at_once_fits_into_64_mib() {
    let store = with_artifacts(&["a", "b", "c", "d"]).await;

    store.sql("update artifacts set bytes = 32 * 1024 * 1024").await;
    let two_fit = pending(&store, 9).await;
    store.sql("update artifacts set bytes = 65 * 1024 * 1024").await;
    let none_fits = pending(&store, 9).await;

    assert_eq!((two_fit.join(" "), none_fits.join(" ")), ("a b".to_owned(), "a".to_owned()));
}

#[tokio::test]
async fn a_stamp_takes_an_artifact_out_of_the_outbox_and_stays() {
    let store = with_artifacts(&["a", "b"]).await;
    let Pending { id, .. } = store.pending(store.project.id, 1).await.unwrap().remove(0);
    let stamp = |commit: &str| Stamp { id, commit: commit.to_owned(), path: "p".to_owned() };

    store.stamp(&[stamp("first")]).await.unwrap();
    store.stamp(&[stamp("second")]).await.unwrap();

    let commit = store.last_commit(store.project.id).await.unwrap();
    let left = store.pending_count(store.project.id).await.unwrap();
    assert_eq!((commit.as_deref(), left), (Some("first"), 1));
}

#[tokio::test]
async fn what_holds_a_secret_is_never_in_the_outbox() {
    let store = with_artifacts(&[]).await;
    let (project, echo) = (store.project.id, store.id("echo").await);
    let maker = crate::store::Maker::Person(echo);

    store.keep(project, maker, &"doc/a".parse().unwrap(), "x", Some("a key")).await.unwrap();

    assert_eq!(pending(&store, 9).await, [""; 0]);
}
