//! Words dealers write, and the word we keep: one table a field in `words/`, the original beside it
//! in the listing's provenance.
//!
//! What no table knows stands as the dealer wrote it.

use domain::{Field, Status};
use std::collections::HashMap;
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;

/// `spelling<TAB>word` a line, `~` in front for words anywhere in the text, `#` for remarks.
struct Table {
    exact: HashMap<&'static str, &'static str>,
    anywhere: Vec<(Vec<&'static str>, &'static str)>,
}

impl Table {
    fn read(text: &'static str) -> Self {
        let (mut exact, mut anywhere) = (HashMap::new(), Vec::new());
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((spelling, word)) = line.split_once('\t') else {
                continue;
            };
            match spelling.strip_prefix('~') {
                Some(words) => anywhere.push((words.split(' ').collect(), word)),
                None => {
                    exact.insert(spelling, word);
                }
            }
        }
        Self { exact, anywhere }
    }

    fn word(&self, text: &str) -> Option<&'static str> {
        let folded = folded(text);
        if let Some(word) = self.exact.get(folded.as_str()) {
            return Some(word);
        }
        let words: Vec<&str> = folded.split(' ').collect();
        self.anywhere
            .iter()
            .find(|(wanted, _)| words.windows(wanted.len()).any(|part| part == wanted))
            .map(|(_, word)| *word)
    }
}

macro_rules! tables {
    ($($name:ident = $file:literal),+ $(,)?) => {
        $(static $name: LazyLock<Table> = LazyLock::new(|| Table::read(include_str!($file)));)+
    };
}

tables! {
    MAKES = "words/make.tsv",
    BODIES = "words/body.tsv",
    DRIVETRAINS = "words/drivetrain.tsv",
    FUELS = "words/fuel.tsv",
    TRANSMISSIONS = "words/transmission.tsv",
    CONDITIONS = "words/condition.tsv",
    COLORS = "words/color.tsv",
    STATES = "words/state.tsv",
    COUNTRIES = "words/country.tsv",
    STATUSES = "words/status.tsv",
    CATEGORIES = "words/category.tsv",
    OPTIONS = "words/option.tsv",
}

fn table(field: Field) -> Option<&'static LazyLock<Table>> {
    Some(match field {
        Field::Make => &MAKES,
        Field::Body => &BODIES,
        Field::Drivetrain => &DRIVETRAINS,
        Field::Fuel => &FUELS,
        Field::Transmission => &TRANSMISSIONS,
        Field::Condition => &CONDITIONS,
        Field::Category => &CATEGORIES,
        Field::Options => &OPTIONS,
        _ => return None,
    })
}

pub(crate) fn has_table(field: Field) -> bool {
    table(field).is_some() || is_title(field)
}

fn is_title(field: Field) -> bool {
    matches!(field, Field::TitleBrand | Field::ReportedTitleBrand)
}

/// The word we keep for what a dealer wrote in this field; `None` when no table has it.
pub fn normal(field: Field, text: &str) -> Option<&'static str> {
    match is_title(field) {
        true => domain::title::named(text),
        false => table(field)?.word(text),
    }
}

/// Where a unit stands; `None` for words that say nothing of it.
pub fn status(text: &str) -> Option<Status> {
    Status::parse(STATUSES.word(text)?)
}

/// A list of options as we name them, each once, in the dealer's order; whether any was renamed or left out.
pub fn options(said: &[String]) -> (Vec<String>, bool) {
    let mut named: Vec<String> = Vec::with_capacity(said.len());
    let mut other = false;
    for item in said {
        let name = OPTIONS.word(item).unwrap_or(item.as_str());
        other |= name != item;
        if named.iter().any(|known| known == name) {
            other = true;
        } else {
            named.push(name.to_owned());
        }
    }
    (named, other)
}

/// A model without the make that some exports put in front of it: `John Deere 310SL` of `John Deere` is `310SL`.
pub fn model_alone<'a>(make: &str, model: &'a str) -> Option<&'a str> {
    let start = model.get(..make.len())?;
    let rest = model.get(make.len()..)?;
    let alone = rest.trim_start_matches([' ', '-']);
    (!make.is_empty()
        && start.eq_ignore_ascii_case(make)
        && rest.len() > alone.len()
        && !alone.is_empty())
    .then_some(alone)
}

/// `Shadow Black` is black. The maker's name stays in the colour's own field.
pub fn plain_color(text: &str) -> Option<&'static str> {
    COLORS.word(text)
}

/// A make that some exports cut at its first word: `Land` and `Rover Range Rover` are `Land Rover`
/// and `Range Rover`.
pub fn make_and_model(make: &str, model: &str) -> Option<(&'static str, String)> {
    if MAKES.word(make).is_some() {
        return None;
    }
    let (first, rest) = model.trim().split_once(' ').unwrap_or((model.trim(), ""));
    let joined = MAKES.word(&format!("{make} {first}"))?;
    Some((joined, rest.trim().to_owned()))
}

