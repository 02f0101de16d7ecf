//! The rooftop a row names, in files of many dealers.

use crate::mapping::DealerColumns;
use crate::words;
use domain::Dealer;
use unicode_normalization::UnicodeNormalization;

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

/// Where the row's cells are that name it; the first one with a text stands.
#[derive(Debug, Default)]
pub(crate) struct Rooftop {
    pub(crate) key: Vec<usize>,
    pub(crate) name: Vec<usize>,
    pub(crate) street: Vec<usize>,
    pub(crate) city: Vec<usize>,
    pub(crate) state: Vec<usize>,
    pub(crate) postal_code: Vec<usize>,
    pub(crate) country: Vec<usize>,
}

impl Rooftop {
    pub(crate) fn reads(&self, place: usize) -> bool {
        [
            &self.key,
            &self.name,
            &self.street,
            &self.city,
            &self.state,
            &self.postal_code,
            &self.country,
        ]
        .into_iter()
        .any(|places| places.contains(&place))
    }

    /// `None` when the key is blank, or without one the name: then nobody can say whose unit it is.
    pub(crate) fn dealer(
        &self,
        columns: &DealerColumns,
        cell: impl Fn(usize) -> String,
    ) -> Option<Dealer> {
        let of = |places: &[usize]| {
            let texts = places.iter().map(|place| cell(*place));
            texts
                .into_iter()
                .find(|text| !text.is_empty())
                .unwrap_or_default()
        };
        let full = of(&self.name);
        let name = match &columns.name_until {
            Some(end) => full.split(end.as_str()).next().unwrap_or(&full),
            None => &full,
        };
        let mut name = name.trim().to_owned();
        let (mut street, mut city) = (of(&self.street), of(&self.city));
        if columns.street_ends_in_city && city.is_empty() {
            (street, city) = split_city(&street);
        }
        let postal_code: String = of(&self.postal_code);
        let postal_code = if postal_code.chars().any(|c| c.is_ascii_digit()) {
            postal_code
        } else {
            String::new()
        };
        let key = if columns.key.is_some() {
            let said = of(&self.key);
            if name.is_empty() {
                name.clone_from(&said);
            }
            let mut keys = columns.keys.iter();
            match keys.find(|(text, _)| words::same(text.trim(), &said)) {
                Some((_, key)) => key.clone(),
                // As dealers' keys are, it is one.
                None if Dealer::is_key(&said) => said,
                None => slug(&said),
            }
        } else if name.is_empty() {
            String::new()
        } else {
            slug(&format!("{name} {postal_code}"))
        };
        (!key.is_empty()).then(|| Dealer {
            store_code: key.clone(),
            key,
            name: short(name),
            street: short(street),
            city: short(city),
            state: words::state(&of(&self.state))
                .unwrap_or_default()
                .to_owned(),
            country: short(country(&of(&self.country), &postal_code)),
            postal_code: short(postal_code),
            time_zone: "UTC".to_owned(),
            ..Dealer::default()
        })
    }
}

/// As much of a cell as `dealers put` takes, in characters of any length.
fn short(text: String) -> String {
    match text.len() > LONGEST {
        true => text.chars().take(LONGEST / 4).collect(),
        false => text,
    }
}

const LONGEST: usize = 200;

