//! Agent programs by their profiles: a script replays what the real ones
//! printed, with their exit codes and their bad habits.

mod money;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use crate::support::{Plan, Project, wait_until};

/// A project in which `program` is this shell script. It can replay a recorded
/// file: `replay claude-good`; `lose` replays one of what is said without an event.
fn project(program: &str, fields: &str, script: &str) -> Project {
    project_with(Plan::new(), program, fields, script)
}

/// The same, with what `plan` says about the project.
fn project_with(plan: Plan, program: &str, fields: &str, script: &str) -> Project {
    let mut project = Project::unsynced(&plan.entry("vision", fields));
    let bin = project.path("bin");
    fs::create_dir(&bin).unwrap();
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/subagents");
    let text = format!(
        "#!/bin/sh
recorded='{}'
replay() {{ cat \"$recorded/$1.jsonl\"; }}
lose() {{ if [ -e \"$recorded/$1.err\" ]; then cat \"$recorded/$1.err\" >&2; else replay $1; fi; }}
emit() {{ printf '%s\\n' \"$2\" >\"$WAVEMARK_OUT/.tmp/x\"; mv \"$WAVEMARK_OUT/.tmp/x\" \"$WAVEMARK_OUT/$1\"; }}
printf '%s\\n' \"$@\" >>\"$WAVEMARK_REPO/said\"; echo call >>\"$WAVEMARK_REPO/calls\"
calls=$(wc -l <\"$WAVEMARK_REPO/calls\")
{script}
",
        recorded.display()
    );
    let path = bin.join(program);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let folders = std::env::var_os("PATH").unwrap();
    let all = std::iter::once(bin).chain(std::env::split_paths(&folders));
    project.env("PATH", std::env::join_paths(all).unwrap().to_str().unwrap());
    project.run(&["sync"]).ok();
    project
}

fn detail(project: &Project) -> String {
    project.sql("select detail from runs order by epoch desc limit 1")
}

fn calls(project: &Project) -> usize {
    project.read("calls").lines().count()
}

#[test]
fn each_program_is_complete_when_it_ends_well_and_its_outputs_are_stored() {
    for program in ["claude", "codex", "gemini", "opencode"] {
        let fields =
            format!("run: {{ {program}: {{ model: big }} }}, prompt: Do it., produces: [doc/a.md]");
        let script = format!("emit doc/a.md done; replay {program}-good");
        let project = project(program, &fields, &script);

        let ran = project.run(&["run"]).ok();

        assert_eq!(project.status("vision"), "complete", "{program}: {}", detail(&project));
        assert_eq!(calls(&project), 1);
        let says_nothing = |line: &str| line.trim_end().ends_with('|');
        assert!(!ran.stderr.lines().any(says_nothing), "{ran}");
        let said = project.read("said");
        assert!(said.contains("Do it.") && said.contains("\nbig\n"), "{said}");
        assert_eq!(project.sql("select output_summary from agents"), "All done.");
        project.agrees_with_git();
    }
}

#[test]
fn one_that_claims_and_did_nothing_is_sent_round_once_and_then_fails() {
    let fields = "run: { claude: { allow: [Read, 'Bash(a b:*)'], max_turns: 7, budget_usd: 0.5 } }, \
                  produces: [doc/a.md], retries: 0";
    let lazy = project("claude", fields, "replay claude-good");
    lazy.run(&["run"]);
    assert_eq!(lazy.outcomes("vision"), "failed");
    assert_eq!(calls(&lazy), 2);
    assert!(detail(&lazy).contains("did not produce doc/a.md"), "{}", detail(&lazy));
    let said = lazy.read("said");
    for word in ["--resume", "this is missing", "Bash(a b:*)", "--max-turns\n7", "0.5"] {
        assert!(said.contains(word), "{word}: {said}");
    }

    let late =
        project("claude", fields, "[ $calls = 1 ] || emit doc/a.md done; replay claude-good");
    late.run(&["run"]).ok();
    assert_eq!((late.outcomes("vision").as_str(), calls(&late)), ("succeeded", 2));
}

#[test]
fn a_denied_tool_is_told_and_exit_0_proves_nothing() {
    for (program, script, word) in [
        ("claude", "replay claude-denied", "Bash"),
        ("opencode", "replay opencode-denied", "bash"),
        ("gemini", "exit 0", "without saying how it went"),
        ("gemini", "exit 55", "exited 55"),
        ("claude", "replay claude-turns; exit 1", "max_turns"),
    ] {
        let fields = format!("run: {{ {program}: {{}} }}, retries: 0");
        let project = project(program, &fields, script);
        project.run(&["run"]);
        assert_eq!(project.outcomes("vision"), "failed", "{script}: {}", detail(&project));
        assert!(detail(&project).contains(word), "{script}: {}", detail(&project));
    }
}

#[test]
fn a_login_that_is_refused_fails_at_once_and_says_what_to_set() {
    for (program, script, variable) in [
        ("claude", "replay claude-401; sleep 1000", "ANTHROPIC_API_KEY"),
        ("claude", "replay claude-nokey; exit 1", "ANTHROPIC_API_KEY"),
        ("codex", "replay codex-401; exit 1", "OPENAI_API_KEY"),
        ("gemini", "replay gemini-401; exit 145", "GEMINI_API_KEY"),
        ("opencode", "replay opencode-401; exit 1", "ANTHROPIC_API_KEY"),
    ] {
        let project = project(program, &format!("run: {{ {program}: {{}} }}"), script);
        project.run(&["run"]);
        assert_eq!(project.outcomes("vision"), "refused", "{script}: {}", detail(&project));
        assert!(detail(&project).contains(variable), "{script}: {}", detail(&project));
    }
}

/// For each program, how it is told to go on with a conversation, and the file
/// in which it keeps one.
const CONVERSATIONS: [(&str, &str, &str); 4] = [
    (
        "claude",
        "--resume",
        "$CLAUDE_CONFIG_DIR/projects/$(pwd -P | tr -c 'A-Za-z0-9\\n' -)/it.jsonl",
    ),
    ("codex", "resume", "$CODEX_HOME/sessions/2026/12/01/it.jsonl"),
    ("gemini", "-r", "$GEMINI_CLI_HOME/.gemini/tmp/work/chats/it.jsonl"),
    ("opencode", "-s", "$OPENCODE_DB"),
];

#[test]
fn a_conversation_goes_on_in_the_next_run_and_is_forgotten_when_it_is_done() {
    for (program, word, file) in CONVERSATIONS {
        let fields = format!("run: {{ {program}: {{ resume: session }} }}, produces: [doc/a.md]");
        let script = format!(
            "
            it=\"{file}\"
            case \" $* \" in
            ' export '*) cat \"$it\";;
            ' import '*) cp \"$2\" \"$it\"; pwd -P >>\"$it\";;
            *' {word} '*) cat \"$it\" >\"$WAVEMARK_REPO/heard\"; emit doc/a.md done; replay {program}-good;;
            *) mkdir -p \"$(dirname \"$it\")\"; echo private >\"$it\"; replay {program}-good; wavemark ask 'What?';;
            esac"
        );
        let project = project(program, &fields, &script);

        project.run(&["run"]);
        assert_eq!(project.sql("select count(*) from wavemark.sessions"), "1", "{program}");
        // Another machine has nothing of it.
        fs::remove_dir_all(project.path(".wavemark/runs")).unwrap();
        project.run(&["feedback", "resolve", "1"]).ok();
        project.run(&["run"]).ok();

        let heard = project.read("heard");
        assert_eq!(heard.lines().next(), Some("private"), "{program}");
        // OpenCode works where a conversation says: in the directory of this run.
        if program == "opencode" {
            let work = project.run_dir("vision", 2).join("work").canonicalize().unwrap();
            assert_eq!(heard, format!("private\n{}\n", work.display()));
        }
        assert_eq!(project.status("vision"), "complete", "{program}: {}", detail(&project));
        assert_eq!(project.sql("select count(*) from wavemark.sessions"), "0");
        assert!(!project.run_dir("vision", 2).join("home").exists());
    }
}

#[test]
fn a_conversation_that_is_not_found_is_begun_anew() {
    for (program, word, file) in CONVERSATIONS {
        let fields = format!("run: {{ {program}: {{ resume: session }} }}, produces: [doc/a.md]");
        // Of OpenCode, the conversation is first asked for to be brought here.
        let script = format!(
            "
            case \" $* \" in ' export '*|*' {word} '*) lose {program}-nosession; exit 1;; esac
            if [ $calls = 1 ]; then
                it=\"{file}\"; mkdir -p \"$(dirname \"$it\")\"; echo x >\"$it\"; replay {program}-good; exit 1
            fi
            emit doc/a.md done; replay {program}-good"
        );
        let project = project(program, &fields, &script);

        project.run(&["run"]).ok();

        assert_eq!(project.outcomes("vision"), "failed, succeeded", "{program}");
        assert_eq!(calls(&project), 3, "{program}");
        let log = project.sql("select log_tail from runs order by epoch desc limit 1");
        assert!(log.contains("beginning a fresh one"), "{program}: {log}");
    }
}

#[test]
fn nothing_is_left_of_a_program_that_is_stopped() {
    // The tool has a session of its own, and the leader ignores SIGINT.
    // No other test of this machine sleeps for so long.
    let length = format!("4711.{}", std::process::id());
    let script = format!("trap '' INT; setsid sleep {length} & wait; sleep {length}");
    let project = project("claude", "run: { claude: {} }, timeout: 2s, retries: 0", &script);

    project.run(&["run"]);

    assert_eq!(project.outcomes("vision"), "timed_out");
    let alive = || {
        let all = fs::read_dir("/proc").unwrap().flatten();
        all.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
            .any(|line| line == format!("sleep\0{length}\0").as_bytes())
    };
    wait_until("its tool is gone", || !alive());
}

#[test]
fn a_program_that_gives_no_sign_of_life_is_stopped_and_tried_again() {
    let fields = "run: { codex: {} }, produces: [doc/a.md]";
    let script = "[ $calls = 2 ] || sleep 1000; emit doc/a.md done; replay codex-good";
    let project = project("codex", fields, script);
    let text = project.read("waves/project.yaml") + "stall_timeout: 2s\n";
    fs::write(project.path("waves/project.yaml"), text).unwrap();
    project.run(&["sync"]).ok();

    project.run(&["run"]).ok();

    assert_eq!(project.outcomes("vision"), "stalled, succeeded");
}

#[test]
fn one_that_is_silent_and_writes_files_is_alive_and_so_is_one_that_talks() {
    let fields = "run: { codex: {} }, produces: [doc/a.md], retries: 0";
    let script = "for i in $(seq 28); do echo x >>log; sleep 0.25; done
                  for i in $(seq 28); do echo x >&2; sleep 0.25; done
                  emit doc/a.md done; replay codex-good";
    let plan = Plan::new().setting("stall_timeout: 5s");
    let project = project_with(plan, "codex", fields, script);

    project.run(&["run"]).ok();

    assert_eq!(project.outcomes("vision"), "succeeded", "{}", detail(&project));
}

#[test]
fn a_key_is_passed_on_and_never_seen_again() {
    let script = "echo \"key $ANTHROPIC_API_KEY\" >&2; replay claude-good; cat \"$CLAUDE_CONFIG_DIR/.credentials.json\" >&2";
    let mut project = project("claude", "run: { claude: {} }", script);
    project.env("ANTHROPIC_API_KEY", "key-s3cret-value");
    fs::create_dir(project.path("home/.claude")).unwrap();
    fs::write(project.path("home/.claude/.credentials.json"), "the login\n").unwrap();

    project.run(&["run"]).ok();

    let log = project.sql("select log_tail from runs");
    assert!(log.contains("key ***") && !log.contains("the login"), "{log}");
}

/// Looks for the server of the run's tools where the program of that name does,
/// starts it as that program does, and stores an artifact by it.
const STORES_BY_A_TOOL: &str = r#"
import json, os, subprocess, sys, tomllib

program, arguments, env = sys.argv[1], sys.argv[2:], os.environ

def read(*path):
    with open(os.path.join(*path), "rb") as file:
        return tomllib.load(file) if path[-1].endswith(".toml") else json.load(file)

match program:
    case "claude":
        server = read(arguments[arguments.index("--mcp-config") + 1])["mcpServers"]["wavemark"]
        assert server["alwaysLoad"], "its tools have to be searched for"
        allowed = read(env["CLAUDE_CONFIG_DIR"], "settings.json")["permissions"]["allow"]
        assert "mcp__wavemark" in allowed and "Bash(wavemark checkpoint:*)" in allowed, allowed
    case "codex":
        config = read(env["CODEX_HOME"], "config.toml")
        server = config["mcp_servers"]["wavemark"]
        assert server["default_tools_approval_mode"] == "approve", "every call is refused"
        assert server["tool_timeout_sec"] > 60, "it gives up before the supervisor does"
        assert not config["allow_login_shell"], "its shell does not find `wavemark`"
    case "gemini":
        server = read(env["GEMINI_CLI_SYSTEM_DEFAULTS_PATH"])["mcpServers"]["wavemark"]
        assert server["trust"], "it asks before each call"
    case "opencode":
        server = read(env["OPENCODE_CONFIG_DIR"], "opencode.json")["mcp"]["wavemark"]
        assert server["type"] == "local" and server["enabled"], server
        assert server["timeout"] > 60_000, "it gives up before the supervisor does"
        command, *words = server["command"]
        server = {"command": command, "args": words, "env": server["environment"]}

# Nothing but a PATH of its own.
environment = {"PATH": env["PATH"], **server["env"]}
server = subprocess.Popen(
    [server["command"], *server["args"]],
    env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
)

def say(**message):
    server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    server.stdin.flush()

who = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
say(id=1, method="initialize", params=who)
assert "result" in json.loads(server.stdout.readline())
say(method="notifications/initialized")
artifact = {"type": "doc", "name": "a.md", "content": "made by a tool\n"}
say(id=2, method="tools/call", params={"name": "checkpoint", "arguments": artifact})
said = json.loads(server.stdout.readline())["result"]
assert not said.get("isError"), said
"#;

#[test]
fn each_program_is_offered_the_tools_of_its_run() {
    for program in ["claude", "codex", "gemini", "opencode"] {
        let script = format!(
            "python3 \"$WAVEMARK_REPO/tool.py\" {program} \"$@\" || exit 9; replay {program}-mcp"
        );
        let fields = format!("run: {{ {program}: {{}} }}, produces: [doc/a.md], retries: 0");
        let project = project(program, &fields, &script);
        fs::write(project.path("tool.py"), STORES_BY_A_TOOL).unwrap();

        project.run(&["run"]).ok();

        assert_eq!(project.outcomes("vision"), "succeeded", "{program}: {}", detail(&project));
        assert_eq!(project.sql("select content from artifacts"), "made by a tool\n");
        // Nothing of it is in the user's own configuration.
        assert_eq!(fs::read_dir(project.path("home")).unwrap().count(), 0, "{program}");
    }
}

#[test]
fn a_conversation_that_breaks_off_is_found_by_the_next_run_and_nothing_is_counted_twice() {
    let fields = "run: { claude: { resume: session } }, produces: [doc/a.md]";
    // It counts all that the conversation cost, as far as its own file tells it.
    let script = r#"
        sessions="$CLAUDE_CONFIG_DIR/projects/$(pwd -P | tr -c 'A-Za-z0-9\n' -)"
        mkdir -p "$sessions"; echo call >>"$sessions/it.jsonl"; all=$(wc -l <"$sessions/it.jsonl")
        echo "{\"type\":\"assistant\",\"message\":{\"id\":\"m$all\",\"content\":[],\"usage\":{\"output_tokens\":10}}}"
        [ "$WAVEMARK_EPOCH" != 2 ] || kill -9 $$
        result() { printf '{"type":"result","subtype":"%s","num_turns":1,"total_cost_usd":0.0%s,"usage":{"output_tokens":10}%s}' "$1" "$all" "$2"; }
        models=; [ -z "$MODELS" ] || models=",\"modelUsage\":{\"m\":{\"outputTokens\":${all}0}}"
        [ "$WAVEMARK_EPOCH" != 1 ] || { result error_max_turns "$models"; exit 1; }
        emit doc/a.md done; result success "$models""#;
    for env in ["", ", env: { MODELS: yes }"] {
        let project = project("claude", &format!("{fields}{env}"), script);

        project.run(&["run"]).ok();

        assert_eq!(project.outcomes("vision"), "failed, failed, succeeded", "{}", detail(&project));
        let each = "select string_agg(concat_ws(' for ', usage ->> 'output',
                        usage #>> '{cost,usd_micros}'), ', ' order by epoch) from runs";
        assert_eq!(project.sql(each), "10 for 10000, 10, 10 for 20000");
        let status = project.run(&["status", "--json"]).ok().json();
        assert_eq!(status["usage"]["cost"]["usd_micros"], 30_000, "{status}");
    }
}

#[test]
fn a_login_that_is_refused_without_an_event_is_not_tried_for_ever() {
    let script = "while true; do echo '401 Unauthorized: trying again' >&2; sleep 0.1; done";
    let project = project("gemini", "run: { gemini: {} }", script);
    project.run(&["run"]).ok();
    assert_eq!(project.outcomes("vision"), "refused", "{}", detail(&project));
    assert!(detail(&project).contains("GEMINI_API_KEY"), "{}", detail(&project));
}

#[test]
fn one_that_says_it_is_done_and_stays_is_done() {
    let fields = "run: { claude: {} }, produces: [doc/a.md], timeout: 10s, retries: 0";
    let script = "emit doc/a.md done; replay claude-good; sleep 1000";
    let project = project("claude", fields, script);

    project.run(&["run"]).ok();

    assert_eq!(project.outcomes("vision"), "succeeded", "{}", detail(&project));
}

#[test]
fn an_exit_code_says_what_no_event_did() {
    for (code, outcome) in [(75, "deferred"), (78, "refused")] {
        let fields = "run: { codex: {} }, retries: 0";
        let project =
            project("codex", fields, &format!("[ $calls = 1 ] && exit {code}; replay codex-good"));
        project.run(&["tick"]);
        assert_eq!(project.outcomes("vision"), outcome, "{}", detail(&project));
    }
}

#[test]
fn what_a_model_says_is_no_complaint_of_its_program() {
    for (program, event) in [
        ("codex", r#"{"type":"item.completed","item":{"type":"agent_message","text":"#),
        ("gemini", r#"{"type":"message","role":"assistant","content":"#),
    ] {
        let event = format!(r#"{event}"The budget: 401 Unauthorized."}}"#);
        let event = if program == "codex" { event + "}" } else { event };
        let fields = format!("run: {{ {program}: {{}} }}, retries: 0");
        let project = project(program, &fields, &format!("echo '{event}'; kill -9 $$"));

        project.run(&["run"]);

        let detail = detail(&project);
        assert!(detail.starts_with("died of SIGKILL"), "{program}: {detail}");
        assert!(project.sql("select log_tail from runs").contains("401 Unauthorized"));
    }
}
