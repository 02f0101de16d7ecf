//! Amounts of money in whole cents, and how dealers write them.

use crate::thousands::grouped;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Money {
    pub cents: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("{0:?} is not an amount of money")]
    NotAnAmount(String),
    #[error("{0:?} is negative")]
    Negative(String),
    #[error("{0:?} is more than 1,000,000,000")]
    TooLarge(String),
}

/// Anything above a billion is a typing error or a phone number in the wrong column.
pub(crate) const LARGEST_CENTS: i64 = 1_000_000_000 * 100;

impl Money {
    pub fn from_cents(cents: i64) -> Self {
        Self { cents }
    }

    /// Reads `39998`, `$39,998 `, `39998.00`, `39,998.5`, `USD 10499`, `10499 USD`.
    /// Words that mean "ask us" (`Not Priced`, `Call`, `N/A`, blank) are `Ok(None)`: a known
    /// absence, not an error.
    pub fn parse(text: &str) -> Result<Option<Self>, MoneyError> {
        let trimmed = text.trim();
        let lower = trimmed.to_ascii_lowercase();
        if matches!(
            lower.as_str(),
            "" | "not priced" | "call" | "call for price" | "n/a" | "na" | "-" | "none"
        ) {
            return Ok(None);
        }
        let bare = lower.trim_start_matches("usd").trim_end_matches("usd");
        let bare = bare.trim().trim_start_matches('$').trim();
        let not = || MoneyError::NotAnAmount(text.to_owned());
        if bare.starts_with('-') || (bare.starts_with('(') && bare.ends_with(')')) {
            return Err(MoneyError::Negative(text.to_owned()));
        }
        let (whole, fraction) = bare.split_once('.').unwrap_or((bare, ""));
        let digits: String = whole.chars().filter(|c| *c != ',').collect();
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) || !grouped(whole) {
            return Err(not());
        }
        if fraction.len() > 2 && fraction[2..].bytes().any(|b| b != b'0')
            || !fraction.bytes().all(|b| b.is_ascii_digit())
        {
            return Err(not());
        }
        let whole: i64 = digits
            .parse()
            .map_err(|_| MoneyError::TooLarge(text.to_owned()))?;
        let mut hundredths = fraction.bytes().map(|b| i64::from(b - b'0'));
        let cents = hundredths.next().unwrap_or(0) * 10 + hundredths.next().unwrap_or(0);
        match whole.checked_mul(100).and_then(|w| w.checked_add(cents)) {
            Some(cents) if cents <= LARGEST_CENTS => Ok(Some(Self { cents })),
            _ => Err(MoneyError::TooLarge(text.to_owned())),
        }
    }

    /// `10499 USD` or `10499.50 USD`, the form marketplaces take.
    pub fn with_currency(self, currency: &str) -> String {
        format!("{} {currency}", self.plain())
    }

    /// `10499` or `10499.50`.
    pub fn plain(self) -> String {
        match self.cents % 100 {
            0 => format!("{}", self.cents / 100),
            rest => format!("{}.{rest:02}", self.cents / 100),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cents(text: &str) -> Option<i64> {
        Money::parse(text).unwrap().map(|m| m.cents)
    }

    #[test]
    fn the_ways_dealers_write_a_price() {
        assert_eq!(cents("$39,998 "), Some(3_999_800));
        assert_eq!(cents("39998"), Some(3_999_800));
        assert_eq!(cents("10,499.00 USD"), Some(1_049_900));
        assert_eq!(cents("10499.5"), Some(1_049_950));
        assert_eq!(cents("1,234,567.890"), Some(123_456_789));
    }

    #[test]
    fn not_priced_is_an_absence_and_not_an_error() {
        for text in ["Not Priced", "", "  ", "CALL", "n/a"] {
            assert_eq!(cents(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        for text in ["12,34", "twelve", "1.234.567", "12.345", "$"] {
            assert!(
                matches!(Money::parse(text), Err(MoneyError::NotAnAmount(_))),
                "{text:?}"
            );
        }
        assert!(matches!(Money::parse("-5"), Err(MoneyError::Negative(_))));
        assert!(matches!(
            Money::parse("99999999999999999999"),
            Err(MoneyError::TooLarge(_))
        ));
    }

    #[test]
    fn cents_are_written_only_when_there_are_any() {
        assert_eq!(
            Money::from_cents(1_049_900).with_currency("USD"),
            "10499 USD"
        );
        assert_eq!(
            Money::from_cents(1_049_905).with_currency("USD"),
            "10499.05 USD"
        );
    }
}
