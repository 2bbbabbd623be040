//! Work for whoever is behind a URL, and the habits that they have.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{Arc, Mutex},
};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Output, Plan, Project, Request, elsewhere::answer, wait_until};

const SECRET: &str = "only the callee and wavemark know this";
/// What stands in the URL of the callee.
const KEY: &str = "0123-in-a-query";

/// Somebody who is asked, and remembers it.
#[derive(Clone)]
struct Callee {
    url: String,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Callee {
    /// One who answers like this.
    fn start(says: impl Fn(&Request, &mut TcpStream) + Clone + Send + 'static) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let port = answer(move |mut client| {
            let Some(request) = Request::read(&client) else { return };
            seen.lock().unwrap().push(request.clone());
            says(&request, &mut client);
        });
        Self { url: format!("http://127.0.0.1:{port}"), asked }
    }

    fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }

    /// What it was sent for an agent.
    #[track_caller]
    fn sent(&self, agent: &str) -> Value {
        let mut bodies = self.asked().into_iter().map(|request| body(&request));
        bodies.rfind(|body| body["agent"] == agent).unwrap()
    }
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

/// Says something; that nobody listens any more is no trouble of ours.
fn say(client: &mut TcpStream, status: u16, more: &str, body: &str) {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} So It Is\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n"
    );
    drop(client.write_all(format!("{head}{body}").as_bytes()));
}

/// A plan of agents of a callee, each at a path of its name.
fn plan(agents: &[&str]) -> Plan {
    let plan = Plan::new().setting("infra_retries: 0").setting("defaults: { retries: 0 }");
    agents.iter().fold(plan, |plan, agent| {
        let fields = format!(
            "run: {{ webhook: {{ url: \"{{env:CALLEE}}/{agent}?key={{env:CALLEE_KEY}}\", \
             auth: {{ header: X-Secret, secret: CALLEE_SECRET }} }} }}"
        );
        plan.entry(agent, &fields)
    })
}

fn project(callee: &Callee, plan: &Plan) -> Project {
    let mut project = Project::unsynced(plan);
    project.env("CALLEE", &callee.url);
    project.env("CALLEE_KEY", KEY);
    project.env("CALLEE_SECRET", SECRET);
    project.run(&["sync"]).ok();
    project
}

/// Calls a function of the database for a run.
#[track_caller]
fn calls(project: &Project, sent: &Value, call: &str) {
    let (run, token) = (sent["run"].as_str().unwrap(), sent["token"].as_str().unwrap());
    project.sql(&format!("select {}", call.replace('$', &format!("'{run}', '{token}'"))));
}

/// What somebody sees, as it is.
fn seen(output: Output) -> String {
    output.stdout + &output.stderr
}

fn outcomes(project: &Project) -> String {
    project.sql(
        "select a.name || ': ' || coalesce(r.outcome || ': ' || r.detail, 'goes on')
         from runs r join agents a on a.id = r.agent_id order by a.name, r.epoch",
    )
}

