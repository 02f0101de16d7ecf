//! Which currency a row's money is in: what the row says of it, else what an amount of it names, else what the mapping says of
//! all, else that of the dealer's country.

use crate::mapping::{Mapping, ReadAs, folded};
use crate::plan::Plan;
use crate::reader::blank;
use crate::sniff;
use csv::ByteRecord;
use domain::{Currency, Field, Money, UnknownCurrency};

/// Where a row says it; nowhere in most files.
#[derive(Debug, Default)]
pub(crate) struct Said {
    places: Vec<usize>,
}

impl Said {
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

    /// What the row's money is in. An `Err` is a word for none that we keep: its money is refused, and never taken for another's.
    pub(crate) fn of_row(
        &self,
        record: &ByteRecord,
        mapping: &Mapping,
        plan: &Plan,
    ) -> Result<Currency, UnknownCurrency> {
        let usual = mapping.usual_currency();
        let cells = |places: &[usize]| {
            let cells = places.iter().filter_map(|place| record.get(*place));
            let mut cells = cells.map(sniff::decode);
            cells.find(|cell| !blank(mapping, cell))
        };
        if let Some(said) = cells(&self.places) {
            return Currency::of_column(&said, usual);
        }
        let money = plan
            .iter()
            .filter(|(column, _)| column.read_as() == ReadAs::Money);
        let mut named = money.filter_map(|(_, places)| Money::named(&cells(places)?));
        Ok(named.next().unwrap_or(usual))
    }
}

impl Mapping {
    /// What money is in where a row does not say.
    pub fn usual_currency(&self) -> Currency {
        let said = self.constants.get(&Field::Currency);
        let said = said.and_then(|code| Currency::of_code(code));
        said.unwrap_or_default()
    }

    /// The same where the mapping does not say either.
    pub fn money_is_usually(&mut self, currency: Currency) {
        let code = || currency.code().to_owned();
        self.constants.entry(Field::Currency).or_insert_with(code);
    }
}
