//! Turns: what two jobs must not do at once, over every process, and what an attempt that lost its lease must not
//! finish. The lock is the queue's; its epoch fences.

use crate::App;
use queue::{JobContext, JobError, Lock};
use std::time::Duration;
use stores::PgConnection;

/// Somebody else's turn is looked at again this soon.
const AGAIN: Duration = Duration::from_secs(15);

/// Takes the turn for at most `hold`. A second attempt of the same job takes it from the first, which then
/// finds itself fenced.
pub(crate) async fn take(
    app: &App,
    name: &str,
    cx: &JobContext,
    hold: Duration,
) -> Result<Lock, JobError> {
    let owner = format!("job {}", cx.id);
    let lock = app.locks.take(name, &owner, hold).await?;
    lock.ok_or_else(|| JobError::Snooze {
        after: AGAIN,
        reason: format!("another job is at {name}"),
    })
}

/// In the transaction that writes: the turn is still ours, and stays so until it commits.
pub(crate) async fn still_ours(conn: &mut PgConnection, lock: &Lock) -> Result<(), JobError> {
    if lock.still_held(conn).await? {
        return Ok(());
    }
    Err(JobError::Snooze {
        after: AGAIN,
        reason: format!("the turn at {} went to another attempt", lock.name),
    })
}

pub(crate) async fn release(app: &App, lock: &Lock) {
    // It runs out by itself.
    if let Err(error) = app.locks.release(lock).await {
        tracing::debug!(%error, lock = lock.name, "a turn could not be given up");
    }
}
