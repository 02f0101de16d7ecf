//! Names that say what a column is, beside those that mappings know; all as they compare, without blanks and case.

use domain::Field;

/// Header names (folded) that say which rooftop a row is of, by its key and by its name.
pub(super) const ROOFTOP_KEYS: &[&str] = &[
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
pub(super) const ROOFTOP_NAMES: &[&str] = &[
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

/// And which currency its prices are in.
pub(super) const CURRENCIES: &[&str] = &[
    "currency",
    "pricecurrency",
    "currencycode",
    "price@currency",
    "currencyiso",
    "curr",
    "devise",
    "währung",
    "waehrung",
];
/// And in which unit its distances are.
pub(super) const DISTANCES: &[&str] = &[
    "odometerunit",
    "odometerunits",
    "mileageunit",
    "mileageunits",
    "odometeruom",
    "distanceunit",
    "mileagetype",
];
/// Links that are not the unit's own page, by a word in their name.
pub(super) const OTHER_LINKS: &[&str] = &[
    "video",
    "carfax",
    "autocheck",
    "report",
    "sticker",
    "logo",
    "dealer",
    "brochure",
];
/// What stands beside a known word in a name, and makes it another thing.
pub(super) const OTHER_THINGS: &[&str] = &[
    "month", "payment", "week", "count", "limit", "status", "report", "number", "no", "date",
    "time", "unit", "type", "id", "updated",
];
/// Of these one column is read: another number is another thing.
pub(super) const IDENTITY: &[Field] = &[Field::StockNumber, Field::Vin, Field::Serial];
