//! Dealer against VIN. The dealer's value stands; blanks are filled; differences are told.

use domain::{Details, Field, Value};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    pub field: Field,
    pub listing_value: String,
    pub vin_value: String,
}

/// Fields a VIN may fill when the dealer left them blank.
const FILLED: &[Field] = &[
    Field::Year,
    Field::Make,
    Field::Model,
    Field::Trim,
    Field::Body,
    Field::Fuel,
    Field::Drivetrain,
    Field::Transmission,
    Field::Cylinders,
    Field::DisplacementCc,
    Field::Doors,
];

/// Fields where a difference is worth an operator's look. Trim, body, drive and transmission are
/// left out: makers and vPIC name them too differently for a difference to mean an error.
const COMPARED: &[Field] = &[
    Field::Year,
    Field::Make,
    Field::Model,
    Field::Fuel,
    Field::Cylinders,
    Field::DisplacementCc,
];

/// Dealers round litres to one decimal, vPIC gives cubic centimetres: 3.5 L is 3,471 to 3,549.
const DISPLACEMENT_TOLERANCE_CC: i64 = 60;

/// The blank fields of `listing` that `facts` can fill, with their values.
pub fn blanks_filled<'a>(listing: &Details, facts: &'a Details) -> Vec<(Field, Value<'a>)> {
    FILLED
        .iter()
        .filter(|field| listing.get(**field).is_none())
        .filter_map(|field| Some((*field, facts.get(*field)?)))
        .collect()
}

pub fn contradictions(listing: &Details, facts: &Details) -> Vec<Contradiction> {
    COMPARED
        .iter()
        .filter_map(|&field| {
            let (listed, decoded) = (listing.get(field)?, facts.get(field)?);
            (!agree(field, &listed, &decoded)).then(|| Contradiction {
                field,
                listing_value: listed.to_string(),
                vin_value: decoded.to_string(),
            })
        })
        .collect()
}

/// Whether a listing's value and its VIN's say the same, however each is written.
pub fn agree(field: Field, listed: &Value<'_>, decoded: &Value<'_>) -> bool {
    match (listed, decoded) {
        (Value::Number(a), Value::Number(b)) if field == Field::DisplacementCc => {
            (a - b).abs() <= DISPLACEMENT_TOLERANCE_CC
        }
        (Value::Number(a), Value::Number(b)) => a == b,
        (Value::Text(a), Value::Text(b)) => {
            let (a, b) = (folded(a), folded(b));
            // `Sierra 1500` and `Sierra`, `Gas` and `Gasoline`: one names more than the other.
            a == b || (field != Field::Make && (a.starts_with(&b) || b.starts_with(&a)))
        }
        _ => true,
    }
}

fn folded(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dealers_value_is_never_filled_over() {
        let listing = Details {
            make: Some("Ford".into()),
            ..Details::default()
        };
        let facts = Details {
            make: Some("Lincoln".into()),
            doors: Some(4),
            ..Details::default()
        };
        let filled = blanks_filled(&listing, &facts);
        assert_eq!(filled, [(Field::Doors, Value::Number(4))]);
        assert_eq!(
            contradictions(&listing, &facts),
            [Contradiction {
                field: Field::Make,
                listing_value: "Ford".into(),
                vin_value: "Lincoln".into()
            }]
        );
    }

    #[test]
    fn spelling_and_rounding_are_no_contradiction() {
        let listing = Details {
            make: Some("Mercedes Benz".into()),
            model: Some("F150".into()),
            fuel: Some("Gas".into()),
            displacement_cc: Some(3_500),
            ..Details::default()
        };
        let facts = Details {
            make: Some("Mercedes-Benz".into()),
            model: Some("F-150".into()),
            fuel: Some("Gasoline".into()),
            displacement_cc: Some(3_456),
            ..Details::default()
        };
        assert!(contradictions(&listing, &facts).is_empty());
    }
}
