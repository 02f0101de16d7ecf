//! XML and JSON as tables: each unit becomes a row, what is inside it columns named by their path
//! (`price.amount`, `photos.photo@url`). What repeats within a unit is joined by `|`; what the elements around it say of
//! themselves before it is its own too (`dealer@id`).

mod outer;
mod units;

use self::outer::Outer;
use crate::sniff::{FileProblem, HEAD};
use crate::text::{Bounded, Share, Text, unusable};
use crate::unpack::LARGEST;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::io::Seek;

/// Path and text of everything in one unit.
type Unit = Vec<(String, String)>;

/// What is done with each unit.
type Each<'a> = &'a mut dyn FnMut(Unit) -> Result<(), FileProblem>;

/// Deeper nesting is no inventory.
const DEEPEST: usize = 32;
const MOST_COLUMNS: usize = 500;
/// What one unit may take in the file, in bytes.
const LARGEST_UNIT: usize = 4 * 1024 * 1024;
/// An object that holds the whole list is read at once.
const LARGEST_OBJECT: usize = 8 * 1024 * 1024;
/// Each value has its path: a few megabytes of a unit could stand for gigabytes of them.
const LONGEST_PATH: usize = 256;
const MOST_VALUES: usize = 10_000;
/// Between what repeats.
pub(crate) const JOINT: char = '|';

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Table,
    Xml,
    Json,
}

pub(crate) fn form(text: &[u8]) -> Form {
    let start = text.trim_ascii_start();
    match start.first() {
        Some(b'<') => Form::Xml,
        Some(b'{' | b'[') => Form::Json,
        _ => Form::Table,
    }
}

/// The same as comma-separated text with a header of every path that any unit has. `unit` names the element or
/// key that holds a unit; without it they are found by looking.
pub(crate) fn to_table(
    mut text: Text,
    form: Form,
    unit: Option<&str>,
) -> Result<Text, FileProblem> {
    let found = match (unit, form) {
        (None, Form::Xml) => units::element(&text.head(HEAD)?),
        _ => None,
    };
    let unit = unit.or(found.as_deref());
    let mut columns: Vec<String> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    each(&mut text, form, unit, &mut |unit| {
        for (path, _) in unit {
            if !places.contains_key(&path) {
                places.insert(path.clone(), columns.len());
                columns.push(path);
            }
        }
        if columns.len() > MOST_COLUMNS {
            return Err(FileProblem::TooWide(columns.len()));
        }
        Ok(())
    })?;
    if columns.is_empty() {
        let wanted = unit.unwrap_or("a list of units").to_owned();
        return Err(FileProblem::NoUnits { wanted });
    }
    let unwritten = |error: csv::Error| FileProblem::Unreadable {
        row: 0,
        problem: error.to_string(),
    };
    let empty = text.made(|_| Ok(()))?;
    empty.made(|into| {
        let mut table = csv::Writer::from_writer(into);
        table.write_record(&columns).map_err(unwritten)?;
        let mut row = vec![String::new(); columns.len()];
        let mut size = 0u64;
        each(&mut text, form, unit, &mut |unit| {
            row.iter_mut().for_each(String::clear);
            for (path, text) in unit {
                let Some(cell) = places.get(&path).and_then(|place| row.get_mut(*place)) else {
                    continue;
                };
                if !cell.is_empty() {
                    cell.push(JOINT);
                }
                cell.push_str(&text);
            }
            // A few bytes of each unit can stand for hundreds of empty cells.
            size += row.iter().map(|cell| cell.len() as u64 + 1).sum::<u64>();
            if size > LARGEST {
                return Err(FileProblem::Unreadable {
                    row: 0,
                    problem: format!("as a table it has more than {LARGEST} bytes"),
                });
            }
            table.write_record(&row).map_err(unwritten)
        })?;
        table.flush().map_err(|error| unusable(&error))
    })
}

fn each(
    text: &mut Text,
    form: Form,
    unit: Option<&str>,
    with: Each<'_>,
) -> Result<(), FileProblem> {
    text.rewind().map_err(|error| unusable(&error))?;
    match form {
        Form::Xml => each_element(text, unit, with),
        Form::Json => each_object(text, unit, with),
        Form::Table => Ok(()),
    }
}

