//! Rows whose cells are not where they belong: too many, too few, or far too long.

use crate::plan::Plan;
use crate::reader::LONGEST_STOCK_NUMBER;
use crate::sniff;
use csv::ByteRecord;
use domain::Field;

/// A row longer than this is a quote that was never closed, not a unit.
pub(crate) const LONGEST_ROW: usize = 256 * 1024;
/// Commas in one cell that should have been quoted.
const MOVED_AT_MOST: usize = 8;

/// A row, and how many cells it should have: so many, or at least so many.
pub(crate) struct Shape<'a> {
    pub(crate) record: &'a ByteRecord,
    pub(crate) width: usize,
    pub(crate) exact: bool,
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
            .filter(|cell| !cell.is_empty() && cell.chars().count() <= LONGEST_STOCK_NUMBER)
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
        let fits = if self.exact {
            cells == self.width
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

fn line_breaks(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}
