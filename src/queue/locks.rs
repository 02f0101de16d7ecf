//! Locks over every process.
//!
//! [`Locks`] are what correctness may rest on: a row in PostgreSQL whose `epoch` grows with each owner. Whoever
//! writes under a lock says its epoch ([`Lock::still_held`] in the same transaction), so that an owner that was
//! asleep while its lock ran out cannot write over the next one. [`Hints`] save work and guard nothing.

use crate::redis::Bucket;
use sqlx::{PgConnection, PgPool};
use std::time::Duration;

#[derive(Clone)]
pub struct Locks {
    pool: PgPool,
}

/// Held until released, or until its time runs out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    pub name: String,
    pub owner: String,
    /// Grows with every owner.
    pub epoch: i64,
}

impl Locks {
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// `None` when somebody else holds it. The same owner takes it again, under a new epoch.
    pub async fn take(
        &self,
        name: &str,
        owner: &str,
        hold: Duration,
    ) -> sqlx::Result<Option<Lock>> {
        let epoch = sqlx::query_scalar!(
            "INSERT INTO locks AS l (name, owner, epoch, until)
             VALUES ($1, $2, 1, now() + $3::float8 * interval '1 second')
             ON CONFLICT (name) DO UPDATE SET owner = $2, epoch = l.epoch + 1, until = excluded.until
             WHERE l.until <= now() OR l.owner = $2
             RETURNING epoch",
            name,
            owner,
            hold.as_secs_f64()
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(epoch.map(|epoch| Lock {
            name: name.to_owned(),
            owner: owner.to_owned(),
            epoch,
        }))
    }

    /// As it is held now, by whomever.
    pub async fn held(&self, name: &str) -> sqlx::Result<Option<Lock>> {
        let row = sqlx::query!(
            "SELECT owner, epoch FROM locks WHERE name = $1 AND until > now()",
            name
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| Lock {
            name: name.to_owned(),
            owner: row.owner,
            epoch: row.epoch,
        }))
    }

    /// `false` when it was lost meanwhile.
    pub async fn renew(&self, lock: &Lock, hold: Duration) -> sqlx::Result<bool> {
        let done = sqlx::query!(
            "UPDATE locks SET until = now() + $4::float8 * interval '1 second'
             WHERE name = $1 AND owner = $2 AND epoch = $3 AND until > now()",
            lock.name,
            lock.owner,
            lock.epoch,
            hold.as_secs_f64()
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Lets it go; the row stays, because its epoch must not begin again.
    pub async fn release(&self, lock: &Lock) -> sqlx::Result<bool> {
        let done = sqlx::query!(
            "UPDATE locks SET until = now() WHERE name = $1 AND owner = $2 AND epoch = $3",
            lock.name,
            lock.owner,
            lock.epoch
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

impl Lock {
    /// In the transaction that writes under the lock: nobody can take it before that ends.
    pub async fn still_held(&self, conn: &mut PgConnection) -> sqlx::Result<bool> {
        let row = sqlx::query_scalar!(
            r#"SELECT 1 AS "held!" FROM locks WHERE name = $1 AND owner = $2 AND epoch = $3 AND until > now() FOR SHARE"#,
            self.name,
            self.owner,
            self.epoch
        )
        .fetch_optional(conn)
        .await?;
        Ok(row.is_some())
    }
}

/// Ephemeral locks: on Redis when there is one, else rows.
#[derive(Clone)]
pub enum Hints {
    Postgres(Locks),
    Redis(Bucket),
}

impl Hints {
    /// Whether the caller is the one to do it. Without a store to ask, everybody is.
    pub async fn take(&self, name: &str, owner: &str, hold: Duration) -> bool {
        match self {
            Self::Postgres(locks) => {
                let taken = locks.take(name, owner, hold).await;
                taken.map_or(true, |lock| lock.is_some_and(|lock| lock.epoch > 0))
            }
            Self::Redis(bucket) => bucket.lock(name, owner, hold).await.unwrap_or(true),
        }
    }

    pub async fn release(&self, name: &str, owner: &str) {
        let released = match self {
            Self::Postgres(locks) => {
                let done = sqlx::query!(
                    "UPDATE locks SET until = now() WHERE name = $1 AND owner = $2",
                    name,
                    owner
                );
                done.execute(&locks.pool)
                    .await
                    .map(|_| ())
                    .map_err(|error| error.to_string())
            }
            Self::Redis(bucket) => bucket
                .unlock(name, owner)
                .await
                .map(|_| ())
                .map_err(|error| error.to_string()),
        };
        if let Err(error) = released {
            tracing::debug!(error, name, "a hint runs out by itself");
        }
    }
}
