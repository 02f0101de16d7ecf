//! Rows in order, each with what became of it.

use crate::cells;
use crate::mapping::{Column, Mapping, folded};
use crate::sniff::{self, FileProblem};
use csv::ByteRecord;
use domain::{Details, Field, ListingDraft, Value, Vin};
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::Cursor;

/// A value or a row that was refused, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Counted from 1 for the first row after the header.
    pub row: u64,
    pub column: String,
    pub value: String,
    pub rule: String,
    pub message: String,
    /// The whole row is lost, not only the value.
    pub row_lost: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ParsedRow {
    pub row: u64,
    /// Known even when the row is lost: the unit is still in the file, and must not be taken for gone.
    pub stock_number: Option<String>,
    /// `None` when the row is lost; then at least one reject says why.
    pub draft: Option<ListingDraft>,
    /// The row repeats a stock number of an earlier row, which stands.
    pub duplicate: bool,
    pub rejects: Vec<Reject>,
}

/// Kept of a refused value: enough to find it in the file.
const VALUE_KEPT: usize = 200;

#[derive(Debug)]
pub struct Reader {
    records: csv::Reader<Cursor<Vec<u8>>>,
    plan: Vec<(Column, Vec<usize>)>,
    mapping: Mapping,
    width: usize,
    row: u64,
    /// Hashes of stock numbers seen: eight bytes a row, also for a million rows.
    seen: HashSet<u64>,
    hasher: RandomState,
    record: ByteRecord,
}

impl Reader {
    /// Reads the header and decides which column fills which field.
    pub fn new(bytes: Vec<u8>, mapping: &Mapping) -> Result<Self, FileProblem> {
        let text = sniff::to_text(bytes)?;
        if let Some(row) = open_quote(&text) {
            return Err(FileProblem::OpenQuote { row });
        }
        let delimiter = mapping
            .delimiter
            .and_then(|c| u8::try_from(c).ok())
            .unwrap_or_else(|| sniff::delimiter(&text));
        let mut records = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .from_reader(Cursor::new(text));
        let header = records
            .byte_headers()
            .map_err(|error| FileProblem::Unreadable {
                row: 0,
                problem: error.to_string(),
            })?
            .clone();
        let plan = plan(&header, mapping)?;
        Ok(Self {
            records,
            plan,
            mapping: mapping.clone(),
            width: header.len(),
            row: 0,
            seen: HashSet::new(),
            hasher: RandomState::new(),
            record: ByteRecord::new(),
        })
    }

    /// `None` at the end of the file.
    pub fn next_row(&mut self) -> Result<Option<ParsedRow>, FileProblem> {
        loop {
            let more = self
                .records
                .read_byte_record(&mut self.record)
                .map_err(|error| FileProblem::Unreadable {
                    row: self.row + 1,
                    problem: error.to_string(),
                })?;
            if !more {
                return Ok(None);
            }
            // A trailing blank line is no row.
            if self
                .record
                .iter()
                .all(|cell| cell.iter().all(u8::is_ascii_whitespace))
            {
                continue;
            }
            self.row += 1;
            return Ok(Some(self.parse()));
        }
    }

