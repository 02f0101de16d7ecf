//! A file's rows, parsed on a thread of their own, a slice ahead of the database; and how far they are loaded.

use domain::{Field, Listing, ListingDraft, merge};
use ingest::{FileProblem, Mapping, ParsedRow, Table};
use queue::JobError;
use std::collections::HashMap;
use std::time::Duration;
use stores::{FileCounts, Files, PgConnection, RejectRow, said_by};
use tokio::sync::mpsc;
use vin::Decoder;

/// Rows of one transaction: short enough that the change log's horizon never waits long.
const SLICE_ROWS: usize = 5_000;
/// And no more of the file than this, for the sake of the memory.
const SLICE_BYTES: usize = 8 * 1024 * 1024;

/// Refusals told of one file by one attempt; counts are right beyond.
pub(crate) const MOST_REJECTS: usize = 100_000;

/// Rows of one transaction, and what new units come to, by row.
#[derive(Default)]
pub(crate) struct Slice {
    pub(crate) rows: Vec<ParsedRow>,
    pub(crate) begun: HashMap<u64, Listing>,
    /// In the file.
    bytes: usize,
}

/// Sends rows behind `begin`, a slice at a time. With `ahead`, the file's id, what new units come to is put together
/// here.
pub(crate) fn parse(
    table: Table,
    mapping: &Mapping,
    begin: u64,
    decoder: Option<&Decoder>,
    ahead: Option<i64>,
    slices: &mpsc::Sender<Slice>,
) -> Result<(), FileProblem> {
    let mut reader = table.read(mapping)?;
    let mut slice = Slice::default();
    while let Some(mut row) = reader.next_row()? {
        // Rows loaded before a cut are parsed again, so that duplicates are still known.
        if row.row > begin {
            if let (Some(decoder), Some(draft)) = (decoder, &mut row.draft) {
                part_trim(decoder, draft);
            }
            if let (Some(file), Some(draft)) = (ahead, &row.draft) {
                let begun = merge::begin(0, draft, &said_by(Some(file), draft));
                slice.begun.insert(row.row, begun);
            }
            slice.bytes += reader.row_bytes();
            slice.rows.push(row);
        }
        if (slice.rows.len() == SLICE_ROWS || slice.bytes >= SLICE_BYTES)
            && slices.blocking_send(std::mem::take(&mut slice)).is_err()
        {
            return Ok(());
        }
    }
    if !slice.rows.is_empty() {
        // The receiver is gone only when the job failed; it says why.
        let _ = slices.blocking_send(slice);
    }
    Ok(())
}

/// A model that carries its trim is parted where the VIN's model ends, before it is compared with
/// what is stored: else the next file would bring it back whole, and change it every night.
fn part_trim(decoder: &Decoder, draft: &mut ListingDraft) {
    let (Some(vin), Some(listed)) = (&draft.vin, draft.details.model.clone()) else {
        return;
    };
    let decoded = decoder.decode(vin);
    if draft.details.trim.is_some() || !decoded.check_digit_ok {
        return;
    }
    let model = decoded.facts.model.unwrap_or_default();
    if let Some((model, trim)) = vin::split_trim(&listed, &model) {
        draft.details.model = Some(model.to_owned());
        draft.details.trim = Some(trim.to_owned());
        draft.originals.entry(Field::Model).or_insert(listed);
    }
}

/// Notes how far the file is loaded.
pub(crate) async fn advance(
    tx: &mut PgConnection,
    file: i64,
    from: i64,
    to: i64,
    counts: &FileCounts,
    values_refused: i64,
) -> Result<(), JobError> {
    if Files::advance(tx, file, from, to, counts, values_refused).await? {
        return Ok(());
    }
    // Another attempt of this job, its lease lost, went on: leave the file to it.
    Err(JobError::Snooze {
        after: Duration::from_secs(5),
        reason: format!("row {from} of file {file} was loaded by another attempt"),
    })
}

/// Cells that could not be read, of a row that is loaded all the same.
pub(crate) fn values_refused(row: &ParsedRow) -> i64 {
    let lost = row.duplicate || row.rejects.iter().any(|reject| reject.row_lost);
    match lost {
        true => 0,
        false => i64::try_from(row.rejects.len()).unwrap_or(0),
    }
}

/// As it is told with the file, of the unit with this number.
pub(crate) fn kept(reject: ingest::Reject, stock_number: &str) -> RejectRow {
    RejectRow {
        stock_number: stock_number.chars().take(200).collect(),
        row: i64::try_from(reject.row).unwrap_or(i64::MAX),
        column: reject.column,
        value: reject.value,
        rule: reject.rule,
        message: reject.message,
        row_lost: reject.row_lost,
    }
}
