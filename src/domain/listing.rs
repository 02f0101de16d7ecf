//! One unit of stock as the stores keep it.

use crate::{Details, Provenance, Vin};
use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// `None` for a word that is not one of ours.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// What a unit is. A parent groups units (a prime unit with its attachments).
    Kind { Vehicle = "vehicle", Equipment = "equipment", Parent = "parent" }
}

words! {
    /// Where a unit stands in its life.
    Status {
        Available = "available",
        Pending = "pending",
        Sold = "sold",
        Removed = "removed",
        Archived = "archived",
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    pub id: i64,
    pub dealer_id: i64,
    pub kind: Kind,
    pub status: Status,
    /// The dealer's own number, unique within the rooftop.
    pub stock_number: String,
    pub vin: Option<Vin>,
    pub serial: Option<String>,
    pub details: Details,
    pub provenance: Provenance,
    /// Counts up with every change; later wins.
    pub version: i64,
}
