//! Badge files: what a history provider reports, a vehicle a row. They change what is reported of units, and no stock; a
//! vehicle that a later file does not name keeps what was said of it.

use crate::App;
use crate::reported::apply;
use crate::slices::{self, MOST_REJECTS, advance, kept, parse};
use domain::ListingDraft;
use ingest::{Mapping, ParsedRow, Table};
use queue::{JobContext, JobError};
use std::collections::HashMap;
use stores::{FileCounts, Files, Histories, HistoryReport, ReportState, SourceFile, SourceRow};
use tokio::sync::mpsc;

/// A provider's name in `history_reports` when it is known by a source's files alone.
fn provider(source: &SourceRow) -> String {
    format!("source {}", source.key)
}

/// Every row is a report kept, one kept already, or refused.
pub(crate) async fn load(
    app: &App,
    cx: &JobContext,
    file: &SourceFile,
    source: &SourceRow,
    rows: u64,
    table: Table,
    mapping: Mapping,
) -> Result<(), JobError> {
    let (sender, mut slices) = mpsc::channel(1);
    let begin = u64::try_from(file.next_row).unwrap_or(0);
    let parsing =
        tokio::task::spawn_blocking(move || parse(table, &mapping, begin, None, None, &sender));
    let (provider, mut next_row, mut told) = (provider(source), file.next_row, 0);
    while let Some(slice) = slices.recv().await {
        next_row = write(app, file, &provider, &mut told, next_row, slice.rows).await?;
        let done = u64::try_from(next_row).unwrap_or(0);
        cx.progress(done, Some(rows), "reports");
    }
    parsing.await??;
    Ok(())
}

/// One slice in one transaction; the row to go on from.
async fn write(
    app: &App,
    file: &SourceFile,
    provider: &str,
    told: &mut usize,
    from: i64,
    rows: Vec<ParsedRow>,
) -> Result<i64, JobError> {
    let to = rows
        .last()
        .map_or(from, |row| i64::try_from(row.row).unwrap_or(from));
    let mut counts = FileCounts {
        rows: i64::try_from(rows.len()).unwrap_or(0),
        ..FileCounts::default()
    };
    let (mut reports, mut rejects) = (Vec::new(), Vec::new());
    let mut values_refused = 0;
    for row in rows {
        values_refused += slices::values_refused(&row);
        let number = row.stock_number.unwrap_or_default();
        match row.draft.and_then(|draft| report(provider, file, draft)) {
            Some(report) => reports.push(report),
            None if row.duplicate => counts.duplicates += 1,
            None => counts.rejected += 1,
        }
        rejects.extend(row.rejects.into_iter().map(|reject| kept(reject, &number)));
    }
    let mut tx = app.pool.begin().await?;
    let vins: Vec<String> = reports.iter().map(|report| report.vin.clone()).collect();
    let known: HashMap<String, HistoryReport> = Histories::of(&mut tx, &vins)
        .await?
        .into_iter()
        .filter(|known| known.report.provider == provider)
        .map(|known| (known.report.vin.clone(), known.report))
        .collect();
    // A blank, or a column that this file has not, takes nothing back.
    for report in &mut reports {
        if let Some(known) = known.get(&report.vin) {
            report.owners = report.owners.or(known.owners);
            report.accidents = report.accidents.or(known.accidents);
            report.title_brand = report
                .title_brand
                .take()
                .or_else(|| known.title_brand.clone());
            report.report_url = report
                .report_url
                .take()
                .or_else(|| known.report_url.clone());
        }
    }
    reports.retain(|report| match known.get(&report.vin) {
        Some(known) if same(known, report) => {
            counts.unchanged += 1;
            false
        }
        Some(_) => {
            counts.updated += 1;
            true
        }
        None => {
            counts.created += 1;
            true
        }
    });
    let vins: Vec<String> = reports.iter().map(|report| report.vin.clone()).collect();
    Histories::keep(&mut tx, &reports).await?;
    apply(&mut tx, &vins).await?;
    rejects.truncate(MOST_REJECTS.saturating_sub(*told));
    *told += rejects.len();
    Files::reject(&mut tx, file.id, &rejects).await?;
    advance(&mut tx, file.id, from, to, &counts, values_refused).await?;
    tx.commit().await?;
    Ok(to)
}

fn report(provider: &str, file: &SourceFile, draft: ListingDraft) -> Option<HistoryReport> {
    let number = |value: Option<i64>| value.and_then(|value| i32::try_from(value).ok());
    let said = draft.details;
    Some(HistoryReport {
        vin: draft.vin?.to_string(),
        provider: provider.to_owned(),
        state: ReportState::Told,
        owners: number(said.owners),
        accidents: number(said.accidents),
        title_brand: said.reported_title_brand,
        records: serde_json::json!([]),
        report_url: said.link.filter(|link| is_web(link)),
        raw_key: Some(file.object_key.clone()),
        problem: None,
    })
}

/// An address that a page may lead to: nothing that a browser would run.
fn is_web(link: &str) -> bool {
    link.starts_with("https://") || link.starts_with("http://")
}

/// Whether a file says no more than an earlier one did.
fn same(known: &HistoryReport, report: &HistoryReport) -> bool {
    let said = |of: &HistoryReport| {
        (
            of.state,
            of.owners,
            of.accidents,
            of.title_brand.clone(),
            of.report_url.clone(),
        )
    };
    said(known) == said(report)
}
