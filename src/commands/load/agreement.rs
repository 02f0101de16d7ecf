//! Does the file agree with its VINs? A table over the fields that both know.

use anyhow::Result;
use domain::{Details, Field, Source};
use futures::TryStreamExt;
use serde::Serialize;
use stores::{PgConnection, Vins};

#[derive(Debug, Default, Serialize)]
pub(super) struct Agreement {
    decoded: u64,
    wrong_check_digit: u64,
    fields: Vec<FieldAgreement>,
    /// Some of the listings that differ.
    examples: Vec<Example>,
}

#[derive(Debug, Serialize)]
struct FieldAgreement {
    field: &'static str,
    /// Listings whose file and VIN both have a value.
    compared: u64,
    agree: u64,
}

#[derive(Debug, Serialize)]
struct Example {
    stock_number: String,
    field: &'static str,
    listing: String,
    vin: String,
}

const FIELDS: [Field; 5] = [
    Field::Make,
    Field::Year,
    Field::Cylinders,
    Field::DisplacementCc,
    Field::Fuel,
];
const EXAMPLES: usize = 10;

pub(super) async fn of_file(conn: &mut PgConnection, file: i64) -> Result<Agreement> {
    let mut agreement = Agreement {
        fields: FIELDS
            .iter()
            .map(|field| FieldAgreement {
                field: field.name(),
                compared: 0,
                agree: 0,
            })
            .collect(),
        ..Agreement::default()
    };
    let mut rows = Vins::of_file(conn, file);
    while let Some((listing, facts)) = rows.try_next().await? {
        agreement.decoded += 1;
        let sound = listing
            .vin
            .as_ref()
            .is_some_and(domain::Vin::check_digit_ok);
        agreement.wrong_check_digit += u64::from(!sound);
        let facts: Details = serde_json::from_value(facts)?;
        // What the VIN filled would only agree with itself.
        let from_file = |field| {
            let origin = listing.provenance.get(field);
            origin.is_some_and(|origin| origin.source == Source::File)
        };
        for (place, field) in FIELDS.into_iter().enumerate() {
            let (Some(listed), Some(decoded)) = (listing.details.get(field), facts.get(field))
            else {
                continue;
            };
            if !from_file(field) {
                continue;
            }
            let counted = &mut agreement.fields[place];
            counted.compared += 1;
            if vin::agree(field, &listed, &decoded) {
                counted.agree += 1;
            } else if agreement.examples.len() < EXAMPLES {
                agreement.examples.push(Example {
                    stock_number: listing.stock_number.clone(),
                    field: field.name(),
                    listing: listed.to_string(),
                    vin: decoded.to_string(),
                });
            }
        }
    }
    Ok(agreement)
}

impl Agreement {
    pub(super) fn words(&self) -> Vec<String> {
        if self.decoded == 0 {
            return Vec::new();
        }
        let mut lines = vec![format!(
            "vins       {} decoded, {} with a wrong check digit",
            self.decoded, self.wrong_check_digit
        )];
        for field in &self.fields {
            let share = match field.compared {
                0 => String::from("-"),
                compared => format!("{:.2} %", field.agree as f64 * 100.0 / compared as f64),
            };
            lines.push(format!(
                "  {:<16} {:>6} compared, {:>6} agree  {share}",
                field.field, field.compared, field.agree
            ));
        }
        for example in &self.examples {
            lines.push(format!(
                "  differs: {} {}: listing {:?}, vin {:?}",
                example.stock_number, example.field, example.listing, example.vin
            ));
        }
        lines
    }
}