/// Two-letter code of a US state or Canadian province, from its name or code. `None` for anything
/// else (`Suite`, `US-12`), which some exports put where the state belongs.
pub fn state(text: &str) -> Option<&'static str> {
    let code = text.trim().to_ascii_uppercase();
    STATES
        .exact
        .values()
        .find(|known| **known == code)
        .copied()
        .or_else(|| STATES.word(text))
}

/// ISO 3166-1 code of a country, from its code or name; two letters that no table has are one too.
pub(crate) fn country(text: &str) -> Option<String> {
    let code = text.trim().to_ascii_uppercase();
    let is_code = code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase());
    let named = |text: &str| COUNTRIES.word(&text.nfc().collect::<String>());
    if let Some(known) = named(text) {
        return Some(known.to_owned());
    }
    if is_code {
        return Some(code);
    }
    // `Deutschland (DE)`, `Schweiz/Suisse`, `Korea, Republic of`.
    let mut parts = text.split(['(', ')', '/', ',']);
    parts.find_map(named).map(str::to_owned)
}

/// Whether two texts are one, whatever the case of their letters, in whatever alphabet: `GRÜN` is `grün`, `WEISS` is `weiß`.
pub(crate) fn same(one: &str, other: &str) -> bool {
    // Nearly all that is compared differs in length, and much of it is long: no capital has more than three times its bytes.
    let (short, long) = (one.len().min(other.len()), one.len().max(other.len()));
    if one.eq_ignore_ascii_case(other) {
        return true;
    }
    if long > 3 * short || one.is_ascii() && other.is_ascii() {
        return false;
    }
    one.chars()
        .flat_map(char::to_uppercase)
        .eq(other.chars().flat_map(char::to_uppercase))
}

/// Lower case, words apart by one blank, no punctuation.
pub(crate) fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() {
            folded.extend(c.to_lowercase());
        } else if !folded.is_empty() && !folded.ends_with(' ') {
            folded.push(' ');
        }
    }
    folded.truncate(folded.trim_end().len());
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_spellings_of_four_drivetrains() {
        for (text, word) in [
            ("All-wheel Drive", "AWD"),
            ("AWD", "AWD"),
            ("Front-wheel Drive", "FWD"),
            ("Front Wheel Drive", "FWD"),
            ("FWD", "FWD"),
            ("Four-wheel Drive", "4WD"),
            ("4WD", "4WD"),
            ("Rear-wheel Drive", "RWD"),
            ("RWD", "RWD"),
            ("4x4", "4WD"),
        ] {
            assert_eq!(normal(Field::Drivetrain, text), Some(word), "{text}");
        }
        assert_eq!(normal(Field::Drivetrain, "tracks"), None);
    }

    #[test]
    fn each_field_has_its_words() {
        let cases = [
            (Field::Make, "CHEVY", "Chevrolet"),
            (Field::Make, "Mercedes Benz", "Mercedes-Benz"),
            (Field::Make, "Scion", "Scion"),
            (Field::Body, "Crew Cab Pickup", "Truck"),
            (Field::Fuel, "E85 Flex Fuel", "Flex Fuel"),
            (Field::Fuel, "Gasoline/Mild Electric Hybrid", "Hybrid"),
            (Field::Transmission, "6-SPEED A/T", "Automatic"),
            (
                Field::Transmission,
                "7-Speed Automatic with Auto-Shift",
                "Automatic",
            ),
            (Field::Transmission, "Automatic CVT", "CVT"),
            (Field::Transmission, "6-Speed M/T", "Manual"),
            (Field::Condition, "BMW Certified", "Certified"),
        ];
        for (field, text, word) in cases {
            assert_eq!(normal(field, text), Some(word), "{text}");
        }
    }

    #[test]
    fn makers_names_for_plain_colours() {
        assert_eq!(plain_color("Shadow Black"), Some("Black"));
        assert_eq!(plain_color("Modern Steel Metallic"), Some("Gray"));
        assert_eq!(plain_color("Pearl White Tri-Coat"), Some("White"));
        assert_eq!(plain_color("Unobtainium"), None);
    }

    #[test]
    fn a_make_cut_at_its_first_word_is_whole_again() {
        assert_eq!(
            make_and_model("Land", "Rover Range Rover Sport"),
            Some(("Land Rover", "Range Rover Sport".to_owned()))
        );
        assert_eq!(
            make_and_model("Alfa", "Romeo Giulia Ti"),
            Some(("Alfa Romeo", "Giulia Ti".to_owned()))
        );
        assert_eq!(make_and_model("Ford", "F-150"), None);
        assert_eq!(make_and_model("Zap", "Xebra"), None);
    }

    #[test]
    fn case_matters_in_no_alphabet() {
        assert!(same("grün", "GRÜN") && same("weiß", "WEISS") && same("red", "Red"));
        assert!(same("κόκκινο", "ΚΌΚΚΙΝΟ") && !same("grün", "grun"));
    }

    #[test]
    fn what_is_no_state_is_none() {
        assert_eq!(state("tx"), Some("TX"));
        assert_eq!(state("North Carolina"), Some("NC"));
        for text in ["Suite", "Bldg", "AZ-101", "US-12", "RT", ""] {
            assert_eq!(state(text), None, "{text}");
        }
    }
}
