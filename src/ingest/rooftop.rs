//! The rooftop a row names, in files of many dealers.

use crate::mapping::DealerColumns;
use crate::words;
use domain::Dealer;

/// Words that end a street: after the last of them some exports append the city.
const STREETS: &[&str] = &[
    "ave",
    "avenue",
    "st",
    "street",
    "rd",
    "road",
    "blvd",
    "boulevard",
    "dr",
    "drive",
    "way",
    "hwy",
    "highway",
    "pkwy",
    "parkway",
    "ln",
    "lane",
    "ct",
    "court",
    "cir",
    "circle",
    "pl",
    "place",
    "fwy",
    "freeway",
    "tpke",
    "turnpike",
    "pike",
    "loop",
    "trl",
    "trail",
    "expy",
    "expressway",
    "route",
    "plaza",
    "sq",
];

/// From the row's cells. `None` when the name is blank: then nobody can say whose unit it is.
pub(crate) fn dealer(columns: &DealerColumns, cell: impl Fn(&str) -> String) -> Option<Dealer> {
    let full = cell(&columns.name);
    let name = match &columns.name_until {
        Some(end) => full.split(end.as_str()).next().unwrap_or(&full),
        None => &full,
    };
    let name = name.trim();
    if name.is_empty() {
        return None;
    }
    let of = |column: &Option<String>| column.as_deref().map(&cell).unwrap_or_default();
    let (mut street, mut city) = (of(&columns.street), of(&columns.city));
    if columns.street_ends_in_city && city.is_empty() {
        (street, city) = split_city(&street);
    }
    let postal_code: String = of(&columns.postal_code);
    let postal_code = if postal_code.chars().any(|c| c.is_ascii_digit()) {
        postal_code
    } else {
        String::new()
    };
    let key = slug(&format!("{name} {postal_code}"));
    (!key.is_empty()).then(|| Dealer {
        store_code: key.clone(),
        key,
        name: name.to_owned(),
        street,
        city,
        state: words::state(&of(&columns.state))
            .unwrap_or_default()
            .to_owned(),
        postal_code,
        country: "US".to_owned(),
        time_zone: "UTC".to_owned(),
        ..Dealer::default()
    })
}

/// `25560 Madison Ave Murrieta` -> street and city, at the last word that ends a street.
fn split_city(street: &str) -> (String, String) {
    let words: Vec<&str> = street.split_whitespace().collect();
    let end = words.iter().rposition(|word| {
        let word = word.trim_end_matches(['.', ',']).to_ascii_lowercase();
        STREETS.contains(&word.as_str())
    });
    match end {
        Some(end) if end > 0 && end + 1 < words.len() => (
            words[..=end].join(" "),
            words[end + 1..].join(" ").trim_matches(',').to_owned(),
        ),
        _ => (street.to_owned(), String::new()),
    }
}

/// `CarMax Murrieta 92562` -> `carmax-murrieta-92562`.
pub(crate) fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') && c != '\'' {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len().min(80));
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> DealerColumns {
        DealerColumns {
            name: "name".into(),
            name_until: Some(" - ".into()),
            street: Some("street".into()),
            street_ends_in_city: true,
            city: None,
            state: Some("state".into()),
            postal_code: Some("zip".into()),
        }
    }

    fn of(name: &str, street: &str, state: &str, zip: &str) -> Option<Dealer> {
        dealer(&columns(), |column| {
            match column {
                "name" => name,
                "street" => street,
                "state" => state,
                _ => zip,
            }
            .to_owned()
        })
    }

    #[test]
    fn a_row_names_its_rooftop() {
        let dealer = of(
            "CarMax Murrieta - Now offering Curbside Pickup",
            "25560 Madison Ave Murrieta",
            "CA",
            "92562",
        )
        .unwrap();
        assert_eq!(dealer.key, "carmax-murrieta-92562");
        assert_eq!(
            (&*dealer.name, &*dealer.city),
            ("CarMax Murrieta", "Murrieta")
        );
        assert_eq!(dealer.street, "25560 Madison Ave");
    }

    #[test]
    fn a_polluted_address_is_left_blank_not_believed() {
        let dealer = of("Gulf Motors", "18100 Gulf Freeway", "Bldg", "B").unwrap();
        assert_eq!((&*dealer.state, &*dealer.postal_code), ("", ""));
        assert_eq!(dealer.key, "gulf-motors");
        assert!(of(" ", "1 Main St", "TX", "77002").is_none());
    }
}
