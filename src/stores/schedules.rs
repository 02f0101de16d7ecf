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
    pub overlap: Overlap,
    /// Later than this a tick is written down as missed, and not run.
    pub catch_up_seconds: i64,
    /// Who paused it, if anybody.
    pub paused_by: Option<String>,
    /// The ledger is complete up to here.
    pub ticked_to: Timestamp,
}

/// What to do with a tick whose schedule's last run has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    Skip,
    /// One waits for the run to end, more are skipped.
    BufferOne,
    Allow,
}

impl Overlap {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::BufferOne => "buffer_one",
            Self::Allow => "allow",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        [Self::Skip, Self::BufferOne, Self::Allow]
            .into_iter()
            .find(|one| one.as_str() == word)
    }
}

/// What a scheduler has in its hands for one transaction.
#[derive(Clone, Debug)]
pub struct Taken {
    pub ticked_to: Timestamp,
    /// The database's clock.
    pub now: Timestamp,
    pub buffered_at: Option<Timestamp>,
    /// The job of the last tick that ran.
    pub last_job: Option<i64>,
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

    /// With what became of its ticks.
    pub async fn remove(conn: &mut PgConnection, key: &str) -> Res<()> {
        sqlx::query!("DELETE FROM schedules WHERE key = $1", key)
            .execute(conn)
            .await?;
        Ok(())
    }

    pub async fn list(conn: &mut PgConnection) -> Res<Vec<Schedule>> {
        Self::read(conn, None).await
    }

    pub async fn find(conn: &mut PgConnection, key: &str) -> Res<Option<Schedule>> {
        Ok(Self::read(conn, Some(key)).await?.pop())
    }

    async fn read(conn: &mut PgConnection, key: Option<&str>) -> Res<Vec<Schedule>> {
        let rows = sqlx::query!(
            "SELECT id, key, cron, time_zone, kind, args, overlap, catch_up_seconds,
                    CASE WHEN paused_at IS NOT NULL THEN coalesce(paused_by, 'nobody knows') END AS paused_by, ticked_to
             FROM schedules WHERE $1::text IS NULL OR key = $1 ORDER BY key",
            key
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
                overlap: Overlap::parse(&row.overlap).unwrap_or(Overlap::Skip),
                catch_up_seconds: row.catch_up_seconds,
                paused_by: row.paused_by,
                ticked_to: crate::stamp(row.ticked_to),
            })
            .collect())
    }

    /// Takes the schedule for this transaction, with the database's clock. `None` when another
    /// scheduler has it.
    pub async fn take(conn: &mut PgConnection, id: i64) -> Res<Option<Taken>> {
        let row = sqlx::query!(
            r#"SELECT ticked_to, buffered_at, clock_timestamp() AS "now!",
                   (SELECT t.job_id FROM schedule_ticks t WHERE t.schedule_id = schedules.id AND t.job_id IS NOT NULL
                    ORDER BY t.tick_at DESC LIMIT 1) AS last_job
               FROM schedules WHERE id = $1 FOR UPDATE SKIP LOCKED"#,
            id
        )
        .fetch_optional(conn)
        .await?;
        Ok(row.map(|row| Taken {
            ticked_to: crate::stamp(row.ticked_to),
            now: crate::stamp(row.now),
            buffered_at: row.buffered_at.map(crate::stamp),
            last_job: row.last_job,
        }))
    }

    pub async fn buffer(conn: &mut PgConnection, id: i64, at: Option<Timestamp>) -> Res<()> {
        sqlx::query!(
            "UPDATE schedules SET buffered_at = $2 WHERE id = $1",
            id,
            at.map(crate::unstamp)
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Pauses or resumes; `false` when there is no such schedule.
    pub async fn pause(conn: &mut PgConnection, key: &str, who: Option<&str>) -> Res<bool> {
        let done = sqlx::query!(
            "UPDATE schedules SET paused_by = $2, paused_at = CASE WHEN $2::text IS NULL THEN NULL ELSE now() END
             WHERE key = $1",
            key,
            who
        )
        .execute(conn)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Its times from now on: an edit makes no tick in the past.
    pub async fn edit(conn: &mut PgConnection, schedule: &Schedule) -> Res<()> {
        sqlx::query!(
            "UPDATE schedules SET cron = $2, time_zone = $3, args = $4, overlap = $5, catch_up_seconds = $6,
                ticked_to = CASE WHEN cron = $2 AND time_zone = $3 THEN ticked_to ELSE clock_timestamp() END
             WHERE id = $1",
            schedule.id,
            schedule.cron,
            schedule.time_zone,
            schedule.args,
            schedule.overlap.as_str(),
            schedule.catch_up_seconds
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Many ticks of one verdict; those that are there already stay.
    pub async fn note(
        conn: &mut PgConnection,
        id: i64,
        at: &[Timestamp],
        verdict: &str,
    ) -> Res<u64> {
        let at: Vec<_> = at.iter().map(|at| crate::unstamp(*at)).collect();
        let done = sqlx::query!(
            "INSERT INTO schedule_ticks (schedule_id, tick_at, verdict)
             SELECT $1, at, $3 FROM unnest($2::timestamptz[]) AS at ON CONFLICT DO NOTHING",
            id,
            &at,
            verdict
        )
        .execute(conn)
        .await?;
        Ok(done.rows_affected())
    }

    /// Takes back a tick that has no job, so that it may be made again.
    pub async fn untick(conn: &mut PgConnection, id: i64, at: Timestamp) -> Res<()> {
        sqlx::query!(
            "DELETE FROM schedule_ticks WHERE schedule_id = $1 AND tick_at = $2 AND job_id IS NULL",
            id,
            crate::unstamp(at)
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Ticks without a run since then, over all schedules: what an operator should hear of.
    pub async fn missed_since(
        conn: &mut PgConnection,
        since: Timestamp,
    ) -> Res<Vec<(String, i64)>> {
        let rows = sqlx::query!(
            r#"SELECT s.key, count(*) AS "missed!" FROM schedule_ticks t JOIN schedules s ON s.id = t.schedule_id
               WHERE t.made_at > $1 AND t.verdict LIKE 'missed:%' GROUP BY s.key"#,
            crate::unstamp(since)
        )
        .fetch_all(conn)
        .await?;
        Ok(rows.into_iter().map(|row| (row.key, row.missed)).collect())
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
