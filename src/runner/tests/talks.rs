//! What agent programs say, and what becomes of it.

use crate::{
    model::{CommandLine, EventFormat, Outcome, Resume},
    runner::{End, Exit, Fault, Program, testing::Agent, verdict},
};

/// Ends as Claude Code does.
const END: &str = r#"
    end() { printf '{"type":"result","subtype":"%s","is_error":%s,"result":"%s","permission_denials":[%s]}\n' "$@"; }
    denied() { printf '{"tool_name":"%s"},' "$@"; echo '{"tool_name":"Bash"}'; }
    long=$(printf '%2000d' 0)
"#;

/// An agent program that has a secret.
fn agent(script: &str) -> Agent {
    let mut agent = Agent::subagent(&format!("{END}\n{script}"));
    agent.launch.secrets.insert("TOKEN".parse().unwrap(), "hunter22".into());
    agent
}

#[tokio::test]
async fn denied_tools_are_named_without_secrets_and_not_all_of_them() {
    let tools = r#"'\u001b[31mRead' "Write($TOKEN)" "x$long""#;
    let script = format!("end success false Done. \"$(denied {tools} $(seq 30))\"");
    let story = agent(&script).run().await;

    let names: Vec<&str> = story.evidence().denied.iter().map(String::as_str).collect();
    assert_eq!(names.len(), 20);
    assert!(names.contains(&"Read") && names.contains(&"Write(***)"), "{names:?}");
    let said = verdict(story.evidence(), &["doc/a.md".parse().unwrap()], false).detail;
    assert!(said.contains("it was denied 1, ") && said.len() < 500, "{said}");
}

#[tokio::test]
async fn what_ended_badly_is_told_in_short_and_without_secrets() {
    let script = r#"end error true "\u001b[31mThis is the end of $TOKEN. $long" ''"#;
    let story = agent(script).run().await;

    let Some(End::Bad(_, said)) = &story.evidence().end else { panic!("{:?}", story.evidence()) };
    assert!(said.starts_with("`claude` ended badly: This is the end of ***. "), "{said:?}");
    assert!(said.len() < 1100, "{}", said.len());
}

#[tokio::test]
async fn a_machine_that_cannot_call_it_again_is_to_blame() {
    // Whatever keeps us from writing: here it is a folder.
    let story =
        agent("mkdir \"$WAVEMARK_DIR/prompt-2.md\"; end success false Done. ''").run().await;

    let verdict = verdict(story.evidence(), &["doc/summary.md".parse().unwrap()], false);
    assert_eq!(verdict.outcome, Outcome::Lost, "{}", verdict.detail);
    assert!(verdict.detail.ends_with(", when it was to be called again"), "{}", verdict.detail);
}

/// An agent program that may spend a cent, spends a dollar, and says that all went
/// well when it is stopped.
fn spendthrift(end: &str) -> Agent {
    let mut agent = agent(&format!(
        r#"
        step() {{ printf '{{"type":"step_finish","sessionID":"s","part":{{"reason":"%s","cost":%s}}}}\n' $1 $2; }}
        trap 'step stop 0; {end}' INT
        step tool-calls 1; while :; do sleep 0.01; done"#
    ));
    let Program::Subagent { subagent, .. } = &mut agent.launch.program else { unreachable!() };
    subagent.profile.events = EventFormat::Opencode;
    subagent.budget = Some("0.01".parse().unwrap());
    agent.launch.input.produces = vec![];
    agent
}

#[tokio::test]
async fn what_was_given_up_failed_for_that_whatever_was_said_afterwards() {
    let story = spendthrift("kill -9 $$").run().await;
    let end = &story.evidence().end;
    assert!(matches!(end, Some(End::Bad(Fault::Budget, _))), "{end:?}");
    assert_eq!(verdict(story.evidence(), &[], false).outcome, Outcome::Refused);

    let story = spendthrift("exit 0").run().await;
    assert_eq!(verdict(story.evidence(), &[], false).outcome, Outcome::Succeeded);
}

#[tokio::test]
async fn nothing_private_is_left_of_a_program_that_does_not_start() {
    let mut agent = agent("");
    let Program::Subagent { subagent, .. } = &mut agent.launch.program else { unreachable!() };
    subagent.profile.start = CommandLine(vec![vec!["no-such-program".parse().unwrap()]]);
    subagent.resume = Resume::Checkpoints;

    let story = agent.run().await;

    assert!(matches!(story.evidence().exit, Exit::NotStarted(_)), "{:?}", story.evidence());
    assert!(!agent.dir().join("home").exists());
}
