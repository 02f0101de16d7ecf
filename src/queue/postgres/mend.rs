//! What operators do to jobs: put ended ones back, give waiting ones another time or priority.

use crate::bulk::{Change, Revival};
use sqlx::{PgConnection, PgPool};
use std::time::Duration;

fn micros(delay: Duration) -> i64 {
    i64::try_from(delay.as_micros()).unwrap_or(i64::MAX / 1_000_000)
}

pub(crate) async fn revive(
    conn: &mut PgConnection,
    jobs: &[Revival],
    who: &str,
) -> sqlx::Result<Vec<i64>> {
    let ids: Vec<i64> = jobs.iter().map(|job| job.id).collect();
    let delays: Vec<i64> = jobs.iter().map(|job| micros(job.delay)).collect();
    let allowed: Vec<i16> = jobs
        .iter()
        .map(|job| i16::try_from(job.attempts).unwrap_or(i16::MAX))
        .collect();
    let keys: Vec<Option<String>> = jobs.iter().map(|job| job.key.clone()).collect();
    let back = sqlx::query_file_scalar!(
        "queries/revive.sql",
        &ids,
        &delays,
        &allowed,
        &keys as &[Option<String>],
        who
    )
    .fetch_all(&mut *conn)
    .await?;
    wake(conn, &back).await?;
    Ok(back)
}

pub(crate) async fn reschedule(
    pool: &PgPool,
    changes: &[Change],
    why: &str,
) -> sqlx::Result<Vec<i64>> {
    let ids: Vec<i64> = changes.iter().map(|change| change.id).collect();
    let delays: Vec<Option<i64>> = changes.iter().map(|c| c.delay.map(micros)).collect();
    let levels: Vec<Option<i16>> = changes
        .iter()
        .map(|change| change.priority.map(crate::Priority::level))
        .collect();
    let mut tx = pool.begin().await?;
    let moved = sqlx::query_file_scalar!(
        "queries/reschedule.sql",
        &ids,
        &delays as &[Option<i64>],
        &levels as &[Option<i16>],
        why
    )
    .fetch_all(&mut *tx)
    .await?;
    wake(&mut tx, &moved).await?;
    tx.commit().await?;
    Ok(moved)
}

/// Their queues' claimers look everywhere: a job may now stand before what was claimed last.
async fn wake(conn: &mut PgConnection, ids: &[i64]) -> sqlx::Result<()> {
    sqlx::query!(
        "SELECT pg_notify('forecourt_jobs', queue) FROM (
             SELECT DISTINCT l.queue FROM jobs_hot h JOIN lanes l ON l.id = h.lane WHERE h.id = ANY($1)) q",
        ids
    )
    .execute(conn)
    .await?;
    Ok(())
}
