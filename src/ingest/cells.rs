//! One cell to one value, or a named reason why not.

use crate::flat::JOINT;
use crate::mapping::{Column, ReadAs};
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

/// Without what makes a spreadsheet keep it as it is: `="0013"`, and `'0014` of a number that names a unit.
fn bare(field: Field, cell: &str) -> &str {
    let formula = cell
        .strip_prefix("=\"")
        .and_then(|rest| rest.strip_suffix('"'));
    if let Some(text) = formula.filter(|text| !text.contains('"')) {
        return text.trim();
    }
    match is_identity(field) {
        true => cell.strip_prefix('\'').unwrap_or(cell),
        false => cell,
    }
}

fn is_identity(field: Field) -> bool {
    matches!(
        field,
        Field::StockNumber | Field::Vin | Field::Serial | Field::ParentStockNumber
    )
}

/// Without characters that nobody sees, `W5` and one with a joiner behind it are one number. In prose they may join letters.
fn visible(field: Field, cell: &str) -> Cow<'_, str> {
    if cell.is_ascii() || !cell.contains(is_unseen) {
        return Cow::Borrowed(cell);
    }
    match PROSE.contains(&field) {
        true => Cow::Borrowed(cell.trim_matches(is_unseen)),
        false => Cow::Owned(cell.replace(is_unseen, "")),
    }
}

/// What may rightly have several lines, and joiners in it.
pub(crate) const PROSE: [Field; 4] = [
    Field::Title,
    Field::Description,
    Field::Options,
    Field::ImageUrls,
];

pub(crate) fn is_unseen(c: char) -> bool {
    let all = [
        '\u{ad}'..='\u{ad}',
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{2064}',
        '\u{feff}'..='\u{feff}',
    ];
    all.iter().any(|some| some.contains(&c))
}

