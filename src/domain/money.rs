//! Amounts of money in whole cents, and how dealers write them.

use crate::currency::{Said, of_others};
use crate::{Currency, parted};
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
    #[error("{0:?} is in a currency that we do not keep: {codes}", codes = Currency::codes())]
    UnknownCurrency(String),
    #[error("{text:?} is in {said}, its row in {row}")]
    OtherCurrency {
        text: String,
        said: Currency,
        row: Currency,
    },
}

/// Anything above a billion is a typing error or a phone number in the wrong column.
pub(crate) const LARGEST_CENTS: i64 = 1_000_000_000 * 100;

/// Words that mean "ask us".
const NO_PRICE: &[&str] = &[
    "",
    "-",
    "a consultar",
    "auf anfrage",
    "call",
    "call for price",
    "n/a",
    "na",
    "none",
    "not priced",
    "on request",
    "poa",
    "preis auf anfrage",
    "price on request",
    "prix sur demande",
    "su richiesta",
    "sur demande",
    "vb",
];

impl Money {
    pub fn from_cents(cents: i64) -> Self {
        Self { cents }
    }

    /// Reads `39998`, `$39,998 `, `39998.00`, `39,998.5`, `USD 10499`, `10499 USD`; in a row of euros also `9.500,00` and
    /// `9 500 €`. Words that mean "ask us" (`Not Priced`, `Call`, `N/A`, blank) are `Ok(None)`: a known absence, not an
    /// error.
    pub fn parse(text: &str, row: Currency) -> Result<Option<Self>, MoneyError> {
        if NO_PRICE.contains(&text.trim().to_ascii_lowercase().as_str()) {
            return Ok(None);
        }
        let not = || match names_another(text) {
            true => MoneyError::UnknownCurrency(text.to_owned()),
            false => MoneyError::NotAnAmount(text.to_owned()),
        };
        let amount = Amount::of(text).ok_or_else(not)?;
        if amount.negative {
            return Err(MoneyError::Negative(text.to_owned()));
        }
        amount
            .said
            .in_row_of(row)
            .map_err(|said| MoneyError::OtherCurrency {
                text: text.to_owned(),
                said,
                row,
            })?;
        let (whole, fraction) = parted(amount.digits, row.marks()).ok_or_else(not)?;
        if fraction.len() > 2 && fraction[2..].bytes().any(|b| b != b'0') {
            return Err(not());
        }
        let too_large = || MoneyError::TooLarge(text.to_owned());
        let whole: i64 = whole.parse().map_err(|_| too_large())?;
        let mut hundredths = fraction.bytes().map(|b| i64::from(b - b'0'));
        let cents = hundredths.next().unwrap_or(0) * 10 + hundredths.next().unwrap_or(0);
        match whole.checked_mul(100).and_then(|w| w.checked_add(cents)) {
            Some(cents) if cents <= LARGEST_CENTS => Ok(Some(Self { cents })),
            _ => Err(too_large()),
        }
    }

    /// The currency that an amount names itself: `9,500 EUR`.
    pub fn named(text: &str) -> Option<Currency> {
        // Most are plain.
        let plain = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b',' | b' ' | b'$');
        if text.bytes().all(plain) {
            return None;
        }
        match Amount::of(text)?.said {
            Said::One(one) => Some(one),
            _ => None,
        }
    }

    /// `10499 USD` or `10499.50 USD`, the form marketplaces take.
    pub fn with_currency(self, currency: Currency) -> String {
        format!("{} {currency}", self.plain())
    }

    /// As people read it: `$9500.00`, `9500.00 CAD`, and a dash where there is none.
    pub fn shown(cents: Option<i64>, currency: &str) -> String {
        let Some(cents) = cents else {
            return "-".to_owned();
        };
        let amount = format!("{}.{:02}", cents / 100, cents % 100);
        match currency {
            "USD" => format!("${amount}"),
            other => format!("{amount} {other}"),
        }
    }

    /// `10499` or `10499.50`.
    pub fn plain(self) -> String {
        match self.cents % 100 {
            0 => format!("{}", self.cents / 100),
            rest => format!("{}.{rest:02}", self.cents / 100),
        }
    }
}

/// The only word beside its digits is the code, in capitals, of a currency that is not kept: `ALL IN` is none.
fn names_another(text: &str) -> bool {
    let mut words = text
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| !word.is_empty());
    let (only, more) = (words.next(), words.next());
    let digits = text.contains(|c: char| c.is_ascii_digit());
    digits && more.is_none() && only.is_some_and(of_others)
}

/// What stands in a cell of money.
struct Amount<'a> {
    said: Said,
    negative: bool,
    /// From the first digit to the last.
    digits: &'a str,
}

