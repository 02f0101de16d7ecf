//! A column that is there, and that cannot be read in half of the rows or more: somebody changed what the export writes in it. Most of
//! what stood before stands, and nobody would notice: it is raised, until a file can be read again.

use queue::JobError;
use stores::{Alerts, Files, PgConnection, SourceFile, SourceRow};

const VALUES_UNREAD: &str = "values_unread";

/// In the transaction that ends the file's load.
pub(crate) async fn tell(
    tx: &mut PgConnection,
    file: &SourceFile,
    source: &SourceRow,
) -> Result<(), JobError> {
    let unread = Files::unread_columns(tx, file.id).await?;
    if unread.is_empty() {
        Alerts::resolve(tx, VALUES_UNREAD, &source.key).await?;
        return Ok(());
    }
    let columns = unread.iter().map(|(column, count, rule, value)| {
        let value: String = value.chars().take(40).collect();
        format!("{column} in {count} rows ({rule}, as {value:?})")
    });
    let columns: Vec<String> = columns.collect();
    let message = format!(
        "{} has values that could not be read: {}; `sources rejects {}` has each",
        file.name,
        columns.join(", "),
        file.id
    );
    Alerts::raise(tx, VALUES_UNREAD, "warning", &source.key, &message).await?;
    Ok(())
}
