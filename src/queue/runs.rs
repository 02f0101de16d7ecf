//! Runs: what one cause started, with its progress.

use sqlx::PgConnection;

#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Progress {
    pub waiting: i64,
    pub running: i64,
    pub done: i64,
    /// Failed attempts that were tried again.
    pub retried: i64,
    pub dead: i64,
}

pub struct Runs;

impl Runs {
    /// `cause` says who or what began it (`schedule nightly`, `api key ops`); `subject` on what.
    pub async fn begin(conn: &mut PgConnection, cause: &str, subject: &str) -> sqlx::Result<i64> {
        let run = sqlx::query_scalar!(
            "INSERT INTO runs (cause, subject) VALUES ($1, $2) RETURNING id",
            cause,
            subject
        )
        .fetch_one(conn)
        .await?;
        crate::spans::run_began(run, cause, subject);
        Ok(run)
    }

    /// Worker processes that renewed their leases of late.
    pub async fn workers_alive(conn: &mut PgConnection) -> sqlx::Result<i64> {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "n!" FROM workers WHERE seen_at > now() - interval '15 seconds'"#
        )
        .fetch_one(conn)
        .await
    }

    /// Jobs of any run that have not ended, and claimed ones of none: a dead worker's, perhaps, whose lease
    /// has yet to run out.
    pub async fn unfinished(conn: &mut PgConnection) -> sqlx::Result<i64> {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "n!" FROM jobs_hot WHERE run_id IS NOT NULL OR token IS NOT NULL"#
        )
        .fetch_one(conn)
        .await
    }

    /// Jobs of any run and of none that are due or claimed.
    pub async fn due(conn: &mut PgConnection) -> sqlx::Result<i64> {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "n!" FROM jobs_hot WHERE token IS NOT NULL OR run_at <= now()"#
        )
        .fetch_one(conn)
        .await
    }

    /// Jobs that ended, of any kind and run.
    pub async fn finished_total(conn: &mut PgConnection) -> sqlx::Result<i64> {
        sqlx::query_scalar!(r#"SELECT count(*) AS "n!" FROM jobs_history"#)
            .fetch_one(conn)
            .await
    }

    /// Over the given runs together.
    pub async fn progress(conn: &mut PgConnection, runs: &[i64]) -> sqlx::Result<Progress> {
        let row = sqlx::query_file!("queries/run_progress.sql", runs)
            .fetch_one(conn)
            .await?;
        Ok(Progress {
            waiting: row.waiting,
            running: row.running,
            done: row.done,
            retried: row.retried,
            dead: row.dead,
        })
    }
}
