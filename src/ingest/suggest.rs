//! A mapping to begin from, for a file nobody has mapped: its columns by the names that other mappings know, and
//! by what stands in them.

use crate::mapping::{BUILT_IN, Column, Holds, Mapping, folded};
use crate::sniff::{self, FileProblem};
use crate::table::Table;
use crate::text::Text;
use domain::{Field, FieldType, Kind, Vin};
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

#[derive(Clone, Debug)]
pub struct Suggestion {
    /// A mapping as `mappings put` takes it; what is not known stands in it as a comment.
    pub yaml: String,
    pub known: usize,
    pub unknown: usize,
}

/// Rows that are looked at.
const LOOKED_AT: usize = 500;
/// A value is shown this long.
const SHOWN: usize = 40;

/// Header names (folded) that say which rooftop a row is of, by its key and by its name.
const ROOFTOP_KEYS: &[&str] = &[
    "dealerid",
    "dealerkey",
    "dealercode",
    "dealernumber",
    "dealershipid",
    "rooftop",
    "rooftopid",
    "storeid",
    "storecode",
    "storenumber",
    "locationid",
    "locationcode",
    "branchid",
    "branchcode",
    "lot",
    "lotid",
    "lotcode",
    "sellerid",
];
const ROOFTOP_NAMES: &[&str] = &[
    "dealer",
    "dealername",
    "dealership",
    "dealershipname",
    "rooftopname",
    "storename",
    "locationname",
    "branchname",
    "seller",
    "sellername",
];

/// A column of the file, and some of what stands in it.
struct Seen {
    name: String,
    values: Vec<String>,
}

pub fn suggest(bytes: Vec<u8>, name: &str) -> Result<Suggestion, FileProblem> {
    let (columns, joint) = columns(bytes)?;
    let vins = columns.iter().find(|column| column.is_vins());
    let kind = if vins.is_some() {
        Kind::Vehicle
    } else {
        Kind::Equipment
    };
    let holds = holds(&columns, kind);
    let aliases = aliases(kind, holds);
    let mut taken: HashSet<Field> = HashSet::new();
    let mut lines: Vec<Option<String>> = vec![None; columns.len()];
    // Names that are known first, what only looks like one after them.
    for (place, column) in columns.iter().enumerate() {
        let known = aliases.get(&folded(&column.name));
        let known = known.filter(|known| column.fits(known.to));
        if let Some(known) = known.filter(|known| taken.insert(known.to)) {
            lines[place] = Some(column.line(known, joint, ""));
        }
    }
    for (place, column) in columns.iter().enumerate() {
        if lines[place].is_none()
            && let Some(guess) = column.guess(&aliases, &taken)
        {
            taken.insert(guess.to);
            lines[place] = Some(column.line(guess, joint, "   # a guess"));
        }
    }
    let rooftop = match holds {
        Holds::Units => rooftop(&columns, &mut lines),
        Holds::Reports => String::new(),
    };
    let word = match kind {
        Kind::Vehicle => "vehicle",
        _ => "equipment",
    };
    let (holds, apart) = match holds {
        Holds::Units => (
            "",
            "No column looks like a stock number, by which units are told apart.",
        ),
        Holds::Reports => ("holds: reports\n", "The VIN is what tells rows apart."),
    };
    let mut yaml = format!(
        "# Suggested from a file. Try it: forecourt mappings test FILE.yaml DATA\nname: {name}\nkind: {word}\n{holds}{rooftop}columns:\n"
    );
    if !taken.contains(&Field::StockNumber) {
        let instead = vins.or(columns.first()).map_or("", |column| &column.name);
        let _ = writeln!(
            yaml,
            "  # {apart}\n  - {{to: stock_number, from: [{instead:?}], required: true}}"
        );
    }
    let (mut known, mut unknown) = (0, 0);
    for (line, column) in lines.into_iter().zip(&columns) {
        match line {
            Some(line) => {
                known += 1;
                yaml.push_str(&line);
            }
            None => {
                unknown += 1;
                let example = column.values.first().map_or("", String::as_str);
                let example: String = example.chars().take(SHOWN).collect();
                let _ = writeln!(yaml, "  # {:?}: {example:?}", column.name);
            }
        }
    }
    Ok(Suggestion {
        yaml,
        known,
        unknown,
    })
}

