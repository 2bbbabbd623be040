//! What waits for people, and what they make of it.

use crate::{
    engine,
    model::{
        FeedbackKind, FeedbackNumber, Resolution,
        Status::{self, Ready},
    },
    store::{
        Error, NewFeedback, feedback,
        testing::{self, TestStore, name},
    },
};

async fn remark(store: &TestStore, text: &str) -> FeedbackNumber {
    store.remark(store.project.id, &name("echo"), text, "ann").await.unwrap()
}

/// A store with the agent `echo` in it.
async fn echo() -> TestStore {
    let store = testing::store().await;
    store.given_agent("echo", Ready).await;
    store
}

async fn only_feedback(store: &TestStore) -> engine::Feedback {
    store.facts("echo").await.feedback.remove(0)
}

#[tokio::test]
async fn feedback_is_resolved_once_and_what_is_said_is_kept() {
    let store = echo().await;
    let number = remark(&store, "Too long.").await;

    let mut answers = vec![];
    for (resolution, comment) in
        [(Resolution::Completed, "Please shorten."), (Resolution::Dismissed, "Never mind.")]
    {
        let comment = Some(comment);
        let answer = store.resolve(store.project.id, number, resolution, comment, "bob").await;
        answers.push(answer.unwrap());
    }

    let (_, thread) = store.thread(store.project.id, number).await.unwrap();
    let said: Vec<_> =
        thread.messages.iter().map(|it| format!("{}: {}", it.author, it.body)).collect();
    assert_eq!((answers, thread.resolution), (vec![true, false], Some(Resolution::Completed)));
    assert_eq!(said, ["ann: Too long.", "bob: Please shorten.", "bob: Never mind."]);
}

#[tokio::test]
async fn feedback_resolved_by_hand_is_completed() {
    let store = echo().await;
    remark(&store, "Too long.").await;

    store.sql("update feedback set resolved = true").await;

    let feedback = only_feedback(&store).await;
    assert_eq!((feedback.resolution, feedback.applied), (Some(Resolution::Completed), false));
}

#[tokio::test]
async fn feedback_opened_again_by_hand_waits_again() {
    let store = echo().await;
    let number = remark(&store, "Too long.").await;
    store.sql("update feedback set resolved = true").await;
    store.tx(async |tx| feedback::apply(tx, &[number]).await).await.unwrap();

    store.sql("update feedback set resolved = false").await;

    let feedback = only_feedback(&store).await;
    assert_eq!((feedback.resolution, feedback.applied), (None, false));
}

#[tokio::test]
async fn a_resolution_is_acted_on_once() {
    let store = echo().await;
    let number = remark(&store, "Too long.").await;

    let too_early = store.tx(async |tx| feedback::apply(tx, &[number]).await).await.unwrap();
    store.sql("update feedback set resolved = true").await;
    let first = store.tx(async |tx| feedback::apply(tx, &[number]).await).await.unwrap();
    let second = store.tx(async |tx| feedback::apply(tx, &[number]).await).await.unwrap();

    assert_eq!((too_early, first, second), (vec![], vec![number], vec![]));
}

#[tokio::test]
async fn the_same_question_of_a_run_is_asked_once() {
    let store = echo().await;
    let run = store.claim("echo").await;

    let mut numbers = vec![];
    for question in ["Red?", "Red?", "Blue?"] {
        let asked = store.question(store.project.id, run.id, run.token, question).await;
        numbers.push(asked.unwrap().unwrap());
    }

    assert_eq!((numbers[0] == numbers[1], numbers[0] == numbers[2]), (true, false));
}

#[tokio::test]
async fn the_same_request_is_made_once() {
    let store = echo().await;
    let new = [NewFeedback {
        agent: store.id("echo").await,
        kind: FeedbackKind::Review,
        text: "Look at this.".to_owned(),
        author: "wavemark".to_owned(),
        run: None,
        request: Some("review:1".to_owned()),
        generation: None,
    }];

    let project = store.project.id;
    let first = store.tx(async |tx| feedback::open(tx, project, &new).await).await.unwrap();
    let second = store.tx(async |tx| feedback::open(tx, project, &new).await).await.unwrap();

    assert_eq!((first.len(), second.len()), (1, 0));
}