impl<'a> Amount<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let first = text.find(|c: char| c.is_ascii_digit())?;
        let last = text.rfind(|c: char| c.is_ascii_digit())?;
        let (before, digits, behind) = (&text[..first], &text[first..=last], &text[last + 1..]);
        // `.50` has lost its whole; `9500.-` and `9500,-` are whole.
        if before.ends_with(['.', ',']) {
            return None;
        }
        let behind = behind.strip_prefix([',', '.']).map_or(behind, |rest| {
            rest.strip_prefix(['-', '\u{2013}']).unwrap_or(rest)
        });
        let signs = ['-', '(', '\u{2212}'];
        // `500.00-` is how some ledgers write it.
        let (behind, owed) = match behind.strip_prefix(['-', '\u{2212}']) {
            Some(rest) => (rest, true),
            None => (behind, false),
        };
        let negative = owed || before.contains(signs);
        let before = before.replace(signs, "");
        let behind = match negative {
            true => behind.trim_end().trim_end_matches(')'),
            false => behind,
        };
        let said = Said::of(&before)?.and(Said::of(behind)?)?;
        Some(Self {
            said,
            negative,
            digits,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cents_in(text: &str, row: Currency) -> Option<i64> {
        Money::parse(text, row).unwrap().map(|m| m.cents)
    }

    fn cents(text: &str) -> Option<i64> {
        cents_in(text, Currency::USD)
    }

    #[test]
    fn the_ways_dealers_write_a_price() {
        assert_eq!(cents("$39,998 "), Some(3_999_800));
        assert_eq!(cents("39998"), Some(3_999_800));
        assert_eq!(cents("10,499.00 USD"), Some(1_049_900));
        assert_eq!(cents("US$ 10499.5"), Some(1_049_950));
        assert_eq!(cents("1,234,567.890"), Some(123_456_789));
        assert_eq!(cents_in("C$9,500", Currency::CAD), Some(950_000));
        assert_eq!(cents_in("$9,500 CAD", Currency::CAD), Some(950_000));
        assert_eq!(cents_in("£9,500", Currency::GBP), Some(950_000));
        assert_eq!(cents_in("CHF 12'500.-", Currency::CHF), Some(1_250_000));
        assert_eq!(cents_in("CAD $25,000", Currency::CAD), Some(2_500_000));
        assert_eq!(cents("USD$30,000"), Some(3_000_000));
        assert_eq!(cents_in("MXN$ 250,000", Currency::MXN), Some(25_000_000));
        assert_eq!(cents_in("129 900 kr", Currency::SEK), Some(12_990_000));
        assert_eq!(cents_in("R 250 000", Currency::ZAR), Some(25_000_000));
        assert_eq!(cents_in("8 900 € TTC", Currency::EUR), Some(890_000));
        assert_eq!(cents_in("Auf Anfrage", Currency::EUR), None);
    }

    #[test]
    fn where_the_comma_parts_hundredths_both_ways_are_read() {
        for (text, cents) in [
            ("9.500,00 €", 950_000),
            ("9,500.00", 950_000),
            ("9 500 EUR", 950_000),
            ("9.500", 950_000),
            ("9,500", 950_000),
            ("1.234.567", 123_456_700),
            ("9500,5", 950_050),
            ("9500.50", 950_050),
            ("9500.000", 950_000),
            ("9500,-", 950_000),
        ] {
            assert_eq!(cents_in(text, Currency::EUR), Some(cents), "{text}");
        }
        for text in ["1.23.456", "1,234.567,89", "9.500,123", "1 23"] {
            let read = Money::parse(text, Currency::EUR);
            assert!(matches!(read, Err(MoneyError::NotAnAmount(_))), "{text}");
        }
    }

    #[test]
    fn an_amount_of_another_currency_is_told_and_never_taken_for_ours() {
        for (text, row) in [
            ("€9,500", Currency::USD),
            ("CAD 9500", Currency::USD),
            ("$9,500", Currency::EUR),
            ("9 500 kr", Currency::EUR),
        ] {
            let read = Money::parse(text, row);
            let other = matches!(read, Err(MoneyError::OtherCurrency { .. }));
            assert!(other, "{text} in {row}: {read:?}");
        }
        assert_eq!(Money::named("9.500 €"), Some(Currency::EUR));
        assert_eq!(Money::named("$9,500"), None);
        assert_eq!(Money::named("Call 555"), None);
        let yen = Money::parse("JPY 3500000", Currency::USD);
        assert!(
            matches!(yen, Err(MoneyError::UnknownCurrency(_))),
            "{yen:?}"
        );
    }

    #[test]
    fn not_priced_is_an_absence_and_not_an_error() {
        for text in ["Not Priced", "", "  ", "CALL", "n/a", "POA"] {
            assert_eq!(cents(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        for text in [
            "12,34",
            "twelve",
            "1.234.567",
            "12.345",
            "$",
            ".50",
            "9500/mo",
            "$9 500,00",
            "€ $ 9",
            "1e5",
        ] {
            let read = Money::parse(text, Currency::USD);
            assert!(
                matches!(read, Err(MoneyError::NotAnAmount(_))),
                "{text:?}: {read:?}"
            );
        }
        for text in ["-5", "$-5", "(500)", "($500.00)", "500.00-", "500- USD"] {
            let read = Money::parse(text, Currency::USD);
            assert!(matches!(read, Err(MoneyError::Negative(_))), "{text:?}");
        }
        assert!(matches!(
            Money::parse("99999999999999999999", Currency::USD),
            Err(MoneyError::TooLarge(_))
        ));
    }

    #[test]
    fn cents_are_written_only_when_there_are_any() {
        assert_eq!(
            Money::from_cents(1_049_900).with_currency(Currency::USD),
            "10499 USD"
        );
        assert_eq!(
            Money::from_cents(1_049_905).with_currency(Currency::CAD),
            "10499.05 CAD"
        );
        assert_eq!(Money::shown(Some(950_005), "USD"), "$9500.05");
        assert_eq!(Money::shown(Some(950_000), "CAD"), "9500.00 CAD");
    }
}
