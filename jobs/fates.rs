//! What becomes of each row of a slice before the database has seen it: brought to its rooftop's stock, a duplicate, or refused.
//! Attachments that are for sale with their prime unit only go where that goes.

use crate::slices::{kept, values_refused};
use crate::survey::Survey;
use domain::{ListingDraft, Status};
use ingest::{ParsedRow, Units};
use std::collections::HashMap;
use stores::{Attachments, FileCounts, RejectRow, SourceRow};

/// Of a slice.
#[derive(Default)]
pub(crate) struct Fates {
    /// With the rooftop's id.
    pub(crate) drafts: Vec<(i64, ListingDraft)>,
    pub(crate) rejects: Vec<RejectRow>,
    /// Rows, duplicates, and those that are refused so far.
    pub(crate) counts: FileCounts,
    /// Cells that cost no row.
    pub(crate) values_refused: i64,
    /// Units (rooftop, stock number) of refused rows: they are still in the file.
    pub(crate) lost: Vec<(i64, String)>,
    /// Numbers of rows that do not say whose unit they are.
    pub(crate) unsure: Vec<String>,
}

pub(crate) fn fates(
    rows: Vec<ParsedRow>,
    source: &SourceRow,
    survey: &Survey,
    rooftops: &HashMap<String, i64>,
) -> Fates {
    let mut fates = Fates::default();
    fates.counts.rows = i64::try_from(rows.len()).unwrap_or(0);
    for row in rows {
        let key = row.dealer.as_ref().map(|dealer| dealer.key.clone());
        let rooftop = source
            .dealer_id
            .or_else(|| rooftops.get(key.as_ref()?).copied());
        fates.take(row, source, survey, key, rooftop);
    }
    fates
}

impl Fates {
    fn take(
        &mut self,
        row: ParsedRow,
        source: &SourceRow,
        survey: &Survey,
        key: Option<String>,
        rooftop: Option<i64>,
    ) {
        let number = row.stock_number.clone().unwrap_or_default();
        self.values_refused += values_refused(&row);
        let rejects = row.rejects.into_iter();
        self.rejects
            .extend(rejects.map(|reject| kept(reject, &number)));
        let with =
            |primes: &Units, draft: &ListingDraft| goes_with(source, primes, key.as_deref(), draft);
        match (row.draft, rooftop) {
            _ if row.duplicate => self.counts.duplicates += 1,
            // Sold with it, whatever grace is given to what is missing.
            (Some(mut draft), Some(rooftop)) if with(&survey.off, &draft) => {
                draft.status = Some(Status::Sold);
                self.rejects.push(sold_with_prime(&draft));
                self.drafts.push((rooftop, draft));
            }
            (Some(draft), Some(_))
                if is_attached(source, &draft)
                    && !with(&survey.units, &draft)
                    && !with_unsure(survey, &draft) =>
            {
                self.counts.rejected += 1;
                self.rejects.push(without_prime(&draft));
            }
            (Some(draft), Some(rooftop)) => self.drafts.push((rooftop, draft)),
            (draft, rooftop) => {
                self.counts.rejected += 1;
                let misread = draft.is_none() && !row.perhaps.is_empty();
                let numbers = row.stock_number.into_iter().chain(row.perhaps);
                let numbers: Vec<String> = numbers.collect();
                if source.dealer_id.is_none() && (rooftop.is_none() || misread) {
                    self.unsure.extend(numbers.iter().cloned());
                }
                if let Some(rooftop) = rooftop {
                    let lost = numbers.into_iter().map(|number| (rooftop, number));
                    self.lost.extend(lost);
                }
                if draft.is_some() {
                    let key = key.unwrap_or_default();
                    self.rejects.push(unknown_rooftop(row.row, number, key));
                }
            }
        }
    }
}

/// An attachment that is for sale with its prime unit only.
fn is_attached(source: &SourceRow, draft: &ListingDraft) -> bool {
    source.terms.attachments == Attachments::WithPrime
        && draft.details.parent_stock_number.is_some()
}

/// And that unit is among these.
fn goes_with(
    source: &SourceRow,
    primes: &Units,
    rooftop: Option<&str>,
    draft: &ListingDraft,
) -> bool {
    let rooftop = match source.dealer_id {
        Some(_) => "",
        None => rooftop.unwrap_or_default(),
    };
    let prime = draft.details.parent_stock_number.as_deref();
    is_attached(source, draft) && prime.is_some_and(|prime| primes.contains(rooftop, prime))
}

/// Perhaps that unit is there: a row with its number does not say whose it is, and it stays on the lot.
fn with_unsure(survey: &Survey, draft: &ListingDraft) -> bool {
    let prime = draft.details.parent_stock_number.as_deref();
    prime.is_some_and(|prime| survey.unsure.contains("", prime))
}

fn sold_with_prime(draft: &ListingDraft) -> RejectRow {
    RejectRow {
        row_lost: false,
        rule: "prime_sold".to_owned(),
        message: "its prime unit is sold or withdrawn in this file, and it goes with it".to_owned(),
        ..without_prime(draft)
    }
}

fn without_prime(draft: &ListingDraft) -> RejectRow {
    let prime = draft.details.parent_stock_number.clone();
    let prime = prime.unwrap_or_default();
    RejectRow {
        row: i64::try_from(draft.row).unwrap_or(i64::MAX),
        stock_number: draft.stock_number.clone(),
        column: "parent_stock_number".to_owned(),
        message: format!(
            "its prime unit {prime:?} is not for sale in this file, so it is not either"
        ),
        value: prime,
        rule: "prime_gone".to_owned(),
        row_lost: true,
    }
}

/// Of a source that only updates known units.
pub(crate) fn unit_unknown(row: u64) -> RejectRow {
    RejectRow {
        row: i64::try_from(row).unwrap_or(i64::MAX),
        stock_number: String::new(),
        column: "stock_number".to_owned(),
        message: "nobody has this unit, and this source only updates known ones".to_owned(),
        value: String::new(),
        rule: "unit_unknown".to_owned(),
        row_lost: true,
    }
}

fn unknown_rooftop(row: u64, stock_number: String, key: String) -> RejectRow {
    RejectRow {
        row: i64::try_from(row).unwrap_or(i64::MAX),
        stock_number,
        column: "dealer".to_owned(),
        message: format!("there is no dealer {key:?}, and this source may not make any"),
        value: key,
        rule: "dealer_unknown".to_owned(),
        row_lost: true,
    }
}
