//! What an agent prints: kept in order, in bounds, and without secrets.

use std::{fs, time::Instant};

use crate::runner::{Exit, RunDir, testing::Agent};

#[tokio::test]
async fn what_a_program_prints_and_makes_and_how_it_ends_is_evidence() {
    let agent =
        Agent::new("echo out; echo err >&2; echo '{}' >$WAVEMARK_OUT/schema/a.json; exit 3");
    let story = agent.run().await;
    assert_eq!(story.lines.last().unwrap(), "stored schema/a.json: \"{}\\n\"");
    assert_eq!(story.evidence().exit, Exit::Code(3));
    assert_eq!(story.evidence().log_tail, "out\nerr\n");
    let log = fs::read_to_string(agent.dir().join("log/output.log")).unwrap();
    assert_eq!(log, "out\nerr\n");
}

#[tokio::test]
async fn output_is_told_a_few_times_a_second_at_most() {
    let begun = Instant::now();
    let story = Agent::new("for n in $(seq 300); do echo $n; sleep 0.001; done").run().await;
    // A report each 250 ms.
    let most = begun.elapsed().as_millis() / 250 + 1;
    let told = story.lines.len();
    assert!((1..=usize::try_from(most).unwrap()).contains(&told), "{told} lines, {most} at most");
    assert!(story.evidence().log_tail.ends_with("299\n300\n"));
}

#[tokio::test]
async fn no_secret_reaches_the_disk() {
    let secret = "p\"ss/wörd+1 and more";
    let mut agent = Agent::new(
        "echo $TOKEN; echo \"$TOKEN\" >&2; printf '%s' \"$TOKEN\" | base64
         printf 'ada:%s' \"$TOKEN\" | base64; printf '%s' \"$TOKEN\" | base64 | tr '+/' '-_'
         echo 'p%22ss%2Fw%C3%B6rd%2B1%20and%20more p%22ss%2Fw%C3%B6rd%2B1+and+more'
         echo '{\"token\": \"p\\\"ss/wörd+1 and more\"}'
         printf 'p\"ss/w'; sleep 0.05; echo 'örd+1 and more'
         cat $WAVEMARK_REPO/long",
    );
    agent.launch.secrets.insert("TOKEN".parse().unwrap(), secret.into());
    agent.launch.hidden.insert("the database password".into(), "hunter22".into());
    let long = format!("{}{secret}{}hunter22\n", "x".repeat(70_000), "y".repeat(70_000));
    fs::write(agent.launch.repo.join("long"), long).unwrap();

    let story = agent.run().await;

    let log = fs::read_to_string(agent.dir().join("log/output.log")).unwrap();
    for part in [
        "p\"ss",
        "p\\\"ss",
        "p%22",
        "wörd",
        "w%C3",
        "and more",
        "and%20more",
        "hunter22",
        "cCJz",
        "AicNz",
        "w7Zy",
    ] {
        assert!(!log.contains(part), "{part} is in the log");
        assert!(!story.text().contains(part), "{part} was told");
        assert!(!story.evidence().log_tail.contains(part), "{part} is in the tail");
    }
    assert_eq!(log.lines().take_while(|line| !line.starts_with('x')).count(), 8, "{log}");
}

#[tokio::test]
async fn the_log_is_bounded() {
    let mut agent = Agent::new("seq 100000");
    agent.launch.limits.log_bytes = 20_000;
    let story = agent.run().await;
    let [older, newest] =
        RunDir::at(agent.dir()).logs().map(|log| fs::read_to_string(log).unwrap());
    assert!(newest.ends_with("99999\n100000\n"));
    assert!(older.len() + newest.len() <= 20_000);
    assert_eq!(story.evidence().log_tail.len(), 16 * 1024);
}
