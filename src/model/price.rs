//! What models cost, for programs that tell tokens and no money.

use std::{borrow::Borrow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Cost, CostBasis, Usage, Usd};

/// The name of a model, as a program calls it: nothing that could be taken for
/// an option. The only way in is `FromStr`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelName(String);

/// Why a string is not a [`ModelName`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the name of a model: use up to 200 of A-Z, a-z, 0-9 and `@._~:/+-`, not starting with one of `:/+-`"
)]
pub struct BadModelName(String);

impl ModelName {
    /// The rule, as a regular expression.
    pub const PATTERN: &'static str = r"^[A-Za-z0-9@._~][A-Za-z0-9@._~:/+-]{0,199}$";
}

impl FromStr for ModelName {
    type Err = BadModelName;

    fn from_str(name: &str) -> Result<Self, BadModelName> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"@._~:/+-".contains(&byte);
        let starts_well = !name.starts_with([':', '/', '+', '-']);
        match (1..=200).contains(&name.len()) && starts_well && name.bytes().all(known) {
            true => Ok(Self(name.to_owned())),
            false => Err(BadModelName(name.escape_debug().to_string())),
        }
    }
}

impl TryFrom<String> for ModelName {
    type Error = BadModelName;

    fn try_from(name: String) -> Result<Self, BadModelName> {
        name.parse()
    }
}

impl From<ModelName> for String {
    fn from(name: ModelName) -> Self {
        name.0
    }
}

impl Borrow<str> for ModelName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a million tokens cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Of input.
    pub input: Usd,
    /// Of input that was read from the provider's cache.
    pub cached: Usd,
    /// Of output, and of reasoning.
    pub output: Usd,
}

impl Price {
    /// What that much costs, to the nearest millionth of a dollar.
    pub fn of(self, used: &Usage) -> Cost {
        let cost = |tokens: u64, price: Usd| u128::from(tokens) * u128::from(price.micros());
        let all = cost(used.uncached_input, self.input)
            + cost(used.cache_write, self.input)
            + cost(used.cache_read, self.cached)
            + cost(used.output, self.output)
            + cost(used.reasoning, self.output);
        let micros = u64::try_from((all + 500_000) / 1_000_000).unwrap_or(u64::MAX);
        Cost { usd: Usd::from_micros(micros), basis: CostBasis::Computed }
    }
}

/// `$1.25 in, $0.125 cached, $10.00 out`.
impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in, {} cached, {} out", self.input, self.cached, self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_cost_what_the_price_says_and_each_is_paid_once() {
        let usd = |text: &str| text.parse::<Usd>().unwrap();
        let price = Price { input: usd("1.25"), cached: usd("0.125"), output: usd("10") };
        let used = Usage {
            uncached_input: 1_000_000,
            cache_read: 2_000_000,
            cache_write: 400_000,
            output: 90_000,
            reasoning: 10_000,
            ..Usage::default()
        };
        insta::assert_snapshot!(price.of(&used).usd, @"$3.00");
        let one = Usage { output: 1, ..Usage::default() };
        assert_eq!(price.of(&one).usd, Usd::from_micros(10));
        let endless = Usage { output: u64::MAX, reasoning: u64::MAX, ..Usage::default() };
        assert_eq!(price.of(&endless).usd, Usd::MOST);
        insta::assert_snapshot!(price, @"$1.25 in, $0.125 cached, $10.00 out");
    }

    #[test]
    fn a_model_is_called_as_its_program_calls_it() {
        for good in ["gpt-5", "anthropic/claude-sonnet-4.5", "qwen3:8b", "@cf/meta/llama", "o3"] {
            assert_eq!(good.parse::<ModelName>().map(String::from), Ok(good.to_owned()));
        }
        for bad in ["", "-x", "a b", "a\nb", &"a".repeat(201)] {
            assert!(bad.parse::<ModelName>().is_err(), "{bad}");
        }
    }
}
