//! Which currency an amount is in: the ones we keep, and how files name them.
//!
//! Codes and numbers are ISO 4217's. All of them have hundredths, because amounts are kept in those.

use std::fmt;

macro_rules! currencies {
    ($($variant:ident $number:literal $marks:ident [$($word:literal),* $(,)?]),+ $(,)?) => {
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Currency { #[default] $($variant),+ }

        impl Currency {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its number, and words besides its code.
            fn words(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$number, $($word),*]),+ }
            }

            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),+ }
            }

            /// How people who use it part thousands and hundredths.
            pub(crate) fn marks(self) -> Marks {
                match self { $(Self::$variant => Marks::$marks),+ }
            }
        }
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marks {
    /// `9,500.00`
    Point,
    /// `9.500,00`, and both ways where several languages write it.
    Comma,
}

currencies! {
    USD "840" Point ["us$", "us", "usa", "usdollar", "usdollars"],
    CAD "124" Point ["ca$", "c$", "can$", "cdn$", "cdn", "canadiandollar", "canadiandollars"],
    MXN "484" Point ["mx$", "mex$", "mexicanpeso", "mexicanpesos"],
    AUD "036" Point ["au$", "a$", "australiandollar", "australiandollars"],
    NZD "554" Point ["nz$", "newzealanddollar", "newzealanddollars"],
    GBP "826" Point ["£", "poundsterling", "britishpound", "pounds", "sterling"],
    EUR "978" Comma ["€", "euro", "euros"],
    CHF "756" Point ["sfr", "swissfranc", "swissfrancs"],
    PLN "985" Comma ["zł", "zloty", "złoty"],
    CZK "203" Comma ["kč"],
    SEK "752" Comma [],
    NOK "578" Comma [],
    DKK "208" Comma [],
    RON "946" Comma ["lei"],
    BRL "986" Comma ["r$"],
    ZAR "710" Point [],
    AED "784" Point [],
}

/// What several of them share.
const DOLLAR: &[&str] = &["$", "dollar", "dollars"];

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no currency we keep: {codes}", codes = Currency::codes())]
pub struct UnknownCurrency(pub String);

impl Currency {
    /// `USD, CAD, …`
    pub fn codes() -> String {
        let codes: Vec<&str> = Self::ALL.iter().map(|one| one.code()).collect();
        codes.join(", ")
    }

    /// Exactly its code, as it is stored and asked for.
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.code() == code)
    }

    /// `usd`, `US Dollars`, `€`, `978`.
    pub fn read(text: &str) -> Result<Self, UnknownCurrency> {
        let word = folded(text);
        let named = |one: &&Self| {
            one.code().eq_ignore_ascii_case(&word) || one.words().contains(&word.as_str())
        };
        let found = Self::ALL.iter().find(named).copied();
        found.ok_or_else(|| UnknownCurrency(text.trim().to_owned()))
    }

    /// The same in a column of a file whose money is in `usual` where it does not say: `$` is that one, if it is a dollar.
    pub fn of_column(text: &str, usual: Self) -> Result<Self, UnknownCurrency> {
        match Said::of(text) {
            Some(Said::Nothing) => Ok(usual),
            Some(Said::Dollar) if usual.is_dollar() => Ok(usual),
            Some(Said::Dollar) => Ok(Self::USD),
            Some(Said::One(one)) => Ok(one),
            None => Err(UnknownCurrency(text.trim().to_owned())),
        }
    }

    /// What people of a country (ISO 3166-1, two letters) ask for their stock; `None` of one whose currency we do not keep.
    pub fn of_country(country: &str) -> Option<Self> {
        Some(match country {
            "US" | "PR" | "GU" | "VI" | "EC" | "SV" | "PA" => Self::USD,
            "CA" => Self::CAD,
            "MX" => Self::MXN,
            "AU" => Self::AUD,
            "NZ" => Self::NZD,
            "GB" | "IM" | "JE" | "GG" => Self::GBP,
            // The euro area: https://www.ecb.europa.eu/euro/intro/html/index.en.html
            "AT" | "BE" | "BG" | "CY" | "DE" | "EE" | "ES" | "FI" | "FR" | "GR" | "HR" | "IE"
            | "IT" | "LT" | "LU" | "LV" | "MT" | "NL" | "PT" | "SI" | "SK" => Self::EUR,
            "CH" | "LI" => Self::CHF,
            "PL" => Self::PLN,
            "CZ" => Self::CZK,
            "SE" => Self::SEK,
            "NO" => Self::NOK,
            "DK" => Self::DKK,
            "RO" => Self::RON,
            "BR" => Self::BRL,
            "ZA" => Self::ZAR,
            "AE" => Self::AED,
            _ => return None,
        })
    }

    /// Whether `$` may mean it.
    fn is_dollar(self) -> bool {
        self.words().iter().any(|word| word.ends_with('$')) && self != Self::BRL
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

fn folded(text: &str) -> String {
    let letters = text.chars().filter(|c| !matches!(c, '.' | ' ' | '\u{a0}'));
    letters.flat_map(char::to_lowercase).collect()
}

/// What stands around an amount: nothing, a sign that several share, or one currency's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Nothing,
    Dollar,
    One(Currency),
}

