//! The NHTSA's decoder, as it is called for many: `POST /api/vehicles/DecodeVINValuesBatch/` with a form of
//! `format=json&data=VIN[,year];VIN…`, at most fifty (<https://vpic.nhtsa.dot.gov/api/>). The answer has every value as
//! a text, blank for none, and error codes of which there may be several: `1,14`.
//!
//! It knows a few makers and no more; what it says follows from the VIN's own characters.

use super::{Asked, Reply, failed, json};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

const MOST: usize = 50;
/// Makers of the sandbox's vehicles: world manufacturer identifier, make, maker, country, city.
const MAKERS: [(&str, &str, &str, &str, &str); 6] = [
    (
        "1HG",
        "HONDA",
        "AMERICAN HONDA MOTOR CO., INC.",
        "UNITED STATES (USA)",
        "MARYSVILLE",
    ),
    (
        "1FT",
        "FORD",
        "FORD MOTOR COMPANY",
        "UNITED STATES (USA)",
        "DEARBORN",
    ),
    (
        "1FM",
        "FORD",
        "FORD MOTOR COMPANY",
        "UNITED STATES (USA)",
        "CHICAGO",
    ),
    (
        "5TD",
        "TOYOTA",
        "TOYOTA MOTOR MANUFACTURING, INDIANA, INC.",
        "UNITED STATES (USA)",
        "PRINCETON",
    ),
    ("KM8", "HYUNDAI", "HYUNDAI MOTOR CO", "SOUTH KOREA", "ULSAN"),
    (
        "3GN",
        "CHEVROLET",
        "GENERAL MOTORS DE MEXICO",
        "MEXICO",
        "RAMOS ARIZPE",
    ),
];

pub(super) fn answer(asked: &Asked) -> Reply {
    if !asked
        .path
        .eq_ignore_ascii_case("/api/vehicles/DecodeVINValuesBatch/")
    {
        return failed(StatusCode::NOT_FOUND);
    }
    if asked.method != Method::POST {
        return failed(StatusCode::METHOD_NOT_ALLOWED);
    }
    let body = String::from_utf8_lossy(&asked.body);
    let data = body.split('&').find_map(|pair| pair.strip_prefix("data="));
    let data = data
        .unwrap_or_default()
        .replace("%3B", ";")
        .replace("%2C", ",");
    let vins: Vec<&str> = data
        .split(';')
        .filter(|vin| !vin.trim().is_empty())
        .collect();
    if vins.len() > MOST {
        let message = "Maximum 50 VINs are allowed per batch";
        return json(
            StatusCode::BAD_REQUEST,
            &json!({"Count": 0, "Message": message, "SearchCriteria": null, "Results": []}),
        );
    }
    let results: Vec<Value> = vins.iter().map(|vin| decoded(vin)).collect();
    json(
        StatusCode::OK,
        &json!({
            "Count": results.len(),
            "Message": "Results returned successfully. NOTE: Any missing decoded values should be interpreted as NHTSA does not have data on the specific variable. Missing value should NOT be interpreted as an indication that a feature or technology is unavailable for a vehicle.",
            "SearchCriteria": format!("VIN(s): {data}"),
            "Results": results,
        }),
    )
}

fn decoded(vin: &str) -> Value {
    let vin = vin.split(',').next().unwrap_or_default().trim();
    let maker = MAKERS.iter().find(|(wmi, ..)| vin.starts_with(wmi));
    let (code, text) = match (vin.len(), check_digit_ok(vin), maker) {
        (17, true, Some(_)) => (
            "0",
            "0 - VIN decoded clean. Check Digit (9th position) is correct",
        ),
        (17, true, None) => (
            "7",
            "7 - Manufacturer is not registered with NHTSA for sale or importation in the U.S. for use on U.S roads",
        ),
        (17, false, _) => (
            "1",
            "1 - Check Digit (9th position) does not calculate properly",
        ),
        _ => ("6", "6 - Incomplete VIN"),
    };
    let of = |pick: fn(
        &(
            &'static str,
            &'static str,
            &'static str,
            &'static str,
            &'static str,
        ),
    ) -> &'static str| { maker.map(pick).unwrap_or_default() };
    let year = match code {
        "0" | "1" if maker.is_some() => year(vin).to_string(),
        _ => String::new(),
    };
    // A trim is what the offline data rarely has.
    let trim = if maker.is_some() && code == "0" {
        "SE"
    } else {
        ""
    };
    json!({
        "VIN": vin, "ErrorCode": code, "ErrorText": text, "AdditionalErrorText": "",
        "Make": of(|m| m.1), "Manufacturer": of(|m| m.2), "PlantCountry": of(|m| m.3), "PlantCity": of(|m| m.4),
        "Model": "", "ModelYear": year, "Trim": trim, "Series": "", "BodyClass": "",
        "Doors": if maker.is_some() { "4" } else { "" }, "DriveType": "", "DisplacementCC": "", "EngineCylinders": "",
        "FuelTypePrimary": if maker.is_some() { "Gasoline" } else { "" }, "TransmissionStyle": "", "VehicleType": "",
        "SuggestedVIN": "", "PossibleValues": "",
    })
}

fn year(vin: &str) -> i64 {
    let codes = "ABCDEFGHJKLMNPRSTVWXY123456789";
    let code = vin.chars().nth(9).and_then(|code| codes.find(code));
    let late = 2010
        + code
            .and_then(|place| i64::try_from(place).ok())
            .unwrap_or(0);
    match vin.as_bytes().get(6) {
        Some(seventh) if seventh.is_ascii_digit() => late - 30,
        _ => late,
    }
}

/// 49 CFR 565.15(c).
fn check_digit_ok(vin: &str) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let worth = |byte: u8| match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'H' => u32::from(byte - b'A') + 1,
        b'J'..=b'R' => u32::from(byte - b'J') + 1,
        b'S'..=b'Z' => u32::from(byte - b'S') + 2,
        _ => 0,
    };
    let sum: u32 = vin.bytes().zip(WEIGHTS).map(|(b, w)| worth(b) * w).sum();
    let digit = match sum % 11 {
        10 => b'X',
        digit => b"0123456789"[digit as usize],
    };
    vin.as_bytes().get(8) == Some(&digit)
}
