//! When a failed agent is tried again.

use chrono::TimeDelta;

use super::Attempts;
use crate::model::{AgentName, Digest, Instant, ProjectSettings};

/// The moment from which an agent may be started again; `None` when it never
/// failed.
///
/// The wait doubles with each failure up to the cap, and then up to a fifth of
/// it is taken off, by a hash of the agent and the attempt: agents that failed
/// together do not come back together, and the answer stays a pure function.
pub fn retry_at(
    agent: &AgentName,
    attempts: &Attempts,
    settings: &ProjectSettings,
) -> Option<Instant> {
    let failures = attempts.own + attempts.infra;
    let ended = attempts.last_ended.filter(|_| failures > 0)?;

    let doubled =
        settings.backoff.saturating_mul(1u32.checked_shl(failures - 1).unwrap_or(u32::MAX));
    let wait = doubled.min(settings.backoff_cap);
    let jitter = wait.mul_f64(0.2 * fraction(agent, failures));
    Some(ended + TimeDelta::from_std(wait - jitter).unwrap_or(TimeDelta::MAX))
}

/// A number from 0 to 1 that is always the same for this attempt.
fn fraction(agent: &AgentName, failures: u32) -> f64 {
    let digest = Digest::of(format!("{agent}/{failures}")).to_string();
    let byte = u8::from_str_radix(&digest[..2], 16).unwrap_or(0);
    f64::from(byte) / 255.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_wait_doubles_up_to_the_cap_less_some_jitter() {
        let settings = ProjectSettings {
            backoff: Duration::from_secs(10),
            backoff_cap: Duration::from_secs(60),
            ..ProjectSettings::default()
        };
        let agent: AgentName = "echo".parse().unwrap();
        let ended = Instant::UNIX_EPOCH;
        for (own, infra, longest) in [(1, 0, 10), (1, 1, 20), (3, 0, 40), (4, 0, 60), (90, 9, 60)] {
            let attempts = Attempts { own, infra, refused: false, last_ended: Some(ended) };
            let wait = retry_at(&agent, &attempts, &settings).unwrap() - ended;
            let longest = TimeDelta::seconds(longest);
            assert!(wait <= longest && wait >= longest * 4 / 5, "{own}+{infra}: {wait}");
        }
    }

    #[test]
    fn an_agent_that_never_failed_does_not_wait() {
        let settings = ProjectSettings::default();
        let agent: AgentName = "echo".parse().unwrap();
        assert_eq!(retry_at(&agent, &Attempts::default(), &settings), None);
    }
}