    fn parse(&mut self) -> ParsedRow {
        let mut parsed = ParsedRow {
            row: self.row,
            stock_number: None,
            draft: None,
            duplicate: false,
            rejects: Vec::new(),
        };
        if self.record.len() != self.width {
            let message = format!("{} cells, the header has {}", self.record.len(), self.width);
            parsed
                .rejects
                .push(lost(self.row, "", "", "ragged_row", message));
            return parsed;
        }
        let mut details = Details::default();
        let (mut stock, mut vin, mut serial) = (None, None, None);
        for (column, places) in &self.plan {
            let Some(cell) = places
                .iter()
                .filter_map(|place| self.record.get(*place))
                .map(sniff::decode)
                .find(|cell| !cell.trim().is_empty())
            else {
                continue;
            };
            match (column.to, cells::read(column, &cell)) {
                (Field::StockNumber, Ok(Some(Value::Text(text)))) => {
                    stock = Some(text.into_owned())
                }
                (Field::Serial, Ok(Some(Value::Text(text)))) => serial = Some(text.into_owned()),
                (Field::Vin, Ok(Some(Value::Text(text)))) => match Vin::parse(&text) {
                    Ok(good) => vin = Some(good),
                    Err(error) => parsed.rejects.push(lost(
                        self.row,
                        "vin",
                        &text,
                        error.rule(),
                        error.to_string(),
                    )),
                },
                (field, Ok(value)) => {
                    // The mapping's check made sure that the types fit.
                    let _ = details.set(field, value);
                }
                (field, Err(bad)) => {
                    let mut reject = lost(self.row, field.name(), &cell, bad.rule, bad.message);
                    reject.row_lost = matches!(field, Field::StockNumber | Field::Vin);
                    parsed.rejects.push(reject);
                }
            }
        }
        let Some(stock_number) = stock else {
            if !parsed.rejects.iter().any(|r| r.column == "stock_number") {
                let message =
                    "the row has no stock number: it cannot be told from others".to_owned();
                parsed.rejects.push(lost(
                    self.row,
                    "stock_number",
                    "",
                    "stock_number_missing",
                    message,
                ));
            }
            return parsed;
        };
        parsed.stock_number = Some(stock_number.clone());
        let hash = self.hasher.hash_one(stock_number.to_ascii_uppercase());
        if self.seen.contains(&hash) {
            parsed.duplicate = true;
            let message =
                "an earlier row of the file has this stock number; that row stands".to_owned();
            parsed.rejects.push(lost(
                self.row,
                "stock_number",
                &stock_number,
                "stock_number_twice",
                message,
            ));
            return parsed;
        }
        if !parsed.rejects.iter().any(|reject| reject.row_lost) {
            // A lost row does not stand, so a good one after it is no duplicate.
            self.seen.insert(hash);
            parsed.draft = Some(ListingDraft {
                kind: self.mapping.kind,
                stock_number,
                vin,
                serial,
                details,
                row: self.row,
            });
        }
        parsed
    }
}

fn lost(row: u64, column: &str, value: &str, rule: &str, message: String) -> Reject {
    Reject {
        row,
        column: column.to_owned(),
        // PostgreSQL has no NUL in text; the rest stands as it was sent.
        value: value
            .chars()
            .filter(|c| *c != '\0')
            .take(VALUE_KEPT)
            .collect(),
        rule: rule.to_owned(),
        message: message.replace('\0', ""),
        row_lost: true,
    }
}

/// For each mapped field, the places of its columns in this file, best name first.
fn plan(header: &ByteRecord, mapping: &Mapping) -> Result<Vec<(Column, Vec<usize>)>, FileProblem> {
    if header.len() > 500 {
        return Err(FileProblem::TooWide(header.len()));
    }
    let names: Vec<String> = header
        .iter()
        .map(|cell| folded(&sniff::decode(cell)))
        .collect();
    let mut plan = Vec::new();
    for column in &mapping.columns {
        let mut places = Vec::new();
        for wanted in column.from.iter().map(|name| folded(name)) {
            let mut found = names
                .iter()
                .enumerate()
                .filter(|(_, name)| **name == wanted);
            if let Some((place, _)) = found.next() {
                places.push(place);
            }
            if column.required && found.next().is_some() {
                return Err(FileProblem::DoubleColumn(wanted));
            }
        }
        if places.is_empty() && column.required {
            return Err(FileProblem::MissingColumn {
                wanted: column.from.join(" or "),
                have: names
                    .iter()
                    .take(40)
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(", "),
            });
        }
        if !places.is_empty() {
            plan.push((column.clone(), places));
        }
    }
    Ok(plan)
}

