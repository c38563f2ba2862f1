//! Amounts of a token: `2.5 USU` outside, base units on-chain. No floating point anywhere.

use crate::chain::U256;
use crate::{Error, Result};
use std::fmt;

/// Decimals of every currency on the fixed lists.
pub const DECIMALS: usize = 18;

/// Largest amount: what the contracts carry as one price, 2^128 - 1 base units.
const MAX_UNITS: U256 = U256::from_limbs([u64::MAX, u64::MAX, 0, 0]);

/// An amount of some token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(U256);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(U256::ZERO);

    /// An amount in base units.
    ///
    /// # Errors
    /// [`Error::Invalid`] above 2^128 - 1.
    pub fn from_units(units: U256) -> Result<Self> {
        if units > MAX_UNITS {
            return Err(Error::Invalid("amount is above 2^128 - 1 base units".into()));
        }
        Ok(Self(units))
    }

    /// Whole tokens.
    pub fn tokens(count: u32) -> Self {
        Self(U256::from(count) * U256::from(10u64.pow(DECIMALS as u32)))
    }

    /// The base units that stand on-chain.
    pub const fn units(self) -> U256 {
        self.0
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// `count` times this amount.
    ///
    /// # Errors
    /// [`Error::Invalid`] above 2^128 - 1 base units.
    pub fn times(self, count: u32) -> Result<Self> {
        Self::from_units(self.0 * U256::from(count))
    }

    /// This and `other`.
    ///
    /// # Errors
    /// [`Error::Invalid`] above 2^128 - 1 base units.
    pub fn plus(self, other: Self) -> Result<Self> {
        Self::from_units(self.0 + other.0)
    }

    /// Reads `2.5` or `2.5 USU`: digits, at most 18 of them after a point, then nothing or one space and `symbol`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for signs, exponents, separators, another symbol or anything else.
    ///
    /// ```
    /// use provenance::terms::Amount;
    /// assert_eq!(Amount::parse("2.50 USU", "USU")?.show("USU"), "2.5 USU");
    /// # Ok::<(), provenance::Error>(())
    /// ```
    pub fn parse(text: &str, symbol: &str) -> Result<Self> {
        let bad = || Error::Invalid(format!("`{text}` is not an amount such as `2.5 {symbol}`"));
        let number = match text.split_once(' ') {
            Some((number, unit)) if unit == symbol => number,
            Some(_) => return Err(bad()),
            None => text,
        };
        let (whole, part) = match number.split_once('.') {
            Some((_, "")) => return Err(bad()),
            Some((whole, part)) => (whole, part),
            None => (number, ""),
        };
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        let leading = whole.len() > 1 && whole.starts_with('0');
        if whole.is_empty() || whole.len() > 21 || leading || !digits(whole) || !digits(part) {
            return Err(bad());
        }
        if part.len() > DECIMALS {
            return Err(Error::Invalid(format!("`{text}` has more than {DECIMALS} digits after the point")));
        }
        let units = U256::from_str_radix(&format!("{whole}{part:0<DECIMALS$}"), 10).map_err(|_| bad())?;
        Self::from_units(units)
    }

    /// The decimal number, without trailing zeros and without a symbol.
    pub fn decimal(self) -> String {
        let text = format!("{:0>width$}", self.0.to_string(), width = DECIMALS + 1);
        let (whole, part) = text.split_at(text.len() - DECIMALS);
        let part = part.trim_end_matches('0');
        if part.is_empty() { whole.into() } else { format!("{whole}.{part}") }
    }

    /// The decimal number and the symbol: `2.5 USU`.
    pub fn show(self, symbol: &str) -> String {
        format!("{} {symbol}", self.decimal())
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.decimal())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `text` must be read as `units` and shown as `shown`.
    fn check(text: &str, units: u128, shown: &str) {
        let amount = Amount::parse(text, "USU").unwrap();
        assert_eq!(amount.units(), U256::from(units), "{text}");
        assert_eq!(amount.show("USU"), shown);
        assert_eq!(Amount::parse(shown, "USU").unwrap(), amount);
    }

    #[test]
    fn amounts_are_exact() {
        check("2.5 USU", 2_500_000_000_000_000_000, "2.5 USU");
        check("2.5", 2_500_000_000_000_000_000, "2.5 USU");
        check("0", 0, "0 USU");
        check("0.000000000000000001", 1, "0.000000000000000001 USU");
        check("1000000", 1_000_000_000_000_000_000_000_000, "1000000 USU");
        check("0.10", 100_000_000_000_000_000, "0.1 USU");
    }

    #[test]
    fn whole_tokens_are_exact() {
        assert_eq!(Amount::tokens(3), Amount::parse("3", "USU").unwrap());
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            " ",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1_000",
            "1,5",
            "01",
            "00",
            "0x10",
            "1 ",
            " 1",
            "1  USU",
            "1 USU ",
            "1USU",
            "1 EUR",
            "1 usu",
            "1.5.5",
            "NaN",
            "inf",
            "\u{664}",
            "1\n",
            "1.2 USU USU",
        ] {
            assert!(Amount::parse(text, "USU").is_err(), "{text:?}");
        }
    }

    #[test]
    fn nineteen_decimals_are_refused() {
        let message = Amount::parse("0.0000000000000000001", "USU").unwrap_err().to_string();
        assert!(message.contains("18 digits"), "{message}");
    }

    #[test]
    fn too_much_is_refused() {
        assert!(Amount::parse("340282366920938463463.374607431768211455", "USU").is_ok());
        assert!(Amount::parse("340282366920938463463.374607431768211456", "USU").is_err());
        assert!(Amount::parse(&"9".repeat(5000), "USU").is_err());
        assert!(Amount::from_units(MAX_UNITS).unwrap().times(2).is_err());
        assert!(Amount::from_units(MAX_UNITS).unwrap().plus(Amount::from_units(U256::from(1)).unwrap()).is_err());
    }
}
