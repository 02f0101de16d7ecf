//! Does the file agree with its VINs? A table over the fields that both know.

use anyhow::Result;
use domain::{Details, Field, Source};
use futures::TryStreamExt;
use serde::Serialize;
use std::collections::BTreeMap;
use stores::{PgConnection, Vins};

#[derive(Debug, Default, Serialize)]
pub(super) struct Agreement {
    decoded: u64,
    wrong_check_digit: u64,
    fields: Vec<FieldAgreement>,
    /// What differs most often first, at most [`TOLD`] a field.
    contradictions: Vec<Contradiction>,
}

#[derive(Debug, Serialize)]
struct FieldAgreement {
    field: &'static str,
    /// Listings whose file and VIN both have a value.
    compared: u64,
    agree: u64,
}

#[derive(Debug, Serialize)]
struct Contradiction {
    field: &'static str,
    listing: String,
    vin: String,
    times: u64,
    /// One of them.
    stock_number: String,
}

const FIELDS: [Field; 6] = [
    Field::Make,
    Field::Model,
    Field::Year,
    Field::Cylinders,
    Field::DisplacementCc,
    Field::Fuel,
];
const TOLD: usize = 8;

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
    let mut differing: [BTreeMap<(String, String), (u64, String)>; FIELDS.len()] =
        Default::default();
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
            } else {
                let words = (listed.to_string(), decoded.to_string());
                let number = || (0, listing.stock_number.clone());
                differing[place].entry(words).or_insert_with(number).0 += 1;
            }
        }
    }
    for (field, differing) in FIELDS.into_iter().zip(differing) {
        let mut found: Vec<Contradiction> = differing
            .into_iter()
            .map(|((listing, vin), (times, stock_number))| Contradiction {
                field: field.name(),
                listing,
                vin,
                times,
                stock_number,
            })
            .collect();
        found.sort_by_key(|one| std::cmp::Reverse(one.times));
        found.truncate(TOLD);
        agreement.contradictions.extend(found);
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
        for one in &self.contradictions {
            lines.push(format!(
                "  differs {:>5} times: {} {:?}, by its VIN {:?}, as {}",
                one.times, one.field, one.listing, one.vin, one.stock_number
            ));
        }
        lines
    }
}
