//! Which currency a row's money is in. Only US dollars are kept: anything else is refused, and never taken for them.

use crate::mapping::{Mapping, folded};
use crate::reader::blank;
use crate::sniff;
use csv::ByteRecord;

/// Words for US dollars, and their number (ISO 4217).
const DOLLARS: &[&str] = &[
    "usd",
    "us$",
    "$",
    "us",
    "usa",
    "usdollar",
    "usdollars",
    "dollar",
    "dollars",
    "840",
];

/// Where a row says it; nowhere in most files.
#[derive(Debug, Default)]
pub(crate) struct Currency {
    places: Vec<usize>,
}

impl Currency {
    pub(crate) fn of(names: &[String], mapping: &Mapping) -> Self {
        let wanted = mapping.currency.iter().map(|name| folded(name));
        let places = wanted.filter_map(|wanted| names.iter().position(|name| *name == wanted));
        Self {
            places: places.collect(),
        }
    }

    pub(crate) fn reads(&self, place: usize) -> bool {
        self.places.contains(&place)
    }

    /// What the row says, where that is not ours.
    pub(crate) fn foreign(&self, record: &ByteRecord, mapping: &Mapping) -> Option<String> {
        let said = self
            .places
            .iter()
            .filter_map(|place| record.get(*place))
            .map(|cell| sniff::decode(cell).trim().to_owned())
            .find(|cell| !blank(mapping, cell))?;
        let word: String = said
            .chars()
            .filter(|c| !matches!(c, '.' | ' '))
            .flat_map(char::to_lowercase)
            .collect();
        (!DOLLARS.contains(&word.as_str())).then_some(said)
    }
}
