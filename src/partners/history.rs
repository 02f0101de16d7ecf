//! A vehicle's history as a web page: read by selectors that are data, because pages change and code should not.
//!
//! A selector that must find something and does not is told by name: the page was built anew, and what it says now is not
//! known. Nothing of such a page is believed.

use crate::{Ask, Content, ErrorKind, Fetcher, Method, PartnerError};
use domain::Field;
use jiff::civil::Date;
use scraper::{ElementRef, Html, Selector};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a report's page is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selectors {
    /// Where the VIN stands that the page is about.
    pub vin: Pick,
    pub owners: Pick,
    pub accidents: Pick,
    pub title_brand: Pick,
    /// The provider's words for title brands, whatever their case, to ours, beside those we know; others stand as they are.
    #[serde(default)]
    pub brands: BTreeMap<String, String>,
    /// Service records and readings of the odometer.
    #[serde(default)]
    pub records: Option<Records>,
}

/// One value of a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pick {
    /// CSS.
    pub select: String,
    /// Its value instead of the element's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
    /// Cut off the front of the text: `Title:`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub after: String,
    /// Texts that mean zero, whatever their case: `no accidents`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zero: Vec<String>,
    /// Pages without it are whole all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// A table of records: its rows, and what stands in each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Records {
    pub rows: String,
    /// What holds them, and stands there when there are none. Without it a page without rows is one without records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    pub date: Pick,
    /// As `%m/%d/%Y`.
    pub date_format: String,
    /// In miles.
    pub odometer: Pick,
    pub what: Pick,
}

/// What a page says of a vehicle.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub owners: Option<i64>,
    pub accidents: Option<i64>,
    pub title_brand: Option<String>,
    pub records: Vec<Record>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub date: Option<Date>,
    pub odometer_miles: Option<i64>,
    pub what: String,
}

/// Why a page is not believed: what was looked for, and not found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the page has no {what} ({select}){found}")]
pub struct Drift {
    pub what: &'static str,
    pub select: String,
    found: String,
}

/// Of one page; more are not records but a trap.
const MOST_RECORDS: usize = 1_000;
/// No vehicle's odometer reads more.
const MOST_MILES: i64 = 10_000_000;
/// Of one text that is kept.
const LONGEST: usize = 500;

/// The page of a report, as it came.
pub async fn fetch(
    fetcher: &Fetcher,
    partner: &str,
    url: &str,
    authorization: Option<&SecretString>,
) -> Result<Vec<u8>, PartnerError> {
    let ask = Ask {
        method: Method::Get,
        url,
        authorization,
        content_type: "",
        body: Vec::new(),
        wanted: Content::Html,
    };
    Ok(fetcher.ask(partner, &ask).await?.bytes)
}

impl Selectors {
    /// Every selector is CSS, and every name of a value is there.
    pub fn judged(&self) -> Result<(), String> {
        let mut picks = vec![
            ("vin", &self.vin),
            ("owners", &self.owners),
            ("accidents", &self.accidents),
            ("title_brand", &self.title_brand),
        ];
        if let Some(records) = &self.records {
            css("records.rows", &records.rows)?;
            if let Some(table) = &records.table {
                css("records.table", table)?;
            }
            picks.push(("records.date", &records.date));
            picks.push(("records.odometer", &records.odometer));
            picks.push(("records.what", &records.what));
        }
        for (name, pick) in picks {
            css(name, &pick.select)?;
            // A blank stands in every text.
            if pick.zero.iter().any(|zero| zero.trim().is_empty()) {
                return Err(format!(
                    "{name}.zero: a blank word would make every number 0"
                ));
            }
        }
        for (said, ours) in &self.brands {
            if said.trim().is_empty() || ours.trim().is_empty() {
                return Err(format!(
                    "brands: {said:?} to {ours:?} has a blank word, which would hide a brand"
                ));
            }
        }
        if let Some(records) = &self.records {
            let shown = Date::constant(2026, 11, 27).strftime(&records.date_format);
            let mut text = String::new();
            let read = std::fmt::Write::write_fmt(&mut text, format_args!("{shown}"));
            if read.is_err() || Date::strptime(&records.date_format, &text).is_err() {
                let form = &records.date_format;
                return Err(format!(
                    "records.date_format: {form:?} is no form of a date, as %m/%d/%Y is"
                ));
            }
        }
        Ok(())
    }

