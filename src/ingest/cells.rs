//! One cell to one value, or a named reason why not.

use crate::flat::JOINT;
use crate::mapping::{Column, ReadAs};
use domain::money::MoneyError;
use domain::{Currency, Distance, Field, Money, Odometer, Value};

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
            "not_priced" | "year_unknown" | "currency_differs"
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

/// `Ok(None)` for a blank cell. In a `flat` file, one made of XML or JSON, what repeats is a list already.
pub(crate) fn read(
    column: &Column,
    cell: &str,
    flat: bool,
    row_in: Currency,
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
    let cell = meant(column, cell).trim();
    if cell.is_empty() {
        return Ok(None);
    }
    match column.read_as() {
        ReadAs::Text => Ok(Some(Value::Text(cell.to_owned().into()))),
        ReadAs::Number if column.to == Field::Hours => hours(cell).map(Some),
        ReadAs::Number => number(cell).map(Some),
        ReadAs::Year => year(cell).map(Some),
        ReadAs::Money => money(column.to, cell, row_in),
        ReadAs::Miles => odometer(cell, Distance::Miles),
        ReadAs::Kilometres => odometer(cell, Distance::Kilometres),
        ReadAs::Litres => litres(cell).map(Some),
        ReadAs::LitresWithin => Ok(litres_within(cell)),
        ReadAs::CylindersWithin => Ok(cylinders_within(cell)),
        ReadAs::List => list(column, cell, flat),
        ReadAs::Date => date(cell).map(Some),
    }
}

/// What the mapping's words say that the cell means: `Y` of a column of accidents may be 1.
fn meant<'a>(column: &'a Column, cell: &'a str) -> &'a str {
    let mut words = column.words.iter();
    let known = words.find(|(word, _)| word.eq_ignore_ascii_case(cell));
    known.map_or(cell, |(_, meaning)| meaning)
}

fn number(cell: &str) -> Result<Value<'static>, BadCell> {
    let whole = match cell.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole,
        _ => cell,
    };
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

/// Of a machine, to the nearest: meters read tenths, and people write `1,200 hrs`.
fn hours(cell: &str) -> Result<Value<'static>, BadCell> {
    let lower = cell.to_ascii_lowercase();
    let unit = |c: char| c.is_ascii_alphabetic() || matches!(c, ' ' | '.');
    let bare = match lower.trim_end_matches(unit) {
        bare if matches!(
            lower[bare.len()..].trim_matches(['.', ' ']),
            "" | "h" | "hr" | "hrs" | "hour" | "hours"
        ) =>
        {
            bare
        }
        _ => &lower,
    };
    match bare.split_once('.') {
        Some((whole, part)) if part.bytes().all(|b| b.is_ascii_digit()) => match number(whole)? {
            Value::Number(hours) => Ok(Value::Number(hours + i64::from(part >= "5"))),
            value => Ok(value),
        },
        _ => number(bare),
    }
}

fn year(cell: &str) -> Result<Value<'static>, BadCell> {
    let years = Field::Year.range();
    match number(cell)? {
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

/// `2026-11-02`, `20261102`, `11/02/2026`, `11/2/26`, each with or without a time behind.
fn date(cell: &str) -> Result<Value<'static>, BadCell> {
    let day = cell.split([' ', 'T']).next().unwrap_or(cell);
    let parts: Vec<&str> = day.split(['-', '/']).collect();
    let (year, month, of_month) = match parts[..] {
        [year, month, of_month] if year.len() == 4 => (year, month, of_month),
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
        // Of a unit in stock: no other century.
        2 => digits(year).map(|year| 2000 + year),
        _ => None,
    };
    let short = |part: &str| digits(part).and_then(|part| i8::try_from(part).ok());
    let parsed = year
        .zip(short(month).zip(short(of_month)))
        .and_then(|(year, (month, day))| jiff::civil::Date::new(year, month, day).ok())
        .ok_or_else(|| {
            let message = format!("{cell:?} is not a date like 2026-11-02 or 11/02/2026");
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

#[cfg(test)]
mod tests {
    use super::*;

    const USD: Currency = Currency::USD;

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
        read(&column(to, read_as), cell, false, USD)
            .unwrap_err()
            .rule
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
        for text in ["1/2/3", "11/2/226", "1/2026", "2026-+1-02", "13/1/26"] {
            assert_eq!(
                rule(Field::DateInStock, ReadAs::Date, text),
                "not_a_date",
                "{text}"
            );
        }
        assert_eq!(
            rule(Field::DateInStock, ReadAs::Date, "1899-12-31"),
            "date_out_of_range"
        );
        for text in ["12 weeks", "1.2.3", "h"] {
            assert_eq!(
                rule(Field::Hours, ReadAs::Number, text),
                "not_a_number",
                "{text}"
            );
        }
        assert_eq!(rule(Field::Description, ReadAs::Text, "a\0b"), "nul_byte");
        assert_eq!(
            rule(Field::Description, ReadAs::Text, &"x".repeat(40_000)),
            "cell_too_long"
        );
    }

    #[test]
    fn a_mappings_words_hold_for_every_type() {
        let column = Column {
            words: [
                ("Y".to_owned(), "1".to_owned()),
                ("Call".to_owned(), String::new()),
                ("4x4".to_owned(), "Four-Wheel Drive".to_owned()),
            ]
            .into(),
            ..column(Field::Accidents, ReadAs::Number)
        };
        assert_eq!(
            read(&column, "y", false, USD).unwrap(),
            Some(Value::Number(1))
        );
        let of = |to, read_as| Column {
            to,
            read_as: Some(read_as),
            ..column.clone()
        };
        assert_eq!(
            read(&of(Field::PriceCents, ReadAs::Money), "call", false, USD).unwrap(),
            None
        );
        let options = read(&of(Field::Options, ReadAs::List), "4X4, Winch", false, USD).unwrap();
        let said = vec!["Four-Wheel Drive".to_owned(), "Winch".to_owned()];
        assert_eq!(options, Some(Value::List(said.into())));
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
        let value = |to, read_as, cell| {
            read(&column(to, read_as), cell, false, USD)
                .unwrap()
                .unwrap()
        };
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
        for (cell, year) in [
            ("11/2/26", 2026),
            ("20261102", 2026),
            ("2026/11/02", 2026),
            ("11-02-1999", 1999),
        ] {
            let date = jiff::civil::date(year, 11, 2);
            assert_eq!(
                value(Field::DateInStock, ReadAs::Date, cell),
                Value::Date(date),
                "{cell}"
            );
        }
        for (cell, hours) in [
            ("3,412.7", 3_413),
            ("1,200 hrs", 1_200),
            ("88.4h", 88),
            ("12 Hours.", 12),
        ] {
            assert_eq!(
                value(Field::Hours, ReadAs::Number, cell),
                Value::Number(hours),
                "{cell}"
            );
        }
        assert_eq!(
            value(Field::Cylinders, ReadAs::Number, "4.00"),
            Value::Number(4)
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
