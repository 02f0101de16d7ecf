//! Token buckets that every process shares: so many a second, and no more.
//!
//! In PostgreSQL, or on Redis when that is the queue's engine: ephemeral, a lost bucket is a full one.

use crate::redis::Bucket;
use sqlx::PgPool;
use std::time::Duration;

#[derive(Clone)]
pub enum Throttle {
    Postgres(PgPool),
    Redis { bucket: Bucket, fallback: PgPool },
}

impl Throttle {
    /// Takes one token of a bucket that fills at `rate` a second and holds a second's worth. Answers how
    /// long to wait before using it; a wait is a place in the line, already taken.
    pub async fn take(&self, name: &str, rate: f64) -> sqlx::Result<Duration> {
        let rate = rate.max(0.001);
        let wait = match self {
            Self::Postgres(pool) => take_row(pool, name, rate).await?,
            Self::Redis { bucket, fallback } => match bucket.take(name, rate).await {
                Ok(seconds) => seconds,
                Err(error) => {
                    // A partner's budget must hold while Redis is away.
                    tracing::debug!(%error, "the throttle in redis is away, using postgresql");
                    take_row(fallback, name, rate).await?
                }
            },
        };
        Ok(Duration::try_from_secs_f64(wait).unwrap_or_default())
    }
}

async fn take_row(pool: &PgPool, name: &str, rate: f64) -> sqlx::Result<f64> {
    sqlx::query_file_scalar!("queries/throttle.sql", name, rate, rate.max(1.0))
        .fetch_one(pool)
        .await
}