    /// Words that are compared in lower case, in lower case.
    #[must_use]
    pub fn folded(mut self) -> Self {
        let brands = std::mem::take(&mut self.brands).into_iter();
        self.brands = brands
            .map(|(said, ours)| (said.trim().to_lowercase(), ours))
            .collect();
        let records = self
            .records
            .iter_mut()
            .flat_map(|records| [&mut records.date, &mut records.odometer, &mut records.what]);
        let picks = [
            &mut self.vin,
            &mut self.owners,
            &mut self.accidents,
            &mut self.title_brand,
        ];
        for pick in picks.into_iter().chain(records) {
            for zero in &mut pick.zero {
                *zero = zero.to_lowercase();
            }
        }
        self
    }

    /// What a page says, or what it lacks.
    pub fn read(&self, vin: &str, page: &[u8]) -> Result<Report, Drift> {
        let page = Html::parse_document(&String::from_utf8_lossy(page));
        let root = page.root_element();
        let about = self.vin.text(root, "vin")?.unwrap_or_default();
        let about_it = about.to_ascii_uppercase();
        let words = about_it.split(|c: char| !c.is_ascii_alphanumeric());
        let mut vins = words.filter(|word| word.len() == vin.len());
        if !about_it.contains(vin) || vins.any(|other| other != vin) {
            return Err(self.vin.missing("vin", &format!(": it is about {about:?}")));
        }
        let title_brand = self.title_brand.text(root, "title_brand")?.map(|said| {
            let theirs = self.brands.get(&said.to_lowercase());
            let ours = || domain::title::named(&said).map(str::to_owned);
            theirs.cloned().or_else(ours).unwrap_or(said)
        });
        Ok(Report {
            owners: self
                .owners
                .number(root, "owners", *Field::Owners.range().end())?,
            accidents: self
                .accidents
                .number(root, "accidents", *Field::Accidents.range().end())?,
            title_brand,
            records: match &self.records {
                Some(records) => records.read(root)?,
                None => Vec::new(),
            },
        })
    }
}

fn css(name: &str, select: &str) -> Result<Selector, String> {
    Selector::parse(select).map_err(|error| format!("{name}: {select:?} is no selector: {error}"))
}

impl Pick {
    fn missing(&self, what: &'static str, found: &str) -> Drift {
        Drift {
            what,
            select: self.select.clone(),
            found: found.to_owned(),
        }
    }

    fn text(&self, within: ElementRef<'_>, what: &'static str) -> Result<Option<String>, Drift> {
        let element = css(what, &self.select)
            .ok()
            .and_then(|selector| within.select(&selector).next());
        let text = element.and_then(|element| match &self.attribute {
            Some(name) => element.value().attr(name).map(str::to_owned),
            None => Some(element.text().collect::<String>()),
        });
        let text = text.map(|text| {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let text = text.strip_prefix(&self.after).unwrap_or(&text).trim();
            text.chars().take(LONGEST).collect::<String>()
        });
        match text.filter(|text| !text.is_empty()) {
            None if !self.optional => Err(self.missing(what, "")),
            text => Ok(text),
        }
    }

    /// At most so much: more is a year, or another number of the page.
    fn number(
        &self,
        within: ElementRef<'_>,
        what: &'static str,
        most: i64,
    ) -> Result<Option<i64>, Drift> {
        let Some(text) = self.text(within, what)? else {
            return Ok(None);
        };
        let lower = text.to_lowercase();
        // `2 accidents (no accidents since 2020)`: what stands first is meant.
        let number = text.find(|c: char| c.is_ascii_digit());
        let zero = self
            .zero
            .iter()
            .filter_map(|zero| lower.find(zero.as_str()));
        if let Some(zero) = zero.min()
            && number.is_none_or(|number| zero <= number)
        {
            return Ok(Some(0));
        }
        match first_number(&text) {
            Some(number) if number <= most => Ok(Some(number)),
            Some(_) => Err(self.missing(what, &format!(": {text:?} is no such number"))),
            None => Err(self.missing(what, &format!(": {text:?} has no number"))),
        }
    }
}

