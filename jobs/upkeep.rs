//! What every installation does each night without being told; an operator may edit or pause it like any schedule.
//!
//! Units that left the lot are archived after a quarter, what is past its retention is pruned, and each photo's address is asked
//! again once a month.

use crate::{ArchiveListings, PruneHistory, RevisitPhotos};
use queue::Job;
use serde_json::json;
use stores::{PgConnection, Schedules, StoreError};

/// After the loads and the feeds, before people come.
pub const ARCHIVE: (&str, &str) = ("archive-listings", "0 6 * * *");
const PRUNE: (&str, &str) = ("prune-history", "30 6 * * *");
const REVISIT: (&str, &str) = ("revisit-photos", "0 7 * * *");
/// Days off the lot.
const QUARTER: u32 = 90;
const MONTH: u32 = 30;

/// Makes the schedules that are not there yet.
pub async fn ensure(conn: &mut PgConnection) -> Result<(), StoreError> {
    for ((key, cron), kind, args) in [
        (
            ARCHIVE,
            ArchiveListings::NAME,
            json!({ "after_days": QUARTER }),
        ),
        (PRUNE, PruneHistory::NAME, json!({})),
        (REVISIT, RevisitPhotos::NAME, json!({ "nights": MONTH })),
    ] {
        Schedules::ensure(conn, key, cron, "UTC", kind, &args).await?;
    }
    Ok(())
}