/// As the row says it, else by its postal code: Canada's are of another form. The United States where nothing says otherwise; a
/// country that we do not know stays as it is said, and nobody guesses what its money is.
fn country(said: &str, postal_code: &str) -> String {
    let said = said.trim();
    if let Some(code) = words::country(said) {
        return code;
    }
    // A state in the place of the country says nothing of it.
    let none = ["unknown", "none", "null", "not available", "na"];
    let is_none = none.iter().any(|none| words::same(none, said)) || words::state(said).is_some();
    if !is_none && said.contains(char::is_alphabetic) {
        return said.to_uppercase();
    }
    let form: String = postal_code
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .map(|c| match c {
            c if c.is_ascii_alphabetic() => 'A',
            c if c.is_ascii_digit() => '9',
            c => c,
        })
        .collect();
    let canadian = form == "A9A9A9";
    if canadian { "CA" } else { "US" }.to_owned()
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

/// Letters of names in Latin script, without their marks: else `Müller` and `Möller` were one.
const PLAIN: &[(&str, &str)] = &[
    ("áàâäãåāăąÁÀÂÄÃÅĀĂĄ", "a"),
    ("çćčÇĆČ", "c"),
    ("ďđĎĐ", "d"),
    ("éèêëēęěÉÈÊËĒĘĚ", "e"),
    ("ğĞ", "g"),
    ("íìîïīįıÍÌÎÏĪĮİ", "i"),
    ("łľĺŁĽĹ", "l"),
    ("ñńňÑŃŇ", "n"),
    ("óòôöõøōőÓÒÔÖÕØŌŐ", "o"),
    ("řŕŘŔ", "r"),
    ("šśşșŠŚŞȘ", "s"),
    ("ťţțŤŢȚ", "t"),
    ("úùûüūůűÚÙÛÜŪŮŰ", "u"),
    ("ýÿÝ", "y"),
    ("žźżŽŹŻ", "z"),
    ("ß", "ss"),
    ("æÆ", "ae"),
    ("œŒ", "oe"),
];

/// `CarMax Murrieta 92562` -> `carmax-murrieta-92562`. What cannot be written so, `Κατάστημα 1`, or is too long, ends in a mark
/// of its own: else two rooftops would be one.
fn slug(text: &str) -> String {
    // Letters and their marks may come apart: `u` and two dots are one `ü`.
    let text: String = text.nfc().collect();
    let text = text.as_str();
    let mut slug = String::new();
    let mut whole = true;
    for c in text.chars() {
        whole &= c.is_ascii() || !c.is_alphanumeric() || is_plain(c);
        if let Some((_, plain)) = PLAIN.iter().find(|(letters, _)| letters.contains(c)) {
            slug.push_str(plain);
        } else if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') && c != '\'' {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    if whole && slug.len() <= Dealer::LONGEST_KEY {
        return slug;
    }
    slug.truncate(Dealer::LONGEST_KEY - 9);
    let marked = format!("{}-{:08x}", slug.trim_end_matches('-'), mark(text));
    marked.trim_start_matches('-').to_owned()
}

fn is_plain(c: char) -> bool {
    PLAIN.iter().any(|(letters, _)| letters.contains(c))
}

/// FNV-1a (RFC 9923) of the words, whatever their case: the same in every process and version, as keys must be.
fn mark(text: &str) -> u32 {
    let begin = 0x811c_9dc5_u32;
    words::folded(text).bytes().fold(begin, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::Cell;

    fn of(name: &str, street: &str, state: &str, zip: &str) -> Option<Dealer> {
        let columns = DealerColumns {
            name_until: Some(" - ".into()),
            street_ends_in_city: true,
            ..DealerColumns::default()
        };
        let places = Rooftop {
            name: vec![0],
            street: vec![1],
            state: vec![2],
            postal_code: vec![3],
            ..Rooftop::default()
        };
        places.dealer(&columns, |place| {
            [name, street, state, zip][place].to_owned()
        })
    }

    fn keyed(key: &str, other: &str, name: &str) -> Option<(String, String)> {
        let columns = DealerColumns {
            key: Some(Cell::Names(vec!["lot".into(), "rooftop".into()])),
            keys: [("MP12345".to_owned(), "bayview-motors".to_owned())].into(),
            ..DealerColumns::default()
        };
        let places = Rooftop {
            key: vec![0, 1],
            name: vec![2],
            ..Rooftop::default()
        };
        let dealer = places.dealer(&columns, |place| [key, other, name][place].to_owned())?;
        Some((dealer.key, dealer.name))
    }

    #[test]
    fn a_rows_key_is_the_dealers_or_means_one() {
        let named = |key: &str, name: &str| Some((key.to_owned(), name.to_owned()));
        assert_eq!(
            keyed("mp12345", "", "Bayview"),
            named("bayview-motors", "Bayview")
        );
        assert_eq!(keyed("", "Lot 7", ""), named("lot-7", "Lot 7"));
        assert_eq!(keyed("lot_7", "", ""), named("lot_7", "lot_7"));
        // The name does not stand in: else the rooftop would be two.
        assert_eq!(keyed("", "", "Bayview"), None);
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
    fn names_that_differ_in_a_letter_have_keys_that_do() {
        assert_eq!(slug("Müller Auto 12345"), "muller-auto-12345");
        assert_ne!(slug("Müller"), slug("Möller"));
        // In letters that no key has.
        assert_ne!(slug("Κατάστημα 1"), slug("Αποθήκη 1"));
        assert_eq!(slug("Κατάστημα 1"), slug("ΚΑΤΆΣΤΗΜΑ  1"));
        assert_eq!(slug("Mu\u{308}ller"), slug("Müller"));
        assert_eq!(slug("Bucureşti"), slug("București"));
        // And of which a key has no room for all.
        let long = "Very Long Name of a Dealer Group with Many Words in Its Name ";
        let (one, other) = (
            slug(&format!("{long} North")),
            slug(&format!("{long} South")),
        );
        assert_ne!(one, other);
        for key in [one, other, slug("Αυτοκίνητα"), slug("Κατάστημα 1")] {
            assert!(Dealer::is_key(&key), "{key}");
        }
    }

    #[test]
    fn a_country_is_what_the_row_says() {
        let cases = [
            ("Deutschland", "80331", "DE"),
            ("DEU", "", "DE"),
            ("Mexico", "06600", "MX"),
            ("México", "", "MX"),
            ("uk", "", "GB"),
            ("U.S.A.", "", "US"),
            ("United States of America", "", "US"),
            ("fr", "", "FR"),
            ("", "K1A 0B1", "CA"),
            ("", "92562", "US"),
            ("92562", "", "US"),
            ("Unknown", "92562", "US"),
            ("Texas", "77002", "US"),
            ("Ontario", "K1A 0B1", "CA"),
            // Of no country that we know, and not of the United States for that.
            ("Freedonia", "92562", "FREEDONIA"),
            ("Côte d'Ivoire", "92562", "CÔTE D'IVOIRE"),
            ("Guinea-Bissau", "", "GUINEA-BISSAU"),
            ("Deutschland (DE)", "", "DE"),
            ("Schweiz/Suisse", "", "CH"),
            ("Korea, Republic of", "", "KR"),
            ("O\u{308}sterreich", "", "AT"),
        ];
        for (said, postal_code, code) in cases {
            assert_eq!(country(said, postal_code), code, "{said}");
        }
    }

    #[test]
    fn a_polluted_address_is_left_blank_not_believed() {
        let dealer = of("Gulf Motors", "18100 Gulf Freeway", "Bldg", "B").unwrap();
        assert_eq!((&*dealer.state, &*dealer.postal_code), ("", ""));
        assert_eq!(dealer.key, "gulf-motors");
        assert!(of(" ", "1 Main St", "TX", "77002").is_none());
        let long = of(&"ü".repeat(9_000), "1 Main St", "TX", "77002").unwrap();
        assert!(long.name.len() <= LONGEST && Dealer::is_key(&long.key));
    }
}
