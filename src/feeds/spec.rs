//! Is a rendered feed what the marketplace takes? Read from its bytes, against the marketplace's own
//! rules written down as data: it knows nothing of how the feed was made.

use crate::definition::{DefinitionError, Format};
use domain::Vin;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    pub feed: String,
    pub format: Format,
    /// Columns whose values may stand on one row only.
    #[serde(default)]
    unique: Vec<String>,
    columns: Vec<Rule>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    name: String,
    #[serde(default)]
    required: bool,
    #[serde(default, rename = "is")]
    kind: Option<Shape>,
    #[serde(default)]
    one_of: Vec<String>,
    #[serde(default)]
    contains: Option<String>,
    /// In characters.
    #[serde(default)]
    longest: Option<usize>,
    /// Items of a list.
    #[serde(default)]
    most: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    /// 17 characters and a true check digit.
    Vin,
    /// `10499 USD` or `10499.50 USD`.
    Price,
    /// `24000 Miles` or `121000 KM`.
    Mileage,
    Year,
    Number,
    /// ISO 8601.
    Date,
    Url,
    /// Separated by commas.
    Urls,
    List,
}

/// What is wrong with a feed, by column and rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Validation {
    pub rows: u64,
    pub problems: Vec<Problem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub column: String,
    pub rule: String,
    pub count: u64,
    /// The first row (counted from 1 behind the header) that breaks the rule, and its value.
    pub row: u64,
    pub value: String,
}

/// Feed key and rules of the marketplaces that ship with the program.
const BUILT_IN: &[(&str, &str)] = &[
    (
        "google-vehicle-ads",
        include_str!("specs/google-vehicle-ads.yaml"),
    ),
    (
        "meta-automotive",
        include_str!("specs/meta-automotive.yaml"),
    ),
    ("generic", include_str!("specs/generic.yaml")),
];

impl Spec {
    /// `None` for a feed whose marketplace's rules we do not have.
    pub fn built_in(feed: &str) -> Option<Result<Self, DefinitionError>> {
        let (_, text) = BUILT_IN.iter().find(|(key, _)| *key == feed)?;
        Some(
            serde_norway::from_str(text)
                .map_err(|error| DefinitionError::Unreadable(error.to_string())),
        )
    }

    pub fn validate(&self, bytes: &[u8]) -> Validation {
        let mut found = Found::default();
        let mut reader = csv::ReaderBuilder::new();
        match self.format {
            Format::Tsv => reader.delimiter(b'\t').quoting(false),
            _ => reader.delimiter(b','),
        };
        let mut reader = reader.flexible(true).from_reader(bytes);
        let header: Vec<String> = match reader.headers() {
            Ok(header) => header.iter().map(ToOwned::to_owned).collect(),
            Err(error) => {
                found.note("", "unreadable", 0, &error.to_string());
                return found.judged(0);
            }
        };
        let place = |name: &str| header.iter().position(|column| column == name);
        for rule in self.columns.iter().filter(|rule| rule.required) {
            if place(&rule.name).is_none() {
                found.note(&rule.name, "column_missing", 0, "");
            }
        }
        let rules: Vec<(&Rule, usize)> = self
            .columns
            .iter()
            .filter_map(|rule| Some((rule, place(&rule.name)?)))
            .collect();
        let unique: Vec<(&String, usize)> = self
            .unique
            .iter()
            .filter_map(|name| Some((name, place(name)?)))
            .collect();
        let mut seen: HashMap<(usize, String), u64> = HashMap::new();
        let mut rows = 0;
        for record in reader.records() {
            rows += 1;
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    found.note("", "unreadable", rows, &error.to_string());
                    continue;
                }
            };
            if record.len() != header.len() {
                let cells = format!("{} cells", record.len());
                found.note("", "ragged_row", rows, &cells);
                continue;
            }
            for (rule, place) in &rules {
                let cell = record.get(*place).unwrap_or_default();
                if let Some(broken) = rule.broken(cell) {
                    found.note(&rule.name, broken, rows, cell);
                }
            }
            for (name, place) in &unique {
                let cell = record.get(*place).unwrap_or_default();
                if seen.insert((*place, cell.to_owned()), rows).is_some() {
                    found.note(name, "twice", rows, cell);
                }
            }
        }
        found.judged(rows)
    }
}