/// The row a quoted cell opens in that the file never closes.
fn open_quote(text: &[u8]) -> Option<u64> {
    let (mut quoted, mut row, mut opened) = (false, 0, 0);
    for byte in text {
        match byte {
            b'"' => {
                quoted = !quoted;
                opened = row;
            }
            b'\n' => row += 1,
            _ => {}
        }
    }
    quoted.then_some(opened)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn homenet() -> Mapping {
        Mapping::built_in("homenet").unwrap()
    }

    fn rows(text: &str) -> Vec<ParsedRow> {
        let mut reader = Reader::new(text.as_bytes().to_vec(), &homenet()).unwrap();
        std::iter::from_fn(|| reader.next_row().unwrap()).collect()
    }

    const HEAD: &str = "Type,Stock,VIN,Year,Make,Model,Miles,Selling Price,ImageList\n";

    #[test]
    fn a_row_becomes_a_draft() {
        let rows = rows(&format!(
            "{HEAD}Used,A1,1hgcm82633a004352,2003,Honda,Accord,\"12,000\",\"$9,995 \",\"http://p/1.jpg,http://p/2.jpg\"\n"
        ));
        let draft = rows[0].draft.as_ref().unwrap();
        assert_eq!(draft.stock_number, "A1");
        assert_eq!(draft.vin.as_ref().unwrap().as_str(), "1HGCM82633A004352");
        assert_eq!(draft.details.price_cents, Some(999_500));
        assert_eq!(draft.details.odometer_km, Some(19_312));
        assert_eq!(draft.details.image_urls.len(), 2);
        assert_eq!(draft.details.condition.as_deref(), Some("Used"));
        assert!(rows[0].rejects.is_empty());
    }

    #[test]
    fn a_bad_value_costs_the_value_and_a_bad_identity_the_row() {
        let rows = rows(&format!(
            "{HEAD}Used,A1,1HGCM82633A004352,1000,Honda,Accord,1,Not Priced,\nUsed,A2,1HGCM8263OA004352,2003,Honda,Accord,1,1,\nUsed,,1HGCM82633A004352,2003,Honda,Accord,1,1,\nUsed,a1,1HGCM82633A004352,2003,Honda,Accord,1,1,\nUsed,A5\n"
        ));
        let rules: Vec<Vec<&str>> = rows
            .iter()
            .map(|r| r.rejects.iter().map(|x| x.rule.as_str()).collect())
            .collect();
        assert_eq!(
            rules,
            [
                vec!["year_unknown", "not_priced"],
                vec!["vin_ioq"],
                vec!["stock_number_missing"],
                vec!["stock_number_twice"],
                vec!["ragged_row"]
            ]
        );
        let loaded: Vec<bool> = rows.iter().map(|r| r.draft.is_some()).collect();
        assert_eq!(loaded, [true, false, false, false, false]);
        assert!(rows[3].duplicate);
    }

    #[test]
    fn a_good_row_after_a_lost_one_of_its_number_stands() {
        let rows = rows(&format!(
            "{HEAD}Used,A1,1HGCM8263OA004352,2003,Honda,Accord,1,1,\nUsed,A1,1HGCM82633A004352,2003,Honda,Accord,1,1,\n"
        ));
        assert_eq!(rows[0].stock_number.as_deref(), Some("A1"));
        assert!(rows[0].draft.is_none() && rows[1].draft.is_some());
    }

    #[test]
    fn a_file_that_is_not_ours_is_refused_by_name() {
        let rule = |text: &str| {
            Reader::new(text.as_bytes().to_vec(), &homenet())
                .unwrap_err()
                .rule()
        };
        assert_eq!(rule("Make,Model\nFord,F-150\n"), "file_missing_column");
        assert_eq!(
            rule(&format!("{HEAD}Used,A1,\"1HGCM826\n")),
            "file_open_quote"
        );
        assert_eq!(rule("stock,vin,vin\n1,2,3\n"), "file_double_column");
    }

    #[test]
    fn tab_and_pipe_files_read_alike() {
        for delimiter in ["\t", "|"] {
            let text = "stock,vin,make\nA1,1HGCM82633A004352,Honda\n".replace(',', delimiter);
            assert_eq!(
                rows(&text)[0]
                    .draft
                    .as_ref()
                    .unwrap()
                    .details
                    .make
                    .as_deref(),
                Some("Honda")
            );
        }
    }

    proptest! {
        /// Any bytes at all: a named refusal or rows that are each accounted for; never a panic.
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let mut text = b"stock,vin\n".to_vec();
            text.extend(bytes);
            if let Ok(mut reader) = Reader::new(text, &homenet()) {
                while let Ok(Some(row)) = reader.next_row() {
                    prop_assert_eq!(row.draft.is_none(), row.rejects.iter().any(|r| r.row_lost));
                }
            }
        }
    }
}
