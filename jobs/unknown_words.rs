//! Words of the stock that no table of ours knows: a mapping's `words` can say what they mean.

use domain::Field;
use ingest::words;
use stores::{FieldValue, PgConnection, StoreError, Values};

/// Of units on the lot, most used first; of one dealer, or of all.
pub async fn of_stock(
    conn: &mut PgConnection,
    dealer: Option<&str>,
) -> Result<Vec<FieldValue>, StoreError> {
    let mut found = Values::worded(conn, dealer).await?;
    found.retain(|found| !known(found));
    Ok(found)
}

/// A table has the word. A colour in which no plain one was found is not known.
fn known(found: &FieldValue) -> bool {
    let color = found.field.ends_with("_color");
    let field = Field::parse(&found.field).ok();
    !color && field.is_some_and(|field| words::normal(field, &found.value).is_some())
}
