//! What can go wrong between a client and GitHub, chosen by the test: which
//! call, and how. Nothing here is left to chance.

use std::{fmt, time::Duration};

use super::{
    GitHub,
    answer::Answer,
    clock::{self, Instant},
    http::Message,
};

/// One way for a call to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Answered with 502, and nothing was done.
    BadGateway,
    /// Done, and answered with 502.
    BadGatewayAfter,
    /// The connection closes, and nothing was done.
    Dropped,
    /// Done, and the connection closes without an answer.
    DroppedAfter,
    /// Done, and the answer ends in the middle of its body.
    Truncated,
    /// Done at once, and answered so much later.
    Late(Duration),
    /// Not done, and never answered.
    Hanging,
    /// Answered with a page of HTML that says 500, and nothing was done.
    ErrorPage,
    /// Done, and told that this was the hour's last request.
    LastOne,
    /// 403, as when the hour's requests are used up.
    PrimaryLimit,
    /// The same as a 429.
    PrimaryLimit429,
    /// 403 for being too fast, with the seconds to wait.
    SecondaryLimit,
    /// The same as a 429.
    SecondaryLimit429,
    /// 403 for being too fast, with nothing but words.
    SecondaryLimitInWords,
}

impl Fault {
    /// When an hour's requests that are used up come back, in seconds from now.
    pub(crate) const RESET_SECS: i64 = 900;
    /// How long to wait for having been too fast.
    pub(crate) const RETRY_SECS: i64 = 60;

    /// All of them.
    pub(crate) fn all(late: Duration) -> [Self; 14] {
        [
            Self::BadGateway,
            Self::BadGatewayAfter,
            Self::Dropped,
            Self::DroppedAfter,
            Self::Truncated,
            Self::Late(late),
            Self::Hanging,
            Self::ErrorPage,
            Self::LastOne,
            Self::PrimaryLimit,
            Self::PrimaryLimit429,
            Self::SecondaryLimit,
            Self::SecondaryLimit429,
            Self::SecondaryLimitInWords,
        ]
    }

    /// What the client hears in the place of GitHub's answer, if anything.
    pub(super) fn answer(self, now: Instant, done: Option<Answer>) -> Option<Message> {
        let primary = "API rate limit exceeded for installation ID 1.";
        let secondary = "You have exceeded a secondary rate limit. Please wait a few minutes.";
        let reset = now.timestamp() + Self::RESET_SECS;
        let answer = match self {
            Self::BadGateway | Self::BadGatewayAfter => return Some(page(502, "Bad Gateway")),
            Self::ErrorPage => return Some(page(500, "Unicorn!")),
            Self::Dropped | Self::DroppedAfter | Self::Hanging => return None,
            Self::Truncated | Self::Late(_) => done?,
            Self::LastOne => used_up(done?, reset),
            Self::PrimaryLimit => used_up(Answer::error(403, primary), reset),
            Self::PrimaryLimit429 => used_up(Answer::error(429, primary), reset),
            Self::SecondaryLimit => too_fast(Answer::error(403, secondary)),
            Self::SecondaryLimit429 => too_fast(Answer::error(429, secondary)),
            Self::SecondaryLimitInWords => Answer::error(403, secondary),
        };
        Some(answer.with("date", clock::http_date(now)).message())
    }

    /// Whether GitHub does what it was asked for.
    pub(super) fn is_done(self) -> bool {
        matches!(
            self,
            Self::BadGatewayAfter
                | Self::DroppedAfter
                | Self::Truncated
                | Self::Late(_)
                | Self::LastOne
        )
    }
}

fn page(status: u16, words: &str) -> Message {
    let head = vec![("content-type".to_owned(), "text/html".to_owned())];
    let body = format!("<html><body><h1>{words}</h1></body></html>");
    Message::new(format!("HTTP/1.1 {status} {words}"), head, body.into_bytes())
}

