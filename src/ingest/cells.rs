//! One cell to one value, or a named reason why not.

use crate::mapping::{Column, ReadAs};
use domain::{Distance, Field, Money, Odometer, Value};

/// A value that cannot be read: the rule it breaks, and words for a person.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadCell {
    pub(crate) rule: &'static str,
    pub(crate) message: String,
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
/// The first motor vehicles had no model year before this; 2100 leaves room.
const YEARS: std::ops::RangeInclusive<i64> = 1900..=2100;
const LARGEST_NUMBER: i64 = 1_000_000_000;

/// `Ok(None)` for a blank cell.
pub(crate) fn read(column: &Column, cell: &str) -> Result<Option<Value<'static>>, BadCell> {
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
    match column.read_as() {
        ReadAs::Text => Ok(Some(Value::Text(text(column, cell).into()))),
        ReadAs::Number => number(cell).map(Some),
        ReadAs::Year => year(cell).map(Some),
        ReadAs::Money => money(column.to, cell),
        ReadAs::Miles => odometer(cell, Distance::Miles),
        ReadAs::Kilometres => odometer(cell, Distance::Kilometres),
        ReadAs::Litres => litres(cell).map(Some),
        ReadAs::LitresWithin => Ok(litres_within(cell)),
        ReadAs::CylindersWithin => Ok(cylinders_within(cell)),
        ReadAs::List => list(column, cell),
        ReadAs::Date => date(cell).map(Some),
    }
}

fn text(column: &Column, cell: &str) -> String {
    column
        .words
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(cell))
        .map_or_else(|| cell.to_owned(), |(_, meaning)| meaning.clone())
}

fn number(cell: &str) -> Result<Value<'static>, BadCell> {
    let whole = cell.strip_suffix(".0").unwrap_or(cell);
    if !domain::grouped(whole) {
        let message = format!("{cell:?}: commas part thousands");
        return Err(bad("not_a_number", message));
    }
    match whole.replace(',', "").parse::<i64>() {
        Ok(number) if (0..=LARGEST_NUMBER).contains(&number) => Ok(Value::Number(number)),
        Ok(number) => Err(bad(
            "number_out_of_range",
            format!("{number} is not between 0 and {LARGEST_NUMBER}"),
        )),
        Err(_) => Err(bad(
            "not_a_number",
            format!("{cell:?} is not a whole number"),
        )),
    }
}

fn year(cell: &str) -> Result<Value<'static>, BadCell> {
    match number(cell)? {
        // Auction and equipment systems write 1000 for a year nobody knows.
        Value::Number(1000) => Err(bad("year_unknown", "year 1000 stands for unknown")),
        Value::Number(year) if !YEARS.contains(&year) => Err(bad(
            "year_out_of_range",
            format!(
                "{year} is not between {} and {}",
                YEARS.start(),
                YEARS.end()
            ),
        )),
        value => Ok(value),
    }
}

fn money(field: Field, cell: &str) -> Result<Option<Value<'static>>, BadCell> {
    match Money::parse(cell) {
        // Zero means unknown in every dealer system.
        Ok(Some(Money { cents: 0 })) => Ok(None),
        Ok(Some(money)) => Ok(Some(Value::Number(money.cents))),
        Ok(None) if field == Field::PriceCents => Err(bad(
            "not_priced",
            format!("{cell:?}: the unit has no price"),
        )),
        Ok(None) => Ok(None),
        Err(error) => Err(bad("not_money", error.to_string())),
    }
}

fn odometer(cell: &str, unit: Distance) -> Result<Option<Value<'static>>, BadCell> {
    Odometer::parse(cell, unit)
        .map(|reading| reading.map(|reading| Value::Number(reading.km)))
        .map_err(|error| bad("not_a_distance", error.to_string()))
}

fn litres(cell: &str) -> Result<Value<'static>, BadCell> {
    let lower = cell.to_ascii_lowercase();
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

