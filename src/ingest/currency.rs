//! What a row's money is in: what the row says, else what an amount of it names, else the mapping's constant, else what the
//! rooftop's country has.

use crate::mapping::{Mapping, ReadAs, folded};
use crate::plan::Plan;
use crate::reader::blank;
use crate::{sniff, words};
use csv::ByteRecord;
use domain::{Currency, Dealer, Field, Money, UnknownCurrency};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// Header names of the column, or those and what its words mean.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "Written")]
pub struct CurrencyColumn {
    pub from: Vec<String>,
    /// What a cell says, compared without case, to the code that it means.
    pub words: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Names(Vec<String>),
    Column {
        from: Vec<String>,
        #[serde(default)]
        words: BTreeMap<String, String>,
    },
}

impl From<Written> for CurrencyColumn {
    fn from(written: Written) -> Self {
        let (from, words) = match written {
            Written::Names(from) => (from, BTreeMap::new()),
            Written::Column { from, words } => (from, words),
        };
        Self { from, words }
    }
}

/// In which countries rooftops are.
#[derive(Clone, Debug, Default)]
pub struct Homes {
    /// Of the one rooftop whose file it is; blank for the United States.
    pub country: String,
    /// By the keys of the rooftops that its rows name.
    pub by_rooftop: HashMap<String, String>,
}

impl Homes {
    /// Of a row of that rooftop, where rows name theirs: as it is known, else as the row says.
    pub(crate) fn country_of<'a>(&'a self, rooftop: Option<&'a Dealer>) -> &'a str {
        let Some(rooftop) = rooftop else {
            return &self.country;
        };
        let known = self.by_rooftop.get(&rooftop.key);
        known.unwrap_or(&rooftop.country)
    }
}

/// Where a row says it; nowhere in most files.
#[derive(Debug, Default)]
pub(crate) struct Said {
    places: Vec<usize>,
}

/// What a row's money is in, and whether the row or an amount of it says so.
#[derive(Debug)]
pub(crate) struct RowIn {
    pub(crate) currency: Result<Currency, UnknownCurrency>,
    pub(crate) said: bool,
}

impl Said {
    pub(crate) fn of(names: &[String], mapping: &Mapping) -> Self {
        let wanted = mapping.currency.from.iter().map(|name| folded(name));
        let places = wanted.filter_map(|wanted| names.iter().position(|name| *name == wanted));
        Self {
            places: places.collect(),
        }
    }

    pub(crate) fn reads(&self, place: usize) -> bool {
        self.places.contains(&place)
    }

    /// The file has a column for it.
    pub(crate) fn is_there(&self) -> bool {
        !self.places.is_empty()
    }

    /// Of a row whose rooftop is in that country.
    pub(crate) fn of_row(
        &self,
        record: &ByteRecord,
        mapping: &Mapping,
        plan: &Plan,
        country: &str,
    ) -> RowIn {
        let usual = match mapping.constants.get(&Field::Currency) {
            Some(code) => Ok(Currency::of_code(code).unwrap_or_default()),
            None => Currency::usual_in(country),
        };
        let cells = |places: &[usize]| {
            let cells = places.iter().filter_map(|place| record.get(*place));
            let mut cells = cells.map(sniff::decode);
            cells.find(|cell| !blank(mapping, cell))
        };
        if let Some(cell) = cells(&self.places) {
            let cell = cell.trim();
            let mut words = mapping.currency.words.iter();
            let meant = words.find(|(word, _)| words::same(word, cell));
            let cell = meant.map_or(cell, |(_, code)| code);
            let usual = usual.as_ref().copied().unwrap_or_default();
            return RowIn {
                currency: Currency::of_column(cell, usual),
                said: true,
            };
        }
        let money = plan
            .iter()
            .filter(|(column, _)| column.read_as() == ReadAs::Money);
        let mut named = money.filter_map(|(_, places)| Money::named(&cells(places)?));
        match named.next() {
            Some(named) => RowIn {
                currency: Ok(named),
                said: true,
            },
            None => RowIn {
                currency: usual,
                said: false,
            },
        }
    }
}
