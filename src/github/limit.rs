//! Rate limits, in all the forms in which GitHub tells of them.
//!
//! The answer is how long to wait, by GitHub's own clock. So it is never in
//! the past, whatever the clocks here say.

use std::time::Duration;

use super::answer::Answer;

/// When nothing says how long: what GitHub's documentation asks for.
const UNTOLD: Duration = Duration::from_secs(60);
/// The windows of GitHub are an hour long: nothing sensible is longer.
const LONGEST: Duration = Duration::from_secs(60 * 60);
const SHORTEST: Duration = Duration::from_secs(1);

/// How long GitHub wants to be left alone, if it refused a request for that.
///
/// That is a 429, or a 403 with nothing left, with a time to come back, or that
/// speaks of a limit.
pub(super) fn refused(answer: &Answer) -> Option<Duration> {
    let head = &answer.head;
    let limited = match answer.status {
        429 => true,
        403 => head.remaining == Some(0) || head.retry_after.is_some() || is_told(answer),
        _ => false,
    };
    if !limited {
        return None;
    }
    let wait = head.retry_after.or_else(|| until_reset(answer)).unwrap_or(UNTOLD);
    Some(wait.clamp(SHORTEST, LONGEST))
}

/// How long the next request will be refused, if this answer was the last one
/// that was left.
pub(super) fn spent(answer: &Answer) -> Option<Duration> {
    until_reset(answer).map(|wait| wait.clamp(SHORTEST, LONGEST))
}

fn until_reset(answer: &Answer) -> Option<Duration> {
    let head = &answer.head;
    let (Some(0), Some(reset), Some(date)) = (head.remaining, head.reset, head.date) else {
        return None;
    };
    let seconds = reset.saturating_sub(date.timestamp()).max(0);
    Some(Duration::from_secs(seconds.unsigned_abs()))
}

fn is_told(answer: &Answer) -> bool {
    let message = answer.message().to_lowercase();
    ["rate limit", "abuse detection"].iter().any(|words| message.contains(words))
}
