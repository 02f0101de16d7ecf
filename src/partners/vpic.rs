//! The NHTSA's decoder by its API: many VINs a call (<https://vpic.nhtsa.dot.gov/api/>, `DecodeVINValuesBatch`).

use crate::{Ask, Content, ErrorKind, Fetcher, Method, PartnerError};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What the API takes at once.
pub const MOST_VINS: usize = 50;

/// What the API says of one VIN: its own names, values that are not blank.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub vin: String,
    /// Codes of `ErrorCode`, which may be several: `1,14`.
    pub errors: Vec<i32>,
    pub values: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Results")]
    results: Vec<BTreeMap<String, serde_json::Value>>,
}

/// At most fifty; each VIN's answer by its VIN. One that is not in the answer is not in the result.
pub async fn decode(
    fetcher: &Fetcher,
    partner: &str,
    url: &str,
    vins: &[String],
) -> Result<Vec<Answer>, PartnerError> {
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("format", "json")
        .append_pair("data", &vins.join(";"))
        .finish();
    let ask = Ask {
        method: Method::Post,
        url,
        authorization: None,
        content_type: "application/x-www-form-urlencoded",
        body: body.into_bytes(),
        wanted: Content::Json,
    };
    let fetched = fetcher.ask(partner, &ask).await?;
    let batch: Batch = serde_json::from_slice(&fetched.bytes)
        .map_err(|error| PartnerError::new(ErrorKind::Corrupt, "decode", url, error.to_string()))?;
    let asked = |answer: &Answer| vins.contains(&answer.vin);
    Ok(batch.results.into_iter().map(read).filter(asked).collect())
}

fn read(row: BTreeMap<String, serde_json::Value>) -> Answer {
    let mut values: BTreeMap<String, String> = row
        .into_iter()
        .filter_map(|(name, value)| {
            let text = match value {
                // PostgreSQL keeps no NUL: one value would cost its whole batch.
                serde_json::Value::String(text) => text.replace('\0', "").trim().to_owned(),
                serde_json::Value::Number(number) => number.to_string(),
                _ => return None,
            };
            (!text.is_empty() && text != "Not Applicable").then_some((name, text))
        })
        .collect();
    let vin = values
        .remove("VIN")
        .unwrap_or_default()
        .to_ascii_uppercase();
    let codes = values.remove("ErrorCode").unwrap_or_default();
    let errors = codes.split(',').filter_map(|code| code.trim().parse().ok());
    Answer {
        vin,
        errors: errors.collect(),
        values,
    }
}
