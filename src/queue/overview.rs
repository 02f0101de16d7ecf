//! What operators look at first: queues, runs and workers as they stand.

use crate::inspect::stamp;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgConnection;

/// A queue now, and in the last five minutes.
#[derive(Clone, Debug, Serialize)]
pub struct QueueStats {
    pub queue: String,
    pub ready: i64,
    pub scheduled: i64,
    pub running: i64,
    /// How long the longest has been due.
    pub oldest_ready_seconds: f64,
    pub done_5m: i64,
    pub dead_5m: i64,
    /// From due to done, in the last five minutes.
    pub p50_seconds: Option<f64>,
    pub p95_seconds: Option<f64>,
    pub paused_by: Option<String>,
    pub max_running: Option<i32>,
    /// Living workers that serve it.
    pub workers: i64,
}

/// What one cause started, and how far it is.
#[derive(Clone, Debug, Serialize)]
pub struct RunRecord {
    pub id: i64,
    pub cause: String,
    pub subject: String,
    pub started_at: Timestamp,
    pub waiting: i64,
    pub running: i64,
    pub done: i64,
    pub dead: i64,
    pub cancelled: i64,
    pub finished_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Serialize)]
pub struct WorkerRecord {
    pub name: String,
    pub queues: Vec<String>,
    pub started_at: Timestamp,
    pub seen_at: Timestamp,
    pub silent_seconds: f64,
    /// Jobs it holds, begun or not.
    pub holds: i64,
}

/// One minute of a queue's history.
#[derive(Clone, Debug, Serialize)]
pub struct Minute {
    pub at: Timestamp,
    pub done: i64,
    pub failed: i64,
}

pub struct Overview;

impl Overview {
    /// Every queue that ever had a job.
    pub async fn queues(conn: &mut PgConnection) -> sqlx::Result<Vec<QueueStats>> {
        let rows = sqlx::query_file!("queries/queue_stats.sql")
            .fetch_all(conn)
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| QueueStats {
                queue: row.queue,
                ready: row.ready,
                scheduled: row.scheduled,
                running: row.running,
                oldest_ready_seconds: row.oldest,
                done_5m: row.done,
                dead_5m: row.dead,
                p50_seconds: row.p50,
                p95_seconds: row.p95,
                paused_by: row.paused_by,
                max_running: row.max_running,
                workers: row.workers,
            })
            .collect())
    }

    /// Newest first, below an id.
    pub async fn runs(
        conn: &mut PgConnection,
        before: Option<i64>,
        limit: i64,
    ) -> sqlx::Result<Vec<RunRecord>> {
        Self::read_runs(conn, None, before, limit).await
    }

    pub async fn run(conn: &mut PgConnection, id: i64) -> sqlx::Result<Option<RunRecord>> {
        Ok(Self::read_runs(conn, Some(id), None, 1).await?.pop())
    }

    async fn read_runs(
        conn: &mut PgConnection,
        id: Option<i64>,
        before: Option<i64>,
        limit: i64,
    ) -> sqlx::Result<Vec<RunRecord>> {
        let rows = sqlx::query_file!("queries/runs.sql", id, before.unwrap_or(i64::MAX), limit)
            .fetch_all(conn)
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| RunRecord {
                id: row.id,
                cause: row.cause,
                subject: row.subject,
                started_at: stamp(row.started_at),
                waiting: row.waiting,
                running: row.running,
                done: row.done,
                dead: row.dead,
                cancelled: row.cancelled,
                finished_at: row
                    .finished_at
                    .filter(|_| row.waiting + row.running == 0)
                    .map(stamp),
            })
            .collect())
    }

    pub async fn workers(conn: &mut PgConnection) -> sqlx::Result<Vec<WorkerRecord>> {
        let rows = sqlx::query!(
            r#"SELECT w.name, w.queues, w.started_at, w.seen_at,
                      extract(epoch FROM now() - w.seen_at)::float8 AS "silent!",
                      (SELECT coalesce(sum(greatest(c.open, 0)), 0) FROM jobs_claims c WHERE c.worker = w.name)::bigint AS "holds!"
               FROM workers w ORDER BY w.seen_at DESC, w.name"#
        )
        .fetch_all(conn)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| WorkerRecord {
                name: row.name,
                queues: row.queues,
                started_at: stamp(row.started_at),
                seen_at: stamp(row.seen_at),
                silent_seconds: row.silent,
                holds: row.holds,
            })
            .collect())
    }

    /// The last half hour by the minute, over every queue; minutes without an end are left out.
    pub async fn minutes(conn: &mut PgConnection) -> sqlx::Result<Vec<Minute>> {
        let rows = sqlx::query!(
            r#"SELECT date_trunc('minute', finished_at) AS "at!", count(*) FILTER (WHERE state = 'done') AS "done!",
                      count(*) FILTER (WHERE state <> 'done') AS "failed!"
               FROM jobs_history WHERE finished_at > now() - interval '30 minutes' GROUP BY 1 ORDER BY 1"#
        )
        .fetch_all(conn)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Minute {
                at: stamp(row.at),
                done: row.done,
                failed: row.failed,
            })
            .collect())
    }
}
