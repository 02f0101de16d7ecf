//! What NHTSA's API says of a VIN, in the words listings use: the same facts that the offline decoder gives.

use crate::decoder::whole;
use crate::words;
use domain::Details;
use std::collections::BTreeMap;

/// From the API's own names (`DecodeVINValues`), blanks left out.
pub fn facts_of_api(values: &BTreeMap<String, String>) -> Details {
    let text = |name: &str| values.get(name).map(String::as_str);
    let number = |name: &str| whole(text(name)?.parse().ok()?);
    Details {
        year: number("ModelYear"),
        make: text("Make").map(words::make),
        model: text("Model").map(ToOwned::to_owned),
        trim: text("Trim").map(ToOwned::to_owned),
        body: text("BodyClass").and_then(words::body),
        fuel: words::fuel(text("FuelTypePrimary"), text("ElectrificationLevel")),
        drivetrain: text("DriveType").and_then(words::drivetrain),
        transmission: text("TransmissionStyle").and_then(words::transmission),
        cylinders: number("EngineCylinders"),
        displacement_cc: number("DisplacementCC"),
        doors: number("Doors"),
        ..Details::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_apis_words_become_ours() {
        let values = [
            ("Make", "HONDA"),
            ("ModelYear", "2003"),
            ("FuelTypePrimary", "Gasoline"),
            ("DisplacementCC", "2997.5"),
            ("Doors", "none"),
        ];
        let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let facts = facts_of_api(&values.into());
        assert_eq!(facts.make.as_deref(), Some("Honda"));
        assert_eq!((facts.year, facts.doors), (Some(2003), None));
        assert_eq!(facts.displacement_cc, Some(2_998));
        assert_eq!(facts.fuel.as_deref(), Some("Gasoline"));
    }
}
