//! A feed at work: one listing at a time, so that memory stays flat at any size.

use crate::column::{Compiled, compile};
use crate::definition::{Check, Definition, DefinitionError, Format};
use crate::preflight;
use domain::{Dealer, Listing};
use minijinja::Environment;
use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};

/// A listing with its rooftop.
#[derive(Clone, Copy, Debug)]
pub struct Unit<'a> {
    pub listing: &'a Listing,
    pub dealer: &'a Dealer,
    /// Where listings are shown when they bring no link: `https://stock.example.com`.
    pub site: &'a str,
    /// Photos that [`crate::Flaws`] left out because they stand for a photo to come.
    pub placeholders: usize,
}

impl Unit<'_> {
    /// Where the unit is shown, with `{store_code}` for the marketplace to fill in.
    pub(crate) fn link(&self) -> String {
        let own = match &self.listing.details.link {
            Some(link) => link.clone(),
            None => format!(
                "{}/stock/{}/{}",
                self.site,
                self.dealer.key,
                encoded(&self.listing.stock_number)
            ),
        };
        if own.contains(STORE_CODE) {
            return own;
        }
        // What stands behind a # never reaches a server.
        let (page, place) = match own.split_once('#') {
            Some((page, place)) => (page, format!("#{place}")),
            None => (own.as_str(), String::new()),
        };
        let joint = if page.contains('?') { '&' } else { '?' };
        format!("{page}{joint}store={STORE_CODE}{place}")
    }

    /// The same, filled in.
    pub(crate) fn url(&self) -> String {
        self.link()
            .replace(STORE_CODE, &encoded(&self.dealer.store_code))
    }
}

const STORE_CODE: &str = "{store_code}";

/// Everything but RFC 3986's unreserved characters.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

pub struct Feed<'a> {
    definition: &'a Definition,
    columns: Vec<Compiled<'a>>,
    vins: HashSet<u64>,
    hasher: RandomState,
    cells: Vec<String>,
    /// How many listings each reason kept out.
    pub diagnostics: BTreeMap<String, u64>,
    pub rows: u64,
    pub excluded: u64,
}

impl<'a> Feed<'a> {
    /// `environment` compiles expressions; see [`Feed::environment`].
    pub fn new(
        definition: &'a Definition,
        environment: &'a Environment<'a>,
    ) -> Result<Self, DefinitionError> {
        definition.check()?;
        let columns = definition
            .columns
            .iter()
            .map(|column| compile(&definition.key, column, environment))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            definition,
            cells: vec![String::new(); columns.len()],
            columns,
            vins: HashSet::new(),
            hasher: RandomState::new(),
            diagnostics: BTreeMap::new(),
            rows: 0,
            excluded: 0,
        })
    }

    /// Bounded: a template may not run for ever.
    pub fn environment() -> Environment<'static> {
        let mut environment = Environment::new();
        environment.set_fuel(Some(10_000));
        environment
    }

    pub fn write_header(&self, into: &mut Vec<u8>) {
        if self.definition.format != Format::Ndjson {
            let names: Vec<&str> = self
                .columns
                .iter()
                .map(|c| c.column.name.as_str())
                .collect();
            self.write_row(&names, into);
        }
    }

    /// Appends the listing's row; or every reason why it is left out.
    pub fn write(&mut self, unit: &Unit<'_>, into: &mut Vec<u8>) -> Result<(), Vec<String>> {
        let reasons = self.refusals(unit);
        if reasons.is_empty() {
            if let Some(vin) = &unit.listing.vin {
                self.vins.insert(self.hasher.hash_one(vin));
            }
            self.write_row(&self.cells, into);
            self.rows += 1;
            return Ok(());
        }
        for reason in &reasons {
            *self.diagnostics.entry(reason.clone()).or_default() += 1;
        }
        self.excluded += 1;
        Err(reasons)
    }

    /// Fills the cells and collects what speaks against publishing them.
    fn refusals(&mut self, unit: &Unit<'_>) -> Vec<String> {
        let listing = unit.listing;
        let seen = listing
            .vin
            .as_ref()
            .is_some_and(|vin| self.vins.contains(&self.hasher.hash_one(vin)));
        let mut reasons: Vec<String> = self
            .definition
            .checks
            .iter()
            .filter_map(|check| preflight::reason(*check, unit, seen && *check == Check::UniqueVin))
            .map(ToOwned::to_owned)
            .collect();
        let names = std::cell::OnceCell::new();
        for (cell, column) in self.cells.iter_mut().zip(&self.columns) {
            cell.clear();
            if let Err(problem) = column.write(unit, &names, cell) {
                reasons.push(format!("{} failed: {problem}", column.column.name));
            } else if column.column.required && cell.trim().is_empty() {
                reasons.push(format!("{} is blank", column.column.name));
            }
        }
        reasons
    }

    fn write_row<S: AsRef<str>>(&self, cells: &[S], into: &mut Vec<u8>) {
        match self.definition.format {
            Format::Csv => write_csv(cells, into),
            Format::Tsv => write_tsv(cells, into),
            Format::Ndjson => {
                let object: serde_json::Map<String, serde_json::Value> = self
                    .columns
                    .iter()
                    .zip(cells)
                    .filter(|(_, cell)| !cell.as_ref().is_empty())
                    .map(|(column, cell)| (column.column.name.clone(), cell.as_ref().into()))
                    .collect();
                // A map of strings always serialises.
                let _ = serde_json::to_writer(&mut *into, &object);
                into.push(b'\n');
            }
        }
    }
}

