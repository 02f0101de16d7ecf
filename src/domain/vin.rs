//! The vehicle identification number as a value.
//!
//! Rules: 49 CFR 565.15 (17 characters, no I, O or Q; check digit in position 9) and ISO 3779.
//! Decoding what a VIN says about the vehicle is the `vin` floor's work, not this file's.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A VIN of the right length and alphabet, in upper case. Its check digit may still be wrong:
/// see [`Vin::check_digit_ok`], because imports and typing errors are a dealer's daily bread.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Vin(String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VinError {
    #[error("vin {value:?} has {length} characters, a vin has 17")]
    Length { value: String, length: usize },
    #[error("vin {value:?} has {found:?} at position {position}; I, O and Q are never used")]
    Ambiguous {
        value: String,
        found: char,
        position: usize,
    },
    #[error("vin {value:?} has {found:?} at position {position}; only A-Z and 0-9 are allowed")]
    Character {
        value: String,
        found: char,
        position: usize,
    },
}

impl VinError {
    /// The rule's stable name, as rejects and diagnostics carry it.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Length { .. } => "vin_length",
            Self::Ambiguous { .. } => "vin_ioq",
            Self::Character { .. } => "vin_charset",
        }
    }
}

/// 49 CFR 565.15(c), table IV: the weight of each position.
const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];

impl Vin {
    /// Accepts surrounding blanks and lower case, as files have them.
    pub fn parse(text: &str) -> Result<Self, VinError> {
        let value = text.trim().to_ascii_uppercase();
        let length = value.chars().count();
        if length != 17 {
            return Err(VinError::Length { value, length });
        }
        for (index, found) in value.chars().enumerate() {
            let position = index + 1;
            match found {
                'I' | 'O' | 'Q' => {
                    return Err(VinError::Ambiguous {
                        value,
                        found,
                        position,
                    });
                }
                'A'..='Z' | '0'..='9' => {}
                _ => {
                    return Err(VinError::Character {
                        value,
                        found,
                        position,
                    });
                }
            }
        }
        Ok(Self(value))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The check digit this VIN should have: weighted sum modulo 11, 10 written as `X`.
    pub fn expected_check_digit(&self) -> char {
        let sum: u32 = self
            .0
            .bytes()
            .zip(WEIGHTS)
            .map(|(byte, weight)| transliterate(byte) * weight)
            .sum();
        match sum % 11 {
            10 => 'X',
            digit => char::from_digit(digit, 10).unwrap_or('0'),
        }
    }

    /// Made in North America: its maker's identifier begins with 1 to 5, or with 7 and none of the letters of New Zealand (ISO 3780), and
    /// position 9 is a check digit.
    pub fn is_north_american(&self) -> bool {
        match self.0.as_bytes() {
            [b'1'..=b'5', ..] => true,
            [b'7', second, ..] => !matches!(second, b'A'..=b'E'),
            _ => false,
        }
    }

    /// Whether it tells one vehicle from all others: typed wrong, or made up, it does not. Where position 9 is the maker's, nothing
    /// tells a slip.
    pub fn identifies(&self) -> bool {
        let letters: std::collections::BTreeSet<u8> = self.0.bytes().collect();
        self.check_digit_ok() || !self.is_north_american() && letters.len() >= 6
    }

    pub fn check_digit_ok(&self) -> bool {
        self.0.as_bytes()[8] as char == self.expected_check_digit()
    }

    /// World manufacturer identifier: positions 1-3, with 12-14 when position 3 is `9`
    /// (a maker of fewer than 1,000 vehicles a year).
    pub fn wmi(&self) -> String {
        if self.0.as_bytes()[2] == b'9' {
            format!("{}{}", &self.0[..3], &self.0[11..14])
        } else {
            self.0[..3].to_owned()
        }
    }

    /// The model years position 10 may mean, most likely first. The code repeats every 30
    /// years; for cars and light trucks position 7 tells the cycle (digit: before 2010).
    /// Empty when position 10 is U, Z or 0, which are not year codes.
    pub fn model_years(&self) -> Vec<i64> {
        const CODES: &str = "ABCDEFGHJKLMNPRSTVWXY123456789";
        let code = self.0.as_bytes()[9] as char;
        let Some(offset) = CODES.find(code) else {
            return Vec::new();
        };
        let late = 2010 + i64::try_from(offset).unwrap_or_default();
        if self.0.as_bytes()[6].is_ascii_digit() {
            vec![late - 30, late]
        } else {
            vec![late, late - 30]
        }
    }
}

/// Letters to numbers, 49 CFR 565.15(c), table III.
fn transliterate(byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'H' => u32::from(byte - b'A') + 1,
        b'J'..=b'N' => u32::from(byte - b'J') + 1,
        b'P' => 7,
        b'R' => 9,
        b'S'..=b'Z' => u32::from(byte - b'S') + 2,
        _ => 0,
    }
}

