//! What agents made: each version once and for ever.

use crate::{
    model::{ArtifactKey, Digest, GitState, Outcome, Status::Ready},
    store::{
        Kept, Maker, Operator,
        testing::{self, at_once, name},
    },
};

fn key() -> ArtifactKey {
    "doc/a.md".parse().unwrap()
}

#[tokio::test]
async fn the_same_bytes_are_no_new_version() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;

    let mut kept = vec![];
    for content in ["one", "one", "two", "one"] {
        kept.push(store.makes(&run, "doc/a.md", content).await);
    }

    let (new, same) = (|version| Kept::New { version }, |version| Kept::Same { version });
    assert_eq!(kept, [new(1), same(1), new(2), new(3)]);
}

#[tokio::test]
async fn the_same_bytes_count_for_a_new_generation() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let first = store.claim("echo").await;
    store.makes(&first, "doc/a.md", "as ever").await;
    store.end(&first, Outcome::Succeeded).await;
    store.operate(store.project.id, &name("echo"), Operator::Rebuild, "ann").await.unwrap();
    let second = store.claim("echo").await;

    let before = store.stored_outputs(&[second.id]).await.unwrap();
    let kept = store.makes(&second, "doc/a.md", "as ever").await;
    let after = store.stored_outputs(&[second.id]).await.unwrap();

    assert_eq!(kept, Kept::Same { version: 1 });
    assert_eq!((before, after), (vec![], vec![(second.id, key())]));
}

#[tokio::test]
async fn versions_count_up_however_many_write_at_once() {
    let store = testing::store().await;
    let echo = store.given_agent("echo", Ready).await;

    let mut writers = vec![];
    for writer in 0..8 {
        let (own, project) = (store.elsewhere().await, store.project.id);
        writers.push(async move {
            let mut versions = vec![];
            for turn in 0..5 {
                let content = format!("{writer}/{turn}");
                let kept = own.keep(project, Maker::Person(echo), &key(), &content, None).await;
                if let Kept::New { version } = kept.unwrap() {
                    versions.push(version);
                }
            }
            versions
        });
    }
    let mut versions = at_once(writers).await.concat();

    versions.sort_unstable();
    assert_eq!(versions, (1..=40).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_secret_stays_out_of_git_and_people_are_told_once() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;

    for _ in 0..2 {
        let secret = Some("a GitHub token");
        store.keep(store.project.id, run.maker(), &key(), "ghp_…", secret).await.unwrap();
    }

    let rows = store.all_artifacts(store.project.id).await.unwrap();
    let git: Vec<_> = rows.iter().map(|row| (row.git_state, row.git_reason.as_deref())).collect();
    assert_eq!(git, [(GitState::Blocked, Some("a GitHub token"))]);
    let told = store.feedback(store.project.id, None, true).await.unwrap();
    let told: Vec<_> = told.iter().map(|one| one.feedback_text.lines().next().unwrap()).collect();
    insta::assert_snapshot!(told.join("\n"), @"doc/a.md version 1 seems to contain a GitHub token, so it is kept out of git. Its row is stored.");
}

#[tokio::test]
async fn a_row_carries_the_digest_and_the_size_of_its_bytes() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;
    let content = "žluťoučký kůň 🐎\n";

    store.makes(&run, "doc/a.md", content).await;

    let row = store.all_artifacts(store.project.id).await.unwrap().remove(0);
    assert_eq!((row.sha256, row.bytes), (Digest::of(content), 25));
    assert_eq!((row.run_id, row.epoch), (Some(run.id), run.claimed.epoch));
    assert_eq!(store.content(row.id).await.unwrap(), content);
}

#[tokio::test]
async fn lists_show_the_newest_version_and_histories_all() {
    let store = testing::store().await;
    let echo = store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;
    for (key, content) in [("doc/a.md", "one"), ("schema/b.json", "{}"), ("doc/a.md", "two")] {
        store.makes(&run, key, content).await;
    }

    let list = store.artifacts(store.project.id, Some(echo)).await.unwrap();
    let history = store.versions(echo, &key()).await.unwrap();
    let latest = store.latest(&[echo]).await.unwrap().remove(&echo).unwrap();

    let list: Vec<_> = list.iter().map(|row| (row.key().to_string(), row.version)).collect();
    assert_eq!(list, [("doc/a.md".to_owned(), 2), ("schema/b.json".to_owned(), 1)]);
    assert_eq!(history.iter().map(|row| row.version).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(latest.iter().map(|it| it.content.as_str()).collect::<Vec<_>>(), ["two", "{}"]);
}

#[tokio::test]
async fn an_artifact_never_changes_and_never_goes() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;
    store.makes(&run, "doc/a.md", "one").await;

    let mut refusals = vec![];
    for sql in [
        "update artifacts set content = 'two'",
        "update artifacts set sha256 = repeat('0', 64)",
        "update artifacts set version = 2",
        "update artifacts set name = 'b.md'",
        "delete from artifacts",
        "truncate artifacts",
    ] {
        refusals.push(store.try_sql(sql).await.unwrap_err());
    }

    insta::assert_snapshot!(refusals.join("\n"), @"
    artifacts never change
    artifacts never change
    artifacts never change
    artifacts never change
    artifacts are never deleted
    artifacts are never deleted
    ");
}

#[tokio::test]
async fn a_committed_artifact_stays_committed() {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    let run = store.claim("echo").await;
    store.makes(&run, "doc/a.md", "one").await;
    store
        .sql("update artifacts set git_state = 'committed', git_commit = 'c', git_path = 'p'")
        .await;

    let refusal = store
        .try_sql("update artifacts set git_state = 'pending', git_commit = null, git_path = null")
        .await;

    assert_eq!(refusal, Err("a committed artifact stays committed".to_owned()));
}