/// RFC 4180 quoting, `\n` line ends.
fn write_csv<S: AsRef<str>>(cells: &[S], into: &mut Vec<u8>) {
    for (place, cell) in cells.iter().enumerate() {
        if place > 0 {
            into.push(b',');
        }
        let cell = cell.as_ref();
        if cell.contains([',', '"', '\n', '\r']) {
            into.push(b'"');
            into.extend(cell.replace('"', "\"\"").into_bytes());
            into.push(b'"');
        } else {
            into.extend_from_slice(cell.as_bytes());
        }
    }
    into.push(b'\n');
}

/// Tab-separated text has no quoting: a tab or line end inside a cell becomes a blank.
fn write_tsv<S: AsRef<str>>(cells: &[S], into: &mut Vec<u8>) {
    for (place, cell) in cells.iter().enumerate() {
        if place > 0 {
            into.push(b'\t');
        }
        into.extend(cell.as_ref().bytes().map(|b| {
            if matches!(b, b'\t' | b'\n' | b'\r') {
                b' '
            } else {
                b
            }
        }));
    }
    into.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BUILT_IN;
    use domain::{Details, Kind, Provenance, Status, Vin};

    fn listing(id: i64, vin: &str) -> Listing {
        Listing {
            id,
            dealer_id: 1,
            kind: Kind::Vehicle,
            status: Status::Available,
            stock_number: format!("S{id}"),
            vin: Some(Vin::parse(vin).unwrap()),
            serial: None,
            details: Details {
                year: Some(2003),
                make: Some("Honda".into()),
                model: Some("Accord".into()),
                condition: Some("Used".into()),
                exterior_color: Some("Silver\tMetallic".into()),
                price_cents: Some(999_500),
                odometer_km: Some(19_312),
                image_urls: vec!["https://p/1.jpg".into(), "https://p/2.jpg".into()],
                ..Details::default()
            },
            provenance: Provenance::default(),
            version: 1,
        }
    }

    fn dealer() -> Dealer {
        Dealer {
            key: "bayview".into(),
            store_code: "BAY1".into(),
            ..Dealer::default()
        }
    }

    fn google() -> Definition {
        Definition::parse(BUILT_IN[0].1).unwrap()
    }

    fn written(
        definition: &Definition,
        listings: &[Listing],
    ) -> (String, Vec<Result<(), Vec<String>>>) {
        let (environment, dealer) = (Feed::environment(), dealer());
        let mut feed = Feed::new(definition, &environment).unwrap();
        let mut bytes = Vec::new();
        feed.write_header(&mut bytes);
        let results = listings
            .iter()
            .map(|listing| {
                feed.write(
                    &Unit {
                        listing,
                        dealer: &dealer,
                        site: "https://s.example",
                        placeholders: 0,
                    },
                    &mut bytes,
                )
            })
            .collect();
        (String::from_utf8(bytes).unwrap(), results)
    }

    #[test]
    fn google_gets_its_exact_columns() {
        let (text, results) = written(&google(), &[listing(7, "1HGCM82633A004352")]);
        assert_eq!(results, [Ok(())]);
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split('\t').collect())
            .collect();
        let cell = |name: &str| lines[1][lines[0].iter().position(|n| *n == name).unwrap()];
        assert_eq!(cell("id"), "bayview-S7");
        assert_eq!(cell("store_code"), "BAY1");
        assert_eq!(cell("price"), "9995 USD");
        assert_eq!(cell("mileage"), "12000 Miles");
        assert_eq!(
            cell("link_template"),
            "https://s.example/stock/bayview/S7?store={store_code}"
        );
        assert_eq!(cell("color"), "Silver Metallic");
        assert_eq!(cell("certified_pre-owned"), "no");
        assert_eq!(lines[0].len(), lines[1].len());
    }

    #[test]
    fn a_price_in_another_countrys_currency_is_left_out_and_told() {
        let mut unit = listing(8, "5TDXZ3DC2KS015402");
        unit.details.set_currency(domain::Currency::CAD);
        let (environment, google) = (Feed::environment(), google());
        let written = |country: &str| {
            let mut rooftop = dealer();
            rooftop.country = country.into();
            let mut bytes = Vec::new();
            let mut feed = Feed::new(&google, &environment).unwrap();
            let unit = Unit {
                listing: &unit,
                dealer: &rooftop,
                site: "https://s.example",
                placeholders: 0,
            };
            let result = feed.write(&unit, &mut bytes);
            (result, String::from_utf8(bytes).unwrap())
        };
        let foreign = vec!["currency_foreign".to_owned()];
        assert_eq!(written("US").0, Err(foreign));
        let (result, text) = written("CA");
        assert_eq!(result, Ok(()));
        assert!(text.contains("\t9995 CAD\t"), "{text}");
    }

    #[test]
    fn each_built_in_feed_is_what_its_marketplace_takes() {
        let mut own_link = listing(8, "5TDXZ3DC2KS015402");
        own_link.details.link = Some("https://d.example/car?id=8".into());
        let full = Dealer {
            street: "1 Main St".into(),
            city: "Fresno".into(),
            state: "CA".into(),
            country: "US".into(),
            ..dealer()
        };
        for (key, text) in BUILT_IN {
            let definition = Definition::parse(text).unwrap();
            let environment = Feed::environment();
            let mut feed = Feed::new(&definition, &environment).unwrap();
            let mut bytes = Vec::new();
            feed.write_header(&mut bytes);
            for listing in [&listing(7, "1HGCM82633A004352"), &own_link] {
                let unit = Unit {
                    listing,
                    dealer: &full,
                    site: "https://s.example",
                    placeholders: 0,
                };
                assert_eq!(feed.write(&unit, &mut bytes), Ok(()), "{key}");
            }
            let found = crate::Spec::built_in(key)
                .unwrap()
                .unwrap()
                .validate(&bytes);
            assert_eq!((found.rows, &found.problems), (2, &vec![]), "{key}");
        }
    }

    #[test]
    fn meta_gets_a_finished_url_a_title_and_an_address() {
        let definition = Definition::parse(BUILT_IN[1].1).unwrap();
        let (environment, mut dealer) = (Feed::environment(), dealer());
        (dealer.street, dealer.city) = ("1 Main St".into(), "Fresno".into());
        (dealer.state, dealer.country) = ("CA".into(), "US".into());
        let mut feed = Feed::new(&definition, &environment).unwrap();
        let (mut bytes, listing) = (Vec::new(), listing(7, "1HGCM82633A004352"));
        feed.write_header(&mut bytes);
        let unit = Unit {
            listing: &listing,
            dealer: &dealer,
            site: "https://s.example",
            placeholders: 0,
        };
        assert_eq!(feed.write(&unit, &mut bytes), Ok(()));
        let mut rows = csv::Reader::from_reader(&bytes[..]);
        let header = rows.headers().unwrap().clone();
        let row = rows.records().next().unwrap().unwrap();
        let cell = |name: &str| {
            row.get(header.iter().position(|n| n == name).unwrap())
                .unwrap()
        };
        assert_eq!(cell("url"), "https://s.example/stock/bayview/S7?store=BAY1");
        assert_eq!(cell("title"), "2003 Honda Accord");
        assert_eq!(cell("mileage.value"), "12000");
        assert_eq!(cell("image[1].url"), "https://p/2.jpg");
        assert_eq!(cell("address.city"), "Fresno");
        assert_eq!(
            (cell("state_of_vehicle"), cell("body_style")),
            ("USED", "OTHER")
        );
    }

    #[test]
    fn every_reason_against_a_listing_is_told() {
        let mut bad = listing(1, "1HGCM82643A004352");
        bad.status = Status::Pending;
        bad.details.price_cents = None;
        bad.details.image_urls.clear();
        bad.details.title_brand = Some("Salvage".into());
        let (_, results) = written(&google(), &[bad]);
        let reasons = results[0].clone().unwrap_err();
        for wanted in [
            "status_pending",
            "vin_check_digit",
            "price_missing",
            "photo_missing",
            "title_branded",
            "price is blank",
        ] {
            assert!(
                reasons.iter().any(|r| r == wanted),
                "{wanted} in {reasons:?}"
            );
        }
    }

    #[test]
    fn the_second_offer_of_a_vin_is_left_out() {
        let (text, results) = written(
            &google(),
            &[
                listing(1, "1HGCM82633A004352"),
                listing(2, "1HGCM82633A004352"),
            ],
        );
        assert_eq!(results[1], Err(vec!["vin_duplicate".to_owned()]));
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn csv_quotes_and_ndjson_leaves_blanks_out() {
        let mut definition = google();
        definition.checks.clear();
        definition
            .columns
            .retain(|c| ["color", "trim", "model"].contains(&c.name.as_str()));
        definition.format = Format::Csv;
        let mut odd = listing(1, "1HGCM82633A004352");
        odd.details.exterior_color = Some("Red, \"Candy\"".into());
        let (text, _) = written(&definition, &[odd.clone()]);
        assert_eq!(text, "model,trim,color\nAccord,,\"Red, \"\"Candy\"\"\"\n");
        definition.format = Format::Ndjson;
        let (text, _) = written(&definition, &[odd]);
        assert_eq!(
            text,
            "{\"model\":\"Accord\",\"color\":\"Red, \\\"Candy\\\"\"}\n"
        );
    }

    #[test]
    fn a_definition_that_cannot_work_is_refused() {
        let mut twice = google();
        twice.columns.push(twice.columns[0].clone());
        assert!(matches!(
            twice.check(),
            Err(DefinitionError::ColumnTwice { .. })
        ));
        let mut template = google();
        template.columns[0].source = crate::Source::Expr("{{ nope".into());
        let environment = Feed::environment();
        assert!(matches!(
            Feed::new(&template, &environment),
            Err(DefinitionError::Column { .. })
        ));
        assert!(
            Definition::parse("key: x\nname: y")
                .unwrap_err()
                .to_string()
                .contains("format")
        );
    }
}
