//! Which currency an amount is in: the ones we keep, and how files name them.
//!
//! Codes and numbers are ISO 4217's. All of them have hundredths, because amounts are kept in those.

use crate::Marks;
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
            pub fn marks(self) -> Marks {
                match self { $(Self::$variant => Marks::$marks),+ }
            }
        }
    };
}

currencies! {
    USD "840" Point ["us$", "us", "usa", "usdollar", "usdollars", "americandollar", "americandollars"],
    CAD "124" Point ["ca$", "c$", "can$", "cdn$", "cdn", "canadian", "canadiandollar", "canadiandollars"],
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
    ZAR "710" Point ["r", "rand"],
    AED "784" Point [],
}

/// What several of them share.
const DOLLAR: &[&str] = &["$", "dollar", "dollars"];
const CROWN: &str = "kr";
/// Behind an amount: with its tax, or open to an offer.
const REMARKS: &[&str] = &["ttc", "vb", "vhb", "fp"];
/// Others of ISO 4217, so that an amount in one of them is told for what it is.
const OTHERS: &str = "AFN ALL AMD AOA ARS AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BSD BTN BWP BYN BZD CDF CLP CNY COP CRC CUP CVE DJF \
    DOP DZD EGP ERN ETB FJD GEL GHS GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD \
    KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MYR MZN NAD NGN NIO NPR OMR PAB PEN PGK PHP PKR PYG \
    QAR RSD RUB RWF SAR SCR SDG SGD SLE SOS SRD SSP STN SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX UYU UZS VES VND VUV WST \
    XAF XCD XOF XPF YER ZMW";

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
            Some(Said::Crown) if usual.is_crown() => Ok(usual),
            Some(Said::One(one)) => Ok(one),
            Some(Said::Crown) | None => Err(UnknownCurrency(text.trim().to_owned())),
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

    /// What the stock of a country is in. An `Err` where that is none we keep; an unknown country is told so too.
    pub fn usual_in(country: &str) -> Result<Self, UnknownCurrency> {
        match country {
            "" => Ok(Self::default()),
            _ => Self::of_country(country)
                .ok_or_else(|| UnknownCurrency(format!("the money of {country}"))),
        }
    }

    /// Whether `$` may mean it.
    fn is_dollar(self) -> bool {
        self.words().iter().any(|word| word.ends_with('$')) && self != Self::BRL
    }

    /// Whether `kr` may.
    fn is_crown(self) -> bool {
        matches!(self, Self::SEK | Self::NOK | Self::DKK)
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

/// Whether a word is exactly the code of a currency that we do not keep.
pub(crate) fn of_others(word: &str) -> bool {
    word.len() == 3 && OTHERS.split(' ').any(|code| code == word)
}

/// What stands around an amount, or in a column of currencies: nothing, a sign that several share, or one currency's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Nothing,
    Dollar,
    Crown,
    One(Currency),
}

impl Said {
    /// `None` for a word that is none of ours, or of two of them.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let word = folded(text);
        if let Some(said) = Self::of_word(&word) {
            return Some(said);
        }
        // `CAD $`, `US Dollar ($)`, `USD - US Dollar`, `€ TTC`.
        let bare = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '-' | '/' | ':');
        let mut said = Self::Nothing;
        let mut rest = String::new();
        for part in text.split(bare).filter(|part| !part.is_empty()) {
            let part = folded(part);
            match Self::of_word(&part).or_else(|| Self::with_dollar(&part)) {
                Some(one) => said = said.and(one)?,
                None if REMARKS.contains(&part.as_str()) => {}
                None => rest.push_str(&part),
            }
        }
        match rest.is_empty() {
            true => Some(said),
            false => said.and(Self::of_word(&rest)?),
        }
    }

    fn of_word(word: &str) -> Option<Self> {
        match word {
            "" => Some(Self::Nothing),
            CROWN => Some(Self::Crown),
            word if DOLLAR.contains(&word) => Some(Self::Dollar),
            word => Currency::read(word).ok().map(Self::One),
        }
    }

    /// `CAD$`, `$CAD`.
    fn with_dollar(word: &str) -> Option<Self> {
        let one = word.strip_prefix('$').or(word.strip_suffix('$'))?;
        Self::Dollar.and(Self::of_word(one)?)
    }

    /// What is said where two things are, `$9,500 CAD`.
    pub(crate) fn and(self, other: Self) -> Option<Self> {
        match (self, other) {
            (said, Self::Nothing) | (Self::Nothing, said) => Some(said),
            (one, two) if one == two => Some(one),
            (Self::Dollar, Self::One(one)) | (Self::One(one), Self::Dollar) => {
                one.is_dollar().then_some(Self::One(one))
            }
            (Self::Crown, Self::One(one)) | (Self::One(one), Self::Crown) => {
                one.is_crown().then_some(Self::One(one))
            }
            _ => None,
        }
    }

    /// Which currency the amount is in, in a row of that one; an `Err` is another, or a sign that cannot be it.
    pub(crate) fn in_row_of(self, row: Currency) -> Result<Currency, Currency> {
        match self {
            Self::Nothing => Ok(row),
            Self::Dollar if row.is_dollar() => Ok(row),
            Self::Dollar => Err(Currency::USD),
            Self::Crown if row.is_crown() => Ok(row),
            Self::Crown => Err(Currency::SEK),
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
        for text in [
            "CAD$",
            "$CAD",
            "Canadian",
            "CAD - Canadian Dollar",
            "CAD ($)",
        ] {
            assert_eq!(column(text, Currency::USD), Currency::CAD, "{text}");
        }
        assert_eq!(column("US Dollar ($)", Currency::CAD), Currency::USD);
        assert!(Currency::of_column("kr", Currency::EUR).is_err());
        assert!(Currency::of_column("USD CAD", Currency::USD).is_err());
    }

    #[test]
    fn a_countrys_stock_is_in_its_currency() {
        assert_eq!(Currency::of_country("CA"), Some(Currency::CAD));
        assert_eq!(Currency::of_country("FR"), Some(Currency::EUR));
        assert_eq!(Currency::of_country("JP"), None);
        let told = Currency::usual_in("JP").unwrap_err().to_string();
        assert!(told.contains("the money of JP"), "{told}");
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
