//! What search knows of a listing.

use crate::text;
use domain::{Field, Kind, Listing, Value};
use serde::Serialize;

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal $field:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            pub fn name(self) -> &'static str { match self { $(Self::$variant => $word),+ } }
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
            pub(crate) fn field(self) -> Field { match self { $(Self::$variant => Field::$field),+ } }
        }
    };
}

names! {
    /// Fields with few values each, that people pick from.
    Facet {
        Make = "make" Make,
        Model = "model" Model,
        Trim = "trim" Trim,
        Year = "year" Year,
        Body = "body" Body,
        Category = "category" Category,
        Fuel = "fuel" Fuel,
        Drivetrain = "drivetrain" Drivetrain,
        Transmission = "transmission" Transmission,
        ExteriorColor = "exterior_color" ExteriorColor,
        ExteriorBaseColor = "exterior_base_color" ExteriorBaseColor,
        Condition = "condition" Condition,
        Currency = "currency" Currency,
        Dealer = "dealer" Dealer,
    }
}

names! {
    /// Fields people give bounds for, and sort by.
    Number {
        PriceCents = "price_cents" PriceCents,
        OdometerKm = "odometer_km" OdometerKm,
        Hours = "hours" Hours,
        ModelYear = "model_year" Year,
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub id: i64,
    pub kind: Kind,
    /// One value per facet, in the order of `Facet::ALL`; empty when blank.
    pub facets: Vec<String>,
    /// One value per number, in the order of `Number::ALL`.
    pub numbers: Vec<Option<i64>>,
    /// Folded, sorted, each once.
    pub terms: Vec<String>,
}

/// What free text looks in.
const SEARCHED: &[Field] = &[
    Field::Year,
    Field::Make,
    Field::Model,
    Field::Trim,
    Field::Body,
    Field::Category,
    Field::ExteriorColor,
    Field::ExteriorBaseColor,
    Field::Fuel,
    Field::Drivetrain,
    Field::Transmission,
    Field::Condition,
    Field::Title,
    Field::Options,
];

impl Document {
    pub fn of(listing: &Listing, dealer_key: &str) -> Self {
        let value = |field| domain::filter::field_of(listing, dealer_key, field);
        let facets = Facet::ALL
            .iter()
            .map(|facet| {
                value(facet.field())
                    .map(|v| v.to_string())
                    .unwrap_or_default()
            })
            .collect();
        let numbers = Number::ALL
            .iter()
            .map(|number| match value(number.field()) {
                Some(Value::Number(number)) => Some(number),
                _ => None,
            })
            .collect();
        let mut terms = vec![text::whole(&listing.stock_number)];
        terms.extend(listing.vin.iter().map(|vin| text::whole(vin.as_str())));
        terms.extend(listing.serial.iter().map(|serial| text::whole(serial)));
        for field in SEARCHED {
            match value(*field) {
                Some(Value::List(items)) => {
                    items.iter().for_each(|item| text::terms(item, &mut terms))
                }
                Some(value) => text::terms(&value.to_string(), &mut terms),
                None => {}
            }
        }
        terms.sort_unstable();
        terms.dedup();
        Self {
            id: listing.id,
            kind: listing.kind,
            facets,
            numbers,
            terms,
        }
    }
}
