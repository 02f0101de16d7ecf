//! Looking at jobs: one, or a page of them, finished or not.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use time::OffsetDateTime;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    Scheduled,
    Ready,
    Running,
    Done,
    Dead,
    Cancelled,
}

impl JobState {
    pub const ALL: [Self; 6] = [
        Self::Scheduled,
        Self::Ready,
        Self::Running,
        Self::Done,
        Self::Dead,
        Self::Cancelled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct JobRecord {
    pub id: i64,
    pub queue: String,
    pub partner: String,
    pub kind: String,
    pub version: i16,
    pub priority: i16,
    pub state: JobState,
    pub attempt: i16,
    pub max_attempts: i16,
    pub snoozes: i32,
    pub rescues: i16,
    pub run_id: Option<i64>,
    pub created_at: Timestamp,
    pub run_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub worker: Option<String>,
    pub why: Option<String>,
    /// How far it is, as it says itself.
    pub progress: Option<serde_json::Value>,
    pub args: serde_json::Value,
    pub report: Option<serde_json::Value>,
    pub error: Option<serde_json::Value>,
}

/// An attempt that did not end its job, or what somebody did to it.
#[derive(Clone, Debug, Serialize)]
pub struct AttemptRecord {
    pub attempt: i16,
    /// `retry`, `snooze`, `rescue`, `dead`, `cancelled`, `retried by …`.
    pub outcome: String,
    pub started_at: Option<Timestamp>,
    pub ended_at: Timestamp,
    pub worker: Option<String>,
    pub error: Option<serde_json::Value>,
}

/// What one attempt logged.
#[derive(Clone, Debug, Serialize)]
pub struct AttemptLines {
    pub attempt: i16,
    pub ended_at: Timestamp,
    pub lines: Vec<String>,
}

/// Every part narrows; `None` is any.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobFilter {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<JobState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<i64>,
    /// Contained in the arguments: `{"source": "bayview"}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<serde_json::Value>,
    /// In the error, or the reason it waits for; whatever the case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// Enqueued at or after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Enqueued before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Just these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<i64>>,
}

impl JobFilter {
    /// Whether it matches every job.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether few of many jobs will match, in no order of theirs.
    fn is_search(&self) -> bool {
        let words = self.args.is_some() || self.words.is_some();
        words && self.run_id.is_none() && self.ids.is_none()
    }
}

pub struct Jobs;

macro_rules! record {
    ($row:expr) => {{
        let row = $row;
        JobRecord {
            id: row.id,
            queue: row.queue,
            partner: row.partner,
            kind: row.kind,
            version: row.version,
            priority: row.priority,
            state: JobState::parse(&row.state).unwrap_or(JobState::Dead),
            attempt: row.attempt,
            max_attempts: row.max_attempts,
            snoozes: row.snoozes,
            rescues: row.rescues,
            run_id: row.run_id,
            created_at: stamp(row.created_at),
            run_at: stamp(row.run_at),
            started_at: row.started_at.map(stamp),
            finished_at: row.finished_at.map(stamp),
            worker: row.worker,
            why: row.why,
            progress: row.progress,
            args: crate::secrets::redact(row.args),
            report: row.report,
            error: row.error,
        }
    }};
}

impl Jobs {
    pub async fn find(conn: &mut PgConnection, id: i64) -> sqlx::Result<Option<JobRecord>> {
        let row = sqlx::query_file!("queries/find_job.sql", id)
            .fetch_optional(conn)
            .await?;
        Ok(row.map(|row| record!(row)))
    }

    /// How many of these jobs have not ended.
    pub async fn unfinished(conn: &mut PgConnection, ids: &[i64]) -> sqlx::Result<i64> {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "n!" FROM jobs_hot WHERE id = ANY($1)"#,
            ids
        )
        .fetch_one(conn)
        .await
    }

