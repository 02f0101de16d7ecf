//! Rows whose cells are not where they belong: too many, too few, or far too long.

use crate::identity::longest;
use crate::plan::Plan;
use crate::sniff;
use csv::ByteRecord;
use domain::Field;

/// A row longer than this is a quote that was never closed, not a unit.
pub(crate) const LONGEST_ROW: usize = 256 * 1024;
/// Commas in one cell that should have been quoted.
const MOVED_AT_MOST: usize = 8;

/// Of one row: as many as fit into the longest.
const MOST_SWALLOWED: usize = 10_000;

/// A row, and how many cells it should have: so many, or at least so many.
pub(crate) struct Shape<'a> {
    pub(crate) record: &'a ByteRecord,
    pub(crate) width: usize,
    pub(crate) exact: bool,
    /// Blank cells at the end that the file has too many, as its habit is.
    pub(crate) surplus: usize,
    pub(crate) delimiter: u8,
    /// A quote that was opened lines before closes in the midst of a cell.
    pub(crate) torn: bool,
}

impl Shape<'_> {
    /// The stock number of a misshapen row is where it belongs, or moved by as many cells as there are too many or too few.
    /// A word that is no unit's does no harm.
    pub(crate) fn perhaps_numbers(&self, plan: &Plan) -> Vec<String> {
        let (have, wanted) = (self.record.len(), self.width);
        let moved = have.abs_diff(wanted).min(MOVED_AT_MOST);
        let places = plan
            .iter()
            .filter(|(column, _)| column.to == Field::StockNumber)
            .flat_map(|(_, places)| places.iter().copied());
        places
            .flat_map(|place| match have > wanted {
                true => place..=place + moved,
                false => place.saturating_sub(moved)..=place,
            })
            .filter_map(|place| self.record.get(place))
            .map(|cell| sniff::decode(cell).trim().to_owned())
            .filter(|cell| !cell.is_empty() && cell.chars().count() <= longest(Field::StockNumber))
            .collect()
    }

    /// Stock numbers of the rows that a quote which was never closed has swallowed: their lines stand within a cell.
    pub(crate) fn swallowed(&self, plan: &Plan) -> Vec<String> {
        let places: Vec<usize> = plan
            .iter()
            .filter(|(column, _)| column.to == Field::StockNumber)
            .flat_map(|(_, places)| places.iter().copied())
            .collect();
        let lines = self
            .record
            .iter()
            .flat_map(|cell| cell.split(|b| *b == b'\n').skip(1));
        lines
            .flat_map(|line| {
                let cells: Vec<&[u8]> = line.split(|b| *b == self.delimiter).collect();
                places
                    .iter()
                    .filter_map(move |place| cells.get(*place).copied())
                    .collect::<Vec<_>>()
            })
            .map(|cell| sniff::decode(cell).trim().trim_matches('"').to_owned())
            .filter(|cell| !cell.is_empty() && cell.chars().count() <= longest(Field::StockNumber))
            .take(MOST_SWALLOWED)
            .collect()
    }

    /// Why the row's shape alone makes it unreadable, if so.
    pub(crate) fn problem(&self) -> Option<(&'static str, String)> {
        let bytes = self.record.as_slice().len();
        if bytes > LONGEST_ROW {
            let message = format!("{bytes} bytes, a row may have {LONGEST_ROW}");
            return Some(("row_too_long", message));
        }
        let cells = self.record.len();
        if self.torn {
            let lines = 1 + line_breaks(self.record.as_slice());
            let message = format!(
                "a quote that was opened in its first line closes in the midst of a cell, {lines} lines on: rows of their own stand between"
            );
            return Some(("open_quote", message));
        }
        let fits = if self.exact {
            cells == self.width
                || cells == self.width + self.surplus && blank_from(self.record, self.width)
        } else {
            cells >= self.width
        };
        if fits {
            return None;
        }
        let lines = line_breaks(self.record.as_slice());
        let mut message = format!("{cells} cells, the file has {}", self.width);
        if lines > 0 {
            message += &format!(
                "; it spans {} lines: perhaps a quote was never closed",
                lines + 1
            );
        }
        Some(("ragged_row", message))
    }
}

fn blank_from(record: &ByteRecord, place: usize) -> bool {
    let mut cells = record.iter().skip(place);
    cells.all(|cell| cell.iter().all(u8::is_ascii_whitespace))
}

/// Rows that show a file's habit, and how many of four have it.
const LOOKED_AT: usize = 50;
const OF_FOUR: usize = 3;

/// How many delimiters too many the file has at the end of its rows: a habit of some exports. One row of many that has one is
/// a row whose cells have moved.
pub(crate) fn surplus<R: std::io::Read>(
    records: &mut csv::Reader<R>,
    width: usize,
) -> csv::Result<usize> {
    let (mut record, mut counts, mut rows) =
        (ByteRecord::new(), std::collections::BTreeMap::new(), 0);
    while rows < LOOKED_AT && records.read_byte_record(&mut record)? {
        rows += 1;
        if record.len() > width && blank_from(&record, width) {
            *counts.entry(record.len() - width).or_insert(0) += 1;
        }
    }
    let habit = counts.into_iter().max_by_key(|(_, rows)| *rows);
    Ok(habit
        .filter(|(_, have)| have * 4 >= rows * OF_FOUR)
        .map_or(0, |(surplus, _)| surplus))
}

fn line_breaks(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}
