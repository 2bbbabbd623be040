//! A stand-in for n8n, as the real one was measured: a webhook that answers 202
//! and works on, executions that can be looked at, an error workflow, and no
//! memory of what it was asked before.
//!
//! Its one workflow is the template: claim, inputs, checkpoint, finish. As its
//! settings say, an execution that succeeded is forgotten. What went wrong
//! reaches the error workflow in words of n8n's own, with those of whoever
//! refused after them; after a crash, it does so at every start.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};

use super::wait_until;

/// What goes wrong with the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// n8n has only just begun and knows no workflow yet.
    Starting,
    /// The workflow is not published.
    Unpublished,
    /// The workflow dies before its Respond node.
    DiesFirst,
    /// The work is done, and the answer to the launch is lost.
    AnswerLost,
    /// The request arrives twice.
    Twice,
    /// A node fails in the middle.
    Fails,
    /// n8n is cut off in the middle, and its error workflow says so later.
    Crashes,
    /// A node fails, and nobody can be told.
    FailsSilently,
    /// The workflow ends well, and never says so.
    ForgetsToFinish,
    /// The same, where executions that succeed are saved, which is how n8n is
    /// unless its settings say otherwise.
    ForgetsToFinishAndIsSaved,
    /// It goes on until the test lets it.
    Waits,
}

/// One execution.
#[derive(Clone, Debug)]
pub(crate) struct Execution {
    pub(crate) status: &'static str,
    /// What the webhook was sent.
    pub(crate) input: Value,
    /// The last answer of the database.
    pub(crate) last: String,
    is_saved: bool,
}

#[derive(Default)]
struct State {
    turns: Mutex<VecDeque<Turn>>,
    executions: Mutex<Vec<Execution>>,
    stops: Mutex<Vec<Value>>,
    let_go: Mutex<bool>,
    /// What its API was asked and never answers; none if it does.
    unanswered: Mutex<Option<Vec<TcpStream>>>,
}

pub(crate) struct N8n {
    url: String,
    state: Arc<State>,
}

impl N8n {
    /// What its webhook asks for.
    pub(crate) const SECRET: &'static str = "only n8n and wavemark know this";
    /// What its API asks for.
    pub(crate) const API_KEY: &'static str = "the key of the API";

    /// Starts one that goes wrong in these ways, a way for each request.
    pub(crate) fn start(turns: &[Turn]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        state.turns.lock().unwrap().extend(turns);
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || serve(&state, stream));
            }
        });
        Self { url, state }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Every execution there was.
    pub(crate) fn executions(&self) -> Vec<Execution> {
        self.state.executions.lock().unwrap().clone()
    }

    /// What the stop webhook was sent.
    pub(crate) fn stops(&self) -> Vec<Value> {
        self.state.stops.lock().unwrap().clone()
    }

    /// From now on, its API swallows what it is asked.
    pub(crate) fn falls_silent(&self) {
        *self.state.unanswered.lock().unwrap() = Some(Vec::new());
    }

    /// How often its API was asked since it fell silent.
    pub(crate) fn unanswered(&self) -> usize {
        self.state.unanswered.lock().unwrap().as_ref().map_or(0, Vec::len)
    }

    /// Lets what waits go on.
    pub(crate) fn let_go(&self) {
        *self.state.let_go.lock().unwrap() = true;
    }
}

impl Drop for N8n {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// What somebody was asked over HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let mut headers = Vec::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut request = Self { line, headers, body: Vec::new() };
        let length = request.header("content-length").and_then(|text| text.parse().ok());
        request.body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut request.body).ok()?;
        Some(request)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }
}

