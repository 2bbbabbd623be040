//! How far an agent says it is.

use std::{fmt, num::ParseIntError, str::FromStr};

use serde::{Deserialize, Serialize};

/// How much of the work is done, in whole percent: 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Percent(u8);

/// Why a number is not a [`Percent`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a percentage is a whole number from 0 to 100")]
pub struct BadPercent;

impl TryFrom<u8> for Percent {
    type Error = BadPercent;

    fn try_from(percent: u8) -> Result<Self, BadPercent> {
        if percent <= 100 { Ok(Self(percent)) } else { Err(BadPercent) }
    }
}

impl From<Percent> for u8 {
    fn from(percent: Percent) -> Self {
        percent.0
    }
}

impl FromStr for Percent {
    type Err = BadPercent;

    fn from_str(text: &str) -> Result<Self, BadPercent> {
        let text = text.strip_suffix('%').unwrap_or(text);
        text.parse().map_err(|_: ParseIntError| BadPercent).and_then(|number: u8| number.try_into())
    }
}

/// What an agent says about how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Headway {
    /// How much is done, if that can be told.
    pub percent: Option<Percent>,
    /// What it is doing, for people.
    pub text: String,
}

/// As people read it, on one line; empty if it says nothing.
impl fmt::Display for Headway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.percent.map(|Percent(percent)| format!("{percent}%"));
        let words = percent.as_deref().into_iter().chain(self.text.split_whitespace());
        f.pad(&words.collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headway_is_one_line_for_people() {
        for (percent, text, line) in [
            (Some("40"), "reading the sheet", "40% reading the sheet"),
            (Some("100%"), "", "100%"),
            (None, " reading\n the\tsheet ", "reading the sheet"),
            (None, " \n", ""),
        ] {
            let percent = percent.map(|percent| percent.parse().unwrap());
            assert_eq!(Headway { percent, text: text.into() }.to_string(), line);
        }
    }

    #[test]
    fn a_percentage_is_a_whole_number_up_to_100() {
        for bad in ["101", "-1", "4.5", "", "%", "forty", "300"] {
            assert_eq!(bad.parse::<Percent>(), Err(BadPercent), "{bad}");
            let json = format!("{{\"percent\":{bad},\"text\":\"\"}}");
            assert!(serde_json::from_str::<Headway>(&json).is_err(), "{bad}");
        }
    }
}
