//! A clock that nobody watches, and what people are told when it is late.

use std::time::Duration;

use serde::Serialize;

use super::words::{self, brief};
use crate::model::{Instant, LastTick};

/// A tick that should have come and did not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LateView {
    /// When the last one in GitHub Actions ended.
    pub last_at: Instant,
    /// How long ago that was.
    #[serde(rename = "age_seconds", serialize_with = "words::seconds")]
    pub age: Duration,
    /// How long the next one has been due.
    #[serde(rename = "late_seconds", serialize_with = "words::seconds")]
    pub late: Duration,
}

impl LateView {
    /// What there is to say about the next tick, if it is late.
    pub fn of(last: &LastTick) -> Option<Self> {
        last.late().map(|late| Self { last_at: last.at, age: last.age, late })
    }

    /// For somebody who looks, and can look further.
    pub fn warning(&self) -> String {
        format!("{}; see whether the workflow is enabled", self.finding())
    }

    /// For whoever reads what the tick says that comes at last.
    pub fn catching_up(&self) -> String {
        format!("{}; this one catches up", self.finding())
    }

    fn finding(&self) -> String {
        let (age, late) = (brief(self.age), brief(self.late));
        format!("the last tick in GitHub Actions was {age} ago: {late} late")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TickEnd;

    /// A tick so many minutes ago, where there is to be one in every six hours.
    fn ticked(minutes: u64) -> LastTick {
        LastTick {
            at: Instant::UNIX_EPOCH,
            age: Duration::from_secs(minutes * 60),
            every: Duration::from_secs(6 * 3600),
            event: "schedule".to_owned(),
            place: "https://github.com/acme/waves/actions/runs/7".to_owned(),
            end: TickEnd::Done,
            detail: None,
        }
    }

    #[test]
    fn a_tick_is_late_when_more_than_its_interval_has_passed() {
        let late = |minutes| ticked(minutes).late().map(|late| late.as_secs() / 60);
        assert_eq!([0, 359, 361, 390].map(late), [None; 4]);
        assert_eq!([391, 780].map(late), [Some(31), Some(420)]);
    }

    #[test]
    fn it_is_told_how_late_a_tick_is() {
        assert_eq!(LateView::of(&ticked(360)), None);
        let late = LateView::of(&ticked(13 * 60)).unwrap();
        insta::assert_snapshot!(late.warning(), @"the last tick in GitHub Actions was 13h ago: 7h late; see whether the workflow is enabled");
        insta::assert_snapshot!(late.catching_up(), @"the last tick in GitHub Actions was 13h ago: 7h late; this one catches up");
        insta::assert_snapshot!(serde_json::to_string(&late).unwrap(), @r#"{"last_at":"1970-01-01T00:00:00Z","age_seconds":46800.0,"late_seconds":25200.0}"#);
    }
}
