//! The change dispatcher: gives each committed change its position.

use super::pause;
use crate::App;
use std::sync::Arc;
use std::time::Duration;
use stores::{Changes, PgPool, StoreError};
use tokio_util::sync::CancellationToken;

/// A change is visible to readers by position this soon after its commit.
const EVERY: Duration = Duration::from_millis(100);
const SLICE: i64 = 5_000;

pub(super) async fn run(app: Arc<App>, stop: CancellationToken) {
    let mut failing = false;
    while pause(&stop, EVERY).await {
        match stamp_all(&app.pool).await {
            Ok(_) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::error!(%error, cause = ?std::error::Error::source(&error), "changes cannot be dispatched");
            }
            Err(_) => {}
        }
    }
}

/// Stamps everything that is visible now; returns how much that was.
pub async fn stamp_all(pool: &PgPool) -> Result<i64, StoreError> {
    let mut stamped = 0;
    loop {
        let mut tx = pool.begin().await?;
        let slice = Changes::stamp(&mut tx, SLICE).await?;
        tx.commit().await?;
        stamped += slice;
        if slice < SLICE {
            return Ok(stamped);
        }
    }
}
