//! A column that the source's files had, and the newest has no more: somebody changed the export. The file is loaded
//! all the same; that the field is missing is told with it and raised, until the column is back.

use crate::App;
use crate::survey::Columns;
use domain::Field;
use queue::JobError;
use stores::{Alerts, Files, RejectRow, SourceFile, SourceRow, SyncPolicy};

/// The alert, and the rule by which it is told with the file.
const COLUMN_GONE: &str = "column_gone";

/// Which of them are gone.
pub(crate) async fn tell(
    app: &App,
    file: &SourceFile,
    source: &SourceRow,
    columns: &Columns,
) -> Result<Vec<Field>, JobError> {
    let stands = columns.silent || source.terms.policy != SyncPolicy::Overwrite;
    let mut tx = app.pool.begin().await?;
    let had = Files::fields_before(&mut tx, source.id, file.id).await?;
    let gone: Vec<Field> = columns
        .absent
        .iter()
        .copied()
        .filter(|field| had.iter().any(|name| name == field.name()))
        .collect();
    // What stands for want of a word is told every time; what was cleared, once.
    let known = columns.there.iter().chain(gone.iter().filter(|_| stands));
    let known: Vec<String> = known.map(|field| field.name().to_owned()).collect();
    Files::set_fields(&mut tx, file.id, &known).await?;
    if gone.is_empty() {
        Alerts::resolve(&mut tx, COLUMN_GONE, &source.key).await?;
        tx.commit().await?;
        return Ok(gone);
    }
    let now = match stands {
        true => "values stand until it is back, or the mapping no longer names it",
        false => "it is blank in every unit now",
    };
    let told: Vec<RejectRow> = gone
        .iter()
        .map(|field| RejectRow {
            row: 0,
            stock_number: String::new(),
            column: field.name().to_owned(),
            value: file.name.clone(),
            rule: COLUMN_GONE.to_owned(),
            message: format!("files before had it, this one has no column for it: {now}"),
            row_lost: false,
        })
        .collect();
    Files::reject(&mut tx, file.id, &told).await?;
    let names: Vec<&str> = gone.iter().map(|field| field.name()).collect();
    let message = format!(
        "{} has no column for {}: {now}",
        file.name,
        names.join(", ")
    );
    Alerts::raise(&mut tx, COLUMN_GONE, "warning", &source.key, &message).await?;
    tx.commit().await?;
    Ok(gone)
}