fn list(column: &Column, cell: &str) -> Result<Option<Value<'static>>, BadCell> {
    let inner = cell
        .strip_prefix('{')
        .and_then(|c| c.strip_suffix('}'))
        .unwrap_or(cell);
    let items: Vec<String> = inner
        .split(column.separator.unwrap_or(','))
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(ToOwned::to_owned)
        .collect();
    if items.len() > MOST_ITEMS {
        return Err(bad(
            "list_too_long",
            format!("{} items, a list may have {MOST_ITEMS}", items.len()),
        ));
    }
    Ok((!items.is_empty()).then(|| Value::List(items.into())))
}

/// `2026-11-02`, `11/02/2026`, `11/2/2026`, each with or without a time behind.
fn date(cell: &str) -> Result<Value<'static>, BadCell> {
    let day = cell.split([' ', 'T']).next().unwrap_or(cell);
    let parsed = ["%Y-%m-%d", "%m/%d/%Y", "%m-%d-%Y"]
        .iter()
        .find_map(|format| jiff::civil::Date::strptime(format, day).ok());
    parsed.map(Value::Date).ok_or_else(|| {
        bad(
            "not_a_date",
            format!("{cell:?} is not a date like 2026-11-02 or 11/02/2026"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(to: Field, read_as: ReadAs) -> Column {
        Column {
            to,
            from: vec![],
            at: None,
            read_as: Some(read_as),
            required: false,
            words: [].into(),
            separator: None,
        }
    }

    fn rule(to: Field, read_as: ReadAs, cell: &str) -> &'static str {
        read(&column(to, read_as), cell).unwrap_err().rule
    }

    #[test]
    fn what_cannot_be_read_has_a_name() {
        assert_eq!(
            rule(Field::PriceCents, ReadAs::Money, "Not Priced"),
            "not_priced"
        );
        assert_eq!(rule(Field::PriceCents, ReadAs::Money, "a lot"), "not_money");
        assert_eq!(rule(Field::Year, ReadAs::Year, "1000"), "year_unknown");
        assert_eq!(rule(Field::Year, ReadAs::Year, "1850"), "year_out_of_range");
        for text in ["four", "1234,5", "1,23", ",5", "12,3456"] {
            assert_eq!(
                rule(Field::Doors, ReadAs::Number, text),
                "not_a_number",
                "{text}"
            );
        }
        assert_eq!(
            rule(Field::OdometerKm, ReadAs::Miles, "low"),
            "not_a_distance"
        );
        assert_eq!(
            rule(Field::DateInStock, ReadAs::Date, "2026-13-40"),
            "not_a_date"
        );
        assert_eq!(rule(Field::Description, ReadAs::Text, "a\0b"), "nul_byte");
        assert_eq!(
            rule(Field::Description, ReadAs::Text, &"x".repeat(40_000)),
            "cell_too_long"
        );
    }

    #[test]
    fn an_engines_description_gives_its_size_and_cylinders() {
        let both = |cell| (litres_within(cell), cylinders_within(cell));
        let some = |cc, cylinders| (Some(Value::Number(cc)), Some(Value::Number(cylinders)));
        assert_eq!(both("3.5L V6 24V PDI DOHC Twin Turbo"), some(3_500, 6));
        assert_eq!(both("Intercooled Turbo 2.0 L I-4"), some(2_000, 4));
        assert_eq!(both("4-Cyl 1.5L"), some(1_500, 4));
        assert_eq!(both("Electric"), (None, None));
        assert_eq!(both("V60 wagon"), (None, None));
    }

    #[test]
    fn cells_are_read_as_dealers_write_them() {
        let value = |to, read_as, cell| read(&column(to, read_as), cell).unwrap().unwrap();
        assert_eq!(
            value(Field::PriceCents, ReadAs::Money, "$39,998 "),
            Value::Number(3_999_800)
        );
        assert_eq!(
            value(Field::DisplacementCc, ReadAs::Litres, "3.5L"),
            Value::Number(3_500)
        );
        assert_eq!(
            value(Field::DateInStock, ReadAs::Date, "11/2/2026 0:00"),
            Value::Date(jiff::civil::date(2026, 11, 2))
        );
        assert_eq!(
            value(
                Field::ImageUrls,
                ReadAs::List,
                "{http://a/1.jpg, http://a/2.jpg}"
            ),
            Value::List(vec!["http://a/1.jpg".to_owned(), "http://a/2.jpg".to_owned()].into())
        );
    }
}
