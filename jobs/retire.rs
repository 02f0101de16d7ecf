//! What a source brought and its newest files no longer have leaves the lot, once its grace is over.

use crate::App;
use queue::JobError;
use stores::{Files, Listings, SourceRow, SyncPolicy};

/// Units of one transaction.
pub(crate) const SLICE: i64 = 2_000;

/// As far as this file, the source's newest. How many went.
pub(crate) async fn missing(app: &App, source: &SourceRow, file: i64) -> Result<i64, JobError> {
    if source.terms.policy == SyncPolicy::UpdateOnly {
        return Ok(0);
    }
    let mut gone = 0;
    loop {
        let mut tx = app.pool.begin().await?;
        let (of, grace) = ((source.dealer_id, source.id), source.terms.grace);
        let removed = Listings::retire_missing(&mut tx, of, file, grace, SLICE).await?;
        Files::removed(&mut tx, file, removed).await?;
        tx.commit().await?;
        gone += removed;
        // A slice may be short because somebody has put one of its units meanwhile.
        if removed == 0 {
            return Ok(gone);
        }
    }
}