fn serve(state: &Arc<State>, mut stream: TcpStream) {
    let Some(request) = Request::read(&stream) else { return };
    if request.line.starts_with("GET /api/")
        && let Some(unanswered) = state.unanswered.lock().unwrap().as_mut()
    {
        return unanswered.push(stream);
    }
    let Some((status, kind, body)) = answer(state, &request) else { return };
    let head = format!(
        "HTTP/1.1 {status} As Measured\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    drop(stream.write_all(head.as_bytes()));
}

type Answer = (u16, &'static str, String);

/// The answer to a request; none if it is lost on the way.
fn answer(state: &Arc<State>, request: &Request) -> Option<Answer> {
    let json = |status, body: Value| Some((status, "application/json", body.to_string()));
    if let Some(rest) = request.line.strip_prefix("GET /api/v1/executions/") {
        if request.header("x-n8n-api-key") != Some(N8n::API_KEY) {
            return json(401, json!({ "message": "unauthorized" }));
        }
        let id: usize = rest.split(' ').next()?.parse().ok()?;
        return match state.executions.lock().unwrap().get(id - 1) {
            Some(Execution { status: "success", is_saved: false, .. }) | None => {
                json(404, json!({ "message": "Not Found" }))
            }
            Some(execution) => json(200, json!({ "id": id, "status": execution.status })),
        };
    }
    if request.header("x-wavemark-secret") != Some(N8n::SECRET) {
        return Some((403, "text/plain", "Authorization data is wrong!".to_owned()));
    }
    let input: Value = serde_json::from_slice(&request.body).unwrap();
    if request.line.starts_with("POST /webhook/stop ") {
        state.stops.lock().unwrap().push(input);
        return json(200, json!({}));
    }
    assert_eq!(request.header("idempotency-key"), input["run"].as_str());
    let turn = state.turns.lock().unwrap().pop_front();
    match turn {
        Some(Turn::Starting) => {
            let page = "<!DOCTYPE html>\n<html lang=\"en\">\n<body>\n<pre>Cannot POST \
                        /webhook/vision</pre>\n</body>\n</html>\n";
            return Some((404, "text/html; charset=utf-8", page.to_owned()));
        }
        Some(Turn::Unpublished) => {
            let message = "The requested webhook \"POST vision\" is not registered.";
            let hint = "The workflow must be active for a production URL to run successfully.";
            let stack = format!("ResponseError: {message}\n    at LiveWebhooks.findWebhook");
            return json(
                404,
                json!({ "code": 404, "message": message, "hint": hint, "stacktrace": stack }),
            );
        }
        Some(Turn::DiesFirst) => return Some((200, "application/json", String::new())),
        _ => {}
    }
    if turn == Some(Turn::Twice) {
        begin(state, input.clone(), None);
    }
    let id = begin(state, input, turn);
    match turn {
        Some(Turn::AnswerLost) => None,
        _ => json(202, json!({ "execution_id": id.to_string() })),
    }
}

/// Begins an execution; returns its id.
fn begin(state: &Arc<State>, input: Value, turn: Option<Turn>) -> usize {
    let id = {
        let mut executions = state.executions.lock().unwrap();
        executions.push(Execution {
            status: "running",
            input: input.clone(),
            last: String::new(),
            is_saved: turn == Some(Turn::ForgetsToFinishAndIsSaved),
        });
        executions.len()
    };
    let state = Arc::clone(state);
    thread::spawn(move || {
        let (status, last) = work(&state, id, &input, turn);
        let execution = &mut state.executions.lock().unwrap()[id - 1];
        (execution.status, execution.last) = (status, last);
    });
    id
}

/// Does the work of the template; how it ends, and what was answered last.
fn work(state: &State, id: usize, input: &Value, turn: Option<Turn>) -> (&'static str, String) {
    let rest = input["callback"]["rest"].as_str().unwrap();
    let call = |function: &str, more: Value| {
        let mut body = json!({ "run": input["run"], "token": input["token"] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        post(&format!("{rest}/{function}"), &body, "")
    };
    let report = |cause: &str, message: &str| {
        let body = json!({ "reference": format!("n8n:{id}"), "message": message, "cause": cause });
        post(&format!("{rest}/run_fail_by_ref"), &body, N8n::SECRET).unwrap();
    };
    let steps = || -> Result<String, String> {
        call("run_claim", json!({ "reference": format!("n8n:{id}") }))?;
        match turn {
            Some(Turn::Fails | Turn::FailsSilently | Turn::Crashes) => return Err(String::new()),
            Some(Turn::Waits) => {
                wait_until("the test lets it go", || *state.let_go.lock().unwrap())
            }
            _ => {}
        }
        let inputs: Value = serde_json::from_str(&call("run_inputs", json!({}))?).unwrap();
        let content = format!("Built on: {}", inputs["deps"][0]["content"].as_str().unwrap());
        call("run_checkpoint", json!({ "key": "doc/summary.md", "content": content }))?;
        if matches!(turn, Some(Turn::ForgetsToFinish | Turn::ForgetsToFinishAndIsSaved)) {
            return Ok("forgot".to_owned());
        }
        call("run_finish", json!({ "summary": "Built by n8n." }))
    };
    match steps() {
        Ok(last) => ("success", last),
        Err(last) => {
            match turn {
                Some(Turn::FailsSilently) => {}
                Some(Turn::Crashes) => {
                    for _start in 0..2 {
                        report("WorkflowCrashedError", "Sheet: Workflow did not finish");
                    }
                }
                Some(Turn::Fails) => report("NodeOperationError", "Sheet: The sheet is gone"),
                _ => report("NodeApiError", &refused(&last)),
            }
            (if turn == Some(Turn::Crashes) { "crashed" } else { "error" }, last)
        }
    }
}

/// What n8n makes of a refusal: the words of whoever refused are in the
/// `description` of its error.
fn refused(said: &str) -> String {
    let said: Value = serde_json::from_str(said).unwrap_or_default();
    let description = said["message"].as_str().unwrap_or_default();
    format!("Call: Your request is invalid or could not be processed by the service: {description}")
}

/// What was answered, or why that was a refusal.
fn post(url: &str, body: &Value, secret: &str) -> Result<String, String> {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--fail-with-body", "-H", "Content-Type: application/json"]);
    curl.args(["-H", &format!("X-Wavemark-Secret: {secret}"), "-d", &body.to_string(), url]);
    let output = curl.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    if output.status.success() { Ok(said) } else { Err(said) }
}