#[test]
fn what_was_sent_is_shown_nowhere_though_it_comes_back() {
    let callee = Callee::start(|request, client| {
        let token = body(request)["token"].as_str().unwrap().to_owned();
        let secret = request.header("x-secret").unwrap();
        let message = format!("not {secret} at {} with {token}", request.line.trim_end());
        let status = request.line.split(['/', '?']).nth(1).unwrap()[1..].parse().unwrap();
        say(client, status, "", &json!({ "message": message, "execution_id": token }).to_string());
    });
    let project = project(&callee, &plan(&["a403", "a500", "a503", "a202"]));
    let mut said = seen(project.run(&["tick", "-vv"]).ok());
    let sent = callee.sent("a202");
    calls(&project, &sent, "run_claim($, 'me')");
    let words = format!("{SECRET}, {KEY}, {}", sent["token"].as_str().unwrap());
    calls(&project, &sent, &format!("run_finish($, 'failed', '{words}')"));
    said += &seen(project.run(&["tick", "-vv"]).ok());

    insta::assert_snapshot!(outcomes(&project), @"
    a202: failed: said that it failed: ***, ***, ***
    a403: refused: it answered 403: is `auth` in the plan, and its secret, what it asks for?: not *** at POST /a403?key=*** HTTP/1.1 with ***
    a500: failed: it answered 500: not *** at POST /a500?key=*** HTTP/1.1 with ***
    a503: lost: not started: it answered 503: it is busy or not there: not *** at POST /a503?key=*** HTTP/1.1 with ***
    ");
    for args in [&["status"][..], &["events"], &["feedback", "list"], &["why", "a403"]] {
        said += &seen(project.run(args).ok());
    }
    for table in ["runs", "agents", "feedback", "events", "wavemark.launches"] {
        said += &project.sql(&format!("select to_jsonb(t)::text from {table} t"));
    }
    let tokens =
        callee.asked().into_iter().map(|one| body(&one)["token"].as_str().unwrap().to_owned());
    for secret in tokens.chain([SECRET.to_owned(), KEY.to_owned()]) {
        assert!(!said.contains(&secret), "{secret}: {said}");
    }
}

#[test]
fn one_that_is_never_heard_of_is_given_up_and_that_is_said() {
    let callee = Callee::start(|_, client| say(client, 202, "", "{}"));
    let project = project(&callee, &plan(&["silent"]).setting("lease: 1s"));
    let ran = project.run(&["run", "--poll", "100ms"]).ok();
    assert_eq!(project.outcomes("silent"), "lost");
    assert!(ran.stderr.contains("silent         lost: nothing was heard of its run"), "{ran}");
    assert_eq!(project.status("silent"), "feedback");
    let log = project.run(&["log", "silent"]).ok();
    assert_eq!(log.stdout, "");
    assert!(log.stderr.contains("wavemark why silent"), "{log}");
}

/// A machine that builds one agent has only what that one takes.
#[test]
fn a_build_that_knows_no_secrets_of_a_callee_leaves_its_report_to_a_tick() {
    let callee = Callee::start(|_, client| say(client, 202, "", "{}"));
    let mut project = project(&callee, &plan(&["there"]).agent("here", "", "exit 0"));
    project.run(&["tick"]).ok();
    let sent = callee.sent("there");
    calls(&project, &sent, "run_claim($, 'me')");
    calls(&project, &sent, &format!("run_finish($, 'failed', '{SECRET}')"));
    project.env("CALLEE_SECRET", "");

    project.run(&["retry", "here"]);
    project.run(&["build", "here"]).ok();
    assert_eq!(outcomes(&project).lines().last(), Some("there: goes on"));

    project.env("CALLEE_SECRET", SECRET);
    project.run(&["tick"]).ok();
    let told = outcomes(&project);
    assert_eq!(told.lines().last(), Some("there: failed: said that it failed: ***"), "{told}");
}

#[test]
fn what_a_url_is_filled_in_with_is_shown_nowhere() {
    let values = [
        ("unset", ""),
        ("plain", "http://example.org/hush"),
        ("password", "https://ada:hush@example.org/"),
        ("test", "https://example.org/webhook-test/hush"),
        ("file", "file:///hush"),
        ("lines", "https://example.org/hush\nX-Evil: 1"),
        ("gone", "http://127.0.0.1:1/hush"),
        ("nowhere", "https://hush.invalid/"),
    ];
    let plan = values.iter().fold(
        Plan::new().setting("infra_retries: 0").setting("defaults: { retries: 0 }"),
        |plan, (name, _)| {
            let url = name.to_uppercase();
            plan.entry(name, &format!("run: {{ webhook: {{ url: \"{{env:URL_{url}}}\" }} }}"))
        },
    );
    let mut project = Project::unsynced(&plan);
    for (name, value) in values.iter().filter(|(_, value)| !value.is_empty()) {
        project.env(&format!("URL_{}", name.to_uppercase()), value);
    }
    project.run(&["sync"]).ok();
    let said = seen(project.run(&["tick", "-vv"]).ok());
    let told = outcomes(&project);
    assert!(!said.contains("hush") && !told.contains("hush"), "{said}{told}");
    let refused: Vec<&str> = told.lines().filter(|line| line.contains(": refused: ")).collect();
    insta::assert_snapshot!(refused.join("\n"), @"
    file: refused: {env:URL_FILE} does not come out as a URL: look at its variables
    lines: refused: {env:URL_LINES} does not come out as a URL: look at its variables
    password: refused: {env:URL_PASSWORD} comes out with a password in it: use `auth`
    plain: refused: {env:URL_PLAIN} comes out unencrypted: use https://, as the secrets of a run go there
    test: refused: {env:URL_TEST} comes out as a URL for one test only: use the production URL, with /webhook/
    unset: refused: URL_UNSET is not set: set it in the environment of `wavemark`
    ");
    assert_eq!(told.matches("it cannot be reached").count(), 2, "{told}");
}

#[test]
fn a_callee_may_have_any_habits() {
    let callee = Callee::start(|request, client| {
        let path = request.line.split(['/', '?']).nth(1).unwrap();
        match path {
            "moved" => say(client, 307, "Location: /elsewhere\r\n", ""),
            "endless" => {
                drop(client.write_all(b"HTTP/1.1 202 Yes\r\n\r\n{\"execution_id\": \"e\"}"));
                while client.write_all(&[b' '; 65536]).is_ok() {}
            }
            "silent" => {}
            "broken" => drop(client.write_all(b"HTP/7 \0\r\n")),
            "odd" => say(client, 202, "", r#"{"execution_id": {"a": [7]}, "executionId": true}"#),
            "page" => say(client, 200, "Content-Type: text/html\r\n", "<p>Welcome"),
            _ => say(client, 429, "Retry-After: 3600\r\n", "{\"message\": [1]}"),
        }
    });
    let agents = ["moved", "endless", "silent", "broken", "odd", "page", "busy"];
    let project = project(&callee, &plan(&agents));

    project.run(&["tick"]).ok();

    insta::assert_snapshot!(outcomes(&project), @"
    broken: goes on
    busy: lost: not started: it answered 429: it is busy or not there
    endless: goes on
    moved: refused: it answered 307: write the URL that it redirects to
    odd: goes on
    page: goes on
    silent: goes on
    ");
    assert_eq!(callee.asked().len(), agents.len(), "once each, and nobody elsewhere");
    for request in callee.asked() {
        let sent = body(&request);
        assert_eq!(request.header("idempotency-key"), sent["run"].as_str());
        assert_eq!(request.header("x-secret"), Some(SECRET));
    }
    // Whoever began in spite of it all is done all the same.
    for agent in ["endless", "silent", "broken", "odd", "page"] {
        let sent = callee.sent(agent);
        calls(&project, &sent, "run_claim($, 'me')");
        calls(&project, &sent, "run_finish($)");
    }
    project.run(&["tick"]).ok();
    assert_eq!(project.sql("select count(*) from agents where status = 'complete'"), "5");
    assert_eq!(callee.asked().len(), agents.len());
}

#[test]
fn an_answer_that_takes_its_time_is_not_waited_for_when_told_to_stop() {
    let callee = Callee::start(|_, client| {
        // Until nobody listens any more.
        drop(client.read(&mut [0]));
    });
    let project = project(&callee, &plan(&["slow"]));
    let run = project.start(&["run"]);
    wait_until("it was asked", || !callee.asked().is_empty());
    run.signal(Signal::INT);
    let said = run.wait();
    assert!(said.stderr.contains("interrupted"), "{said}");
    assert!(!said.stderr.contains("no answer in 30 seconds"), "{said}");

    let sent = callee.sent("slow");
    calls(&project, &sent, "run_claim($, 'me')");
    calls(&project, &sent, "run_finish($)");
    project.run(&["tick"]).ok();
    assert_eq!(project.outcomes("slow"), "succeeded");
    assert_eq!(callee.asked().len(), 1);
}

#[test]
fn a_run_that_takes_too_long_is_over_at_its_deadline() {
    let callee = Callee::start(|_, client| say(client, 202, "", ""));
    let plan = plan(&[]).entry(
        "slow",
        "run: { webhook: { url: \"{env:CALLEE}/\", timeout: 1s, stop: \"{env:CALLEE}/stop\" } }",
    );
    let project = project(&callee, &plan);
    project.run(&["tick"]).ok();
    let sent = callee.sent("slow");
    calls(&project, &sent, "run_claim($, 'me')");
    calls(&project, &sent, "run_heartbeat($)");

    wait_until("it is over", || {
        project.run(&["tick"]).ok();
        project.outcomes("slow") == "timed_out"
    });

    assert_eq!(project.status("slow"), "feedback");
    let stop = callee.asked().pop().unwrap();
    assert!(stop.line.starts_with("POST /stop "), "{}", stop.line);
    let said = body(&stop);
    assert_eq!((&said["reason"], &said["run"]), (&"timeout".into(), &sent["run"]));
    assert_eq!(said["token"], Value::Null);
}

#[test]
fn what_is_too_much_to_be_sent_is_fetched() {
    let callee = Callee::start(|_, client| say(client, 202, "", ""));
    let large = "head -c 700000 /dev/zero | tr '\\0' x >\"$WAVEMARK_OUT/.tmp/large\"; \
                 mv \"$WAVEMARK_OUT/.tmp/large\" \"$WAVEMARK_OUT/$1\"";
    let plan = plan(&[])
        .program("large", large)
        .entry("a", "run: { exec: [sh/large, doc/a.md] }")
        .entry("b", "run: { exec: [sh/large, doc/b.md] }")
        .entry("vision", "run: { webhook: { url: \"{env:CALLEE}/\" } }, needs: [a, b]");
    let project = project(&callee, &plan);
    project.run(&["tick"]).ok();
    project.run(&["tick"]).ok();
    wait_until("it was asked", || !callee.asked().is_empty());

    let sent = callee.sent("vision");
    let length = |content: &Value| content.as_str().map(str::len);
    assert_eq!(sent["complete"], false);
    assert_eq!(length(&sent["deps"][0]["content"]), Some(700_000));
    assert_eq!(sent["deps"][1]["content"], Value::Null);
    assert_eq!(sent["deps"][1]["key"], "doc/b.md");
    let (run, token) = (sent["run"].as_str().unwrap(), sent["token"].as_str().unwrap());
    let fetched = project.sql(&format!("select run_inputs('{run}', '{token}')::text"));
    let mut fetched: Value = serde_json::from_str(&fetched).unwrap();
    assert_eq!(length(&fetched["deps"][1]["content"]), Some(700_000));
    // But for that, it is the same.
    fetched["deps"][1]["content"] = Value::Null;
    for (name, value) in sent.as_object().unwrap() {
        if !["token", "callback", "complete"].contains(&name.as_str()) {
            assert_eq!(&fetched[name], value, "{name}");
        }
    }
}