#[derive(Default)]
struct Found(BTreeMap<(String, &'static str), Problem>);

impl Found {
    fn note(&mut self, column: &str, rule: &'static str, row: u64, value: &str) {
        let key = (column.to_owned(), rule);
        let problem = self.0.entry(key).or_insert_with(|| Problem {
            column: column.to_owned(),
            rule: rule.to_owned(),
            count: 0,
            row,
            value: value.chars().take(100).collect(),
        });
        problem.count += 1;
    }

    fn judged(self, rows: u64) -> Validation {
        Validation {
            rows,
            problems: self.0.into_values().collect(),
        }
    }
}

impl Rule {
    fn broken(&self, cell: &str) -> Option<&'static str> {
        if cell.trim().is_empty() {
            return self.required.then_some("blank");
        }
        let too_many = |count: usize| self.most.is_some_and(|most| count > most);
        if !self.one_of.is_empty() && !self.one_of.iter().any(|value| value == cell) {
            return Some("not_one_of");
        }
        if self.longest.is_some_and(|most| cell.chars().count() > most) {
            return Some("too_long");
        }
        if self
            .contains
            .as_ref()
            .is_some_and(|part| !cell.contains(part.as_str()))
        {
            return Some("lacks_part");
        }
        match self.kind? {
            Shape::Vin => {
                let good = Vin::parse(cell).is_ok_and(|vin| vin.check_digit_ok());
                (!good).then_some("not_a_vin")
            }
            Shape::Price => (!price(cell)).then_some("not_a_price"),
            Shape::Mileage => (!mileage(cell)).then_some("not_a_mileage"),
            Shape::Year => {
                let good = cell.len() == 4 && cell.parse().is_ok_and(|y| (1900..2101).contains(&y));
                (!good).then_some("not_a_year")
            }
            Shape::Number => cell.parse::<u64>().is_err().then_some("not_a_number"),
            Shape::Date => {
                let good = cell.len() == 10 && cell.parse::<jiff::civil::Date>().is_ok();
                (!good).then_some("not_a_date")
            }
            Shape::Url => (!url(cell)).then_some("not_a_url"),
            Shape::Urls => {
                let items: Vec<&str> = cell.split(',').collect();
                if too_many(items.len()) {
                    return Some("too_many");
                }
                (!items.into_iter().all(url)).then_some("not_a_url")
            }
            Shape::List => too_many(cell.split(',').count()).then_some("too_many"),
        }
    }
}

fn price(cell: &str) -> bool {
    let Some((amount, currency)) = cell.split_once(' ') else {
        return false;
    };
    let (whole, cents) = amount.split_once('.').unwrap_or((amount, "00"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits(whole)
        && digits(cents)
        && cents.len() == 2
        && amount.bytes().any(|b| (b'1'..=b'9').contains(&b))
        && currency.len() == 3
        && currency.bytes().all(|b| b.is_ascii_uppercase())
}

fn mileage(cell: &str) -> bool {
    let units = ["Miles", "MILES", "miles", "Km", "KM", "km"];
    cell.split_once(' ')
        .is_some_and(|(number, unit)| number.parse::<u64>().is_ok() && units.contains(&unit))
}

fn url(cell: &str) -> bool {
    let rest = cell
        .strip_prefix("https://")
        .or_else(|| cell.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && !cell.contains(char::is_whitespace)
        && cell.len() <= 2_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_rule_set_is_readable() {
        for (feed, _) in BUILT_IN {
            assert_eq!(&Spec::built_in(feed).unwrap().unwrap().feed, feed);
        }
        assert!(Spec::built_in("nobody").is_none());
    }

    #[test]
    fn what_a_marketplace_would_refuse_is_told_by_column_and_rule() {
        let spec = Spec::built_in("meta-automotive").unwrap().unwrap();
        let text = "vehicle_id,vin,price,url,body_style\n\
            a,1HGCM82633A004352,9995 USD,https://x/1,SEDAN\n\
            a,1HGCM82633A004353,$9995,/x/1,sedan\n\
            b\n";
        let found = spec.validate(text.as_bytes());
        assert_eq!(found.rows, 3);
        let of = |column: &str, rule: &str| {
            let mut all = found.problems.iter();
            all.any(|problem| problem.column == column && problem.rule == rule)
        };
        for (column, rule) in [
            ("vehicle_id", "twice"),
            ("vin", "not_a_vin"),
            ("price", "not_a_price"),
            ("url", "not_a_url"),
            ("body_style", "not_one_of"),
            ("title", "column_missing"),
            ("", "ragged_row"),
        ] {
            assert!(of(column, rule), "{column} {rule}: {:?}", found.problems);
        }
        assert!(!of("vin", "blank"));
    }
}
