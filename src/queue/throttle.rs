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

/// What came of asking for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Taken: use it after this long.
    Taken(Duration),
    /// The line is too long: come again after about this long. Nothing was taken.
    Full(Duration),
}

impl Throttle {
    /// Takes one token of a bucket that fills at `rate` a second and holds a second's worth. A wait is a place in
    /// the line, already taken; nobody is put in a line that is longer than `longest`.
    pub async fn take(&self, name: &str, rate: f64, longest: Duration) -> sqlx::Result<Turn> {
        let rate = rate.max(0.001);
        let (taken, wait) = match self {
            Self::Postgres(pool) => take_row(pool, name, rate, longest).await?,
            Self::Redis { bucket, fallback } => match bucket.take(name, rate, longest).await {
                Ok(answer) => answer,
                Err(error) => {
                    // A partner's budget must hold while Redis is away.
                    tracing::debug!(%error, "the throttle in redis is away, using postgresql");
                    take_row(fallback, name, rate, longest).await?
                }
            },
        };
        let wait = Duration::try_from_secs_f64(wait).unwrap_or_default();
        Ok(if taken {
            Turn::Taken(wait)
        } else {
            Turn::Full(wait)
        })
    }
}

async fn take_row(
    pool: &PgPool,
    name: &str,
    rate: f64,
    longest: Duration,
) -> sqlx::Result<(bool, f64)> {
    let most = rate.max(1.0);
    let taken = sqlx::query_file_scalar!(
        "queries/throttle.sql",
        name,
        rate,
        most,
        longest.as_secs_f64()
    )
    .fetch_optional(pool)
    .await?;
    if let Some(wait) = taken {
        return Ok((true, wait));
    }
    let wait = sqlx::query_scalar!(
        r#"SELECT greatest(0, (1 - tokens) / $2::float8 - extract(epoch FROM clock_timestamp() - filled_at))::float8 AS "wait!"
           FROM throttles WHERE name = $1"#,
        name,
        rate
    )
    .fetch_one(pool)
    .await?;
    Ok((false, wait))
}
