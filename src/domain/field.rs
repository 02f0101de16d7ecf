//! The fields of a unit by name: what mappings fill, filters test and feeds print.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    Text,
    /// Whole numbers; the unit is in the field's name.
    Number,
    List,
    Date,
}

/// A field's value, borrowed from where it stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    Text(Cow<'a, str>),
    Number(i64),
    List(Cow<'a, [String]>),
    Date(jiff::civil::Date),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::List(items) => f.write_str(&items.join(",")),
            Self::Date(date) => write!(f, "{date}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no field is called {0:?}")]
pub struct UnknownField(pub String);

macro_rules! fields {
    ($($variant:ident = $name:literal $kind:ident),+ $(,)?) => {
        /// Every field a mapping may fill and a filter may test.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(into = "&'static str", try_from = "String")]
        pub enum Field { $($variant),+ }

        impl Field {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            pub fn field_type(self) -> FieldType {
                match self { $(Self::$variant => FieldType::$kind),+ }
            }

            pub fn parse(name: &str) -> Result<Self, UnknownField> {
                match name { $($name => Ok(Self::$variant),)+ _ => Err(UnknownField(name.to_owned())) }
            }
        }
    };
}

fields! {
    // Identity: these stand on the listing itself.
    Kind = "kind" Text,
    Status = "status" Text,
    Dealer = "dealer" Text,
    StockNumber = "stock_number" Text,
    Vin = "vin" Text,
    Serial = "serial" Text,
    // Details.
    Year = "year" Number,
    Make = "make" Text,
    Model = "model" Text,
    Trim = "trim" Text,
    Body = "body" Text,
    Category = "category" Text,
    Fuel = "fuel" Text,
    Drivetrain = "drivetrain" Text,
    Transmission = "transmission" Text,
    Engine = "engine" Text,
    Cylinders = "cylinders" Number,
    DisplacementCc = "displacement_cc" Number,
    Doors = "doors" Number,
    ExteriorColor = "exterior_color" Text,
    ExteriorBaseColor = "exterior_base_color" Text,
    InteriorColor = "interior_color" Text,
    InteriorBaseColor = "interior_base_color" Text,
    Condition = "condition" Text,
    TitleBrand = "title_brand" Text,
    // What partners report; nobody else's to say but an operator's.
    ReportedTitleBrand = "reported_title_brand" Text,
    Owners = "owners" Number,
    Accidents = "accidents" Number,
    // What units like this one are offered for.
    MarketCents = "market_cents" Number,
    PriceCents = "price_cents" Number,
    MsrpCents = "msrp_cents" Number,
    // Of all its money: ISO 4217.
    Currency = "currency" Text,
    // The highest price of a parent's units; its price is the lowest.
    PriceToCents = "price_to_cents" Number,
    OdometerKm = "odometer_km" Number,
    Hours = "hours" Number,
    Units = "units" Number,
    Title = "title" Text,
    Description = "description" Text,
    Link = "link" Text,
    DateInStock = "date_in_stock" Date,
    ParentStockNumber = "parent_stock_number" Text,
    ImageUrls = "image_urls" List,
    Options = "options" List,
}

impl Field {
    /// What a number of this field may be, whoever says it.
    pub fn range(self) -> std::ops::RangeInclusive<i64> {
        match self {
            // The first motor vehicles had no model year before this; 2100 leaves room.
            Self::Year => 1900..=2100,
            Self::PriceCents | Self::MsrpCents | Self::MarketCents | Self::PriceToCents => {
                0..=crate::money::LARGEST_CENTS
            }
            _ => 0..=1_000_000_000,
        }
    }

    /// Whether its values come from a history or a valuation, and never from a dealer's file.
    pub fn is_reported(self) -> bool {
        matches!(
            self,
            Self::ReportedTitleBrand | Self::Owners | Self::Accidents | Self::MarketCents
        )
    }
}

impl From<Field> for &'static str {
    fn from(field: Field) -> Self {
        field.name()
    }
}
impl TryFrom<String> for Field {
    type Error = UnknownField;
    fn try_from(name: String) -> Result<Self, UnknownField> {
        Self::parse(&name)
    }
}
