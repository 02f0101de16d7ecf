//! A mapping to begin from, for a file nobody has mapped: its columns by the names that other mappings know, and
//! by what stands in them.

mod names;

use crate::mapping::{BUILT_IN, Column, Holds, Mapping, ReadAs, folded};
use crate::sniff::{self, FileProblem};
use crate::table::{Table, Told};
use crate::text::Text;
use crate::words;
use domain::{Field, FieldType, Kind, Vin};
use names::{
    CURRENCIES, DISTANCES, IDENTITY, OF_OTHER_LANGUAGES, OTHER_LINKS, OTHER_THINGS, ROOFTOP_KEYS,
    ROOFTOP_NAMES,
};
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
    let currency = claimed(&columns, &mut lines, CURRENCIES);
    let currency = currency.map_or(String::new(), |name| {
        format!("currency: [{}]\n", quoted(&name))
    });
    // In which unit distances are, where a column says it.
    let units = claimed(&columns, &mut lines, DISTANCES);
    let units = units.as_deref();
    // Names that are known first, what only looks like one after them. Of several names for one field the better one comes
    // first, as in the mappings they are known from: a selling price goes before a list price.
    let mut named: Vec<(&Alias, usize)> = columns
        .iter()
        .enumerate()
        .filter_map(|(place, column)| {
            let known = aliases.get(&folded(&column.name))?;
            column.fits(known.column.to).then_some((known, place))
        })
        .collect();
    named.sort_by_key(|(known, place)| (known.rank, *place));
    for (known, place) in &named {
        let field = known.column.to;
        if !taken.insert(field) {
            continue;
        }
        let mut names = vec![columns[*place].name.as_str()];
        if !IDENTITY.contains(&field) {
            for (other, place) in &named {
                if lines[*place].is_none()
                    && other.column.to == field
                    && !names.contains(&columns[*place].name.as_str())
                {
                    names.push(&columns[*place].name);
                    lines[*place] = Some(String::new());
                }
            }
        }
        lines[*place] = Some(columns[*place].line(&known.column, &names, joint, units, ""));
    }
    for (place, column) in columns.iter().enumerate() {
        if lines[place].is_none()
            && let Some(guess) = column.guess(&aliases, &taken)
        {
            taken.insert(guess.to);
            let names = [column.name.as_str()];
            lines[place] = Some(column.line(guess, &names, joint, units, "   # a guess"));
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
        "# Suggested from a file. Try it: forecourt mappings test FILE.yaml DATA\nname: {name}\nkind: {word}\n{holds}{currency}{rooftop}columns:\n"
    );
    if !taken.contains(&Field::StockNumber) {
        let instead = vins.or(columns.first()).map_or("", |column| &column.name);
        let _ = writeln!(
            yaml,
            "  # {apart}\n  - {{to: stock_number, from: [{}], required: true}}",
            quoted(instead)
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

/// A column that has one of these names and some values, where nothing else is read from it; it gets no line.
fn claimed(columns: &[Seen], lines: &mut [Option<String>], names: &[&str]) -> Option<String> {
    let mut all = columns.iter().zip(lines.iter_mut());
    let (column, line) = all.find(|(column, line)| {
        let name = folded(&column.name);
        line.is_none() && !column.values.is_empty() && names.contains(&name.as_str())
    })?;
    *line = Some(String::new());
    Some(column.name.clone())
}

/// As YAML has it. Signs that no one sees, and that make no difference between names, are left out.
fn quoted(text: &str) -> String {
    let seen = |c: char| {
        if c.is_alphanumeric() || c.is_ascii_graphic() {
            c
        } else {
            ' '
        }
    };
    let text: String = text.chars().map(seen).collect();
    serde_json::Value::from(text.trim()).to_string()
}

/// Where the rows say whose unit each is, of the columns that nothing else was read from; those get no line.
fn rooftop(columns: &[Seen], lines: &mut [Option<String>]) -> String {
    let key = claimed(columns, lines, ROOFTOP_KEYS);
    match (key, claimed(columns, lines, ROOFTOP_NAMES)) {
        (None, None) => String::new(),
        (key, name) => {
            let key = key.map(|key| format!("key: {}", quoted(&key)));
            let name = name.map(|name| format!("name: {}", quoted(&name)));
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
    let table = Table::in_form(Text::in_memory(bytes), Told::default())?;
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
            .filter_map(|column| Some(aliases.get(&folded(&column.name))?.column.to))
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

/// A name that a mapping knows, and how good it is among those of its field.
struct Alias {
    column: Column,
    rank: usize,
    /// A name that only begins or ends so may be it.
    whole: bool,
}

/// Every name that a built-in mapping of such files knows, those of the same kind first.
fn aliases(kind: Kind, holds: Holds) -> HashMap<String, Alias> {
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
            let rank = aliases.len();
            aliases.entry(folded(name)).or_insert_with(|| Alias {
                column: column.clone(),
                rank,
                whole: false,
            });
        }
    }
    let of = |aliases: &HashMap<String, Alias>, field: Field| {
        let all = aliases.values().map(|alias| &alias.column);
        let mut of_field = all.filter(|column| column.to == field);
        of_field.next().cloned()
    };
    for (field, read_as, names) in OF_OTHER_LANGUAGES {
        let Some(like) = of(&aliases, *field) else {
            continue;
        };
        for name in names.split_whitespace() {
            let rank = aliases.len();
            let column = Column {
                read_as: *read_as,
                ..like.clone()
            };
            aliases.entry(name.to_owned()).or_insert(Alias {
                column,
                rank,
                whole: true,
            });
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
            // What is not looked up is not what the field is of.
            (Field::Condition, _) => self.mostly(|value| words::normal(field, value).is_some()),
            (Field::Status, _) => self.mostly(|value| words::status(value).is_some()),
            (Field::Link, _) => self.mostly(|value| value.starts_with("http")),
            (Field::ImageUrls, _) => {
                self.mostly(|value| value.contains('/') || value.contains('.'))
            }
            (_, FieldType::Date) => self.mostly(|value| value.bytes().any(|b| b.is_ascii_digit())),
            (_, FieldType::Number) => self
                .values
                .iter()
                .any(|v| v.bytes().any(|b| b.is_ascii_digit())),
            _ => true,
        }
    }

    fn guess<'a>(
        &self,
        aliases: &'a HashMap<String, Alias>,
        taken: &HashSet<Field>,
    ) -> Option<&'a Column> {
        let of = |field: Field| {
            let all = aliases.values().map(|alias| &alias.column);
            all.filter(|column| column.to == field && !taken.contains(&field))
                .min_by_key(|column| column.from.first().cloned())
        };
        let name = folded(&self.name);
        if self.mostly(|value| value.starts_with("http"))
            && OTHER_LINKS.iter().any(|word| name.contains(word))
        {
            return None;
        }
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
        let mut near: Vec<(&String, &Column)> = aliases
            .iter()
            .filter(|(_, known)| !known.whole)
            .map(|(alias, known)| (alias, &known.column))
            .filter(|(alias, column)| {
                let rest = name.replacen(alias.as_str(), "", 1);
                alias.len() >= 4
                    && !OTHER_THINGS.iter().any(|word| rest.contains(word))
                    && (name.ends_with(alias.as_str()) || name.starts_with(alias.as_str()))
                    && !taken.contains(&column.to)
                    && self.fits(column.to)
            })
            .collect();
        near.sort_by_key(|(alias, _)| (std::cmp::Reverse(alias.len()), (*alias).clone()));
        near.first().map(|(_, column)| *column)
    }

    fn line(
        &self,
        like: &Column,
        names: &[&str],
        joint: char,
        units: Option<&str>,
        remark: &str,
    ) -> String {
        let field = like.to;
        let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        let mut line = format!("  - {{to: {}, from: [{}]", field.name(), names.join(", "));
        let distance = matches!(like.read_as, Some(ReadAs::Miles | ReadAs::Kilometres));
        if let Some(read_as) = like.read_as {
            // As the mapping's own words are.
            let word = serde_json::to_value(read_as).unwrap_or_default();
            let _ = write!(line, ", as: {}", word.as_str().unwrap_or_default());
        }
        if let Some(units) = units.filter(|_| distance) {
            let _ = write!(line, ", unit_from: [{}]", quoted(units));
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
        // Between two addresses stands nothing else.
        let between = self.values.iter().find_map(|value| {
            let second = value.match_indices("http").nth(1)?.0;
            value[..second].chars().next_back()
        });
        if let Some(sign) = between.filter(|sign| matches!(sign, ' ' | '|' | ';' | ',')) {
            let before = |value: &String| {
                let second = value.match_indices("http").nth(1)?.0;
                value[..second].trim_end().chars().next_back()
            };
            let close = self.values.iter().find_map(before);
            return match close {
                Some(close @ ('|' | ';' | ',')) => close,
                _ => sign,
            };
        }
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
mod tests;