impl Records {
    /// Rows that lack what each must have are drift, and so are no rows where nothing holds them.
    fn read(&self, root: ElementRef<'_>) -> Result<Vec<Record>, Drift> {
        let gone = |what, select: &str| Drift {
            what,
            select: select.to_owned(),
            found: String::new(),
        };
        let rows = css("records.rows", &self.rows);
        let rows = rows.map_err(|_| gone("records.rows", &self.rows))?;
        if let Some(table) = &self.table {
            let held = css("records.table", table).ok();
            if held.is_none_or(|held| root.select(&held).next().is_none()) {
                return Err(gone("records.table", table));
            }
        }
        root.select(&rows)
            .take(MOST_RECORDS)
            .map(|row| {
                let date = self.date.text(row, "records.date")?;
                let date = date.map(|text| {
                    let read = Date::strptime(&self.date_format, &text);
                    read.map_err(|_| {
                        let found = format!(": {text:?} is no date like {:?}", self.date_format);
                        self.date.missing("records.date", &found)
                    })
                });
                let date = date.transpose()?;
                Ok(Record {
                    date,
                    odometer_miles: self.odometer.number(row, "records.odometer", MOST_MILES)?,
                    what: self.what.text(row, "records.what")?.unwrap_or_default(),
                })
            })
            .collect()
    }
}

/// `12,345 mi` is 12345, and so is `12 345 mi`; `-1`, `1,2` and `12.345` are none.
fn first_number(text: &str) -> Option<i64> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    (!text[..start].ends_with('-')).then_some(())?;
    let text = &text[start..];
    let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, ',' | '.'));
    let mut end = end.unwrap_or(text.len());
    while let Some(group) = text[end..].strip_prefix(' ') {
        let digits = group.bytes().take_while(u8::is_ascii_digit).count();
        if digits != 3 {
            break;
        }
        end += 4;
    }
    let number = text[..end].trim_end_matches(['.', ',']);
    let (whole, _) = domain::parted(number, domain::Marks::Point)?;
    whole.parse().ok()
}

