//! Which column of a file fills which field: by name, or by place when there is no header.

use crate::mapping::{Cell, Column, DealerColumns, Mapping, folded};
use crate::rooftop::Rooftop;
use crate::sniff::{self, FileProblem};
use csv::ByteRecord;
use domain::Field;
use std::collections::BTreeSet;

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

/// For each mapped field, the places of its columns in this file, best name first. A column none of whose names is there
/// is where the mapping says, unless another's name is.
pub(crate) fn plan(names: &[String], mapping: &Mapping) -> Result<Plan, FileProblem> {
    let mut found = Vec::new();
    for column in &mapping.columns {
        let places = places(&column.from, names);
        let twice =
            |name: &&String| names.iter().filter(|known| **known == folded(name)).count() > 1;
        if let Some(name) = column.from.iter().find(twice).filter(|_| column.required) {
            return Err(FileProblem::DoubleColumn(folded(name)));
        }
        found.push((column, places));
    }
    let taken: BTreeSet<usize> = found
        .iter()
        .flat_map(|(_, places)| places.clone())
        .collect();
    let mut plan = Vec::new();
    for (column, mut places) in found {
        if places.is_empty() {
            let at = column.at.and_then(|at| at.checked_sub(1));
            places.extend(at.filter(|at| *at < names.len() && !taken.contains(at)));
        }
        if places.is_empty() && column.required {
            let wanted = match column.at {
                Some(at) if column.from.is_empty() => format!("a column {at}"),
                _ => column.from.join(" or "),
            };
            return Err(missing(wanted, names));
        }
        if !places.is_empty() {
            let mut column = column.clone();
            column.unit_places = self::places(&column.unit_from, names);
            plan.push((column, places));
        }
    }
    Ok(plan)
}

/// Where the columns of these names are, best name first; of two of a name the first.
fn places(wanted: &[String], names: &[String]) -> Vec<usize> {
    let place = |wanted: &String| {
        let wanted = folded(wanted);
        names.iter().position(|name| *name == wanted)
    };
    wanted.iter().filter_map(place).collect()
}

/// Without a header: the places the mapping says, and how many cells a row must have for them.
pub(crate) fn plan_by_place(mapping: &Mapping) -> (Plan, usize) {
    let placed = |column: &Column| Some((column.clone(), vec![column.at?.checked_sub(1)?]));
    let plan: Vec<_> = mapping.columns.iter().filter_map(placed).collect();
    let dealer = mapping.dealer.iter().flat_map(DealerColumns::cells);
    let dealer = dealer.filter_map(|cell| match cell {
        Cell::At(at) => Some(*at),
        _ => None,
    });
    let places = mapping.columns.iter().filter_map(|column| column.at);
    (plan, places.chain(dealer).max().unwrap_or(0))
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

/// Where the cells of a row that say whose unit it is are.
pub(crate) fn of_dealer(
    columns: &DealerColumns,
    names: Option<&[String]>,
) -> Result<Rooftop, FileProblem> {
    let find = |cell: &Option<Cell>| match (cell, names) {
        (Some(Cell::At(at)), names) => at
            .checked_sub(1)
            .filter(|at| names.is_none_or(|names| *at < names.len()))
            .into_iter()
            .collect(),
        (Some(Cell::Name(name)), Some(names)) => places(std::slice::from_ref(name), names),
        (Some(Cell::Names(wanted)), Some(names)) => places(wanted, names),
        _ => Vec::new(),
    };
    let rooftop = Rooftop {
        key: find(&columns.key),
        name: find(&columns.name),
        street: find(&columns.street),
        city: find(&columns.city),
        state: find(&columns.state),
        postal_code: find(&columns.postal_code),
        country: find(&columns.country),
    };
    // By one of the two it is told apart.
    let (told, by) = match &columns.key {
        Some(key) => (&rooftop.key, Some(key)),
        None => (&rooftop.name, columns.name.as_ref()),
    };
    if let (true, Some(by)) = (told.is_empty(), by) {
        let wanted = match by {
            Cell::Name(name) => name.clone(),
            Cell::Names(names) => names.join(" or "),
            Cell::At(at) => format!("a column {at}"),
        };
        return Err(missing(wanted, names.unwrap_or_default()));
    }
    Ok(rooftop)
}
