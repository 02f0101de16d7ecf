//! What a file holds, before anything of it is written.

use domain::{Field, Status};
use ingest::{FileProblem, Mapping, Table, Text, Units};
use queue::JobError;

/// The largest group's stock many times over; each row costs memory and, refused, a row of ours.
const MOST_ROWS: u64 = 5_000_000;

pub(crate) struct Survey {
    pub(crate) rows: u64,
    /// At least one row can be loaded.
    pub(crate) loadable: bool,
    /// Those for sale. Lost rows' too: their units are still in the file.
    pub(crate) units: Units,
    /// Those that are named, but not for sale.
    pub(crate) off: Units,
    /// Those that are for sale with their prime unit only, which the file does not have.
    pub(crate) unprimed: Units,
    /// Of rows that do not say whose unit they are: at any rooftop.
    pub(crate) unsure: Units,
    /// Numbers with small letters in them.
    pub(crate) small: Units,
    pub(crate) columns: Columns,
    /// The last row is cut.
    pub(crate) breaks_off: bool,
}

/// Which fields the file speaks of.
#[derive(Default)]
pub(crate) struct Columns {
    pub(crate) there: Vec<Field>,
    /// Mapped, and not there.
    pub(crate) absent: Vec<Field>,
    /// What is absent is no word at all; else it is blank in every row.
    pub(crate) silent: bool,
}

impl Columns {
    /// Fields whose values stand. A mapping that reads nothing of where units stand says nothing of it.
    pub(crate) fn silent(&self) -> Vec<Field> {
        let mut silent = match self.silent {
            true => self.absent.clone(),
            false => Vec::new(),
        };
        if !self.there.contains(&Field::Status) && !self.absent.contains(&Field::Status) {
            silent.push(Field::Status);
        }
        silent
    }
}

pub(crate) async fn survey(
    text: Text,
    mapping: Mapping,
    with_prime: bool,
) -> Result<Result<(Survey, Table), FileProblem>, JobError> {
    let work = move || {
        let mut reader = Table::of(text, &mapping)?.read(&mapping)?;
        let mut survey = Survey {
            rows: 0,
            loadable: false,
            units: Units::default(),
            off: Units::default(),
            unprimed: Units::default(),
            unsure: Units::default(),
            small: Units::default(),
            columns: Columns {
                there: reader.fields(),
                absent: reader.absent(),
                silent: reader.absent_is_silent(),
            },
            breaks_off: false,
        };
        // With their primes, where they are for sale with those only.
        let mut attached = Vec::new();
        while let Some(row) = reader.next_row()? {
            survey.rows += 1;
            if row.draft.is_some() && !survey.loadable {
                survey.loadable = true;
                reader.identity_only();
            }
            let unsure = row.draft.is_none() && (row.dealer.is_none() || !row.perhaps.is_empty());
            let rooftop = row.dealer.map(|dealer| dealer.key).unwrap_or_default();
            let sold = row.draft.as_ref().and_then(|draft| draft.status);
            let sold = matches!(sold, Some(Status::Sold | Status::Removed));
            let small = |number: &&String| number.bytes().any(|b| b.is_ascii_lowercase());
            for number in row.perhaps.iter().chain(&row.stock_number).filter(small) {
                survey.small.insert(&rooftop, number);
            }
            for number in &row.perhaps {
                survey.units.insert(&rooftop, number);
                survey.unsure.insert("", number);
            }
            let Some(number) = row.stock_number else {
                continue;
            };
            if unsure {
                survey.unsure.insert("", &number);
            }
            match sold {
                true => survey.off.insert(&rooftop, &number),
                false => survey.units.insert(&rooftop, &number),
            };
            let prime = row
                .draft
                .and_then(|draft| draft.details.parent_stock_number);
            if let Some(prime) = prime.filter(|_| with_prime) {
                attached.push((rooftop, number, prime));
            }
            if survey.rows > MOST_ROWS {
                return Err(FileProblem::Unreadable {
                    row: survey.rows,
                    problem: format!("a file may have {MOST_ROWS} rows"),
                });
            }
        }
        survey.breaks_off = reader.breaks_off();
        // An attachment of an attachment may follow.
        loop {
            let before = attached.len();
            attached.retain(|(rooftop, number, prime)| {
                let there =
                    survey.units.contains(rooftop, prime) || survey.unsure.contains("", prime);
                if !there && survey.units.remove(rooftop, number) {
                    match survey.off.contains(rooftop, prime) {
                        true => survey.off.insert(rooftop, number),
                        false => survey.unprimed.insert(rooftop, number),
                    };
                }
                there
            });
            if attached.len() == before {
                break;
            }
        }
        let others = !survey.off.is_empty() || !survey.unprimed.is_empty();
        survey.loadable &= !survey.units.is_empty() || others;
        Ok((survey, reader.into_table()))
    };
    Ok(tokio::task::spawn_blocking(work).await?)
}
