//! What NHTSA's API says of a VIN, in the words listings use: the same facts that the offline decoder gives.

use crate::compare::agree;
use crate::decoder::whole;
use crate::words;
use domain::{Details, Field, Listing, Vin};
use std::collections::BTreeMap;

/// From the API's own names (`DecodeVINValues`), blanks left out.
pub fn facts_of_api(values: &BTreeMap<String, String>) -> Details {
    let text = |name: &str| values.get(name).map(String::as_str);
    let number = |name: &str| whole(text(name)?.parse().ok()?);
    let mut facts = Details {
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
    };
    for &field in Details::FIELDS {
        let beyond = facts
            .get(field)
            .is_some_and(|value| field.judged(&value).is_err());
        if beyond {
            let _ = facts.set(field, None);
        }
    }
    facts
}

/// Whether what an API says of a VIN may be of this unit: the VIN is sound, and neither the dealer nor the offline decoder say that it
/// is of another year or make.
pub fn may_be_of(listing: &Listing, said: &Details, offline: &Details) -> bool {
    let sound = listing.vin.as_ref().is_some_and(Vin::check_digit_ok);
    let differs = |known: &Details, field| match (known.get(field), said.get(field)) {
        (Some(known), Some(said)) => !agree(field, &known, &said),
        _ => false,
    };
    let another = |field| differs(&listing.details, field) || differs(offline, field);
    sound && !another(Field::Year) && !another(Field::Make)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Kind, ListingDraft, Origin, Source};

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
        let wild = [
            ("Doors", "999999999"),
            ("EngineCylinders", "400"),
            ("ModelYear", "15"),
        ];
        let wild = wild.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(facts_of_api(&wild.into()), Details::default());
    }

    #[test]
    fn what_is_said_of_another_year_or_make_is_of_another_vehicle() {
        let unit = |vin: &str, year: Option<i64>| {
            let mut unit = domain::merge::begin(
                1,
                &ListingDraft {
                    kind: Kind::Vehicle,
                    stock_number: "1".into(),
                    vin: Vin::parse(vin).ok(),
                    serial: None,
                    status: None,
                    details: Details::default(),
                    originals: [].into(),
                    unread: Vec::new(),
                    row: 1,
                },
                &Origin::of(Source::File),
            );
            unit.details.year = year;
            unit
        };
        let of = |year, make: &str| Details {
            year: Some(year),
            make: Some(make.into()),
            ..Details::default()
        };
        let (good, nobody) = ("1HGCM82633A004352", Details::default());
        assert!(may_be_of(
            &unit(good, None),
            &of(2003, "HONDA"),
            &of(2003, "Honda")
        ));
        assert!(!may_be_of(
            &unit(good, Some(2004)),
            &of(2003, "Honda"),
            &nobody
        ));
        assert!(!may_be_of(
            &unit(good, None),
            &of(2003, "Ford"),
            &of(2003, "Honda")
        ));
        assert!(!may_be_of(
            &unit("1HGCM82613A400000", None),
            &of(2003, "Honda"),
            &nobody
        ));
    }
}
