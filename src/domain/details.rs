//! The describing fields of a unit, each optional because each may be missing from a file.

use crate::{Currency, Field, Value};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

macro_rules! details {
    (text { $($text:ident $tf:ident),+ $(,)? } number { $($number:ident $nf:ident),+ $(,)? }
     list { $($list:ident $lf:ident),+ $(,)? } date { $($date:ident $df:ident),+ $(,)? }) => {
        /// Units are in the names; money is in `currency`, US dollars where it is blank.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Details {
            $(#[serde(skip_serializing_if = "Option::is_none")] pub $text: Option<String>,)+
            $(#[serde(skip_serializing_if = "Option::is_none")] pub $number: Option<i64>,)+
            $(#[serde(skip_serializing_if = "Vec::is_empty")] pub $list: Vec<String>,)+
            $(#[serde(skip_serializing_if = "Option::is_none")] pub $date: Option<Date>,)+
        }

        impl Details {
            /// The fields that stand in `Details` (identity fields stand on the listing).
            pub const FIELDS: &'static [Field] = &[
                $(Field::$tf,)+ $(Field::$nf,)+ $(Field::$lf,)+ $(Field::$df,)+
            ];

            /// `None` for a blank field and for fields that stand on the listing.
            pub fn get(&self, field: Field) -> Option<Value<'_>> {
                match field {
                    $(Field::$tf => self.$text.as_deref().map(|t| Value::Text(Cow::Borrowed(t))),)+
                    $(Field::$nf => self.$number.map(Value::Number),)+
                    $(Field::$lf => (!self.$list.is_empty()).then(|| Value::List(Cow::Borrowed(&self.$list))),)+
                    $(Field::$df => self.$date.map(Value::Date),)+
                    _ => None,
                }
            }

            /// `None` clears. A value of another type than the field's is ignored and `false`
            /// returned, so that a mapping's mistake cannot become a panic.
            #[must_use]
            pub fn set(&mut self, field: Field, value: Option<Value<'_>>) -> bool {
                match (field, value) {
                    $((Field::$tf, Some(Value::Text(t))) => self.$text = Some(t.into_owned()),)+
                    $((Field::$tf, None) => self.$text = None,)+
                    $((Field::$nf, Some(Value::Number(n))) => self.$number = Some(n),)+
                    $((Field::$nf, None) => self.$number = None,)+
                    $((Field::$lf, Some(Value::List(l))) => self.$list = l.into_owned(),)+
                    $((Field::$lf, None) => self.$list = Vec::new(),)+
                    $((Field::$df, Some(Value::Date(d))) => self.$date = Some(d),)+
                    $((Field::$df, None) => self.$date = None,)+
                    _ => return false,
                }
                true
            }
        }
    };
}

details! {
    text {
        make Make, model Model, trim Trim, body Body, category Category, fuel Fuel,
        drivetrain Drivetrain, transmission Transmission, engine Engine,
        exterior_color ExteriorColor, exterior_base_color ExteriorBaseColor,
        interior_color InteriorColor, interior_base_color InteriorBaseColor, condition Condition,
        title_brand TitleBrand, currency Currency, reported_title_brand ReportedTitleBrand, title Title, description Description, link Link,
        parent_stock_number ParentStockNumber,
    }
    number {
        year Year, cylinders Cylinders, displacement_cc DisplacementCc, doors Doors,
        price_cents PriceCents, msrp_cents MsrpCents, price_to_cents PriceToCents, odometer_km OdometerKm, hours Hours,
        units Units, owners Owners, accidents Accidents, market_cents MarketCents,
    }
    list { image_urls ImageUrls, options Options }
    date { date_in_stock DateInStock }
}

impl Details {
    /// What its money is in.
    pub fn currency(&self) -> Currency {
        let code = self.currency.as_deref();
        code.and_then(Currency::of_code).unwrap_or_default()
    }

    /// Dollars are not written down: nearly all of it is in those.
    pub fn set_currency(&mut self, currency: Currency) {
        let written = currency != Currency::default();
        self.currency = written.then(|| currency.code().to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_that_can_be_set_can_be_read_back() {
        for &field in Details::FIELDS {
            let value = match field.field_type() {
                crate::FieldType::Text => Value::Text("x".into()),
                crate::FieldType::Number => Value::Number(7),
                crate::FieldType::List => Value::List(vec!["a".to_owned()].into()),
                crate::FieldType::Date => Value::Date(jiff::civil::date(2026, 11, 22)),
            };
            let mut details = Details::default();
            assert!(details.set(field, Some(value.clone())), "{field:?}");
            assert_eq!(details.get(field), Some(value), "{field:?}");
            assert!(details.set(field, None), "{field:?}");
            assert_eq!(details, Details::default(), "{field:?}");
        }
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused() {
        let mut details = Details::default();
        assert!(!details.set(Field::Year, Some(Value::Text("2019".into()))));
        assert!(!details.set(Field::Vin, Some(Value::Text("x".into()))));
        assert_eq!(details, Details::default());
    }
}