fn each_element(text: &mut Text, unit: Option<&str>, with: Each<'_>) -> Result<(), FileProblem> {
    let bounded = Bounded::new(text.buffered(), LARGEST_UNIT);
    let share = bounded.share();
    let mut reader = quick_xml::Reader::from_reader(bounded);
    let mut buffer = Vec::new();
    reader.config_mut().expand_empty_elements = true;
    let (mut path, mut depth, mut row) = (Vec::<Level>::new(), 0usize, 0u64);
    let mut found: Option<Unit> = None;
    let mut outer = Outer::default();
    loop {
        let bad = |problem: String| FileProblem::Unreadable {
            row: row + 1,
            problem,
        };
        buffer.clear();
        if found.is_none() {
            share.allow(LARGEST_UNIT);
        }
        let event = reader
            .read_event_into(&mut buffer)
            .map_err(|error| bad(format!("{error}, at byte {}", reader.error_position())))?;
        match event {
            Event::Start(element) => {
                depth += 1;
                if depth > DEEPEST {
                    return Err(bad(format!("elements {DEEPEST} deep")));
                }
                let name = local_name(&element);
                match &mut found {
                    None => {
                        if unit.map_or(depth == 2, |unit| unit.eq_ignore_ascii_case(&name)) {
                            let mut fresh = Unit::new();
                            attributes(&element, "", &mut fresh).map_err(bad)?;
                            found = Some(fresh);
                            path.clear();
                            path.push(Level::default());
                        } else {
                            let mut said = Unit::new();
                            attributes(&element, &name, &mut said).map_err(bad)?;
                            outer.begins(name, said);
                        }
                    }
                    Some(fresh) => {
                        let above = path.last().map_or("", |level| level.path.as_str());
                        let below = joined(above, &name);
                        attributes(&element, &below, fresh).map_err(bad)?;
                        path.push(Level {
                            path: below,
                            text: String::new(),
                        });
                    }
                }
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                if found.is_none() {
                    outer.ends();
                }
                if let (Some(fresh), Some(level)) = (&mut found, path.pop()) {
                    let text = level.text.trim();
                    if !text.is_empty() {
                        add(fresh, &level.path, text).map_err(bad)?;
                    }
                }
                if path.is_empty()
                    && let Some(mut done) = found.take()
                {
                    row += 1;
                    outer.hand_down(&mut done);
                    with(done)?;
                }
            }
            Event::Text(text) => {
                let said = text.xml10_content().map_err(|e| bad(e.to_string()))?;
                match path.last_mut() {
                    Some(level) => level.text.push_str(&said),
                    None => outer.says(&said),
                }
            }
            Event::CData(text) => {
                let said = text.decode().map_err(|e| bad(e.to_string()))?;
                match path.last_mut() {
                    Some(level) => level.text.push_str(&said),
                    None => outer.says(&said),
                }
            }
            Event::GeneralRef(reference) => {
                let sign = match reference.resolve_char_ref() {
                    Ok(Some(sign)) => Some(sign),
                    Ok(None) => predefined(&reference.decode().unwrap_or_default()),
                    Err(error) => return Err(bad(error.to_string())),
                };
                let Some(sign) = sign else {
                    let name = reference.decode().unwrap_or_default().into_owned();
                    return Err(bad(format!("the entity &{name}; is not one of XML's five")));
                };
                match path.last_mut() {
                    Some(level) => level.text.push(sign),
                    None => outer.says(sign.encode_utf8(&mut [0; 4])),
                }
            }
            // What it would define could be a bomb, or a file of ours.
            Event::DocType(_) => return Err(bad("a document type is not taken".to_owned())),
            Event::Eof if depth > 0 => {
                return Err(bad("the file ends inside an element".to_owned()));
            }
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

/// One more value of a unit, within bounds.
fn add(unit: &mut Unit, path: &str, text: &str) -> Result<(), String> {
    if path.len() > LONGEST_PATH {
        let shown: String = path.chars().take(40).collect();
        return Err(format!(
            "{shown}…: a path of {} bytes, it may have {LONGEST_PATH}",
            path.len()
        ));
    }
    if unit.len() >= MOST_VALUES {
        return Err(format!("more than {MOST_VALUES} values in one unit"));
    }
    unit.push((path.to_owned(), text.to_owned()));
    Ok(())
}

/// An element that is open inside a unit.
#[derive(Default)]
struct Level {
    path: String,
    text: String,
}

/// XML 1.0, 4.6.
fn predefined(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

fn local_name(element: &BytesStart<'_>) -> String {
    String::from_utf8_lossy(element.local_name().as_ref()).into_owned()
}

fn joined(above: &str, name: &str) -> String {
    if above.is_empty() {
        name.to_owned()
    } else {
        format!("{above}.{name}")
    }
}

fn attributes(element: &BytesStart<'_>, path: &str, unit: &mut Unit) -> Result<(), String> {
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let name = String::from_utf8_lossy(attribute.key.local_name().as_ref()).into_owned();
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|error| error.to_string())?;
        if !value.trim().is_empty() {
            add(unit, &format!("{path}@{name}"), value.trim())?;
        }
    }
    Ok(())
}

fn each_object(text: &mut Text, unit: Option<&str>, with: Each<'_>) -> Result<(), FileProblem> {
    let bad = |row: u64, error: &serde_json::Error| FileProblem::Unreadable {
        row,
        problem: error.to_string(),
    };
    let head = text.head(HEAD)?;
    let bounded = Bounded::new(text.buffered(), LARGEST_UNIT);
    let share = bounded.share();
    if head.trim_ascii_start().starts_with(b"[") {
        let mut state = Seen {
            row: 0,
            with,
            share,
            problem: None,
        };
        let mut reader = serde_json::Deserializer::from_reader(bounded);
        let read = (&mut state).deserialize(&mut reader);
        if let Some(problem) = state.problem.take() {
            return Err(problem);
        }
        return read
            .and_then(|()| reader.end())
            .map_err(|error| bad(state.row + 1, &error));
    }
    // One object with a list inside, or an object a line.
    share.allow(LARGEST_OBJECT);
    let mut row = 0;
    let mut values = serde_json::Deserializer::from_reader(bounded).into_iter::<Value>();
    let Some(first) = values.next() else {
        return Ok(());
    };
    let first = first.map_err(|error| bad(1, &error))?;
    let refused = |row: u64| move |problem: String| FileProblem::Unreadable { row, problem };
    if list_in(&first, unit, false).is_none() {
        share.allow(LARGEST_UNIT);
    } else {
        share.allow(LARGEST_OBJECT);
    }
    let second = values.next();
    let single = second.is_none();
    // Pages of one list follow each other; so do units.
    let pages = list_in(&first, unit, single).is_some();
    let share_of_one = if pages { LARGEST_OBJECT } else { LARGEST_UNIT };
    share.allow(share_of_one);
    for value in std::iter::once(Ok(first)).chain(second).chain(values) {
        let value = value.map_err(|error| bad(row + 1, &error))?;
        share.allow(share_of_one);
        if !pages {
            row += 1;
            with(flattened(&value).map_err(refused(row))?)?;
            continue;
        }
        let units = list_in(&value, unit, single).ok_or_else(|| {
            refused(row + 1)("behind a list of units comes something that has none".to_owned())
        })?;
        for value in units {
            row += 1;
            with(flattened(value).map_err(refused(row))?)?;
        }
    }
    Ok(())
}

/// The units in an object: those that the path leads to, else those that look like it.
fn list_in<'a>(value: &'a Value, unit: Option<&str>, single: bool) -> Option<Vec<&'a Value>> {
    match unit {
        Some(path) => units::at(value, path),
        None => units::list(value, single),
    }
}