    /// Whether a job of this kind with these arguments has not ended.
    pub async fn is_underway(
        conn: &mut PgConnection,
        kind: &str,
        args: &serde_json::Value,
    ) -> sqlx::Result<bool> {
        sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM jobs_hot WHERE kind = $1 AND args @> $2) AS "is!""#,
            kind,
            args
        )
        .fetch_one(conn)
        .await
    }

    /// Newest first, below `before` (an id) when given.
    pub async fn list(
        conn: &mut PgConnection,
        filter: &JobFilter,
        before: Option<i64>,
        limit: i64,
    ) -> sqlx::Result<Vec<JobRecord>> {
        let rows = sqlx::query_file!(
            "queries/list_jobs.sql",
            filter.state.map(JobState::as_str),
            filter.kind.as_deref(),
            filter.queue.as_deref(),
            filter.run_id,
            before.unwrap_or(i64::MAX),
            limit,
            filter.partner,
            filter.args,
            filter.words,
            filter.since.map(moment),
            filter.until.map(moment),
            filter.ids.as_deref(),
            filter.is_search()
        )
        .fetch_all(conn)
        .await?;
        Ok(rows.into_iter().map(|row| record!(row)).collect())
    }

    /// Attempts that did not end the job, oldest first.
    pub async fn attempts(
        conn: &mut PgConnection,
        id: i64,
    ) -> sqlx::Result<Vec<(i16, String, Option<serde_json::Value>)>> {
        let rows = sqlx::query!(
            "SELECT attempt, outcome, error FROM job_attempts WHERE job_id = $1 ORDER BY ended_at",
            id
        )
        .fetch_all(conn)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.attempt, row.outcome, row.error))
            .collect())
    }

    /// What its attempts came to so far, oldest first.
    pub async fn timeline(conn: &mut PgConnection, id: i64) -> sqlx::Result<Vec<AttemptRecord>> {
        let rows = sqlx::query!(
            "SELECT attempt, outcome, started_at, ended_at, worker, error FROM job_attempts
             WHERE job_id = $1 ORDER BY ended_at LIMIT 1000",
            id
        )
        .fetch_all(conn)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| AttemptRecord {
                attempt: row.attempt,
                outcome: row.outcome,
                started_at: row.started_at.map(stamp),
                ended_at: stamp(row.ended_at),
                worker: row.worker,
                error: row.error,
            })
            .collect())
    }

    /// Queues with jobs that have been ready for so long while no living worker serves them.
    pub async fn unworked(
        conn: &mut PgConnection,
        seconds: f64,
    ) -> sqlx::Result<Vec<(String, i64)>> {
        let rows = sqlx::query!(
            r#"SELECT l.queue, count(*) AS "jobs!" FROM jobs_hot h JOIN lanes l ON l.id = h.lane
               WHERE h.token IS NULL AND h.started_at IS NULL AND l.paused_by IS NULL
                 AND h.run_at < now() - $1::float8 * interval '1 second'
                 AND NOT EXISTS (SELECT 1 FROM workers w WHERE l.queue = ANY(w.queues)
                                 AND w.seen_at > now() - interval '30 seconds')
               GROUP BY l.queue ORDER BY l.queue"#,
            seconds
        )
        .fetch_all(conn)
        .await?;
        Ok(rows.into_iter().map(|row| (row.queue, row.jobs)).collect())
    }

    /// What its attempts logged, oldest first.
    pub async fn logs(conn: &mut PgConnection, id: i64) -> sqlx::Result<Vec<AttemptLines>> {
        let rows = sqlx::query!(
            "SELECT attempt, ended_at, lines FROM job_logs WHERE job_id = $1 ORDER BY ended_at",
            id
        )
        .fetch_all(conn)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| AttemptLines {
                attempt: row.attempt,
                ended_at: stamp(row.ended_at),
                lines: serde_json::from_value(row.lines).unwrap_or_default(),
            })
            .collect())
    }

    /// Deletes finished jobs of one kind that ended more than `days` ago, at most `slice` of them;
    /// returns how many. Unfinished jobs live in another table and cannot be touched.
    pub async fn prune(
        conn: &mut PgConnection,
        kind: &str,
        older_than_seconds: f64,
        slice: i64,
    ) -> sqlx::Result<u64> {
        let done = sqlx::query!(
            "DELETE FROM jobs_history WHERE (id, finished_at) IN (
                 SELECT id, finished_at FROM jobs_history
                 WHERE kind = $1 AND finished_at < now() - $2::float8 * interval '1 second' LIMIT $3)",
            kind,
            older_than_seconds,
            slice
        )
        .execute(conn)
        .await?;
        Ok(done.rows_affected())
    }

    /// Makes the history's partitions of the coming days; returns how many were missing.
    pub async fn ensure_history_days(conn: &mut PgConnection, ahead: i32) -> sqlx::Result<i32> {
        sqlx::query_scalar!(r#"SELECT ensure_history_days($1) AS "made!""#, ahead)
            .fetch_one(conn)
            .await
    }

    /// Attempts, lines and effects of jobs that are gone, and keys that ran out: at most `slice` of each;
    /// returns how many. What an unfinished job has is never touched.
    pub async fn prune_leftovers(
        conn: &mut PgConnection,
        older_than_seconds: f64,
        slice: i64,
    ) -> sqlx::Result<u64> {
        let attempts = sqlx::query!(
            "DELETE FROM job_attempts WHERE ctid = ANY(ARRAY(
                 SELECT a.ctid FROM job_attempts a WHERE ended_at < now() - $1::float8 * interval '1 second'
                   AND NOT EXISTS (SELECT 1 FROM jobs_hot h WHERE h.id = a.job_id) LIMIT $2))",
            older_than_seconds,
            slice
        )
        .execute(&mut *conn)
        .await?
        .rows_affected();
        let logs = sqlx::query!(
            "DELETE FROM job_logs WHERE ctid = ANY(ARRAY(
                 SELECT l.ctid FROM job_logs l WHERE ended_at < now() - $1::float8 * interval '1 second'
                   AND NOT EXISTS (SELECT 1 FROM jobs_hot h WHERE h.id = l.job_id) LIMIT $2))",
            older_than_seconds,
            slice
        )
        .execute(&mut *conn)
        .await?
        .rows_affected();
        let effects = sqlx::query!(
            "DELETE FROM effects WHERE ctid = ANY(ARRAY(
                 SELECT e.ctid FROM effects e WHERE made_at < now() - $1::float8 * interval '1 second'
                   AND NOT EXISTS (SELECT 1 FROM jobs_hot h WHERE h.id = e.job_id) LIMIT $2))",
            older_than_seconds,
            slice
        )
        .execute(&mut *conn)
        .await?
        .rows_affected();
        let keys = sqlx::query!(
            "DELETE FROM job_keys WHERE ctid = ANY(ARRAY(SELECT ctid FROM job_keys WHERE until < now() LIMIT $1))",
            slice
        )
        .execute(conn)
        .await?
        .rows_affected();
        Ok(attempts + logs + effects + keys)
    }
}

pub(crate) fn stamp(at: OffsetDateTime) -> Timestamp {
    Timestamp::from_nanosecond(at.unix_timestamp_nanos()).unwrap_or(Timestamp::UNIX_EPOCH)
}

pub(crate) fn moment(at: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(at.as_nanosecond())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