impl From<Drift> for PartnerError {
    fn from(drift: Drift) -> Self {
        Self::new(ErrorKind::Corrupt, "read", "the report", drift.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(select: &str) -> Pick {
        Pick {
            select: select.to_owned(),
            attribute: None,
            after: String::new(),
            zero: vec!["no accidents".to_owned()],
            optional: false,
        }
    }

    fn selectors() -> Selectors {
        Selectors {
            vin: Pick {
                attribute: Some("data-vin".to_owned()),
                ..pick("#report")
            },
            owners: pick(".owners"),
            accidents: pick(".accidents"),
            title_brand: Pick {
                after: "Title:".to_owned(),
                ..pick(".brand")
            },
            brands: [("reconstructed".to_owned(), "Rebuilt".to_owned())].into(),
            records: Some(Records {
                rows: "tr.record".to_owned(),
                table: Some("table".to_owned()),
                date: pick(".date"),
                date_format: "%m/%d/%Y".to_owned(),
                odometer: pick(".odo"),
                what: pick(".what"),
            }),
        }
    }

    const VIN: &str = "1HGCM82633A004352";
    const PAGE: &str = r#"<main id="report" data-vin="1HGCM82633A004352"><p class="owners">2 previous owners</p>
        <p class="accidents">No accidents reported</p><p class="brand">Title: Reconstructed</p><table>
        <tr class="record"><td class="date">03/15/2021</td><td class="odo">21,480 mi</td><td class="what">Oil
        changed</td></tr></table></main>"#;

    #[test]
    fn a_page_is_read_by_its_selectors() {
        let report = selectors().read(VIN, PAGE.as_bytes()).unwrap();
        assert_eq!((report.owners, report.accidents), (Some(2), Some(0)));
        assert_eq!(report.title_brand.as_deref(), Some("Rebuilt"));
        for (text, number) in [
            ("21,480 mi", Some(21_480)),
            ("21 480 mi", Some(21_480)),
            ("21.480 mi", None),
            ("9 2019", Some(9)),
            ("12.5 mi.", Some(12)),
        ] {
            assert_eq!(first_number(text), number, "{text}");
        }
        let expected = Record {
            date: Some(jiff::civil::date(2021, 3, 15)),
            odometer_miles: Some(21_480),
            what: "Oil changed".to_owned(),
        };
        assert_eq!(report.records, [expected]);
    }

    #[test]
    fn what_a_page_lacks_is_named_and_nothing_of_it_believed() {
        let drift = |page: &str| {
            let drift = selectors().read(VIN, page.as_bytes());
            drift.unwrap_err().to_string()
        };
        let gone = PAGE.replace("class=\"owners\"", "class=\"holders\"");
        assert_eq!(drift(&gone), "the page has no owners (.owners)");
        let worded = PAGE.replace("2 previous owners", "several owners");
        assert!(drift(&worded).contains("\"several owners\" has no number"));
        let other = PAGE.replace(VIN, "5TDXZ3DC2KS015402");
        assert!(drift(&other).contains("5TDXZ3DC2KS015402"));
        let dated = PAGE.replace("03/15/2021", "15 March");
        assert!(drift(&dated).contains("\"15 March\" is no date like"));
        let many = PAGE.replace("2 previous", "4155550123 previous");
        assert!(drift(&many).contains("is no such number"));
        for (text, why) in [
            ("since 2019: 3 owners", "is no such number"),
            ("-1 owners", "has no number"),
            ("1,2 owners", "has no number"),
        ] {
            let odd = PAGE.replace("2 previous owners", text);
            assert!(drift(&odd).contains(why), "{text}");
        }
        let two = PAGE.replace("data-vin=\"", "data-vin=\"5TDXZ3DC2KS015402 ");
        assert!(
            drift(&two).contains("it is about"),
            "a page of two vehicles"
        );
        let since = PAGE.replace(
            "No accidents reported",
            "2 accidents (no accidents since 2020)",
        );
        let since = selectors().read(VIN, since.as_bytes()).unwrap();
        assert_eq!(since.accidents, Some(2));
        let moved = PAGE.replace("<table>", "<ul>").replace("</table>", "</ul>");
        assert_eq!(drift(&moved), "the page has no records.table (table)");
        let none = PAGE.replace("class=\"record\"", "class=\"note\"");
        let none = selectors().read(VIN, none.as_bytes()).unwrap();
        assert!(none.records.is_empty(), "a table without rows");
        assert!(drift("<html>please log in</html>").contains("no vin (#report)"));
    }

    #[test]
    fn a_selector_that_is_none_is_refused_by_name() {
        let mut selectors = selectors();
        assert_eq!(selectors.judged(), Ok(()));
        let mut blank = selectors.clone();
        blank.accidents.zero.push(" ".to_owned());
        assert!(blank.judged().unwrap_err().starts_with("accidents.zero"));
        let mut hidden = selectors.clone();
        hidden.brands.insert("salvage".to_owned(), String::new());
        assert!(hidden.judged().unwrap_err().starts_with("brands"));
        let mut dated = selectors.clone();
        if let Some(records) = &mut dated.records {
            records.date_format = "%Q%Q".to_owned();
        }
        assert!(dated.judged().unwrap_err().contains("date_format"));
        selectors.owners.select = "li..x".to_owned();
        let problem = selectors.judged().unwrap_err();
        assert!(problem.starts_with("owners: \"li..x\""), "{problem}");
    }
}
