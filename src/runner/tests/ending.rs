//! How runs end: by themselves, by the stop ladder, and with nothing left.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::{
    model::{Outcome, StopReason},
    runner::{
        Error, Exit, RunDir, StopWhen, start,
        testing::{Agent, Story, eventually, processes_of},
        verdict,
    },
};

/// Ends by nothing but SIGKILL, and has a child in another session, one that
/// also cleared its environment, and one in the background.
const STUBBORN: &str = "
    trap '' INT TERM
    setsid sh -c 'trap \"\" INT TERM; while :; do sleep 1000; done' &
    env -i setsid sh -c 'echo $$ >bare.new; mv bare.new bare; exec sleep 1001' &
    sleep 1002 &
    until [ -e bare ]; do sleep 0.01; done
    echo up
    while :; do sleep 1003; done";

/// Whether the one lives that has no trace of its run in its environment.
fn bare_one_lives(agent: &Agent) -> bool {
    let pid = fs::read_to_string(agent.dir().join("work/bare")).unwrap();
    let command = fs::read(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
    command.starts_with(b"sleep\0")
}

/// With rungs that are climbed down fast.
fn hasty(script: &str) -> Agent {
    let mut agent = Agent::new(script);
    agent.launch.limits.after_interrupt.usual = Duration::from_millis(100);
    agent.launch.limits.after_terminate.usual = Duration::from_millis(100);
    agent.launch.limits.leftovers = Duration::from_millis(100);
    agent
}

/// Starts an agent, waits for a line, stops it, and follows it to its end.
async fn stopped_at(agent: &Agent, line: &str, when: StopWhen) -> (Story, u32) {
    let mut running = agent.start();
    let leader = running.pid.unwrap();
    let mut story = Story::default();
    story.until(&mut running, line).await;
    running.stopper.stop(StopReason::Timeout, when);
    while story.next(&mut running).await {}
    (story, leader)
}

#[tokio::test]
async fn nothing_survives_the_stop_ladder() {
    let agent = hasty(STUBBORN);
    let (story, leader) = stopped_at(&agent, "printed \"up\"", StopWhen::Now).await;
    assert_eq!(story.evidence().exit, Exit::Signal(9));
    assert_eq!(story.evidence().stopped, Some(StopReason::Timeout));
    assert_eq!(story.evidence().rejected, []);
    assert_eq!(processes_of(&agent, leader), 0);
    assert!(!bare_one_lives(&agent));
}

#[tokio::test]
async fn killing_does_not_wait_for_the_rungs() {
    let mut agent = Agent::new(STUBBORN);
    agent.launch.limits.leftovers = Duration::from_millis(10);
    agent.launch.limits.after_interrupt.usual = Duration::from_secs(3600);
    let (story, leader) = stopped_at(&agent, "printed \"up\"", StopWhen::Kill).await;
    assert_eq!(story.evidence().exit, Exit::Signal(9));
    assert_eq!(processes_of(&agent, leader), 0);
}

#[tokio::test]
async fn an_agent_that_is_interrupted_may_end_gracefully() {
    let agent = Agent::new(
        "trap 'cat ../stop; echo saved >../out/doc/a.md; exit 0' INT
         echo up; while :; do sleep 0.01; done",
    );
    let (story, _) = stopped_at(&agent, "printed \"up\"", StopWhen::Now).await;
    assert_eq!(story.lines.last().unwrap(), "stored doc/a.md: \"saved\\n\"");
    assert_eq!(story.evidence().exit, Exit::Code(0));
    assert_eq!(story.evidence().log_tail, "up\ntimeout\n");
    let missing = ["doc/b.md".parse().unwrap()];
    assert_eq!(verdict(story.evidence(), &missing, false).outcome, Outcome::TimedOut);
    assert_eq!(verdict(story.evidence(), &[], false).outcome, Outcome::Succeeded);
}

#[tokio::test]
async fn an_agent_that_only_knows_sigterm_gets_it() {
    let mut agent = hasty("trap '' INT; trap 'exit 5' TERM; echo up; while :; do sleep 0.01; done");
    agent.launch.limits.after_terminate.usual = Duration::from_secs(20);
    let (story, _) = stopped_at(&agent, "printed \"up\"", StopWhen::Now).await;
    assert_eq!(story.evidence().exit, Exit::Code(5));
}

#[tokio::test]
async fn a_run_is_stopped_at_its_next_checkpoint() {
    let agent = Agent::new(
        "echo old >../out/.tmp/a; mv ../out/.tmp/a ../out/doc/a.md
         until [ -e ../stop ]; do sleep 0.01; done
         echo new >../out/.tmp/b; mv ../out/.tmp/b ../out/doc/b.md
         while :; do sleep 0.01; done",
    );
    let when = StopWhen::AtNextCheckpoint { at_latest: Duration::from_secs(3600) };
    let (story, _) = stopped_at(&agent, "stored doc/a.md", when).await;
    assert_eq!(story.lines.last().unwrap(), "stored doc/b.md: \"new\\n\"");
    assert_eq!(story.evidence().exit, Exit::Signal(2));
}

#[tokio::test]
async fn a_run_without_checkpoints_is_stopped_when_its_grace_is_over() {
    let agent = hasty("echo up; while :; do sleep 0.01; done");
    let when = StopWhen::AtNextCheckpoint { at_latest: Duration::from_millis(50) };
    let (story, _) = stopped_at(&agent, "printed \"up\"", when).await;
    assert_eq!(story.evidence().exit, Exit::Signal(2));
    assert_eq!(story.evidence().stopped, Some(StopReason::Timeout));
}

#[tokio::test]
async fn an_agent_that_ends_by_itself_in_its_grace_was_still_asked_to_stop() {
    let agent = Agent::new("echo up; until [ -e ../stop ]; do sleep 0.01; done");
    let when = StopWhen::AtNextCheckpoint { at_latest: Duration::from_secs(3600) };
    let (story, _) = stopped_at(&agent, "printed \"up\"", when).await;
    assert_eq!(story.evidence().exit, Exit::Code(0));
    assert_eq!(story.evidence().stopped, Some(StopReason::Timeout));
}

#[tokio::test]
async fn what_a_finished_agent_leaves_behind_ends_with_it() {
    let agent = hasty(
        "setsid sh -c 'trap \"\" TERM; echo hidden >up; while :; do sleep 1000; done' &
         (env -i setsid sh -c 'echo $$ >bare.new; mv bare.new bare; exec sleep 1004' &)
         sleep 1001 &
         until [ -e up ] && [ -e bare ]; do sleep 0.01; done; echo done",
    );
    let begun = Instant::now();
    let mut running = agent.start();
    let leader = running.pid.unwrap();
    let mut story = Story::default();
    while story.next(&mut running).await {}
    // It had the pipe open, and would have had for a quarter of an hour.
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(story.evidence().exit, Exit::Code(0));
    assert_eq!(story.evidence().log_tail, "done\n");
    assert_eq!(processes_of(&agent, leader), 0);
    // Orphaned without a trace in its environment, it still works in the run directory.
    assert!(!bare_one_lives(&agent));
}

#[tokio::test]
async fn one_runs_end_spares_the_processes_of_another() {
    let busy = Agent::new("sleep 1000 & sleep 1000 & (setsid sleep 1000 &); echo up; wait");
    let mut running = busy.start();
    let mut story = Story::default();
    story.until(&mut running, "printed \"up\"").await;
    let leader = running.pid.unwrap();
    eventually("three sleeps", || processes_of(&busy, leader) == 4).await;

    hasty("setsid sleep 1001 & exit 0").run().await;
    stopped_at(&hasty("echo up; sleep 1002"), "printed \"up\"", StopWhen::Now).await;
    assert_eq!(processes_of(&busy, leader), 4);

    running.stopper.stop(StopReason::Interrupted, StopWhen::Now);
    while story.next(&mut running).await {}
    assert_eq!(processes_of(&busy, leader), 0);
}

#[tokio::test]
async fn a_run_that_nobody_follows_is_stopped() {
    let agent = hasty(STUBBORN);
    let mut running = agent.start();
    let leader = running.pid.unwrap();
    Story::default().until(&mut running, "printed \"up\"").await;
    drop(running);
    eventually("the end of all", || processes_of(&agent, leader) == 0).await;
    eventually("the end of the run", || !RunDir::at(agent.dir()).is_followed()).await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_the_machines_fault() {
    let agent = Agent::new("exit 0");
    agent.run().await;
    let again = start(agent.launch.clone());
    assert!(matches!(again, Err(Error::Directory { .. })), "{again:?}");
}

#[tokio::test]
async fn output_that_somebody_holds_open_is_not_waited_for() {
    // Orphaned, elsewhere, in another session and without its environment, it cannot
    // be recognised; it says its number so that the test can end it.
    let agent = Agent::new(
        "(env -i setsid sh -c 'echo $$ >pid; cd /; exec sleep 1000' &)
        until [ -s pid ]; do sleep 0.01; done; echo done",
    );
    let begun = Instant::now();
    let story = agent.run().await;
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(story.evidence().log_tail, "done\n");

    let pid = fs::read_to_string(agent.dir().join("work/pid")).unwrap();
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}
