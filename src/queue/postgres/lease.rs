//! Leases, rescues and the list of living workers.

use crate::QueueName;
use crate::engine::{LEASE, Rescued};
use sqlx::PgPool;

/// A job that was alone in its batch when its worker died this often more is poison.
const RESCUES_ALLOWED: i32 = 3;

pub(super) async fn started(pool: &PgPool, jobs: &[(i64, i64)]) -> sqlx::Result<u64> {
    let (ids, tokens): (Vec<i64>, Vec<i64>) = jobs.iter().copied().unzip();
    let done = sqlx::query!(
        "UPDATE jobs_hot h SET started_at = now(), attempt = h.attempt + 1
         FROM unnest($1::bigint[], $2::bigint[]) a(id, token)
         WHERE h.id = a.id AND h.token = a.token AND h.started_at IS NULL",
        &ids,
        &tokens
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

pub(super) async fn renew(
    pool: &PgPool,
    worker: &str,
    queues: &[QueueName],
    tokens: &[i64],
) -> sqlx::Result<u64> {
    let queues: Vec<String> = queues.iter().map(|q| q.as_str().to_owned()).collect();
    sqlx::query!(
        "INSERT INTO workers (name, queues) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET seen_at = now()",
        worker,
        &queues
    )
    .execute(pool)
    .await?;
    let held = sqlx::query!(
        "WITH finished AS (DELETE FROM jobs_claims WHERE worker = $1 AND open <= 0)
         UPDATE jobs_claims SET until = now() + $2::float8 * interval '1 second'
         WHERE worker = $1 AND open > 0 AND token = ANY($3)",
        worker,
        LEASE.as_secs_f64(),
        tokens
    )
    .execute(pool)
    .await?;
    Ok(held.rows_affected())
}

pub(super) async fn rescue(pool: &PgPool) -> sqlx::Result<Rescued> {
    let row = sqlx::query_file!("queries/rescue.sql", RESCUES_ALLOWED)
        .fetch_one(pool)
        .await?;
    sqlx::query!("DELETE FROM workers WHERE seen_at < now() - interval '1 minute'")
        .execute(pool)
        .await?;
    Ok(Rescued {
        returned: u64::try_from(row.returned).unwrap_or_default(),
        buried: u64::try_from(row.buried).unwrap_or_default(),
    })
}

pub(super) async fn retire(pool: &PgPool, worker: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "DELETE FROM jobs_claims WHERE worker = $1 AND open <= 0",
        worker
    )
    .execute(pool)
    .await?;
    sqlx::query!("DELETE FROM workers WHERE name = $1", worker)
        .execute(pool)
        .await?;
    Ok(())
}

pub(super) async fn ensure_lane(
    pool: &PgPool,
    queue: QueueName,
    partner: &str,
) -> sqlx::Result<i32> {
    // A lane opened while its queue is paused is paused too.
    sqlx::query!(
        "INSERT INTO lanes (queue, partner, paused_by, paused_at)
         SELECT $1, $2, p.paused_by, p.paused_at
         FROM (SELECT 1) one LEFT JOIN lanes p ON p.queue = $1 AND p.partner = ''
         ON CONFLICT (queue, partner) DO NOTHING",
        queue.as_str(),
        partner
    )
    .execute(pool)
    .await?;
    sqlx::query_scalar!(
        "SELECT id FROM lanes WHERE queue = $1 AND partner = $2",
        queue.as_str(),
        partner
    )
    .fetch_one(pool)
    .await
}
