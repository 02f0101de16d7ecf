//! Distances travelled, kept in kilometres, read and shown in either unit.

use crate::{Marks, parted};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Distance {
    #[serde(rename = "mi")]
    Miles,
    #[serde(rename = "km")]
    Kilometres,
}

/// An odometer reading. Kept in whole kilometres: finer than a mile, so that every whole
/// number of miles survives the way there and back (tested).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Odometer {
    pub km: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a distance between 0 and 2,000,000 miles")]
pub struct OdometerError(pub String);

/// One international mile is 1.609344 km (NIST Handbook 44, appendix C).
const KM_PER_MILE: f64 = 1.609_344;
/// Two million miles, beyond any vehicle; a value above is a price or an id in the wrong column.
pub(crate) const LARGEST_KM: i64 = 3_218_688;

impl Odometer {
    pub fn from_miles(miles: i64) -> Self {
        Self {
            km: round(miles as f64 * KM_PER_MILE),
        }
    }

    pub fn miles(self) -> i64 {
        round(self.km as f64 / KM_PER_MILE)
    }

    /// Reads `29403`, `12,345 mi`, `12 345 km`, `12345.0`. A unit in the text wins over
    /// `unit`, the column's own. Blank and `N/A` are `Ok(None)`.
    pub fn parse(text: &str, unit: Distance, marks: Marks) -> Result<Option<Self>, OdometerError> {
        let lower = text.trim().to_ascii_lowercase();
        if matches!(lower.as_str(), "" | "n/a" | "na" | "-" | "–" | "unknown") {
            return Ok(None);
        }
        let error = || OdometerError(text.to_owned());
        let digits_end = lower
            .find(|c: char| c.is_ascii_alphabetic())
            .unwrap_or(lower.len());
        let unit = match lower[digits_end..].trim().trim_end_matches('.') {
            "" => unit,
            "mi" | "mile" | "miles" => Distance::Miles,
            "km" | "kms" | "kilometer" | "kilometers" | "kilometre" | "kilometres" => {
                Distance::Kilometres
            }
            _ => return Err(error()),
        };
        let number = lower[..digits_end].trim();
        let (whole, fraction) = parted(number, marks).ok_or_else(error)?;
        let number: f64 = format!("{whole}.{fraction}0")
            .parse()
            .map_err(|_| error())?;
        // What no reading comes near is not rounded.
        if !(0.0..=LARGEST_KM as f64).contains(&number) {
            return Err(error());
        }
        let reading = match unit {
            Distance::Miles => Self::from_miles(round(number)),
            Distance::Kilometres => Self { km: round(number) },
        };
        match reading.km <= LARGEST_KM {
            true => Ok(Some(reading)),
            false => Err(error()),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "bounded by LARGEST_KM times 1.7 long before 2^53"
)]
fn round(value: f64) -> i64 {
    value.round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_unit_in_the_text_wins_over_the_columns() {
        let km = |t| {
            Odometer::parse(t, Distance::Miles, Marks::Point)
                .unwrap()
                .unwrap()
                .km
        };
        assert_eq!(km("12,345 km"), 12_345);
        assert_eq!(km("12,345 mi"), km("12345"));
        assert_eq!(
            Odometer::parse(" ", Distance::Miles, Marks::Point).unwrap(),
            None
        );
    }

    #[test]
    fn what_is_not_a_distance_is_refused() {
        for text in [
            "twelve",
            "-4",
            "12345,6",
            "12,34 km",
            "12 parsecs",
            "9999999999",
            "2000001",
            "3218689 km",
        ] {
            assert!(
                Odometer::parse(text, Distance::Miles, Marks::Point).is_err(),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn miles_survive_the_way_there_and_back(miles in 0i64..2_000_000) {
            prop_assert_eq!(Odometer::from_miles(miles).miles(), miles);
        }
    }
}
