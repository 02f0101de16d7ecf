//! The change dispatcher: gives each committed change its position, and starts what follows from it:
//! parents put together anew, and builds of the feeds that follow the change log.

use super::pause;
use crate::{App, BuildFeed, RebuildParents};
use queue::{Engine, EngineError, Enqueue};
use std::sync::Arc;
use std::time::Duration;
use stores::{Changes, Feeds, StoreError};
use tokio_util::sync::CancellationToken;

/// A change is visible to readers by position this soon after its commit.
const EVERY: Duration = Duration::from_millis(100);
const SLICE: i64 = 5_000;
/// A load changes the same rooftop many times: its parents wait this long for the rest.
const GATHER: Duration = Duration::from_millis(500);

pub(super) async fn run(app: Arc<App>, stop: CancellationToken) {
    let mut failing = false;
    while pause(&stop, EVERY).await {
        match dispatch_all(&app).await {
            Ok(_) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::error!(%error, cause = ?std::error::Error::source(&error), "changes cannot be dispatched");
            }
            Err(_) => {}
        }
    }
}

/// Stamps everything that is visible now and enqueues what follows; returns how many changes there were.
pub async fn dispatch_all(app: &App) -> Result<i64, DispatchError> {
    let mut stamped = 0;
    loop {
        let slice = dispatch(app).await?;
        stamped += slice;
        if slice < SLICE {
            break;
        }
    }
    build_due_feeds(app).await?;
    Ok(stamped)
}

#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    #[error("the change log")]
    Store(#[from] StoreError),
    #[error("enqueueing what follows from changes")]
    Queue(#[from] EngineError),
    #[error("arguments")]
    Arguments(#[from] serde_json::Error),
    #[error("a connection")]
    Sql(#[from] stores::SqlError),
}

/// The stamp and what follows from it stand or fall together.
async fn dispatch(app: &App) -> Result<i64, DispatchError> {
    let mut tx = app.pool.begin().await?;
    let slice = Changes::stamp(&mut tx, SLICE).await?;
    if slice > 0 {
        let up_to = Changes::position(&mut tx).await?;
        if Changes::mark_rooftops(&mut tx, up_to - slice, up_to).await? > 0 {
            let order = Enqueue::of(&RebuildParents {})?.after(GATHER);
            app.engine.enqueue(&mut tx, &[order]).await?;
        }
        Feeds::stock_changed(&mut tx).await?;
    }
    tx.commit().await?;
    Ok(slice)
}

async fn build_due_feeds(app: &App) -> Result<(), DispatchError> {
    let mut tx = app.pool.begin().await?;
    for feed in Feeds::take_due(&mut tx).await? {
        let order = Enqueue::of(&BuildFeed { feed: feed.clone() })?;
        let enqueued = app.engine.enqueue(&mut tx, &[order]).await?;
        if enqueued.iter().any(|job| job.existing) {
            Feeds::due_again(&mut tx, &feed).await?;
        }
    }
    tx.commit().await?;
    Ok(())
}
