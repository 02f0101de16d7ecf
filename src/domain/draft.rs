//! What one row of a dealer's file says about one unit, before it is a listing.

use crate::{Details, Kind, Vin};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListingDraft {
    pub kind: Kind,
    pub stock_number: String,
    pub vin: Option<Vin>,
    pub serial: Option<String>,
    /// Only what the row says; a blank cell is `None`, never an empty string.
    pub details: Details,
    /// The row in the file, counted from 1 for the first row after the header.
    pub row: u64,
}