/// A list that is read a unit at a time.
struct Seen<'a> {
    row: u64,
    with: Each<'a>,
    share: Share,
    problem: Option<FileProblem>,
}

impl<'de> DeserializeSeed<'de> for &mut Seen<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for &mut Seen<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of units")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(value) = list.next_element::<Value>()? {
            self.row += 1;
            self.share.allow(LARGEST_UNIT);
            let row = self.row;
            let taken = flattened(&value)
                .map_err(|problem| FileProblem::Unreadable { row, problem })
                .and_then(|unit| (self.with)(unit));
            if let Err(problem) = taken {
                self.problem = Some(problem);
                return Err(serde::de::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

/// A whole number without a fraction, however it was written (`1e3`); one of more digits than can be kept shows it.
fn plain(number: &serde_json::Number) -> String {
    match number.as_f64() {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and below 2^53")]
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9.0e15 => {
            (float as i64).to_string()
        }
        _ => number.to_string(),
    }
}

fn flattened(value: &Value) -> Result<Unit, String> {
    fn go(value: &Value, path: &str, unit: &mut Unit) -> Result<(), String> {
        match value {
            Value::Null => Ok(()),
            Value::Object(fields) => fields
                .iter()
                .try_for_each(|(name, value)| go(value, &joined(path, name), unit)),
            Value::Array(items) => items.iter().try_for_each(|item| go(item, path, unit)),
            Value::String(text) if text.trim().is_empty() => Ok(()),
            Value::String(text) => add(unit, path, text),
            Value::Number(number) => add(unit, path, &plain(number)),
            other => add(unit, path, &other.to_string()),
        }
    }
    let mut unit = Unit::new();
    go(value, "", &mut unit)?;
    Ok(unit)
}

#[cfg(test)]
mod tests;