impl Said {
    /// `None` for a word that is none of ours.
    pub(crate) fn of(text: &str) -> Option<Self> {
        match folded(text).as_str() {
            "" => Some(Self::Nothing),
            word if DOLLAR.contains(&word) => Some(Self::Dollar),
            word => Currency::read(word).ok().map(Self::One),
        }
    }

    /// What is said where two things are, `$9,500 CAD`.
    pub(crate) fn and(self, other: Self) -> Option<Self> {
        match (self, other) {
            (said, Self::Nothing) | (Self::Nothing, said) => Some(said),
            (Self::Dollar, Self::Dollar) => Some(Self::Dollar),
            (Self::Dollar, Self::One(one)) | (Self::One(one), Self::Dollar) => {
                one.is_dollar().then_some(Self::One(one))
            }
            (Self::One(one), Self::One(two)) => (one == two).then_some(self),
        }
    }

    /// Which currency the amount is in, in a row of that one; an `Err` is another, or a sign that cannot be it.
    pub(crate) fn in_row_of(self, row: Currency) -> Result<Currency, Currency> {
        match self {
            Self::Nothing => Ok(row),
            Self::Dollar if row.is_dollar() => Ok(row),
            Self::Dollar => Err(Currency::USD),
            Self::One(one) if one == row => Ok(row),
            Self::One(one) => Err(one),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_names_them_in_many_ways() {
        for (text, code) in [
            ("USD", "USD"),
            ("us dollars", "USD"),
            ("U.S. Dollar", "USD"),
            ("CA$", "CAD"),
            ("eur", "EUR"),
            ("€", "EUR"),
            ("978", "EUR"),
            ("£", "GBP"),
        ] {
            assert_eq!(Currency::read(text).unwrap().code(), code, "{text}");
        }
        let unknown = Currency::read("JPY").unwrap_err().to_string();
        assert!(unknown.starts_with("\"JPY\" is no currency we keep: USD, CAD,"));
        assert_eq!(Currency::of_code("usd"), None);
        let column = |text, usual| Currency::of_column(text, usual).unwrap();
        assert_eq!(column("$", Currency::CAD), Currency::CAD);
        assert_eq!(column("$", Currency::EUR), Currency::USD);
        assert_eq!(column("US$", Currency::CAD), Currency::USD);
    }

    #[test]
    fn a_countrys_stock_is_in_its_currency() {
        assert_eq!(Currency::of_country("CA"), Some(Currency::CAD));
        assert_eq!(Currency::of_country("FR"), Some(Currency::EUR));
        assert_eq!(Currency::of_country("JP"), None);
    }

    #[test]
    fn no_word_means_two_of_them() {
        let mut words: Vec<&str> = Currency::ALL
            .iter()
            .flat_map(|one| one.words())
            .copied()
            .collect();
        let all = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), all);
    }

    #[test]
    fn a_sign_that_several_share_is_the_rows() {
        assert_eq!(Said::Dollar.in_row_of(Currency::CAD), Ok(Currency::CAD));
        assert_eq!(Said::Dollar.in_row_of(Currency::EUR), Err(Currency::USD));
        let both = Said::Dollar.and(Said::One(Currency::CAD));
        assert_eq!(both, Some(Said::One(Currency::CAD)));
        assert_eq!(Said::Dollar.and(Said::One(Currency::EUR)), None);
    }
}
