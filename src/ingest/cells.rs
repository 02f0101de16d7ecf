//! One cell to one value, or a named reason why not.

use crate::flat::JOINT;
use crate::mapping::{Column, ReadAs};
use crate::spreadsheet::{bare, is_formula_error, is_identity, rounded, visible};
use domain::money::MoneyError;
use domain::{Currency, Distance, Field, Marks, Money, Odometer, Value};
use std::borrow::Cow;

/// A value that cannot be read: the rule it breaks, and words for a person.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadCell {
    pub(crate) rule: &'static str,
    pub(crate) message: String,
}

impl BadCell {
    /// `Not Priced`, or a price in another currency: a word of its own, that what stood before stands no more.
    pub(crate) fn says_there_is_none(&self) -> bool {
        matches!(
            self.rule,
            "not_priced" | "year_unknown" | "currency_differs" | "currency_unknown"
        )
    }
}

fn bad(rule: &'static str, message: impl Into<String>) -> BadCell {
    BadCell {
        rule,
        message: message.into(),
    }
}

/// A cell longer than this is a quote that was never closed, not a description.
const LONGEST_CELL: usize = 32_768;
/// Items of one list: photos, options.
const MOST_ITEMS: usize = 500;
/// No unit has been in stock since before computers kept it.
const DATES: std::ops::RangeInclusive<i16> = 1980..=2100;
const LARGEST_NUMBER: i64 = 1_000_000_000;

/// How numbers and dates of a row are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ways {
    pub(crate) currency: Currency,
    /// `5/10/2026` is in October.
    pub(crate) day_first: bool,
}

impl Ways {
    fn marks(self) -> Marks {
        self.currency.marks()
    }
}

/// `Ok(None)` for a blank cell. In a `flat` file, one made of XML or JSON, what repeats is a list already.
pub(crate) fn read(
    column: &Column,
    cell: &str,
    flat: bool,
    ways: Ways,
) -> Result<Option<Value<'static>>, BadCell> {
    let cell = cell.trim();
    if cell.is_empty() {
        return Ok(None);
    }
    if cell.len() > LONGEST_CELL {
        return Err(bad(
            "cell_too_long",
            format!("{} bytes, a cell may have {LONGEST_CELL}", cell.len()),
        ));
    }
    if cell.contains('\0') {
        return Err(bad("nul_byte", "the cell has a NUL byte"));
    }
    let cell = visible(column.to, bare(column.to, cell));
    let cell = meant(column, &cell).trim();
    if cell.is_empty() {
        return Ok(None);
    }
    if is_identity(column.to) && rounded(cell) {
        let message = format!(
            "{cell:?} is what is left of a longer number, as a spreadsheet shows it: it cannot be told from others"
        );
        return Err(bad("number_rounded", message));
    }
    if is_formula_error(cell) {
        let message = format!("{cell} is where a spreadsheet's formula has failed");
        return Err(bad("formula_failed", message));
    }
    match column.read_as() {
        ReadAs::Text => Ok(Some(Value::Text(cell.to_owned().into()))),
        ReadAs::Number if column.to == Field::Hours => hours(cell, ways.marks()).map(Some),
        ReadAs::Number => number(cell, ways.marks())
            .and_then(|value| within(column.to, value))
            .map(Some),
        ReadAs::Year => year(cell).map(Some),
        ReadAs::Money => money(column.to, cell, ways.currency),
        ReadAs::Miles => odometer(cell, Distance::Miles, ways.marks()),
        ReadAs::Kilometres => odometer(cell, Distance::Kilometres, ways.marks()),
        ReadAs::Litres => litres(cell).map(Some),
        ReadAs::LitresWithin => Ok(litres_within(cell)),
        ReadAs::CylindersWithin => Ok(cylinders_within(cell)),
        ReadAs::List => list(column, cell, flat),
        ReadAs::Date => date(cell, ways.day_first).map(Some),
        ReadAs::DayFirst => date(cell, true).map(Some),
    }
}

/// What the mapping's words say that the cell means: `Y` of a column of accidents may be 1.
fn meant<'a>(column: &'a Column, cell: &'a str) -> &'a str {
    let mut words = column.words.iter();
    let known = words.find(|(word, _)| crate::words::same(word, cell));
    known.map_or(cell, |(_, meaning)| meaning)
}

/// A distance with what another column says that it is measured in, unless it says so itself.
pub(crate) fn measured<'a>(cell: &'a str, unit: &str) -> Cow<'a, str> {
    let unit = unit.trim().to_lowercase();
    let unknown = matches!(unit.as_str(), "" | "n/a" | "na" | "unknown");
    if unknown || cell.contains(|c: char| c.is_alphabetic()) {
        return Cow::Borrowed(cell);
    }
    let unit = match unit.as_str() {
        "k" => "km",
        "m" => "mi",
        said => said,
    };
    Cow::Owned(format!("{cell} {unit}"))
}

