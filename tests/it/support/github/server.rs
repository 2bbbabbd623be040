//! The socket: reads requests, lets faults have their way, judges both sides.
//!
//! Plain threads, so that it outlives whatever runtime a test brings along.
//! Requests are carried out one at a time, in the order of their arrival.

use std::{
    any::Any,
    io::{self, BufReader, Read as _},
    net::{Shutdown, TcpListener, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use super::{
    GitHub,
    answer::Answer,
    api,
    contract::{self, Operation},
    faults::{Fault, Faults},
    http::Message,
    request::{ENTERPRISE, Request},
    world::World,
};

/// What the threads of one fake share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) address: String,
    pub(super) enterprise: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) world: World,
    pub(super) faults: Faults,
    pub(super) exchanges: Vec<Exchange>,
    /// What was wrong, on either side.
    pub(super) violations: Vec<String>,
    stopped: bool,
}

/// A request and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    /// Without the prefix of a GitHub of one's own, and without the query.
    pub(crate) path: String,
    pub(crate) query: String,
    /// What GitHub did about it, even if the client heard nothing.
    pub(crate) status: Option<u16>,
    pub(crate) fault: Option<Fault>,
}

impl std::fmt::Display for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { method, path, query, status, fault } = self;
        let mark = if query.is_empty() { "" } else { "?" };
        write!(f, "{method} {path}{mark}{query}")?;
        match status {
            Some(status) => write!(f, " {status}")?,
            None => write!(f, " not done")?,
        }
        fault.map_or(Ok(()), |fault| write!(f, " ({fault:?})"))
    }
}

/// What becomes of a connection after a request.
enum Next {
    Goes(Message),
    /// Only the first half of the body.
    Breaks(Message),
    Closes,
    Hangs,
}

impl Shared {
    /// Serves on a port of its own, until [`Shared::stop`].
    pub(super) fn serve(world: World, enterprise: bool) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Mutex::new(State { world, ..State::default() });
        let shared = Arc::new(Self { address, enterprise, state });
        shared.lock().world.base = shared.base();
        let mine = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if mine.lock().stopped {
                    break;
                }
                let shared = Arc::clone(&mine);
                // A client that hangs up is no affair of ours.
                thread::spawn(move || shared.connection(&stream).ok());
            }
        });
        shared
    }

    /// Where clients find it.
    pub(super) fn base(&self) -> String {
        format!("{}{}", self.address, if self.enterprise { ENTERPRISE } else { "" })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A bug of the fake was noted; what it left is still worth showing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        // Wakes the thread that waits for connections.
        drop(TcpStream::connect(self.address.trim_start_matches("http://")));
    }

    #[track_caller]
    pub(super) fn check(&self) {
        let violations = std::mem::take(&mut self.lock().violations);
        assert!(violations.is_empty(), "not GitHub's API:\n{}", violations.join("\n"));
    }

    fn connection(self: &Arc<Self>, mut stream: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(message) = Message::read(&mut reader)? {
            match self.respond(&message) {
                Next::Goes(answer) => answer.write(&mut stream, usize::MAX)?,
                Next::Breaks(answer) => {
                    answer.write(&mut stream, answer.body.len() / 2)?;
                    return stream.shutdown(Shutdown::Both);
                }
                Next::Closes => return stream.shutdown(Shutdown::Both),
                // Until the client has had enough.
                Next::Hangs => return reader.read_to_end(&mut Vec::new()).map(drop),
            }
        }
        Ok(())
    }

    fn respond(self: &Arc<Self>, message: &Message) -> Next {
        let mut state = self.lock();
        let request = match Request::read(message, self.enterprise) {
            Ok(request) => by_name(request, &state.world),
            Err(wrong) => return Next::Goes(state.violation(&message.first, &[wrong]).message()),
        };
        let interludes = state.faults.before(&request.method, &request.path);
        drop(state);
        let github = GitHub { shared: Arc::clone(self), _ending: None };
        for act in interludes {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| act(&github))) {
                self.lock().violation("in between", &[words(&*panic)]);
            }
        }
        let mut state = self.lock();
        let fault = state.faults.next(&request.method, &request.path);
        let done = fault.is_none_or(Fault::is_done).then(|| state.carry_out(&request));
        state.exchanges.push(Exchange {
            method: request.method,
            path: request.path,
            query: request.query_text,
            status: done.as_ref().map(|answer| answer.status),
            fault,
        });
        let now = state.world.clock.now();
        drop(state);
        let heard = match fault {
            Some(fault) => fault.answer(now, done),
            None => done.map(|answer| answer.message()),
        };
        match (fault, heard) {
            (Some(Fault::Hanging), _) => Next::Hangs,
            (_, None) => Next::Closes,
            (Some(Fault::Truncated), Some(answer)) => Next::Breaks(answer),
            (Some(Fault::Late(time)), Some(answer)) => {
                thread::sleep(time);
                Next::Goes(answer)
            }
            (_, Some(answer)) => Next::Goes(answer),
        }
    }
}

impl State {
    /// Does what is asked for, with an eye on both sides.
    fn carry_out(&mut self, request: &Request) -> Answer {
        let asked = format!("{} {}", request.method, request.path);
        let Some((operation, gaps)) = contract::find(request) else {
            return self.violation(&asked, &["GitHub knows no such thing".to_owned()]);
        };
        let wrong = contract::check_request(operation, request);
        if !wrong.is_empty() {
            return self.violation(&asked, &wrong);
        }
        let world = &mut self.world;
        let answered = catch_unwind(AssertUnwindSafe(|| {
            let answer = api::answer(world, operation, request, &gaps);
            judge(operation, &answer);
            answer
        }));
        answered.unwrap_or_else(|panic| {
            let wrong = format!("the fake is at fault: {}", words(&*panic));
            self.violation(&asked, &[wrong])
        })
    }

    fn violation(&mut self, asked: &str, wrong: &[String]) -> Answer {
        let all = format!("{asked}: {}", wrong.join("; "));
        let answer = Answer::error(400, &all);
        self.violations.push(all);
        answer
    }
}

/// Panics at an answer that GitHub would not give.
pub(super) fn judge(operation: &Operation, answer: &Answer) {
    let wrong = contract::check_answer(operation, answer.status, answer.body.as_ref());
    assert!(wrong.is_empty(), "GitHub would not answer {} so: {}", answer.status, wrong.join("; "));
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<String>().cloned();
    said.or_else(|| Some((*panic.downcast_ref::<&str>()?).to_owned())).unwrap_or_default()
}

/// GitHub also knows repos by their ids.
fn by_name(mut request: Request, world: &World) -> Request {
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    if let ["repositories", id, ..] = segments[..]
        && let Some(repo) = world.repos.iter().find(|repo| repo.id.to_string() == id)
    {
        let named = [&["repos", repo.owner(), repo.name()], &segments[2..]].concat();
        request.path = format!("/{}", named.join("/"));
        request.segments = named.into_iter().map(str::to_owned).collect();
    }
    request
}