fn used_up(answer: Answer, reset: i64) -> Answer {
    answer
        .with("x-ratelimit-limit", 1_000)
        .with("x-ratelimit-remaining", 0)
        .with("x-ratelimit-used", 1_000)
        .with("x-ratelimit-reset", reset)
        .with("x-ratelimit-resource", "core")
}

fn too_fast(answer: Answer) -> Answer {
    answer.with("retry-after", Fault::RETRY_SECS)
}

/// Which of the calls that fit are hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hit {
    /// The first is 1.
    Nth(usize),
    From(usize),
    /// This one, and after it every so many.
    Every {
        first: usize,
        step: usize,
    },
}

/// Something that happens just before a call is heard.
pub(super) type Interlude = Box<dyn FnOnce(&GitHub) + Send>;

/// What a test has asked for, by the calls that it is about.
#[derive(Default)]
pub(super) struct Faults {
    faults: Vec<(Calls, Fault)>,
    interludes: Vec<(Calls, Interlude)>,
}

impl Faults {
    pub(super) fn add(&mut self, pattern: &str, hit: Hit, fault: Fault) {
        self.faults.push((Calls::new(pattern, hit), fault));
    }

    pub(super) fn add_interlude(&mut self, pattern: &str, nth: usize, act: Interlude) {
        self.interludes.push((Calls::new(pattern, Hit::Nth(nth)), act));
    }

    pub(super) fn clear(&mut self) {
        self.faults.clear();
    }

    /// What goes wrong with a call, counting it.
    pub(super) fn next(&mut self, method: &str, path: &str) -> Option<Fault> {
        let mut first = None;
        for (calls, fault) in &mut self.faults {
            if calls.hit(method, path) {
                first = first.or(Some(*fault));
            }
        }
        first
    }

    /// What happens before a call, counting it.
    pub(super) fn before(&mut self, method: &str, path: &str) -> Vec<Interlude> {
        let due = self.interludes.extract_if(.., |(calls, _)| calls.hit(method, path));
        due.map(|(_, act)| act).collect()
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} and {} interludes", self.faults, self.interludes.len())
    }
}

/// Which calls are meant, and how many of them came already.
#[derive(Debug)]
struct Calls {
    pattern: String,
    hit: Hit,
    seen: usize,
}

impl Calls {
    fn new(pattern: &str, hit: Hit) -> Self {
        Self { pattern: pattern.to_owned(), hit, seen: 0 }
    }

    fn hit(&mut self, method: &str, path: &str) -> bool {
        if !fits(&self.pattern, method, path) {
            return false;
        }
        self.seen += 1;
        match self.hit {
            Hit::Nth(nth) => self.seen == nth,
            Hit::From(nth) => self.seen >= nth,
            Hit::Every { first, step } => self.seen >= first && (self.seen - first) % step == 0,
        }
    }
}

/// Whether a pattern like `POST /repos/*/*/issues` is about a call. `*` alone
/// is about every call.
fn fits(pattern: &str, method: &str, path: &str) -> bool {
    let Some((wanted, pattern)) = pattern.split_once(' ') else {
        assert!(pattern == "*", "`{pattern}` is neither `*` nor `METHOD /path`");
        return true;
    };
    let (mut parts, mut wants) = (path.split('/'), pattern.split('/'));
    let same = |want: &str, part: &str| want == "*" || want == part;
    wanted == method
        && wants.all(|want| parts.next().is_some_and(|part| same(want, part)))
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stands_for_one_part_of_a_path() {
        let fits = |path| fits("POST /repos/*/*/issues", "POST", path);
        assert!(fits("/repos/acme/waves/issues"));
        assert!(!fits("/repos/acme/waves/issues/1/comments"));
        assert!(!fits("/repos/acme/issues"));
    }

    #[test]
    fn a_star_alone_stands_for_everything() {
        assert!(fits("*", "GET", "/user"));
        assert!(!fits("POST /user", "GET", "/user"));
    }
}