impl fmt::Display for Vin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl TryFrom<String> for Vin {
    type Error = VinError;
    fn try_from(text: String) -> Result<Self, VinError> {
        Self::parse(&text)
    }
}
impl From<Vin> for String {
    fn from(vin: Vin) -> Self {
        vin.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_vin_passes_its_check_digit() {
        for text in [
            "1HGCM82633A004352",
            "5TDXZ3DC2KS015402",
            "1M8GDM9AXKP042788",
        ] {
            assert!(Vin::parse(text).unwrap().check_digit_ok(), "{text}");
        }
    }

    #[test]
    fn every_single_wrong_digit_is_caught_by_the_check_digit() {
        let good = "1HGCM82633A004352";
        for position in (0..17).filter(|p| *p != 8) {
            let mut bytes = good.as_bytes().to_vec();
            bytes[position] = if bytes[position] == b'1' { b'2' } else { b'1' };
            // A letter and a digit may carry the same value; those swaps are invisible by design.
            if transliterate(bytes[position]) == transliterate(good.as_bytes()[position]) {
                continue;
            }
            let text = String::from_utf8(bytes).unwrap();
            assert!(!Vin::parse(&text).unwrap().check_digit_ok(), "{text}");
        }
    }

    #[test]
    fn the_reason_names_the_character_and_its_place() {
        let error = Vin::parse("1HGCM8263OA004352").unwrap_err();
        assert_eq!(error.rule(), "vin_ioq");
        assert!(error.to_string().contains("'O' at position 10"), "{error}");
        assert_eq!(Vin::parse("1HGCM").unwrap_err().rule(), "vin_length");
        assert_eq!(
            Vin::parse("1HGCM82633A00435*").unwrap_err().rule(),
            "vin_charset"
        );
    }

    #[test]
    fn the_tenth_position_gives_the_year_and_the_seventh_its_cycle() {
        assert_eq!(
            Vin::parse("1HGCM82633A004352").unwrap().model_years()[0],
            2003
        );
        assert_eq!(
            Vin::parse("5TDXZ3DC2KS015402").unwrap().model_years()[0],
            2019
        );
    }

    #[test]
    fn where_position_nine_is_the_makers_a_vin_tells_a_vehicle_without_a_check_digit() {
        for (text, tells) in [
            ("1HGCM82633A004352", true),
            // A slip.
            ("1HGCM82613A004352", false),
            ("WAUZZZ8V5KA012345", true),
            ("WBA00000000000000", false),
            // A slip in one of the United States' newer identifiers.
            ("7SAYGDEE1NF123457", false),
        ] {
            assert_eq!(Vin::parse(text).unwrap().identifies(), tells, "{text}");
        }
    }

    #[test]
    fn a_low_volume_maker_has_six_characters_of_wmi() {
        assert_eq!(Vin::parse("1A9AA4AA7KB123456").unwrap().wmi(), "1A9123");
        assert_eq!(Vin::parse("1HGCM82633A004352").unwrap().wmi(), "1HG");
    }
}
