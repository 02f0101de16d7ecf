//! The cron ledger.

use crate::error::Res;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgConnection;

#[derive(Clone, Debug, Serialize)]
pub struct Schedule {
    pub id: i64,
    pub key: String,
    pub cron: String,
    pub time_zone: String,
    pub kind: String,
    pub args: serde_json::Value,
    pub paused: bool,
    /// The ledger is complete up to here.
    pub ticked_to: Timestamp,
}

#[derive(Clone, Debug, Serialize)]
pub struct Tick {
    pub tick_at: Timestamp,
    pub verdict: String,
    pub job_id: Option<i64>,
}

pub struct Schedules;

impl Schedules {
    /// Makes the schedule unless it is there; an operator's edits stay.
    pub async fn ensure(
        conn: &mut PgConnection,
        key: &str,
        cron: &str,
        time_zone: &str,
        kind: &str,
        args: &serde_json::Value,
    ) -> Res<()> {
        sqlx::query!(
            "INSERT INTO schedules (key, cron, time_zone, kind, args) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (key) DO NOTHING",
            key,
            cron,
            time_zone,
            kind,
            args
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    pub async fn list(conn: &mut PgConnection) -> Res<Vec<Schedule>> {
        let rows = sqlx::query!(
            r#"SELECT id, key, cron, time_zone, kind, args, paused_at IS NOT NULL AS "paused!", ticked_to
               FROM schedules ORDER BY key"#
        )
        .fetch_all(conn)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Schedule {
                id: row.id,
                key: row.key,
                cron: row.cron,
                time_zone: row.time_zone,
                kind: row.kind,
                args: row.args,
                paused: row.paused,
                ticked_to: crate::stamp(row.ticked_to),
            })
            .collect())
    }

    /// Takes the schedule for this transaction, with the database's clock. `None` when another
    /// scheduler has it.
    pub async fn take(conn: &mut PgConnection, id: i64) -> Res<Option<(Timestamp, Timestamp)>> {
        let row = sqlx::query!(
            r#"SELECT ticked_to, now() AS "now!" FROM schedules WHERE id = $1 AND paused_at IS NULL
               FOR UPDATE SKIP LOCKED"#,
            id
        )
        .fetch_optional(conn)
        .await?;
        Ok(row.map(|row| (crate::stamp(row.ticked_to), crate::stamp(row.now))))
    }

    /// Writes a tick down; `false` when it already was.
    pub async fn tick(conn: &mut PgConnection, id: i64, at: Timestamp, verdict: &str) -> Res<bool> {
        let done = sqlx::query!(
            "INSERT INTO schedule_ticks (schedule_id, tick_at, verdict) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            id,
            crate::unstamp(at),
            verdict
        )
        .execute(conn)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    pub async fn ticked(conn: &mut PgConnection, id: i64, at: Timestamp, job_id: i64) -> Res<()> {
        sqlx::query!(
            "UPDATE schedule_ticks SET job_id = $3 WHERE schedule_id = $1 AND tick_at = $2",
            id,
            crate::unstamp(at),
            job_id
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    pub async fn complete_to(conn: &mut PgConnection, id: i64, at: Timestamp) -> Res<()> {
        sqlx::query!(
            "UPDATE schedules SET ticked_to = $2 WHERE id = $1",
            id,
            crate::unstamp(at)
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Newest first.
    pub async fn ticks(conn: &mut PgConnection, key: &str, limit: i64) -> Res<Vec<Tick>> {
        let rows = sqlx::query!(
            "SELECT t.tick_at, t.verdict, t.job_id FROM schedule_ticks t JOIN schedules s ON s.id = t.schedule_id
             WHERE s.key = $1 ORDER BY t.tick_at DESC LIMIT $2",
            key,
            limit
        )
        .fetch_all(conn)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Tick {
                tick_at: crate::stamp(row.tick_at),
                verdict: row.verdict,
                job_id: row.job_id,
            })
            .collect())
    }
}
