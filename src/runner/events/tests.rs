//! Recorded event files of the four programs, and laws over them.
//!
//! The files were recorded with Claude Code 2.1.197 and 2.1.332, Codex 0.171,
//! Gemini CLI 0.61 and OpenCode 1.18 against a model that was played by a script.

use std::{fs, path::Path};

use proptest::{collection::vec, prelude::*, sample::Index};

use super::{Before, Events, Fault, Transcript, fault};
use crate::model::{EventFormat, SessionId, Usage};

fn recorded(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/subagents");
    fs::read(folder.join(name)).unwrap_or_else(|err| panic!("{name}: {err}"))
}

fn format_of(name: &str) -> EventFormat {
    name.split('-').next().unwrap().parse().unwrap()
}

fn heard(format: EventFormat, bytes: &[u8]) -> (Transcript, Vec<String>) {
    let mut events = Events::new(format);
    let mut lines = events.push(bytes);
    lines.extend(events.finish());
    (events.transcript().clone(), lines)
}

fn shown_usage(usage: Usage) -> String {
    let Usage { uncached_input, cache_read, cache_write, output, reasoning, turns, cost } = usage;
    let cost = cost.map_or("none".to_owned(), |cost| format!("{} {}", cost.usd, cost.basis));
    format!(
        "{uncached_input} + {cache_read} read + {cache_write} written, {output} + {reasoning} reasoned, {turns} turns, {cost}"
    )
}

const RECORDED: [&str; 25] = [
    "claude-good",
    "claude-mcp",
    "claude-resumed",
    "claude-denied",
    "claude-turns",
    "claude-budget",
    "claude-nosession",
    "claude-nokey",
    "claude-401",
    "codex-good",
    "codex-mcp",
    "codex-resumed",
    "codex-denied",
    "codex-unapproved",
    "codex-401",
    "codex-500",
    "gemini-good",
    "gemini-mcp",
    "gemini-resumed",
    "gemini-denied",
    "gemini-401",
    "opencode-good",
    "opencode-mcp",
    "opencode-denied",
    "opencode-401",
];

