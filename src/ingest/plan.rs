//! Which column of a file fills which field: by name, or by place when there is no header.

use crate::mapping::{Column, Mapping, folded};
use crate::sniff::{self, FileProblem};
use csv::ByteRecord;
use domain::Field;
use std::collections::{BTreeSet, HashMap};

/// Each mapped column with its places in the file, best name first.
pub(crate) type Plan = Vec<(Column, Vec<usize>)>;

pub(crate) fn names(header: &ByteRecord) -> Result<Vec<String>, FileProblem> {
    if header.len() > 500 {
        return Err(FileProblem::TooWide(header.len()));
    }
    Ok(header
        .iter()
        .map(|cell| folded(&sniff::decode(cell)))
        .collect())
}

fn missing(wanted: String, names: &[String]) -> FileProblem {
    FileProblem::MissingColumn {
        wanted,
        have: names
            .iter()
            .take(40)
            .cloned()
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// For each mapped field, the places of its columns in this file, best name first.
pub(crate) fn plan(names: &[String], mapping: &Mapping) -> Result<Plan, FileProblem> {
    let mut plan = Vec::new();
    for column in &mapping.columns {
        let mut places = Vec::new();
        for wanted in column.from.iter().map(|name| folded(name)) {
            let mut found = names
                .iter()
                .enumerate()
                .filter(|(_, name)| **name == wanted);
            if let Some((place, _)) = found.next() {
                places.push(place);
            }
            if column.required && found.next().is_some() {
                return Err(FileProblem::DoubleColumn(wanted));
            }
        }
        if places.is_empty() && column.required {
            return Err(missing(column.from.join(" or "), names));
        }
        if !places.is_empty() {
            plan.push((column.clone(), places));
        }
    }
    Ok(plan)
}

/// Without a header: the places the mapping says, and how many cells a row must have for them.
pub(crate) fn plan_by_place(mapping: &Mapping) -> (Plan, usize) {
    let placed = |column: &Column| Some((column.clone(), vec![column.at?.checked_sub(1)?]));
    let plan: Vec<_> = mapping.columns.iter().filter_map(placed).collect();
    let width = mapping.columns.iter().filter_map(|column| column.at).max();
    (plan, width.unwrap_or(0))
}

/// Fields that the file's columns fill.
pub(crate) fn fields(plan: &Plan) -> Vec<Field> {
    filled(plan.iter().map(|(column, _)| column.to))
}

/// Fields that the mapping has columns for, and the file has none of them.
pub(crate) fn absent(plan: &Plan, mapping: &Mapping) -> Vec<Field> {
    let (mut mapped, there) = (
        filled(mapping.columns.iter().map(|column| column.to)),
        fields(plan),
    );
    mapped.retain(|field| !there.contains(field));
    mapped
}

/// Each field once, and what is made of it.
fn filled(fields: impl Iterator<Item = Field>) -> Vec<Field> {
    let base = |field| match field {
        Field::ExteriorColor => Some(Field::ExteriorBaseColor),
        Field::InteriorColor => Some(Field::InteriorBaseColor),
        _ => None,
    };
    let all: BTreeSet<Field> = fields
        .flat_map(|field| [Some(field), base(field)])
        .flatten()
        .collect();
    all.into_iter().collect()
}

pub(crate) fn dealer_places(
    names: &[String],
    mapping: &Mapping,
) -> Result<HashMap<String, usize>, FileProblem> {
    let Some(columns) = &mapping.dealer else {
        return Ok(HashMap::new());
    };
    let place = |column: &String| {
        let wanted = folded(column);
        names.iter().position(|name| *name == wanted)
    };
    if place(&columns.name).is_none() {
        return Err(missing(columns.name.clone(), names));
    }
    let others = [
        &columns.street,
        &columns.city,
        &columns.state,
        &columns.postal_code,
    ];
    Ok(others
        .into_iter()
        .flatten()
        .chain([&columns.name])
        .filter_map(|column| Some((column.clone(), place(column)?)))
        .collect())
}
