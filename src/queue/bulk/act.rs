//! One slice of an action: each job looked at again, touched or left alone.

use super::{Bulk, BulkAction, BulkError, Change, Found, KindOf, Revival, states};
use crate::{AnyEngine, Cancelled, Engine};
use sqlx::PgConnection;
use std::time::Duration;

/// A word for what was done, or why not.
pub(super) type Done = Result<&'static str, String>;

pub(super) async fn act(
    engine: &AnyEngine,
    tx: &mut PgConnection,
    bulk: &Bulk,
    jobs: &[Found],
    kinds: KindOf<'_>,
) -> Result<Vec<Done>, BulkError> {
    let ids: Vec<i64> = jobs.iter().map(|job| job.id).collect();
    let before = u32::try_from(bulk.done + bulk.skipped).unwrap_or(u32::MAX);
    // Released so many a second: what comes later in the action is due later.
    let paced = |place: usize| {
        let place = f64::from(before) + f64::from(u32::try_from(place).unwrap_or(u32::MAX));
        let wait = bulk.action.pace().map_or(0.0, |rate| place / rate);
        Duration::try_from_secs_f64(wait).unwrap_or_default()
    };
    let (touched, word, otherwise) = match &bulk.action {
        BulkAction::Retry { .. } => {
            let revivals: Vec<Revival> = jobs
                .iter()
                .enumerate()
                .map(|(place, job)| {
                    let (attempts, key) = kinds(&job.kind, &job.args);
                    Revival {
                        id: job.id,
                        delay: paced(place),
                        attempts,
                        key,
                    }
                })
                .collect();
            let touched = engine.revive(tx, &revivals, &bulk.who).await?;
            (
                touched,
                "retried",
                "it is not dead any more, or the same work is waiting already",
            )
        }
        BulkAction::Cancel => return cancel(engine, bulk, &ids).await,
        BulkAction::Delete => {
            let touched = sqlx::query_scalar!(
                "DELETE FROM jobs_history WHERE id = ANY($1) AND state = ANY($2) RETURNING id",
                &ids,
                &states(&bulk.action, &bulk.filter)?
            )
            .fetch_all(tx)
            .await?;
            (
                touched,
                "deleted",
                "it has not ended, or is deleted already",
            )
        }
        BulkAction::Reprioritise { priority } => {
            let changes: Vec<Change> = ids
                .iter()
                .map(|id| Change {
                    id: *id,
                    delay: None,
                    priority: Some(*priority),
                })
                .collect();
            let touched = engine.reschedule(&changes, "").await?;
            (touched, "reprioritised", "it does not wait any more")
        }
        BulkAction::Move { in_seconds, .. } => {
            let first = Duration::try_from_secs_f64(in_seconds.max(0.0)).unwrap_or_default();
            let changes: Vec<Change> = ids
                .iter()
                .enumerate()
                .map(|(place, id)| Change {
                    id: *id,
                    delay: Some(first + paced(place)),
                    priority: None,
                })
                .collect();
            let why = format!("moved by {}", bulk.who);
            let touched = engine.reschedule(&changes, &why).await?;
            (touched, "moved", "it does not wait any more")
        }
    };
    Ok(ids
        .iter()
        .map(|id| match touched.contains(id) {
            true => Ok(word),
            false => Err(otherwise.to_owned()),
        })
        .collect())
}

async fn cancel(engine: &AnyEngine, bulk: &Bulk, ids: &[i64]) -> Result<Vec<Done>, BulkError> {
    let mut results = Vec::with_capacity(ids.len());
    for id in ids {
        results.push(match engine.cancel(*id, &bulk.who).await? {
            Cancelled::AtOnce => Ok("cancelled"),
            Cancelled::Asked => Ok("asked to stop"),
            Cancelled::TooLate => Err("it has ended".to_owned()),
        });
    }
    Ok(results)
}
