//! Lanes and the one gate that decides whether a lane's jobs may be claimed.
//!
//! The claim statement asks the same column this function reads, so that an explanation
//! cannot drift from the decision.

use crate::QueueName;
use sqlx::PgConnection;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    pub queue: String,
    pub partner: String,
    pub paused_by: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    Open,
    Blocked { reason: String },
}

/// Whether jobs of this lane may be claimed now, and if not, why.
pub fn gate(lane: &Lane) -> Gate {
    match &lane.paused_by {
        Some(who) => Gate::Blocked {
            reason: format!("queue {} is paused by {who}", lane.queue),
        },
        None => Gate::Open,
    }
}

impl Lane {
    pub async fn list(conn: &mut PgConnection) -> sqlx::Result<Vec<Self>> {
        sqlx::query_as!(
            Self,
            "SELECT queue, partner, paused_by FROM lanes ORDER BY queue, partner"
        )
        .fetch_all(conn)
        .await
    }

    /// Pauses or resumes every lane of a queue. `who` is shown to whoever asks why.
    pub async fn set_paused(
        conn: &mut PgConnection,
        queue: QueueName,
        who: Option<&str>,
    ) -> sqlx::Result<()> {
        sqlx::query!(
            "INSERT INTO lanes (queue, paused_by, paused_at) VALUES ($1, $2, now())
             ON CONFLICT (queue, partner) DO NOTHING",
            queue.as_str(),
            who
        )
        .execute(&mut *conn)
        .await?;
        sqlx::query!(
            "UPDATE lanes SET paused_by = $2, paused_at = CASE WHEN $2::text IS NULL THEN NULL ELSE now() END
             WHERE queue = $1",
            queue.as_str(),
            who
        )
        .execute(conn)
        .await?;
        Ok(())
    }
}