#[tokio::test]
async fn a_thread_is_told_in_order() {
    let store = echo().await;
    let number = remark(&store, "first").await;
    store
        .sql(
            "insert into feedback_comments (feedback_id, author, body, created_at)
             select id, 'bob', body, created_at + after from feedback, (values
                 ('third', interval '2 minutes'), ('second', interval '1 minute')
             ) as comment (body, after)",
        )
        .await;

    let (agent, thread) = store.thread(store.project.id, number).await.unwrap();

    let said: Vec<_> = thread.messages.iter().map(|message| message.body.as_str()).collect();
    assert_eq!((agent, said), (name("echo"), vec!["first", "second", "third"]));
}

#[tokio::test]
async fn agents_get_what_they_can_act_on() {
    let store = echo().await;
    for kind in FeedbackKind::ALL {
        for resolution in ["null", "'completed'", "'dismissed'", "'superseded'"] {
            let values = format!(
                "'{kind} ' || coalesce({resolution}, 'open'), '{kind}', {resolution} is not null,
                 {resolution}"
            );
            let columns = "author, kind, resolved, resolution";
            store.given_feedback(columns, &values).await;
        }
    }
    store.given_feedback("author, blocking", "'by the way', false").await;

    let echo = store.id("echo").await;
    let threads = store.tx(async |tx| feedback::threads(tx, &[echo]).await).await.unwrap();

    let told: Vec<_> = threads[&echo].iter().map(|it| it.messages[0].author.as_str()).collect();
    insta::assert_snapshot!(told.join("\n"), @"
    comment completed
    comment superseded
    review dismissed
    question completed
    question dismissed
    failure completed
    refusal dismissed
    by the way
    ");
}

#[tokio::test]
async fn the_newest_open_feedback_of_a_kind_is_found() {
    let store = echo().await;
    remark(&store, "one").await;
    let two = remark(&store, "two").await;
    let three = remark(&store, "three").await;
    let done = Resolution::Completed;
    store.resolve(store.project.id, three, done, None, "ann").await.unwrap();

    let echo = store.id("echo").await;
    let comment = store.open_of_kind(echo, FeedbackKind::Comment).await.unwrap();
    let review = store.open_of_kind(echo, FeedbackKind::Review).await.unwrap();

    assert_eq!((comment, review), (Some(two), None));
}

#[tokio::test]
async fn a_number_that_nobody_gave_out_is_told_apart() {
    let store = echo().await;
    let unknown = FeedbackNumber(99);

    let resolving =
        store.resolve(store.project.id, unknown, Resolution::Completed, None, "ann").await;
    let reading = store.thread(store.project.id, unknown).await;

    assert!(matches!(resolving, Err(Error::NoFeedback(number)) if number == unknown));
    assert!(matches!(reading, Err(Error::NoFeedback(number)) if number == unknown));
}

#[tokio::test]
async fn feedback_is_about_the_generation_that_it_was_given_in() {
    let store = echo().await;
    store.sql("update agents set generation = 3").await;

    remark(&store, "Too long.").await;

    assert_eq!(only_feedback(&store).await.generation.0, 3);
}

#[tokio::test]
async fn lists_of_feedback_leave_out_what_is_resolved_unless_asked() {
    let store = echo().await;
    store.given_agent("pixel", Status::Draft).await;
    let first = remark(&store, "one").await;
    let second = remark(&store, "two").await;
    store.resolve(store.project.id, first, Resolution::Dismissed, None, "ann").await.unwrap();

    let numbers = async |agent: &str, resolved_too| {
        let rows = store.feedback(store.project.id, Some(&name(agent)), resolved_too).await;
        rows.unwrap().iter().map(|row| row.number).collect::<Vec<_>>()
    };

    assert_eq!(numbers("echo", false).await, [second]);
    assert_eq!(numbers("echo", true).await, [first, second]);
    assert_eq!(numbers("pixel", true).await, []);
}
