//! What names a unit in a row: its stock number, and which vehicle it is.

use crate::plan::Plan;
use domain::{Field, ListingDraft};

/// What tells units apart, whether they are for sale, and with what.
pub(crate) const IDENTITY: &[Field] =
    &[Field::StockNumber, Field::Status, Field::ParentStockNumber];
/// As the API takes them.
const LONGEST_STOCK_NUMBER: usize = 64;
const LONGEST_SERIAL: usize = 128;
/// 49 CFR 565: 17 characters from the model year 1981 on.
const FIRST_YEAR_OF_VINS: i64 = 1981;
const VIN_LENGTH: usize = 17;
/// Any of them says which vehicle a row is, beside its VIN and serial.
const NAMING: &[Field] = &[
    Field::Year,
    Field::Make,
    Field::Model,
    Field::Title,
    Field::Description,
    Field::Category,
    Field::ParentStockNumber,
];

/// How many characters a cell of this field may have, where it names a unit.
pub(crate) fn longest(field: Field) -> usize {
    match field {
        Field::StockNumber => LONGEST_STOCK_NUMBER,
        Field::Serial => LONGEST_SERIAL,
        _ => usize::MAX,
    }
}

/// Whether what stands for a VIN is the number that its maker gave a vehicle before there were VINs.
pub(crate) fn before_vins(draft: &ListingDraft, text: &str) -> bool {
    let year = draft.details.year;
    year.is_some_and(|year| year < FIRST_YEAR_OF_VINS) && text.len() < VIN_LENGTH
}

/// Whether the row is blank wherever its file says which vehicle a unit is, as one is that adds up those above.
pub(crate) fn names_no_vehicle(plan: &Plan, draft: &ListingDraft) -> bool {
    let there = |field: &&Field| plan.iter().any(|(column, _)| column.to == **field);
    let named = |field: &Field| draft.details.get(*field).is_some();
    draft.vin.is_none()
        && draft.serial.is_none()
        && NAMING.iter().filter(there).count() >= 2
        && !NAMING.iter().any(named)
}