/// Where the rows say whose unit each is, of the columns that nothing else was read from; those get no line.
fn rooftop(columns: &[Seen], lines: &mut [Option<String>]) -> String {
    let mut named = |names: &[&str]| {
        let found = columns
            .iter()
            .zip(lines.iter_mut())
            .find(|(column, line)| {
                let name = folded(&column.name);
                line.is_none() && !column.values.is_empty() && names.contains(&name.as_str())
            })?;
        *found.1 = Some(String::new());
        Some(&found.0.name)
    };
    match (named(ROOFTOP_KEYS), named(ROOFTOP_NAMES)) {
        (None, None) => String::new(),
        (key, name) => {
            let key = key.map(|key| format!("key: {key:?}"));
            let name = name.map(|name| format!("name: {name:?}"));
            let cells: Vec<String> = key.into_iter().chain(name).collect();
            format!(
                "# Whose unit a row is. A source of one dealer needs none of it.\ndealer: {{{}}}\n",
                cells.join(", ")
            )
        }
    }
}

/// The columns, and what stands between a list's items when its values do not tell.
fn columns(bytes: Vec<u8>) -> Result<(Vec<Seen>, char), FileProblem> {
    let table = Table::in_form(Text::in_memory(bytes), None, None)?;
    let (start, delimiter, flat) = (table.start, table.delimiter, table.flat);
    let unreadable = |error: csv::Error| FileProblem::Unreadable {
        row: 0,
        problem: error.to_string(),
    };
    let mut table = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(table.text.from(start)?);
    let header = table.byte_headers().map_err(unreadable)?;
    if header.len() > 500 {
        return Err(FileProblem::TooWide(header.len()));
    }
    let mut columns: Vec<Seen> = header
        .iter()
        .map(|cell| Seen {
            name: sniff::decode(cell).trim().to_owned(),
            values: Vec::new(),
        })
        .collect();
    for row in table.byte_records().take(LOOKED_AT) {
        for (cell, column) in row.map_err(unreadable)?.iter().zip(&mut columns) {
            let value = sniff::decode(cell);
            if !value.trim().is_empty() {
                column.values.push(value.trim().to_owned());
            }
        }
    }
    Ok((columns, if flat { '|' } else { ',' }))
}

/// Whether the file is a dealer's stock or what a provider reports: owners or accidents, and nothing that is for sale.
fn holds(columns: &[Seen], kind: Kind) -> Holds {
    let names = |holds, fields: &[Field]| {
        let aliases = aliases(kind, holds);
        let fields: Vec<Field> = columns
            .iter()
            .filter_map(|column| Some(aliases.get(&folded(&column.name))?.to))
            .filter(|field| fields.contains(field))
            .collect();
        !fields.is_empty()
    };
    let for_sale = [Field::PriceCents, Field::OdometerKm, Field::Condition];
    let reported = [Field::Owners, Field::Accidents];
    match names(Holds::Reports, &reported) && !names(Holds::Units, &for_sale) {
        true => Holds::Reports,
        false => Holds::Units,
    }
}

/// Every name that a built-in mapping of such files knows, those of the same kind first.
fn aliases(kind: Kind, holds: Holds) -> HashMap<String, Column> {
    let mut mappings: Vec<Mapping> = BUILT_IN
        .iter()
        .filter_map(|(name, text)| Mapping::parse(name, text).ok())
        .filter(|mapping| mapping.header && mapping.holds == holds)
        .collect();
    mappings.sort_by_key(|mapping| mapping.kind != kind);
    let mut aliases = HashMap::new();
    for column in mappings.into_iter().flat_map(|mapping| mapping.columns) {
        // A report's is its VIN.
        if holds == Holds::Reports && column.to == Field::StockNumber {
            continue;
        }
        for name in &column.from {
            aliases
                .entry(folded(name))
                .or_insert_with(|| column.clone());
        }
    }
    aliases
}

