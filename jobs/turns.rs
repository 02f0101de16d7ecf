//! Turns: what two jobs must not do at once, over every process, and what an attempt that lost its lease must not
//! finish. The lock is the queue's; its epoch fences.

use crate::App;
use queue::{JobContext, JobError, Jobs, Lock};
use std::time::Duration;
use stores::PgConnection;

/// Somebody else's turn is looked at again this soon.
const AGAIN: Duration = Duration::from_secs(15);

/// Owners are jobs; the number is the job's.
const OWNER: &str = "job ";

/// Takes the turn for at most `hold`. A second attempt of the same job takes it from the first, which then
/// finds itself fenced. Whatever comes of the work, [`release`] it.
pub(crate) async fn take(
    app: &App,
    name: &str,
    cx: &JobContext,
    hold: Duration,
) -> Result<Lock, JobError> {
    let lock = try_take(app, name, cx, hold).await?;
    lock.ok_or_else(|| JobError::Snooze {
        after: AGAIN,
        reason: format!("another job is at {name}"),
    })
}

/// The same; `None` while another unfinished job has it.
pub(crate) async fn try_take(
    app: &App,
    name: &str,
    cx: &JobContext,
    hold: Duration,
) -> Result<Option<Lock>, JobError> {
    let owner = format!("{OWNER}{}", cx.id);
    if let Some(lock) = app.locks.take(name, &owner, hold).await? {
        return Ok(Some(lock));
    }
    let left = match app.locks.held(name).await? {
        Some(held) => left_behind(app, &held).await?,
        None => true,
    };
    Ok(if left {
        app.locks.take(name, &owner, hold).await?
    } else {
        None
    })
}

/// A job that was killed after its last word keeps its turn; nobody waits for what has ended.
async fn left_behind(app: &App, held: &Lock) -> Result<bool, JobError> {
    let job = held
        .owner
        .strip_prefix(OWNER)
        .and_then(|id| id.parse().ok());
    let Some(job) = job else { return Ok(false) };
    let mut conn = app.pool.acquire().await?;
    if Jobs::unfinished(&mut conn, &[job]).await? > 0 {
        return Ok(false);
    }
    Ok(app.locks.release(held).await?)
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