fn number(cell: &str, marks: Marks) -> Result<Value<'static>, BadCell> {
    let not = || {
        let message = format!("{cell:?} is not a whole number, or may be two");
        bad("not_a_number", message)
    };
    let bare = cell.strip_prefix('-').unwrap_or(cell);
    let (whole, fraction) = domain::parted(bare, marks).ok_or_else(not)?;
    if bare.ends_with(['.', ',']) || fraction.bytes().any(|b| b != b'0') {
        return Err(not());
    }
    match whole.parse::<i64>() {
        Ok(number) if number <= LARGEST_NUMBER && bare == cell => Ok(Value::Number(number)),
        _ => Err(bad(
            "number_out_of_range",
            format!("{cell} is not between 0 and {LARGEST_NUMBER}"),
        )),
    }
}

fn within(field: Field, value: Value<'static>) -> Result<Value<'static>, BadCell> {
    match field.judged(&value) {
        Ok(()) => Ok(value),
        Err(why) => Err(bad("number_out_of_range", why)),
    }
}

/// Of a machine, to the nearest: meters read tenths, and people write `1,200 hrs`.
fn hours(cell: &str, marks: Marks) -> Result<Value<'static>, BadCell> {
    let lower = cell.to_ascii_lowercase();
    let unit = |c: char| c.is_ascii_alphabetic() || matches!(c, ' ' | '.');
    let bare = match lower.trim_end_matches(unit) {
        bare if matches!(
            lower[bare.len()..].trim_matches(['.', ' ']),
            "" | "h" | "hr" | "hrs" | "hour" | "hours" | "std" | "heures"
        ) =>
        {
            bare
        }
        _ => &lower,
    };
    match domain::parted(bare, marks) {
        Some((whole, part)) if !part.is_empty() && !bare.ends_with(['.', ',']) => {
            match number(&whole, marks)? {
                Value::Number(hours) => Ok(Value::Number(hours + i64::from(part.as_str() >= "5"))),
                value => Ok(value),
            }
        }
        _ => number(bare, marks),
    }
}

fn year(cell: &str) -> Result<Value<'static>, BadCell> {
    let years = Field::Year.range();
    match number(cell, Marks::Point)? {
        // Auction and equipment systems write 1000 for a year nobody knows.
        Value::Number(1000) => Err(bad("year_unknown", "year 1000 stands for unknown")),
        Value::Number(year) if !years.contains(&year) => Err(bad(
            "year_out_of_range",
            format!(
                "{year} is not between {} and {}",
                years.start(),
                years.end()
            ),
        )),
        value => Ok(value),
    }
}

fn money(field: Field, cell: &str, row_in: Currency) -> Result<Option<Value<'static>>, BadCell> {
    match Money::parse(cell, row_in) {
        // Zero means unknown in every dealer system.
        Ok(Some(Money { cents: 0 })) => Ok(None),
        Ok(Some(money)) => Ok(Some(Value::Number(money.cents))),
        Ok(None) if field == Field::PriceCents => Err(bad(
            "not_priced",
            format!("{cell:?}: the unit has no price"),
        )),
        Ok(None) => Ok(None),
        Err(error @ MoneyError::OtherCurrency { .. }) => {
            Err(bad("currency_differs", error.to_string()))
        }
        Err(error @ MoneyError::UnknownCurrency(_)) => {
            Err(bad("currency_unknown", error.to_string()))
        }
        Err(error) => Err(bad("not_money", error.to_string())),
    }
}

fn odometer(cell: &str, unit: Distance, marks: Marks) -> Result<Option<Value<'static>>, BadCell> {
    Odometer::parse(cell, unit, marks)
        .map(|reading| reading.map(|reading| Value::Number(reading.km)))
        .map_err(|error| bad("not_a_distance", error.to_string()))
}

/// `2.0`, `2,0 l`: no engine has thousands of litres, so whatever parts the number parts a fraction.
fn litres(cell: &str) -> Result<Value<'static>, BadCell> {
    let lower = cell.to_ascii_lowercase().replace(',', ".");
    let number = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    match number.parse::<f64>() {
        Ok(litres) if (0.1..=30.0).contains(&litres) => {
            #[expect(clippy::cast_possible_truncation, reason = "at most 30,000")]
            let cc = (litres * 1000.0).round() as i64;
            Ok(Value::Number(cc))
        }
        _ => Err(bad(
            "not_litres",
            format!("{cell:?} is not an engine size in litres"),
        )),
    }
}