impl Seen {
    /// At least four of five values are like this.
    fn mostly(&self, like: impl Fn(&str) -> bool) -> bool {
        let count = self.values.iter().filter(|value| like(value)).count();
        !self.values.is_empty() && count * 5 >= self.values.len() * 4
    }

    fn is_vins(&self) -> bool {
        self.mostly(|value| value.len() == 17 && Vin::parse(value).is_ok())
    }

    /// A name alone does not make a number.
    fn fits(&self, field: Field) -> bool {
        if self.values.is_empty() {
            return true;
        }
        match (field, field.field_type()) {
            (Field::Vin, _) => self.mostly(|value| value.len() == 17),
            (_, FieldType::Number) => self
                .values
                .iter()
                .any(|v| v.bytes().any(|b| b.is_ascii_digit())),
            _ => true,
        }
    }

    fn guess<'a>(
        &self,
        aliases: &'a HashMap<String, Column>,
        taken: &HashSet<Field>,
    ) -> Option<&'a Column> {
        let of = |field: Field| {
            aliases
                .values()
                .find(|column| column.to == field && !taken.contains(&field))
        };
        if self.is_vins() {
            return of(Field::Vin);
        }
        if self.mostly(|value| value.starts_with("http")) {
            let many = self
                .values
                .iter()
                .any(|value| value.matches("http").count() > 1);
            let picture = |value: &str| {
                let value = value.to_ascii_lowercase();
                [".jpg", ".jpeg", ".png", ".webp"]
                    .iter()
                    .any(|end| value.contains(end))
            };
            return of(if many || self.mostly(picture) {
                Field::ImageUrls
            } else {
                Field::Link
            });
        }
        let name = folded(&self.name);
        let mut near: Vec<(&String, &Column)> = aliases
            .iter()
            .filter(|(alias, column)| {
                alias.len() >= 4
                    && (name.ends_with(alias.as_str()) || name.starts_with(alias.as_str()))
                    && !taken.contains(&column.to)
                    && self.fits(column.to)
            })
            .collect();
        near.sort_by_key(|(alias, _)| (std::cmp::Reverse(alias.len()), (*alias).clone()));
        near.first().map(|(_, column)| *column)
    }

    fn line(&self, like: &Column, joint: char, remark: &str) -> String {
        let field = like.to;
        let mut line = format!("  - {{to: {}, from: [{:?}]", field.name(), self.name);
        if let Some(read_as) = like.read_as {
            // As the mapping's own words are.
            let word = serde_json::to_value(read_as).unwrap_or_default();
            let _ = write!(line, ", as: {}", word.as_str().unwrap_or_default());
        }
        if field.field_type() == FieldType::List {
            let _ = write!(line, ", separator: {:?}", self.separator(joint).to_string());
        }
        if field == Field::StockNumber {
            line.push_str(", required: true");
        }
        let _ = writeln!(line, "}}{remark}");
        line
    }

    /// What stands most often between a list's items.
    fn separator(&self, joint: char) -> char {
        let count = |sign: char| {
            let all = self.values.iter();
            all.map(|value| value.matches(sign).count()).sum::<usize>()
        };
        ['|', ';', ',']
            .into_iter()
            .rev()
            .max_by_key(|sign| count(*sign))
            .filter(|sign| count(*sign) > 0)
            .unwrap_or(joint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reader;

    #[test]
    fn a_column_that_names_the_rooftop_is_the_dealers() {
        let file = b"Lot,Seller,Stock #,VIN,Foo\nMP1,Bay,7,1HGCM82633A004352,x\n".to_vec();
        let suggestion = suggest(file.clone(), "mine").unwrap();
        assert_eq!((suggestion.known, suggestion.unknown), (4, 1));
        let mapping = Mapping::parse("mine", &suggestion.yaml).unwrap();
        let mut reader = crate::Reader::new(file, &mapping).unwrap();
        let dealer = reader.next_row().unwrap().unwrap().dealer.unwrap();
        assert_eq!((&*dealer.key, &*dealer.name), ("mp1", "Bay"));
        // A column that is there and blank names nobody.
        let blank = b"Lot,Stock #,VIN\n,7,1HGCM82633A004352\n".to_vec();
        let yaml = suggest(blank, "mine").unwrap().yaml;
        assert!(Mapping::parse("mine", &yaml).unwrap().dealer.is_none());
    }

    #[test]
    fn what_is_suggested_is_a_mapping_that_reads_the_file() {
        let text = "Unit No,Stock #,V.I.N. Code,Yr,Year,Make,Model,Our Selling Price,Pictures,Mood\n\
            7,A1,1HGCM82633A004352,x,2003,Honda,Accord,\"$9,995\",https://a/1.jpg;https://a/2.jpg,good\n\
            8,A2,1HGCM82633A004352,x,2003,Honda,Accord,\"$8,995\",https://a/3.jpg,bad\n";
        let suggestion = suggest(text.as_bytes().to_vec(), "mine").unwrap();
        for part in [
            "kind: vehicle",
            r##"{to: stock_number, from: ["Stock #"], required: true}"##,
            r#"{to: vin, from: ["V.I.N. Code"]}   # a guess"#,
            r#"{to: year, from: ["Year"], as: year}"#,
            r#"{to: price_cents, from: ["Our Selling Price"], as: money}   # a guess"#,
            r#"separator: ";""#,
            r#"# "Mood": "good""#,
        ] {
            assert!(
                suggestion.yaml.contains(part),
                "no {part} in\n{}",
                suggestion.yaml
            );
        }
        let mapping = Mapping::parse("mine", &suggestion.yaml).unwrap();
        let mut reader = Reader::new(text.as_bytes().to_vec(), &mapping).unwrap();
        let draft = reader.next_row().unwrap().unwrap().draft.unwrap();
        assert_eq!(draft.details.price_cents, Some(999_500));
        assert_eq!(draft.details.image_urls.len(), 2);
        assert_eq!(draft.vin.unwrap().as_str(), "1HGCM82633A004352");
    }

    #[test]
    fn a_badge_file_is_one_of_reports_and_a_dealers_owners_are_not_believed() {
        let text = "VIN,Owners,Accidents,Title Brand\n1HGCM82633A004352,2,0,Clean\n";
        let suggestion = suggest(text.as_bytes().to_vec(), "mine").unwrap();
        let mapping = Mapping::parse("mine", &suggestion.yaml).unwrap();
        assert_eq!(mapping.holds, Holds::Reports);
        let mut reader = Reader::new(text.as_bytes().to_vec(), &mapping).unwrap();
        let details = reader.next_row().unwrap().unwrap().draft.unwrap().details;
        assert_eq!((details.owners, details.accidents), (Some(2), Some(0)));
        let text = "Stock #,VIN,Price,Owners\nA1,1HGCM82633A004352,9995,2\n";
        let suggestion = suggest(text.as_bytes().to_vec(), "mine").unwrap();
        let mapping = Mapping::parse("mine", &suggestion.yaml).unwrap();
        assert_eq!(mapping.holds, Holds::Units);
        assert!(
            suggestion.yaml.contains(r##"# "Owners": "2""##),
            "{}",
            suggestion.yaml
        );
    }

    #[test]
    fn a_file_of_machines_in_xml_is_one_of_equipment() {
        let text = "<stock><machine><Ref>7</Ref><Manufacturer>Bobcat</Manufacturer><Hours>412</Hours></machine></stock>";
        let suggestion = suggest(text.as_bytes().to_vec(), "mine").unwrap();
        assert!(
            suggestion.yaml.contains("kind: equipment"),
            "{}",
            suggestion.yaml
        );
        assert!(
            suggestion
                .yaml
                .contains("No column looks like a stock number")
        );
        let mapping = Mapping::parse("mine", &suggestion.yaml).unwrap();
        let mut reader = Reader::new(text.as_bytes().to_vec(), &mapping).unwrap();
        let draft = reader.next_row().unwrap().unwrap().draft.unwrap();
        assert_eq!(
            (draft.stock_number.as_str(), draft.details.hours),
            ("7", Some(412))
        );
    }
}
