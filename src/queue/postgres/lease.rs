//! Leases, rescues and the list of living workers.

use crate::QueueName;
use crate::engine::{Cancelled, LEASE, RESCUES_ALLOWED, Rescued};
use sqlx::PgPool;

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
    sign_in(pool, worker, queues).await?;
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

/// In the list of living workers.
pub(crate) async fn sign_in(pool: &PgPool, worker: &str, queues: &[QueueName]) -> sqlx::Result<()> {
    let queues: Vec<String> = queues.iter().map(|q| q.as_str().to_owned()).collect();
    sqlx::query!(
        "INSERT INTO workers (name, queues) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET seen_at = now()",
        worker,
        &queues
    )
    .execute(pool)
    .await?;
    Ok(())
}

pub(crate) async fn forget_lost_workers(pool: &PgPool) -> sqlx::Result<()> {
    sqlx::query!("DELETE FROM workers WHERE seen_at < now() - interval '1 minute'")
        .execute(pool)
        .await?;
    Ok(())
}

/// A waiting job ends here; a running one is marked for its worker to see.
pub(super) async fn cancel(pool: &PgPool, id: i64, who: &str) -> sqlx::Result<Cancelled> {
    let ended = sqlx::query_file_scalar!("queries/cancel_waiting.sql", id, who)
        .fetch_one(pool)
        .await?;
    if ended > 0 {
        return Ok(Cancelled::AtOnce);
    }
    ask_to_cancel(pool, id, who).await
}

pub(crate) async fn ask_to_cancel(pool: &PgPool, id: i64, who: &str) -> sqlx::Result<Cancelled> {
    let asked = sqlx::query!("UPDATE jobs_hot SET cancel_by = $2 WHERE id = $1", id, who)
        .execute(pool)
        .await?;
    Ok(match asked.rows_affected() {
        0 => Cancelled::TooLate,
        _ => Cancelled::Asked,
    })
}

pub(crate) async fn cancelling(pool: &PgPool, ids: &[i64]) -> sqlx::Result<Vec<(i64, String)>> {
    let rows = sqlx::query!(
        r#"SELECT id, cancel_by AS "who!" FROM jobs_hot WHERE cancel_by IS NOT NULL AND id = ANY($1)"#,
        ids
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.who)).collect())
}

pub(super) async fn progress(
    pool: &PgPool,
    reports: &[(i64, i64, serde_json::Value)],
) -> sqlx::Result<u64> {
    let (mut ids, mut tokens, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    for (id, token, progress) in reports {
        ids.push(*id);
        tokens.push(*token);
        texts.push(super::json(progress));
    }
    let done = sqlx::query!(
        "UPDATE jobs_hot h SET progress = u.progress::jsonb
         FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS u(id, token, progress)
         WHERE h.id = u.id AND h.token = u.token",
        &ids,
        &tokens,
        &texts
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

pub(super) async fn rescue(pool: &PgPool) -> sqlx::Result<Rescued> {
    let row = sqlx::query_file!("queries/rescue.sql", RESCUES_ALLOWED)
        .fetch_one(pool)
        .await?;
    forget_lost_workers(pool).await?;
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
