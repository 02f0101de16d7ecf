//! What one row of a dealer's file says about one unit, before it is a listing.

use crate::{Details, Field, Kind, Status, Vin};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListingDraft {
    pub kind: Kind,
    pub stock_number: String,
    pub vin: Option<Vin>,
    pub serial: Option<String>,
    /// Where the row says the unit stands; most files do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Only what the row says; a blank cell is `None`, never an empty string.
    pub details: Details,
    /// What the cell said, where a table of words made another value of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub originals: BTreeMap<Field, String>,
    /// Fields of which the row says something that could not be read: no word of theirs, and no blank either.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Field>,
    /// The row in the file, counted from 1 for the first row after the header.
    pub row: u64,
}