/// `1.2E+05`, `1,23457E+13`, `1E+05`: what is left of a number with more digits than a cell shows. `1E5` may be somebody's number.
fn rounded(cell: &str) -> bool {
    let Some((number, power)) = cell.split_once(['E', 'e']) else {
        return false;
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let (signed, power) = match power.strip_prefix('+') {
        Some(power) => (true, power),
        None => (false, power),
    };
    let parted = number.split_once(['.', ',']);
    let number = parted.map_or(signed && digits(number), |(whole, rest)| {
        digits(whole) && digits(rest)
    });
    number && digits(power)
}

/// `#N/A`, `#REF!`, `#WERT!`, `#NAME?`: in whatever language.
fn is_formula_error(cell: &str) -> bool {
    cell.strip_prefix('#')
        .is_some_and(|word| FAILED.contains(&word))
}

const FAILED: &[&str] = &[
    "N/A",
    "REF!",
    "VALUE!",
    "NAME?",
    "DIV/0!",
    "NULL!",
    "NUM!",
    "SPILL!",
    "CALC!",
    "NV",
    "BEZUG!",
    "WERT!",
    "ZAHL!",
    "N/D",
    "VALEUR!",
    "NOM?",
    "NOMBRE!",
    "¡REF!",
    "¡VALOR!",
    "¿NOMBRE?",
    "¡NUM!",
    "¡DIV/0!",
    "RIF!",
    "VALORE!",
    "NOME?",
    "N/B",
    "VERW!",
    "WAARDE!",
    "NAAM?",
    "GETAL!",
    "DEEL/0!",
];

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
mod tests {
    use super::*;

    const USD: Ways = Ways {
        currency: Currency::USD,
        day_first: false,
    };

    fn column(to: Field, read_as: ReadAs) -> Column {
        Column {
            to,
            from: vec![],
            at: None,
            read_as: Some(read_as),
            required: false,
            words: [].into(),
            separator: None,
            unit_from: Vec::new(),
            unit_places: Vec::new(),
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
        assert_eq!(both("3,0L V6"), both("3.0L V6"));
        assert_eq!(litres("2,0 l"), Ok(Value::Number(2_000)));
        assert_eq!(litres("1998").unwrap_err().rule, "not_litres");
        let some = |cc, cylinders| (Some(Value::Number(cc)), Some(Value::Number(cylinders)));
        assert_eq!(both("3.5L V6 24V PDI DOHC Twin Turbo"), some(3_500, 6));
        assert_eq!(both("Intercooled Turbo 2.0 L I-4"), some(2_000, 4));
        assert_eq!(both("4-Cyl 1.5L"), some(1_500, 4));
        assert_eq!(both("Electric"), (None, None));
        assert_eq!(both("V60 wagon"), (None, None));
    }

    #[test]
    fn what_may_be_two_numbers_is_read_by_the_rows_marks_or_not_at_all() {
        let euros = Ways {
            currency: Currency::EUR,
            day_first: true,
        };
        let value = |to, read_as, cell, ways| read(&column(to, read_as), cell, false, ways);
        for (to, read_as, cell, number) in [
            (Field::OdometerKm, ReadAs::Kilometres, "120.000", 120_000),
            (
                Field::OdometerKm,
                ReadAs::Kilometres,
                "85\u{a0}300 km",
                85_300,
            ),
            (Field::Hours, ReadAs::Number, "3.412", 3_412),
            (Field::Hours, ReadAs::Number, "3.412,6 Std.", 3_413),
        ] {
            let read = value(to, read_as, cell, euros);
            assert_eq!(read, Ok(Some(Value::Number(number))), "{cell}");
        }
        for (to, read_as, rule) in [
            (Field::OdometerKm, ReadAs::Kilometres, "not_a_distance"),
            (Field::Hours, ReadAs::Number, "not_a_number"),
            (Field::PriceCents, ReadAs::Money, "not_money"),
        ] {
            assert_eq!(value(to, read_as, "12.345", USD).unwrap_err().rule, rule);
        }
        let day = |cell, ways| value(Field::DateInStock, ReadAs::Date, cell, ways);
        let of = |month, day| Ok(Some(Value::Date(jiff::civil::date(2026, month, day))));
        assert_eq!(day("05/10/2026", USD), of(5, 10));
        assert_eq!(day("05/10/2026", euros), of(10, 5));
        assert_eq!(day("12.10.2026", USD), of(10, 12));
        assert_eq!(day("10-Nov-26", USD), of(11, 10));
        assert_eq!(day("02-OCT-2026", USD), of(10, 2));
        assert_eq!(day("2-OCT-2026T10:00", USD), of(10, 2));
        let long_ago = Ok(Some(Value::Date(jiff::civil::date(1998, 3, 15))));
        assert_eq!(day("3/15/98", USD), long_ago);
        assert_eq!(day("1/1/70", USD).unwrap_err().rule, "not_a_date");
        assert_eq!(day("2026-10-02T23:59:00Z", USD), of(10, 2));
        let day_first = value(Field::DateInStock, ReadAs::DayFirst, "5/10/26", USD);
        assert_eq!(day_first, of(10, 5));
    }

    #[test]
    fn what_a_spreadsheet_puts_around_a_number_is_none_of_it() {
        let number = |cell| read(&column(Field::StockNumber, ReadAs::Text), cell, false, USD);
        let text = |text: &str| Ok(Some(Value::Text(text.to_owned().into())));
        assert_eq!(number("=\"0013\""), text("0013"));
        assert_eq!(number("'0014"), text("0014"));
        assert_eq!(number("1E5"), text("1E5"));
        for rounded in [
            "1.2E+05",
            "1E+05",
            "1,23457E+13",
            "1.2345678901234568e+22",
            "1.2E15",
        ] {
            assert_eq!(
                number(rounded).unwrap_err().rule,
                "number_rounded",
                "{rounded}"
            );
        }
        let serial = |cell| read(&column(Field::Serial, ReadAs::Text), cell, false, USD);
        assert_eq!(serial("1,23457E+13").unwrap_err().rule, "number_rounded");
        assert_eq!(serial("12E4567"), text("12E4567"));
        for failed in ["#N/A", "#REF!", "#WERT!", "#NAME?", "#DIV/0!"] {
            assert_eq!(
                number(failed).unwrap_err().rule,
                "formula_failed",
                "{failed}"
            );
        }
        for fine in ["#1204", "#SALE!"] {
            assert_eq!(number(fine), text(fine));
        }
        assert_eq!(number("W5\u{200b}"), text("W5"));
        let make = |cell| read(&column(Field::Make, ReadAs::Text), cell, false, USD);
        assert_eq!(make("Fo\u{200b}rd"), text("Ford"));
        assert_eq!(make("\u{200b}"), Ok(None));
        let price = read(
            &column(Field::PriceCents, ReadAs::Money),
            "9500\u{200b}",
            false,
            USD,
        );
        assert_eq!(price, Ok(Some(Value::Number(950_000))));
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
