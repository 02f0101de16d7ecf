//! The NHTSA's decoder by its API: many VINs a call (<https://vpic.nhtsa.dot.gov/api/>, `DecodeVINValuesBatch`).

use crate::{Ask, Content, ErrorKind, Fetcher, Method, PartnerError};
use secrecy::SecretString;
use serde::Deserialize;
use std::collections::{BTreeMap, HashSet};

/// What the API takes at once.
pub const MOST_VINS: usize = 50;

/// What the API says of one VIN: its own names, values that are not blank.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub vin: String,
    /// Codes of `ErrorCode`, which may be several: `1,14`. None where it is not there, or cannot be read.
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
    authorization: Option<&SecretString>,
    vins: &[String],
) -> Result<Vec<Answer>, PartnerError> {
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("format", "json")
        .append_pair("data", &vins.join(";"))
        .finish();
    let ask = Ask {
        method: Method::Post,
        url,
        authorization,
        content_type: "application/x-www-form-urlencoded",
        body: body.into_bytes(),
        wanted: Content::Json,
    };
    let fetched = fetcher.ask(partner, &ask).await?;
    let batch: Batch = serde_json::from_slice(&fetched.bytes)
        .map_err(|error| PartnerError::new(ErrorKind::Corrupt, "decode", url, error.to_string()))?;
    // Who says two things of a VIN is taken at his first word.
    let mut said = HashSet::new();
    let first = |answer: &Answer| vins.contains(&answer.vin) && said.insert(answer.vin.clone());
    Ok(batch.results.into_iter().map(read).filter(first).collect())
}

/// `1,14`, or with words as `DecodeVINExtended` has them: `1 - Check Digit (9th position) ...; 14 - ...`, in which there may be other
/// semicolons. None where something is no code: nobody knows then what is wrong.
fn codes(text: &str) -> Vec<i32> {
    let code = |part: &str| {
        let part = part.trim();
        let end = part.find(|c: char| !c.is_ascii_digit());
        let (code, words) = part.split_at(end.unwrap_or(part.len()));
        let alone = words.is_empty() || words.starts_with(' ');
        alone.then(|| code.parse().ok()).flatten()
    };
    let begins = |part: &&str| part.trim_start().starts_with(|c: char| c.is_ascii_digit());
    let all: Option<Vec<i32>> = match text.contains(" - ") {
        true => text.split(';').filter(begins).map(code).collect(),
        false => text.split(',').map(code).collect(),
    };
    all.unwrap_or_default()
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
    Answer {
        vin,
        errors: codes(&values.remove("ErrorCode").unwrap_or_default()),
        values,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_with_words_and_without() {
        assert_eq!(codes("0"), [0]);
        assert_eq!(codes("1, 14"), [1, 14]);
        assert_eq!(
            codes(
                "1 - Check Digit (9th position) does not calculate, see the manual; 14 - Unable to explain"
            ),
            [1, 14]
        );
        let seven = "7 - Manufacturer is not registered for sale on U.S roads; Please contact the manufacturer";
        assert_eq!(codes(seven), [7]);
        for text in ["", "none", "99999999999", "1,x"] {
            assert!(codes(text).is_empty(), "{text}");
        }
    }
}
