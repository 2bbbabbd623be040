//! What a run used of a language model, and what that cost.

use std::{fmt, iter::Sum, ops::Add, str::FromStr};

use serde::{Deserialize, Serialize};

use super::words;

words! {
    /// Where the figure of a cost comes from.
    pub enum CostBasis("basis of a cost") {
        /// The program said it.
        Reported = "reported",
        /// It follows from tokens and prices.
        Computed = "computed",
    }
}

impl CostBasis {
    const fn reported() -> Self {
        Self::Reported
    }
}

/// An amount of money: millionths of a US dollar, so that sums are exact.
///
/// There is never more than [`MOST`](Self::MOST), whatever a program says or is added up: whoever
/// holds one can put it in a column.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(from = "u64", into = "u64")]
pub struct Usd(u64);

/// Why a text is not an amount of money.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no amount in US dollars: write one such as 4 or 0.25")]
pub struct BadUsd(String);

impl Usd {
    /// One dollar.
    const ONE: u64 = 1_000_000;
    /// A billion dollars.
    pub const MOST: Self = Self(1_000_000_000 * Self::ONE);

    /// So many millionths of a dollar, up to [`MOST`](Self::MOST).
    pub const fn from_micros(micros: u64) -> Self {
        if micros < Self::MOST.0 { Self(micros) } else { Self::MOST }
    }

    /// Millionths of a dollar.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// An amount that a program reported as a floating-point number, to the
    /// nearest millionth; none if it is not one.
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        let fits = (0.0..1e9).contains(&dollars);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "just looked at"
        )]
        fits.then(|| Self::from_micros((dollars * 1e6).round() as u64))
    }

    /// What is left of it when so much is spent.
    #[must_use]
    pub const fn less(self, spent: Self) -> Self {
        Self(self.0.saturating_sub(spent.0))
    }

    /// To the cent, as people say it; `<$0.01` for less than that.
    pub fn to_cents(self) -> String {
        match self.0.saturating_add(5_000) / 10_000 {
            0 if self.0 > 0 => "<$0.01".to_owned(),
            cents => format!("${}.{:02}", cents / 100, cents % 100),
        }
    }

    /// The amount as a plain number: `4`, `0.25`.
    pub fn plain(self) -> String {
        let text = format!("{}.{:06}", self.0 / Self::ONE, self.0 % Self::ONE);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

impl From<u64> for Usd {
    fn from(micros: u64) -> Self {
        Self::from_micros(micros)
    }
}

impl From<Usd> for u64 {
    fn from(usd: Usd) -> Self {
        usd.0
    }
}

impl Add for Usd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::from_micros(self.0.saturating_add(other.0))
    }
}

impl FromStr for Usd {
    type Err = BadUsd;

    fn from_str(text: &str) -> Result<Self, BadUsd> {
        let bad = || BadUsd(text.to_owned());
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || whole.len() > 9 || part.len() > 6 {
            return Err(bad());
        }
        let whole: u64 = whole.parse().map_err(|_| bad())?;
        let part: u64 = format!("{part:0<6}").parse().map_err(|_| bad())?;
        Ok(Self(whole * Self::ONE + part))
    }
}

/// Exactly, and at least to the cent: `$4.00`, `$0.0031`.
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / Self::ONE, self.0 % Self::ONE);
        let part = format!("{part:06}");
        let part = format!("{:0<2}", part.trim_end_matches('0'));
        f.pad(&format!("${whole}.{part}"))
    }
}

/// What something cost, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// How much; in JSON, millionths of a US dollar.
    #[serde(rename = "usd_micros")]
    pub usd: Usd,
    /// How it is known; of a sum, the weakest of its parts. Whoever just tells an
    /// amount reports it.
    #[serde(default = "CostBasis::reported")]
    pub basis: CostBasis,
}

/// Tokens, turns and money.
///
/// Tokens are counted apart as providers bill them: no figure includes another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Input that was read anew.
    pub uncached_input: u64,
    /// Input that was read from the provider's cache.
    pub cache_read: u64,
    /// Input that was put into that cache.
    pub cache_write: u64,
    /// Output, reasoning left out.
    pub output: u64,
    /// Reasoning that is not shown.
    pub reasoning: u64,
    /// Answers of the model.
    pub turns: u64,
    /// What it cost; none where nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

impl Usage {
    /// What was used since `before`, of a program that counts on when a
    /// conversation goes on. One that began to count anew has used all of it.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        let less = |now: u64, then: u64| now.checked_sub(then).unwrap_or(now);
        Self {
            uncached_input: less(self.uncached_input, before.uncached_input),
            cache_read: less(self.cache_read, before.cache_read),
            cache_write: less(self.cache_write, before.cache_write),
            output: less(self.output, before.output),
            reasoning: less(self.reasoning, before.reasoning),
            turns: less(self.turns, before.turns),
            cost: self.cost.map(|cost| Cost {
                usd: Usd(less(cost.usd.0, before.cost.map_or(0, |before| before.usd.0))),
                ..cost
            }),
        }
    }

    /// Whether nothing was used.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// `$0.42, 12 turns, 40k tokens in and 3k out`; what is in is shown with its