#[test]
fn a_conversation_with_an_odd_name_is_passed_over() {
    for (format, event) in [
        (EventFormat::Claude, r#"{"type":"system","subtype":"init","session_id":"IT"}"#),
        (EventFormat::Claude, r#"{"type":"result","subtype":"success","session_id":"IT"}"#),
        (EventFormat::Codex, r#"{"type":"thread.started","thread_id":"IT"}"#),
        (EventFormat::Gemini, r#"{"type":"init","session_id":"IT"}"#),
        (EventFormat::Opencode, r#"{"type":"step_start","sessionID":"IT"}"#),
    ] {
        let events = ["ses_1", "-p", ""].map(|id| event.replace("IT", id) + "\n");
        let (told, _) = heard(format, events.concat().as_bytes());
        assert_eq!(told.session.as_ref().map(SessionId::as_str), Some("ses_1"), "{event}");
    }
}

#[test]
fn what_the_programs_tell() {
    let mut table = String::new();
    for name in RECORDED {
        let (told, lines) = heard(format_of(name), &recorded(&format!("{name}.jsonl")));
        let session = told.session.as_ref().map(|id| &id.as_str()[..8]);
        let hopeless = if told.is_hopeless() { ", hopeless" } else { "" };
        table += &format!(
            "{name}: {session:?} {:?}{hopeless}\n  said {:?}, denied {:?}\n  {}\n",
            told.end,
            told.text,
            told.denied,
            shown_usage(told.used(Before::default()))
        );
        for line in lines {
            table += &format!("  | {line}\n");
        }
    }
    insta::assert_snapshot!(table, @r#"
    claude-good: Some("11111111") Some(Good)
      said Some("All done."), denied {}
      2000 + 600 read + 400 written, 80 + 0 reasoned, 2 turns, $0.00888 reported
      | [Bash] echo hello > made.txt
      | All done.
    claude-mcp: Some("d2399487") Some(Good)
      said Some("All done."), denied {}
      5000 + 1500 read + 1000 written, 200 + 0 reasoned, 5 turns, $0.0293 reported
      | [mcp__wavemark__inputs]
      | [mcp__wavemark__progress]
      | [mcp__wavemark__checkpoint]
      | [mcp__wavemark__finish]
      | All done.
    claude-resumed: Some("11111111") Some(Good)
      said Some("All done."), denied {}
      1000 + 300 read + 200 written, 40 + 0 reasoned, 1 turns, $0.00444 reported
      | All done.
    claude-denied: Some("5f9acf8a") Some(Good)
      said Some("All done."), denied {"Bash"}
      2000 + 600 read + 400 written, 80 + 0 reasoned, 2 turns, $0.00888 reported
      | [Bash] curl example.org > made.txt
      | All done.
    claude-turns: Some("343a3330") Some(Bad(Turns, "reached its limit of turns"))
      said None, denied {}
      1000 + 300 read + 200 written, 40 + 0 reasoned, 2 turns, $0.00444 reported
      | [Bash] echo hello > made.txt
    claude-budget: Some("304a417d") Some(Bad(Budget, "spent its budget"))
      said None, denied {}
      1000 + 300 read + 200 written, 40 + 0 reasoned, 1 turns, $0.00444 reported
      | [Bash] echo hello > made.txt
    claude-nosession: Some("99999999") Some(Bad(NoSession, "No conversation found with session ID: 99999999-2222-4333-8444-555555555555"))
      said None, denied {}
      0 + 0 read + 0 written, 0 + 0 reasoned, 0 turns, $0.00 reported
    claude-nokey: Some("4855394d") Some(Bad(Login, "Not logged in · Please run /login"))
      said Some("Not logged in · Please run /login"), denied {}
      0 + 0 read + 0 written, 0 + 0 reasoned, 1 turns, $0.00 reported
    claude-401: Some("1a1a084d") None, hopeless
      said None, denied {}
      0 + 0 read + 0 written, 0 + 0 reasoned, 0 turns, none
      | the provider of the model answered 401: trying again, 1 of 10
      | the provider of the model answered 401: trying again, 2 of 10
      | the provider of the model answered 401: trying again, 3 of 10
      | the provider of the model answered 401: trying again, 4 of 10
      | the provider of the model answered 401: trying again, 5 of 10
      | the provider of the model answered 401: trying again, 6 of 10
    codex-good: Some("01a22e87") Some(Good)
      said Some("All done."), denied {}
      2000 + 400 read + 0 written, 80 + 20 reasoned, 2 turns, none
      | Model metadata for `stub` not found. Defaulting to fallback metadata; this can degrade performance and cause issues.
      | [command_execution] /bin/bash -lc 'echo hello > made.txt'
      | All done.
    codex-mcp: Some("01a22f99") Some(Good)
      said Some("All done."), denied {}
      5000 + 1000 read + 0 written, 200 + 50 reasoned, 5 turns, none
      | Model metadata for `stub-mcp` not found. Defaulting to fallback metadata; this can degrade performance and cause issues.
      | [wavemark.inputs]
      | [wavemark.progress]
      | [wavemark.checkpoint]
      | [wavemark.finish]
      | All done.
    codex-resumed: Some("01a22e87") Some(Good)
      said Some("All done."), denied {}
      4000 + 800 read + 0 written, 160 + 40 reasoned, 2 turns, none
      | Model metadata for `stub` not found. Defaulting to fallback metadata; this can degrade performance and cause issues.
      | [command_execution] /bin/bash -lc 'echo hello > made.txt'
      | All done.
    codex-denied: Some("01a22e87") Some(Good)
      said Some("All done."), denied {}
      2000 + 400 read + 0 written, 80 + 20 reasoned, 1 turns, none
      | Model metadata for `stub` not found. Defaulting to fallback metadata; this can degrade performance and cause issues.
      | All done.
    codex-unapproved: Some("01a22f87") Some(Good)
      said Some("All done."), denied {"wavemark.checkpoint"}
      2000 + 400 read + 0 written, 80 + 20 reasoned, 2 turns, none
      | Model metadata for `stub-slow` not found. Defaulting to fallback metadata; this can degrade performance and cause issues.
      | [wavemark.checkpoint]
      | All done.
    codex-401: Some("01a22e87") Some(Bad(Login, "unexpected status 401 Unauthorized: invalid x-api-key, url: http://127.0.0.1:1/v1/responses"))
      said None, denied {}
      0 + 0 read + 0 written, 0 + 0 reasoned, 0 turns, none
      | Model metadata for `stub` not found. Defaulting to fallback metadata; this can degrade performance and cause issues.
      | Reconnecting... 1/1 (unexpected status 401 Unauthorized: invalid x-api-key, url: http://127.0.0.1:1/v1/responses)
      | unexpected status 401 Unauthorized: invalid x-api-key, url: http://127.0.0.1:1/v1/responses
      | unexpected status 401 Unauthorized: invalid x-api-key, url: http://127.0.0.1:1/v1/responses
    codex-500: Some("01a22e87") Some(Bad(Other, "We’re currently experiencing high demand, which may cause temporary errors."))
      said None, denied {}
      0 + 0 read + 0 written, 0 + 0 reasoned, 0 turns, none
      | Model metadata for `stub` not found. Defaulting to fallback metadata; this can degrade performance and cause issues.
      | Reconnecting... 1/1 (We’re currently experiencing high demand, which may cause temporary errors.)
      | We’re currently experiencing high demand, which may cause temporary errors.
      | We’re currently experiencing high demand, which may cause temporary errors.
    gemini-good: Some("11111111") Some(Good)
      said Some("All done."), denied {}
      2000 + 400 read + 0 written, 80 + 20 reasoned, 2 turns, none
      | [run_shell_command] echo hello > made.txt
      | All done.
    gemini-mcp: Some("fae1ac42") Some(Good)
      said Some("All done."), denied {}
      4000 + 1000 read + 0 written, 200 + 50 reasoned, 5 turns, none
      | [mcp_wavemark_inputs]
      | [mcp_wavemark_progress]
      | [mcp_wavemark_checkpoint]
      | [mcp_wavemark_finish]
      | All done.
    gemini-resumed: Some("11111111") Some(Good)
      said Some("All done."), denied {}
      2000 + 400 read + 0 written, 80 + 20 reasoned, 2 turns, none
      | [run_shell_command] echo hello > made.txt
      | All done.
    gemini-denied: Some("0b5ffd86") Some(Good)
      said Some("All done."), denied {}
      1000 + 200 read + 0 written, 40 + 10 reasoned, 1 turns, none
      | All done.
    gemini-401: Some("65b583bd") Some(Bad(Login, "[API Error: {\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"invalid x-api-key\",\"code\":\"invalid_api_key\",\"status\":\"UNAUTHENTICATED\"}}]"))
      said None, denied {}
      0 + 0 read + 0 written, 0 + 0 reasoned, 0 turns, none
    opencode-good: Some("ses_dd17") Some(Good)
      said Some("All done."), denied {}
      2000 + 400 read + 0 written, 80 + 20 reasoned, 2 turns, $0.0075 computed
      | [bash] echo hello > made.txt
      | All done.
    opencode-mcp: Some("ses_dd06") Some(Good)
      said Some("All done."), denied {}
      5000 + 1000 read + 0 written, 200 + 50 reasoned, 5 turns, $0.015 computed
      | [wavemark_inputs]
      | [wavemark_progress]
      | [wavemark_checkpoint]
      | [wavemark_finish]
      | All done.
    opencode-denied: Some("ses_dd17") None
      said None, denied {"bash"}
      1000 + 200 read + 0 written, 40 + 10 reasoned, 1 turns, $0.00375 computed
      | [bash] echo hello > made.txt
    opencode-401: Some("ses_dd17") Some(Bad(Login, "invalid x-api-key"))
      said None, denied {}
      0 + 0 read + 0 written, 0 + 0 reasoned, 0 turns, none
      | invalid x-api-key
    "#);
}

/// What there was before a call, when `told` was of the one before.
fn after(told: &Transcript) -> Before {
    Before { counted: told.counted().unwrap_or_default(), heard: told.heard() }
}

#[test]
fn figures_that_go_on_with_a_conversation_are_counted_once() {
    // Codex counts on.
    let first = heard(EventFormat::Codex, &recorded("codex-good.jsonl")).0;
    let second = heard(EventFormat::Codex, &recorded("codex-resumed.jsonl")).0;
    let alone = first.used(Before::default()).uncached_input;
    assert_eq!(second.used(after(&first)).uncached_input, alone);

    // So does one Claude Code, and another does not.
    let result = |call: u64, counted: u64, usd: f64| {
        let line = format!(
            r#"{{"type":"result","subtype":"success","num_turns":2,"total_cost_usd":{usd},
                "usage":{{"output_tokens":{call}}},"modelUsage":{{"m":{{"outputTokens":{counted}}}}}}}"#
        );
        heard(EventFormat::Claude, line.replace('\n', " ").as_bytes()).0
    };
    let before = after(&result(100, 100, 0.01));
    let micros = |usage: Usage| (usage.output, usage.turns, usage.cost.unwrap().usd.micros());
    assert_eq!(micros(result(300, 400, 0.04).used(before)), (300, 2, 30_000));
    assert_eq!(micros(result(300, 300, 0.03).used(before)), (300, 2, 30_000));
    // What its own sub-agents used counts in both.
    assert_eq!(micros(result(300, 450, 0.05).used(before)), (350, 2, 40_000));
}

#[test]
fn money_that_goes_on_is_counted_once_where_no_tokens_do() {
    let result = |tokens: u64, usd: f64| {
        let line = format!(
            r#"{{"type":"result","subtype":"success","num_turns":1,"total_cost_usd":{usd},"usage":{{"output_tokens":{tokens}}}}}"#
        );
        heard(EventFormat::Claude, line.as_bytes()).0
    };
    let micros = |usage: Usage| (usage.output, usage.cost.unwrap().usd.micros());
    let first = result(100, 0.009_27);
    assert_eq!(micros(first.used(Before::default())), (100, 9_270));
    assert_eq!(micros(result(50, 0.013_9).used(after(&first))), (50, 4_630));
    // It did not go on: it began anew.
    assert_eq!(micros(result(50, 0.004).used(after(&first))), (50, 4_000));
}

#[test]
fn a_call_that_breaks_off_used_what_was_heard_and_the_next_one_does_not_count_it_again() {
    let answer = |id: &str, output: u64| {
        format!(
            r#"{{"type":"assistant","message":{{"id":"{id}","content":[],"usage":{{"input_tokens":10,"output_tokens":{output}}}}}}}"#
        ) + "\n"
    };
    // Each part of an answer tells all that the answer used.
    let broken = [answer("a", 1), answer("b", 4), answer("a", 3), answer("a", 3)].concat();
    let broken = heard(EventFormat::Claude, broken.as_bytes()).0;
    let used = broken.used(Before::default());
    assert_eq!((used.uncached_input, used.output, used.turns, used.cost), (20, 7, 2, None));

    let whole = |counted: u64| {
        let line = format!(
            r#"{{"type":"result","subtype":"success","num_turns":1,"total_cost_usd":0.5,"usage":{{"output_tokens":5}},"modelUsage":{{"m":{{"outputTokens":{counted},"inputTokens":20}}}}}}"#
        );
        heard(EventFormat::Claude, (answer("c", 2) + &line).as_bytes()).0
    };
    // It counts what broke off, or it does not.
    assert_eq!(whole(12).used(after(&broken)).output, 5);
    assert_eq!(whole(5).used(after(&broken)).output, 5);
}

#[test]
fn a_login_that_is_refused_beside_the_events_is_hopeless_in_the_end() {
    let complain = |events: &mut Events, times: u32| {
        for _ in 0..times {
            events.push_aside(b"Error: 401 Unauthorized\n  at login: not logged in\n");
        }
        events.transcript().is_hopeless()
    };
    let mut refused = Events::new(EventFormat::Gemini);
    assert!(!complain(&mut refused, 2));
    assert!(complain(&mut refused, 1));
    refused.push(b"{\"type\":\"message\",\"role\":\"assistant\",\"content\":\"Hi\"}\n");
    assert!(!complain(&mut refused, 9), "it was about something else");

    // A tool of one that works is refused something.
    let mut works = Events::new(EventFormat::Gemini);
    works.push(b"{\"type\":\"message\",\"role\":\"assistant\",\"content\":\"Hi\"}\n");
    assert!(!complain(&mut works, 9));
    assert!(!complain(&mut Events::new(EventFormat::None), 9));
}

#[test]
fn a_refusal_that_is_told_twice_counts_once() {
    let mut events = Events::new(EventFormat::Codex);
    for tries in 1..=3 {
        assert!(!events.transcript().is_hopeless(), "{tries}");
        events.push(b"{\"type\":\"error\",\"message\":\"401 Unauthorized\"}\n");
        events.push_aside(b"ERROR: 401 Unauthorized\n");
    }
    assert!(events.transcript().is_hopeless());
}

#[test]
fn a_complaint_counts_until_the_model_does_something() {
    let complaint = |lines: &[&str]| {
        let mut events = Events::new(EventFormat::Gemini);
        for line in lines {
            match line.strip_prefix("2> ") {
                Some(aside) => events.push_aside(aside.as_bytes()),
                None => drop(events.push(format!("{line}\n").as_bytes())),
            }
        }
        events.finish();
        let complaint = events.transcript().complaint.as_ref();
        complaint.map(|it| format!("{:?}: {}", it.fault, it.said))
    };
    let said = r#"{"type":"message","role":"assistant","content":"401 unauthorized"}"#;
    let aside = "2> Error: max session turns reached";
    assert_eq!(complaint(&[said]), None);
    assert_eq!(complaint(&["2> over budget\n", "2> thinking.budget_tokens is too small"]), None);
    // Without an end, too, and on standard output.
    let turns = Some("Turns: Error: max session turns reached".to_owned());
    assert_eq!(complaint(&[said, aside]), turns);
    assert_eq!(complaint(&[said, aside.strip_prefix("2> ").unwrap()]), turns);
    assert_eq!(complaint(&["2> Error: 401 Unauthorized\n", said]), None);
    assert_eq!(complaint(&[&format!("{{ torn: {aside}")]), None);
    assert_eq!(complaint(&[aside, "2> \nmore\n"]), turns);
    assert_eq!(complaint(&[aside, &format!("2> {}", "\nmore".repeat(30))]), None);
    assert_eq!(complaint(&["2> POST /login 200\n", "2> src/pages/login.tsx"]), None);
    let long = complaint(&[&format!("2> not logged in {}", "ä".repeat(30_000))]).unwrap();
    assert!(long.len() < 17_000, "{}", long.len());
}

#[test]
fn a_tool_that_fails_by_itself_was_not_denied() {
    let event = |message: &str| {
        format!(
            r#"{{"type":"item.completed","item":{{"type":"mcp_tool_call","server":"files","tool":"read","error":{{"message":"{message}"}},"status":"failed"}}}}"#
        )
    };
    let denied = |message: &str| heard(EventFormat::Codex, event(message).as_bytes()).0.denied;
    assert!(denied("open /etc/shadow: Permission denied (os error 13)").is_empty());
    let told = denied("MCP tool call requires approval, but approval policy is never");
    assert_eq!(Vec::from_iter(told), ["files.read"]);
}

#[test]
fn what_is_said_without_an_event_is_understood_too() {
    for name in ["codex-nosession", "gemini-nosession", "opencode-nosession"] {
        let said = String::from_utf8(recorded(&format!("{name}.err"))).unwrap();
        assert_eq!(fault(&said, None), Fault::NoSession, "{said}");
    }
    let said = String::from_utf8(recorded("gemini-untrusted.err")).unwrap();
    assert_eq!(fault(&said, None), Fault::Other);
}

#[test]
fn a_line_of_many_mebibytes_is_an_event_and_an_endless_one_is_passed_over() {
    let event = |size: usize| {
        let text = "x".repeat(size);
        format!(r#"{{"type":"item.completed","item":{{"type":"agent_message","text":"{text}"}}}}"#)
            + "\n{\"type\":\"turn.completed\",\"usage\":{\"input_tokens\":7}}\n"
    };
    for (mebibytes, is_heard) in [(5, true), (17, false)] {
        let (told, _) = heard(EventFormat::Codex, event(mebibytes << 20).as_bytes());
        assert_eq!(told.answered, is_heard);
        assert_eq!(told.used(Before::default()).uncached_input, 7);
    }
}

fn any_format() -> impl Strategy<Value = EventFormat> {
    prop::sample::select(EventFormat::ALL)
}

/// Lines that look like events, with values where others are expected.
fn any_odd_event() -> impl Strategy<Value = String> {
    let kinds = vec![
        "system",
        "assistant",
        "result",
        "thread.started",
        "item.completed",
        "turn.completed",
        "turn.failed",
        "error",
        "init",
        "message",
        "tool_use",
        "tool_result",
        "step_finish",
        "text",
    ];
    let fields = vec![
        "subtype",
        "message",
        "item",
        "usage",
        "part",
        "stats",
        "error",
        "num_turns",
        "content",
        "total_cost_usd",
        "modelUsage",
        "permission_denials",
        "session_id",
        "is_error",
    ];
    let values = vec![
        "null",
        "-1",
        "1e400",
        "18446744073709551615",
        "\"\"",
        "[]",
        "[[1]]",
        "{}",
        "true",
        r#"{"type":"text","tokens":-1}"#,
        r#"{"input_tokens":18446744073709551615}"#,
    ];
    let field = (prop::sample::select(fields), prop::sample::select(values));
    (prop::sample::select(kinds), vec(field, 0..5)).prop_map(|(kind, fields)| {
        let fields: Vec<String> =
            fields.into_iter().map(|(key, value)| format!(r#","{key}":{value}"#)).collect();
        format!(r#"{{"type":"{kind}"{}}}"#, fields.concat())
    })
}

fn any_unknown_line() -> impl Strategy<Value = Vec<u8>> {
    let known = vec![
        r#"{"type":"thinking_tokens","session_id":"other","usage":{"output_tokens":9}}"#.to_owned(),
        r#"{"type":"system","subtype":"status","session_id":"other"}"#.to_owned(),
        r#"{"type":"item.updated","item":{"type":"agent_message","text":"not yet"}}"#.to_owned(),
        r#"{"kind":"result","status":"error"}"#.to_owned(),
        r#"{"type":7}"#.to_owned(),
        r#"{"type":"result","subtype":"succ"#.to_owned(),
        "[1, 2]".to_owned(),
        "plain text".to_owned(),
    ];
    prop_oneof![
        prop::sample::select(known).prop_map(String::into_bytes),
        vec(any::<u8>().prop_filter("one line", |byte| *byte != b'\n'), 0..40),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_are_an_error(
        format in any_format(),
        pieces in vec(prop_oneof![
            vec(any::<u8>(), 0..60),
            any_odd_event().prop_map(|line| format!("{line}\n").into_bytes()),
        ], 0..12),
        baseline in any::<u64>(),
    ) {
        let mut events = Events::new(format);
        for piece in &pieces {
            events.push(piece);
        }
        events.finish();
        let counted = Usage { output: baseline, turns: baseline, ..Usage::default() };
        events.transcript().used(Before { counted, heard: counted });
    }

    #[test]
    fn unknown_events_change_nothing(
        name in prop::sample::select(RECORDED.as_slice()),
        unknown in vec((any::<Index>(), any_unknown_line()), 1..6),
    ) {
        let bytes = recorded(&format!("{name}.jsonl"));
        let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
        for (place, mut line) in unknown {
            line.push(b'\n');
            lines.insert(place.index(lines.len() + 1), line);
        }
        let format = format_of(name);
        prop_assert_eq!(heard(format, &lines.concat()).0, heard(format, &bytes).0);
    }

    #[test]
    fn it_does_not_matter_in_which_pieces_it_comes(
        name in prop::sample::select(RECORDED.as_slice()),
        size in 1..500usize,
    ) {
        let (format, bytes) = (format_of(name), recorded(&format!("{name}.jsonl")));
        let mut events = Events::new(format);
        bytes.chunks(size).for_each(|piece| drop(events.push(piece)));
        events.finish();
        prop_assert_eq!(events.transcript(), &heard(format, &bytes).0);
    }
}
