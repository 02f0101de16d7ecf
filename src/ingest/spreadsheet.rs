//! What spreadsheets and copying leave in cells: marks that keep a number as it is, numbers that lost their digits, formulas that failed,
//! characters that nobody sees.

use domain::Field;
use std::borrow::Cow;

/// Without what makes a spreadsheet keep it as it is: `="0013"`, and `'0014` of a number that names a unit.
pub(crate) fn bare(field: Field, cell: &str) -> &str {
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

pub(crate) fn is_identity(field: Field) -> bool {
    matches!(
        field,
        Field::StockNumber | Field::Vin | Field::Serial | Field::ParentStockNumber
    )
}

/// Without characters that nobody sees, `W5` and one with a joiner behind it are one number. In prose they may join letters.
pub(crate) fn visible(field: Field, cell: &str) -> Cow<'_, str> {
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
pub(crate) fn rounded(cell: &str) -> bool {
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
pub(crate) fn is_formula_error(cell: &str) -> bool {
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