/// cached part.
impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(cost) = self.cost {
            write!(f, "{}, ", cost.usd.to_cents())?;
        }
        let s = if self.turns == 1 { "" } else { "s" };
        let input = self.uncached_input.saturating_add(self.cache_read);
        let input = rounded(input.saturating_add(self.cache_write));
        let output = rounded(self.output.saturating_add(self.reasoning));
        write!(f, "{} turn{s}, {input} tokens in", self.turns)?;
        if self.cache_read > 0 {
            write!(f, " ({} cached)", rounded(self.cache_read))?;
        }
        write!(f, " and {output} out")
    }
}

/// A count as people say it: `850`, `12k`, `3.4M`.
fn rounded(count: u64) -> String {
    match count {
        0..1_000 => count.to_string(),
        1_000..1_000_000 => format!("{}k", count / 1_000),
        _ => format!("{}.{}M", count / 1_000_000, count % 1_000_000 / 100_000),
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let cost = match (self.cost, other.cost) {
            (Some(one), Some(two)) => {
                Some(Cost { usd: one.usd + two.usd, basis: one.basis.max(two.basis) })
            }
            (one, two) => one.or(two),
        };
        Self {
            uncached_input: self.uncached_input.saturating_add(other.uncached_input),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write: self.cache_write.saturating_add(other.cache_write),
            output: self.output.saturating_add(other.output),
            reasoning: self.reasoning.saturating_add(other.reasoning),
            turns: self.turns.saturating_add(other.turns),
            cost,
        }
    }
}

impl Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_of_money_is_read_exactly_and_shown_shortly() {
        let shown = |text: &str| text.parse::<Usd>().map(|usd| usd.to_string());
        for (given, said) in [
            ("4", "$4.00"),
            ("0.25", "$0.25"),
            ("0.003100", "$0.0031"),
            ("0.000001", "$0.000001"),
            ("12.999999", "$12.999999"),
            ("12.5", "$12.50"),
            ("0", "$0.00"),
        ] {
            assert_eq!(shown(given).as_deref(), Ok(said));
        }
        let plain = ["4", "0.25", "10", "0.000001"];
        assert_eq!(plain.map(|text| text.parse::<Usd>().unwrap().plain()), plain);
        for bad in ["", "-1", "1.", ".5", "1e3", "$4", "0.0000001", "9999999999", "NaN"] {
            assert_eq!(shown(bad), Err(BadUsd(bad.to_owned())));
        }
    }

    #[test]
    fn a_reported_amount_is_rounded_to_a_millionth() {
        assert_eq!(Usd::from_dollars(0.009_27), Some(Usd(9_270)));
        let none = [f64::NAN, -1.0, f64::INFINITY, 1e9, 1e300];
        assert_eq!(none.map(Usd::from_dollars), [None; 5]);
    }

    #[test]
    fn there_is_never_more_money_than_a_column_holds() {
        let read: Usd = serde_json::from_str("18446744073709551615").unwrap();
        assert_eq!([read, read + read, Usd::from_micros(u64::MAX)], [Usd::MOST; 3]);
        assert!(i64::try_from(Usd::MOST.micros()).is_ok());
        assert_eq!(serde_json::to_string(&Usd(7)).unwrap(), "7");
    }

    #[test]
    fn usage_is_told_in_a_few_words() {
        let cost = |micros| Some(Cost { usd: Usd(micros), basis: CostBasis::Reported });
        let usage = |input, cached, output, micros| Usage {
            uncached_input: input,
            cache_read: cached,
            output,
            turns: 12,
            cost: cost(micros),
            ..Usage::default()
        };
        insta::assert_snapshot!(usage(850, 0, 9, 4_999), @"<$0.01, 12 turns, 850 tokens in and 9 out");
        insta::assert_snapshot!(usage(12_400, 3_000_000, 45_999, 3_215_000), @"$3.22, 12 turns, 3.0M tokens in (3.0M cached) and 45k out");
        insta::assert_snapshot!(Usage { turns: 1, ..Usage::default() }, @"1 turn, 0 tokens in and 0 out");
    }

    #[test]
    fn a_conversation_that_goes_on_is_counted_once() {
        let cost = |micros| Some(Cost { usd: Usd(micros), basis: CostBasis::Reported });
        let first = Usage { output: 100, turns: 1, cost: cost(9_270), ..Usage::default() };
        let both = Usage { output: 250, turns: 3, cost: cost(13_900), ..Usage::default() };

        assert_eq!([first, both.since(first)].into_iter().sum::<Usage>(), both);
        // It did not go on: it began anew.
        assert_eq!(first.since(both), first);
    }
}
