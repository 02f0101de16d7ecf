//! The fields of a unit by name: what mappings fill, filters test and feeds print.

use crate::{Currency, UnknownCurrency};
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

/// A text that somebody types may be this long, in bytes.
const LONGEST: usize = 10_000;

impl Field {
    /// What a number of this field may be, whoever says it.
    pub fn range(self) -> std::ops::RangeInclusive<i64> {
        match self {
            // The first motor vehicles had no model year before this; 2100 leaves room.
            Self::Year => 1900..=2100,
            _ if self.is_money() => 0..=crate::money::LARGEST_CENTS,
            Self::Doors | Self::Cylinders => 0..=24,
            Self::OdometerKm => 0..=crate::odometer::LARGEST_KM,
            // A hundred litres: no engine that is sold on wheels or tracks has more.
            Self::DisplacementCc => 0..=100_000,
            // What a report counts of one vehicle; more is a year, or another number of the page.
            Self::Owners | Self::Accidents => 0..=50,
            _ => 0..=1_000_000_000,
        }
    }

    /// A value as people type it: whole numbers in the field's unit, lists by commas, dates as 2026-11-23.
    pub fn read(self, text: &str) -> Result<Value<'static>, String> {
        let (name, text) = (self.name(), text.trim());
        let wanted = |what: &str| format!("{name}: {text:?} is not {what}");
        if text.is_empty() || text.len() > LONGEST || text.contains('\0') {
            return Err(wanted("a text of 1 to 10000 bytes"));
        }
        Ok(match self.field_type() {
            FieldType::Text => Value::Text(text.to_owned().into()),
            FieldType::Number => {
                let number = text.parse().ok().filter(|number: &i64| *number >= 0);
                Value::Number(number.ok_or_else(|| wanted("a whole number of 0 or more"))?)
            }
            FieldType::Date => {
                let date = text.parse().map_err(|_| wanted("a date like 2026-11-23"))?;
                Value::Date(date)
            }
            FieldType::List => {
                let items = text.split(',').map(|item| item.trim().to_owned());
                Value::List(
                    items
                        .filter(|item| !item.is_empty())
                        .collect::<Vec<_>>()
                        .into(),
                )
            }
        })
    }

    /// Whether it may have the value, whoever says it: a number in its range, a currency that is kept.
    pub fn judged(self, value: &Value<'_>) -> Result<(), String> {
        let (name, range) = (self.name(), self.range());
        match (self, value) {
            (_, Value::Number(number)) if !range.contains(number) => {
                let (from, to) = (range.start(), range.end());
                Err(format!("{name}: {number} is not between {from} and {to}"))
            }
            (Self::Currency, Value::Text(code)) if Currency::of_code(code).is_none() => {
                Err(format!("{name}: {}", UnknownCurrency(code.to_string())))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is an amount, in hundredths of the unit's currency.
    pub fn is_money(self) -> bool {
        matches!(
            self,
            Self::PriceCents | Self::MsrpCents | Self::MarketCents | Self::PriceToCents
        )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_is_read_by_the_fields_type() {
        assert_eq!(Field::Year.read(" 2019 "), Ok(Value::Number(2019)));
        // Sixty million dollars: a ship.
        let cents = Field::PriceCents.read("6000000000").unwrap();
        assert_eq!(Field::PriceCents.judged(&cents), Ok(()));
        let far = Field::OdometerKm.judged(&Value::Number(3_218_689));
        assert!(far.unwrap_err().contains("odometer_km"));
        let options = vec!["Winch".to_owned(), "4X4".to_owned()];
        assert_eq!(
            Field::Options.read("Winch, 4X4,"),
            Ok(Value::List(options.into()))
        );
        for (field, text, word) in [
            (Field::Year, "-5", "whole number"),
            (Field::PriceCents, "cheap", "price_cents: \"cheap\""),
            (Field::DateInStock, "yesterday", "date like"),
            (Field::Make, "  ", "text of 1"),
        ] {
            let told = field.read(text).unwrap_err();
            assert!(told.contains(word), "{told}");
        }
        assert_eq!(Field::Doors.judged(&Value::Number(4)), Ok(()));
        let told = Field::Doors.judged(&Value::Number(25)).unwrap_err();
        assert_eq!(told, "doors: 25 is not between 0 and 24");
        assert!(Field::Currency.judged(&Value::Text("usd".into())).is_err());
    }
}