/// The first word like `3.5L`, or a number before the word `L`.
fn litres_within(cell: &str) -> Option<Value<'static>> {
    let words: Vec<&str> = cell.split_whitespace().collect();
    words.iter().enumerate().find_map(|(place, word)| {
        let number = match word.strip_suffix(['L', 'l']) {
            Some(number) => number,
            None if words
                .get(place + 1)
                .is_some_and(|next| next.eq_ignore_ascii_case("l")) =>
            {
                word
            }
            None => return None,
        };
        litres(number).ok()
    })
}

/// The first word like `V6`, `I4`, `H-6`, `W12` or `6-Cyl`.
fn cylinders_within(cell: &str) -> Option<Value<'static>> {
    cell.split_whitespace().find_map(|word| {
        let word = word.to_ascii_lowercase();
        let number = word
            .strip_prefix(['v', 'i', 'h', 'w', 'l'])
            .map(|rest| rest.trim_start_matches('-'))
            .or_else(|| word.split_once("cyl").map(|(n, _)| n.trim_end_matches('-')))?;
        match number.parse::<i64>() {
            Ok(cylinders @ 1..=16) => Some(Value::Number(cylinders)),
            _ => None,
        }
    })
}

fn list(column: &Column, cell: &str, flat: bool) -> Result<Option<Value<'static>>, BadCell> {
    let inner = cell
        .strip_prefix('{')
        .and_then(|c| c.strip_suffix('}'))
        .unwrap_or(cell);
    let separator = match flat && inner.contains(JOINT) {
        true => JOINT,
        false => column.separator.unwrap_or(','),
    };
    let items: Vec<String> = inner
        .split(separator)
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(|item| meant(column, item).to_owned())
        .collect();
    if items.len() > MOST_ITEMS {
        return Err(bad(
            "list_too_long",
            format!("{} items, a list may have {MOST_ITEMS}", items.len()),
        ));
    }
    Ok((!items.is_empty()).then(|| Value::List(items.into())))
}

/// `2026-11-02`, `20261102`, `11/02/2026`, `11/2/26`, `2.11.2026`, `2-Nov-26`, each with or without a time behind. A dot is written
/// where the day comes first.
fn date(cell: &str, day_first: bool) -> Result<Value<'static>, BadCell> {
    let day = cell.split(' ').next().unwrap_or(cell);
    // A time behind is parted by a T, of which `02-OCT-2026` has one too.
    let day = match day.rsplit_once('T') {
        Some((day, time)) if time.starts_with(|c: char| c.is_ascii_digit()) => day,
        _ => day,
    };
    let parts: Vec<&str> = day.split(['-', '/', '.']).collect();
    let day_first = day_first || day.contains('.');
    let (year, month, of_month) = match parts[..] {
        [year, month, of_month] if year.len() == 4 => (year, month, of_month),
        [of_month, name, year] if month_of(name).is_some() => (year, name, of_month),
        [of_month, month, year] if day_first => (year, month, of_month),
        [month, of_month, year] => (year, month, of_month),
        [all] if all.len() == 8 && all.is_ascii() => (&all[..4], &all[4..6], &all[6..]),
        _ => ("", "", ""),
    };
    let digits = |part: &str| match part.bytes().all(|b| b.is_ascii_digit()) {
        true => part.parse::<i16>().ok(),
        false => None,
    };
    let year = match year.len() {
        4 => digits(year),
        // Of a unit in stock: of the century that is near.
        2 => match digits(year) {
            Some(year @ ..=50) => Some(2000 + year),
            Some(year @ 80..) => Some(1900 + year),
            _ => None,
        },
        _ => None,
    };
    let short = |part: &str| digits(part).and_then(|part| i8::try_from(part).ok());
    let parsed = year
        .zip(month_of(month).or(short(month)).zip(short(of_month)))
        .and_then(|(year, (month, day))| jiff::civil::Date::new(year, month, day).ok())
        .ok_or_else(|| {
            let like = match day_first {
                true => "02/11/2026",
                false => "11/02/2026",
            };
            let message = format!("{cell:?} is not a date like 2026-11-02 or {like}");
            bad("not_a_date", message)
        })?;
    match DATES.contains(&parsed.year()) {
        true => Ok(Value::Date(parsed)),
        false => {
            let message = format!(
                "{parsed} is not between {} and {}",
                DATES.start(),
                DATES.end()
            );
            Err(bad("date_out_of_range", message))
        }
    }
}

/// By its first letters in English, 1 to 12.
fn month_of(name: &str) -> Option<i8> {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let start = name.get(..3)?.to_ascii_lowercase();
    let place = MONTHS.iter().position(|month| *month == start)?;
    i8::try_from(place + 1).ok()
}

#[cfg(test)]
mod tests;
